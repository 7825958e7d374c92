from __future__ import annotations

import dataclasses
import gc
import math
import weakref
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from enrollment.core.fingerprint.compare import SAME_FINGER_SCORE, compare
from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

Impressions = list[list[FingerprintTemplate]]
Laid = Callable[..., FingerprintTemplate]
Moved = Callable[..., FingerprintTemplate]


def chosen(template: FingerprintTemplate, rows: slice | np.ndarray) -> FingerprintTemplate:
    """Some minutiae of a template, in the order given."""
    return dataclasses.replace(
        template,
        positions=template.positions[rows],
        directions=template.directions[rows],
        kinds=template.kinds[rows],
        reliabilities=template.reliabilities[rows],
    )


def jittered(template: FingerprintTemplate, position_px: float, direction: float) -> FingerprintTemplate:
    """The same minutiae, found less exactly."""
    rng = np.random.default_rng(17)
    positions = template.positions + rng.normal(0, position_px, template.positions.shape)
    directions = np.mod(template.directions + rng.normal(0, direction, len(template)), math.tau)
    return dataclasses.replace(
        template, positions=positions.astype(np.float32), directions=directions.astype(np.float32)
    )


def test_a_template_against_itself_scores_what_the_formula_says(laid: Laid) -> None:
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(100, 300, 35), np.arange(150, 350, 35)), axis=-1).reshape(-1, 2)
    template = laid(grid + rng.uniform(-8, 8, grid.shape), rng.uniform(0, math.tau, len(grid)))
    count = len(template)
    matched = overlap = 0.6 * count
    expected = matched * count / (overlap + MATCHING.overlap_prior) * (1.0 + MATCHING.kind_weight)
    assert compare(template, template) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("angle", [0.3, -1.2, math.pi])
def test_a_turned_and_shifted_copy_scores_like_the_template_itself(
    impressions: Impressions, moved: Moved, angle: float
) -> None:
    template = impressions[0][0]
    copy = moved(template, angle, (30.0, -55.0))
    assert compare(template, copy) == pytest.approx(compare(template, template), rel=0.03)


def test_the_score_falls_with_jitter_and_stays_far_above_a_stranger(impressions: Impressions) -> None:
    template, stranger = impressions[1][0], impressions[2][0]
    exact = compare(template, template)
    near = compare(template, jittered(template, 1.5, 0.08))
    rough = compare(template, jittered(template, 4.0, 0.2))
    assert exact > near > rough > 3.0 * compare(template, stranger)


def test_impressions_of_one_finger_score_above_those_of_two(impressions: Impressions) -> None:
    genuine = [compare(a, b) for finger in impressions for a, b in combinations(finger, 2)]
    impostor = [compare(a[0], b[1]) for a, b in combinations(impressions, 2)]
    assert float(np.median(genuine)) > 3.0 * max(impostor)
    assert max(impostor) < SAME_FINGER_SCORE


def test_a_finger_presented_again_is_told_by_the_threshold(impressions: Impressions, moved: Moved) -> None:
    for finger in impressions:
        again = moved(jittered(finger[0], 1.5, 0.08), 0.2, (15.0, 10.0))
        assert compare(finger[0], again) > SAME_FINGER_SCORE


def test_the_order_of_minutiae_does_not_matter(impressions: Impressions) -> None:
    a, b = impressions[3][0], impressions[3][1]
    order = np.random.default_rng(5).permutation(len(a))
    assert len(a) <= MATCHING.most_minutiae
    assert compare(chosen(a, order), b) == pytest.approx(compare(a, b), rel=1e-3)
    assert compare(b, chosen(a, order)) == pytest.approx(compare(b, a), rel=1e-3)


def test_it_does_not_matter_which_of_two_is_called_the_probe(impressions: Impressions, moved: Moved) -> None:
    prints = [one for finger in impressions for one in finger]
    prints += [moved(impressions[0][0], 0.4, (12.0, -7.0)), jittered(impressions[0][0], 1.5, 0.08)]
    assert all(compare(a, b) == compare(b, a) > 0.0 for a, b in combinations(prints, 2))


def test_only_the_most_reliable_minutiae_are_looked_at(laid: Laid) -> None:
    rng = np.random.default_rng(2)
    reliabilities = np.r_[np.full(60, 0.9), np.full(195, 0.1)]
    template = laid(rng.uniform(0, 400, (255, 2)), rng.uniform(0, math.tau, 255), reliabilities=reliabilities)
    best = chosen(template, slice(60))
    assert compare(template, template) == compare(best, best)


def test_disagreeing_kinds_lower_the_score_and_unknown_ones_half_as_much(impressions: Impressions) -> None:
    template = impressions[4][0]
    swapped = dataclasses.replace(template, kinds=(3 - template.kinds).astype(np.uint8))
    unknown = dataclasses.replace(template, kinds=np.full_like(template.kinds, MinutiaKind.OTHER))
    same = compare(template, template)
    assert compare(template, swapped) == pytest.approx(same / (1.0 + MATCHING.kind_weight), rel=1e-3)
    assert compare(template, unknown) == pytest.approx(
        same * (1.0 + 0.5 * MATCHING.kind_weight) / (1.0 + MATCHING.kind_weight), rel=1e-3
    )


def test_a_template_that_rates_no_minutia_still_matches(impressions: Impressions) -> None:
    template = impressions[5][0]
    unrated = dataclasses.replace(template, reliabilities=np.zeros_like(template.reliabilities))
    assert compare(unrated, unrated) > SAME_FINGER_SCORE


def test_nothing_and_too_few_minutiae_score_zero(impressions: Impressions, laid: Laid) -> None:
    full = impressions[0][0]
    for count in range(MATCHING.least_minutiae):
        few = chosen(full, slice(count))
        assert compare(few, full) == compare(full, few) == compare(few, few) == 0.0
    assert compare(laid([]), laid([])) == 0.0


def test_minutiae_on_one_spot_match_nobody(impressions: Impressions, laid: Laid) -> None:
    heap = laid(np.full((255, 2), 200.0), 1.0)
    for finger in impressions:
        assert compare(heap, finger[0]) < SAME_FINGER_SCORE
        assert compare(finger[0], heap) < SAME_FINGER_SCORE


@st.composite
def templates(draw: st.DrawFn) -> FingerprintTemplate:
    """Anything that a record can hold: few or many, crowded, in a line, rated or not, up to 16383 pixels."""
    count = draw(st.one_of(st.integers(0, 6), st.just(255), st.integers(7, 80)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extent = draw(st.sampled_from([1.0, 30.0, 400.0, 16383.0]))
    positions = rng.uniform(0, extent, (count, 2))
    if draw(st.booleans()):
        positions = np.rint(positions)
    if draw(st.booleans()):
        positions[:, 1] = draw(st.sampled_from([0.0, 16383.0]))
    directions = rng.uniform(0, math.tau, count) * draw(st.sampled_from([0.0, 1.0]))
    reliabilities = rng.uniform(0, 1, count) * draw(st.sampled_from([0.0, 1e-6, 1.0]))
    return FingerprintTemplate(
        positions=positions.astype(np.float32),
        directions=np.mod(directions.astype(np.float32), np.float32(math.tau)),
        kinds=rng.integers(0, 3, count).astype(np.uint8),
        reliabilities=reliabilities.astype(np.float32),
        size=(16384, 16384),
    )


@settings(max_examples=150, deadline=None)
@given(a=templates(), b=templates())
def test_any_two_templates_have_a_finite_score_without_a_warning(
    a: FingerprintTemplate, b: FingerprintTemplate
) -> None:
    for first, second in ((a, b), (a, a)):
        score = compare(first, second)
        assert math.isfinite(score)
        assert score >= 0.0


def test_template_compared_again_scores_the_same(impressions: Impressions) -> None:
    a, b = impressions[0][0], impressions[0][1]
    first, second = dataclasses.replace(a), dataclasses.replace(b)
    assert compare(first, second) == compare(first, second) == compare(a, b)


def test_template_no_longer_held_is_forgotten(impressions: Impressions) -> None:
    mine = dataclasses.replace(impressions[0][0])
    assert compare(mine, impressions[0][1]) > 0.0
    gone = weakref.ref(mine)
    del mine
    gc.collect()
    assert gone() is None


NUMBERS = [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e9, -1e9, 3e38, 1e-38]


@st.composite
def bad_templates(draw: st.DrawFn) -> FingerprintTemplate:
    """What no extractor makes but a caller can: numbers that are none, huge ones, ratings below 0, kinds unheard of."""
    count = draw(st.sampled_from([1, 3, 4, 30, 60, 255]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def spoilt(values: NDArray[np.float64]) -> NDArray[np.float32]:
        share = draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
        bad = rng.random(values.shape) < share
        return np.where(bad, rng.choice(NUMBERS, values.shape), values).astype(np.float32)

    return FingerprintTemplate(
        positions=spoilt(rng.uniform(0, 400, (count, 2))),
        directions=spoilt(rng.uniform(-20, 20, count)),
        kinds=rng.integers(0, 256, count).astype(np.uint8),
        reliabilities=spoilt(rng.uniform(-1, 2, count)),
        size=(400, 400),
    )


@settings(max_examples=150, deadline=None)
@given(bad=bad_templates(), other=bad_templates())
def test_templates_of_nonsense_have_finite_scores_without_a_warning(
    impressions: Impressions, bad: FingerprintTemplate, other: FingerprintTemplate
) -> None:
    good = impressions[0][0]
    scores = [compare(bad, good), compare(good, bad), compare(bad, bad), compare(bad, other)]
    scores += Gallery([bad, good, other]).scores(bad).tolist()
    assert all(math.isfinite(score) and score >= 0.0 for score in scores)


def test_minutiae_that_are_nowhere_change_nothing(impressions: Impressions) -> None:
    good = impressions[0][0]
    more = FingerprintTemplate(
        positions=np.concatenate([np.array([[math.nan, 5], [5, math.inf], [1e30, 7]], np.float32), good.positions]),
        directions=np.concatenate([np.zeros(3, np.float32), good.directions]),
        kinds=np.concatenate([np.ones(3, np.uint8), good.kinds]),
        reliabilities=np.concatenate([np.full(3, 9, np.float32), good.reliabilities]),
        size=good.size,
    )
    assert compare(more, impressions[0][1]) == pytest.approx(compare(good, impressions[0][1]), rel=1e-6)
