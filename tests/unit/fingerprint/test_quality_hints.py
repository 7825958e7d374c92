"""Hints: each defect is named, at its place, and good prints get none."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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


master = functools.cache(make_master)


def drawn(seed: int, condition: Condition = GOOD) -> Pixels:
    return make_impression(master(seed), seed, condition=condition).pixels


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
    "drops": (lambda seed: drawn(seed, Condition(drops=0.3, dryness=0.6)), {QualityHint.TOO_WET}),
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


def test_drops_are_told_where_they_are() -> None:
    pixels: Pixels = drawn(3, Condition(dryness=1.0)).copy()
    cv2.ellipse(pixels, (230, 150), (32, 26), 0.0, 0.0, 360.0, (8,), cv2.FILLED)
    quality = assess(FingerprintImage(pixels))
    assert QualityHint.TOO_WET in quality.hints
    place = quality.places[QualityHint.TOO_WET]
    assert abs(place.x + place.width / 2 - 230) < 12
    assert abs(place.y + place.height / 2 - 150) < 12
    assert QualityHint.TOO_WET not in assess(FingerprintImage(drawn(3, Condition(dryness=1.0)))).hints


def due(qualities: Sequence[FingerprintQuality]) -> list[FingerprintQuality]:
    """Those that score so low that they need a hint, or that got one."""
    return [quality for quality in qualities if quality.score < QUALITY.hints.below_score or quality.hints]


def test_a_core_at_the_border_asks_for_the_centre() -> None:
    asked = due(judged(lambda seed: drawn(seed, Condition(coverage=0.8, displacement_px=(0.0, -150.0)))))
    assert len(asked) >= len(SEEDS) / 2
    assert sum(QualityHint.OFF_CENTRE in quality.hints for quality in asked) >= 0.75 * len(asked)
    for quality in asked:
        if QualityHint.OFF_CENTRE in quality.hints:
            place = quality.places[QualityHint.OFF_CENTRE]
            assert place.y + place.height / 2 < 80, "the core lies at the upper border"


def smeared(seed: int) -> Pixels:
    """A dryish print, so that a smear matters, with a block of it dragged."""
    pixels: Pixels = drawn(seed, Condition(dryness=0.6)).copy()
    block = np.s_[120:250, 110:270]
    pixels[block] = np.asarray(cv2.blur(pixels, (1, 41)), np.uint8)[block]
    return pixels


def test_a_smear_is_told_where_it_is() -> None:
    asked = due(judged(smeared))
    assert len(asked) >= len(SEEDS) / 2
    places = [quality.places[QualityHint.SMUDGED] for quality in asked if QualityHint.SMUDGED in quality.hints]
    assert len(places) >= 0.75 * len(asked)
    for place in places:
        assert abs(place.x + place.width / 2 - 190) < 60
        assert abs(place.y + place.height / 2 - 185) < 60


def test_a_smear_beside_the_core_does_not_ask_for_more_of_the_finger() -> None:
    assert not any(QualityHint.MORE_FINGER in quality.hints for quality in judged(smeared))


def beside_a_latent(seed: int) -> Pixels:
    finger = drawn(seed, Condition(coverage=0.5, displacement_px=(90.0, 0.0))).astype(np.float64)
    other = drawn(seed + 50, Condition(displacement_px=(-60.0, 0.0))).astype(np.float64)
    both = np.minimum(finger, finger.max() - 0.13 * (255.0 - other))
    pixels: Pixels = np.clip(both, 0, 255).astype(np.uint8)
    return pixels


def test_a_latent_beside_the_finger_is_told_and_placed() -> None:
    asked = due(judged(beside_a_latent))
    assert len(asked) >= len(SEEDS) / 2
    places = [
        quality.places[QualityHint.LATENT_PRINT] for quality in asked if QualityHint.LATENT_PRINT in quality.hints
    ]
    assert len(places) >= 0.5 * len(asked)
    for place in places:
        assert place.x + place.width / 2 < 220, "the latent lies left of the finger"


@pytest.mark.parametrize(
    ("condition", "named", "other"),
    [
        (Condition(dryness=1.5, pressure=-0.1), QualityHint.TOO_DRY, QualityHint.PRESS_HARDER),
        (Condition(wetness=2.0, pressure=0.3, contrast=0.5, noise=6.0), QualityHint.TOO_WET, QualityHint.PRESS_LESS),
        (Condition(pressure=-1.1, contrast=0.5, noise=4.0), QualityHint.PRESS_HARDER, QualityHint.TOO_DRY),
    ],
)
def test_skin_is_told_from_pressure(condition: Condition, named: QualityHint, other: QualityHint) -> None:
    asked = due(judged(lambda seed: drawn(seed, condition)))
    assert len(asked) >= len(SEEDS) / 2
    assert sum(named in quality.hints for quality in asked) >= 0.6 * len(asked)
    assert sum(other in quality.hints for quality in asked) <= 0.25 * len(asked)


def test_hint_values_are_their_names() -> None:
    assert all(hint.value == hint.name for hint in QualityHint)
