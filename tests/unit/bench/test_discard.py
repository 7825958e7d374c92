"""Error versus discard, on pairs whose curve is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.discard import discard_curve, pair_qualities

MISSED = np.arange(100) < 10  # a tenth of the pairs


def test_a_quality_that_puts_every_miss_first_is_perfect() -> None:
    curve = discard_curve(MISSED, np.arange(100.0))
    assert curve.relative_pauc == pytest.approx(0.0, abs=1e-9)
    assert curve.fnmr[0] == pytest.approx(0.1)
    assert curve.fnmr[-1] == 0.0
    at_five_percent = int(np.argmin(np.abs(curve.shares - 0.05)))
    assert curve.fnmr[at_five_percent] == pytest.approx(5.0 / 95.0)


def test_a_quality_that_is_the_same_for_all_is_random() -> None:
    curve = discard_curve(MISSED, np.full(100, 50.0))
    assert curve.fnmr == pytest.approx(np.full(len(curve.shares), 0.1))
    assert curve.relative_pauc == pytest.approx(1.0)


def test_a_quality_that_puts_every_miss_last_misleads() -> None:
    curve = discard_curve(MISSED, -np.arange(100.0))
    assert curve.fnmr[-1] == pytest.approx(10.0 / 70.0)
    assert curve.relative_pauc > 1.0


def test_pairs_of_one_quality_are_discarded_in_equal_parts_whatever_their_order() -> None:
    qualities = np.repeat([1.0, 2.0], 50)  # all misses among the worse half
    order = np.random.default_rng(1).permutation(100)
    curve, shuffled = discard_curve(MISSED, qualities), discard_curve(MISSED[order], qualities[order])
    assert curve.fnmr == pytest.approx(shuffled.fnmr)
    # 0.3 of all is 0.6 of the worse half, and so of the misses
    assert curve.fnmr[-1] == pytest.approx(4.0 / 70.0)


def test_a_pair_of_weight_two_counts_as_two_pairs() -> None:
    rng = np.random.default_rng(2)
    qualities, weights = rng.random(100), rng.integers(0, 3, 100)
    weighted = discard_curve(MISSED, qualities, weights.astype(np.float64))
    repeated = discard_curve(np.repeat(MISSED, weights), np.repeat(qualities, weights))
    assert weighted.fnmr == pytest.approx(repeated.fnmr)
    assert weighted.relative_pauc == pytest.approx(repeated.relative_pauc)


def test_nothing_missed_has_no_order() -> None:
    curve = discard_curve(np.zeros(20, np.bool_), np.arange(20.0))
    assert not curve.fnmr.any()
    assert math.isnan(curve.relative_pauc)


def test_more_misses_than_are_discarded_leave_some_even_when_perfect() -> None:
    curve = discard_curve(np.arange(100) < 50, np.arange(100.0))
    assert curve.perfect[-1] == pytest.approx(20.0 / 70.0)
    assert curve.relative_pauc == pytest.approx(0.0, abs=1e-9)


def test_a_pair_is_as_good_as_its_worse_image() -> None:
    worse = pair_qualities(np.array([3.0, 1.0, 2.0]), np.array([0, 0, 1]), np.array([1, 2, 2]))
    assert worse.tolist() == [1.0, 2.0, 1.0]
