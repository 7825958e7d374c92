from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.packed_waves import PackedWaves, pack_waves
from enrollment.core.fingerprint.wave_map import WaveMap


def waves(rows: int, cols: int) -> WaveMap:
    cells = np.random.default_rng(rows).integers(0, 256, (rows, cols, 4)).astype(np.uint8)
    return WaveMap(cells, (20.0, 30.0), (13.0, 13.0))


def packed() -> PackedWaves:
    return pack_waves([waves(3, 4), None, waves(5, 2)], np.zeros((2, 3)))


def cells_of(packed: PackedWaves, row: int) -> NDArray[np.uint8]:
    start = packed.starts[row]
    return packed.cells[start : start + packed.rows[row] * packed.cols[row]]


def test_cells_that_lie_in_order_are_viewed_and_not_copied() -> None:
    original = packed()
    assert np.shares_memory(original.gathered().cells, original.cells)
    assert original.gathered().taken == 22


def test_cells_of_nobody_are_left_out() -> None:
    kept = packed().select(np.array([2, 1])).gathered()
    assert len(kept.cells) == 10
    assert kept.starts.tolist() == [0, 10]
    assert np.array_equal(cells_of(kept, 0), waves(5, 2).cells.reshape(-1, 4))


def test_room_is_made_behind_them() -> None:
    roomy = packed().gathered(capacity=100)
    assert len(roomy.cells) == 100
    for row in range(3):
        assert np.array_equal(cells_of(roomy, row), cells_of(packed(), row))
