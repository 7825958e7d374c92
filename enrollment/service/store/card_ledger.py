"""The ledger of cards: which, where, since when. Every method is one transaction, or a part of its caller's (`*_in`).

Synchronous and thread-safe. The rules are core.dossier.card_lifecycle's; the tables refuse what would break them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, select, update

from enrollment.core.dossier.card_lifecycle import (
    IN_HAND,
    REPLACEABLE,
    CardState,
    CardTransitionRefused,
    SupervisorRequired,
    card_number,
    require_card_transition,
)
from enrollment.core.errors import CardBelongsElsewhere
from enrollment.service.config import Clock
from enrollment.service.store import card_rows
from enrollment.service.store.audit_log import SYSTEM, AuditLog
from enrollment.service.store.card_queries import CardQueries
from enrollment.service.store.card_rows import Act, LedgerCard
from enrollment.service.store.database import Database
from enrollment.service.store.errors import CardUnknown, RequestConflict
from enrollment.service.store.instants import to_ms
from enrollment.service.store.tables import CARD_EVENTS, CARDS

CENTRE: Final = "centre"  # where cards are made, and sent back to


class CardLedger(CardQueries):
    """The station's cards. place: this point, as its cards' places name it."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock, place: str) -> None:
        super().__init__(database)
        self._audit, self._clock, self._place = audit, clock, place

    # -------------------------------------------------------------------------------------- with a dossier's own steps

    def collected_in(self, connection: Connection, dossier_id: str, profile: str, *, operator_id: str) -> None:
        """A dossier whose plan issues a card is complete."""
        card_rows.enter(
            connection, self._audit, CardState.COLLECTED, self.act(operator_id), dossier_id=dossier_id, profile=profile
        )

    def sent_in(self, connection: Connection, dossier_id: str) -> None:
        """The registry's receipt for a dossier is stored; one that issues no card is passed over."""
        card = card_rows.standing(connection, dossier_id)
        if card is not None and card.state is CardState.COLLECTED:
            card_rows.move(connection, self._audit, card, CardState.SENT, self.act(SYSTEM, place=CENTRE))

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
        card_id = card_number(card_id)
        with self._database.write() as connection:
            known = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
            if known is not None:
                self._require_dossier(known, dossier_id)
                if known.state is CardState.PERSONALISED:
                    return known
                require_card_transition(known.state, CardState.PERSONALISED, **known.facts)
            due, act = self._due(connection, dossier_id), self.act(operator_id, reason)
            if due.state in REPLACEABLE:
                return self.replace_in(connection, due, CardState.PERSONALISED, card_id, act)
            return card_rows.move(connection, self._audit, due, CardState.PERSONALISED, act, card_id=card_id)

    def spoiled(self, dossier_id: str, card_id: str, *, operator_id: str, reason: str) -> LedgerCard:
        """A blank failed while it was written for this dossier, or is found bad after. The dossier's card is still due,
        unless it has got another one.

        Raises CardUnknown, CardNumberInvalid, CardBelongsElsewhere, CardTransitionRefused (it left the point).
        """
        card_id = card_number(card_id)
        with self._database.write() as connection:
            act = self.act(operator_id, reason)
            card = card_rows.find(connection, CARDS.c.card_id == card_id, history=True)
            if card is None:
                stands = self._standing(connection, dossier_id)
                return card_rows.enter(
                    connection, self._audit, CardState.SPOILED, act,
                    dossier_id=dossier_id, profile=stands.profile, card_id=card_id, stands=False,
                )  # fmt: skip
            self._require_dossier(card, dossier_id)
            if card.state is CardState.SPOILED:
                return card
            bad = card_rows.move(connection, self._audit, card, CardState.SPOILED, act, stands=False)
            if card.stands:
                still_due = self.act(operator_id, reason, place=CENTRE)
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

    # --------------------------------------------------------------------------------------------------- its later life

    def changed_by(self, request_id: str, card_id: str, *into: CardState) -> LedgerCard | None:
        """The card as it is now, where this request brought it into one of these states before.

        Raises RequestConflict when the request did anything else.
        """
        with self._database.read() as connection:
            return self._changed_by(connection, request_id, card_id, *into)

    def comparison_failed(self, card_id: str, position: int, *, operator_id: str) -> int:
        """Write down that a finger did not match; how many in a row now. Raises CardUnknown."""
        with self._database.write() as connection:
            card = self.get_in(connection, card_id)
            tries = card.failed_tries + 1
            connection.execute(update(CARDS).where(CARDS.c.entry == card.entry).values(failed_tries=tries))
            self._audit.append_in(
                connection, "card-finger-not-matched", operator_id, **card.facts, position=position, tries=tries
            )
            return tries

    def hand_over(self, card_id: str, act: Act) -> LedgerCard:
        """The citizen has the card, and this signed receipt says so. The same request again changes nothing.

        Raises CardUnknown, CardTransitionRefused, RequestConflict.
        """
        with self._database.write() as connection:
            earlier = self._changed_by(connection, act.request_id, card_id, CardState.HANDED_OVER)
            if earlier is not None:
                return earlier
            card = self.get_in(connection, card_id)
            return card_rows.move(connection, self._audit, card, CardState.HANDED_OVER, act, failed_tries=0)

    def undo(self, card_id: str, receipt: bytes, act: Act) -> LedgerCard:
        """The hand-over of this receipt is taken back: the card is where it was before. act.receipt: its counter-entry.

        Raises CardUnknown, CardTransitionRefused (not handed over, or anew since), RequestConflict.
        """
        with self._database.write() as connection:
            earlier = self._changed_by(connection, act.request_id, card_id, *IN_HAND)
            if earlier is not None:
                return earlier
            card = self.get_in(connection, card_id)
            if card.state is not CardState.HANDED_OVER or self.receipts_in(connection, card)[-1][1] != receipt:
                raise CardTransitionRefused("this hand-over stands no longer", state=card.state.value, **card.facts)
            before = card.history[-2]
            return card_rows.move(connection, self._audit, card, before.state, replace(act, place=before.place))

    def retire(
        self, card_id: str, state: CardState, *, operator_id: str, reason: str, supervisor: bool, request_id: str
    ) -> LedgerCard:
        """A card goes back to the centre, or is destroyed. supervisor: whether the operator is one.

        Raises CardUnknown, CardTransitionRefused, SupervisorRequired (a destruction, or a card that was handed over).
        """
        with self._database.write() as connection:
            earlier = self._changed_by(connection, request_id, card_id, state)
            if earlier is not None:
                return earlier
            card = self.get_in(connection, card_id)
            if not supervisor and (state is CardState.DESTROYED or card.state is CardState.HANDED_OVER):
                raise SupervisorRequired("only a supervisor records this", wanted=state.value, **card.facts)
            there = state is CardState.RETURNED or card.place == CENTRE  # what was sent back is destroyed there
            place = CENTRE if there else ""
            act = self.act(operator_id, reason, place=place, request_id=request_id)
            return card_rows.move(connection, self._audit, card, state, act)

    # ------------------------------------------------------------------------------------------------------ inner parts

    def _changed_by(
        self, connection: Connection, request_id: str | None, card_id: str, *into: CardState
    ) -> LedgerCard | None:
        lines = CARD_EVENTS.c
        asked = select(lines.entry, lines.state).where(lines.request_id == request_id)
        before = None if request_id is None else connection.execute(asked).one_or_none()
        if before is None:
            return None
        card = card_rows.find(connection, CARDS.c.entry == before.entry, history=True)
        if card is None or card.card_id != card_id or CardState(before.state) not in into:
            raise RequestConflict("this request_id changed another card, or otherwise", request_id=request_id or "")
        return card

    def _standing(self, connection: Connection, dossier_id: str) -> LedgerCard:
        card = card_rows.standing(connection, dossier_id)
        if card is None:
            raise CardUnknown("the ledger has no card of this dossier", dossier_id=dossier_id[:64])
        return card

    def _due(self, connection: Connection, dossier_id: str) -> LedgerCard:
        card = self._standing(connection, dossier_id)
        if card.state not in REPLACEABLE:
            require_card_transition(card.state, CardState.PERSONALISED, **card.facts)
        return card

    def _require_dossier(self, card: LedgerCard, dossier_id: str) -> None:
        if card.dossier_id != dossier_id:
            raise CardBelongsElsewhere(
                "this card was made for another dossier", card_id=card.card_id or "", dossier_id=dossier_id[:64]
            )

    def act(
        self,
        operator_id: str,
        reason: str = "",
        *,
        place: str = "",
        request_id: str | None = None,
    ) -> Act:
        """What an operator does now, at this point unless another place is given."""
        return Act(operator_id, to_ms(self._clock.now()), place or self._place, reason, request_id=request_id)
