"""Templates made ready to be compared: the best minutiae with their descriptors, around their centre of mass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import supports
from enrollment.core.fingerprint.cylinders import cells_on_finger, cylinders
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS, project
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

UNRATED: Final = 0.5  # reliability of every minutia of a template that rates none
_DESCRIBED_AT_ONCE: Final = 2  # templates whose cylinders fit into a core's cache together


@dataclass(frozen=True, slots=True, eq=False)
class DescribedTemplates:
    """What a comparison needs of C templates, padded to the M minutiae of the longest, the most reliable first.

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
            points=self.points[:, rows, :most],
            headings=self.headings[:, rows, :most],
            kinds=self.kinds[rows, :most],
            reliabilities=self.reliabilities[rows, :most],
            descriptors=self.descriptors[rows, :most],
            polygons=self.polygons[rows],
        )

    def part(self, start: int, stop: int) -> DescribedTemplates:
        """View the templates from one to before another."""
        return DescribedTemplates(
            counts=self.counts[start:stop],
            points=self.points[:, start:stop],
            headings=self.headings[:, start:stop],
            kinds=self.kinds[start:stop],
            reliabilities=self.reliabilities[start:stop],
            descriptors=self.descriptors[start:stop],
            polygons=self.polygons[start:stop],
        )

    def write(self, start: int, templates: DescribedTemplates) -> None:
        """Put templates, of no more minutiae than these have room for, in the place of those from `start` on."""
        here, most = self.part(start, start + len(templates)), templates.kinds.shape[1]
        here.counts[:] = templates.counts
        here.polygons[:] = templates.polygons
        for mine, given, axis in (
            (here.points, templates.points, 2),
            (here.headings, templates.headings, 2),
            (here.kinds, templates.kinds, 1),
            (here.reliabilities, templates.reliabilities, 1),
            (here.descriptors, templates.descriptors, 1),
        ):
            used = (slice(None),) * axis
            mine[*used, :most] = given
            mine[*used, most:] = 0


def describe(*templates: FingerprintTemplate) -> DescribedTemplates:
    """Describe the most reliable minutiae of each of one or more templates, padded to the longest.

    A template with fewer than MATCHING.least_minutiae usable ones has none (its count is 0). Minutiae that are no place
    on a finger (not finite, or further than MATCHING.furthest_px from the origin) are not used.
    """
    chosen = [_best(template) for template in templates]
    counts = np.array([len(best) for best in chosen], np.intp)
    count, most = len(templates), int(counts.max(initial=0))
    points, directions = np.zeros((2, count, most), np.float32), np.zeros((count, most), np.float32)
    kinds, reliabilities = np.zeros((count, most), np.uint8), np.zeros((count, most), np.float32)
    for row, (template, best) in enumerate(zip(templates, chosen, strict=True)):
        if not len(best):
            continue
        used = np.s_[row, : len(best)]
        positions = template.positions[best].astype(np.float64)
        points[:, *used] = (positions - positions.mean(axis=0)).T
        directions[used] = np.mod(template.directions[best], math.tau)
        kinds[used] = template.kinds[best]
        reliabilities[used] = _rated(template.reliabilities[best])
    kinds[kinds >= len(MinutiaKind)] = MinutiaKind.OTHER
    polygons = supports(points, counts)
    polygons[counts == 0] = 0.0
    descriptors = np.zeros((count, most, DIMENSIONS), np.int8)
    for start in range(0, count, _DESCRIBED_AT_ONCE):
        part = slice(start, start + _DESCRIBED_AT_ONCE)
        long = int(counts[part].max())
        if not long:
            continue
        places, ways = points[:, part, :long], directions[part, :long]
        values = cylinders(places, ways, counts[part])
        descriptors[part, :long] = project(values, cells_on_finger(places, ways, polygons[part]))
    headings = np.stack([np.cos(directions), np.sin(directions)])
    described = DescribedTemplates(counts, points, headings, kinds, reliabilities, descriptors, polygons)
    if counts.min(initial=most) < most:
        headings[:, described.padding] = 0.0
        descriptors[described.padding] = 0
    return described


def _best(template: FingerprintTemplate) -> NDArray[np.intp]:
    """Choose the minutiae that take part, the most reliable first: none where too few are left."""
    positions = template.positions
    best = np.argsort(-template.reliabilities, kind="stable")
    placed = np.isfinite(template.directions) & (np.abs(positions) <= MATCHING.furthest_px).all(axis=1)
    if not placed.all():
        best = best[placed[best]]
    best = best[: MATCHING.most_minutiae]
    best = best[_distinct(positions[best])]
    return best if len(best) >= MATCHING.least_minutiae else best[:0]


def _distinct(positions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which minutiae share their spot with none before them: a heap of copies must not match as many."""
    x, y = positions.T.copy()
    east, south = np.subtract.outer(x, x), np.subtract.outer(y, y)
    close = east * east + south * south < MATCHING.least_distance_px**2
    if np.count_nonzero(close) == len(positions):
        return np.ones(len(positions), bool)
    copies: NDArray[np.bool_] = np.tril(close, -1).any(axis=1)
    return ~copies


def _rated(reliabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring reliabilities into 0..1, what is no number to 0; where all are 0 they tell nothing."""
    rated: NDArray[np.float32] = np.fmin(np.fmax(reliabilities, np.float32(0.0)), np.float32(1.0))
    return rated if rated.any() else np.full_like(rated, UNRATED)
