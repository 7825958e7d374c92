"""Skin stretches: let the probe bend locally until its minutiae lie on those of the gallery template."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.misfit import Pairing, our_terms, pair_up
from enrollment.core.fingerprint.pose import Motion


def bend(
    probe: DescribedTemplates, gallery: DescribedTemplates, terms: NDArray[np.float32], motion: Motion
) -> tuple[NDArray[np.float32], Pairing]:
    """Move the probe rigidly, then bend it by the smoothed residuals of its mutual pairs.

    probe: one template of N minutiae. terms: (C, 6, M) of `misfit.their_terms(gallery)`. motion: shape (C,).
    Returns where the probe's minutiae end, (2, C, N) float32, and their final pairing.
    """
    rigid = motion.move(probe.points[:, 0])
    headings = motion.turn(probe.headings[:, 0])
    neighbours = _neighbourhood(probe.points[:, 0])
    bent = rigid
    for _ in range(MATCHING.distortion_steps):
        pairing = pair_up(our_terms(bent, headings, MATCHING.pose_tolerance_px), terms)
        pulls = (pairing.mutual & (pairing.misfits < MATCHING.pull_limit)).astype(np.float32)
        residuals = np.take(gallery.points.reshape(2, -1), pairing.theirs, axis=1) - rigid
        bent = rigid + (residuals * pulls) @ neighbours / (pulls @ neighbours + MATCHING.distortion_prior)
    return bent, pair_up(our_terms(bent, headings, MATCHING.final_tolerance_px), terms)


def _neighbourhood(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh how much each minutia tells of the displacement of another: (N, N) float32."""
    x, y = points[:, :, None] - points[:, None, :]
    near = np.maximum(1.0 - (x * x + y * y) / MATCHING.distortion_reach_px**2, 0.0)
    weights: NDArray[np.float32] = np.square(np.square(near))
    return weights
