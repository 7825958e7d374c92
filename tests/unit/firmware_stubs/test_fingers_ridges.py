"""The numeric stages of a synthetic finger, each on a pattern whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_stubs.fingers import Master, Pattern, make_master
from firmware_stubs.fingers.accommodation import accommodate
from firmware_stubs.fingers.growth import Quadrature, grow
from firmware_stubs.fingers.minutiae import find_minutiae
from firmware_stubs.fingers.noise import stream
from firmware_stubs.fingers.ridge_measure import measure_ridges

NO_POINTS = np.zeros((0, 2), np.float32)


def apart(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Angle between orientations, 0..pi/2."""
    return np.asarray(np.abs(np.mod(first - second + np.pi / 2, np.pi) - np.pi / 2))


@pytest.mark.parametrize("period", [7.0, 9.0, 11.0])
@pytest.mark.parametrize("tilt", [0.0, 0.4, 1.3, 2.5])
def test_plane_wave_is_measured_as_what_it_is(tilt: float, period: float) -> None:
    y, x = np.indices((208, 200), dtype=np.float64)
    wave = np.cos(math.tau / period * (np.cos(tilt) * y - np.sin(tilt) * x)).astype(np.float32)
    orientation, measured = measure_ridges(wave)
    inner = (slice(40, -40), slice(40, -40))
    assert apart(orientation[inner], np.full_like(orientation[inner], tilt)).max() < math.radians(1.0)
    assert np.abs(measured[inner] / period - 1.0).max() < 0.03


@pytest.mark.parametrize("period", [7.5, 9.0, 10.5])
def test_grown_ridges_follow_the_flow_and_period_they_were_asked_for(period: float) -> None:
    orientation, asked = np.full((320, 320), 0.5, np.float32), np.full((320, 320), period, np.float32)
    quadrature = grow(stream(3, "growth"), orientation, asked, NO_POINTS)
    cosine = quadrature.even / np.maximum(np.hypot(quadrature.even, quadrature.odd), 1e-6)
    measured_orientation, measured_period = measure_ridges(cosine.astype(np.float32))
    assert np.median(apart(measured_orientation, orientation)) < math.radians(3.0)
    assert np.median(measured_period) == pytest.approx(period, rel=0.06)


def test_minutiae_without_a_reason_in_the_flow_come_in_opposed_pairs() -> None:
    orientation = np.zeros((480, 480), np.float32)
    quadrature = grow(stream(4, "growth"), orientation, np.full_like(orientation, 9.0), NO_POINTS)
    right = np.cos(find_minutiae(quadrature, orientation, NO_POINTS).directions) > 0
    assert len(right) > 20
    assert abs(right.mean() - 0.5) < 0.12


def test_position_of_a_minutia_is_found_between_the_pixels() -> None:
    y, x = np.indices((60, 60), dtype=np.float64)
    for at in ((30.1, 29.6), (30.5, 30.5), (29.8, 30.9)):
        phase = math.tau / 9 * (y - at[1]) + np.arctan2(y - at[1], x - at[0])
        distance = np.hypot(x - at[0], y - at[1])  # a real response fades towards its own dislocation
        fading = np.tanh(distance / 4)
        quadrature = Quadrature(
            (fading * np.cos(phase)).astype(np.float32), (fading * np.sin(phase)).astype(np.float32)
        )
        found = find_minutiae(quadrature, np.zeros(x.shape, np.float32), NO_POINTS)
        assert np.linalg.norm(found.positions[0] - np.array(at)) < 0.25


def test_period_takes_up_a_part_of_the_spread_of_the_ridges() -> None:
    # Ridges run out from a point far to the left: their distance grows as they go, so the period does, or ridges begin.
    y, x = np.indices((320, 320), dtype=np.float32)
    orientation = np.mod(np.arctan2(y - 160, x + 400), np.float32(np.pi))
    asked = np.full_like(orientation, 9.0)
    found = accommodate(orientation, asked)
    inner = found[80:-80]
    assert 1.1 < inner[:, 280].mean() / inner[:, 40].mean() < 680 / 440
    assert np.abs(np.log(found / asked)).max() <= 0.31


def test_period_of_ridges_that_do_not_spread_is_left_alone() -> None:
    asked = np.full((320, 320), 9.0, np.float32)
    assert np.abs(accommodate(np.full_like(asked, 0.7), asked) - asked).max() < 1e-3


def test_neighbouring_minutiae_point_both_ways(masters: dict[Pattern, Master]) -> None:
    # Of real neighbours 45 % are opposed; where the flow alone makes minutiae hardly a quarter is, and fingers
    # that are not the same resemble each other.
    opposed = []
    for master in masters.values():
        positions, directions = master.minutiae.positions, master.minutiae.directions
        gaps = np.linalg.norm(positions[:, None] - positions[None], axis=2)
        np.fill_diagonal(gaps, np.inf)
        opposed.append(np.cos(directions - directions[gaps.argmin(axis=1)]) < 0)
    assert 0.35 < np.concatenate(opposed).mean() < 0.6


def test_minutiae_do_not_crowd_round_the_cores() -> None:
    # A core that were a fan would force about 0.55 minutiae/mm2 there, of the same directions in every finger.
    near = within = 0
    for seed in range(50, 58):
        master = make_master(seed, pattern=Pattern.RIGHT_LOOP)
        distances = np.linalg.norm(master.minutiae.positions - master.cores[0], axis=1)
        near += int(((distances > 12) & (distances < 36)).sum())
        within += int((distances < 120).sum())
    share = (36**2 - 12**2) / (120**2 - 12**2)
    assert near / within < 1.5 * share
