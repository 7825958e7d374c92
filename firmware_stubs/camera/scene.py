"""What is before the lens, and the few JPEGs that stand for all frames of it.

Encoding 30 frames of 1080p a second would keep a core busy. A scene is encoded once, a few times over with other sensor
noise, and the frames go round: neighbours differ, as from a real sensor, and serving costs next to nothing.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.camera.refusal import Refusal

WIDTH_PX: Final = 1920
HEIGHT_PX: Final = 1080
STEADY_FRAMES: Final = 7
NUMBER_SQUARE_PX: Final = 64
BLACK_FRAMES: Final = 2
DARKEST_GAIN: Final = 0.15  # of the first frame after the sensor wakes
HUNT_DEVIATIONS_PX: Final = (12, 7, 4, 2, 4, 7)
NOISE_DEVIATION: Final = 1.5  # grey levels
GRAIN_MARGIN_PX: Final = 64
JPEG_QUALITY: Final = 88
MAX_IMAGE_BYTES: Final = 32_000_000
MAX_IMAGE_PIXELS: Final = 50_000_000
MIN_SIDE_PX: Final = 16
BOUNDARY: Final = "frame"

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_START: Final = b"\xff\xd8"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers that carry the size
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # those without a length


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """One scene as JPEGs. steady: go round. warm_up: dark to bright, the first frames of a connection."""

    steady: tuple[bytes, ...]
    warm_up: tuple[bytes, ...]


def wall() -> NDArray[np.uint8]:
    """Give the empty background: plain, light, a little darker to the corners."""
    y, x = np.ogrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    grey = (226 - 14 * (x * x + y * y) / 2).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def fit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring an image to 1920 x 1080 at its own aspect: its whole height, cut or filled with wall at the sides.

    image: (H, W, 3) uint8 BGR, sides of 16 pixels or more.
    """
    height, width = image.shape[:2]
    kept = min(width, max(1, round(height * WIDTH_PX / HEIGHT_PX)))
    left = (width - kept) // 2
    image = image[:, left : left + kept]
    target = min(WIDTH_PX, max(1, round(kept * HEIGHT_PX / height)))
    if (kept, height) != (target, HEIGHT_PX):
        how = cv2.INTER_AREA if height > HEIGHT_PX else cv2.INTER_CUBIC
        image = cv2.resize(image, (target, HEIGHT_PX), interpolation=how).astype(np.uint8, copy=False)
    if target == WIDTH_PX:
        return image
    fitted = wall()
    left = (WIDTH_PX - target) // 2
    fitted[:, left : left + target] = image
    return fitted


def decode(body: bytes) -> NDArray[np.uint8]:
    """Decode a PNG or JPEG file to (H, W, 3) uint8 BGR.

    Raises Refusal for another format, a broken file, or more than 50 million pixels (before any is decoded).
    """
    width, height = _png_size(body) if body.startswith(_PNG_SIGNATURE) else _jpeg_size(body)
    if min(width, height) < MIN_SIDE_PX:
        raise Refusal(422, "IMAGE_TOO_SMALL", f"{width} x {height}: a side is {MIN_SIDE_PX} pixels at least")
    if width * height > MAX_IMAGE_PIXELS:
        raise Refusal(422, "IMAGE_TOO_LARGE", f"{width} x {height}: {MAX_IMAGE_PIXELS} pixels at most")
    try:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise Refusal(422, "IMAGE_BROKEN", "the file does not decode")
    return image.astype(np.uint8, copy=False)


def expose(scene: NDArray[np.uint8], warm_up_frames: int, *, numbered: bool = False) -> Exposures:
    """Encode one scene.

    scene: (1080, 1920, 3) uint8 BGR. warm_up_frames: 0 for a sensor that is always awake.
    numbered: each steady frame shows its number in the round, 1 to 7, in its lower left corner: three squares of
    NUMBER_SQUARE_PX, white where the bit is set, the lowest first.
    """
    random = np.random.default_rng(0x73686F74)
    gains = np.linspace(DARKEST_GAIN, 1.0, warm_up_frames, endpoint=False)
    return Exposures(
        tuple(
            _shot(random, _numbered(scene, number) if numbered else scene, 1.0)
            for number in range(1, STEADY_FRAMES + 1)
        ),
        tuple(_shot(random, scene, float(gain)) for gain in gains),
    )


def darkness() -> tuple[bytes, ...]:
    """Give frames of a covered lens: noise alone."""
    return expose(np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8), 0).steady[:BLACK_FRAMES]


def unfocused(frame: bytes) -> tuple[bytes, ...]:
    """Give one frame as a lens shows it on its way through focus and back."""
    pixels = decode(frame)
    random = np.random.default_rng(0x6C656E73)
    blurred = (cv2.GaussianBlur(pixels, (0, 0), deviation) for deviation in HUNT_DEVIATIONS_PX)
    return tuple(_shot(random, picture.astype(np.uint8, copy=False), 1.0) for picture in blurred)


def part(content: bytes) -> bytes:
    """Wrap one JPEG as a part of the multipart stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _numbered(scene: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    shown = scene.copy()
    for bit in range(STEADY_FRAMES.bit_length()):
        columns = slice(bit * NUMBER_SQUARE_PX, (bit + 1) * NUMBER_SQUARE_PX)
        shown[-NUMBER_SQUARE_PX:, columns] = 255 * (number >> bit & 1)
    return shown


@functools.cache
def _grain() -> NDArray[np.int8]:
    """Sensor noise, larger than a frame on both sides: drawing it anew for each frame would cost more than encoding."""
    random = np.random.default_rng(0x6E6F6973)
    shape = (HEIGHT_PX + GRAIN_MARGIN_PX, WIDTH_PX + GRAIN_MARGIN_PX, 3)
    grain: NDArray[np.int8] = np.rint(random.standard_normal(shape, np.float32) * NOISE_DEVIATION).astype(np.int8)
    return grain


def _shot(random: np.random.Generator, scene: NDArray[np.uint8], gain: float) -> bytes:
    """Encode one frame; a window of the grain, moved at random, is its noise."""
    top, left = random.integers(0, GRAIN_MARGIN_PX, 2)
    noise = _grain()[top : top + HEIGHT_PX, left : left + WIDTH_PX]
    exposed = scene if gain == 1.0 else cv2.convertScaleAbs(scene, alpha=gain)
    noisy = cv2.add(exposed, noise, dtype=cv2.CV_8U)
    encoded, content = cv2.imencode(".jpg", noisy, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    assert encoded  # noqa: S101 - an (H, W, 3) uint8 array always encodes
    return content.tobytes()


def _png_size(body: bytes) -> tuple[int, int]:
    if len(body) < 24 or body[12:16] != b"IHDR":
        raise Refusal(422, "IMAGE_BROKEN", "the PNG has no header")
    width, height = struct.unpack_from(">II", body, 16)
    return width, height


def _jpeg_size(body: bytes) -> tuple[int, int]:
    """Walk the segments up to the frame header (ITU-T T.81 annex B)."""
    if not body.startswith(_JPEG_START):
        raise Refusal(415, "IMAGE_FORMAT_UNKNOWN", "the body is neither a PNG nor a JPEG file")
    at = 2
    while at + 4 <= len(body) and body[at] == 0xFF:
        marker = body[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker in _JPEG_FRAMES and at + 9 <= len(body):
            height, width = struct.unpack_from(">HH", body, at + 5)
            return width, height
        else:
            at += 2 + max(2, int.from_bytes(body[at + 2 : at + 4], "big"))
    raise Refusal(422, "IMAGE_BROKEN", "the JPEG has no frame header")
