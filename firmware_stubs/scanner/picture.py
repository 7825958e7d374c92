"""Pictures that are laid on a platen: from a file or made up, at 500 ppi, upright, dark ridges on light."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

PPI: Final = 500.0
MAX_PIXELS: Final = 32_000_000
MIN_SIDE: Final = 8
PPI_RANGE: Final = (50.0, 2000.0)
_FORMATS: Final = ("PNG", "TIFF", "BMP", "JPEG")
_GREY_MODES: Final = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_CONTRAST_WINDOW_PX: Final = 15  # between one and two ridge periods
_CONTRAST_FLOOR: Final = 0.25  # of the strongest: below it is paper, not finger


class UnusableImage(Exception):
    """Bytes that cannot be laid on the platen; `reason` for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decode_grey(body: bytes) -> NDArray[np.uint8]:
    """(H, W) uint8 from a PNG, TIFF, BMP or JPEG file. Raises UnusableImage."""
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            width, height = image.size
            if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
                raise UnusableImage("IMAGE_SIZE", f"{width} x {height} pixels: {MIN_SIDE} a side to {MAX_PIXELS}")
            if image.mode not in _GREY_MODES:
                raise UnusableImage("IMAGE_MODE", f"pixels of mode {image.mode}; 8-bit grey or colour is taken")
            return np.asarray(image.convert("L"), np.uint8)
    except UnidentifiedImageError as error:
        raise UnusableImage("IMAGE_FORMAT", "not a PNG, TIFF, BMP or JPEG file") from error
    except Image.DecompressionBombError as error:
        raise UnusableImage("IMAGE_SIZE", f"more than {MAX_PIXELS} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as error:
        raise UnusableImage("IMAGE_DAMAGED", "the image file cannot be read") from error


def fit(image: NDArray[np.uint8], ppi: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample to 500 ppi, put the ink's centroid in the middle, crop or pad with light to size, (width, height).

    Raises UnusableImage for a resolution outside PPI_RANGE, or an image too large after resampling.
    """
    if not PPI_RANGE[0] <= ppi <= PPI_RANGE[1]:
        raise UnusableImage("RESOLUTION", f"{PPI_RANGE[0]:.0f} to {PPI_RANGE[1]:.0f} pixels an inch are taken")
    if ppi != PPI:
        scale = PPI / ppi
        height, width = (max(1, round(side * scale)) for side in image.shape)
        if width * height > MAX_PIXELS:
            raise UnusableImage("IMAGE_SIZE", f"{width} x {height} pixels at {PPI:.0f} ppi")
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (width, height), interpolation=kind), np.uint8)
    x, y = _ink_centroid(image)
    across, down = size
    left, top = round(x - across / 2), round(y - down / 2)
    frame = np.concatenate((image[0], image[-1], image[:, 0], image[:, -1]))
    out = np.full((down, across), np.percentile(frame, 90), np.uint8)
    rows = slice(max(0, top), min(image.shape[0], top + down))
    columns = slice(max(0, left), min(image.shape[1], left + across))
    out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[rows, columns]
    return out


def synthetic_finger(seed: int, impression: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """One impression of a synthetic finger, fitted to the platen; the same seeds give the same picture."""
    from firmware_stubs.fingers import finger_image  # slow to import, and most hands lay files

    return fit(finger_image(seed, impression), PPI, size)


def _ink_centroid(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Where the ridges are, by local contrast; the middle of an image without any."""
    grey = image.astype(np.float32)
    window = (_CONTRAST_WINDOW_PX, _CONTRAST_WINDOW_PX)
    mean = cv2.blur(grey, window)
    contrast = np.sqrt(np.maximum(np.asarray(cv2.blur(grey * grey, window)) - mean * mean, 0.0))
    ink = np.where(contrast > _CONTRAST_FLOOR * contrast.max(), contrast, 0.0)
    total = float(ink.sum())
    height, width = image.shape
    if total <= 0.0:
        return width / 2, height / 2
    x = float(ink.sum(axis=0) @ np.arange(width)) / total
    y = float(ink.sum(axis=1) @ np.arange(height)) / total
    return x, y
