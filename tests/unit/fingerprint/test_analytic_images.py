"""Extraction on images whose answer is known: plane waves, dislocations, discs, and prints drawn with their truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage
from enrollment.core.fingerprint import (
    FingerprintImage,
    FingerprintTemplate,
    MinutiaKind,
    QualityHint,
    assess,
    examine,
    extract,
)
from firmware_stubs.fingers import DRY, GOOD, PARTIAL, make_impression, make_master

Pixels = NDArray[np.uint8]
SIZE = 300  # pixels a side


def grid(size: int = SIZE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y from the middle, y down."""
    y, x = np.mgrid[:size, :size].astype(np.float64) - (size - 1) / 2
    return x, y


def shade(phase: NDArray[np.float64]) -> Pixels:
    """Dark where the phase is 0."""
    grey: Pixels = np.rint(128 - 100 * np.cos(phase)).astype(np.uint8)
    return grey


def plane_wave(angle: float, period: float) -> Pixels:
    x, y = grid()
    return shade(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)


def dislocation(turn: float, *, valley: bool, period: float = 9.0) -> Pixels:
    """One ridge (or valley) more on the side to which `turn` points, beginning in the middle."""
    x, y = grid()
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return shade(2 * np.pi * across / period + np.arctan2(across, along) + np.pi * valley)


def stages(pixels: Pixels, ppi: float = 500.0) -> tuple[FingerprintTemplate, dict[str, NDArray[Any]]]:
    """The template, and what each stage showed."""
    seen: dict[str, NDArray[Any]] = {}
    return extract(FingerprintImage(pixels, ppi), observe=seen.__setitem__), seen


def inner(field: NDArray[Any]) -> NDArray[Any]:
    """A field of tiles without its rim, where filters see the border."""
    rim = max(2, field.shape[0] // 6)
    return field[rim:-rim, rim:-rim]


def angle_between(a: NDArray[Any] | float, b: NDArray[Any] | float, turn: float) -> NDArray[np.float64]:
    """Least difference of angles that repeat after `turn`."""
    return np.abs((np.asarray(a, np.float64) - b + turn / 2) % turn - turn / 2)


@pytest.mark.parametrize("period", [6.5, 8.0, 9.5, 11.5])
@pytest.mark.parametrize("angle_deg", [0, 17, 45, 80, 90, 133, 170])
def test_plane_wave_gives_its_orientation_and_period_and_no_minutia(angle_deg: int, period: float) -> None:
    template, seen = stages(plane_wave(np.radians(angle_deg), period))
    off = angle_between(inner(seen["orientation"]), np.radians(angle_deg), np.pi)
    assert np.degrees(off.max()) < 2.5
    assert np.abs(inner(seen["period"]) / period - 1).max() < 0.08
    assert inner(seen["coherence"]).min() > 0.9
    assert inner(seen["mask"]).all()
    assert len(template) == 0


def test_response_of_a_wave_has_the_waves_phase() -> None:
    _, seen = stages(plane_wave(0.0, 8.0))
    response = inner(seen["response"])
    steps = np.angle(response[:, 1:] * response[:, :-1].conj())
    assert np.abs(np.abs(steps).mean() - np.abs(steps)).max() < 0.25, "the phase must grow evenly along the wave"
    assert np.abs(response).std() < 0.1 * np.abs(response).mean()


@pytest.mark.parametrize("turn_deg", [0, 35, 90, 144, 180, 225, 305])
@pytest.mark.parametrize("valley", [False, True])
def test_dislocation_is_one_minutia_with_place_direction_and_kind(turn_deg: int, valley: bool) -> None:
    template, _ = stages(dislocation(np.radians(turn_deg), valley=valley))
    assert len(template) == 1
    assert np.hypot(*(template.positions[0] - (SIZE - 1) / 2)) < 2.5
    assert np.degrees(angle_between(template.directions[0], np.radians(turn_deg), 2 * np.pi)) < 12
    assert template.kinds[0] == (MinutiaKind.BIFURCATION if valley else MinutiaKind.ENDING)
    assert template.reliabilities[0] > 0.4


def test_mask_is_the_disc_that_has_ridges() -> None:
    x, y = grid()
    disc = np.hypot(x, y) < 100
    _, seen = stages(np.where(disc, plane_wave(0.7, 9.0), 235).astype(np.uint8))
    mask = seen["mask"].astype(bool)
    rows = np.linspace(0, SIZE - 1, mask.shape[0]).round().astype(int)
    cols = np.linspace(0, SIZE - 1, mask.shape[1]).round().astype(int)
    truth = disc[np.ix_(rows, cols)]
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


def test_normalised_ridges_have_one_strength_whatever_the_contrast() -> None:
    x, _ = grid()
    faint = 128 + (plane_wave(0.0, 9.0).astype(np.float64) - 128) * np.where(x < 0, 0.25, 1.0)
    _, seen = stages(np.rint(faint).astype(np.uint8))
    middle = seen["ridges"].shape[1] // 2
    left, right = seen["ridges"][:, :middle], seen["ridges"][:, middle:]
    assert 0.75 < inner(left).std() / inner(right).std() < 1.25


@pytest.fixture(scope="module")
def good_prints() -> list[Any]:
    return [make_impression(make_master(seed), seed, condition=GOOD) for seed in range(6)]


def matched(found: FingerprintTemplate, positions: NDArray[Any], directions: NDArray[Any]) -> NDArray[np.bool_]:
    """For each found minutia, whether the truth has one within 10 px and 30 degrees."""
    apart = np.hypot(*(found.positions[:, None] - positions[None]).transpose(2, 0, 1))
    turned = angle_between(found.directions[:, None], directions[None], 2 * np.pi)
    return np.asarray(((apart < 10) & (turned < np.radians(30))).any(axis=1))


def test_minutiae_of_drawn_prints_are_those_that_were_drawn(good_prints: list[Any]) -> None:
    right, found, known, total = 0, 0, 0, 0
    for drawn in good_prints:
        template = extract(FingerprintImage(drawn.pixels))
        truth = drawn.minutiae
        hits = matched(template, truth.positions, truth.directions)
        right, found = right + int(hits.sum()), found + len(template)
        apart = np.hypot(*(truth.positions[:, None] - template.positions[None]).transpose(2, 0, 1)).min(axis=1)
        known, total = known + int((apart < 10).sum()), total + len(truth.positions)
    assert right / found > 0.75, "precision"
    assert known / total > 0.6, "recall"


def test_shifted_print_gives_shifted_minutiae(good_prints: list[Any]) -> None:
    pixels: Pixels = good_prints[0].pixels
    shift = np.array([12, 20])
    moved = np.full((pixels.shape[0] + 40, pixels.shape[1] + 40), 235, np.uint8)
    moved[shift[1] : shift[1] + pixels.shape[0], shift[0] : shift[0] + pixels.shape[1]] = pixels
    still, after = extract(FingerprintImage(pixels)), extract(FingerprintImage(moved))
    hits = matched(still, after.positions - shift, after.directions)
    assert hits.mean() > 0.8


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_print_gives_turned_minutiae(good_prints: list[Any], quarters: int) -> None:
    pixels: Pixels = good_prints[1].pixels
    height, width = pixels.shape
    still, turned = extract(FingerprintImage(pixels)), extract(FingerprintImage(np.rot90(pixels, quarters)))
    x, y = still.positions.T
    back = {
        1: np.stack([y, width - 1 - x], axis=1),
        2: np.stack([width - 1 - x, height - 1 - y], axis=1),
        3: np.stack([height - 1 - y, x], axis=1),
    }[quarters]
    expected = np.mod(still.directions - quarters * np.pi / 2, 2 * np.pi)
    assert matched(turned, back, expected).mean() > 0.8


def test_print_at_half_resolution_gives_the_same_places_at_500_ppi(good_prints: list[Any]) -> None:
    pixels: Pixels = good_prints[2].pixels[:372, :388]
    half = pixels.reshape(186, 2, 194, 2).mean(axis=(1, 3)).astype(np.uint8)
    whole, small = extract(FingerprintImage(pixels)), extract(FingerprintImage(half, 250.0))
    assert matched(small, whole.positions, whole.directions).mean() > 0.7
    assert small.size == whole.size


def test_observing_changes_nothing_and_cannot_write(good_prints: list[Any]) -> None:
    image = FingerprintImage(good_prints[3].pixels)
    before = image.pixels.copy()
    seen: list[NDArray[Any]] = []
    watched = extract(image, observe=lambda _name, array: seen.append(array))
    alone = extract(image)
    assert np.array_equal(watched.positions, alone.positions)
    assert np.array_equal(image.pixels, before)
    assert len(seen) > 8
    for array in seen:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_one_pass_gives_what_extract_and_assess_give(good_prints: list[Any]) -> None:
    image = FingerprintImage(good_prints[4].pixels)
    both = examine(image)
    assert np.array_equal(both.template.positions, extract(image).positions)
    assert both.quality == assess(image)


def noise(seed: int, *shape: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


ODD: dict[str, Callable[[], Pixels]] = {
    "black": lambda: np.zeros((SIZE, SIZE), np.uint8),
    "white": lambda: np.full((SIZE, SIZE), 255, np.uint8),
    "grey": lambda: np.full((SIZE, SIZE), 128, np.uint8),
    "one pixel differs": lambda: np.pad(np.array([[0]], np.uint8), 120, constant_values=200),
    "noise": lambda: noise(1, SIZE, SIZE),
    "black and white": lambda: np.where(noise(2, SIZE, SIZE) > 127, 255, 0).astype(np.uint8),
    "half black": lambda: np.repeat(np.array([[0, 255]], np.uint8), SIZE // 2, 1).repeat(SIZE, 0),
    "checkerboard": lambda: (np.indices((SIZE, SIZE)).sum(0) % 2 * 255).astype(np.uint8),
    "stripes of one row": lambda: np.repeat(np.arange(SIZE, dtype=np.uint8)[:, None] % 2 * 255, SIZE, 1),
    "inverted": lambda: 255 - make_impression(make_master(1), 0, condition=GOOD).pixels,
    "saturated": lambda: np.clip(dislocation(0.3, valley=False).astype(int) * 5 - 500, 0, 255).astype(np.uint8),
    "not contiguous": lambda: noise(3, 2 * SIZE, 2 * SIZE)[::2, ::-2],
    "transposed": lambda: noise(4, SIZE, 200).T,
    "smallest": lambda: plane_wave(0.4, 9.0)[:64, :64],
    "thin": lambda: plane_wave(0.4, 9.0)[:64, :],
    "slap": lambda: np.tile(plane_wave(0.4, 9.0), (5, 6))[:1500, :1600],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_image_gives_a_sound_template_and_a_score(name: str) -> None:
    pixels = ODD[name]()
    both = examine(FingerprintImage(pixels))
    check_sound(both.template, pixels.shape)
    assert 0 <= both.quality.score <= 100
    assert all(np.isfinite(value) for value in both.quality.measures.values())


@pytest.mark.parametrize("ppi", [100.0, 197.0, 333.0, 1000.0])
def test_any_resolution_gives_a_sound_template(ppi: float) -> None:
    size = round(300 * ppi / 500) + 10
    x, y = grid(max(size, 64))
    pixels = shade(2 * np.pi * (x + 0.3 * y) / (9 * ppi / 500))
    check_sound(extract(FingerprintImage(pixels, ppi)), tuple(round(side * 500 / ppi) for side in pixels.shape))


def check_sound(template: FingerprintTemplate, shape: tuple[int, ...]) -> None:
    assert template.mask is not None
    assert template.mask.dtype == np.bool_
    assert all(np.isfinite(part).all() for part in (template.positions, template.directions, template.reliabilities))
    assert (template.positions >= -0.5).all()
    assert (template.positions <= np.array(shape[::-1]) + 1).all()
    assert ((template.directions >= 0) & (template.directions < np.float32(2 * np.pi))).all()
    assert ((template.reliabilities >= 0) & (template.reliabilities <= 1)).all()
    assert (np.diff(template.reliabilities) <= 0).all()


@pytest.mark.parametrize(
    ("pixels", "ppi"),
    [
        (np.zeros((0, 0), np.uint8), 500.0),
        (np.zeros((1, 1), np.uint8), 500.0),
        (np.zeros((63, 300), np.uint8), 500.0),
        (np.zeros((100, 100), np.uint8), 1000.0),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), 500.0),
        (np.zeros((300, 300, 3), np.uint8), 500.0),
        (np.zeros((300, 300), np.float32), 500.0),
        (np.full((300, 300), np.nan), 500.0),
        (np.zeros((300, 300), np.uint8), 0.0),
        (np.zeros((300, 300), np.uint8), -500.0),
        (np.zeros((300, 300), np.uint8), float("nan")),
        (np.zeros((300, 300), np.uint8), 1e9),
        ([[0]], 500.0),
        (None, 500.0),
    ],
)
def test_image_that_is_none_is_refused_by_type(pixels: Any, ppi: float) -> None:
    with pytest.raises(InvalidImage):
        extract(FingerprintImage(pixels, ppi))


def test_blank_platen_is_nothing_there_with_score_0() -> None:
    blank = np.clip(np.random.default_rng(5).normal(232, 1.5, (290, 384)), 0, 255).astype(np.uint8)
    both = examine(FingerprintImage(blank))
    assert (both.quality.score, both.quality.hints) == (0, (QualityHint.NOTHING_THERE,))
    assert len(both.template) == 0
    assert both.template.mask is not None
    assert not both.template.mask.any()


def test_good_prints_score_above_dry_and_partial_ones_and_only_those_have_hints(good_prints: list[Any]) -> None:
    good = [assess(FingerprintImage(drawn.pixels)) for drawn in good_prints]
    for condition in (DRY, PARTIAL):
        worse = [
            assess(FingerprintImage(make_impression(make_master(seed), seed, condition=condition).pixels))
            for seed in range(6)
        ]
        assert np.mean([quality.score for quality in worse]) < np.mean([quality.score for quality in good])
    assert all(not quality.hints for quality in good if quality.score >= 60)


def test_score_names_its_algorithm_version_and_measures(good_prints: list[Any]) -> None:
    quality = assess(FingerprintImage(good_prints[0].pixels))
    assert quality.algorithm
    assert quality.version
    assert {"shared_minutiae", "shared_ridges_mm2", "area_mm2", "purity", "minutiae"} <= quality.measures.keys()
