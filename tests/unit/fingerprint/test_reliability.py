"""The vortex matched filter and the choice of minutiae."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.reliability import Ratings, depth, facing_distance, rate, reliability, select
from enrollment.core.fingerprint.residues import Residues

WORK, RELIABILITY = EXTRACTION.work, EXTRACTION.reliability
TILE, ORIENTATIONS = WORK.tile_work_px, EXTRACTION.response.orientations
ROWS, COLS = 20, 24
PERIOD = 6.75  # work px


def residues_at(
    points: list[tuple[float, float]], angle: float = 0.0, charge: float = 1.0, directions: list[float] | None = None
) -> Residues:
    x, y = np.array(points, np.float32).reshape(-1, 2).T
    ones = np.ones(len(x), np.float32)
    waves = angle * ones
    facing = waves - charge * np.float32(math.pi / 2.0) if directions is None else np.array(directions, np.float32)
    return Residues(x=x, y=y, charges=charge * ones, waves=waves, directions=facing)


def dislocation(angle: float, charge: float, bright_ahead: bool, amplitude: float = 1.0) -> NDArray[np.complex64]:
    """The response of waves along an angle around a dislocation at (60, 50)."""
    y, x = np.mgrid[: ROWS * TILE, : COLS * TILE].astype(np.float64)
    x, y = x - 60.0, y - 50.0
    ahead = angle - charge * math.pi / 2.0
    phase = 2.0 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / PERIOD
    phase += charge * (np.arctan2(y, x) - ahead) + (0.0 if bright_ahead else math.pi)
    return np.asarray(amplitude * np.exp(1j * phase), np.complex64)


def rated(response: NDArray[np.complex64], residues: Residues, angle: float) -> Ratings:
    steering = np.full((ROWS, COLS), round(angle * ORIENTATIONS / math.pi), np.int16)
    period = np.full((ROWS, COLS), PERIOD, np.float32)
    return rate(residues, response, steering, ORIENTATIONS, period, RELIABILITY)


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.5, 2.6])
@pytest.mark.parametrize("charge", [1.0, -1.0])
@pytest.mark.parametrize("bright", [True, False])
def test_a_perfect_dislocation_is_all_vortex_and_has_its_kind(angle: float, charge: float, bright: bool) -> None:
    ratings = rated(dislocation(angle, charge, bright, 1.44), residues_at([(60.0, 50.0)], angle, charge), angle)
    assert ratings.vortex[0] > 0.9
    assert ratings.strength[0] == pytest.approx(1.2 * ratings.vortex[0], rel=1e-3)
    assert ratings.bright_ahead[0] == bright


def test_the_wrong_charge_and_plain_waves_are_no_vortex() -> None:
    here = [(60.0, 50.0)]
    wrong = rated(dislocation(0.6, 1.0, True), residues_at(here, 0.6, -1.0), 0.6)
    y, x = np.mgrid[: ROWS * TILE, : COLS * TILE]
    plain = np.exp(2j * math.pi * (x * math.cos(0.6) + y * math.sin(0.6)) / PERIOD).astype(np.complex64)
    assert wrong.vortex[0] < 0.3
    assert rated(plain, residues_at(here, 0.6), 0.6).vortex[0] < 0.1


def test_noise_is_weak() -> None:
    rng = np.random.default_rng(6)
    shape = (ROWS * TILE, COLS * TILE)
    noise = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    points = [(float(x), float(y)) for x, y in rng.uniform(20, 80, (200, 2))]
    assert np.median(rated(noise, residues_at(points, 0.6), 0.6).vortex) < 0.25


def test_tiles_filtered_the_other_way_round_change_nothing() -> None:
    response = dislocation(0.0, 1.0, True)
    residues = residues_at([(60.0, 50.0)])
    steering = np.zeros((ROWS, COLS), np.int16)
    turned = np.random.default_rng(1).random((ROWS, COLS)) < 0.5
    steering[turned] = ORIENTATIONS - 1
    mixed = np.where(np.kron(turned, np.ones((TILE, TILE))) > 0, response.conj(), response)
    period = np.full((ROWS, COLS), PERIOD, np.float32)
    crossed = rate(residues, mixed, steering, ORIENTATIONS, period, RELIABILITY)
    assert crossed.vortex[0] == pytest.approx(rated(response, residues, 0.0).vortex[0], abs=1e-4)
    assert crossed.bright_ahead[0]


def test_rings_that_leave_the_image_count_as_silent() -> None:
    ratings = rated(dislocation(0.0, 1.0, True), residues_at([(0.0, 0.0), (119.4, 99.4)]), 0.0)
    assert np.isfinite(ratings.strength).all()
    assert (ratings.strength < 1.0).all()


def test_depth_is_the_distance_to_the_rim_of_the_area() -> None:
    area = np.zeros((ROWS, COLS), np.bool_)
    area[4:16, 6:18] = True
    middle_of_last = (17 + 0.5) * TILE - 0.5, (10 + 0.5) * TILE - 0.5
    middle = (12 * TILE - 0.5, 10 * TILE - 0.5)
    inside = depth(area, residues_at([middle, middle_of_last, (5.0, 5.0)]), WORK, beyond=False)
    assert inside[0] == pytest.approx(6 * WORK.tile_px, abs=WORK.tile_px)
    assert inside[1] == pytest.approx(0.5 * WORK.tile_px, abs=0.5)
    assert inside[2] <= 0.0


def test_the_border_of_the_image_is_a_rim_unless_the_area_goes_on() -> None:
    whole = np.ones((ROWS, COLS), np.bool_)
    corner = residues_at([(TILE / 2.0 - 0.5, TILE / 2.0 - 0.5)])
    assert depth(whole, corner, WORK, beyond=False)[0] == pytest.approx(0.5 * WORK.tile_px, abs=0.5)
    assert depth(whole, corner, WORK, beyond=True)[0] > 1000.0
    assert np.isfinite(depth(whole, corner, WORK, beyond=True)).all()


def test_two_that_face_each_other_know_their_distance_and_others_do_not() -> None:
    residues = residues_at([(30.0, 30.0), (32.0, 30.0), (60.0, 50.0), (60.0, 51.0)], directions=[0.0, 3.1, 1.0, 1.2])
    distances = facing_distance(residues, WORK, RELIABILITY)
    assert distances[:2] == pytest.approx(2.0 / WORK.scale, rel=1e-5)
    assert np.isinf(distances[2:]).all()


def test_facing_distances_of_many_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(9)
    points = rng.uniform(0, 120, (1800, 2))
    points = points[np.argsort(np.floor(points[:, 1]), kind="stable")]
    directions = rng.uniform(0, 2 * math.pi, len(points)).tolist()
    residues = residues_at([(float(x), float(y)) for x, y in points], directions=directions)
    apart = np.hypot(*(residues.x - residues.x[:, None], residues.y - residues.y[:, None])) / WORK.scale
    facing = np.cos(residues.directions - residues.directions[:, None]) < RELIABILITY.dipole_cosine
    expected = np.where(facing & (apart <= RELIABILITY.dipole_distance_px), apart, np.inf).min(axis=1)
    assert np.isfinite(expected).any()
    assert facing_distance(residues, WORK, RELIABILITY) == pytest.approx(expected, rel=1e-4)


def test_selection_is_strongest_first_and_by_every_rule() -> None:
    strength = np.array([0.5, 0.9, 0.1, 0.8, 0.7, 0.6], np.float32)
    vortex = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.1], np.float32)
    sensed = np.array([99.0, 99.0, 99.0, 1.0, 99.0, 99.0], np.float32)
    facing = np.array([np.inf, np.inf, np.inf, np.inf, 2.0, np.inf], np.float32)
    ratings = Ratings(vortex=vortex, strength=strength, bright_ahead=strength > 0.0)
    assert select(ratings, sensed, facing, RELIABILITY).tolist() == [1, 0]
    assert select(ratings, sensed, facing, replace(RELIABILITY, most=1)).tolist() == [1]


def test_reliability_grows_with_strength_from_0_to_1() -> None:
    strengths = np.linspace(0.0, 2.0, 50, dtype=np.float32)
    values = reliability(strengths, RELIABILITY)
    assert values[0] == 0.0
    assert values[-1] == 1.0
    assert (np.diff(values) >= 0.0).all()
    assert (np.diff(values[strengths < 1.2]) > 0.0).all()
