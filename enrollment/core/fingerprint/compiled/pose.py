"""The rigid motions that carry the probe onto another print."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from enrollment.core.fingerprint.compiled.arithmetic import HALF, ONE, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import (
    CANDIDATES,
    Candidates,
    FloatArray,
    Minutiae,
    Motion,
    Print,
    Room,
)
from enrollment.core.fingerprint.compiled.candidates import leading
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.compiled.pairing import MOST_MISFIT, POSE_TOLERANCE, misfit
from enrollment.core.fingerprint.matching_parameters import MATCHING

_HYPOTHESES: Final = MATCHING.hypotheses
_POSES: Final = MATCHING.poses
_JUDGES: Final = MATCHING.pose_minutiae
_NEARNESS: Final = HALF / (POSE_TOLERANCE * POSE_TOLERANCE)
_SAME_TURN: Final = np.float32(math.cos(MATCHING.same_turn))
_SAME_SHIFT: Final = np.float32(MATCHING.same_shift_px)
_LEAST_WEIGHT: Final = np.float32(1e-12)  # of a hypothesis that nothing supports
_LEAST_SPREAD: Final = np.float32(1e-3)  # square pixels: pairs closer together than this fix no rotation


@kernel
def fit(candidates: Candidates, weights: FloatArray, root: int) -> Motion:
    """Fit a rigid motion to weighted candidates by least squares; where they fix no rotation, that of the root."""
    ax, ay, bx, by = candidates.ax, candidates.ay, candidates.bx, candidates.by
    total = sum_ax = sum_ay = sum_bx = sum_by = dot = cross = ZERO
    for k in range(CANDIDATES):
        weight = weights[k]
        total += weight
        sum_ax += weight * ax[k]
        sum_ay += weight * ay[k]
        sum_bx += weight * bx[k]
        sum_by += weight * by[k]
        dot += weight * (ax[k] * bx[k] + ay[k] * by[k])
        cross += weight * (ax[k] * by[k] - ay[k] * bx[k])
    scale = ONE / max(total, _LEAST_WEIGHT)
    mean_ax, mean_ay, mean_bx, mean_by = scale * sum_ax, scale * sum_ay, scale * sum_bx, scale * sum_by
    along = scale * dot - mean_ax * mean_bx - mean_ay * mean_by
    across = scale * cross - mean_ax * mean_by + mean_ay * mean_bx
    spread = np.float32(np.sqrt(along * along + across * across))
    cos, sin = candidates.cos[root], candidates.sin[root]
    if spread > _LEAST_SPREAD:
        cos, sin = along / spread, across / spread
    return Motion(cos, sin, mean_bx - cos * mean_ax + sin * mean_ay, mean_by - sin * mean_ax - cos * mean_ay)


@kernel
def move(motion: Motion, probe: Minutiae, count: int, moved: Minutiae) -> None:
    """Move the first `count` minutiae of the probe."""
    for i in range(count):
        moved.x[i] = motion.cos * probe.x[i] - motion.sin * probe.y[i] + motion.east
        moved.y[i] = motion.sin * probe.x[i] + motion.cos * probe.y[i] + motion.south
        moved.cos[i] = motion.cos * probe.cos[i] - motion.sin * probe.sin[i]
        moved.sin[i] = motion.sin * probe.cos[i] + motion.cos * probe.sin[i]


@kernel
def judge(moved: Minutiae, reliabilities: FloatArray, other: Print, least: FloatArray) -> np.float32:
    """Tell how many of the probe's most reliable minutiae find a place on the other print. least: (MOST,) room."""
    for i in range(_JUDGES):
        least[i] = MOST_MISFIT
    for j in range(other.size):
        for i in range(_JUDGES):
            least[i] = min(least[i], misfit(moved, i, other.minutiae, j, _NEARNESS))
    fits = ZERO
    for i in range(_JUDGES):
        fits += reliabilities[i] * exp(-least[i])
    return fits


@kernel
def best_motions(room: Room, probe: Print, other: Print) -> int:
    """Try a motion around each of the best supported candidates; keep the best MATCHING.poses, none like another.

    Writes cosine, sine, east and south of each, best first, to room.motions, and returns their number.
    """
    support, motions = room.support[0], room.motions
    tried = leading(support, CANDIDATES, _HYPOTHESES, room.order)
    fits = np.full(_POSES, -ONE, np.float32)
    for number in range(tried):
        root = room.order[number]
        for k in range(CANDIDATES):
            room.weights[k] = room.agreement[root, k] * support[k]
        motion = fit(room.candidates, room.weights, root)
        move(motion, probe.minutiae, _JUDGES, room.moved)
        fitted = judge(room.moved, probe.reliabilities, other, room.spare) * np.float32(np.sqrt(support[root]))
        place = _POSES
        while place > 0 and fits[place - 1] < fitted:
            place -= 1
        if place == _POSES:
            continue
        for behind in range(_POSES - 1, place, -1):
            fits[behind] = fits[behind - 1]
            motions[behind] = motions[behind - 1]
        fits[place] = fitted
        motions[place, 0], motions[place, 1] = motion.cos, motion.sin
        motions[place, 2], motions[place, 3] = motion.east, motion.south
    return _drop_alike(motions)


@kernel
def motion_at(motions: FloatArray, number: int) -> Motion:
    """Read one of room.motions."""
    return Motion(motions[number, 0], motions[number, 1], motions[number, 2], motions[number, 3])


@kernel
def _drop_alike(motions: FloatArray) -> int:
    """Drop what is nearly an earlier motion, and return how many are left."""
    kept = 1
    for number in range(1, len(motions)):
        alone = True
        for other in range(kept):
            alike = motions[number, 0] * motions[other, 0] + motions[number, 1] * motions[other, 1] > _SAME_TURN
            alike &= abs(motions[number, 2] - motions[other, 2]) < _SAME_SHIFT
            alike &= abs(motions[number, 3] - motions[other, 3]) < _SAME_SHIFT
            alone &= not alike
        if alone:
            motions[kept] = motions[number]
            kept += 1
    return kept
