"""The first look of a search: which of many templates have anything in common with the probe?

It is the beginning of the full comparison, with less of everything: the first dimensions of the descriptors (they come
in the order of what they tell), the most reliable minutiae, every probe minutia's best candidate, how the best of them
agree, relaxation. How far they support each other is a promise of the score; poses are not tried.

Fewer minutiae lost fewer mates than more did: the most reliable ones are those that come back. All weights are those of
the full comparison; FILTER says what was measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.candidates import best_candidates, likeness, place
from enrollment.core.fingerprint.compatibility import compatibility, relax
from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import FILTER, MATCHING


def outlines(templates: DescribedTemplates) -> NDArray[np.int8]:
    """Shorten the descriptors of the minutiae that the first look takes, and bring them to unit length again.

    Returns (L, C, FILTER.dimensions) int8, L <= FILTER.gallery_minutiae, in steps of 1 / MATCHING.descriptor_scale.
    """
    shortened = templates.descriptors[:, : FILTER.gallery_minutiae, : FILTER.dimensions].astype(np.float32)
    lengths = np.sqrt(np.einsum("cmd,cmd->cm", shortened, shortened))
    shortened *= (MATCHING.descriptor_scale / np.maximum(lengths, 1.0))[:, :, None]
    return np.clip(np.rint(shortened), -127, 127).astype(np.int8).transpose(1, 0, 2)


def promises(
    probe: DescribedTemplates, gallery: DescribedTemplates, gallery_outlines: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Tell how much one described template (C = 1) seems to have in common with C others.

    gallery_outlines: (L, C, FILTER.dimensions) int8 of `outlines`.
    Returns (C,) float32, 0..FILTER.candidates: below 0.5 for most strangers, several for good mates.
    """
    ours = outlines(probe)[: FILTER.probe_minutiae, 0]
    most = min(len(gallery_outlines), gallery.kinds.shape[1])
    if not (len(ours) and most):
        return np.zeros(len(gallery), np.float32)
    alike = likeness(ours, gallery_outlines[:most].transpose(1, 0, 2), np.minimum(gallery.counts, most))
    candidates = best_candidates(alike, FILTER.candidates, row_length=gallery.kinds.shape[1])
    placed = place(candidates, probe, gallery)
    agreement = compatibility(placed, candidates.theirs, stretch=False)
    _, strength = relax(agreement, candidates.similarities, FILTER.relaxation_steps)
    return strength
