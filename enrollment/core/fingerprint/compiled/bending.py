"""Skin stretches: let the probe bend locally until its minutiae lie on those of the other print."""

from __future__ import annotations

from typing import Final

import numpy as np

from enrollment.core.fingerprint.compiled.arithmetic import ONE, ZERO
from enrollment.core.fingerprint.compiled.arrays import MOST, FloatArray, Minutiae, Pairing
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.compiled.pairing import FINAL_TOLERANCE, POSE_TOLERANCE, pair_up
from enrollment.core.fingerprint.matching_parameters import MATCHING

PRIOR: Final = np.float32(MATCHING.distortion_prior)
_STEPS: Final = MATCHING.distortion_steps
_NEARNESS: Final = np.float32(MATCHING.distortion_reach_px**-2)
_LIMIT: Final = np.float32(MATCHING.pull_limit)


@kernel
def pull(x: np.float32, y: np.float32, from_x: np.float32, from_y: np.float32) -> np.float32:
    """Weigh how much a minutia tells of the displacement of a point: 0..1."""
    east, south = x - from_x, y - from_y
    near = max(ONE - (east * east + south * south) * _NEARNESS, ZERO)
    near *= near
    return near * near


@kernel
def bend(
    probe: Minutiae, count: int, moved: Minutiae, other: Minutiae, pairing: Pairing, bent: Minutiae, pulls: FloatArray
) -> None:
    """Bend the probe, once moved rigidly, by the smoothed residuals of its mutual pairs.

    count: of the probe's minutiae. pairing: of the moved probe, and afterwards of the bent one, at the final tolerance.
    pulls: (MOST,) room.
    """
    for step in range(_STEPS):
        if step:
            pair_up(bent, count, other, POSE_TOLERANCE, pairing)
        for i in range(MOST):
            bent.x[i] = bent.y[i] = ZERO
            pulls[i] = PRIOR
        for k in range(count):
            if pairing.mutual[k] and pairing.misfits[k] < _LIMIT:
                j = pairing.theirs[k]
                east, south = other.x[j] - moved.x[k], other.y[j] - moved.y[k]
                for i in range(MOST):
                    weight = pull(probe.x[i], probe.y[i], probe.x[k], probe.y[k])
                    pulls[i] += weight
                    bent.x[i] += weight * east
                    bent.y[i] += weight * south
        for i in range(MOST):
            bent.x[i] = moved.x[i] + bent.x[i] / pulls[i]
            bent.y[i] = moved.y[i] + bent.y[i] / pulls[i]
    pair_up(bent, count, other, FINAL_TOLERANCE, pairing)
