"""Questions to the ledger of cards: which, where, since when; how many; with which receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.core.dossier.model import DossierState
from enrollment.core.errors import InvalidInput
from enrollment.service.store import card_rows
from enrollment.service.store.card_rows import LedgerCard
from enrollment.service.store.database import Database
from enrollment.service.store.errors import CardUnknown, NotHandedOver
from enrollment.service.store.instants import from_ms, to_ms
from enrollment.service.store.tables import CARD_EVENTS, CARDS, DOSSIERS

MAX_PAGE: Final = 500
NOT_COLLECTED: Final = (DossierState.OPEN.value, DossierState.ABANDONED.value)


@dataclass(frozen=True, slots=True)
class CardPage:
    """Longest unchanged first. next_page_token: "" on the last page."""

    cards: tuple[LedgerCard, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class CardTotals:
    """Where all cards are, in one consistent view.

    collected: dossiers whose plan issues a card and that were completed. by_state: cards that stand for a dossier.
    oldest: since when the longest of them has been there. spoiled, replaced: cards that stand for none.
    unaccounted: dossiers without a card in the ledger: always 0.
    """

    collected: int
    by_state: dict[CardState, int]
    oldest: dict[CardState, datetime]
    spoiled: int
    replaced: int

    @property
    def unaccounted(self) -> int:
        return self.collected - sum(self.by_state.values())


class CardQueries:
    """Reads; never blocked by a writer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, card_id: str) -> LedgerCard:
        """With its history. Raises CardUnknown."""
        with self._database.read() as connection:
            return self.get_in(connection, card_id)

    def for_dossier(self, dossier_id: str) -> LedgerCard:
        """The card that stands for a dossier, with its history. Raises CardUnknown."""
        with self._database.read() as connection:
            card = card_rows.find(connection, CARDS.c.dossier_id == dossier_id, CARDS.c.stands, history=True)
        if card is None:
            raise CardUnknown("the ledger has no card of this dossier", dossier_id=dossier_id[:64])
        return card

    def list(
        self,
        page_size: int,
        page_token: str,
        *,
        state: CardState | None = None,
        place: str = "",
        dossier_id: str = "",
        unchanged_since: datetime | None = None,
    ) -> CardPage:
        """A page of the cards in this state, at this place, of this dossier, unchanged since; each may be left open.

        Ordered by the number of each card's last change, which only grows: a card that changes while pages are read
        comes again at its new place, and none that stays is left out or told twice.
        """
        size = min(page_size, MAX_PAGE)
        query = select(*card_rows.CARD_COLUMNS).order_by(CARDS.c.last_event).limit(size + 1)
        if state is not None:
            query = query.where(CARDS.c.state == state.value)
        if place:
            query = query.where(CARDS.c.place == place)
        if dossier_id:
            query = query.where(CARDS.c.dossier_id == dossier_id)
        if unchanged_since is not None:
            query = query.where(CARDS.c.since < to_ms(unchanged_since))
        if page_token:
            query = query.where(CARDS.c.last_event > cursor(page_token))
        with self._database.read() as connection:
            found = connection.execute(query).all()
            cards = tuple(card_rows.card_from(row) for row in found[:size])
        return CardPage(cards, str(cards[-1].last_event) if len(found) > size else "")

    def totals(self) -> CardTotals:
        """Count every card, and the dossiers that must have one."""
        owed = select(func.count()).where(DOSSIERS.c.card_profile.is_not(None), DOSSIERS.c.state.not_in(NOT_COLLECTED))
        counted = select(
            CARDS.c.state, CARDS.c.stands, func.count().label("number"), func.min(CARDS.c.since).label("oldest"),
            owed.scalar_subquery().label("owed"),
        )  # fmt: skip
        by_state = dict.fromkeys(CardState, 0)
        del by_state[CardState.SPOILED]
        oldest: dict[CardState, datetime] = {}
        spoiled = replaced = 0
        with self._database.read() as connection:
            rows = connection.execute(counted.group_by(CARDS.c.state, CARDS.c.stands)).all()
            collected = rows[0].owed if rows else connection.execute(owed).scalar_one()
            for row in rows:
                state = CardState(row.state)
                if row.stands:
                    by_state[state], oldest[state] = row.number, from_ms(row.oldest)
                elif state is CardState.SPOILED:
                    spoiled = row.number
                else:
                    replaced += row.number
        return CardTotals(collected, by_state, oldest, spoiled, replaced)

    def receipts(self, card_id: str) -> tuple[bytes, bytes]:
        """The receipt of the last hand-over, and its counter-entry or b"". Raises CardUnknown, NotHandedOver."""
        with self._database.read() as connection:
            card = self.get_in(connection, card_id)
            signed = self.receipts_in(connection, card)
        handed_over = [number for number, (state, _) in enumerate(signed) if state is CardState.HANDED_OVER]
        if not handed_over:
            raise NotHandedOver("this card was never handed over", **card.facts)
        last = handed_over[-1]
        return signed[last][1], signed[last + 1][1] if last + 1 < len(signed) else b""

    def get_in(self, connection: Connection, card_id: str) -> LedgerCard:
        """Raises CardUnknown."""
        card = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
        if card is None:
            raise CardUnknown("the ledger has no card of this number", card_id=card_id[:64])
        return card

    def receipts_in(self, connection: Connection, card: LedgerCard) -> Sequence[tuple[CardState, bytes]]:
        """Every signed entry of a card, oldest first, with the state that it entered by it."""
        lines = CARD_EVENTS.c
        signed = select(lines.state, lines.receipt).where(lines.entry == card.entry, lines.receipt.is_not(None))
        return [(CardState(one.state), bytes(one.receipt)) for one in connection.execute(signed.order_by(lines.number))]


def cursor(token: str) -> int:
    """Behind which a page begins. Raises InvalidInput."""
    if not (token.isascii() and token.isdecimal() and len(token) <= 18):
        raise InvalidInput("this page token is none of this list's", field="page_token")
    return int(token)
