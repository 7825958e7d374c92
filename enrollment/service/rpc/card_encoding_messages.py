"""What writing and reading a card tell, as messages."""

from __future__ import annotations

from typing import Final

from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.verification_report import Check
from enrollment.service.cards.events import CardEvent, CardFileRead, CardProgress, CardVerdict
from enrollment.service.rpc.card_messages import card
from enrollment.service.store.card_rows import LedgerCard
from enrollment.v1 import card_pb2

_RESULTS: Final = {
    Outcome.PASSED: card_pb2.CHECK_RESULT_PASSED,
    Outcome.FAILED: card_pb2.CHECK_RESULT_FAILED,
    Outcome.NOT_POSSIBLE: card_pb2.CHECK_RESULT_NOT_POSSIBLE,
}


def personalise_event(event: CardEvent) -> card_pb2.PersonaliseCardResponse:
    """One event of a card that is written."""
    match event:
        case CardProgress():
            return card_pb2.PersonaliseCardResponse(progress=_progress(event))
        case Check():
            return card_pb2.PersonaliseCardResponse(check=check_message(event))
        case LedgerCard():
            return card_pb2.PersonaliseCardResponse(card=card(event))
    return card_pb2.PersonaliseCardResponse()  # the other events are of cards that are read


def verify_event(event: CardEvent) -> card_pb2.VerifyCardResponse:
    """One event of a card that is read."""
    match event:
        case CardProgress():
            return card_pb2.VerifyCardResponse(progress=_progress(event))
        case Check():
            return card_pb2.VerifyCardResponse(check=check_message(event))
        case CardFileRead(name, content):
            return card_pb2.VerifyCardResponse(file=card_pb2.CardFile(name=name, content=content))
        case CardVerdict(verified, access):
            return card_pb2.VerifyCardResponse(verdict=card_pb2.CardVerdict(verified=verified, access=access))
    return card_pb2.VerifyCardResponse()  # a card that is only read does not change in the ledger


def _progress(event: CardProgress) -> card_pb2.CardProgress:
    return card_pb2.CardProgress(step=event.step, done_bytes=event.done, total_bytes=event.total)


def check_message(event: Check) -> card_pb2.CardCheck:
    """One check of a card."""
    return card_pb2.CardCheck(
        number=event.number,
        name=event.name,
        result=_RESULTS[event.outcome],
        detail=event.detail,
        reason=event.reason,
        facts={name: str(value) for name, value in event.facts.items()},
    )
