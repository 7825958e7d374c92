"""The score of a false match rate: as measured, and nothing beyond."""

from __future__ import annotations

import itertools

import pytest

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint import SAME_FINGER_SCORE, FingerprintImage, compare, extract
from enrollment.core.fingerprint.false_match import MEASURED, score_at
from enrollment.service.config import FALSE_MATCH_RATES, HandOverConfig
from firmware_stubs.fingers import finger_image, person_finger_seed

MATES = [91.14, 160.87, 18.08]
STRANGERS = [0.074, 0.055, 0.033, 0.102, 0.086, 0.044]


def test_scores_are_still_those_that_were_measured() -> None:
    """A matcher that scores otherwise needs `python -m bench.false_match`, and false_match.VERSION to go up."""
    prints = [
        [extract(FingerprintImage(finger_image(person_finger_seed(person, 2), impression))) for impression in (0, 1)]
        for person in (3, 5, 8)
    ]
    mates = [compare(first, second) for first, second in prints]
    strangers = [compare(a[0], b[1]) for a, b in itertools.permutations(prints, 2)]
    assert mates == pytest.approx(MATES, rel=0.03)
    assert strangers == pytest.approx(STRANGERS, abs=0.02)


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
