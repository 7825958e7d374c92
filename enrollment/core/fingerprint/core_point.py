"""The core: where the flow of the ridges turns most.

A first-order symmetry filter on the double-angle field (Nilsson and Bigun, "Localization of corresponding points in
fingerprints by complex filtering", Pattern Recognition Letters 24, 2003): it answers to a loop's or a whorl's core, and
weaker to the bend of an arch, so that every pattern has a middle.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from enrollment.core.fingerprint.quality_parameters import CoreParameters
from enrollment.core.fingerprint.tiles import FloatArray
from enrollment.core.fingerprint.wave_map import DIRECTION_STEPS, WEIGHT_STEPS, WaveMap

_LEAST_WEIGHT = np.float32(1e-3)
_DOUBLED = np.arange(DIRECTION_STEPS) * (2.0 * math.pi / DIRECTION_STEPS)
_COSINES = np.cos(_DOUBLED).astype(np.float32)
_SINES = np.sin(_DOUBLED).astype(np.float32)


@dataclass(frozen=True, slots=True)
class CorePoint:
    """The middle of the pattern. x, y: pixels at 500 ppi."""

    x: float
    y: float


def wave_weights(waves: WaveMap) -> FloatArray:
    """How strong the wave of each cell is: (rows, cols) float32, 0..1."""
    return np.multiply(waves.cells[..., 3], np.float32(1.0 / WEIGHT_STEPS), dtype=np.float32)


def find_core(waves: WaveMap, weights: FloatArray, parameters: CoreParameters) -> CorePoint:
    """Find the core of a print. weights: of the cells."""
    directions = waves.cells[..., 1].astype(np.intp)
    field = np.empty((3, *weights.shape), np.float32)
    np.multiply(_COSINES.take(directions), weights, out=field[0])
    np.multiply(_SINES.take(directions), weights, out=field[1])
    field[2] = weights
    (rows, cols), (down, across) = weights.shape, (_sums(side, parameters.sigma_cells) for side in weights.shape)
    sums = down @ field @ across.T
    u, v, support = sums[:, :rows, :cols]
    ux, vx, x = sums[:, :rows, cols:]
    uy, vy, y = sums[:, rows:, :cols]
    # Without the mean flow near by: an even flow that ends at the edge of the print would seem to turn there.
    near = np.maximum(support, _LEAST_WEIGHT)
    u = u / near
    v = v / near
    # (u + iv) correlated with (x - iy): it turns once, with the angle about the core.
    turning = np.square(ux - u * x + vy - v * y) + np.square(vx - v * x - uy + u * y)
    turning /= near  # a core near the edge has less about it to turn
    turning *= weights > 0.0
    row, col = divmod(int(turning.argmax()), turning.shape[1])
    return CorePoint(waves.origin[0] + waves.pitch[0] * col, waves.origin[1] + waves.pitch[1] * row)


@functools.lru_cache(maxsize=256)
def _sums(count: int, sigma: float) -> FloatArray:
    """Sums about each of `count` cells: weighed by a Gaussian, and below by it times the distance. (2 count, count)."""
    away = np.arange(count) - np.arange(count)[:, None]
    bell = np.exp(-0.5 * np.square(away / sigma))
    sums: FloatArray = np.concatenate([bell, bell * away]).astype(np.float32)
    sums.flags.writeable = False
    return sums
