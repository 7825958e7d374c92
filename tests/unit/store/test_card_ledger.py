"""The ledger of cards: states, what the tables refuse, pages while cards move, older files brought forward."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from enrollment.core.dossier.card_batch import CardArrival
from enrollment.core.dossier.card_lifecycle import CardNumberInvalid, CardState, CardTransitionRefused
from enrollment.core.errors import CardBelongsElsewhere, InvalidInput
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.card_ledger import CENTRE
from enrollment.service.store.errors import CardUnknown, DatabaseUnavailable
from enrollment.service.store.store import Store
from tests.unit.store.card_invariants import require_consistent
from tests.unit.store.conftest import CARD_PLAN, NAME, PLAN, NewDossier, SetClock


def history_of(store: Store, dossier_id: str) -> list[str]:
    return [change.state.value for change in store.cards.for_dossier(dossier_id).history]


def test_dossier_enters_when_complete_and_is_sent_with_its_receipt(store: Store, sent: NewDossier) -> None:
    dossier_id = sent()
    card = store.cards.for_dossier(dossier_id)
    assert (card.state, card.card_id, card.place, card.profile) == (CardState.SENT, None, "centre", "vn-cccd")
    assert [(change.state.value, change.operator_id) for change in card.history] == [
        ("collected", "op-1"),
        ("sent", "system"),
    ]
    assert store.audit.verify() > 0


def test_plan_without_a_card_enters_nothing(store: Store, collected: NewDossier) -> None:
    dossier_id = collected(PLAN)
    with pytest.raises(CardUnknown):
        store.cards.for_dossier(dossier_id)
    totals = store.cards.totals()
    assert (totals.collected, totals.unaccounted) == (0, 0)


def test_abandoned_dossier_enters_nothing_and_a_purged_one_keeps_its_card(store: Store, sent: NewDossier) -> None:
    given_up = store.dossiers.create(CARD_PLAN, {"full_name": NAME}, request_id="r", operator_id="op-1")
    store.dossiers.abandon(given_up.dossier_id, operator_id="op-1", why="left")
    dossier_id = sent()
    store.dossiers.purge(dossier_id, operator_id="sup-1")
    assert history_of(store, dossier_id) == ["collected", "sent"]
    totals = store.cards.totals()
    assert (totals.collected, totals.by_state[CardState.SENT], totals.unaccounted) == (1, 1, 0)


def test_personalised_twice_changes_nothing_and_another_card_is_refused(store: Store, sent: NewDossier) -> None:
    dossier_id = sent()
    card = store.cards.personalised(dossier_id, "A1B2", operator_id="op-2")
    assert (card.state, card.card_id, card.place) == (CardState.PERSONALISED, "A1B2", "station")
    assert store.cards.personalised(dossier_id, "A1B2", operator_id="op-2") == card
    with pytest.raises(CardTransitionRefused):
        store.cards.personalised(dossier_id, "C3D4", operator_id="op-2")
    with pytest.raises(CardBelongsElsewhere):
        store.cards.personalised(sent(), "A1B2", operator_id="op-2")
    assert history_of(store, dossier_id) == ["collected", "sent", "personalised"]


def test_card_is_not_made_before_the_registry_has_the_dossier(store: Store, collected: NewDossier) -> None:
    with pytest.raises(CardTransitionRefused):
        store.cards.personalised(collected(), "A1B2", operator_id="op-2")


@pytest.mark.parametrize("number", ["", "-A", "A-", "A B", "Đ1", "A" * 65, "A\n", "001300000001"])
def test_text_that_is_no_cards_number_is_refused(store: Store, sent: NewDossier, number: str) -> None:
    with pytest.raises(CardNumberInvalid) as refusal:
        store.cards.personalised(sent(), number, operator_id="op-2")
    assert "001300000001" not in f"{refusal.value}{refusal.value.facts}"


def test_spoiled_blank_leaves_the_dossiers_card_due(store: Store, sent: NewDossier) -> None:
    dossier_id = sent()
    bad = store.cards.spoiled(dossier_id, "BAD-1", operator_id="op-2", reason="lost at PUT KEY")
    assert (bad.state, bad.stands) == (CardState.SPOILED, False)
    assert store.cards.spoiled(dossier_id, "BAD-1", operator_id="op-2", reason="again") == bad
    assert store.cards.require_due(dossier_id).state is CardState.SENT
    with pytest.raises(CardTransitionRefused):
        store.cards.personalised(dossier_id, "BAD-1", operator_id="op-2")
    store.cards.personalised(dossier_id, "GOOD-1", operator_id="op-2")
    store.cards.spoiled(dossier_id, "GOOD-1", operator_id="op-2", reason="does not verify")
    assert store.cards.for_dossier(dossier_id).state is CardState.SENT
    store.cards.personalised(dossier_id, "GOOD-2", operator_id="op-2")
    totals = store.cards.totals()
    assert (totals.by_state[CardState.PERSONALISED], totals.spoiled, totals.unaccounted) == (1, 2, 0)


def test_blank_that_was_being_written_when_the_dossiers_card_arrived_is_spoiled_and_that_one_stays(
    store: Store, sent: NewDossier
) -> None:
    dossier_id = sent()
    store.card_batches.carry_out("b1", [CardArrival("FROM-CENTRE", dossier_id)], operator_id="op")
    spoiled = store.cards.spoiled(dossier_id, "BLANK", operator_id="op", reason="another came")
    assert (spoiled.state, spoiled.stands) == (CardState.SPOILED, False)
    stands = store.cards.for_dossier(dossier_id)
    assert (stands.card_id, stands.state) == ("FROM-CENTRE", CardState.ARRIVED)
    require_consistent(store)


def test_card_that_was_sent_back_is_destroyed_where_it_is(store: Store, sent: NewDossier) -> None:
    store.cards.personalised(sent(), "A1", operator_id="op")
    places = []
    for state in (CardState.RETURNED, CardState.DESTROYED):
        card = store.cards.retire("A1", state, operator_id="s", reason="torn", supervisor=True, request_id=state.value)
        places.append(card.place)
    assert places == [CENTRE, CENTRE]


def test_tables_refuse_a_second_card_a_lost_state_and_a_changed_history(store: Store, sent: NewDossier) -> None:
    sent()
    card = "insert into cards (entry, dossier_id, profile, state, place, since, stands, last_event)"
    line = "insert into card_events (number, entry, state, at, operator_id, place, reason)"
    for statement, refusal in {
        "update cards set state = 'somewhere'": "known_state",
        "update cards set state = null": "NOT NULL",
        "update cards set state = 'arrived'": "numbered_once_made",
        "update cards set card_id = 'A1'": "numbered_once_made",
        "update cards set card_id = 'A1', state = 'spoiled'": "spoiled_stands_for_none",
        f"{card} select 99, dossier_id, profile, 'sent', place, since, 1, 99 from cards": "UNIQUE",  # noqa: S608
        "update card_events set reason = 'nothing happened'": "only grows",
        "delete from card_events": "only grows",
        f"{line} values (99, 99, 'sent', 0, 'op', 'here', '')": "FOREIGN KEY",
        f"{line} values (99, 1, 'handed-over', 0, 'op', 'here', '')": "handed_over_with_receipt",
    }.items():
        with pytest.raises(DatabaseUnavailable, match=refusal), store.database.write() as connection:
            connection.exec_driver_sql(statement)
    assert store.cards.totals().unaccounted == 0


def test_pages_hold_every_card_once_while_others_move(store: Store, clock: SetClock, sent: NewDossier) -> None:
    dossiers = [sent() for _ in range(7)]
    clock.move(-3600)  # the station's clock is set back: the order does not follow it
    first = store.cards.list(3, "")
    assert [card.dossier_id for card in first.cards] == dossiers[:3]
    store.cards.personalised(dossiers[0], "A0", operator_id="op")
    store.cards.personalised(dossiers[4], "A4", operator_id="op")
    rest, token = [], first.next_page_token
    while token:
        page = store.cards.list(3, token)
        rest += [(card.dossier_id, card.state.value) for card in page.cards]
        token = page.next_page_token
    still = [(one, "sent") for one in (dossiers[3], dossiers[5], dossiers[6])]
    assert rest == [*still, (dossiers[0], "personalised"), (dossiers[4], "personalised")]
    with pytest.raises(InvalidInput):
        store.cards.list(3, "1; drop table cards")


def test_list_tells_which_where_and_since_when(store: Store, clock: SetClock, sent: NewDossier) -> None:
    old, new = sent(), sent()
    clock.move(3600)
    since = clock.now()
    store.cards.personalised(new, "A1", operator_id="op")
    assert [card.dossier_id for card in store.cards.list(9, "", unchanged_since=since).cards] == [old]
    assert [card.dossier_id for card in store.cards.list(9, "", state=CardState.PERSONALISED).cards] == [new]
    assert [card.dossier_id for card in store.cards.list(9, "", place="centre").cards] == [old]
    store.cards.spoiled(new, "A1", operator_id="op", reason="dead")
    both = [(card.card_id, card.stands) for card in store.cards.list(9, "", dossier_id=new).cards]
    assert both == [("A1", False), (None, True)]


# ------------------------------------------------------------------------------------------------------ older files


def schema(path: Path) -> dict[str, object]:
    """Columns, indexes, keys, constraints and triggers by name, as SQLite has them, however they were written."""
    with sqlite3.connect(path) as connection:
        named = connection.execute("select type, name, tbl_name, sql from sqlite_master order by name").fetchall()
        found: dict[str, object] = {}
        for kind, name, table, sql in named:
            words = " ".join((sql or "").split()).replace("( ", "(").replace(" )", ")").replace('"', "")
            if kind == "table":
                columns = connection.execute(f"pragma table_info('{name}')").fetchall()
                keys = sorted(connection.execute(f"pragma foreign_key_list('{name}')").fetchall())
                checks = sorted(part.split(", ")[0] for part in words.split("CONSTRAINT ")[1:])
                found[name] = sorted(column[1:] for column in columns), keys, checks
            else:
                found[name] = kind, table, words
    return found


def as_version_1(path: Path, *, plan_id: str) -> None:
    """Take out of a file what versions 2 and 3 added: what is left is what version 1 wrote."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """drop table card_orders;
            drop table card_batch_rows; drop table card_batches; drop table card_events; drop table cards;
            drop index dossiers_with_card; alter table dossiers drop column card_profile; pragma user_version = 1;"""
        )
        connection.execute(
            "update dossiers set plan = json_remove(json_set(plan, '$.plan_id', ?), '$.card_profile')", (plan_id,)
        )
    connection.close()


def test_older_files_dossiers_enter_as_what_they_are(
    store: Store, clock: SetClock, keys: SoftwareKeys, collected: NewDossier, sent: NewDossier, tmp_path: Path
) -> None:
    waiting, acknowledged, purged = collected(), sent(), sent()
    store.dossiers.purge(purged, operator_id="sup-1")
    still_open = store.dossiers.create(CARD_PLAN, {"full_name": NAME}, request_id="r", operator_id="op-1").dossier_id
    given_up = store.dossiers.create(CARD_PLAN, {"full_name": NAME}, request_id="s", operator_id="op-1").dossier_id
    store.dossiers.abandon(given_up, operator_id="op-1", why="left")
    store.close()
    path = store.database.path
    as_version_1(path, plan_id="card-issue")
    newer = Store.open(path, clock, keys, place="T-1")
    assert newer.cards.for_dossier(waiting).place == "T-1"
    assert history_of(newer, waiting) == ["collected"]
    assert history_of(newer, acknowledged) == history_of(newer, purged) == ["collected", "sent"]
    assert newer.cards.for_dossier(purged).since == clock.now()
    for absent in (still_open, given_up):
        with pytest.raises(CardUnknown):
            newer.cards.for_dossier(absent)
    assert newer.dossiers.get(still_open).plan.card_profile == "vn-cccd", "it enters when it is complete"
    totals = newer.cards.totals()
    assert (totals.collected, totals.by_state[CardState.SENT], totals.unaccounted) == (3, 2, 0)
    newer.cards.personalised(acknowledged, "A1", operator_id="op-2")
    newer.close()
    Store.open(tmp_path / "fresh.db", clock, keys).close()
    assert schema(path) == schema(tmp_path / "fresh.db")


def test_older_files_other_procedures_stay_without_a_card(
    store: Store, clock: SetClock, keys: SoftwareKeys, sent: NewDossier
) -> None:
    dossier_id = sent()
    store.close()
    as_version_1(store.database.path, plan_id="level2-eid")
    newer = Store.open(store.database.path, clock, keys)
    with pytest.raises(CardUnknown):
        newer.cards.for_dossier(dossier_id)
    assert newer.dossiers.get(dossier_id).plan.card_profile == ""
    newer.close()
