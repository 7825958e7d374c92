"""The wave maps of many templates, one behind the other, each about its template's centre of mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.wave_map import WaveMap

Rows = slice | NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class PackedWaves:
    """Wave maps of C templates.

    cells: (total, 4) uint8, as in WaveMap, row by row; there may be cells that are nobody's.
    starts, rows, cols: (C,) intp, where a template's cells begin and how many there are; no rows where it has no map.
    origins, pitches: (2, C) float32, pixels; origins from the centre of mass of the template's minutiae.
    """

    cells: NDArray[np.uint8]
    starts: NDArray[np.intp]
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    origins: NDArray[np.float32]
    pitches: NDArray[np.float32]

    @property
    def taken(self) -> int:
        """How many cells are somebody's."""
        return int((self.rows * self.cols).sum())

    def select(self, chosen: Rows) -> PackedWaves:
        """Take some of the templates; the cells stay where they are."""
        return PackedWaves(
            self.cells,
            self.starts[chosen],
            self.rows[chosen],
            self.cols[chosen],
            self.origins[:, chosen],
            self.pitches[:, chosen],
        )

    def write(self, given: PackedWaves, cells_at: int) -> None:
        """Put as many templates in the place of these; their cells stand here already, from `cells_at` on."""
        self.starts[:] = given.starts + cells_at
        self.rows[:] = given.rows
        self.cols[:] = given.cols
        self.origins[:] = given.origins
        self.pitches[:] = given.pitches

    def gathered(self, capacity: int = 0) -> PackedWaves:
        """Bring the cells that are somebody's one behind the other, with room for at least `capacity`.

        They are viewed where they lie so already and no more room is wanted, else copied.
        """
        lengths, total = self.rows * self.cols, self.taken
        starts = np.cumsum(lengths) - lengths
        if np.array_equal(starts, self.starts):
            cells = self.cells[:total]
        else:
            cells = self.cells[np.repeat(self.starts - starts, lengths) + np.arange(total)]
        if capacity > total:
            roomy = np.zeros((capacity, 4), np.uint8)
            roomy[:total] = cells
            cells = roomy
        return PackedWaves(cells, starts, self.rows, self.cols, self.origins, self.pitches)


def pack_waves(maps: Sequence[WaveMap | None], centres: NDArray[np.float64]) -> PackedWaves:
    """Put maps together. centres: (2, C) pixels at 500 ppi, of the templates' minutiae."""
    given = [one.cells.reshape(-1, 4) for one in maps if one is not None]
    packed = no_waves(len(maps))
    for row, one in enumerate(maps):
        if one is not None:
            packed.rows[row], packed.cols[row] = one.cells.shape[:2]
            packed.origins[:, row] = np.array(one.origin) - centres[:, row]
            packed.pitches[:, row] = one.pitch
    lengths = packed.rows * packed.cols
    packed.starts[:] = np.cumsum(lengths) - lengths
    cells = np.concatenate(given) if given else packed.cells
    return PackedWaves(cells, packed.starts, packed.rows, packed.cols, packed.origins, packed.pitches)


def no_waves(count: int) -> PackedWaves:
    """Return arrays for some templates, none of which has a map."""
    return PackedWaves(
        cells=np.zeros((0, 4), np.uint8),
        starts=np.zeros(count, np.intp),
        rows=np.zeros(count, np.intp),
        cols=np.zeros(count, np.intp),
        origins=np.zeros((2, count), np.float32),
        pitches=np.ones((2, count), np.float32),
    )
