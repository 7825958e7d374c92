"""The quality score, what it is made of, and its map of local quality."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, QualityHint, assess, examine
from enrollment.core.fingerprint.orientation import structure_tensor
from enrollment.core.fingerprint.quality import ALGORITHM, VERSION, FingerprintQuality, judge
from enrollment.core.fingerprint.quality_measures import Evidence, match_log_odds
from enrollment.core.fingerprint.quality_parameters import QUALITY
from enrollment.core.fingerprint.wave_map import WaveMap, encode
from firmware_stubs.fingers import Condition, make_impression, make_master

Print = Callable[..., tuple[FingerprintImage, FingerprintTemplate]]
Wave = Callable[..., NDArray[np.float32]]
CELL_PX = 10.0
TILE = 5
CELL_TILES = 2  # a side of a cell of the wave map


def made_up(
    strengths: list[float],
    dropped: list[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
    ridges: NDArray[np.float32] | None = None,
    positions: tuple[float, float] = (150.0, 150.0),
) -> Evidence:
    """Evidence of a loop whose core is in the middle of 300 x 300 px; all minutiae lie at one place."""
    mask = np.ones((30, 30), np.bool_) if mask is None else mask
    if ridges is None:
        ridges = np.zeros((mask.shape[0] * TILE, mask.shape[1] * TILE), np.float32)
    count = len(strengths)
    template = FingerprintTemplate(
        positions=np.tile(np.array(positions, np.float32), (count, 1)),
        directions=np.zeros(count, np.float32),
        kinds=np.ones(count, np.uint8),
        reliabilities=np.minimum(np.array(strengths, np.float32), np.float32(1.0)),
        size=(300, 300),
        mask=mask,
        mask_cell_px=CELL_PX,
        waves=loop(mask) if mask.any() else None,
    )
    return Evidence(
        grey=ridges * np.float32(40.0),
        ridges=ridges,
        tensor=structure_tensor(ridges, TILE),
        deviation=np.full(mask.shape, 40.0, np.float32),
        coherence=np.ones(mask.shape, np.float32),
        template=template,
        kept_strengths=np.array(strengths, np.float32),
        all_strengths=np.array(strengths + (dropped or []), np.float32),
    )


def loop(mask: NDArray[np.bool_]) -> WaveMap:
    """Waves that turn about the middle of 300 x 300 px, of full weight in the mask."""
    weights = mask[::CELL_TILES, ::CELL_TILES].astype(np.float32)
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]] - (15.0 - 0.5 * CELL_TILES) / CELL_TILES
    directions = np.mod(np.arctan2(y, x) / 2.0, np.pi).astype(np.float32)
    pitch = CELL_TILES * CELL_PX
    cells = encode(np.zeros_like(directions), directions, np.full_like(directions, 9.0), weights)
    return WaveMap(cells, origin=(pitch / 2.0, pitch / 2.0), pitch=(pitch, pitch))


def judged(*given: Any, **named: Any) -> FingerprintQuality:
    return judge(made_up(*given, **named), QUALITY)


def test_the_measures_are_what_they_say(wave: Wave) -> None:
    ridges = wave(0.3, 6.75, height=150, width=150)
    quality = judged([0.9] * 20, [0.5] * 8, None, ridges)
    assert quality.measures["purity"] == pytest.approx(18.0 / 22.0)
    assert quality.measures["area_mm2"] == pytest.approx(900 * (CELL_PX * 25.4 / 500.0) ** 2)
    middle = np.exp(-((QUALITY.pad.below_core_px / QUALITY.pad.along_px) ** 2))
    assert quality.measures["shared_minutiae"] == pytest.approx(20 * 0.9 * middle, rel=0.05)
    assert 0.3 * 15.24**2 < quality.measures["shared_ridges_mm2"] < 0.9 * 15.24**2  # of 300 x 300 px
    assert quality.measures["contrast"] == pytest.approx(40.0)
    assert quality.measures["minutiae"] == 20
    assert (quality.algorithm, quality.version) == (ALGORITHM, VERSION)


def test_the_core_is_where_the_ridges_turn() -> None:
    quality = judged([0.9] * 20)
    assert quality.measures["core_x_px"] == pytest.approx(150.0, abs=2 * CELL_PX)
    assert quality.measures["core_y_px"] == pytest.approx(150.0, abs=2 * CELL_PX)


@pytest.mark.parametrize(("odds", "score"), [(1.0, 0), (2.0, 7), (64.0, 42), (4096.0, 84), (1 / 16, 0), (1e9, 100)])
def test_seven_points_more_double_the_odds_of_a_match(odds: float, score: int, wave: Wave) -> None:
    evidence = made_up([0.9] * 20, None, None, wave(0.3, 6.75, height=150, width=150))
    plain = judge(evidence, QUALITY).measures["match_log_odds"]
    shifted = replace(QUALITY.score, bias=QUALITY.score.bias + math.log(odds) - plain)
    assert judge(evidence, replace(QUALITY, score=shifted)).score == score


@pytest.mark.parametrize("measure", ["shared_minutiae", "shared_ridges_mm2", "purity"])
def test_more_of_each_measure_is_better(measure: str) -> None:
    middling = {"shared_minutiae": 4.0, "shared_ridges_mm2": 60.0, "purity": 0.5}
    better = middling | {measure: middling[measure] * 1.5}
    nothing = dict.fromkeys(middling, 0.0)
    assert match_log_odds(better, QUALITY.score) > match_log_odds(middling, QUALITY.score)
    assert math.isfinite(match_log_odds(nothing, QUALITY.score))


def test_minutiae_far_from_the_core_count_less() -> None:
    near, far = judged([0.9] * 12), judged([0.9] * 12, positions=(20.0, 20.0))
    assert far.measures["shared_minutiae"] < 0.2 * near.measures["shared_minutiae"]


def test_a_print_cut_near_its_core_shares_less() -> None:
    cut = np.ones((30, 30), np.bool_)
    cut[18:] = False
    whole, half = judged([0.9] * 12), judged([0.9] * 12, None, cut)
    assert half.measures["shared_ridges_mm2"] < 0.7 * whole.measures["shared_ridges_mm2"]
    assert half.score <= whole.score


def test_a_finger_without_minutiae_scores_0_and_is_not_called_nothing(wave: Wave) -> None:
    quality = judged([], [0.1], None, wave(0.3, 6.75, height=150, width=150))
    assert quality.score == 0
    assert QualityHint.NOTHING_THERE not in quality.hints
    assert quality.hints


def test_no_ridges_is_nothing_there_with_every_measure_finite() -> None:
    quality = judged([], [], np.zeros((30, 30), np.bool_))
    assert quality.score == 0
    assert quality.hints == (QualityHint.NOTHING_THERE,)
    assert all(math.isfinite(value) for value in quality.measures.values())
    assert quality.measures.keys() == judged([1.0]).measures.keys()


def test_a_pattern_too_faint_for_a_finger_on_the_platen_scores_0() -> None:
    evidence = made_up([0.9] * 20)
    faint = replace(evidence, deviation=np.full((30, 30), 6.0, np.float32))
    quality = judge(faint, QUALITY)
    assert quality.score == 0
    assert quality.hints == (QualityHint.LATENT_PRINT,)


def test_dirt_lowers_purity_and_what_is_shared_and_the_score(synthetic_print: Print) -> None:
    image, _ = synthetic_print()
    whole = assess(image)
    rng = np.random.default_rng(2)
    specks = np.asarray(cv2.GaussianBlur(rng.standard_normal(image.pixels.shape), (0, 0), 2.0)) > 0.12
    dirty = assess(FingerprintImage(np.where(specks, 230, image.pixels).astype(np.uint8)))
    assert dirty.measures["purity"] < whole.measures["purity"]
    assert dirty.measures["shared_minutiae"] < whole.measures["shared_minutiae"]
    assert dirty.score < whole.score


def test_a_print_cut_through_its_core_scores_less_than_one_cut_beside_it() -> None:
    pixels = make_impression(make_master(3), 0, condition=Condition()).pixels
    middle = round(assess(FingerprintImage(pixels)).measures["core_y_px"])
    through, beside = pixels.copy(), pixels.copy()
    through[: middle + 20] = 250
    beside[middle + 110 :] = 250
    assert assess(FingerprintImage(through)).score < assess(FingerprintImage(beside)).score


def test_local_quality_is_shown_in_0_to_1_and_is_low_where_the_print_is_spoilt() -> None:
    pixels = make_impression(make_master(3), 0, condition=Condition()).pixels.copy()
    rng = np.random.default_rng(3)
    pixels[150:230, 150:230] = rng.integers(0, 256, (80, 80))
    seen: dict[str, NDArray[Any]] = {}
    examine(FingerprintImage(pixels), observe=seen.__setitem__)
    shown = seen["local quality"]
    assert shown.shape == seen["mask"].shape
    assert shown.dtype == np.float32
    assert 0.0 <= shown.min() <= shown.max() <= 1.0
    rows = slice(round(160 * 0.15), round(220 * 0.15))  # 0.15 tiles a pixel at 500 ppi
    assert shown[rows, rows].mean() < 0.5 * shown[seen["mask"]].mean()
    assert not shown[~seen["mask"]].any()
