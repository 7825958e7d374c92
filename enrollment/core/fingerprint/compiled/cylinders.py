"""Minutia cylinders: what the neighbourhood of a minutia looks like from the minutia itself.

After Cappelli, Ferrara and Maltoni, "Minutia Cylinder-Code: a new representation and matching technique for fingerprint
recognition", IEEE TPAMI 32(12), 2010. Differences: neighbours are not cut off at three sigmas from a cell, which makes
the spread over cells a product of two short ones, and a cell is judged by the area of the finger alone.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES
from enrollment.core.fingerprint.compiled.arithmetic import ONE, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import FloatArray
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.compiled.scoring import NORMAL_X, NORMAL_Y
from enrollment.core.fingerprint.matching_parameters import CYLINDER, MATCHING

_ANGLE_STEPS: Final = 1024  # 0.35 degrees: finer than any minutia's direction
_STEPS_A_RADIAN: Final = np.float32(_ANGLE_STEPS / math.tau)
_GRID: Final = CYLINDER.grid
_SLOTS: Final = CYLINDER.slots
_SIDE: Final = (CYLINDER.radius_px * ((2.0 * np.arange(_GRID) + 1.0) / _GRID - 1.0)).astype(np.float32)
_DISC: Final = np.flatnonzero(np.hypot(*np.meshgrid(_SIDE, _SIDE, indexing="ij")) <= CYLINDER.radius_px)
_SHARPNESS: Final = np.float32(0.5 / CYLINDER.position_sigma_px**2)
_FAR: Final = np.float32(5.5 * CYLINDER.position_sigma_px)
_REACH: Final = np.float32(CYLINDER.radius_px) + _FAR
_CELLS_A_PX: Final = np.float32(_GRID / (2.0 * CYLINDER.radius_px))
_GAIN: Final = np.float32(CYLINDER.squash_gain)
_MIDDLE: Final = np.float32(CYLINDER.squash_middle)
_MARGIN: Final = np.float32(CYLINDER.area_margin_px)
_SHORTEST: Final = np.float32(1e-6)  # of a vector that has a direction
_MOST: Final = np.float32(127.0)
_SCALE: Final = np.float32(MATCHING.descriptor_scale)
CELL_COUNT: Final = len(_DISC)
CYLINDER_SIZE: Final = CELL_COUNT * _SLOTS


def _slot_shares() -> FloatArray:
    """Return the share of a neighbour that falls into each slot: (_ANGLE_STEPS, slots)."""
    width = math.tau / _SLOTS
    centres = -math.pi + (np.arange(_SLOTS) + 0.5) * width
    differences = np.arange(_ANGLE_STEPS) * (math.tau / _ANGLE_STEPS)
    offsets = (centres - differences[:, None] + math.pi) % math.tau - math.pi
    edges = np.stack([offsets - width / 2.0, offsets + width / 2.0]) / (math.sqrt(2.0) * CYLINDER.direction_sigma)
    low, high = np.array([math.erf(edge) for edge in edges.ravel()]).reshape(edges.shape)
    shares: FloatArray = ((high - low) / 2.0).astype(np.float32)
    return shares


_SHARES: Final = _slot_shares()


@kernel
def cover(
    x: np.float32, y: np.float32, cos: np.float32, sin: np.float32, polygon: FloatArray, known: NDArray[np.bool_]
) -> None:
    """Tell which cells of the cylinder of a minutia lie in a polygon of `area`, grown by CYLINDER.area_margin_px."""
    for cell in range(CELL_COUNT):
        ahead, aside = _SIDE[_DISC[cell] // _GRID], _SIDE[_DISC[cell] % _GRID]
        east, south = x + cos * ahead - sin * aside, y + sin * ahead + cos * aside
        beyond = east - polygon[0]
        for side in range(1, SIDES):
            beyond = max(beyond, east * NORMAL_X[side] + south * NORMAL_Y[side] - polygon[side])
        known[cell] = beyond <= _MARGIN


@kernel
def cylinder(
    i: int,
    points: FloatArray,
    headings: FloatArray,
    directions: FloatArray,
    polygon: FloatArray,
    values: FloatArray,
    known: NDArray[np.bool_],
) -> None:
    """Describe minutia i of N by its neighbours, in its own frame.

    points: (2, N) pixels. headings: (2, N), cosine and sine of the directions. directions: (N,) radians, y down.
    polygon: (SIDES,), the area of the finger.
    Writes to values (CYLINDER_SIZE,) the cylinder, 0..1, cell by cell and in each slot by slot, and to known
    (CELL_COUNT,) which cells the finger covers: the others are unknown, not empty.
    """
    mass = np.zeros((_GRID, _GRID * _SLOTS), np.float32)
    ahead, aside = np.empty(_GRID, np.float32), np.empty(_GRID * _SLOTS, np.float32)
    x, y, cos, sin = points[0, i], points[1, i], headings[0, i], headings[1, i]
    for j in range(points.shape[1]):
        east, south = points[0, j] - x, points[1, j] - y
        forward, sideways = cos * east + sin * south, cos * south - sin * east
        if i == j or max(abs(forward), abs(sideways)) > _REACH:
            continue
        step = np.int32(np.rint((directions[i] - directions[j]) * _STEPS_A_RADIAN)) & np.int32(_ANGLE_STEPS - 1)
        first = max(int(np.ceil((forward - _SIDE[0] - _FAR) * _CELLS_A_PX)), 0)
        last = min(int(np.floor((forward - _SIDE[0] + _FAR) * _CELLS_A_PX)), _GRID - 1)
        for a in range(_GRID):
            away = forward - _SIDE[a]
            ahead[a] = exp(-_SHARPNESS * away * away)
        for b in range(_GRID):
            away = sideways - _SIDE[b]
            near = exp(-_SHARPNESS * away * away)
            for slot in range(_SLOTS):
                aside[b * _SLOTS + slot] = near * _SHARES[step, slot]
        for a in range(first, last + 1):
            for k in range(_GRID * _SLOTS):
                mass[a, k] += ahead[a] * aside[k]
    for cell in range(CELL_COUNT):
        a, b = _DISC[cell] // _GRID, _DISC[cell] % _GRID
        for slot in range(_SLOTS):
            values[cell * _SLOTS + slot] = mass[a, b * _SLOTS + slot]
    for k in range(CYLINDER_SIZE):
        values[k] = ONE / (ONE + exp((_MIDDLE - values[k]) * _GAIN))
    cover(x, y, cos, sin, polygon, known)


@kernel
def shorten(vector: FloatArray, short: NDArray[np.int8]) -> None:
    """Bring the first D components of a vector to a length of MATCHING.descriptor_scale and to whole numbers.

    short: (D,) int8, -127..127; zeros for a vector that has no length.
    """
    square = ZERO
    for k in range(len(short)):
        square += vector[k] * vector[k]
    scale = _SCALE / max(np.float32(np.sqrt(square)), _SHORTEST)
    for k in range(len(short)):
        short[k] = np.int8(min(max(np.rint(scale * vector[k]), -_MOST), _MOST))


@kernel
def project(values: FloatArray, weights: FloatArray, vector: FloatArray) -> None:
    """Multiply values (CYLINDER_SIZE,) with weights (D, CYLINDER_SIZE), four rows at a time: D is a multiple of 4."""
    for row in range(0, len(weights), 4):
        first = second = third = fourth = ZERO
        for k in range(CYLINDER_SIZE):
            value = values[k]
            first += weights[row, k] * value
            second += weights[row + 1, k] * value
            third += weights[row + 2, k] * value
            fourth += weights[row + 3, k] * value
        vector[row], vector[row + 1], vector[row + 2], vector[row + 3] = first, second, third, fourth


@kernel
def describe_minutiae(
    points: FloatArray,
    headings: FloatArray,
    directions: FloatArray,
    polygon: FloatArray,
    mean: FloatArray,
    weights: FloatArray,
    descriptors: NDArray[np.int8],
) -> None:
    """Write the descriptors of N minutiae, (N, D): their cylinders, projected. An unknown cell counts as the mean one.

    The first four as for `cylinder`. mean: (CYLINDER_SIZE,) and weights: (D, CYLINDER_SIZE), of `projection`.
    """
    values, known = np.empty(CYLINDER_SIZE, np.float32), np.empty(CELL_COUNT, np.bool_)
    vector = np.empty(len(weights), np.float32)
    for i in range(len(directions)):
        cylinder(i, points, headings, directions, polygon, values, known)
        for cell in range(CELL_COUNT):
            seen = ONE if known[cell] else ZERO
            for k in range(cell * _SLOTS, cell * _SLOTS + _SLOTS):
                values[k] = seen * (values[k] - mean[k])
        project(values, weights, vector)
        shorten(vector, descriptors[i])
