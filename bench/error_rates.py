"""Error rates of a verification test, from its genuine and impostor scores.

A pair is accepted where its score reaches the threshold. FNMR: share of genuine pairs rejected; FMR: share of impostor
pairs accepted (ISO/IEC 19795-1). A score of -1 stands for an image that did not extract: it is never accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def error_curve(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> ErrorCurve:
    """Rates at every score that occurs, at 0 and beyond the highest; both arrays need at least one score."""
    scores = np.concatenate([genuine, impostor])
    scores = scores[scores >= 0.0]
    beyond = np.nextafter(scores.max(initial=0.0), np.inf)
    thresholds = np.unique(np.concatenate([[0.0], scores, [beyond]]))
    fnmr = np.searchsorted(np.sort(genuine), thresholds, side="left") / len(genuine)
    fmr = 1.0 - np.searchsorted(np.sort(impostor), thresholds, side="left") / len(impostor)
    return ErrorCurve(thresholds, fmr, fnmr)
