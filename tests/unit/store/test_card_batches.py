"""Lists that arrive: what becomes of each row, the same list again, another list under the same name."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from enrollment.core.dossier.card_batch import MAX_ROWS, CardArrival, CardBatchMalformed, RowOutcome, batch_digest
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.core.errors import InvalidInput
from enrollment.service.store.errors import CardBatchConflict, CardBatchUnknown
from enrollment.service.store.store import Store
from tests.unit.store.card_invariants import require_consistent
from tests.unit.store.conftest import NewDossier


def test_each_row_is_answered_and_none_is_dropped(store: Store, collected: NewDossier, sent: NewDossier) -> None:
    plain, made, gone, dead, given, early = sent(), sent(), sent(), sent(), sent(), collected()
    cards = store.cards
    for dossier_id, card_id in ((made, "MADE"), (gone, "GONE"), (dead, "DEAD"), (given, "GIVEN")):
        cards.personalised(dossier_id, card_id, operator_id="op")
    for card_id in ("GONE", "DEAD"):
        cards.retire(card_id, CardState.DESTROYED, operator_id="s", reason="torn", supervisor=True, request_id=card_id)
    cards.hand_over("GIVEN", replace(cards.act("op", request_id="h"), receipt=b"signed"))
    stranger, far = str(uuid.uuid4()), str(uuid.uuid4())
    rows = {
        CardArrival("NEW", plain): (RowOutcome.ARRIVED, ""),
        CardArrival("MADE", made): (RowOutcome.ARRIVED, ""),
        CardArrival("NEXT", gone): (RowOutcome.ARRIVED, ""),
        CardArrival("GIVEN", given): (RowOutcome.WRONG_STATE, "handed-over"),
        CardArrival("EARLY", early): (RowOutcome.WRONG_STATE, "collected"),
        CardArrival("DEAD"): (RowOutcome.WRONG_STATE, "destroyed"),
        CardArrival("LOST"): (RowOutcome.UNKNOWN_CARD, ""),
        CardArrival("FAR", stranger): (RowOutcome.UNKNOWN_DOSSIER, ""),
        CardArrival("FAR2", far, "T-2"): (RowOutcome.OTHER_POINT, "T-2"),
        CardArrival("NEW", stranger): (RowOutcome.DUPLICATE, "1"),
        CardArrival("SECOND", made): (RowOutcome.DUPLICATE, "2"),
        CardArrival("BAD CARD", plain): (RowOutcome.MALFORMED, ""),
        CardArrival("001099000001", plain): (RowOutcome.MALFORMED, ""),
        CardArrival("BAD-DOSSIER", "no-uuid"): (RowOutcome.MALFORMED, ""),
        CardArrival("FAR", plain): (RowOutcome.DUPLICATE, "1"),  # not of the row that named an unknown dossier
    }
    batch = store.card_batches.carry_out("b1", list(rows), operator_id="op-9", place="safe 2")
    assert batch.rows == len(rows) == sum(batch.counts.values())
    others = store.card_batches.not_arrived("b1", 500, "").rows
    found = {row.number: (row.outcome, row.found) for row in others}
    for number, expected in enumerate(rows.values(), 1):
        assert found.get(number, (RowOutcome.ARRIVED, "")) == expected, list(rows)[number - 1]
    assert next(row.card_id for row in others if row.number == 13) == "*" * 12, "a personal number is not kept"
    for card_id in ("NEW", "MADE", "NEXT"):
        card = cards.get(card_id)
        assert (card.state, card.place, card.stands) == (CardState.ARRIVED, "safe 2", True)
        assert (card.history[-1].batch_id, card.history[-1].operator_id) == ("b1", "op-9")
    assert (cards.get("GONE").stands, cards.get("GONE").state) == (False, CardState.DESTROYED)
    require_consistent(store)


def test_same_list_again_changes_nothing_and_another_is_refused(store: Store, sent: NewDossier) -> None:
    rows = [CardArrival("A1", sent()), CardArrival("A2")]
    first = store.card_batches.carry_out("b1", rows, operator_id="op")
    events = store.cards.get("A1").history
    again = store.card_batches.carry_out("b1", rows, operator_id="op-2")
    assert (again.repeated, again.counts, again.operator_id) == (True, first.counts, "op")
    assert store.cards.get("A1").history == events
    with pytest.raises(CardBatchConflict):
        store.card_batches.carry_out("b1", rows[:1], operator_id="op")
    other = store.card_batches.carry_out("b2", rows[:1], operator_id="op")
    assert other.counts == {RowOutcome.ALREADY_ARRIVED: 1}
    assert store.card_batches.get("b2").counts == other.counts
    require_consistent(store)


def test_card_made_for_another_dossier_stays_where_it_is(store: Store, sent: NewDossier) -> None:
    mine, other = sent(), sent()
    store.cards.personalised(mine, "A1", operator_id="op")
    rows = [CardArrival("A1", other), CardArrival("A2", mine)]
    store.card_batches.carry_out("b1", rows, operator_id="op")
    found = [(row.outcome, row.found) for row in store.card_batches.not_arrived("b1", 500, "").rows]
    assert found == [(RowOutcome.OTHER_DOSSIER, mine), (RowOutcome.OTHER_CARD, "A1")]
    assert store.cards.get("A1").state is CardState.PERSONALISED


def test_letters_of_numbers_and_ids_count_alike_small_or_capital(store: Store, sent: NewDossier) -> None:
    made, due = sent(), sent()
    store.cards.personalised(made, "4a01b2c3d4", operator_id="op")
    rows = [CardArrival("4a01B2c3D4", made.upper()), CardArrival("ff01", due.upper()), CardArrival("FF01", made)]
    batch = store.card_batches.carry_out("b1", rows, operator_id="op")
    assert batch.counts == {RowOutcome.ARRIVED: 2, RowOutcome.DUPLICATE: 1}
    assert batch.sha256 == batch_digest(rows) != batch_digest([replace(row, card_id="X") for row in rows])
    for card_id, dossier_id in (("4A01B2C3D4", made), ("FF01", due)):
        assert (store.cards.get(card_id).dossier_id, store.cards.get(card_id).state) == (dossier_id, CardState.ARRIVED)
    again = store.card_batches.carry_out("b2", [CardArrival("ff01"), CardArrival("4a01b2c3d4")], operator_id="op")
    assert again.counts == {RowOutcome.ALREADY_ARRIVED: 2}
    require_consistent(store)


def test_row_that_did_not_arrive_does_not_stand_in_the_way_of_the_right_one(store: Store, sent: NewDossier) -> None:
    dossier_id = sent()
    rows = [CardArrival("A1", dossier_id, "T-2"), CardArrival("A1", str(uuid.uuid4())), CardArrival("A1", dossier_id)]
    batch = store.card_batches.carry_out("b1", rows, operator_id="op")
    assert batch.counts == {RowOutcome.OTHER_POINT: 1, RowOutcome.UNKNOWN_DOSSIER: 1, RowOutcome.ARRIVED: 1}
    require_consistent(store)


def test_unknown_cards_are_told_behind_however_many_that_are_known(store: Store, sent: NewDossier) -> None:
    known = [CardArrival(f"K{number}", sent()) for number in range(3)]
    store.card_batches.carry_out("b1", known, operator_id="op")
    strangers = [CardArrival("U1"), CardArrival("U2", str(uuid.uuid4())), CardArrival("U3")]
    store.card_batches.carry_out("b2", [*known, *strangers], operator_id="op")
    assert store.card_batches.unknown("b2", 2) == ("U1", "U2")
    assert store.card_batches.unknown("b2", 500) == ("U1", "U2", "U3")


def test_rows_that_did_not_arrive_come_in_pages(store: Store) -> None:
    rows = [CardArrival(f"A{number}") for number in range(7)]
    store.card_batches.carry_out("b1", rows, operator_id="op")
    numbers, token = [], ""
    while True:
        page = store.card_batches.not_arrived("b1", 3, token)
        numbers += [row.number for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert numbers == list(range(1, 8))


def test_sizes_and_names_are_bounded(store: Store) -> None:
    for rows in ([], [CardArrival("A")] * (MAX_ROWS + 1)):
        with pytest.raises(CardBatchMalformed):
            store.card_batches.carry_out("b1", rows, operator_id="op")
    with pytest.raises(InvalidInput):
        store.card_batches.not_arrived("b1", 5, "no-token")
    with pytest.raises(CardBatchUnknown):
        store.card_batches.get("b1")
