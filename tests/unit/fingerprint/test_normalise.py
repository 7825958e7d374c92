"""Work scale and normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.errors import ImageTooSmall
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.normalise import normalise, to_work_scale
from enrollment.core.fingerprint.parameters import EXTRACTION

WORK, NORMALISE = EXTRACTION.work, EXTRACTION.normalise
Wave = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize(("ppi", "side"), [(250.0, 200), (375.0, 301), (500.0, 400), (512.0, 409), (1000.0, 800)])
def test_a_dot_keeps_its_place_at_500_ppi_whatever_the_resolution(ppi: float, side: int) -> None:
    pixels = np.full((side, side), 255, np.uint8)
    at = side // 3
    pixels[at - 3 : at + 4, at - 3 : at + 4] = 0
    work = to_work_scale(FingerprintImage(pixels, ppi), WORK)
    weights = work.grey.max() - work.grey
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    found = work.to_canon(
        np.array([(weights * x).sum() / weights.sum()], np.float32),
        np.array([(weights * y).sum() / weights.sum()], np.float32),
    )
    expected = (at + 0.5) * 500.0 / ppi - 0.5
    assert found[0] == pytest.approx([expected, expected], abs=0.3)
    assert work.size == (round(side * 500 / ppi), round(side * 500 / ppi))


def test_the_work_image_is_whole_tiles_of_the_work_resolution() -> None:
    work = to_work_scale(FingerprintImage(np.zeros((374, 388), np.uint8)), WORK)
    assert [side % WORK.tile_work_px for side in work.grey.shape] == [0, 0]
    assert -0.5 <= work.grey.shape[1] - 388 * WORK.scale < WORK.tile_work_px
    assert -0.5 <= work.grey.shape[0] - 374 * WORK.scale < WORK.tile_work_px


@pytest.mark.parametrize(("height", "width", "ppi"), [(63, 400, 500.0), (400, 63, 500.0), (100, 100, 1000.0)])
def test_less_than_a_fingerprint_is_refused_with_its_size(height: int, width: int, ppi: float) -> None:
    with pytest.raises(ImageTooSmall) as refused:
        to_work_scale(FingerprintImage(np.zeros((height, width), np.uint8), ppi), WORK)
    assert refused.value.reason == "IMAGE_TOO_SMALL"
    assert refused.value.facts == {"width": width, "height": height, "resolution_ppi": ppi}


@pytest.mark.parametrize("level", [0, 3, 128, 252, 255])
def test_an_even_image_is_dead_and_stays_zero(level: int) -> None:
    grey = np.full((150, 150), level - 128.0, np.float32)
    normalised = normalise(grey, WORK, NORMALISE)
    assert normalised.dead.all()
    assert not normalised.active.any()
    assert not normalised.ridges.any()
    assert np.isfinite(normalised.deviation).all()


def test_a_faint_image_near_white_gives_no_nan() -> None:
    rng = np.random.default_rng(3)
    grey = (126.0 + rng.integers(0, 2, (150, 150))).astype(np.float32)
    normalised = normalise(grey, WORK, NORMALISE)
    assert np.isfinite(normalised.ridges).all()
    assert np.isfinite(normalised.deviation).all()


@pytest.mark.parametrize("amplitude", [20.0, 50.0, 100.0])
def test_ridges_of_any_contrast_come_out_alike(wave: Wave, amplitude: float) -> None:
    normalised = normalise(10.0 + amplitude * wave(0.4, 6.75), WORK, NORMALISE)
    middle = normalised.ridges[30:-30, 30:-30]
    expected = (amplitude / np.sqrt(2.0)) / (amplitude / np.sqrt(2.0) + NORMALISE.deviation_floor)
    assert middle.mean() == pytest.approx(0.0, abs=0.02)
    assert middle.std() == pytest.approx(expected, rel=0.06)
    assert normalised.active.all()


def test_a_dead_half_does_not_dim_the_ridges_beside_it(wave: Wave) -> None:
    grey = 60.0 * wave(0.0, 6.75)
    grey[:, :100] = 127.0
    normalised = normalise(grey, WORK, NORMALISE)
    assert normalised.dead[:, :19].all()
    assert not normalised.dead[:, 21:].any()
    assert not normalised.ridges[:, :100].any()
    assert normalised.ridges[:, 110:120].std() == pytest.approx(normalised.ridges[:, 170:180].std(), rel=0.15)


def test_the_input_is_not_written(wave: Wave) -> None:
    grey = 60.0 * wave(1.0, 7.0)
    before = grey.copy()
    normalise(grey, WORK, NORMALISE)
    assert np.array_equal(grey, before)
