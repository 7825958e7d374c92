"""Where there are ridges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.extract import extract
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.parameters import EXTRACTION
from enrollment.core.fingerprint.segment import segment

SEGMENT = EXTRACTION.segment
Wave = Callable[..., NDArray[np.float32]]


def of_ridges(where: NDArray[np.bool_], dead: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Segment tiles that are perfect ridges in places and noise elsewhere."""
    ridges = where.astype(np.float32)
    return segment(
        response_power=2.0 * ridges + np.float32(0.05),
        ridge_power=np.ones(where.shape, np.float32),
        coherence=0.95 * ridges + np.float32(0.03),
        deviation=40.0 * ridges + np.float32(1.0),
        dead=np.zeros(where.shape, np.bool_) if dead is None else dead,
        relief=30.0 * ridges + np.float32(1.0),
        parameters=SEGMENT,
    )


def disc(radius: float, x: float = 30.0, y: float = 30.0) -> NDArray[np.bool_]:
    rows, cols = np.mgrid[:60, :60]
    return np.asarray(np.hypot(cols - x, rows - y) <= radius)


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_disc_of_ridges_is_found() -> None:
    assert overlap(of_ridges(disc(20.0)), disc(20.0)) > 0.8


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert not of_ridges(np.zeros((60, 60), np.bool_)).any()


def test_a_speck_is_dropped_and_a_second_finger_is_kept() -> None:
    fingers = disc(12.0, 15.0) | disc(12.0, 45.0)
    assert overlap(of_ridges(fingers), fingers) > 0.75
    with_speck = disc(20.0) | disc(2.0, 4.0, 4.0)
    assert not of_ridges(with_speck)[:9, :9].any()


def test_a_small_hole_is_filled_and_a_large_one_stays() -> None:
    hole = disc(22.0) & ~disc(2.5)
    assert of_ridges(hole)[30, 30]
    ring = disc(28.0) & ~disc(12.0)
    assert not of_ridges(ring)[30, 30]


def test_dead_tiles_are_no_finger() -> None:
    dead = np.zeros((60, 60), np.bool_)
    dead[:, 30:] = True
    found = of_ridges(disc(20.0), dead)
    assert not found[:, 31:].any()
    assert found[30, 20]


@pytest.mark.parametrize("ground", ["even", "noise", "grey"])
def test_the_mask_of_a_disc_of_waves_is_that_disc(wave: Wave, ground: str) -> None:
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[:360, :360]
    inside = np.hypot(cols - 170.0, rows - 190.0) < 120.0
    grounds = {
        "even": np.full((360, 360), 250.0),
        "noise": 128.0 + 8.0 * rng.standard_normal((360, 360)),
        "grey": 190.0 + 3.0 * rng.standard_normal((360, 360)),
    }
    ridges = 128.0 + 90.0 * wave(0.8, 9.0, height=360, width=360)
    pixels = np.where(inside, ridges, grounds[ground]).clip(0, 255).astype(np.uint8)
    template = extract(FingerprintImage(pixels))
    assert template.mask is not None
    y, x = ((np.arange(side) + 0.5) * template.mask_cell_px for side in template.mask.shape)
    expected = np.hypot(x[None, :] - 170.0, y[:, None] - 190.0) < 120.0
    assert overlap(template.mask, expected) > 0.78


def test_the_slanted_edge_of_a_platen_is_no_print(wave: Wave) -> None:
    """A wet print of strong ridges on a grey platen whose sides lean, white beyond them."""
    rng = np.random.default_rng(7)
    rows, cols = np.mgrid[:400, :380]
    side = 45.0 - 0.11 * rows
    platen = (cols > side) & (cols < 379.0 - side)
    inside = ((cols - 190.0) / 95.0) ** 2 + ((rows - 200.0) / 150.0) ** 2 < 1.0
    ground = np.where(platen, 205.0 + 2.0 * rng.standard_normal(rows.shape), 255.0)
    ridges = 115.0 + 100.0 * wave(0.8, 9.0, height=400, width=380)
    template = extract(FingerprintImage(np.where(inside, ridges, ground).clip(0, 255).astype(np.uint8)))
    assert template.mask is not None
    y, x = ((np.arange(length) + 0.5) * template.mask_cell_px for length in template.mask.shape)
    away = ((x[None, :] - 190.0) / 125.0) ** 2 + ((y[:, None] - 200.0) / 180.0) ** 2 > 1.0
    assert template.mask[~away].mean() > 0.6
    assert not template.mask[away].any()
