"""Error rates of a verification test, from its genuine and impostor scores.

A pair is accepted where its score reaches the threshold. FNMR: share of genuine pairs rejected; FMR: share of impostor
pairs accepted (ISO/IEC 19795-1). A score of -1 stands for an image that did not extract: it is never accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAILED = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """thresholds ascending, fmr falling, fnmr rising: (T,) float64 each."""

    thresholds: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]

    @property
    def eer(self) -> float:
        """Where both rates are equal: mean of the two at the threshold where they are closest."""
        at = int(np.abs(self.fmr - self.fnmr).argmin())
        return float(self.fmr[at] + self.fnmr[at]) / 2.0

    def threshold_at(self, fmr: float) -> float:
        """Return the least threshold with at most that FMR."""
        return float(self.thresholds[int(np.argmax(self.fmr <= fmr))])

    def fnmr_at(self, fmr: float) -> float:
        """Return the FNMR at that threshold; FMR1000 is `fnmr_at(0.001)`."""
        return float(self.fnmr[int(np.argmax(self.fmr <= fmr))])


def error_curve(
    genuine: NDArray[np.float64],
    impostor: NDArray[np.float64],
    genuine_weights: NDArray[np.float64] | None = None,
    impostor_weights: NDArray[np.float64] | None = None,
) -> ErrorCurve:
    """Rates at every score that occurs, at 0 and beyond the highest; both arrays need at least one score.

    Weights say how often a pair counts, all once unless given; some of each array must be above 0.
    """
    scores = np.concatenate([genuine, impostor])
    scores = scores[scores >= 0.0]
    beyond = np.nextafter(scores.max(initial=0.0), np.inf)
    thresholds = np.unique(np.concatenate([[0.0], scores, [beyond]]))
    below, everyone = _weight_below(genuine, genuine_weights, thresholds)
    fnmr = below / everyone
    below, everyone = _weight_below(impostor, impostor_weights, thresholds)
    fmr = (everyone - below) / everyone
    return ErrorCurve(thresholds, fmr, fnmr)


def _weight_below(
    scores: NDArray[np.float64], weights: NDArray[np.float64] | None, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weight of the scores below each threshold, and of all."""
    order = np.argsort(scores, kind="stable")
    running = np.r_[0.0, np.cumsum(np.ones(len(scores)) if weights is None else weights[order])]
    return running[np.searchsorted(scores[order], thresholds, side="left")], float(running[-1])
