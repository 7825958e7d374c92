"""Prints and how each compares with each, which grows print by print: what was compared once is not compared again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.template import FingerprintTemplate


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPrints:
    """N templates. scores: (N, N) float32, symmetric; 0 on the diagonal."""

    templates: tuple[FingerprintTemplate, ...]
    scores: NDArray[np.float32]

    @classmethod
    def none(cls) -> ComparedPrints:
        return cls((), np.zeros((0, 0), np.float32))

    def with_(self, more: Sequence[FingerprintTemplate]) -> ComparedPrints:
        """Compare M more with these and with each other."""
        known, total = len(self.templates), len(self.templates) + len(more)
        scores = np.zeros((total, total), np.float32)
        added = Gallery(more)
        templates = (*self.templates, *more)
        for row, template in enumerate(templates):
            scores[row, known:] = added.scores(template)
        scores[known:, :known] = scores[:known, known:].T
        scores[:known, :known] = self.scores
        np.fill_diagonal(scores, 0.0)
        return ComparedPrints(templates, scores)
