"""The quadrature response."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.response import FilterBank, assemble, filter_bank, respond

WORK, RESPONSE = EXTRACTION.work, EXTRACTION.response
TILE = WORK.tile_work_px
PERIODS = len(RESPONSE.periods_px)
Wave = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="module")
def final_bank() -> FilterBank:
    return filter_bank(RESPONSE.final, RESPONSE.periods_px, TILE, RESPONSE, WORK)


def answer(image: NDArray[np.float32], kernel: int, bank: FilterBank) -> NDArray[np.complex64]:
    """Filter every tile with one kernel."""
    active = np.ones((image.shape[0] // TILE, image.shape[1] // TILE), np.bool_)
    return respond(image, active, np.full(active.size, kernel, np.int16), bank)


@pytest.mark.parametrize("orientation", range(0, 16, 3))
@pytest.mark.parametrize("period", [0, 3, 6])
def test_a_steered_filter_answers_a_wave_with_its_amplitude_and_phase(
    wave: Wave, final_bank: FilterBank, orientation: int, period: int
) -> None:
    angle, period_px = orientation * math.pi / 16, RESPONSE.periods_px[period]
    image = 1.3 * wave(angle, period_px * WORK.scale, phase=0.7)
    active = np.ones((image.shape[0] // TILE, image.shape[1] // TILE), np.bool_)
    response = assemble(answer(image, orientation * PERIODS + period, final_bank), active)
    quadrature = wave(angle, period_px * WORK.scale, phase=0.7 - math.pi / 2.0)
    ideal = 1.3 * (wave(angle, period_px * WORK.scale, phase=0.7) + 1j * quadrature)
    # A short window keeps a little of the mirror wave, and answering no even ground costs the even part a little.
    assert np.abs(response - ideal)[10:-10, 10:-10].max() < 0.13


def test_a_longer_window_leaves_less_of_the_mirror_wave(wave: Wave) -> None:
    bank = filter_bank(RESPONSE.first, (8.0,), TILE, RESPONSE, WORK)
    response = answer(wave(0.0, 6.0), 0, bank)
    assert np.abs(response[200:-200]) == pytest.approx(1.0, abs=0.02)


def test_an_even_ground_is_not_answered(final_bank: FilterBank) -> None:
    image = np.full((60, 60), 2.5, np.float32)
    for kernel in range(0, 16 * PERIODS, 7):
        assert np.abs(answer(image, kernel, final_bank)).max() < 1e-4


def test_a_wave_across_is_hardly_answered(wave: Wave, final_bank: FilterBank) -> None:
    along = answer(wave(0.0, 6.0), 4, final_bank)
    across = answer(wave(math.pi / 2.0, 6.0), 4, final_bank)
    assert np.abs(across).mean() < 0.1 * np.abs(along).mean()


def test_every_tile_gets_its_own_kernel_in_raster_order(final_bank: FilterBank) -> None:
    rng = np.random.default_rng(2)
    image = rng.standard_normal((8 * TILE, 9 * TILE)).astype(np.float32)
    active = rng.random((8, 9)) < 0.6
    kernels = rng.integers(0, 16 * PERIODS, np.count_nonzero(active)).astype(np.int16)
    answers = respond(image, active, kernels, final_bank)
    for index, kernel in enumerate(kernels):
        alone = answer(image, int(kernel), final_bank).reshape(8, 9, TILE, TILE)[active][index]
        assert answers[index] == pytest.approx(alone, abs=1e-4)


def test_more_tiles_than_go_at_once_answer_alike(final_bank: FilterBank) -> None:
    rng = np.random.default_rng(4)
    strip = rng.standard_normal((TILE, 20 * TILE)).astype(np.float32)
    many = np.tile(strip, (250, 1))
    kernels = np.tile(rng.integers(0, 16 * PERIODS, 20).astype(np.int16), 250)
    answers = respond(many, np.ones((250, 20), np.bool_), kernels, final_bank).reshape(250, 20, TILE, TILE)
    assert np.abs(answers[10:-10] - answers[10]).max() < 1e-4


def test_fewer_output_pixels_are_those_in_the_middle_of_the_tile(wave: Wave) -> None:
    image = wave(0.5, 6.0)
    whole = filter_bank(RESPONSE.first, (8.0,), TILE, RESPONSE, WORK)
    middle = filter_bank(RESPONSE.first, (8.0,), 3, RESPONSE, WORK)
    assert answer(image, 3, middle) == pytest.approx(answer(image, 3, whole)[:, 1:-1, 1:-1], abs=1e-5)


def test_no_active_tile_gives_no_answer(final_bank: FilterBank) -> None:
    active = np.zeros((10, 10), np.bool_)
    answers = respond(np.zeros((10 * TILE, 10 * TILE), np.float32), active, np.zeros(0, np.int16), final_bank)
    assert answers.shape == (0, TILE, TILE)
    assert not assemble(answers, active).any()


def test_assembled_tiles_lie_where_they_were_active() -> None:
    active = np.array([[False, True], [True, False]])
    tiles = np.arange(2 * TILE * TILE).reshape(2, TILE, TILE).astype(np.complex64)
    laid = assemble(tiles, active)
    assert np.array_equal(laid[:TILE, TILE:], tiles[0])
    assert np.array_equal(laid[TILE:, :TILE], tiles[1])
    assert not laid[:TILE, :TILE].any()
    assert not laid[TILE:, TILE:].any()
