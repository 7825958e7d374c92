"""One search in a gallery: the first filter where the gallery has one, then full comparisons of what it kept.

This is the only place of the benchmarks that knows what a gallery's filter is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintTemplate, Gallery

Scores = NDArray[np.float32]


@runtime_checkable
class FilteringGallery(Protocol):
    """A gallery that can rank all of its templates cheaply, and compare some of them in full."""

    def filter_scores(self, probe: FingerprintTemplate) -> Scores:
        """Cheap scores of all templates, (G,), higher is more alike."""

    def scores_of(self, probe: FingerprintTemplate, rows: NDArray[np.intp]) -> Scores:
        """Full scores of some templates, (K,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """rows: (K,) intp, templates that were compared in full. scores: (K,) float32. Times: CPU seconds of the thread."""

    rows: NDArray[np.intp]
    scores: Scores
    filter_s: float
    compare_s: float


def first_filter(gallery: Gallery) -> Callable[[FingerprintTemplate], Scores] | None:
    """Return the gallery's first filter; None where it has none."""
    return gallery.filter_scores if isinstance(gallery, FilteringGallery) else None


def search(gallery: Gallery, probe: FingerprintTemplate, keep: float) -> Found:
    """Compare a probe with the share `keep` of the gallery that the filter ranks first; with all without a filter."""
    began = thread_time()
    if not isinstance(gallery, FilteringGallery):
        scores = gallery.scores(probe)
        return Found(np.arange(len(scores)), scores, 0.0, thread_time() - began)
    cheap = gallery.filter_scores(probe)
    kept = min(len(cheap), math.ceil(keep * len(cheap)))
    rows = np.argpartition(-cheap, kept - 1)[:kept]
    filtered = thread_time()
    scores = gallery.scores_of(probe, rows)
    return Found(rows, scores, filtered - began, thread_time() - filtered)
