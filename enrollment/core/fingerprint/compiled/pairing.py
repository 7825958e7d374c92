"""How badly two minutiae miss each other: a squared distance and a difference of direction, in one number.

misfit = d^2 / (2 tolerance^2) + (1 - cos(turn)) / direction_tolerance^2
"""

from __future__ import annotations

from typing import Final

import numpy as np

from enrollment.core.fingerprint.compiled.arithmetic import HALF, ONE, ZERO
from enrollment.core.fingerprint.compiled.arrays import MOST, NAMES, Minutiae, Pairing
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.matching_parameters import MATCHING

MOST_MISFIT: Final = np.float32(80.0)
POSE_TOLERANCE: Final = np.float32(MATCHING.pose_tolerance_px)
FINAL_TOLERANCE: Final = np.float32(MATCHING.final_tolerance_px)
_SHARPNESS: Final = np.float32(MATCHING.direction_tolerance**-2)
_FURTHEST: Final = np.int32(2**31 - 1)


@kernel
def misfit(moved: Minutiae, i: int, other: Minutiae, j: int, nearness: np.float32) -> np.float32:
    """Return the misfit of minutia i of a moved probe with minutia j of another print, >= 0."""
    east, south = other.x[j] - moved.x[i], other.y[j] - moved.y[i]
    turned = ONE - moved.cos[i] * other.cos[j] - moved.sin[i] * other.sin[j]
    return max(nearness * (east * east + south * south) + _SHARPNESS * turned, ZERO)


@kernel
def pair_up(moved: Minutiae, count: int, other: Minutiae, tolerance: np.float32, pairing: Pairing) -> None:
    """Pair each minutia of a moved probe with its nearest.

    The bits of a float32 >= 0 are in the order of its value as a whole number: the lowest, which mean nothing, name the
    minutia, so that the least says which as well.
    """
    nearness = HALF / (tolerance * tolerance)
    nearest = pairing.nearest
    for j in range(MOST):
        nearest[j] = _FURTHEST
    for i in range(count):
        least = _FURTHEST
        for j in range(MOST):
            bits = np.float32(misfit(moved, i, other, j, nearness)).view(np.int32) & ~NAMES
            least = min(least, bits + np.int32(j))
            nearest[j] = min(nearest[j], bits + np.int32(i))
        pairing.theirs[i] = least & NAMES
        pairing.misfits[i] = min(np.int32(least & ~NAMES).view(np.float32), MOST_MISFIT)
    for i in range(count):
        pairing.mutual[i] = nearest[pairing.theirs[i]] & NAMES == i
