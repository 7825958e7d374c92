"""The line of growth: how a cost rises with size, as a power law fitted on logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Growth:
    """cost = factor * size ** slope; slope 1 is linear. spread: rms of the logarithms about the line, base e."""

    slope: float
    factor: float
    spread: float

    def at(self, size: float) -> float:
        """The cost that the line gives at a size, which may lie beyond those that were measured."""
        return float(self.factor * size**self.slope)


def fit_growth(sizes: Sequence[float], costs: Sequence[float]) -> Growth:
    """Fit by least squares. sizes, costs: above 0, of two different sizes at least."""
    x, y = np.log(np.asarray(sizes, np.float64)), np.log(np.asarray(costs, np.float64))
    slope, constant = np.polyfit(x, y, 1)
    spread = np.sqrt(np.mean((y - (slope * x + constant)) ** 2))
    return Growth(float(slope), float(np.exp(constant)), float(spread))
