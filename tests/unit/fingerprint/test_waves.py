"""From the response to the wave map."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage
from enrollment.core.fingerprint.compiled import overlay
from enrollment.core.fingerprint.extract import extract
from enrollment.core.fingerprint.frequency import RidgeFlow, nearest_orientation
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.wave_map import MAX_CELLS, WaveMap, encode
from enrollment.core.fingerprint.waves import map_waves

WORK, RESPONSE, MAP = EXTRACTION.work, EXTRACTION.response, EXTRACTION.wave_map
TILE = WORK.tile_work_px
SCALE = (1.0 / WORK.scale, 1.0 / WORK.scale)
ROWS, COLS = 20, 24


def plane_wave(angle: float, period_px: float) -> tuple[NDArray[np.complex64], NDArray[np.int16], RidgeFlow]:
    """What the filters answer to a wave: its phase along the direction that each tile was steered to."""
    orientation = np.full((ROWS, COLS), angle % math.pi, np.float32)
    steering = nearest_orientation(orientation, RESPONSE.orientations)
    y, x = np.mgrid[: ROWS * TILE, : COLS * TILE]
    frequency = 2.0 * math.pi / (period_px * WORK.scale)
    phase = frequency * (x * math.cos(angle) + y * math.sin(angle))
    looked = math.cos(angle - float(steering[0, 0]) * math.pi / RESPONSE.orientations)
    response = np.exp(1j * phase * np.sign(looked)).astype(np.complex64)
    flow = RidgeFlow(np.full((ROWS, COLS), period_px, np.float32), orientation, np.ones((ROWS, COLS), np.float32))
    return response, steering, flow


def mapped(
    response: NDArray[np.complex64], steering: NDArray[np.int16], flow: RidgeFlow, mask: NDArray[np.bool_]
) -> WaveMap:
    found = map_waves(response, steering, RESPONSE.orientations, flow, mask, SCALE, MAP)
    assert found is not None
    return found


def decode(cells: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Read cells (..., 4) as an overlay does: waves x and y in turns a pixel, phases in turns, weights; (...) each."""
    flat = np.ascontiguousarray(cells.reshape(-1, 4))
    found = [overlay.read(flat, place) for place in range(len(flat))]
    told = [(*overlay.wave(cell), overlay.phase(cell), overlay.weight(cell)) for cell in map(np.uint32, found)]
    return tuple(np.array(told, np.float32).T.reshape(4, *cells.shape[:-1]))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """What reads a cell is compiled before hypothesis takes the time."""
    decode(np.ones((1, 4), np.uint8))


@pytest.mark.parametrize("angle", [0.0, 0.05, 0.7, 1.6, 2.5, 3.09, 3.13])
@pytest.mark.parametrize("period_px", [5.5, 8.3, 13.0])
def test_a_plane_wave_is_told_by_every_cell(angle: float, period_px: float) -> None:
    waves = mapped(*plane_wave(angle, period_px), np.ones((ROWS, COLS), np.bool_))
    wave_x, wave_y, phases, weights = decode(waves.cells)
    rows, cols = phases.shape
    assert 1.0 / np.hypot(wave_x, wave_y) == pytest.approx(period_px, abs=0.05)
    turned = np.angle(np.exp(2j * (np.arctan2(wave_y, wave_x) - angle))) / 2.0
    assert np.abs(turned).max() < math.pi / 256

    x = waves.origin[0] + waves.pitch[0] * np.arange(cols)
    y = waves.origin[1] + waves.pitch[1] * np.arange(rows)[:, None]
    # Work pixel w lies at (w + 0.5) / scale - 0.5 of the impression.
    work_x, work_y = (x + 0.5) * WORK.scale - 0.5, (y + 0.5) * WORK.scale - 0.5
    true = (work_x * math.cos(angle) + work_y * math.sin(angle)) / (period_px * WORK.scale)
    side = np.sign(wave_x * math.cos(angle) + wave_y * math.sin(angle))
    apart = side * phases - true
    assert np.abs(apart - np.rint(apart)).max() < 0.02
    assert weights.min() > 0.75


def test_only_the_part_of_the_mask_is_mapped() -> None:
    mask = np.zeros((ROWS, COLS), np.bool_)
    mask[5:11, 8:17] = True
    waves = mapped(*plane_wave(0.4, 9.0), mask)
    assert waves.cells.shape == (3, 5, 4)
    assert waves.origin == pytest.approx(((8 + 1) * TILE / WORK.scale - 0.5, (5 + 1) * TILE / WORK.scale - 0.5))
    assert (waves.cells[:, :4, 3] > 0).all()
    assert (waves.cells[:, 4, 3] < waves.cells[:, 3, 3]).all(), "half of the last cells lies off the finger"


def test_an_empty_mask_has_no_map() -> None:
    response, steering, flow = plane_wave(0.4, 9.0)
    mask = np.zeros((ROWS, COLS), np.bool_)
    assert map_waves(response, steering, RESPONSE.orientations, flow, mask, SCALE, MAP) is None
    assert extract(FingerprintImage(np.full((200, 200), 90, np.uint8))).waves is None


def test_tiles_that_disagree_make_a_weak_wave() -> None:
    response, steering, flow = plane_wave(0.0, 9.0)
    response[TILE : 2 * TILE] *= -1.0  # the lower tiles of the first row of cells are half a turn off
    waves = mapped(response, steering, flow, np.ones((ROWS, COLS), np.bool_))
    assert (waves.cells[0, :, 3] == 0).all()
    assert (waves.cells[1:, :, 3] > 180).all()


@given(st.floats(-10.0, 10.0), st.floats(0.0, math.pi, exclude_max=True), st.floats(1.0, 21.0), st.floats(0.0, 1.0))
def test_a_cell_reads_back_as_it_was_written(phase: float, direction: float, period: float, weight: float) -> None:
    told = (np.array([value], np.float32) for value in (phase, direction, period, weight))
    wave_x, wave_y, turns, weights = decode(encode(*told))
    assert 1.0 / np.hypot(wave_x, wave_y) == pytest.approx(period, abs=0.05)
    assert weights == pytest.approx(weight, abs=0.003)
    along = wave_x * math.cos(direction) + wave_y * math.sin(direction)
    assert np.abs(along) * period == pytest.approx(1.0, abs=0.05)
    apart = np.sign(along) * turns - phase / math.tau
    assert np.abs(apart - np.rint(apart)) < 0.003


@pytest.mark.parametrize(
    ("cells", "pitch"),
    [
        (np.zeros((3, 4), np.uint8), 13.0),
        (np.zeros((3, 4, 4), np.int16), 13.0),
        (np.zeros((0, 4, 4), np.uint8), 13.0),
        (np.zeros((1, MAX_CELLS + 1, 4), np.uint8), 13.0),
        (np.zeros((3, 4, 4), np.uint8), 0.5),
        (np.zeros((3, 4, 4), np.uint8), math.nan),
        (np.zeros((3, 4, 4), np.uint8), math.inf),
    ],
)
def test_a_map_of_another_shape_is_refused(cells: NDArray[np.uint8], pitch: float) -> None:
    with pytest.raises(InvalidImage):
        WaveMap(cells, (0.0, 0.0), (pitch, 13.0))
