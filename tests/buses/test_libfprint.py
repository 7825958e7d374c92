"""Debian's libfprint as an outside judge: it must see in our models what our drivers see."""

from __future__ import annotations

import pytest

from bench.libfprint import MODELS, judge, judge_is_missing

pytestmark = pytest.mark.skipif(bool(judge_is_missing()), reason=judge_is_missing())

FINGER = 7
DRIVERS = {"4500": "uru4000", "msv2": "uru4000", "nb1010": "nb1010"}


@pytest.mark.parametrize("model", MODELS)
def test_picture_by_libfprint_equals_our_drivers_and_is_what_was_laid(model: str) -> None:
    judgement = judge(model, FINGER)
    assert judgement.driver == DRIVERS[model]
    assert judgement.libfprint.shape == judgement.laid.shape == judgement.ours.shape
    assert judgement.differing_from_ours == 0
    assert judgement.grey_levels_from_laid < 2.0
    assert judgement.correlation > 0.97
