"""Templates made ready to be compared: the best minutiae with their descriptors, around their centre of mass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.packed_waves import PackedWaves, no_waves, pack_waves
from enrollment.core.fingerprint.projection import DIMENSIONS, stored_projection
from enrollment.core.fingerprint.template import FingerprintTemplate

UNRATED: Final = 0.5  # reliability of every minutia of a template that rates none


@dataclass(frozen=True, slots=True, eq=False)
class DescribedTemplates:
    """What a comparison needs of C templates, padded to the M minutiae of the longest, the most reliable first.

    counts: (C,) intp, minutiae that are real; the rest of a row is padding with reliability 0.
    points: (2, C, M) float32, x and y in pixels from the centre of mass of each template.
    headings: (2, C, M) float32, cosine and sine of the direction, y down.
    kinds: (C, M) uint8, MinutiaKind. reliabilities: (C, M) float32, 0..1.
    descriptors: (C, M, DIMENSIONS) int8.
    polygons: (C, area.SIDES) float32, the area of each finger.
    waves: of C templates, the ridges between the minutiae.
    """

    counts: NDArray[np.intp]
    points: NDArray[np.float32]
    headings: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    reliabilities: NDArray[np.float32]
    descriptors: NDArray[np.int8]
    polygons: NDArray[np.float32]
    waves: PackedWaves

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def padding(self) -> NDArray[np.bool_]:
        """(C, M) bool, True where there is no minutia."""
        padded: NDArray[np.bool_] = np.arange(self.kinds.shape[1]) >= self.counts[:, None]
        return padded

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of it, in the order of `compiled.comparison.Templates`."""
        waves = self.waves
        return (
            self.counts,
            self.points,
            self.headings,
            self.kinds,
            self.reliabilities,
            self.descriptors,
            self.polygons,
            waves.cells,
            waves.starts,
            waves.rows,
            waves.cols,
            waves.origins,
            waves.pitches,
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
            waves=self.waves.select(slice(start, stop)),
        )

    def write(self, start: int, templates: DescribedTemplates, cells_at: int = 0) -> None:
        """Put templates, of no more minutiae than these have room for, in the place of those from `start` on.

        cells_at: where the cells of their waves stand here; 0 where they are these very cells.
        """
        here, most = self.part(start, start + len(templates)), templates.kinds.shape[1]
        here.counts[:] = templates.counts
        here.polygons[:] = templates.polygons
        here.waves.write(templates.waves, cells_at)
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
    """Describe the most reliable minutiae of each of one or more templates, with room for those of the longest.

    A template with fewer than MATCHING.least_minutiae usable ones has none (its count is 0). Minutiae that are no place
    on a finger (not finite, or further than MATCHING.furthest_px from the origin) are not used.
    """
    from enrollment.core.fingerprint.compiled.description import describe_row

    count = len(templates)
    most = min(max(map(len, templates), default=0), MATCHING.most_minutiae)
    described = no_templates(count, most)
    centres = np.zeros((2, count))
    mean, weights = stored_projection()
    for row, template in enumerate(templates):
        best = _best(template)
        describe_row(
            np.ascontiguousarray(template.positions[best], np.float32),
            np.mod(template.directions[best], np.float32(math.tau), dtype=np.float32),
            template.kinds[best].astype(np.uint8, copy=False),
            _rated(template.reliabilities[best]),
            mean,
            weights,
            centres,
            row,
            *described.arrays[:7],
        )
    return replace(described, waves=pack_waves([template.waves for template in templates], centres))


def no_templates(count: int, most: int) -> DescribedTemplates:
    """Return arrays for some templates with room for `most` minutiae each, of which none is real."""
    return DescribedTemplates(
        counts=np.zeros(count, np.intp),
        points=np.zeros((2, count, most), np.float32),
        headings=np.zeros((2, count, most), np.float32),
        kinds=np.zeros((count, most), np.uint8),
        reliabilities=np.zeros((count, most), np.float32),
        descriptors=np.zeros((count, most, DIMENSIONS), np.int8),
        polygons=np.zeros((count, SIDES), np.float32),
        waves=no_waves(count),
    )


def _best(template: FingerprintTemplate) -> NDArray[np.intp]:
    """Choose the minutiae that take part, the most reliable first."""
    best = np.argsort(-template.reliabilities, kind="stable")
    placed = np.isfinite(template.directions) & (np.abs(template.positions) <= MATCHING.furthest_px).all(axis=1)
    if not placed.all():
        best = best[placed[best]]
    return best[: MATCHING.most_minutiae]


def _rated(reliabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring reliabilities into 0..1, what is no number to 0; where all are 0 they tell nothing."""
    rated: NDArray[np.float32] = np.fmin(np.fmax(reliabilities, np.float32(0.0)), np.float32(1.0))
    return rated if rated.any() else np.full_like(rated, UNRATED)
