"""The score of a false match rate: as measured, and nothing beyond."""

from __future__ import annotations

import itertools

import pytest

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint import SAME_FINGER_SCORE
from enrollment.core.fingerprint.false_match import MEASURED, score_at
from enrollment.service.config import FALSE_MATCH_RATES, HandOverConfig


def test_measured_rates_have_their_scores_and_rarer_matches_need_higher_ones() -> None:
    assert all(score_at(rate) == score for rate, score in MEASURED.items())
    between = [score_at(1e-5 * 10 ** (step / 10)) for step in range(31)]
    assert all(rarer > commoner for rarer, commoner in itertools.pairwise(between))
    assert max(between) < SAME_FINGER_SCORE


@pytest.mark.parametrize("rate", [0.0, -1.0, 0.9e-5, 0.02, 1.0, float("nan"), float("inf")])
def test_rates_that_nobody_measured_are_refused(rate: float) -> None:
    with pytest.raises(InvalidInput):
        score_at(rate)


def test_every_rate_that_may_be_configured_has_a_score_for_one_print_and_for_two() -> None:
    for rate in (*FALSE_MATCH_RATES, HandOverConfig().false_match_rate):
        assert score_at(rate) < score_at(rate / 2)
