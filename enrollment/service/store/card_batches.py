"""Lists of cards that arrived, carried out whole or not at all, with what became of each row for as long as the ledger.

The decision is the core's (card_batch); here it is looked up, written in one transaction and remembered, so that the
same list again changes nothing and is answered alike.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, insert, literal, select, update
from sqlalchemy.dialects import sqlite

from enrollment.core.dossier.card_batch import (
    MAX_ROWS,
    CardArrival,
    CardBatchMalformed,
    HeldCard,
    RowOutcome,
    Verdict,
    batch_digest,
    judge_row,
    kept,
    well_formed,
)
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.service.config import Clock
from enrollment.service.store import card_rows
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.card_queries import cursor
from enrollment.service.store.database import Database
from enrollment.service.store.errors import CardBatchConflict, CardBatchUnknown
from enrollment.service.store.instants import from_ms, to_ms
from enrollment.service.store.tables import CARD_BATCH_ROWS, CARD_BATCHES, CARD_EVENTS, CARDS

MAX_PAGE: Final = 500
# By the driver itself: with a dictionary a row, a long list would hold the write lock twice as long.
_INSERT_ROWS: Final = str(insert(CARD_BATCH_ROWS).compile(dialect=sqlite.dialect()))
_THERE: Final = (RowOutcome.ARRIVED, RowOutcome.ALREADY_ARRIVED)
_UNKNOWN: Final = (RowOutcome.UNKNOWN_CARD, RowOutcome.UNKNOWN_DOSSIER)
_HELD: Final = (CARDS.c.entry, CARDS.c.dossier_id, CARDS.c.card_id, CARDS.c.state, CARDS.c.stands)


@dataclass(frozen=True, slots=True)
class CardBatch:
    """A list that was carried out. counts: rows by outcome. repeated: it had been before, nothing was changed now."""

    batch_id: str
    sha256: bytes
    rows: int
    counts: Mapping[RowOutcome, int]
    operator_id: str
    at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch, numbered from 1."""

    number: int
    card_id: str
    dossier_id: str
    outcome: RowOutcome
    found: str


@dataclass(frozen=True, slots=True)
class BatchRowPage:
    """Rows that did not arrive, in the order of the list. next_page_token: "" on the last page."""

    rows: tuple[BatchRow, ...]
    next_page_token: str


class CardBatches:
    """The station's deliveries. point: this one."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock, point: str) -> None:
        self._database, self._audit, self._clock, self._point = database, audit, clock, point

    def carry_out(self, batch_id: str, rows: Sequence[CardArrival], *, operator_id: str, place: str = "") -> CardBatch:
        """Let every card of the list arrive that can, and write down why the others do not.

        place: where the cards lie from now on; this point unless given.
        Raises CardBatchConflict (the id brought another list before), CardBatchMalformed (its size).
        """
        if not 1 <= len(rows) <= MAX_ROWS:
            raise CardBatchMalformed(f"a list has 1..{MAX_ROWS} rows", rows=len(rows))
        sha256, read = batch_digest(rows), [well_formed(row) for row in rows]
        verdicts, version = [], -1
        with self._database.read() as connection:  # most of the work, while others still write
            if self._find(connection, batch_id) is None:
                version, verdicts = _version(connection), self._judge(connection, read)
        with self._database.write() as connection:
            earlier = self._find(connection, batch_id)
            if earlier is not None:
                return self._same(earlier, sha256)
            if version != _version(connection):  # some card changed meanwhile
                verdicts = self._judge(connection, read)
            act = card_rows.Act(operator_id, to_ms(self._clock.now()), place or self._point)
            counts = Counter(verdict.outcome for verdict in verdicts)
            connection.execute(
                insert(CARD_BATCHES).values(
                    batch_id=batch_id, sha256=sha256, rows=len(rows), arrived=counts[RowOutcome.ARRIVED],
                    operator_id=operator_id, at=act.at_ms,
                )
            )  # fmt: skip
            _arrive(connection, batch_id, rows, read, verdicts, act)
            self._audit.append_in(
                connection, "card-batch-imported", operator_id, batch_id=batch_id, sha256=sha256.hex(),
                rows=len(rows), arrived=counts[RowOutcome.ARRIVED], place=act.place,
            )  # fmt: skip
            return CardBatch(batch_id, sha256, len(rows), counts, operator_id, from_ms(act.at_ms))

    def get(self, batch_id: str) -> CardBatch:
        """Raises CardBatchUnknown."""
        with self._database.read() as connection:
            found = self._find(connection, batch_id)
        if found is None:
            raise CardBatchUnknown("no list of this batch was carried out here", batch_id=batch_id[:64])
        return found

    def unknown(self, batch_id: str, most: int) -> tuple[str, ...]:
        """Cards that the ledger does not know, in the order of the list; at most so many."""
        rows = CARD_BATCH_ROWS.c
        named = rows.outcome.in_([outcome.value for outcome in _UNKNOWN])
        query = select(rows.card_id).where(rows.batch_id == batch_id, named).order_by(rows.row).limit(most)
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())

    def not_arrived(self, batch_id: str, page_size: int, page_token: str) -> BatchRowPage:
        """A page of the rows that did not arrive, in the order of the list. Raises InvalidInput for the token."""
        size = min(page_size, MAX_PAGE)
        after = cursor(page_token) if page_token else 0
        rows = CARD_BATCH_ROWS.c
        query = (
            select(CARD_BATCH_ROWS)
            .where(rows.batch_id == batch_id, rows.outcome != RowOutcome.ARRIVED.value, rows.row > after)
            .order_by(rows.row)
            .limit(size + 1)
        )
        with self._database.read() as connection:
            found = connection.execute(query).all()
            page = tuple(
                BatchRow(one.row, one.card_id, one.dossier_id, RowOutcome(one.outcome), one.found)
                for one in found[:size]
            )
        return BatchRowPage(page, str(page[-1].number) if len(found) > size else "")

    def _find(self, connection: Connection, batch_id: str) -> CardBatch | None:
        row = connection.execute(select(CARD_BATCHES).where(CARD_BATCHES.c.batch_id == batch_id)).one_or_none()
        if row is None:
            return None
        counted = select(CARD_BATCH_ROWS.c.outcome, func.count().label("rows")).group_by(CARD_BATCH_ROWS.c.outcome)
        counts = connection.execute(counted.where(CARD_BATCH_ROWS.c.batch_id == batch_id))
        by_outcome = {RowOutcome(one.outcome): one.rows for one in counts}
        return CardBatch(batch_id, bytes(row.sha256), row.rows, by_outcome, row.operator_id, from_ms(row.at), True)

    def _same(self, earlier: CardBatch, sha256: bytes) -> CardBatch:
        if earlier.sha256 != sha256:
            raise CardBatchConflict(
                "this batch id brought another list: give the new list an id of its own",
                batch_id=earlier.batch_id,
                sha256=earlier.sha256.hex(),
            )
        return earlier

    def _judge(self, connection: Connection, read: Sequence[CardArrival | None]) -> list[Verdict]:
        """read: the rows that are well-formed; a row that is not has no place in the ledger."""
        rows = [row for row in read if row is not None]
        numbered = {
            card.card_id: card
            for card in _held(connection, CARDS.c.card_id, (row.card_id for row in rows), CARDS.c.card_id.is_not(None))
        }
        standing = {
            card.dossier_id: card
            for card in _held(connection, CARDS.c.dossier_id, (row.dossier_id for row in rows), CARDS.c.stands)
        }
        verdicts: list[Verdict] = []
        taken: dict[str, int] = {}
        for number, row in enumerate(read, 1):
            if row is None:
                verdicts.append(Verdict(RowOutcome.MALFORMED))
                continue
            card = numbered.get(row.card_id)
            dossier_id = row.dossier_id or (card.dossier_id if card is not None else "")
            before = taken.get(row.card_id) or taken.get(dossier_id)
            if before is not None:
                verdicts.append(Verdict(RowOutcome.DUPLICATE, str(before)))
                continue
            verdicts.append(judge_row(row, card, standing.get(row.dossier_id), self._point))
            if verdicts[-1].outcome in _THERE:  # else a row further down may be the right one
                taken |= dict.fromkeys((row.card_id, dossier_id), number)
        return verdicts


def _arrive(
    connection: Connection,
    batch_id: str,
    rows: Sequence[CardArrival],
    read: Sequence[CardArrival | None],
    verdicts: Sequence[Verdict],
    act: card_rows.Act,
) -> None:
    """Write down every row, and from these rows all cards that arrive: two statements, however many they are.

    rows: as they came. read: as the ledger writes them, where they are well-formed.
    """
    version, written = _version(connection), []
    for number, (row, well, verdict) in enumerate(zip(rows, read, verdicts, strict=True), 1):
        card_id, dossier_id, card = row.card_id, row.dossier_id, verdict.card
        entry = None if card is None else card.entry
        if well is None:
            card_id, dossier_id = kept(card_id), kept(dossier_id)
        elif card is not None:
            card_id, dossier_id = well.card_id, well.dossier_id
            if card.card_id not in (None, card_id):
                entry = _replace(connection, card.entry, card_id, version + number, act)
        written.append((batch_id, number, card_id, dossier_id, verdict.outcome.value, verdict.found, entry))
    connection.exec_driver_sql(_INSERT_ROWS, written)
    row_of = CARD_BATCH_ROWS.c
    here = (row_of.batch_id == batch_id, row_of.entry.is_not(None))
    line = {
        "number": literal(version) + row_of.row, "entry": row_of.entry, "state": literal(CardState.ARRIVED.value),
        "at": literal(act.at_ms), "operator_id": literal(act.operator_id), "place": literal(act.place),
        "reason": literal(""), "batch_id": literal(batch_id),
    }  # fmt: skip
    connection.execute(insert(CARD_EVENTS).from_select(list(line), select(*line.values()).where(*here)))
    connection.execute(
        update(CARDS)
        .where(CARDS.c.entry == row_of.entry, *here)
        .values(
            card_id=row_of.card_id, state=CardState.ARRIVED.value, place=act.place, since=act.at_ms, failed_tries=0,
            last_event=literal(version) + row_of.row,
        )
    )  # fmt: skip


def _replace(connection: Connection, old: int, card_id: str, number: int, act: card_rows.Act) -> int:
    """Another card stands for the dossier from now on; its entry."""
    gone = update(CARDS).where(CARDS.c.entry == old).values(stands=False)
    profile, dossier_id = connection.execute(gone.returning(CARDS.c.profile, CARDS.c.dossier_id)).one()
    new = insert(CARDS).values(
        profile=profile, dossier_id=dossier_id, stands=True, card_id=card_id, last_event=number,
        state=CardState.ARRIVED.value, place=act.place, since=act.at_ms,
    )  # fmt: skip
    return int(connection.execute(new.returning(CARDS.c.entry)).scalar_one())


def _version(connection: Connection) -> int:
    """The number of the last change of any card: it stands still exactly while no card changes."""
    return int(connection.execute(select(func.coalesce(func.max(CARD_EVENTS.c.number), 0))).scalar_one())


def _held(connection: Connection, column: ColumnElement[Any], wanted: Iterable[str], *where: Any) -> list[HeldCard]:
    """The ledger's cards of which the column is among the wanted ones, however many: one statement."""
    values = func.json_each(json.dumps(list(wanted))).table_valued("value")
    query = select(*_HELD).where(column.in_(select(values.c.value)), *where)
    states = {state.value: state for state in CardState}
    return [
        HeldCard(entry, dossier_id, card_id, states[state], bool(stands))
        for entry, dossier_id, card_id, state, stands in connection.execute(query)
    ]
