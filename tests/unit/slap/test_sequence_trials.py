"""How the bench tries the sequence check: tables, outcomes with intervals, the fit."""

from __future__ import annotations

import numpy as np
import pytest

from bench.sequence_fit import Mates, false_alarms, likeliest_shares
from bench.sequence_trials import Outcomes, PrintTable, Session, try_session
from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint import FingerprintTemplate, PositionVerdict, check_sequence
from enrollment.core.fingerprint.slap_parameters import SEQUENCE

OWNERS = range(1, 11)


@pytest.fixture(scope="module")
def templates() -> list[FingerprintTemplate]:
    """Three impressions of each of ten fingers, then one of each of ten others."""
    rng = np.random.default_rng(8)
    owner, other = ([draw_finger(rng) for _ in OWNERS] for _ in range(2))
    fingers = [*owner, *owner, *owner, *other]
    return [draw_impression(finger, rng, turn=0.3).template for finger in fingers]


@pytest.fixture(scope="module")
def table(templates: list[FingerprintTemplate]) -> PrintTable:
    return PrintTable.of(templates, [*range(10), *range(10), *range(10), *range(10, 20)])


def rows(first: int) -> dict[int, int]:
    return {position: first + position - 1 for position in OWNERS}


def test_session_of_a_table_is_checked_as_its_templates_are(
    table: PrintTable, templates: list[FingerprintTemplate]
) -> None:
    prints, rolled = {1: 0, 2: 1, 4: 32, 7: 6}, {1: 10, 2: 20, 3: 21, 4: 13, 7: 16}
    wanted = check_sequence(*({at: templates[row] for at, row in side.items()} for side in (prints, rolled)))
    found = table.check(prints, rolled)
    for one, other in zip(found.checks, wanted.checks, strict=True):
        assert (one.position, one.verdict, one.other) == (other.position, other.verdict, other.other)
        assert one.score == pytest.approx(other.score, rel=1e-4)
    assert found.checks[1].verdict is PositionVerdict.REPEATED


def test_wrong_sessions_are_found_and_the_right_one_raises_no_alarm(table: PrintTable) -> None:
    session = Session(rows(0), rows(10), rows(20), [rows(30)])
    outcomes = try_session(table, session, np.random.default_rng(0), 12)
    assert outcomes.count("alarms") == (0, 10)
    assert outcomes.count("alarms beside") == (0, 96)
    assert outcomes.count("matches") == (10, 10)
    for name, of in (("swapped", 12), ("repeated", 12), ("other hand", 2), ("other thumbs", 1)):
        assert outcomes.count(name) == (of, of)
        assert outcomes.count(f"{name}, noticed") == (of, of)


def test_hand_of_the_owner_is_not_counted_as_another_persons(table: PrintTable) -> None:
    session = Session(rows(0), rows(10), rows(20), [rows(20)])
    outcomes = try_session(table, session, np.random.default_rng(0), 1)
    assert outcomes.count("other hand") == (0, 2)
    assert outcomes.count("other hand, noticed") == (0, 2)


def test_interval_is_wide_where_one_finger_makes_all_the_misses() -> None:
    spread, one = Outcomes(), Outcomes()
    for trial in range(400):
        finger = trial % 20
        spread.add("found", trial // 20 % 20 != finger, (finger,))
        one.add("found", finger != 7, (finger,))
    assert spread.count("found") == one.count("found") == (380, 400)
    narrow, wide = (each.interval("found", np.random.default_rng(1)) for each in (spread, one))
    assert narrow.low == pytest.approx(0.95) == narrow.high
    assert wide.low < 0.9 < 0.99 < wide.high


def test_outcomes_of_two_sets_keep_their_fingers_apart() -> None:
    first, second = Outcomes(), Outcomes()
    first.add("found", True, (0, 1))
    second.add("found", False, (0, 1))
    first.extend(second, 2)
    assert first.count("found") == (1, 2)
    assert first.fingers["found"] == [(0, 1), (2, 3)]


def test_shares_of_missed_mates_are_found_again() -> None:
    rng = np.random.default_rng(3)
    reliabilities = rng.uniform(0.0, 24.0, 40_000)
    truth = np.interp(reliabilities, SEQUENCE.missed_reliabilities, (0.6, 0.08, 0.02))
    mates = Mates(reliabilities, np.where(rng.random(40_000) < truth, 0.1, 30.0))
    found = likeliest_shares(mates, SEQUENCE.missed_reliabilities)
    assert found == pytest.approx([0.6, 0.08, 0.02], rel=0.15)


def test_false_alarms_are_those_of_hands_that_miss_altogether() -> None:
    good = np.full(1_000, SEQUENCE.missed_reliabilities[-1])
    mates = Mates(good, np.where(np.arange(1_000) < 100, 0.1, 30.0))
    falsely, possible = false_alarms(mates, 2, SEQUENCE.other_person, np.random.default_rng(0))
    assert falsely == pytest.approx(0.01, rel=0.1)
    assert possible == 1.0
    assert false_alarms(mates, 2, -1e9, np.random.default_rng(0)) == (0.0, 0.0)
