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

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import FILTER


def outlines(templates: DescribedTemplates) -> NDArray[np.int8]:
    """Shorten the descriptors of the minutiae that the first look takes, and bring them to unit length again.

    Returns (C, FILTER.gallery_minutiae, FILTER.dimensions) int8, in steps of 1 / MATCHING.descriptor_scale; zeros where
    there is no minutia.
    """
    from enrollment.core.fingerprint.compiled.description import outline

    shortened = np.empty((len(templates), FILTER.gallery_minutiae, FILTER.dimensions), np.int8)
    outline(templates.descriptors, shortened)
    return shortened


def promises(
    probe: DescribedTemplates, gallery: DescribedTemplates, gallery_outlines: NDArray[np.int8], count: int
) -> NDArray[np.float32]:
    """Tell how much one described template (C = 1) seems to have in common with the first `count` of others.

    gallery_outlines: (C, FILTER.gallery_minutiae, FILTER.dimensions) int8 of `outlines`.
    Returns (count,) float32, 0..FILTER.candidates: below 0.5 for most strangers, several for good mates.
    """
    from enrollment.core.fingerprint.compiled.first_look import look

    promised = np.zeros(count, np.float32)
    ours = outlines(probe)[0, : min(probe.counts[0], FILTER.probe_minutiae)]
    look(
        ours,
        probe.points,
        probe.headings,
        gallery.counts,
        gallery_outlines,
        gallery.points,
        gallery.headings,
        promised,
    )
    return promised
