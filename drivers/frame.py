"""One image from a device, with what is known of how it was taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

REDUCTIONS: Final = (1, 2, 4, 8)
"""What the sides of a JPEG can be divided by at less cost than decoding it whole."""


@dataclass(slots=True, eq=False)
class Jpeg:
    """A picture as its camera encoded it, decoded when its pixels are first asked for.

    content: one whole JPEG file. width, height: pixels. complete: it brings all tables that a decoder needs; cameras
    may leave out those that are always the same.
    """

    content: bytes = field(repr=False)
    width: int
    height: int
    complete: bool
    _pixels: NDArray[np.uint8] | None = field(default=None, init=False, repr=False)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR, decoded once. Raises ProtocolViolation for what does not decode."""
        if self._pixels is None:
            self._pixels = self.reduced(1)
        return self._pixels

    def reduced(self, reduction: int) -> NDArray[np.uint8]:
        """The picture with its sides divided by one of REDUCTIONS and rounded up. Raises as `pixels`."""
        import cv2  # here, because most devices send no JPEG

        mode = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
        flags = mode.get(reduction, cv2.IMREAD_REDUCED_COLOR_8) | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            pixels = cv2.imdecode(np.frombuffer(self.content, np.uint8), flags)
        except (cv2.error, MemoryError):
            pixels = None
        size = tuple(-(-side // reduction) for side in (self.height, self.width))
        if pixels is None or pixels.shape[:2] != size:
            raise ProtocolViolation("a picture of the camera does not decode", octets=len(self.content))
        return np.asarray(pixels, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An image by reference; whoever holds a frame may keep it, nobody writes to it.

    picture: the pixels, or what a camera sent in their place.
    sequence: counts up by one with each frame that the device delivered since it was opened, from 1.
    captured_monotonic_s: time.monotonic() at the end of the transfer.
    resolution_ppi: pixels an inch of a scanner, None for a camera.
    """

    picture: NDArray[np.uint8] | Jpeg = field(repr=False)
    sequence: int
    captured_monotonic_s: float
    resolution_ppi: float | None = None

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W) uint8 with ridges dark, or (H, W, 3) uint8 BGR from a camera. Raises as `Jpeg.pixels`."""
        return self.picture.pixels if isinstance(self.picture, Jpeg) else self.picture

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        if isinstance(self.picture, Jpeg):
            return self.picture.width, self.picture.height
        height, width = self.picture.shape[:2]
        return width, height
