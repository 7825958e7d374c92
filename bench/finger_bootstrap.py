"""How far would the figures move with other fingers? The bootstrap, with the finger as the unit.

The pairs of one finger rise and fall together, so fingers are drawn again and not pairs (Bolle, Ratha and Pankanti,
"Error analysis of pattern recognition systems: the subsets bootstrap", CVIU 93(1), 2004). A genuine pair counts as
often as its finger was drawn, an impostor pair as often as its two fingers were, together. All systems are measured on
the same draws: the difference of two is then much surer than either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0.0 or self.high < 0.0


def draw_fingers(fingers: int, times: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw as many fingers as there are, with replacement: (times, fingers), how often each came.

    A draw of one finger alone has no impostors and is made again; there must be two fingers at least.
    """
    counts = rng.multinomial(fingers, np.full(fingers, 1.0 / fingers), size=times)
    while (alone := counts.max(axis=1) == fingers).any():
        counts[alone] = rng.multinomial(fingers, np.full(fingers, 1.0 / fingers), size=np.count_nonzero(alone))
    return counts.astype(np.float64)


def pair_weights(
    drawn: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often pairs count in one draw: of one finger, and of two.

    drawn: (F,) of one draw. first, second: (P,) numbers of each pair's fingers.
    Returns the weights of the genuine pairs and of the impostor pairs, each in the order of the pairs.
    """
    same = first == second
    return drawn[first[same]], drawn[first[~same]] * drawn[second[~same]]


def interval(estimate: float, replicates: NDArray[np.float64]) -> Interval:
    """Percentile interval of the replicates; those that are NaN (nothing was missed in the draw) are left out."""
    seen = replicates[~np.isnan(replicates)]
    if not len(seen):
        return Interval(estimate, float("nan"), float("nan"))
    outside = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(seen, [outside, 1.0 - outside])
    return Interval(estimate, float(low), float(high))
