"""Compare one print with others, stage by stage."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import float32, int8, intp, uint8
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import (
    CANDIDATES,
    MOST,
    Candidates,
    FloatArray,
    Minutiae,
    Motion,
    Pairing,
    Print,
    Room,
)
from enrollment.core.fingerprint.compiled.bending import bend
from enrollment.core.fingerprint.compiled.candidates import choose, leading, place, products_of
from enrollment.core.fingerprint.compiled.compatibility import relax, weigh
from enrollment.core.fingerprint.compiled.kernel import entry, kernel, read_only
from enrollment.core.fingerprint.compiled.overlay import LaidOut, agreement, lay_out
from enrollment.core.fingerprint.compiled.pairing import POSE_TOLERANCE, pair_up
from enrollment.core.fingerprint.compiled.pose import best_motions, move
from enrollment.core.fingerprint.compiled.scoring import covered, move_back, score
from enrollment.core.fingerprint.matching_parameters import MATCHING, WAVES
from enrollment.core.fingerprint.projection import DIMENSIONS

_products: Final = products_of(DIMENSIONS)
_POSES: Final = MATCHING.poses
_RELAXATION: Final = MATCHING.relaxation_steps
_FAR: Final = np.float32(1e7)  # pixels, of what is no minutia: never the nearest, and its square no worry
_BENT_FROM: Final = np.float32(MATCHING.bent_from_score)
_DISCOUNT: Final = np.float32(MATCHING.rigid_discount)
_OVERLAID_FROM: Final = np.float32(WAVES.from_score)
_STRANGERS: Final = np.float32(WAVES.strangers_agreement)
_EVEN: Final = np.float32(WAVES.even_agreement)
_SLOPE: Final = np.float32(WAVES.slope)
_LEAST_SCORE: Final = np.float32(WAVES.least_score)


class Templates(NamedTuple):
    """The arrays of `described.DescribedTemplates` and of its waves, C templates with room for M minutiae each."""

    counts: NDArray[np.intp]
    points: FloatArray
    headings: FloatArray
    kinds: NDArray[np.uint8]
    reliabilities: FloatArray
    descriptors: NDArray[np.int8]
    polygons: FloatArray
    cells: NDArray[np.uint8]
    starts: NDArray[np.intp]
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    origins: FloatArray
    pitches: FloatArray


_TYPES = read_only(
    (intp, 1), (float32, 3), (float32, 3), (uint8, 2), (float32, 2), (int8, 3), (float32, 2),
    (uint8, 2), (intp, 1), (intp, 1), (intp, 1), (float32, 2), (float32, 2),
)  # fmt: skip


@kernel
def print_of(templates: Templates, row: int, rows_of: FloatArray) -> Print:
    """View one template. rows_of: (5, MOST) float32, room for what is padded."""
    count, start = templates.counts[row], templates.starts[row]
    rows, cols = templates.rows[row], templates.cols[row]
    x, y, cos, sin, reliabilities = rows_of[0], rows_of[1], rows_of[2], rows_of[3], rows_of[4]
    for i in range(count):
        x[i], y[i] = templates.points[0, row, i], templates.points[1, row, i]
        cos[i], sin[i] = templates.headings[0, row, i], templates.headings[1, row, i]
        reliabilities[i] = templates.reliabilities[row, i]
    for i in range(count, MOST):
        x[i] = y[i] = _FAR
        cos[i] = sin[i] = reliabilities[i] = ZERO
    return Print(
        count,
        Minutiae(x, y, cos, sin),
        reliabilities,
        templates.kinds[row],
        templates.descriptors[row],
        templates.polygons[row],
        templates.cells[start : start + rows * cols],
        rows,
        cols,
        templates.origins[0, row],
        templates.origins[1, row],
        templates.pitches[0, row],
        templates.pitches[1, row],
    )


@kernel
def make_room() -> Room:
    """Return room for comparisons."""
    of_candidates, of_minutiae = np.zeros((10, CANDIDATES), np.float32), np.zeros((10, MOST), np.float32)
    names, pairs = np.zeros((3, MOST), np.int32), np.zeros((2, 2 * MOST), np.int32)
    return Room(
        np.zeros((MOST, MOST), np.int32),
        pairs[0],
        pairs[1],
        names[0],
        Candidates(
            of_candidates[0],
            of_candidates[1],
            of_candidates[2],
            of_candidates[3],
            of_candidates[4],
            of_candidates[5],
            of_candidates[6],
            np.zeros(CANDIDATES, np.int32),
        ),
        np.zeros((CANDIDATES, CANDIDATES), np.float32),
        of_candidates[7:9],
        of_candidates[9],
        np.zeros((_POSES, 4), np.float32),
        Minutiae(of_minutiae[0], of_minutiae[1], of_minutiae[2], of_minutiae[3]),
        Minutiae(of_minutiae[4], of_minutiae[5], of_minutiae[6], of_minutiae[7]),
        Pairing(names[1], of_minutiae[8], np.zeros(MOST, np.bool_), names[2]),
        of_minutiae[9],
    )


@kernel
def align(probe: Print, descriptors: NDArray[np.int16], other: Print, room: Room) -> int:
    """Find poses of the probe on the other, best first, in room.motions; returns their number.

    descriptors: of the probe, widened.
    """
    _products(descriptors, other.descriptors, probe.size, other.size, room.alike)
    pairs = choose(room.alike, probe.size, other.size, room.best, room.ours)
    count = leading(room.best, pairs, CANDIDATES, room.order)
    place(probe.minutiae, other.minutiae, room.best, room.ours, room.order, count, room.candidates)
    weigh(room.candidates, CANDIDATES, True, room.agreement)
    relax(room.agreement, room.candidates.weights, CANDIDATES, _RELAXATION, room.support)
    return best_motions(room, probe, other)


@kernel
def compare_pair(probe: Print, descriptors: NDArray[np.int16], ridges: LaidOut, other: Print, room: Room) -> np.float32:
    """Score one pair. descriptors: of the probe, widened. ridges: of the probe, of no cells where it has none."""
    best = ZERO
    both_have_ridges = len(ridges.x) > 0 and other.rows > 0
    moved, bent, pairing = room.moved, room.bent, room.pairing
    for pose in range(align(probe, descriptors, other, room)):
        motion = Motion(room.motions[pose, 0], room.motions[pose, 1], room.motions[pose, 2], room.motions[pose, 3])
        move(motion, probe.minutiae, MOST, moved)
        pair_up(moved, probe.size, other.minutiae, POSE_TOLERANCE, pairing)
        move_back(motion, other.minutiae, bent.x, bent.y)
        theirs = covered(bent.x, bent.y, other.reliabilities, probe.polygon, room.spare)
        ours = covered(moved.x, moved.y, probe.reliabilities, other.polygon, room.spare)
        found = score(probe, other, room.alike, pairing, ours, theirs)
        agreed = _STRANGERS
        if found < _BENT_FROM:
            found *= _DISCOUNT
        else:
            for i in range(MOST):
                bent.cos[i], bent.sin[i] = moved.cos[i], moved.sin[i]
            bend(probe.minutiae, probe.size, moved, other.minutiae, pairing, bent, room.spare)
            ours = covered(bent.x, bent.y, probe.reliabilities, other.polygon, room.spare)
            found = score(probe, other, room.alike, pairing, ours, theirs)
            if both_have_ridges and found >= _OVERLAID_FROM:
                needed = _EVEN + np.float32(math.log(_LEAST_SCORE / found)) / _SLOPE
                agreed = agreement(ridges, other, motion, moved, bent, needed)
        if both_have_ridges:
            found *= exp(_SLOPE * (agreed - _EVEN))
        best = max(best, found)
    return best


@kernel
def compare_with(probe: Templates, gallery: Templates, indices: NDArray[np.intp], scores: FloatArray) -> None:
    """Score one described template with some of a gallery, one by one."""
    ours, theirs = np.empty((5, MOST), np.float32), np.empty((5, MOST), np.float32)
    one = print_of(probe, 0, ours)
    room, ridges, descriptors = make_room(), lay_out(one), one.descriptors.astype(np.int16)
    for number in range(len(indices)):
        other = print_of(gallery, indices[number], theirs)
        scores[number] = compare_pair(one, descriptors, ridges, other, room) if one.size and other.size else ZERO


@entry(*read_only((intp, 1)), float32[::1], *_TYPES, *_TYPES)
def compare_rows(
    indices: NDArray[np.intp],
    scores: FloatArray,
    counts: NDArray[np.intp],
    points: FloatArray,
    headings: FloatArray,
    kinds: NDArray[np.uint8],
    reliabilities: FloatArray,
    descriptors: NDArray[np.int8],
    polygons: FloatArray,
    cells: NDArray[np.uint8],
    starts: NDArray[np.intp],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    origins: FloatArray,
    pitches: FloatArray,
    their_counts: NDArray[np.intp],
    their_points: FloatArray,
    their_headings: FloatArray,
    their_kinds: NDArray[np.uint8],
    their_reliabilities: FloatArray,
    their_descriptors: NDArray[np.int8],
    their_polygons: FloatArray,
    their_cells: NDArray[np.uint8],
    their_starts: NDArray[np.intp],
    their_rows: NDArray[np.intp],
    their_cols: NDArray[np.intp],
    their_origins: FloatArray,
    their_pitches: FloatArray,
) -> None:
    """Score one described template, C = 1, with those of a gallery that `indices` names: (K,) each.

    Both are given as `DescribedTemplates.arrays`, since numba takes arrays that are read-only and such that are not for
    one type only as arguments of their own.
    """
    probe = Templates(
        counts,
        points,
        headings,
        kinds,
        reliabilities,
        descriptors,
        polygons,
        cells,
        starts,
        rows,
        cols,
        origins,
        pitches,
    )
    gallery = Templates(
        their_counts,
        their_points,
        their_headings,
        their_kinds,
        their_reliabilities,
        their_descriptors,
        their_polygons,
        their_cells,
        their_starts,
        their_rows,
        their_cols,
        their_origins,
        their_pitches,
    )
    compare_with(probe, gallery, indices, scores)
