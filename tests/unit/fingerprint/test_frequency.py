"""Period and orientation from the phase gradient."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.frequency import RidgeFlow, measure_flow, nearest_orientation, nearest_period
from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.response import filter_bank, respond

WORK, RESPONSE, FREQUENCY = EXTRACTION.work, EXTRACTION.response, EXTRACTION.frequency
TILE = WORK.tile_work_px
Wave = Callable[..., NDArray[np.float32]]


def flow_of(image: NDArray[np.float32], orientation: float) -> RidgeFlow:
    """Measure an image that is first filtered near the given orientation."""
    active = np.ones((image.shape[0] // TILE, image.shape[1] // TILE), np.bool_)
    steering = nearest_orientation(np.full(active.size, orientation, np.float32), RESPONSE.orientations)
    bank = filter_bank(RESPONSE.first, (8.0,), RESPONSE.first_side_work_px, RESPONSE, WORK)
    return measure_flow(respond(image, active, steering, bank), active, WORK, FREQUENCY, 8.0)


@pytest.mark.parametrize("degrees", [0, 20, 45, 87, 90, 133, 178])
@pytest.mark.parametrize("period_px", [6.5, 8.0, 9.5, 11.0])
def test_a_plane_wave_has_its_period_and_orientation(wave: Wave, degrees: int, period_px: float) -> None:
    angle = math.radians(degrees)
    flow = flow_of(wave(angle, period_px * WORK.scale), angle)
    inner = (slice(6, -6), slice(6, -6))
    assert flow.period_px[inner] == pytest.approx(period_px, rel=0.02)
    off = (flow.orientation[inner] - angle + math.pi / 2.0) % math.pi - math.pi / 2.0
    assert np.abs(off).max() < math.radians(1.0)
    assert flow.coherence[inner].min() > 0.97
    assert flow.coherence.max() < 1.0 + 1e-5


def test_a_first_filter_ten_degrees_off_does_not_bend_the_orientation(wave: Wave) -> None:
    angle = math.radians(50.0)
    flow = flow_of(wave(angle, 9.0 * WORK.scale), angle + math.radians(10.0))
    assert np.abs(flow.orientation[6:-6, 6:-6] - angle).max() < math.radians(2.0)


def test_nothing_measured_gives_the_fallback() -> None:
    active = np.zeros((12, 14), np.bool_)
    flow = measure_flow(np.zeros((0, 3, 3), np.complex64), active, WORK, FREQUENCY, 8.0)
    assert flow.period_px == pytest.approx(8.0)
    assert not flow.orientation.any()
    assert not flow.coherence.any()


def test_what_is_no_ridge_has_no_weight(wave: Wave) -> None:
    active = np.ones((20, 20), np.bool_)
    slow = np.exp(1j * np.broadcast_to(np.arange(3) * 0.01, (400, 3, 3))).astype(np.complex64)  # period 840 px
    flow = measure_flow(slow, active, WORK, FREQUENCY, 8.0)
    assert flow.period_px == pytest.approx(8.0)
    assert not flow.coherence.any()


def test_orientations_wrap_at_half_a_turn() -> None:
    angles = np.array([0.0, 0.09, 0.11, math.pi / 2.0, math.pi - 0.09], np.float32)
    assert nearest_orientation(angles, 16).tolist() == [0, 0, 1, 8, 0]


def test_filter_periods_are_biased_short_and_grow_with_the_period() -> None:
    periods = np.array([1.0, 8.0, 9.0, 40.0], np.float32)
    chosen = np.array(RESPONSE.periods_px)[nearest_period(periods, RESPONSE, FREQUENCY)]
    assert chosen.tolist() == [5.0, 7.1, 8.0, 12.8]
