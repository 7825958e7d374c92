"""Ridges laid on ridges."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arrays import Minutiae, Motion, Print
from enrollment.core.fingerprint.compiled.overlay import agreement, lay_out
from enrollment.core.fingerprint.wave_map import WaveMap, encode

PITCH = 40.0 / 3.0
ROWS, COLS = 24, 20
Phase = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
MINUTIAE = np.array([[-60.0, 50.0, 10.0], [-80.0, -20.0, 90.0]], np.float32)


Printed = Callable[..., Print]


def motion(angle: float = 0.0, east: float = 0.0, south: float = 0.0) -> Motion:
    return Motion(*(np.float32(value) for value in (math.cos(angle), math.sin(angle), east, south)))


STILL = motion()


def rings(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridges of 9 px about a point below the print, with eight dislocations."""
    total = 2.0 * math.pi * np.hypot(x - 20.0, y - 260.0) / 9.0
    rng = np.random.default_rng(3)
    for number, (mx, my) in enumerate(rng.uniform(-110.0, 110.0, (8, 2))):
        total = total + (-1.0) ** number * np.arctan2(y - my, x - mx)
    return np.asarray(total)


def broken_rings(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with sixty more, so that no other place fits."""
    total = rings(x, y)
    rng = np.random.default_rng(4)
    for number, (mx, my) in enumerate(rng.uniform(-130.0, 130.0, (60, 2))):
        total = total + (-1.0) ** number * np.arctan2(y - my, x - mx)
    return np.asarray(total)


def other_rings(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(2.0 * math.pi * np.hypot(x + 35.0, y - 300.0) / 8.2)


def drawn(phase: Phase, *, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> WaveMap:
    """Map the waves of a print, about (0, 0), that was turned by an angle and then shifted."""
    x = (np.arange(COLS) - (COLS - 1) / 2.0) * PITCH
    y = (np.arange(ROWS)[:, None] - (ROWS - 1) / 2.0) * PITCH
    back_x = math.cos(angle) * (x - shift[0]) + math.sin(angle) * (y - shift[1])
    back_y = math.cos(angle) * (y - shift[1]) - math.sin(angle) * (x - shift[0])
    here = phase(back_x, back_y)
    gx = np.angle(np.exp(1j * (phase(back_x + 0.01, back_y) - here))) / 0.01
    gy = np.angle(np.exp(1j * (phase(back_x, back_y + 0.01) - here))) / 0.01
    wave_x = math.cos(angle) * gx - math.sin(angle) * gy
    wave_y = math.sin(angle) * gx + math.cos(angle) * gy
    direction = np.arctan2(wave_y, wave_x)
    behind = (direction < 0.0) | (direction >= math.pi)
    cells = encode(
        np.where(behind, -here, here).astype(np.float32),
        np.mod(direction, math.pi).astype(np.float32),
        (2.0 * math.pi / np.hypot(gx, gy)).astype(np.float32),
        np.ones((ROWS, COLS), np.float32),
    )
    return WaveMap(cells, (float(x[0]), float(y[0, 0])), (PITCH, PITCH))


class Overlay:
    """Lays prints over each other."""

    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def __call__(
        self,
        ours: WaveMap,
        theirs: WaveMap,
        moving: Motion = STILL,
        *,
        least: float = -1.0,
        minutiae: NDArray[np.float32] = MINUTIAE,
        south: float = 0.0,
    ) -> float:
        """Return the agreement; south: how far the minutiae end beyond the motion, pixels."""
        probe, other = self._printed(minutiae, waves=ours), self._printed(minutiae, waves=theirs)
        moved = probe.minutiae
        bent = Minutiae(moved.x, moved.y + np.float32(south), moved.cos, moved.sin)
        return float(agreement(lay_out(probe), other, moving, moved, bent, np.float32(least)))


@pytest.fixture(scope="module")
def agree(printed: Printed) -> Overlay:
    return Overlay(printed)


def test_a_print_agrees_with_itself(agree: Overlay) -> None:
    assert agree(drawn(rings), drawn(rings)) > 0.95


def test_other_ridges_do_not_agree(agree: Overlay) -> None:
    assert abs(agree(drawn(rings), drawn(other_rings))) < 0.45


@pytest.mark.parametrize("angle", [0.3, -1.2, 2.0, math.pi])
def test_a_motion_brings_a_turned_print_back(agree: Overlay, angle: float) -> None:
    turned = drawn(rings, angle=angle, shift=(12.0, -7.0))
    assert agree(drawn(rings), turned, motion(angle, 12.0, -7.0)) > 0.8


def test_a_shift_across_the_ridges_of_less_than_half_a_period_is_made_good(agree: Overlay) -> None:
    rigid = agree(drawn(rings), drawn(rings, shift=(0.0, 3.0)))
    assert rigid > 0.85
    assert agree(drawn(rings), drawn(other_rings, shift=(0.0, 3.0))) < 0.45


def test_the_minutiae_s_displacement_carries_the_cells_along(agree: Overlay) -> None:
    grid = np.stack(np.meshgrid(np.linspace(-120, 120, 6), np.linspace(-150, 150, 7))).reshape(2, -1)
    minutiae = grid.astype(np.float32)
    ours, shifted = drawn(broken_rings), drawn(broken_rings, shift=(0.0, 27.0))
    assert agree(ours, shifted, minutiae=minutiae, south=27.0) > agree(ours, shifted, minutiae=minutiae) + 0.1


def test_prints_that_do_not_overlap_agree_on_nothing(agree: Overlay) -> None:
    assert agree(drawn(rings), drawn(rings), motion(east=5000.0)) == 0.0


def test_a_small_common_area_counts_less(agree: Overlay) -> None:
    sliver = WaveMap(drawn(rings).cells[:, :1], drawn(rings).origin, (PITCH, PITCH))
    assert agree(drawn(rings), sliver) < agree(drawn(rings), drawn(rings)) - 0.15


def test_an_overlay_without_hope_is_given_up_and_one_with_hope_is_not(agree: Overlay) -> None:
    ours, shifted = drawn(rings), drawn(rings, shift=(0.0, 3.0))
    given_up = agree(ours, drawn(other_rings), least=0.9)
    assert given_up < agree(ours, drawn(other_rings))
    assert agree(ours, shifted, least=0.9) == agree(ours, shifted)
