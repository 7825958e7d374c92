"""Templates made ready to be compared: the best minutiae with their descriptors, around their centre of mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES, supports
from enrollment.core.fingerprint.cylinders import cells_on_finger, cylinders
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS, project
from enrollment.core.fingerprint.template import FingerprintTemplate

UNRATED: Final = 0.5  # reliability of every minutia of a template that rates none


@dataclass(frozen=True, slots=True, eq=False)
class DescribedTemplates:
    """What a comparison needs of C templates, padded to the M minutiae of the longest.

    counts: (C,) intp, minutiae that are real; the rest of a row is padding with reliability 0.
    points: (2, C, M) float32, x and y in pixels from the centre of mass of each template.
    headings: (2, C, M) float32, cosine and sine of the direction, y down.
    kinds: (C, M) uint8, MinutiaKind. reliabilities: (C, M) float32, 0..1.
    descriptors: (C, M, DIMENSIONS) int8.
    polygons: (C, area.SIDES) float32, the area of each finger.
    """

    counts: NDArray[np.intp]
    points: NDArray[np.float32]
    headings: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    reliabilities: NDArray[np.float32]
    descriptors: NDArray[np.int8]
    polygons: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def padding(self) -> NDArray[np.bool_]:
        """(C, M) bool, True where there is no minutia."""
        padded: NDArray[np.bool_] = np.arange(self.kinds.shape[1]) >= self.counts[:, None]
        return padded

    def select(self, rows: NDArray[np.intp], most: int) -> DescribedTemplates:
        """Copy some of the templates, with the first `most` minutiae of each."""
        return DescribedTemplates(
            counts=self.counts[rows],
            points=np.take(self.points[:, :, :most], rows, axis=1),
            headings=np.take(self.headings[:, :, :most], rows, axis=1),
            kinds=self.kinds[rows, :most],
            reliabilities=self.reliabilities[rows, :most],
            descriptors=self.descriptors[rows, :most],
            polygons=self.polygons[rows],
        )


def describe(template: FingerprintTemplate) -> DescribedTemplates:
    """Describe the most reliable minutiae of one template (C = 1); too few leave none (M = 0)."""
    best = np.argsort(-template.reliabilities, kind="stable")[: MATCHING.most_minutiae]
    best = best[_distinct(template.positions[best])]
    if len(best) < MATCHING.least_minutiae:
        return _nothing()
    positions = template.positions[best].astype(np.float64)
    points = (positions - positions.mean(axis=0)).T.astype(np.float32)
    directions = template.directions[best].astype(np.float32)
    reliabilities = np.clip(template.reliabilities[best], 0.0, 1.0).astype(np.float32)
    if not reliabilities.any():
        reliabilities += np.float32(UNRATED)
    polygon = supports(points)
    return DescribedTemplates(
        counts=np.array([len(best)]),
        points=points[:, None],
        headings=np.stack([np.cos(directions), np.sin(directions)])[:, None],
        kinds=template.kinds[best][None],
        reliabilities=reliabilities[None],
        descriptors=project(cylinders(points, directions), cells_on_finger(points, directions, polygon))[None],
        polygons=polygon[None],
    )


def _distinct(positions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which minutiae share their spot with none before them: a heap of copies must not match as many."""
    x, y = positions.T[:, :, None] - positions.T[:, None, :]
    copies: NDArray[np.bool_] = np.tril(x * x + y * y < MATCHING.least_distance_px**2, -1).any(axis=1)
    return ~copies


def _nothing() -> DescribedTemplates:
    return DescribedTemplates(
        counts=np.zeros(1, np.intp),
        points=np.zeros((2, 1, 0), np.float32),
        headings=np.zeros((2, 1, 0), np.float32),
        kinds=np.zeros((1, 0), np.uint8),
        reliabilities=np.zeros((1, 0), np.float32),
        descriptors=np.zeros((1, 0, DIMENSIONS), np.int8),
        polygons=np.zeros((1, SIDES), np.float32),
    )
