"""Acceptance, completeness, lifecycle: the small decisions, all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.acceptance import Accepted, Exhausted, Objection, TryAgain, better, decide, decide_on_all
from enrollment.core.dossier.completeness import MissingItem, fingers_asked_for, missing, still_asked_for
from enrollment.core.dossier.lifecycle import NEXT, TransitionRefused, require_transition
from enrollment.core.dossier.model import (
    AbsentFinger,
    Capture,
    CapturedFinger,
    Dossier,
    DossierState,
    FingerAbsence,
    QualityRecord,
)
from enrollment.core.dossier.plan import Plan, PlannedFingerprint, PlannedPortrait

RULE = PlannedFingerprint(1, accept_score=50, max_attempts=3)


def quality(score: int, *hints: str) -> QualityRecord:
    return QualityRecord(score, "a", "1", hints=hints)


@given(st.integers(0, 100), st.integers(1, 5), st.none() | st.sampled_from(Objection))
def test_decision_follows_score_tries_and_objection(score: int, attempt: int, objection: Objection | None) -> None:
    decision = decide(RULE, attempt, quality(score, "TOO_DRY"), objection)
    if score >= 50 and objection is None:
        assert decision == Accepted()
    elif attempt >= 3:
        assert isinstance(decision, Exhausted)
    else:
        assert isinstance(decision, TryAgain)


def test_hint_is_the_most_pressing_one_and_never_empty() -> None:
    assert decide(RULE, 1, quality(10, "TOO_WET", "BLURRED")) == TryAgain("TOO_WET")
    assert decide(RULE, 1, quality(10)) == TryAgain("CLEAN_PLATEN")
    assert decide(PlannedPortrait(), 1, quality(10)) == TryAgain("HOLD_STILL")
    assert decide(RULE, 1, quality(90), Objection.SAME_FINGER) == TryAgain("SAME_FINGER")


def test_several_fingers_are_accepted_together_or_the_first_that_is_not_says_why() -> None:
    assert decide_on_all([Accepted(), Accepted()]) == Accepted()
    assert decide_on_all([Accepted(), Exhausted("TOO_WET"), Exhausted("TOO_DRY")]) == Exhausted("TOO_WET")


def test_another_fingers_print_is_never_kept_before_one_that_is_not() -> None:
    same, doubtful = Objection.SAME_FINGER, Objection.OTHER_FINGER
    assert better(quality(20), quality(90), kept_objection=same)
    assert not better(quality(90), quality(20), candidate_objection=same)
    assert better(quality(20), quality(90), candidate_objection=doubtful, kept_objection=same)
    assert not better(quality(90), quality(20), candidate_objection=doubtful)
    assert better(quality(30), quality(20))
    assert not better(quality(20), quality(20))


def dossier(*absent: int, planned: tuple[PlannedFingerprint, ...]) -> Dossier:
    return Dossier(
        dossier_id="d",
        state=DossierState.OPEN,
        plan=Plan("plan", 1, "", "", planned),
        operator_id="o",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        absent_fingers=tuple(AbsentFinger(position, FingerAbsence.AMPUTATED, "", "o") for position in absent),
    )


def test_group_is_excused_only_when_each_of_its_fingers_is() -> None:
    slap = (PlannedFingerprint(13, "slap"),)
    assert missing(dossier(2, 3, 4, planned=slap)) == (MissingItem("fingerprint", "13"),)
    assert missing(dossier(2, 3, 4, 5, planned=slap)) == ()


def slap_of(*fingers: int) -> Capture:
    quality_of_all = quality(60)
    return Capture(
        capture_id="c",
        position=13,
        impression="slap",
        quality=quality_of_all,
        accepted=True,
        attempts=1,
        kept_attempt=1,
        operator_id="o",
        device_id="d",
        captured_at=datetime(2026, 1, 1, tzinfo=UTC),
        parts=(),
        fingers=tuple(CapturedFinger(finger, quality_of_all, True, 1, ()) for finger in fingers),
    )


def test_slap_without_a_finger_is_whole_only_while_that_finger_is_excused() -> None:
    planned = (PlannedFingerprint(13, "slap"),)
    excused = replace(dossier(5, planned=planned), captures=(slap_of(2, 3, 4),))
    assert fingers_asked_for(excused, 13) == (2, 3, 4)
    assert missing(excused) == ()
    asked_again = replace(excused, absent_fingers=())
    assert missing(asked_again) == (MissingItem("fingerprint", "13"),)
    assert still_asked_for(asked_again, 13) == {5}


@pytest.mark.parametrize(("present", "wanted"), list(product(DossierState, DossierState)))
def test_only_the_drawn_transitions_are_allowed(present: DossierState, wanted: DossierState) -> None:
    if wanted in NEXT[present]:
        require_transition("d", present, wanted)
    else:
        with pytest.raises(TransitionRefused):
            require_transition("d", present, wanted)


def test_no_state_leads_back() -> None:
    reachable = {state: set(NEXT[state]) for state in DossierState}
    for _ in DossierState:
        for state in DossierState:
            reachable[state] |= {further for after in reachable[state] for further in NEXT[after]}
    assert all(state not in after for state, after in reachable.items())


def test_repr_of_a_dossier_shows_no_personal_field() -> None:
    shown = repr(
        Dossier(
            dossier_id="d",
            state=DossierState.OPEN,
            plan=Plan("plan", 1, "", "", (RULE,)),
            operator_id="o",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            demographics={"full_name": "Nguyễn"},
            absent_fingers=(AbsentFinger(1, FingerAbsence.DAMAGED, "burnt", "o"),),
        )
    )
    assert "Nguyễn" not in shown
    assert "burnt" not in shown
