"""CardService: read, call the ledger or the desk once, write. Calls with a card in an encoder: CardEncodingServicer."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from enrollment.core.dossier.card_batch import RowOutcome
from enrollment.core.dossier.card_lifecycle import card_number
from enrollment.core.sealing.public_keys import encode_verifying_key
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.service.capture.errors import SecondOfficerNeeded
from enrollment.service.capture.events import stream
from enrollment.service.capture.hand_over import HandOverDesk
from enrollment.service.capture.hand_over_session import HandedOver, HandOverEvent, HandOverOrder, HandOverSession
from enrollment.service.capture.studio import Studio
from enrollment.service.cards.desk import CardDesk
from enrollment.service.rpc import card_messages, requests
from enrollment.service.rpc.authentication import is_supervisor, operator_id
from enrollment.service.rpc.card_encoding_servicer import CardEncodingServicer
from enrollment.service.rpc.card_lists import CardLists, require_digest
from enrollment.service.rpc.errors import MalformedRequest
from enrollment.service.store.card_batches import CardBatch
from enrollment.service.store.errors import SessionInvalid
from enrollment.service.store.operator_sessions import OperatorSession
from enrollment.service.store.store import Store
from enrollment.v1 import card_pb2

DEFAULT_PAGE: Final = 50
MOST_UNKNOWN: Final = 500
LONGEST_FINGER_TIMEOUT_S: Final = 600.0

_STATES: Final = {int(number): state for state, number in card_messages.CARD_STATES.items()}
_RETIRED: Final = {
    int(number): _STATES[number] for number in (card_pb2.CARD_STATE_RETURNED, card_pb2.CARD_STATE_DESTROYED)
}


class CardServicer(CardEncodingServicer):
    """The ledger of cards over gRPC. authenticate: whose session a token is; blocks."""

    def __init__(
        self,
        studio: Studio,
        store: Store,
        card_desk: CardDesk,
        desk: HandOverDesk,
        verifying_key: VerifyingKey,
        authenticate: Callable[[str], OperatorSession],
    ) -> None:
        super().__init__(card_desk)
        self._studio, self._stored, self._desk, self._authenticate = studio, studio.stored, desk, authenticate
        self._ledger, self._batches = store.cards, store.card_batches
        self._verifying_key = encode_verifying_key(verifying_key)
        self._lists = CardLists()

    async def ImportCardBatch(
        self, request: card_pb2.ImportCardBatchRequest, context: Any
    ) -> card_pb2.ImportCardBatchResponse:
        batch_id, sha256 = requests.batch_id(request.batch_id), requests.sha256(request.sha256)
        place, rows = requests.place(request.location), requests.card_rows(request)
        received, whole = self._lists.add(batch_id, sha256, request.row_count, request.first_row or 1, rows)
        if whole is None:
            return card_pb2.ImportCardBatchResponse(received_rows=received)

        def carry_out() -> CardBatch:
            require_digest(whole, sha256)
            return self._batches.carry_out(batch_id, whole, operator_id=caller, place=place)

        caller = operator_id()
        batch = await self._stored(carry_out)
        unknown = await self._stored(self._batches.unknown, batch_id, MOST_UNKNOWN)
        return card_pb2.ImportCardBatchResponse(
            arrived=batch.counts.get(RowOutcome.ARRIVED, 0),
            unknown_card_ids=unknown,
            received_rows=received,
            done=True,
            batch=card_messages.batch(batch),
            already_done=batch.repeated,
        )

    async def GetCardBatch(self, request: card_pb2.GetCardBatchRequest, context: Any) -> card_pb2.GetCardBatchResponse:
        batch = await self._stored(self._batches.get, requests.batch_id(request.batch_id))
        page = await self._stored(
            self._batches.not_arrived,
            batch.batch_id,
            requests.page_size(request.page_size, DEFAULT_PAGE),
            requests.name(request.page_token, "page_token", required=False),
        )
        return card_pb2.GetCardBatchResponse(
            batch=card_messages.batch(batch),
            rows=[card_messages.batch_row(row) for row in page.rows],
            next_page_token=page.next_page_token,
        )

    async def ListCards(self, request: card_pb2.ListCardsRequest, context: Any) -> card_pb2.ListCardsResponse:
        page = await self._stored(
            self._ledger.list,
            requests.page_size(request.page_size, DEFAULT_PAGE),
            requests.name(request.page_token, "page_token", required=False),
            state=requests.choice(request.state, "state", _STATES),
            place=requests.place(request.location),
            dossier_id=requests.uuid_id(request.dossier_id, "dossier_id") if request.dossier_id else "",
            unchanged_since=requests.moment(request.unchanged_since, "unchanged_since")
            if request.HasField("unchanged_since")
            else None,
        )
        return card_pb2.ListCardsResponse(
            cards=[card_messages.card(card) for card in page.cards], next_page_token=page.next_page_token
        )

    async def GetCardTotals(
        self, request: card_pb2.GetCardTotalsRequest, context: Any
    ) -> card_pb2.GetCardTotalsResponse:
        return card_messages.totals(await self._stored(self._ledger.totals))

    async def GetCard(self, request: card_pb2.GetCardRequest, context: Any) -> card_pb2.GetCardResponse:
        if bool(request.card_id) == bool(request.dossier_id):
            raise MalformedRequest("give card_id or dossier_id", field="card_id")
        if request.dossier_id:
            found = await self._stored(self._ledger.for_dossier, requests.uuid_id(request.dossier_id, "dossier_id"))
        else:
            found = await self._stored(self._ledger.get, card_number(request.card_id))
        return card_pb2.GetCardResponse(card=card_messages.card(found))

    async def HandOverCard(
        self, request: card_pb2.HandOverCardRequest, context: Any
    ) -> AsyncGenerator[card_pb2.HandOverCardResponse, None]:
        card_id = card_number(request.card_id)
        dossier_id = requests.uuid_id(request.dossier_id, "dossier_id") if request.dossier_id else ""
        request_id = requests.request_id(request.request_id)
        if request.HasField("vouching"):
            second = await self._second_officer(request.vouching)
            handed_over = await self._stored(
                self._desk.vouched,
                card_id,
                dossier_id,
                second,
                operator_id=operator_id(),
                reason=requests.kept_reason(request.vouching.reason, "vouching.reason"),
                request_id=request_id,
            )
            yield card_messages.hand_over_event(HandedOver(handed_over))
            return
        order = HandOverOrder(
            card_id=card_id,
            dossier_id=dossier_id,
            lease=requests.lease_reference(request.scanner_lease),
            position=requests.single_finger(request.position) if request.position else None,
            finger_timeout_s=requests.seconds(
                request.finger_timeout, "finger_timeout", low=0.1, high=LONGEST_FINGER_TIMEOUT_S
            )
            if request.HasField("finger_timeout")
            else None,
            request_id=request_id,
            operator_id=operator_id(),
        )

        def session(emit: Callable[[HandOverEvent], None]) -> Coroutine[Any, Any, None]:
            return HandOverSession(self._studio, self._desk, order, emit).run()

        async with aclosing(stream(session)) as events:
            async for event in events:
                yield card_messages.hand_over_event(event)

    async def _second_officer(self, vouching: card_pb2.Vouching) -> OperatorSession:
        try:
            second = await self._stored(self._authenticate, vouching.second_session_token)
        except SessionInvalid as error:  # not the caller's own session, as its reason would seem to say
            raise SecondOfficerNeeded("the second officer's session is unknown or has expired") from error
        if vouching.second_operator_id not in ("", second.operator_id):
            raise SecondOfficerNeeded("the second session is another operator's", found=second.operator_id)
        return second

    async def UndoHandOver(self, request: card_pb2.UndoHandOverRequest, context: Any) -> card_pb2.UndoHandOverResponse:
        undone = await self._stored(
            self._desk.undo,
            card_number(request.card_id),
            operator_id=operator_id(),
            reason=requests.kept_reason(request.reason, "reason"),
            request_id=requests.request_id(request.request_id),
        )
        return card_pb2.UndoHandOverResponse(card=card_messages.card(undone))

    async def GetHandOverReceipt(
        self, request: card_pb2.GetHandOverReceiptRequest, context: Any
    ) -> card_pb2.GetHandOverReceiptResponse:
        receipt, void = await self._stored(self._ledger.receipts, card_number(request.card_id))
        return card_pb2.GetHandOverReceiptResponse(
            receipt=receipt, void_receipt=void, verifying_key=self._verifying_key
        )

    async def RetireCard(self, request: card_pb2.RetireCardRequest, context: Any) -> card_pb2.RetireCardResponse:
        retired = await self._stored(
            self._ledger.retire,
            card_number(request.card_id),
            requests.required_choice(request.state, "state", _RETIRED),
            operator_id=operator_id(),
            reason=requests.kept_reason(request.reason, "reason"),
            supervisor=is_supervisor(),
            request_id=requests.request_id(request.request_id),
        )
        return card_pb2.RetireCardResponse(card=card_messages.card(retired))
