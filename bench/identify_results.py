"""What searches in galleries of growing size come to: rates, times, and the line of growth."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.gallery_search import Found
from bench.growth import Growth, fit_growth
from enrollment.core.fingerprint import SAME_FINGER_SCORE

LINE_FROM: Final = 10_000  # below it what a search costs whatever the gallery's size bends the line


@dataclass(frozen=True, slots=True)
class SizeResult:
    """One size of gallery. search_s: CPU seconds of one thread, median over searches. Rates: shares of the searches.

    filter_per_s: templates that the first filter looks at in a second; None without one. kept: compared in full.
    reference_s: all comparisons with the fixed gallery, between the searches, median.
    hit_rate: the mate was compared in full and reached the threshold. false_hit_rate: a stranger reached it.
    """

    subjects: int
    search_s: float
    filter_per_s: float | None
    kept: int
    rank1_rate: float
    kept_rate: float
    hit_rate: float
    false_hit_rate: float
    highest_stranger: float
    reference_s: float


@dataclass(frozen=True, slots=True)
class Build:
    """draw_s: to draw the subjects; add_s: to describe and add them. resident_mib: the process with its gallery."""

    subjects: int
    distinct: int
    draw_s: float
    add_s: float
    resident_mib: float
    bytes_a_template: float


def summarise(subjects: int, found: Sequence[Found], filter_s: float | None, reference_s: float) -> SizeResult:
    """Put searches together; search number N was with a probe of subject N. filter_s: of one search, if any."""
    mates, strangers = [], []
    for subject, one in enumerate(found):
        is_mate = one.rows == subject
        mates.append(float(one.scores[is_mate].max(initial=-1.0)))
        strangers.append(float(one.scores[~is_mate].max(initial=0.0)))
    mate, stranger = np.array(mates), np.array(strangers)
    return SizeResult(
        subjects=subjects,
        search_s=statistics.median(one.search_s for one in found),
        filter_per_s=None if filter_s is None else subjects / filter_s,
        kept=round(statistics.fmean(len(one.rows) for one in found)),
        rank1_rate=float((mate > stranger).mean()),
        kept_rate=float((mate >= 0.0).mean()),
        hit_rate=float((mate >= SAME_FINGER_SCORE).mean()),
        false_hit_rate=float((stranger >= SAME_FINGER_SCORE).mean()),
        highest_stranger=float(stranger.max()),
        reference_s=reference_s,
    )


def line_of(results: Sequence[SizeResult]) -> tuple[int, Growth]:
    """Fit the line through the sizes from LINE_FROM on, or through all if those are too few; also the first size."""
    large = [one for one in results if one.subjects >= LINE_FROM]
    used = large if len(large) > 1 else results
    return used[0].subjects, fit_growth([one.subjects for one in used], steadied(used))


def steadied(results: Sequence[SizeResult]) -> list[float]:
    """Times of a search as if the machine had always been as quick as at its quickest size, seconds."""
    quickest = min(one.reference_s for one in results)
    return [one.search_s * quickest / one.reference_s for one in results]
