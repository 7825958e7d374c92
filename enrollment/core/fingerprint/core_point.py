"""The core: where the flow of the ridges turns most.

A first-order symmetry filter on the double-angle field (Nilsson and Bigun, "Localization of corresponding points in
fingerprints by complex filtering", Pattern Recognition Letters 24, 2003): it answers to a loop's or a whorl's core, and
weaker to the bend of an arch, so that every pattern has a middle.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.quality_parameters import CoreParameters
from enrollment.core.fingerprint.tiles import FloatArray

_REACH_SIGMAS = 2.5
_LEAST_WEIGHT = np.float32(1e-3)


@dataclass(frozen=True, slots=True)
class CorePoint:
    """The middle of the pattern. x, y: pixels at 500 ppi. depth_px: from there to the edge of the print."""

    x: float
    y: float
    depth_px: float


def find_core(
    orientation: FloatArray,
    coherence: FloatArray,
    mask: NDArray[np.bool_],
    cell_px: float,
    parameters: CoreParameters,
) -> CorePoint:
    """Find the core of a print; the image's middle with no depth where the mask is empty.

    orientation: (rows, cols) float32 radians. coherence: (rows, cols) float32, 0..1. mask: (rows, cols) bool.
    cell_px: side of a tile, pixels at 500 ppi. The image's border is an edge of the print.
    """
    rows, cols = mask.shape
    if not mask.any():
        return CorePoint(cols * cell_px / 2.0, rows * cell_px / 2.0, 0.0)
    size = max(1, cols // parameters.coarsening), max(1, rows // parameters.coarsening)
    weight = coherence * mask
    field = cv2.merge([*cv2.polarToCart(weight, orientation * np.float32(2.0)), weight])
    field = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    within = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    bell, slope = _taps(parameters.sigma_tiles / parameters.coarsening)
    sums = [
        cv2.sepFilter2D(field, -1, across, down, borderType=cv2.BORDER_CONSTANT)
        for across, down in ((bell, bell), (slope, bell), (bell, slope))
    ]
    (u, v, support), (ux, vx, x), (uy, vy, y) = (cv2.split(filtered) for filtered in sums)
    # Without the mean flow near by: an even flow that ends at the edge of the print would seem to turn there.
    near = np.maximum(support, _LEAST_WEIGHT)
    u, v = u / near, v / near
    # (u + iv) correlated with (x - iy): it turns once, with the angle about the core.
    turning = np.square(ux - u * x + vy - v * y) + np.square(vx - v * x - uy + u * y)
    turning /= near  # a core near the edge has less about it to turn
    best = int(np.where(within, turning, np.float32(-1.0)).argmax())
    row = (best // size[0] + 0.5) * rows / size[1]
    col = (best % size[0] + 0.5) * cols / size[0]
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5)
    depth = max(0.0, float(distance[1 + int(row), 1 + int(col)]) - 0.5)
    return CorePoint(col * cell_px, row * cell_px, depth * cell_px)


@functools.cache
def _taps(sigma: float) -> tuple[FloatArray, FloatArray]:
    """A Gaussian, and itself times the distance."""
    taps = np.arange(-round(_REACH_SIGMAS * sigma), round(_REACH_SIGMAS * sigma) + 1, dtype=np.float32)
    bell: FloatArray = np.exp(-0.5 * np.square(taps / np.float32(sigma)))
    return bell, taps * bell
