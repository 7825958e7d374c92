"""What is decided and signed when a card is handed over or taken back. Blocking: call it from the store's threads.

The citizen is known by a live finger (hand_over_session.py), or by two officers. The receipt is signed by the station's
keys before it is written, and written in the transaction that changes the card: there is none without the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import uuid_utils

from enrollment.core.dossier.card_lifecycle import (
    IN_HAND,
    CardState,
    CardTransitionRefused,
    ShiftIsOver,
    may_become,
)
from enrollment.core.errors import CardBelongsElsewhere
from enrollment.core.sealing.hand_over_receipt import (
    FingerVerified,
    HandOverReceipt,
    TwoOfficers,
    VoidedHandOver,
    sign_hand_over,
    sign_void,
)
from enrollment.core.sealing.signing_key import SigningKey
from enrollment.service.capture.errors import SecondOfficerNeeded, TriesUsedUp
from enrollment.service.config import HandOverConfig
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.card_rows import Act, LedgerCard
from enrollment.service.store.instants import from_ms
from enrollment.service.store.operator_sessions import OperatorSession, Role

OFFICERS: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR})


@dataclass(frozen=True, slots=True)
class HandOverDesk:
    """Where cards leave the station. key signs the receipts."""

    ledger: CardLedger
    key: SigningKey
    station_id: str
    config: HandOverConfig

    def presented(self, card_id: str, dossier_id: str) -> LedgerCard:
        """The card that is to be handed over. dossier_id: of the person at the counter, "" where nobody said.

        Raises CardUnknown, CardBelongsElsewhere, CardTransitionRefused.
        """
        card = self.ledger.get(card_id)
        if dossier_id and card.dossier_id != dossier_id:
            raise CardBelongsElsewhere("this card was made for another dossier", card_id=card_id, dossier_id=dossier_id)
        if not may_become(card.state, CardState.HANDED_OVER):
            raise CardTransitionRefused(
                f"a card that is {card.state.value} is not here to be handed over", state=card.state.value, **card.facts
            )
        return card

    def require_tries(self, card: LedgerCard) -> int:
        """How many comparisons may still fail. Raises TriesUsedUp."""
        left = self.config.tries_in_all - card.failed_tries
        if left <= 0:
            raise TriesUsedUp(
                "so many fingers did not match that only two officers can hand this card over",
                tries=card.failed_tries,
                **card.facts,
            )
        return left

    def finger_matched(self, card: LedgerCard, how: FingerVerified, *, operator_id: str, request_id: str) -> LedgerCard:
        """The citizen's finger is the dossier's: hand the card over."""
        return self._hand_over(card, how, self.ledger.act(operator_id, request_id=request_id))

    def vouched(
        self, card_id: str, dossier_id: str, second: OperatorSession, *, operator_id: str, reason: str, request_id: str
    ) -> LedgerCard:
        """Two officers know the citizen: hand the card over. second: by the second one's own session.

        Raises SecondOfficerNeeded, and what `presented` raises.
        """
        earlier = self.ledger.changed_by(request_id, card_id, CardState.HANDED_OVER)
        if earlier is not None:
            return earlier
        if second.operator_id == operator_id or second.role not in OFFICERS:
            raise SecondOfficerNeeded(
                "the second officer must be another operator or supervisor",
                second_operator_id=second.operator_id,
                role=second.role.value,
            )
        card = self.presented(card_id, dossier_id)
        how = TwoOfficers(second_operator_id=second.operator_id, reason=reason)
        act = self.ledger.act(operator_id, reason, request_id=request_id)
        return self._hand_over(card, how, replace(act, second_operator_id=second.operator_id))

    def undo(self, card_id: str, *, operator_id: str, reason: str, request_id: str) -> LedgerCard:
        """Take a hand-over back; the caller has made sure that a supervisor asks.

        Raises CardUnknown, CardTransitionRefused, ShiftIsOver.
        """
        earlier = self.ledger.changed_by(request_id, card_id, *IN_HAND)
        if earlier is not None:
            return earlier
        card = self.ledger.get(card_id)
        if card.state is not CardState.HANDED_OVER:
            raise CardTransitionRefused(
                f"a card that is {card.state.value} was not handed over", state=card.state.value, **card.facts
            )
        act = self.ledger.act(operator_id, reason, request_id=request_id)
        if not timedelta() <= from_ms(act.at_ms) - card.since <= self.config.shift:
            raise ShiftIsOver(
                "a hand-over can be undone within the shift only",
                handed_over_at=card.since.isoformat(),
                shift_hours=self.config.shift / timedelta(hours=1),
                **card.facts,
            )
        receipt, _ = self.ledger.receipts(card_id)
        void = VoidedHandOver(
            void_id=_uuid7(),
            station_id=self.station_id,
            card_id=card_id,
            dossier_id=UUID(card.dossier_id),
            operator_id=operator_id,
            undone_at_ms=act.at_ms,
            receipt_sha256=hashlib.sha256(receipt).digest(),
            reason=reason,
        )
        return self.ledger.undo(card_id, receipt, replace(act, receipt=sign_void(void, self.key)))

    def _hand_over(self, card: LedgerCard, how: FingerVerified | TwoOfficers, act: Act) -> LedgerCard:
        card_id = card.card_id or ""
        receipt = HandOverReceipt(
            receipt_id=_uuid7(),
            station_id=self.station_id,
            card_id=card_id,
            dossier_id=UUID(card.dossier_id),
            operator_id=act.operator_id,
            handed_over_at_ms=act.at_ms,
            how=how,
        )
        return self.ledger.hand_over(card_id, replace(act, receipt=sign_hand_over(receipt, self.key)))


def _uuid7() -> UUID:
    return UUID(str(uuid_utils.uuid7()))
