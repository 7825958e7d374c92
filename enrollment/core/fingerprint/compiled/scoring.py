"""What the pairs of a pose are worth, beside all that could have paired."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import NORMALS, SIDES
from enrollment.core.fingerprint.compiled.arithmetic import HALF, ONE, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import MOST, FloatArray, Minutiae, Motion, Pairing, Print
from enrollment.core.fingerprint.compiled.candidates import similarity
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.matching_parameters import MATCHING

_MARGIN: Final = np.float32(MATCHING.overlap_margin_px)
_PRIOR: Final = np.float32(MATCHING.overlap_prior)
_KIND_WEIGHT: Final = np.float32(MATCHING.kind_weight)
_LEAST_WEIGHT: Final = np.float32(1e-6)  # of a match that has no pairs
NORMAL_X, NORMAL_Y = NORMALS


@kernel
def covered(
    x: FloatArray, y: FloatArray, reliabilities: FloatArray, polygon: FloatArray, furthest: FloatArray
) -> np.float32:
    """Sum the reliability of the points that lie in a polygon of `area`, grown by MATCHING.overlap_margin_px.

    x, y, reliabilities: (MOST,), those that are none of no reliability. furthest: (MOST,) room.
    """
    for i in range(MOST):
        furthest[i] = x[i] - polygon[0]
    for side in range(1, SIDES):
        for i in range(MOST):
            furthest[i] = max(furthest[i], x[i] * NORMAL_X[side] + y[i] * NORMAL_Y[side] - polygon[side])
    total = ZERO
    for i in range(MOST):
        total += reliabilities[i] if furthest[i] <= _MARGIN else ZERO
    return total


@kernel
def move_back(motion: Motion, other: Minutiae, x: FloatArray, y: FloatArray) -> None:
    """Carry another print's minutiae to where they lie on the probe: x, y (MOST,)."""
    for j in range(MOST):
        east, south = other.x[j] - motion.east, other.y[j] - motion.south
        x[j] = motion.cos * east + motion.sin * south
        y[j] = motion.cos * south - motion.sin * east


@kernel
def score(
    probe: Print, other: Print, alike: NDArray[np.int32], pairing: Pairing, ours: np.float32, theirs: np.float32
) -> np.float32:
    """Put matches, similarity, overlap and kinds together, as `compare` says.

    alike: of `candidates.products`. ours, theirs: reliability that is covered, of either side.
    """
    matched = similar = agree = total = ZERO
    for i in range(probe.size):
        if pairing.mutual[i]:
            j = pairing.theirs[i]
            match = exp(-pairing.misfits[i])
            matched += match * np.float32(np.sqrt(probe.reliabilities[i] * other.reliabilities[j]))
            similar += match * similarity(alike[i, j])
            total += match
            if probe.kinds[i] == 0 or other.kinds[j] == 0:  # of MinutiaKind: other, which may be either
                agree += HALF * match
            elif probe.kinds[i] == other.kinds[j]:
                agree += match
    agree /= total + _LEAST_WEIGHT
    return matched * max(similar, ZERO) / (HALF * (ours + theirs) + _PRIOR) * (ONE + _KIND_WEIGHT * agree)
