"""Error versus discard: how the misses fall when the pairs of lowest quality are taken away.

A pair is as good as its worse impression. At one fixed threshold the share of genuine pairs that are missed is drawn
against the share of pairs discarded, worst quality first (ISO/IEC 29794-1; Grother and Tabassi, "Performance of
biometric quality measures", IEEE TPAMI 29(4), 2007). Pairs of one quality have no order: they are discarded in equal
parts, which is what any order of them gives on average, so a coarse score gains nothing by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_DISCARDED: Final = 0.3
_STEPS: Final = 300


@dataclass(frozen=True, slots=True, eq=False)
class DiscardCurve:
    """shares: (D,) float64 from 0 to the largest share discarded. fnmr, perfect: (D,) float64, 0..1.

    perfect: of a quality that puts every miss first. A quality that knows nothing keeps `fnmr[0]` throughout.
    """

    shares: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    perfect: NDArray[np.float64]

    @property
    def relative_pauc(self) -> float:
        """Area under the curve: 0 for the perfect quality, 1 for a random one, more for a misleading one.

        NaN where nothing is missed: there is nothing to order then.
        """
        actual, perfect = (float(np.trapezoid(rates, self.shares)) for rates in (self.fnmr, self.perfect))
        random = float(self.fnmr[0] * (self.shares[-1] - self.shares[0]))
        return (actual - perfect) / (random - perfect) if random > perfect else float("nan")


def pair_qualities(
    qualities: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Quality of each pair: the lower one of its two images. qualities: (N,); first, second: (P,) indices of images."""
    return np.minimum(qualities[first], qualities[second])


def discard_curve(
    missed: NDArray[np.bool_],
    qualities: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    most: float = MOST_DISCARDED,
) -> DiscardCurve:
    """Discard genuine pairs, worst quality first.

    missed: (P,) bool, True where a genuine pair stayed below the threshold. qualities: (P,), higher is better.
    weights: (P,) >= 0, how often each pair counts; all once unless given. most: largest share discarded, below 1.
    """
    counts = np.ones(len(missed)) if weights is None else weights
    order = np.argsort(qualities, kind="stable")
    ranked = qualities[order]
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # of the pairs of one quality
    discarded = np.r_[0.0, np.cumsum(counts[order])[last]]
    found = np.r_[0.0, np.cumsum((counts * missed)[order])[last]]
    total, errors = discarded[-1], found[-1]
    shares = np.linspace(0.0, most, _STEPS + 1)
    fnmr = (errors - np.interp(shares * total, discarded, found)) / ((1.0 - shares) * total)
    perfect = np.maximum(errors / total - shares, 0.0) / (1.0 - shares)
    return DiscardCurve(shares, np.maximum(fnmr, 0.0), perfect)
