"""Many templates kept ready for one probe to be compared with all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.area import SIDES
from enrollment.core.fingerprint.compare import compare_described
from enrollment.core.fingerprint.described import DescribedTemplates, describe
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS
from enrollment.core.fingerprint.template import FingerprintTemplate

CHUNK: Final = 32  # templates compared at once: few enough for their arrays to stay in one core's cache
_FIRST_CAPACITY: Final = 16


class Gallery:
    """Described templates in padded arrays, 9.0 kB each; the arrays double when they are full.

    Scores come in the order of the templates: those given, then those added. Several threads may ask for scores at
    once; none may while another adds or removes.
    """

    def __init__(self, templates: Iterable[FingerprintTemplate] = ()) -> None:
        self._size = 0
        self._rows = _allocate(_FIRST_CAPACITY)
        for template in templates:
            self.add(template)

    def __len__(self) -> int:
        return self._size

    def add(self, template: FingerprintTemplate) -> int:
        """Append a template and return its index."""
        if self._size == len(self._rows):
            self._rows = _enlarged(self._rows)
        _write(self._rows, self._size, describe(template))
        self._size += 1
        return self._size - 1

    def remove(self, index: int) -> None:
        """Forget a template; those behind it move up by one.

        Raises InvalidInput where there is none of that index.
        """
        if not 0 <= index < self._size:
            raise InvalidInput(f"no template {index} among {self._size}", index=index, templates=self._size)
        kept = np.delete(np.arange(len(self._rows)), index)
        self._rows = self._rows.select(kept, MATCHING.most_minutiae)
        self._size -= 1

    def scores(self, probe: FingerprintTemplate) -> NDArray[np.float32]:
        """Score the probe against every template, each as `compare(probe, template)` would.

        Returns (G,) float32, >= 0.
        """
        scores = np.zeros(self._size, np.float32)
        described = describe(probe)
        counts = self._rows.counts[: self._size]
        order = np.argsort(counts, kind="stable")  # templates of one length together need the least padding
        order = order[np.count_nonzero(counts == 0) :]
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            scores[chunk] = compare_described(described, self._rows.select(chunk, int(counts[chunk[-1]])))
        return scores


def _allocate(capacity: int) -> DescribedTemplates:
    most = MATCHING.most_minutiae
    return DescribedTemplates(
        counts=np.zeros(capacity, np.intp),
        points=np.zeros((2, capacity, most), np.float32),
        headings=np.zeros((2, capacity, most), np.float32),
        kinds=np.zeros((capacity, most), np.uint8),
        reliabilities=np.zeros((capacity, most), np.float32),
        descriptors=np.zeros((capacity, most, DIMENSIONS), np.int8),
        polygons=np.zeros((capacity, SIDES), np.float32),
    )


def _write(rows: DescribedTemplates, start: int, templates: DescribedTemplates) -> None:
    """Write templates into rows that were never used, from one on."""
    stop, most = start + len(templates), templates.kinds.shape[1]
    rows.counts[start:stop] = templates.counts
    rows.points[:, start:stop, :most] = templates.points
    rows.headings[:, start:stop, :most] = templates.headings
    rows.kinds[start:stop, :most] = templates.kinds
    rows.reliabilities[start:stop, :most] = templates.reliabilities
    rows.descriptors[start:stop, :most] = templates.descriptors
    rows.polygons[start:stop] = templates.polygons


def _enlarged(rows: DescribedTemplates) -> DescribedTemplates:
    larger = _allocate(2 * len(rows))
    _write(larger, 0, rows)
    return larger
