"""The ledger of cards and hand-overs -> API messages. One function a message; nothing is decided here."""

from __future__ import annotations

from typing import Final

from enrollment.core.dossier.card_batch import RowOutcome
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.service.capture import events
from enrollment.service.capture.hand_over_session import Compared, FingerAsked, HandedOver, HandOverEvent
from enrollment.service.rpc.capture_messages import live_verdict, waiting
from enrollment.service.rpc.messages import hint, position, quality, timestamp
from enrollment.service.store.card_batches import BatchRow, CardBatch
from enrollment.service.store.card_queries import CardTotals
from enrollment.service.store.card_rows import LedgerCard
from enrollment.v1 import capture_pb2, card_pb2

CARD_STATES: Final = {
    CardState.COLLECTED: card_pb2.CARD_STATE_COLLECTED,
    CardState.SENT: card_pb2.CARD_STATE_SENT,
    CardState.PERSONALISED: card_pb2.CARD_STATE_PERSONALISED,
    CardState.ARRIVED: card_pb2.CARD_STATE_ARRIVED,
    CardState.HANDED_OVER: card_pb2.CARD_STATE_HANDED_OVER,
    CardState.RETURNED: card_pb2.CARD_STATE_RETURNED,
    CardState.DESTROYED: card_pb2.CARD_STATE_DESTROYED,
    CardState.SPOILED: card_pb2.CARD_STATE_SPOILED,
}
ROW_OUTCOMES: Final = {
    RowOutcome.ARRIVED: card_pb2.CARD_ROW_OUTCOME_ARRIVED,
    RowOutcome.ALREADY_ARRIVED: card_pb2.CARD_ROW_OUTCOME_ALREADY_ARRIVED,
    RowOutcome.UNKNOWN_CARD: card_pb2.CARD_ROW_OUTCOME_UNKNOWN_CARD,
    RowOutcome.UNKNOWN_DOSSIER: card_pb2.CARD_ROW_OUTCOME_UNKNOWN_DOSSIER,
    RowOutcome.WRONG_STATE: card_pb2.CARD_ROW_OUTCOME_WRONG_STATE,
    RowOutcome.OTHER_DOSSIER: card_pb2.CARD_ROW_OUTCOME_OTHER_DOSSIER,
    RowOutcome.OTHER_CARD: card_pb2.CARD_ROW_OUTCOME_OTHER_CARD,
    RowOutcome.OTHER_POINT: card_pb2.CARD_ROW_OUTCOME_OTHER_POINT,
    RowOutcome.DUPLICATE: card_pb2.CARD_ROW_OUTCOME_DUPLICATE,
    RowOutcome.MALFORMED: card_pb2.CARD_ROW_OUTCOME_MALFORMED,
}


def card(known: LedgerCard) -> card_pb2.Card:
    """A card, with its history where that was read."""
    return card_pb2.Card(
        card_id=known.card_id or "",
        dossier_id=known.dossier_id,
        state=CARD_STATES[known.state],
        location=known.place,
        state_time=timestamp(known.since),
        profile=known.profile,
        stands=known.stands,
        has_receipt=known.has_receipt,
        undone=known.undone,
        history=[
            card_pb2.CardEvent(
                state=CARD_STATES[change.state],
                time=timestamp(change.at),
                operator_id=change.operator_id,
                second_operator_id=change.second_operator_id or "",
                location=change.place,
                reason=change.reason,
                batch_id=change.batch_id or "",
            )
            for change in known.history
        ],
    )


def totals(counted: CardTotals) -> card_pb2.GetCardTotalsResponse:
    """Where all cards are."""
    return card_pb2.GetCardTotalsResponse(
        collected=counted.collected,
        counts=[
            card_pb2.CardStateCount(
                state=CARD_STATES[state],
                cards=number,
                oldest_time=timestamp(counted.oldest[state]) if state in counted.oldest else None,
            )
            for state, number in counted.by_state.items()
        ],
        spoiled=counted.spoiled,
        replaced=counted.replaced,
        unaccounted=counted.unaccounted,
    )


def batch(carried_out: CardBatch) -> card_pb2.CardBatch:
    """A delivery."""
    return card_pb2.CardBatch(
        batch_id=carried_out.batch_id,
        sha256=carried_out.sha256.hex(),
        row_count=carried_out.rows,
        counts=[
            card_pb2.CardRowCount(outcome=number, rows=carried_out.counts[outcome])
            for outcome, number in ROW_OUTCOMES.items()
            if carried_out.counts.get(outcome)
        ],
        operator_id=carried_out.operator_id,
        time=timestamp(carried_out.at),
    )


def batch_row(row: BatchRow) -> card_pb2.CardRow:
    """One row of a delivery."""
    return card_pb2.CardRow(
        number=row.number,
        card_id=row.card_id,
        dossier_id=row.dossier_id,
        outcome=ROW_OUTCOMES[row.outcome],
        found=row.found,
    )


def hand_over_event(event: HandOverEvent) -> card_pb2.HandOverCardResponse:
    """One event of a hand-over."""
    Response = card_pb2.HandOverCardResponse
    match event:
        case FingerAsked():
            return Response(
                finger=card_pb2.HandOverFinger(
                    position=position(event.position),
                    held=[position(held) for held in event.held],
                    tries_left=event.tries_left,
                )
            )
        case events.Waiting():
            return Response(waiting=waiting(event))
        case events.FingerOn(attempt):
            return Response(finger_on=capture_pb2.FingerOn(attempt=attempt))
        case events.Live():
            return Response(live=live_verdict(event))
        case events.LiftFinger(attempt):
            return Response(lift_finger=capture_pb2.LiftFinger(attempt=attempt))
        case Compared():
            return Response(
                comparison=card_pb2.HandOverComparison(
                    quality=None if event.quality is None else quality(event.quality),
                    matches=event.matches,
                    attempt=event.attempt,
                    hint=hint(event.hint),
                    same_as=position(event.same_as),
                )
            )
        case HandedOver(handed_over):
            return Response(card=card(handed_over))
