"""First orientation of each tile, from the structure tensor.

Orientation always means the direction of the wave vector, across the ridges, y down: it is known modulo pi only.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from enrollment.core.fingerprint.parameters import OrientationParameters
from enrollment.core.fingerprint.tiles import FloatArray, smooth, tile_means

_LEAST_ENERGY = np.float32(1e-6)  # keeps even ground free of 0 / 0
_SOBEL_GAIN = 8.0  # a 3 x 3 Sobel kernel answers 8 to a slope of 1


@dataclass(frozen=True, slots=True, eq=False)
class StructureTensor:
    """Mean products of the gradient over each tile.

    double_angle: (rows, cols, 2) float32, gx^2 - gy^2 and 2 gx gy.
    energy: (rows, cols) float32, gx^2 + gy^2, deviations squared a work px squared.
    """

    double_angle: FloatArray
    energy: FloatArray


def structure_tensor(ridges: FloatArray, tile: int) -> StructureTensor:
    """Average gradient products over tiles: (H, W) float32 to (rows, cols)."""
    gx = np.asarray(cv2.Sobel(ridges, cv2.CV_32F, 1, 0, scale=1.0 / _SOBEL_GAIN), np.float32)
    gy = np.asarray(cv2.Sobel(ridges, cv2.CV_32F, 0, 1, scale=1.0 / _SOBEL_GAIN), np.float32)
    xy = tile_means(gx * gy, tile)
    xx = tile_means(np.square(gx, out=gx), tile)
    yy = tile_means(np.square(gy, out=gy), tile)
    return StructureTensor(double_angle=np.stack([xx - yy, 2.0 * xy], axis=-1), energy=xx + yy)


def orient(tensor: StructureTensor, parameters: OrientationParameters) -> FloatArray:
    """Estimate the orientation of each tile.

    Each scale's double-angle vector, divided by its energy, is weighed by its squared length (its coherence), so that
    the fine scale decides where it is sure and the coarse one elsewhere.
    Returns (rows, cols) float32 radians, [0, pi).
    """
    fields = np.concatenate([tensor.double_angle, tensor.energy[:, :, None]], axis=-1)
    total = np.zeros_like(tensor.double_angle)
    for sigma in parameters.sigmas_tiles:
        averaged = smooth(fields, sigma)
        vector = averaged[:, :, :2] / (averaged[:, :, 2:] + _LEAST_ENERGY)
        total += vector * np.square(vector).sum(axis=-1, keepdims=True)
    return half_angle(total)


def half_angle(double_angle: FloatArray) -> FloatArray:
    """Turn double-angle vectors (..., 2) into orientations (...) in [0, pi)."""
    halves = np.arctan2(double_angle[..., 1], double_angle[..., 0]) * np.float32(0.5)
    positive = np.where(halves < 0.0, halves + np.float32(np.pi), halves)
    return np.where(positive < np.float32(np.pi), positive, np.float32(0.0))  # a tiny negative angle rounds up to pi
