"""The ledger of cards: which, where, since when. Every method is one transaction, or a part of its caller's (`*_in`).

Synchronous and thread-safe. The rules are core.dossier.card_lifecycle's; the tables refuse what would break them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select, update

from enrollment.core.dossier.card_lifecycle import (
    REPLACEABLE,
    CardState,
    require_card_number,
    require_card_transition,
)
from enrollment.core.dossier.model import DossierState
from enrollment.core.errors import CardBelongsElsewhere, InvalidInput
from enrollment.service.config import Clock
from enrollment.service.store import card_rows
from enrollment.service.store.audit_log import SYSTEM, AuditLog
from enrollment.service.store.card_rows import Act, LedgerCard
from enrollment.service.store.database import Database
from enrollment.service.store.errors import CardUnknown
from enrollment.service.store.instants import to_ms
from enrollment.service.store.tables import CARDS, DOSSIERS

MAX_PAGE: Final = 500
CENTRE: Final = "centre"  # where cards are made, and sent back to
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
    spoiled, replaced: cards that stand for none. unaccounted: dossiers without a card in the ledger: always 0.
    """

    collected: int
    by_state: dict[CardState, int]
    spoiled: int
    replaced: int

    @property
    def unaccounted(self) -> int:
        return self.collected - sum(self.by_state.values())


class CardLedger:
    """The station's cards. place: this point, as its cards' places name it."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock, place: str) -> None:
        self._database, self._audit, self._clock, self._place = database, audit, clock, place

    # -------------------------------------------------------------------------------------- with a dossier's own steps

    def collected_in(self, connection: Connection, dossier_id: str, profile: str, *, operator_id: str) -> None:
        """A dossier whose plan issues a card is complete."""
        card_rows.enter(
            connection, self._audit, CardState.COLLECTED, self._act(operator_id), dossier_id=dossier_id, profile=profile
        )

    def sent_in(self, connection: Connection, dossier_id: str) -> None:
        """The registry's receipt for a dossier is stored; one that issues no card is passed over."""
        card = card_rows.standing(connection, dossier_id)
        if card is not None and card.state is CardState.COLLECTED:
            card_rows.move(connection, self._audit, card, CardState.SENT, self._act(SYSTEM, place=CENTRE))

    # --------------------------------------------------------------------------------------------------- making a card

    def require_due(self, dossier_id: str) -> LedgerCard:
        """The card that is still to be made for this dossier, or may be replaced.

        Raises CardUnknown (the dossier issues no card, or is not complete), CardTransitionRefused.
        """
        with self._database.read() as connection:
            return self._due(connection, dossier_id)

    def personalised(self, dossier_id: str, card_id: str, *, operator_id: str, reason: str = "") -> LedgerCard:
        """A card was written for this dossier at this point, and verified. The same again changes nothing.

        Raises CardUnknown, CardNumberInvalid, CardTransitionRefused (not sent yet, or made already),
        CardBelongsElsewhere (the card was made for another dossier, or is spoiled).
        """
        require_card_number(card_id)
        with self._database.write() as connection:
            known = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
            if known is not None:
                self._require_dossier(known, dossier_id)
                if known.state is CardState.PERSONALISED:
                    return known
                require_card_transition(known.state, CardState.PERSONALISED, **known.facts)
            due, act = self._due(connection, dossier_id), self._act(operator_id, reason)
            if due.state in REPLACEABLE:
                return self.replace_in(connection, due, CardState.PERSONALISED, card_id, act)
            return card_rows.move(connection, self._audit, due, CardState.PERSONALISED, act, card_id=card_id)

    def spoiled(self, dossier_id: str, card_id: str, *, operator_id: str, reason: str) -> LedgerCard:
        """A blank failed while it was written for this dossier, or is found bad after. The dossier's card is still due.

        Raises CardUnknown, CardNumberInvalid, CardBelongsElsewhere, CardTransitionRefused (it left the point).
        """
        require_card_number(card_id)
        with self._database.write() as connection:
            act = self._act(operator_id, reason)
            card = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
            if card is None:
                due = self._due(connection, dossier_id)
                return card_rows.enter(
                    connection, self._audit, CardState.SPOILED, act,
                    dossier_id=dossier_id, profile=due.profile, card_id=card_id, stands=False,
                )  # fmt: skip
            self._require_dossier(card, dossier_id)
            if card.state is CardState.SPOILED:
                return card
            bad = card_rows.move(connection, self._audit, card, CardState.SPOILED, act, stands=False)
            if card.stands:
                still_due = self._act(operator_id, reason, place=CENTRE)
                card_rows.enter(
                    connection, self._audit, CardState.SENT, still_due, dossier_id=dossier_id, profile=card.profile
                )
            return bad

    def replace_in(
        self, connection: Connection, old: LedgerCard, state: CardState, card_id: str, act: Act
    ) -> LedgerCard:
        """Another card stands for the dossier from now on, in this state."""
        connection.execute(update(CARDS).where(CARDS.c.entry == old.entry).values(stands=False))
        return card_rows.enter(
            connection, self._audit, state, act, dossier_id=old.dossier_id, profile=old.profile, card_id=card_id
        )

    # --------------------------------------------------------------------------------------------------------- queries

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
        unchanged_since: datetime | None = None,
    ) -> CardPage:
        """A page of the cards that are in this state, at this place, since before this time; each may be left open.

        Ordered by the number of each card's last change, which only grows: a card that changes while pages are read
        comes again at its new place, and none that stays is left out or told twice.
        """
        size = min(page_size, MAX_PAGE)
        query = select(*card_rows.CARD_COLUMNS).order_by(CARDS.c.last_event).limit(size + 1)
        if state is not None:
            query = query.where(CARDS.c.state == state.value)
        if place:
            query = query.where(CARDS.c.place == place)
        if unchanged_since is not None:
            query = query.where(CARDS.c.since < to_ms(unchanged_since))
        if page_token:
            query = query.where(CARDS.c.last_event > _cursor(page_token))
        with self._database.read() as connection:
            found = connection.execute(query).all()
        cards = tuple(card_rows.card_from(row) for row in found[:size])
        return CardPage(cards, str(cards[-1].last_event) if len(found) > size else "")

    def totals(self) -> CardTotals:
        """Count every card, and the dossiers that must have one."""
        owed = select(func.count()).where(DOSSIERS.c.card_profile.is_not(None), DOSSIERS.c.state.not_in(NOT_COLLECTED))
        counted = select(
            CARDS.c.state, CARDS.c.stands, func.count().label("number"), owed.scalar_subquery().label("owed")
        )
        by_state = dict.fromkeys(CardState, 0)
        del by_state[CardState.SPOILED]
        spoiled = replaced = collected = 0
        with self._database.read() as connection:
            rows = connection.execute(counted.group_by(CARDS.c.state, CARDS.c.stands)).all()
            collected = rows[0].owed if rows else connection.execute(owed).scalar_one()
        for row in rows:
            state = CardState(row.state)
            if row.stands:
                by_state[state] = row.number
            elif state is CardState.SPOILED:
                spoiled = row.number
            else:
                replaced += row.number
        return CardTotals(collected, by_state, spoiled, replaced)

    # ------------------------------------------------------------------------------------------------------ inner parts

    def get_in(self, connection: Connection, card_id: str) -> LedgerCard:
        """Raises CardUnknown."""
        card = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
        if card is None:
            raise CardUnknown("the ledger has no card of this number", card_id=card_id[:64])
        return card

    def _due(self, connection: Connection, dossier_id: str) -> LedgerCard:
        card = card_rows.standing(connection, dossier_id)
        if card is None:
            raise CardUnknown("the ledger has no card of this dossier", dossier_id=dossier_id[:64])
        if card.state not in REPLACEABLE:
            require_card_transition(card.state, CardState.PERSONALISED, **card.facts)
        return card

    def _require_dossier(self, card: LedgerCard, dossier_id: str) -> None:
        if card.dossier_id != dossier_id:
            raise CardBelongsElsewhere(
                "this card was made for another dossier", card_id=card.card_id or "", dossier_id=dossier_id[:64]
            )

    def _act(
        self,
        operator_id: str,
        reason: str = "",
        *,
        place: str = "",
        request_id: str | None = None,
        second_operator_id: str | None = None,
    ) -> Act:
        now = to_ms(self._clock.now())
        return Act(operator_id, now, place or self._place, reason, second_operator_id, request_id)


def _cursor(token: str) -> int:
    if not (token.isascii() and token.isdecimal() and len(token) <= 18):
        raise InvalidInput("this page token is none of this list's", field="page_token")
    return int(token)
