"""Make templates ready to be compared: the minutiae around their centre of mass, their area and their descriptors."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import float32, float64, int8, intp, uint8
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES
from enrollment.core.fingerprint.compiled.arithmetic import ZERO
from enrollment.core.fingerprint.compiled.arrays import FloatArray
from enrollment.core.fingerprint.compiled.cylinders import describe_minutiae, shorten
from enrollment.core.fingerprint.compiled.kernel import entry, kernel, read_only
from enrollment.core.fingerprint.compiled.scoring import NORMAL_X, NORMAL_Y
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.template import MinutiaKind

_LEAST: Final = MATCHING.least_minutiae
_NEAREST: Final = np.float32(MATCHING.least_distance_px**2)
_KINDS: Final = len(MinutiaKind)


@kernel
def drop_copies(positions: FloatArray, order: NDArray[np.intp]) -> int:
    """Write the numbers of the minutiae that share their spot with none before them; returns how many they are.

    A heap of copies must not match as many.
    """
    kept = 0
    for i in range(len(positions)):
        alone = True
        for j in range(i):
            east, south = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
            alone &= east * east + south * south >= _NEAREST
        if alone:
            order[kept] = i
            kept += 1
    return kept


@kernel
def enclose(points: FloatArray, polygon: FloatArray) -> None:
    """Write the least polygon of `area` around N >= 1 points, (2, N)."""
    for side in range(SIDES):
        furthest = points[0, 0] * NORMAL_X[side] + points[1, 0] * NORMAL_Y[side]
        for i in range(1, points.shape[1]):
            furthest = max(furthest, points[0, i] * NORMAL_X[side] + points[1, i] * NORMAL_Y[side])
        polygon[side] = furthest


@entry(
    *read_only((float32, 2), (float32, 1), (uint8, 1), (float32, 1), (float32, 1), (float32, 2)),
    float64[:, ::1],
    intp,
    intp[::1],
    float32[:, :, ::1],
    float32[:, :, ::1],
    uint8[:, ::1],
    float32[:, ::1],
    int8[:, :, ::1],
    float32[:, ::1],
)
def describe_row(
    positions: FloatArray,
    directions: FloatArray,
    kinds: NDArray[np.uint8],
    reliabilities: FloatArray,
    mean: FloatArray,
    weights: FloatArray,
    centres: NDArray[np.float64],
    row: int,
    counts: NDArray[np.intp],
    points: FloatArray,
    headings: FloatArray,
    their_kinds: NDArray[np.uint8],
    their_reliabilities: FloatArray,
    descriptors: NDArray[np.int8],
    polygons: FloatArray,
) -> None:
    """Describe N minutiae, the most reliable first, as one row of `described.DescribedTemplates`, zeros so far.

    positions: (N, 2) pixels. directions: (N,) radians, 0 to a full turn. mean, weights: of `projection`.
    Writes to centres (2, C) too where the centre of mass is. Leaves the row as it is where too few minutiae are left.
    """
    order = np.empty(len(positions), np.intp)
    count = drop_copies(positions, order)
    if count < _LEAST:
        return
    east = south = 0.0
    for k in range(count):
        east += np.float64(positions[order[k], 0])
        south += np.float64(positions[order[k], 1])
    east, south = east / count, south / count
    own_points, own_headings = np.empty((2, count), np.float32), np.empty((2, count), np.float32)
    own_directions = np.empty(count, np.float32)
    for k in range(count):
        i = order[k]
        own_points[0, k] = np.float32(np.float64(positions[i, 0]) - east)
        own_points[1, k] = np.float32(np.float64(positions[i, 1]) - south)
        own_headings[0, k] = np.float32(math.cos(directions[i]))
        own_headings[1, k] = np.float32(math.sin(directions[i]))
        own_directions[k] = directions[i]
        their_kinds[row, k] = kinds[i] if kinds[i] < _KINDS else np.uint8(0)  # of MinutiaKind: other
        their_reliabilities[row, k] = reliabilities[i]
    points[:, row, :count], headings[:, row, :count] = own_points, own_headings
    enclose(own_points, polygons[row])
    describe_minutiae(own_points, own_headings, own_directions, polygons[row], mean, weights, descriptors[row, :count])
    counts[row], centres[0, row], centres[1, row] = count, east, south


@entry(*read_only((int8, 3)), int8[:, :, ::1])
def outline(descriptors: NDArray[np.int8], outlines: NDArray[np.int8]) -> None:
    """Write the first dimensions of the descriptors of each template's first minutiae, at unit length again.

    descriptors: (C, M, D). outlines: (C, L, E), E <= D; zeros where there is no minutia.
    """
    _, first, dimensions = outlines.shape
    vector = np.empty(dimensions, np.float32)
    for row in range(len(descriptors)):
        for i in range(first):
            for k in range(dimensions):
                vector[k] = np.float32(descriptors[row, i, k]) if i < descriptors.shape[1] else ZERO
            shorten(vector, outlines[row, i])
