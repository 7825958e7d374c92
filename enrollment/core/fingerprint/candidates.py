"""Candidate pairs: each probe minutia with the gallery minutia whose neighbourhood looks most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING

_WORSE_THAN_ANY: Final = np.float32(4.0)  # taken from the similarity of padding


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """K pairs for each of C gallery templates.

    ours: (C, K) intp, minutia of the probe.
    theirs: (C, K) intp, minutia of the gallery, counted through all C * M of them.
    similarities: (C, K) float32.
    """

    ours: NDArray[np.intp]
    theirs: NDArray[np.intp]
    similarities: NDArray[np.float32]


def similarities(probe: DescribedTemplates, gallery: DescribedTemplates) -> NDArray[np.float32]:
    """Return the dot products of all descriptors.

    probe: one template of N minutiae. gallery: C templates of up to M.
    Returns (N, C, M) float32, about -1..1, below that for padding.
    """
    count, most, dimensions = gallery.descriptors.shape
    ours = probe.descriptors[0].astype(np.float32)
    theirs = gallery.descriptors.reshape(count * most, dimensions).astype(np.float32)
    alike: NDArray[np.float32] = (ours @ theirs.T).reshape(-1, count, most)  # sums of integers: exact in any order
    alike *= MATCHING.descriptor_scale**-2
    alike -= _WORSE_THAN_ANY * gallery.padding
    return alike


def best_candidates(alike: NDArray[np.float32]) -> Candidates:
    """Pair each probe minutia with its most similar one and keep the MATCHING.candidates most similar pairs."""
    ours, count, most = alike.shape
    columns = np.ascontiguousarray(alike.argmax(axis=2).T) + most * np.arange(count)[:, None]
    best = np.take(alike, columns + count * most * np.arange(ours))
    kept = min(MATCHING.candidates, ours)
    chosen = np.argpartition(-best, kept - 1, axis=1)[:, :kept]
    flat = chosen + ours * np.arange(count)[:, None]
    return Candidates(chosen, np.take(columns, flat), np.take(best, flat))
