"""One search in a gallery: with its first filter where it has one, else a full comparison with every template.

This is the only place of the benchmarks that knows what a gallery offers: `search(probe, kept_share)` compares only the
share that promises most, and `promises(probe)` is its filter alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import thread_time
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintTemplate


class Ranking(Protocol):
    """indices: (K,) intp, templates that were compared in full. scores: (K,) float32, theirs."""

    @property
    def indices(self) -> NDArray[np.intp]: ...

    @property
    def scores(self) -> NDArray[np.float32]: ...


class ScoringGallery(Protocol):
    """A gallery that compares a probe with all of its templates."""

    def __len__(self) -> int: ...

    def scores(self, probe: FingerprintTemplate) -> NDArray[np.float32]: ...


@runtime_checkable
class FilteringGallery(Protocol):
    """A gallery that can look at all templates cheaply and compare only a share of them."""

    def promises(self, probe: FingerprintTemplate) -> NDArray[np.float32]: ...

    def search(self, probe: FingerprintTemplate, kept_share: float) -> Ranking: ...


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """rows: (K,) intp, templates that were compared in full. scores: (K,) float32. search_s: CPU time of the thread."""

    rows: NDArray[np.intp]
    scores: NDArray[np.float32]
    search_s: float


def search(gallery: ScoringGallery, probe: FingerprintTemplate, kept_share: float) -> Found:
    """Compare a probe with the share of the gallery that its filter prefers; with all of it without a filter."""
    began = thread_time()
    if isinstance(gallery, FilteringGallery):
        ranking = gallery.search(probe, kept_share)
        return Found(ranking.indices, ranking.scores, thread_time() - began)
    scores = gallery.scores(probe)
    return Found(np.arange(len(scores)), scores, thread_time() - began)


def filter_time(gallery: ScoringGallery, probe: FingerprintTemplate) -> float | None:
    """CPU seconds of the first filter over the whole gallery; None without one."""
    if not isinstance(gallery, FilteringGallery):
        return None
    began = thread_time()
    gallery.promises(probe)
    return thread_time() - began
