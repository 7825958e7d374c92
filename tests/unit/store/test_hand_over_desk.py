"""The desk and the clock: within the shift a hand-over can be undone, after it no more, whatever the clock says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from enrollment.core.dossier.card_batch import CardArrival, RowOutcome
from enrollment.core.dossier.card_lifecycle import CardState, CardTransitionRefused, ShiftIsOver
from enrollment.core.sealing.hand_over_receipt import verify_hand_over, verify_void
from enrollment.service.capture.hand_over import HandOverDesk
from enrollment.service.config import HandOverConfig
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.errors import RequestConflict
from enrollment.service.store.operator_sessions import OperatorSession, Role
from enrollment.service.store.store import Store
from tests.unit.store.card_invariants import require_consistent
from tests.unit.store.conftest import NewDossier, SetClock

SHIFT = timedelta(hours=8)


@pytest.fixture
def desk(store: Store, keys: SoftwareKeys) -> HandOverDesk:
    return HandOverDesk(store.cards, keys, "T-1", HandOverConfig(shift=SHIFT))


@pytest.fixture
def second(clock: SetClock) -> OperatorSession:
    return OperatorSession("op-2", Role.OPERATOR, clock.now())


def vouch(desk: HandOverDesk, second: OperatorSession, card_id: str, request_id: str) -> None:
    desk.vouched(card_id, "", second, operator_id="op-1", reason="bandaged", request_id=request_id)


def test_card_that_was_made_here_goes_out_and_comes_back_to_where_it_was(
    store: Store, desk: HandOverDesk, keys: SoftwareKeys, second: OperatorSession, clock: SetClock, sent: NewDossier
) -> None:
    dossier_id = sent()
    store.cards.personalised(dossier_id, "A1", operator_id="op")
    vouch(desk, second, "A1", "r1")
    clock.move(SHIFT.total_seconds())
    undone = desk.undo("A1", operator_id="sup", reason="twin", request_id="u1")
    assert (undone.state, undone.place) == (CardState.PERSONALISED, "station")
    vouch(desk, second, "A1", "r1")  # the same request again: the card as it is, no second hand-over
    assert store.cards.get("A1").state is CardState.PERSONALISED
    vouch(desk, second, "A1", "r2")
    receipt, void = store.cards.receipts("A1")
    assert void == b""
    trusted = {keys.key_id: keys.verifying_key}
    assert str(verify_hand_over(receipt, trusted).dossier_id) == dossier_id
    desk.undo("A1", operator_id="sup", reason="again", request_id="u2")
    receipt, void = store.cards.receipts("A1")
    assert verify_void(void, trusted, receipt).reason == "again"
    require_consistent(store)


def test_card_that_was_given_back_arrives_again_and_goes_out_again(
    store: Store, desk: HandOverDesk, keys: SoftwareKeys, second: OperatorSession, clock: SetClock, sent: NewDossier
) -> None:
    dossier_id = sent()
    store.card_batches.carry_out("b1", [CardArrival("A1", dossier_id)], operator_id="op", place="safe 2")
    vouch(desk, second, "A1", "r1")
    first, _ = store.cards.receipts("A1")
    store.cards.retire("A1", CardState.RETURNED, operator_id="s", reason="twin", supervisor=True, request_id="back")
    with pytest.raises(CardTransitionRefused):
        vouch(desk, second, "A1", "r2")
    with pytest.raises(CardTransitionRefused):
        desk.undo("A1", operator_id="sup", reason="twin", request_id="u1")
    again = store.card_batches.carry_out("b2", [CardArrival("a1")], operator_id="op", place="safe 3")
    assert again.counts == {RowOutcome.ARRIVED: 1}
    clock.move(2 * SHIFT.total_seconds())
    vouch(desk, second, "A1", "r2")
    receipt, void = store.cards.receipts("A1")
    assert (receipt == first, void) == (False, b"")
    undone = desk.undo("A1", operator_id="sup", reason="twin", request_id="u1")
    assert (undone.state, undone.place, undone.undone) == (CardState.ARRIVED, "safe 3", True)
    receipt, void = store.cards.receipts("A1")
    assert verify_void(void, {keys.key_id: keys.verifying_key}, receipt).reason == "twin"
    require_consistent(store)


@pytest.mark.parametrize("moved_s", [SHIFT.total_seconds() + 1, -1])
def test_hand_over_stays_once_the_shift_is_over_or_the_clock_was_set_back(
    store: Store, desk: HandOverDesk, second: OperatorSession, clock: SetClock, sent: NewDossier, moved_s: float
) -> None:
    store.cards.personalised(sent(), "A1", operator_id="op")
    vouch(desk, second, "A1", "r1")
    clock.move(moved_s)
    with pytest.raises(ShiftIsOver):
        desk.undo("A1", operator_id="sup", reason="twin", request_id="u1")
    assert store.cards.get("A1").state is CardState.HANDED_OVER


def test_what_was_not_handed_over_is_not_undone_and_a_request_serves_one_card(
    store: Store, desk: HandOverDesk, second: OperatorSession, sent: NewDossier
) -> None:
    for card_id in ("A1", "B1"):
        store.cards.personalised(sent(), card_id, operator_id="op")
    with pytest.raises(CardTransitionRefused):
        desk.undo("A1", operator_id="sup", reason="twin", request_id="u1")
    vouch(desk, second, "A1", "r1")
    with pytest.raises(RequestConflict):
        vouch(desk, second, "B1", "r1")
    assert store.cards.get("B1").state is CardState.PERSONALISED
    with pytest.raises(RequestConflict):  # of the same card, but for another act
        store.cards.retire(
            "A1", CardState.RETURNED, operator_id="sup", reason="moved", supervisor=True, request_id="r1"
        )
