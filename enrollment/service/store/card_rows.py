"""Rows of the ledger of cards <-> values, and the two ways in which a row changes: a card enters, a card moves on.

Every change writes the card, a line of its history and a line of the audit log, in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from enrollment.core.dossier.card_lifecycle import CardState, require_card_transition
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.dossier_rows import AnyRow
from enrollment.service.store.instants import from_ms
from enrollment.service.store.tables import CARD_EVENTS, CARDS


@dataclass(frozen=True, slots=True)
class CardChange:
    """One line of a card's history. place: the point that had it from then on."""

    number: int
    state: CardState
    at: datetime
    operator_id: str
    second_operator_id: str | None
    place: str
    reason: str
    batch_id: str | None


@dataclass(frozen=True, slots=True)
class LedgerCard:
    """One card as the ledger has it. card_id: None while there is no card yet.

    stands: whether the dossier's card is accounted for by this one; another does where it was replaced or spoiled.
    has_receipt: of a hand-over; undone: whether the last one was taken back.
    history: oldest first; only where one card is read.
    """

    entry: int
    dossier_id: str
    profile: str
    card_id: str | None
    state: CardState
    place: str
    since: datetime
    stands: bool
    last_event: int
    failed_tries: int
    has_receipt: bool
    undone: bool
    history: tuple[CardChange, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """For errors and the audit log."""
        return {"dossier_id": self.dossier_id, **({} if self.card_id is None else {"card_id": self.card_id})}


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes a card, when (milliseconds), where, why."""

    operator_id: str
    at_ms: int
    place: str
    reason: str = ""
    second_operator_id: str | None = None
    request_id: str | None = None
    receipt: bytes | None = field(default=None, repr=False)


_signed = CARD_EVENTS.alias("signed")
_receipt_state = (
    select(_signed.c.state)
    .where(_signed.c.entry == CARDS.c.entry, _signed.c.receipt.is_not(None))
    .order_by(_signed.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
CARD_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    CARDS.c.entry, CARDS.c.dossier_id, CARDS.c.profile, CARDS.c.card_id, CARDS.c.state, CARDS.c.place, CARDS.c.since,
    CARDS.c.stands, CARDS.c.last_event, CARDS.c.failed_tries, _receipt_state.label("receipt_state"),
)  # fmt: skip


_CHANGE_COLUMNS: Final = tuple(column for column in CARD_EVENTS.c if column is not CARD_EVENTS.c.receipt)


def card_from(row: AnyRow, history: tuple[CardChange, ...] = ()) -> LedgerCard:
    """One row of CARD_COLUMNS."""
    return LedgerCard(
        entry=row.entry,
        dossier_id=row.dossier_id,
        profile=row.profile,
        card_id=row.card_id,
        state=CardState(row.state),
        place=row.place,
        since=from_ms(row.since),
        stands=bool(row.stands),
        last_event=row.last_event,
        failed_tries=row.failed_tries,
        has_receipt=row.receipt_state is not None,
        undone=row.receipt_state not in (None, CardState.HANDED_OVER.value),
        history=history,
    )


def find(connection: Connection, *where: Any, history: bool = False) -> LedgerCard | None:
    """The one card of which this holds, or None."""
    row = connection.execute(select(*CARD_COLUMNS).where(*where)).one_or_none()
    if row is None:
        return None
    return card_from(row, _history(connection, row.entry) if history else ())


def standing(connection: Connection, dossier_id: str) -> LedgerCard | None:
    """The card by which a dossier's card is accounted for; None where the dossier has not entered the ledger."""
    return find(connection, CARDS.c.dossier_id == dossier_id, CARDS.c.stands)


def enter(
    connection: Connection,
    audit: AuditLog,
    state: CardState,
    act: Act,
    *,
    dossier_id: str,
    profile: str,
    card_id: str | None = None,
    stands: bool = True,
) -> LedgerCard:
    """A card enters the ledger."""
    entry: int = connection.execute(select(func.coalesce(func.max(CARDS.c.entry), 0) + 1)).scalar_one()
    number = _record(connection, entry, state, act)
    connection.execute(
        insert(CARDS).values(
            entry=entry, dossier_id=dossier_id, profile=profile, card_id=card_id, state=state.value, place=act.place,
            since=act.at_ms, stands=stands, last_event=number,
        )
    )  # fmt: skip
    return _told(connection, audit, entry, act)


def move(
    connection: Connection, audit: AuditLog, card: LedgerCard, state: CardState, act: Act, **values: Any
) -> LedgerCard:
    """A card enters another state. values: other columns that change with it. Raises CardTransitionRefused."""
    require_card_transition(card.state, state, **card.facts)
    number = _record(connection, card.entry, state, act)
    connection.execute(
        update(CARDS)
        .where(CARDS.c.entry == card.entry)
        .values(state=state.value, place=act.place, since=act.at_ms, last_event=number, **values)
    )
    return _told(connection, audit, card.entry, act)


def _record(connection: Connection, entry: int, state: CardState, act: Act) -> int:
    written = connection.execute(
        insert(CARD_EVENTS)
        .values(
            entry=entry, state=state.value, at=act.at_ms, operator_id=act.operator_id, place=act.place,
            reason=act.reason, second_operator_id=act.second_operator_id, request_id=act.request_id,
            receipt=act.receipt,
        )
        .returning(CARD_EVENTS.c.number)
    )  # fmt: skip
    return int(written.scalar_one())


def _told(connection: Connection, audit: AuditLog, entry: int, act: Act) -> LedgerCard:
    card = find(connection, CARDS.c.entry == entry, history=True)
    if card is None:
        raise LookupError("a card vanished while it was written")
    facts = {**card.facts, "place": act.place}
    if act.reason:
        facts["why"] = act.reason
    if act.second_operator_id:
        facts["second_operator_id"] = act.second_operator_id
    audit.append_in(connection, f"card-{card.state.value}", act.operator_id, **facts)
    return card


def _history(connection: Connection, entry: int) -> tuple[CardChange, ...]:
    lines = connection.execute(
        select(*_CHANGE_COLUMNS).where(CARD_EVENTS.c.entry == entry).order_by(CARD_EVENTS.c.number)
    )
    return tuple(
        CardChange(
            number=line.number,
            state=CardState(line.state),
            at=from_ms(line.at),
            operator_id=line.operator_id,
            second_operator_id=line.second_operator_id,
            place=line.place,
            reason=line.reason,
            batch_id=line.batch_id,
        )
        for line in lines
    )
