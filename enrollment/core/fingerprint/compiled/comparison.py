"""Compare one print with others, stage by stage."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import float32, int8, intp, uint8
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import ONE, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import (
    CANDIDATES,
    MOST,
    Candidates,
    FloatArray,
    Minutiae,
    Pairing,
    Print,
    Room,
)
from enrollment.core.fingerprint.compiled.bending import bend
from enrollment.core.fingerprint.compiled.candidates import choose, leading, place, products_of
from enrollment.core.fingerprint.compiled.compatibility import relax, weigh
from enrollment.core.fingerprint.compiled.kernel import entry, kernel, read_only
from enrollment.core.fingerprint.compiled.overlay import LaidOut, agreement, lay_out, nothing_laid_out
from enrollment.core.fingerprint.compiled.pairing import POSE_TOLERANCE, pair_up
from enrollment.core.fingerprint.compiled.pose import best_motions, motion_at, move
from enrollment.core.fingerprint.compiled.scoring import covered, move_back, score
from enrollment.core.fingerprint.matching_parameters import MATCHING, WAVES
from enrollment.core.fingerprint.projection import DIMENSIONS

_products: Final = products_of(DIMENSIONS)
_POSES: Final = MATCHING.poses
_BENT: Final = MATCHING.bent_poses
_RELAXATION: Final = MATCHING.relaxation_steps
_FAR: Final = np.float32(1e7)  # pixels, of what is no minutia: never the nearest, and its square no worry
_BENT_SHARE: Final = np.float32(MATCHING.bent_share)
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
    of_poses = np.zeros((2, _POSES), np.float32)
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
        of_poses[0],
        of_poses[1],
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
def is_moved(one: Print, other: Print) -> bool:
    """Tell whether of two prints it is this one that is moved onto the other: the one with fewer minutiae.

    Among equals the first minutia that lies elsewhere decides: it must not matter which of the two is called the probe.
    """
    if one.size != other.size:
        return one.size < other.size
    for i in range(one.size):
        for axis in range(len(one.minutiae)):
            ours, theirs = one.minutiae[axis][i], other.minutiae[axis][i]
            if ours != theirs:
                return bool(ours < theirs)
    return True


@kernel
def score_rigid(probe: Print, other: Print, number: int, room: Room) -> None:
    """Score a pose as it is, into room.rigid_scores, and keep in room.met what of the other's reliability it covers."""
    motion = motion_at(room.motions, number)
    moved, back, pairing = room.moved, room.bent, room.pairing
    move(motion, probe.minutiae, MOST, moved)
    pair_up(moved, probe.size, other.minutiae, POSE_TOLERANCE, pairing)
    move_back(motion, other.minutiae, back.x, back.y)
    room.met[number] = covered(back.x, back.y, other.reliabilities, probe.polygon, room.spare)
    ours = covered(moved.x, moved.y, probe.reliabilities, other.polygon, room.spare)
    room.rigid_scores[number] = score(probe, other, room.alike, pairing, ours, room.met[number])


@kernel
def score_bent(probe: Print, ridges: LaidOut, other: Print, number: int, room: Room, beaten: np.float32) -> np.float32:
    """Score a pose with the probe bent, and overlaid where both have ridges.

    ridges: of the probe; of no cells, they are laid out when they are needed. beaten: the score of an earlier pose;
    where no agreement would lift this one above it, ridges are not looked at.
    """
    motion = motion_at(room.motions, number)
    moved, bent, pairing = room.moved, room.bent, room.pairing
    move(motion, probe.minutiae, MOST, moved)
    pair_up(moved, probe.size, other.minutiae, POSE_TOLERANCE, pairing)
    for i in range(MOST):
        bent.cos[i], bent.sin[i] = moved.cos[i], moved.sin[i]
    bend(probe.minutiae, probe.size, moved, other.minutiae, pairing, bent, room.spare)
    ours = covered(bent.x, bent.y, probe.reliabilities, other.polygon, room.spare)
    found = score(probe, other, room.alike, pairing, ours, room.met[number])
    if not probe.rows or not other.rows:
        return found
    agreed = _STRANGERS
    if found >= _OVERLAID_FROM:
        needed = _EVEN + np.float32(math.log(max(beaten, _LEAST_SCORE) / found)) / _SLOPE
        if needed < ONE:
            if not len(ridges.x):
                ridges = lay_out(probe)
            agreed = agreement(ridges, other, motion, moved, bent, needed)
    return found * exp(_SLOPE * (agreed - _EVEN))


@kernel
def compare_pair(probe: Print, descriptors: NDArray[np.int16], ridges: LaidOut, other: Print, room: Room) -> np.float32:
    """Score one pair. descriptors: of the probe, widened. ridges: as for `score_bent`."""
    poses = align(probe, descriptors, other, room)
    for number in range(poses):
        score_rigid(probe, other, number, room)
    count = leading(room.rigid_scores, poses, _BENT, room.order)
    both_have_ridges = probe.rows > 0 and other.rows > 0
    highest: np.float32 = room.rigid_scores[room.order[0]]
    if highest < _BENT_FROM:
        return _DISCOUNT * highest * (exp(_SLOPE * (_STRANGERS - _EVEN)) if both_have_ridges else ONE)
    best: np.float32 = ZERO
    for number in room.order[:count]:
        if room.rigid_scores[number] >= max(_BENT_FROM, _BENT_SHARE * highest):
            best = max(best, score_bent(probe, ridges, other, number, room, best))
    return best


@kernel
def compare_with(probe: Templates, gallery: Templates, indices: NDArray[np.intp], scores: FloatArray) -> None:
    """Score one described template with some of a gallery, one by one."""
    ours, theirs = np.empty((5, MOST), np.float32), np.empty((5, MOST), np.float32)
    one = print_of(probe, 0, ours)
    room, wide = make_room(), one.descriptors.astype(np.int16)
    ridges, not_yet = lay_out(one), nothing_laid_out()
    for number in range(len(indices)):
        other = print_of(gallery, indices[number], theirs)
        if not one.size or not other.size:
            scores[number] = ZERO
            continue
        first = is_moved(one, other)
        moved, still = (one, other) if first else (other, one)
        descriptors = wide if first else other.descriptors.astype(np.int16)
        scores[number] = compare_pair(moved, descriptors, ridges if first else not_yet, still, room)


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
