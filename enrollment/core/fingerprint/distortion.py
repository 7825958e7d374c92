"""Skin stretches: let the probe bend locally until its minutiae lie on those of the gallery template."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.misfit import Pairing, our_terms, pair_up
from enrollment.core.fingerprint.pose import Rigid


def bend(
    points: NDArray[np.float32],
    placed: Rigid,
    theirs: NDArray[np.float32],
    terms: NDArray[np.float32],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.float32], Pairing]:
    """Bend the probe, once moved rigidly, by the smoothed residuals of its mutual pairs.

    points: (2, N) float32, of the probe. placed: the probe on H of the gallery templates, with its pairing there.
    theirs: (2, C * M) float32, all points of the gallery. terms: (H, 6, M) of `misfit.their_terms` for those H.
    rows: (H,) which of the C they are.
    Returns where the probe's minutiae end, (2, H, N) float32, and their final pairing.
    """
    neighbours = neighbourhood(points, points)
    bent, pairing = placed.points, placed.pairing
    for step in range(MATCHING.distortion_steps):
        if step:
            pairing = pair_up(our_terms(bent, placed.headings, MATCHING.pose_tolerance_px), terms, rows)
        pulls = (pairing.mutual & (pairing.misfits < MATCHING.pull_limit)).astype(np.float32)
        residuals = theirs.take(pairing.theirs, axis=1) - placed.points
        bent = placed.points + (residuals * pulls) @ neighbours / (pulls @ neighbours + MATCHING.distortion_prior)
    return bent, pair_up(our_terms(bent, placed.headings, MATCHING.final_tolerance_px), terms, rows)


def neighbourhood(minutiae: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh how much each of M minutiae tells of the displacement of each of N points: (M, N) float32.

    minutiae: (2, M) float32, points: (2, N) float32, pixels.
    """
    x, y = minutiae[:, :, None] - points[:, None, :]
    near = np.maximum(1.0 - (x * x + y * y) / MATCHING.distortion_reach_px**2, 0.0)
    near *= near
    near *= near
    weights: NDArray[np.float32] = near
    return weights
