"""The quality score and its hints."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, QualityHint, assess
from enrollment.core.fingerprint.orientation import StructureTensor, structure_tensor
from enrollment.core.fingerprint.parameters import QUALITY
from enrollment.core.fingerprint.quality import ALGORITHM, VERSION, FingerprintQuality, judge

Print = Callable[..., tuple[FingerprintImage, FingerprintTemplate]]
Wave = Callable[..., NDArray[np.float32]]


def judged(
    strengths: list[float],
    dropped: list[float],
    mask: NDArray[np.bool_],
    ridges: NDArray[np.float32] | None = None,
) -> FingerprintQuality:
    """Judge made-up results; cells are 10 px, a quarter of a square millimetre and a bit."""
    if ridges is None:
        ridges = np.zeros((mask.shape[0] * 5, mask.shape[1] * 5), np.float32)
    tensor: StructureTensor = structure_tensor(ridges, 5)
    kept = np.array(strengths, np.float32)
    return judge(ridges, tensor, mask, 10.0, kept, np.array(strengths + dropped, np.float32), QUALITY)


def test_the_score_is_the_formula() -> None:
    mask = np.ones((30, 30), np.bool_)
    quality = judged([0.9] * 20, [0.5] * 8, mask)
    area = 900 * (10.0 * 25.4 / 500.0) ** 2
    purity = 18.0 / 22.0
    expected = 0.9**2 * np.sqrt(area * purity)
    assert quality.measures["strength"] == pytest.approx(0.9)
    assert quality.measures["area_mm2"] == pytest.approx(area)
    assert quality.measures["purity"] == pytest.approx(purity)
    assert quality.measures["q"] == pytest.approx(expected)
    assert quality.measures["minutiae"] == 20
    assert quality.score == round(100.0 * expected / QUALITY.full_q)
    assert (quality.algorithm, quality.version) == (ALGORITHM, VERSION)


def test_missing_minutiae_count_as_0_and_more_than_twelve_do_not_help() -> None:
    mask = np.ones((30, 30), np.bool_)
    assert judged([0.9] * 6, [], mask).measures["strength"] == pytest.approx(0.45)
    assert judged([0.9] * 12 + [0.3] * 20, [], mask).measures["strength"] == pytest.approx(0.9)


def test_the_score_is_at_most_100() -> None:
    assert judged([3.0] * 20, [], np.ones((40, 40), np.bool_)).score == 100


def test_a_finger_without_minutiae_scores_0_and_is_not_called_nothing() -> None:
    quality = judged([], [0.1], np.ones((30, 30), np.bool_))
    assert quality.score == 0
    assert QualityHint.NOTHING_THERE not in quality.hints
    assert quality.hints


def test_no_ridges_is_nothing_there_with_every_measure_0() -> None:
    quality = judged([], [], np.zeros((30, 30), np.bool_))
    assert quality.score == 0
    assert quality.hints == (QualityHint.NOTHING_THERE,)
    assert set(quality.measures.values()) == {0.0}
    assert quality.measures.keys() == judged([1.0], [], np.ones((30, 30), np.bool_)).measures.keys()


def test_little_of_the_finger_asks_for_more_and_at_one_side_for_the_centre(wave: Wave) -> None:
    ridges = wave(0.3, 6.75, height=150, width=150)
    middle, side = np.zeros((30, 30), np.bool_), np.zeros((30, 30), np.bool_)
    middle[9:21, 9:21] = True
    side[9:21, :12] = True
    assert judged([0.5] * 8, [], middle, ridges).hints[0] is QualityHint.MORE_FINGER
    assert judged([0.5] * 8, [], side, ridges).hints[0] is QualityHint.OFF_CENTRE


@pytest.mark.parametrize(
    ("level", "hint"), [(-0.4, QualityHint.TOO_WET), (0.0, QualityHint.CLEAN_SENSOR), (0.6, QualityHint.TOO_DRY)]
)
def test_dark_ridges_are_wet_and_bright_ones_dry(wave: Wave, level: float, hint: QualityHint) -> None:
    ridges = 1.3 * wave(0.3, 5.0, height=150, width=150) + np.float32(level)
    quality = judged([0.4] * 12, [], np.ones((30, 30), np.bool_), ridges)
    assert hint in quality.hints


def test_blur_lowers_sharpness_and_score_and_is_named(synthetic_print: Print) -> None:
    image, _ = synthetic_print(noise=12.0)
    sharp = assess(image)
    soft = assess(FingerprintImage(np.asarray(cv2.GaussianBlur(image.pixels, (0, 0), 3.0), np.uint8)))
    assert soft.measures["sharpness"] < QUALITY.blurred_sharpness
    assert soft.measures["sharpness"] < 0.9 * sharp.measures["sharpness"]
    assert soft.score < sharp.score


def test_dirt_and_a_smaller_area_lower_what_the_score_is_made_of(synthetic_print: Print) -> None:
    image, _ = synthetic_print()
    whole = assess(image)
    rng = np.random.default_rng(2)
    specks = np.asarray(cv2.GaussianBlur(rng.standard_normal(image.pixels.shape), (0, 0), 2.0)) > 0.12
    dirty = assess(FingerprintImage(np.where(specks, 230, image.pixels).astype(np.uint8)))
    part = image.pixels.copy()
    part[:, :220] = 250
    half = assess(FingerprintImage(part))
    assert dirty.measures["q"] < 0.9 * whole.measures["q"]
    assert dirty.measures["purity"] < whole.measures["purity"]
    assert half.measures["q"] < 0.8 * whole.measures["q"]
    assert half.measures["area_mm2"] < 0.6 * whole.measures["area_mm2"]


def test_a_good_print_needs_no_hint(synthetic_print: Print) -> None:
    quality = assess(synthetic_print()[0])
    assert quality.score > 60
    assert quality.hints == ()


def test_hint_values_are_their_names() -> None:
    assert all(hint.value == hint.name for hint in QualityHint)
