"""Phase residues."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.residues import Residues, find_residues

TILE = EXTRACTION.work.tile_work_px
ORIENTATIONS = EXTRACTION.response.orientations
ROWS, COLS = 20, 24


def vortex(angle: float, charge: float, x: float, y: float, period: float = 6.75) -> NDArray[np.complex64]:
    """The response of a dislocation at (x, y) in waves along an angle, dimmed in its core as a filter does."""
    py, px = np.mgrid[: ROWS * TILE, : COLS * TILE].astype(np.float64)
    phase = 2.0 * math.pi * (px * math.cos(angle) + py * math.sin(angle)) / period
    phase += charge * np.arctan2(py - y, px - x)
    return np.asarray(np.tanh(np.hypot(px - x, py - y) / 2.0) * np.exp(1j * phase), np.complex64)


def found(response: NDArray[np.complex64], angle: float, mask: NDArray[np.bool_] | None = None) -> Residues:
    """Find residues of a response that every tile was filtered for at one angle in [0, pi)."""
    steering = np.full((ROWS, COLS), round(angle * ORIENTATIONS / math.pi) % ORIENTATIONS, np.int16)
    orientation = np.full((ROWS, COLS), angle, np.float32)
    whole = np.ones((ROWS, COLS), np.bool_) if mask is None else mask
    return find_residues(response, steering, ORIENTATIONS, orientation, whole)


@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120, 150, 170])
@pytest.mark.parametrize("charge", [1.0, -1.0])
def test_a_dislocation_is_one_residue_with_its_place_sign_and_direction(degrees: int, charge: float) -> None:
    angle = math.radians(degrees)
    residues = found(vortex(angle, charge, 61.3, 47.8), angle)
    assert len(residues) == 1
    assert residues.x[0] == pytest.approx(61.3, abs=0.3)
    assert residues.y[0] == pytest.approx(47.8, abs=0.3)
    assert math.cos(residues.waves[0] - angle) == pytest.approx(1.0, abs=1e-4)
    assert residues.charges[0] == charge
    assert math.cos(residues.directions[0] - (angle - charge * math.pi / 2.0)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("charge", [1.0, -1.0])
@pytest.mark.parametrize("angle", [0.4, 2.0])
def test_the_direction_points_to_the_side_with_the_extra_cycle(angle: float, charge: float) -> None:
    response = vortex(angle, charge, 60.3, 50.4)
    residues = found(response, angle)
    normal = np.array([math.cos(angle), math.sin(angle)])

    def cycles(side: float) -> float:
        heading = np.array([math.cos(residues.directions[0]), math.sin(residues.directions[0])])
        line = np.array([60.3, 50.4]) + side * 20.0 * heading + np.arange(-20, 21)[:, None] * normal
        values = response[np.rint(line[:, 1]).astype(int), np.rint(line[:, 0]).astype(int)]
        return float(np.angle(values[1:] * values[:-1].conj()).sum() / (2.0 * math.pi))

    assert cycles(1.0) - cycles(-1.0) == pytest.approx(0.5, abs=0.15)  # the line sees half of each side's half turn


def test_plain_waves_have_no_residue() -> None:
    assert len(found(vortex(0.7, 0.0, -99.0, -99.0), 0.7)) == 0


def test_tiles_that_were_filtered_the_other_way_round_change_nothing() -> None:
    """Near orientation 0 neighbouring tiles may be filtered along opposite waves, whose answers are conjugate."""
    response = vortex(0.0, 1.0, 61.3, 47.8)
    steering = np.zeros((ROWS, COLS), np.int16)
    orientation = np.zeros((ROWS, COLS), np.float32)
    rng = np.random.default_rng(8)
    turned = rng.random((ROWS, COLS)) < 0.5
    steering[turned] = ORIENTATIONS - 1
    orientation[turned] = math.pi - 0.01
    pixels = np.kron(turned, np.ones((TILE, TILE))) > 0
    mixed = np.where(pixels, response.conj(), response)
    residues = find_residues(mixed, steering, ORIENTATIONS, orientation, np.ones((ROWS, COLS), np.bool_))
    assert len(residues) == 1
    assert (residues.x[0], residues.y[0]) == pytest.approx((61.3, 47.8), abs=0.3)
    assert math.sin(residues.directions[0]) == pytest.approx(-1.0, abs=0.01)


def test_residues_off_the_mask_are_left_out() -> None:
    mask = np.ones((ROWS, COLS), np.bool_)
    mask[9, 12] = False
    assert len(found(vortex(0.7, 1.0, 61.3, 47.8), 0.7, mask)) == 0


def test_an_empty_response_has_no_residue() -> None:
    assert len(found(np.zeros((ROWS * TILE, COLS * TILE), np.complex64), 0.0)) == 0


def test_chosen_residues_keep_their_values() -> None:
    residues = found(vortex(0.7, 1.0, 61.3, 47.8) * vortex(0.7, -1.0, 20.2, 30.4), 0.7)
    assert len(residues) == 2
    second = residues.where(np.array([False, True]))
    assert (second.x[0], second.charges[0]) == (residues.x[1], residues.charges[1])
