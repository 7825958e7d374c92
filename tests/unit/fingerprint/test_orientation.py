"""First orientation, from gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.orientation import half_angle, orient, structure_tensor
from enrollment.core.fingerprint.parameters import EXTRACTION

TILE = EXTRACTION.work.tile_work_px
Wave = Callable[..., NDArray[np.float32]]


def apart(a: NDArray[np.float32], b: float) -> NDArray[np.float32]:
    """Angle between orientations, which repeat every pi."""
    difference: NDArray[np.float32] = np.abs((a - b + math.pi / 2.0) % math.pi - math.pi / 2.0)
    return difference


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_a_plane_wave_has_its_wave_vectors_angle(wave: Wave, degrees: int) -> None:
    tensor = structure_tensor(wave(math.radians(degrees), 6.75), TILE)
    angles = orient(tensor, EXTRACTION.orientation)
    assert angles.min() >= 0.0
    assert angles.max() < math.pi
    assert apart(angles[3:-3, 3:-3], math.radians(degrees)).max() < math.radians(2.0)


def test_two_waves_side_by_side_keep_their_own_angles(wave: Wave) -> None:
    both = np.hstack([wave(0.2, 7.0), wave(1.7, 7.0)])
    angles = orient(structure_tensor(both, TILE), EXTRACTION.orientation)
    seam = 220 // TILE
    assert apart(angles[4:-4, 4 : seam - 4], 0.2).max() < math.radians(5.0)
    assert apart(angles[4:-4, seam + 4 : -4], 1.7).max() < math.radians(5.0)


def test_gradients_are_those_of_the_image(wave: Wave) -> None:
    slope = np.tile(np.arange(200, dtype=np.float32) * 0.5, (200, 1))
    tensor = structure_tensor(slope, TILE)
    assert tensor.energy[2:-2, 2:-2] == pytest.approx(0.25)
    assert tensor.double_angle[2:-2, 2:-2, 0] == pytest.approx(0.25)
    assert tensor.double_angle[2:-2, 2:-2, 1] == pytest.approx(0.0)


def test_an_even_image_has_finite_angles() -> None:
    assert np.isfinite(orient(structure_tensor(np.zeros((60, 60), np.float32), TILE), EXTRACTION.orientation)).all()


def test_half_angles_never_reach_pi() -> None:
    tiny = np.array([[1.0, -1e-30], [-1.0, -0.0], [-1.0, 0.0], [1.0, -1e-8]], np.float32)
    halves = half_angle(tiny)
    assert (halves >= 0.0).all()
    assert (halves < np.float32(np.pi)).all()
