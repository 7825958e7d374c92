"""The grid of square tiles that slow quantities (orientation, period, mask) are kept on.

A tile is `tile` work px a side and the grid covers the work image exactly, so tile (r, c) has its centre at work pixel
((c + 0.5) * tile - 0.5, (r + 0.5) * tile - 0.5). These are typed forms of the few OpenCV calls that the stages share.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_POINTS_AT_ONCE: Final = 16384  # cv2.remap takes sides below 32768


def tile_means(values: FloatArray, tile: int) -> FloatArray:
    """Average over each tile: (rows * tile, cols * tile[, C]) float32 to (rows, cols[, C])."""
    rows, cols = values.shape[0] // tile, values.shape[1] // tile
    return np.asarray(cv2.resize(values, (cols, rows), interpolation=cv2.INTER_AREA), np.float32)


def enlarge(field: NDArray[Any], tile: int) -> NDArray[Any]:
    """Repeat each tile's value over its pixels: (rows, cols) uint8 or float32 to (rows * tile, cols * tile)."""
    size = (field.shape[1] * tile, field.shape[0] * tile)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_NEAREST))


def interpolate(field: FloatArray, tile: int) -> FloatArray:
    """Interpolate tile values between tile centres: (rows, cols) float32 to (rows * tile, cols * tile)."""
    size = (field.shape[1] * tile, field.shape[0] * tile)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), np.float32)


def smooth(field: FloatArray, sigma_tiles: float) -> FloatArray:
    """Average with a Gaussian: (rows, cols[, C]) float32 to the same shape."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_tiles), np.float32)


def sample(field: FloatArray, x: FloatArray, y: FloatArray, tile: int) -> FloatArray:
    """Read a tile field between tile centres.

    field: (rows, cols[, C]) float32. x, y: (N,) float32 work px. Returns (N[, C]) float32.
    """
    if not len(x):
        return np.zeros((0, *field.shape[2:]), np.float32)
    columns = ((x + 0.5) / tile - 0.5).astype(np.float32)
    rows = ((y + 0.5) / tile - 0.5).astype(np.float32)
    reads = []
    for start in range(0, len(x), _POINTS_AT_ONCE):
        at = columns[start : start + _POINTS_AT_ONCE, None], rows[start : start + _POINTS_AT_ONCE, None]
        reads.append(cv2.remap(field, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return np.concatenate(reads).astype(np.float32, copy=False)[:, 0]


def disc(side: int) -> NDArray[np.uint8]:
    """Return a round structuring element."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def percentile(values: FloatArray, percent: float) -> float:
    """Return the element below which `percent` of the values lie; quicker than numpy's interpolating one."""
    flat = values.ravel()
    rank = min(len(flat) - 1, int(len(flat) * percent / 100.0))
    return float(np.partition(flat, rank)[rank])
