from __future__ import annotations

import numpy as np
import pytest

from bench.error_rates import error_curve


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_separated_scores_have_no_errors() -> None:
    curve = error_curve(scores(5, 6, 7), scores(0, 1, 2))
    assert curve.eer == 0.0
    assert curve.fnmr_at(0.001) == 0.0
    assert curve.threshold_at(0.001) == 5.0


def test_equal_error_rate_is_where_the_rates_cross() -> None:
    curve = error_curve(scores(1, 6, 7, 8), scores(0, 2, 3, 5))
    # at a threshold in (5, 6] one of four genuine is rejected and no impostor accepted; in (3, 5] one of each
    assert curve.eer == pytest.approx(0.25)
    assert curve.fnmr_at(0.001) == pytest.approx(0.25)


def test_the_threshold_holds_the_false_match_rate() -> None:
    impostor = np.arange(1000, dtype=np.float64)
    curve = error_curve(np.full(10, 998.5), impostor)
    threshold = curve.threshold_at(0.001)
    assert (impostor >= threshold).mean() <= 0.001
    assert (impostor >= np.nextafter(threshold, 0.0) - 1.0).mean() > 0.001


def test_an_image_that_failed_is_rejected_at_every_threshold() -> None:
    curve = error_curve(scores(-1, 9, 9, 9), scores(-1, 0, 0, 0))
    assert curve.fnmr.min() == pytest.approx(0.25)
    assert curve.fmr.max() == pytest.approx(0.75)


def test_impostors_that_score_highest_of_all_reject_everyone() -> None:
    curve = error_curve(scores(1, 2), scores(3, 4))
    assert curve.fnmr_at(0.001) == 1.0


def test_a_pair_of_weight_two_counts_as_two_pairs() -> None:
    rng = np.random.default_rng(4)
    genuine, impostor = rng.normal(6, 2, 40), rng.normal(3, 2, 60)
    often, seldom = rng.integers(0, 3, 40), rng.integers(0, 3, 60)
    weighted = error_curve(genuine, impostor, often.astype(np.float64), seldom.astype(np.float64))
    repeated = error_curve(np.repeat(genuine, often), np.repeat(impostor, seldom))
    assert weighted.eer == pytest.approx(repeated.eer)
    assert weighted.fnmr_at(0.05) == pytest.approx(repeated.fnmr_at(0.05))


def test_one_false_match_in_a_thousand_is_a_rate_of_one_in_a_thousand() -> None:
    curve = error_curve(scores(5.0), np.arange(1000) / 1000.0 + (np.arange(1000) == 999) * 9.0)
    assert curve.threshold_at(0.001) <= 5.0
    assert curve.fnmr_at(0.001) == 0.0
