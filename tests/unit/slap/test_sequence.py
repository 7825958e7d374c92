"""Prints against rolled ones: what is swapped, repeated, another person's, or not sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.toy_templates import ToyFinger, draw_finger, draw_impression
from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint import (
    FingerprintTemplate,
    PositionCheck,
    PositionVerdict,
    SequenceReport,
    check_sequence,
    compare,
)
from enrollment.core.fingerprint.sequence import SessionScores, judge_session, score_each_other
from enrollment.core.fingerprint.slap_parameters import SEQUENCE

Prints = dict[int, FingerprintTemplate]
LEFT_FOUR = (7, 8, 9, 10)


@pytest.fixture(scope="module")
def people() -> list[tuple[Prints, Prints, Prints]]:
    """Two people: a print, a rolled print and another rolled one of each finger."""
    rng = np.random.default_rng(21)
    return [_person(rng, {position: draw_finger(rng) for position in range(1, 11)}) for _ in range(2)]


def _person(rng: np.random.Generator, fingers: dict[int, ToyFinger]) -> tuple[Prints, Prints, Prints]:
    first, second, third = (
        {position: draw_impression(finger, rng, turn=0.3).template for position, finger in fingers.items()}
        for _ in range(3)
    )
    return first, second, third


def by_position(report: SequenceReport) -> dict[int, PositionCheck]:
    return {check.position: check for check in report.checks}


def test_session_in_order_matches_everywhere(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    report = check_sequence(prints, rolled)
    assert report.in_order
    assert [check.position for check in report.checks] == list(range(1, 11))
    for check in report.checks:
        assert check.verdict is PositionVerdict.MATCHES
        assert check.other is None
        assert check.score > 2.0 > check.other_score
    assert report.other_person == {}


@pytest.mark.parametrize(("first", "second"), [(2, 3), (4, 9), (1, 6)])
def test_exchanged_positions_are_swapped_with_each_other(
    people: list[tuple[Prints, Prints, Prints]], first: int, second: int
) -> None:
    prints, rolled, _ = people[0]
    report = check_sequence(prints, {**rolled, first: rolled[second], second: rolled[first]})
    checks = by_position(report)
    assert (checks[first].verdict, checks[first].other) == (PositionVerdict.SWAPPED, second)
    assert (checks[second].verdict, checks[second].other) == (PositionVerdict.SWAPPED, first)
    assert not report.in_order
    others = [check for check in report.checks if check.position not in {first, second}]
    assert all(check.verdict is PositionVerdict.MATCHES for check in others)


def test_three_positions_moved_round_are_all_swapped(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    checks = by_position(check_sequence(prints, {**rolled, 2: rolled[3], 3: rolled[4], 4: rolled[2]}))
    assert {checks[position].verdict for position in (2, 3, 4)} == {PositionVerdict.SWAPPED}


def test_hands_exchanged_as_a_whole_are_swapped_finger_by_finger(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    exchanged = {position: prints[position + 5 if position <= 5 else position - 5] for position in prints}
    checks = by_position(check_sequence(exchanged, rolled))
    for position in (2, 3, 4, 5):
        assert (checks[position].verdict, checks[position].other) == (PositionVerdict.SWAPPED, position + 5)


def test_finger_rolled_twice_is_repeated_at_the_place_that_is_not_its_own(
    people: list[tuple[Prints, Prints, Prints]],
) -> None:
    prints, rolled, again = people[0]
    checks = by_position(check_sequence(prints, {**rolled, 4: again[3]}))
    assert (checks[4].verdict, checks[4].other) == (PositionVerdict.REPEATED, 3)
    assert checks[3].verdict is PositionVerdict.MATCHES


def test_finger_captured_twice_on_both_sides_is_repeated_at_both_places(
    people: list[tuple[Prints, Prints, Prints]],
) -> None:
    prints, rolled, again = people[0]
    checks = by_position(check_sequence({**prints, 4: again[3]}, {**rolled, 4: rolled[3]}))
    assert (checks[3].verdict, checks[3].other) == (PositionVerdict.REPEATED, 4)
    assert (checks[4].verdict, checks[4].other) == (PositionVerdict.REPEATED, 3)


def test_finger_captured_twice_before_its_rolled_prints_is_repeated(
    people: list[tuple[Prints, Prints, Prints]],
) -> None:
    prints, _, again = people[0]
    checks = by_position(check_sequence({2: prints[2], 3: again[2], 4: prints[4]}, {}))
    assert (checks[2].verdict, checks[2].other) == (PositionVerdict.REPEATED, 3)
    assert (checks[3].verdict, checks[3].other) == (PositionVerdict.REPEATED, 2)
    assert checks[4].verdict is PositionVerdict.ONE_SIDE


def test_hand_of_another_person_is_named(people: list[tuple[Prints, Prints, Prints]]) -> None:
    (prints, rolled, _), (other, _, _) = people
    report = check_sequence({**prints, **{position: other[position] for position in LEFT_FOUR}}, rolled)
    checks = by_position(report)
    for position in range(1, 11):
        wrong = position in LEFT_FOUR
        assert checks[position].verdict is (PositionVerdict.OTHER_PERSON if wrong else PositionVerdict.MATCHES)
    assert list(report.other_person) == [LEFT_FOUR]
    assert report.other_person[LEFT_FOUR] < SEQUENCE.other_person


def test_one_finger_that_does_not_match_is_not_sure(people: list[tuple[Prints, Prints, Prints]]) -> None:
    (prints, rolled, _), (other, _, _) = people
    report = check_sequence({**prints, 8: other[8]}, rolled)
    checks = by_position(report)
    assert checks[8].verdict is PositionVerdict.NOT_SURE
    assert not report.in_order
    assert report.other_person == {}


def test_poor_prints_of_a_hand_that_do_not_match_are_not_called_another_persons(
    people: list[tuple[Prints, Prints, Prints]],
) -> None:
    (prints, rolled, _), (other, _, _) = people
    poor = {position: _fewest(other[position], 5) for position in LEFT_FOUR}
    report = check_sequence({**prints, **poor}, rolled)
    checks = by_position(report)
    assert all(checks[position].verdict is PositionVerdict.NOT_SURE for position in LEFT_FOUR)
    assert report.other_person[LEFT_FOUR] > SEQUENCE.other_person


def test_prints_are_scored_in_full_whichever_came_first(people: list[tuple[Prints, Prints, Prints]]) -> None:
    templates = [*people[0][0].values(), *people[0][1].values()][5:15]
    scores = score_each_other(templates)
    for row, one in enumerate(templates):
        for column, other in enumerate(templates):
            wanted = 0.0 if row == column else compare(one, other)
            assert scores[row, column] == wanted


def thumbs_of_another(likeness: float) -> SessionScores:
    """Ten positions that match, but the thumbs, of which one is `likeness` alike to position 3."""
    scores = np.zeros((2, 10, 2, 10), np.float32)
    for index in (1, 2, 3, 4, 6, 7, 8, 9):
        scores[0, index, 1, index] = scores[1, index, 0, index] = 40.0
    scores[0, 0, 1, 2] = scores[1, 2, 0, 0] = likeness
    return SessionScores(tuple(range(1, 11)), np.ones((2, 10), np.bool_), scores, np.full((2, 10), 20.0, np.float32))


@pytest.mark.parametrize(
    ("likeness", "verdict", "other"),
    [
        (SEQUENCE.match_score - 0.1, PositionVerdict.OTHER_PERSON, None),
        (SEQUENCE.match_score + 0.1, PositionVerdict.OTHER_PERSON, None),  # by chance: it explains no hand
        (SEQUENCE.same_score + 0.1, PositionVerdict.REPEATED, 3),
    ],
)
def test_hand_of_another_person_is_hidden_only_by_what_is_clearly_elsewhere(
    likeness: float, verdict: PositionVerdict, other: int | None
) -> None:
    checks = by_position(judge_session(thumbs_of_another(likeness)))
    assert (checks[1].verdict, checks[1].other) == (verdict, other)
    assert (checks[6].verdict is PositionVerdict.OTHER_PERSON) is (verdict is PositionVerdict.OTHER_PERSON)
    assert checks[3].verdict is not PositionVerdict.NOT_SURE


def test_one_print_of_a_hand_is_never_called_another_persons(people: list[tuple[Prints, Prints, Prints]]) -> None:
    (prints, rolled, _), (other, _, _) = people
    report = check_sequence({2: other[2], 7: prints[7]}, {2: rolled[2], 7: rolled[7]})
    assert by_position(report)[2].verdict is PositionVerdict.NOT_SURE
    assert report.other_person == {}


def test_empty_template_is_not_sure(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    checks = by_position(check_sequence({**prints, 2: _fewest(prints[2], 0)}, rolled))
    assert checks[2].verdict is PositionVerdict.NOT_SURE
    assert checks[2].score == 0.0


def test_positions_of_one_side_only_are_not_compared(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    report = check_sequence({2: prints[2], 3: prints[3]}, {3: rolled[3], 4: rolled[4]})
    verdicts = [check.verdict for check in report.checks]
    assert verdicts == [PositionVerdict.ONE_SIDE, PositionVerdict.MATCHES, PositionVerdict.ONE_SIDE]
    assert report.in_order


def test_nothing_to_check_is_in_order() -> None:
    report = check_sequence({}, {})
    assert report.checks == ()
    assert report.in_order


def test_position_that_does_not_exist_is_refused(people: list[tuple[Prints, Prints, Prints]]) -> None:
    prints, rolled, _ = people[0]
    with pytest.raises(InvalidInput, match="finger position"):
        check_sequence({**prints, 13: prints[2]}, rolled)


def _fewest(template: FingerprintTemplate, count: int) -> FingerprintTemplate:
    """Keep the first minutiae only."""
    return replace(
        template,
        positions=template.positions[:count],
        directions=template.directions[:count],
        kinds=template.kinds[:count],
        reliabilities=template.reliabilities[:count],
    )
