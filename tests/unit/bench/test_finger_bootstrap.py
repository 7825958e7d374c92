"""The bootstrap by finger: draws, weights of pairs, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.finger_bootstrap import draw_fingers, interval, pair_weights
from bench.print_sets import Pairs


def test_each_draw_has_as_many_fingers_as_there_are_and_never_one_alone() -> None:
    drawn = draw_fingers(2, 500, np.random.default_rng(1))
    assert (drawn == 1.0).all()  # of two fingers, any other draw is one finger twice
    drawn = draw_fingers(10, 2000, np.random.default_rng(1))
    assert (drawn.sum(axis=1) == 10.0).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(10), abs=0.1)
    assert (drawn == 0.0).mean() == pytest.approx((1.0 - 0.1) ** 10, abs=0.01)


def test_pairs_count_as_often_as_their_fingers_were_drawn_together() -> None:
    pairs = Pairs.of(np.array([0, 0, 1, 1, 2]))
    genuine, impostor = pair_weights(np.array([2.0, 0.0, 1.0]), pairs.first_finger, pairs.second_finger)
    assert genuine.tolist() == [2.0, 0.0]
    # in the order of the pairs: 0-1 four times but for those of finger 2 between
    assert impostor.tolist() == [0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0]


def test_the_interval_of_a_mean_has_the_width_that_theory_gives() -> None:
    rng = np.random.default_rng(2)
    fingers = rng.normal(0.0, 1.0, 100)
    drawn = draw_fingers(100, 4000, rng)
    found = interval(float(fingers.mean()), drawn @ fingers / 100.0)
    error = fingers.std() / 10.0
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert found.low < found.estimate < found.high


def test_an_interval_tells_whether_it_excludes_zero() -> None:
    away, around = np.linspace(-3.0, -1.0, 100), np.linspace(-1.0, 1.0, 100)
    assert interval(-2.0, away).excludes_zero
    assert interval(2.0, -away).excludes_zero
    assert not interval(0.0, around).excludes_zero


def test_draws_without_any_miss_are_left_out() -> None:
    found = interval(0.5, np.array([np.nan, 0.5, 0.5, np.nan]))
    assert (found.low, found.high) == (0.5, 0.5)
    assert math.isnan(interval(0.5, np.full(3, np.nan)).low)
    assert not interval(0.5, np.full(3, np.nan)).excludes_zero
