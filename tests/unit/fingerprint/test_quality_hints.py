"""Hints: each defect is named, at its place, and good prints get none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintImage, FingerprintQuality, QualityHint, assess
from enrollment.core.fingerprint.quality_parameters import QUALITY
from firmware_stubs.fingers import GOOD, Condition, make_impression, make_master

Pixels = NDArray[np.uint8]
SEEDS: Final = range(6)


def drawn(seed: int, condition: Condition = GOOD) -> Pixels:
    return make_impression(make_master(seed), seed, condition=condition).pixels


def platen(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(232.0, 1.5, (374, 388))


def blurred(seed: int) -> Pixels:
    return np.asarray(cv2.GaussianBlur(drawn(seed), (0, 0), 2.6), np.uint8)


def latent(seed: int) -> Pixels:
    return np.clip(platen(seed) - 0.1 * (255.0 - drawn(seed)), 0, 255).astype(np.uint8)


DEFECTS: Final[dict[str, tuple[Callable[[int], Pixels], set[QualityHint]]]] = {
    "dry": (
        lambda seed: drawn(seed, Condition(dryness=1.6, pressure=-0.2)),
        {QualityHint.TOO_DRY, QualityHint.PRESS_HARDER},
    ),
    "wet": (
        lambda seed: drawn(seed, Condition(wetness=1.7, pressure=0.2)),
        {QualityHint.TOO_WET, QualityHint.PRESS_LESS},
    ),
    "small": (lambda seed: drawn(seed, Condition(coverage=0.42)), {QualityHint.MORE_FINGER}),
    "blurred": (blurred, {QualityHint.BLURRED}),
    "latent alone": (latent, {QualityHint.LATENT_PRINT}),
    "negative": (lambda seed: 255 - drawn(seed), {QualityHint.INVERTED}),
    "empty": (lambda seed: np.clip(platen(seed), 0, 255).astype(np.uint8), {QualityHint.NOTHING_THERE}),
}


def judged(make: Callable[[int], Pixels]) -> list[FingerprintQuality]:
    return [assess(FingerprintImage(make(seed))) for seed in SEEDS]


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_that_lowers_the_score_is_named(name: str) -> None:
    make, named = DEFECTS[name]
    told = [quality for quality in judged(make) if quality.score < QUALITY.hints.below_score or quality.hints]
    assert len(told) >= len(SEEDS) / 2, "the defect must matter"
    assert sum(bool(named & set(quality.hints)) for quality in told) >= 0.75 * len(told)


def test_good_prints_get_no_hint() -> None:
    assert sum(bool(quality.hints) for quality in judged(drawn)) <= 1


def test_every_hint_has_a_place_within_the_image() -> None:
    for make, _ in DEFECTS.values():
        for quality in judged(make):
            assert set(quality.places) == set(quality.hints)
            for place in quality.places.values():
                assert min(place.x, place.y) >= 0.0
                assert min(place.width, place.height) > 0.0
                assert place.x + place.width <= 388 + 7
                assert place.y + place.height <= 374 + 7


def test_a_core_beyond_the_border_asks_for_the_centre() -> None:
    height = 374
    hints = []
    for seed in SEEDS:
        pixels = drawn(seed)
        core = round(assess(FingerprintImage(pixels)).measures["core_y_px"])
        hints.append(assess(FingerprintImage(pixels[min(core + 5, height - 120) :])).hints)
    assert sum(QualityHint.OFF_CENTRE in told for told in hints) >= len(SEEDS) / 2


def test_a_smear_is_told_where_it_is() -> None:
    named = 0
    for seed in SEEDS:
        pixels = drawn(seed).copy()
        x, y = 110, 120
        smear = np.asarray(cv2.blur(pixels, (1, 41)), np.uint8)
        pixels[y : y + 130, x : x + 160] = smear[y : y + 130, x : x + 160]
        quality = assess(FingerprintImage(pixels))
        place = quality.places.get(QualityHint.SMUDGED)
        if place is not None:
            named += 1
            assert abs(place.x + place.width / 2 - (x + 80)) < 60
            assert abs(place.y + place.height / 2 - (y + 65)) < 60
    assert named >= len(SEEDS) / 2


def test_a_latent_beside_the_finger_is_told_and_placed() -> None:
    named = 0
    for seed in SEEDS:
        finger = drawn(seed, Condition(coverage=0.6, displacement_px=(80.0, 0.0))).astype(np.float64)
        other = drawn(seed + 50, Condition(displacement_px=(-60.0, 0.0))).astype(np.float64)
        both = np.minimum(finger, finger.max() - 0.13 * (255.0 - other))
        quality = assess(FingerprintImage(np.clip(both, 0, 255).astype(np.uint8)))
        place = quality.places.get(QualityHint.LATENT_PRINT)
        if place is not None:
            named += 1
            assert place.x + place.width / 2 < 220, "the latent lies left of the finger"
    assert named >= len(SEEDS) / 2


def test_hint_values_are_their_names() -> None:
    assert all(hint.value == hint.name for hint in QualityHint)
