"""What must hold of the ledger of cards at every moment, whatever was done or cut short."""

from __future__ import annotations

import itertools

from enrollment.core.dossier.card_lifecycle import NEXT, CardState
from enrollment.service.store.store import Store

ENTERS = {CardState.COLLECTED, CardState.SENT, CardState.PERSONALISED, CardState.ARRIVED, CardState.SPOILED}


def require_consistent(store: Store) -> None:
    """Every dossier's card is in exactly one state, and the history says how it came there."""
    with store.database.read() as connection:
        ask = connection.exec_driver_sql
        owed = (
            "select dossier_id from dossiers where card_profile is not null"
            " and state in ('complete', 'sealed', 'acknowledged', 'purged') order by 1"
        )
        assert ask(owed).all() == ask("select dossier_id from cards where stands order by 1").all()
        lines: dict[int, list[tuple[int, CardState, int, str]]] = {}
        for number, entry, state, at, place in ask(
            "select number, entry, state, at, place from card_events order by number"
        ):
            lines.setdefault(entry, []).append((number, CardState(state), at, place))
        cards = ask("select entry, last_event, state, since, place, card_id from cards order by entry").all()
        assert sorted(lines) == [card.entry for card in cards], "a card without history, or the reverse"
        for card in cards:
            history = lines[card.entry]
            assert history[-1] == (card.last_event, CardState(card.state), card.since, card.place)
            assert history[0][1] in ENTERS
            for before, after in itertools.pairwise(history):
                assert after[1] in NEXT[before[1]], f"{before[1]} -> {after[1]}"
        written = ask(
            "select count(*) from audit where action glob 'card-*'"
            " and action not in ('card-batch-imported', 'card-finger-not-matched')"
        ).scalar_one()
        assert written == ask("select count(*) from card_events where batch_id is null").scalar_one()
        arrived = ask("select coalesce(sum(arrived), 0) from card_batches").scalar_one()
        assert arrived == ask("select count(*) from card_events where batch_id is not null").scalar_one()
        assert arrived == ask("select count(*) from card_batch_rows where outcome = 'arrived'").scalar_one()
        assert ask("PRAGMA foreign_key_check").all() == []
    totals = store.cards.totals()
    assert totals.unaccounted == 0
    store.audit.verify()
