"""The two calls of CardService that need a card in an encoder: personalise and verify."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from enrollment.service.capture.events import stream
from enrollment.service.cards.desk import CardDesk
from enrollment.service.cards.encoding_session import CardRequest, EncodingSession
from enrollment.service.cards.events import CardProgress, Emit
from enrollment.service.cards.verification_session import VerificationRequest, VerificationSession
from enrollment.service.rpc import requests
from enrollment.service.rpc.authentication import operator_id
from enrollment.service.rpc.card_encoding_messages import personalise_event, verify_event
from enrollment.v1 import card_pb2, card_pb2_grpc

_NEWEST_ONLY: Final = (CardProgress,)


class CardEncodingServicer(card_pb2_grpc.CardServiceServicer):
    """CardServicer's first half; the ledger's calls are in card_servicer.py."""

    def __init__(self, card_desk: CardDesk) -> None:
        self._card_desk = card_desk

    async def PersonaliseCard(
        self, request: card_pb2.PersonaliseCardRequest, context: Any
    ) -> AsyncGenerator[card_pb2.PersonaliseCardResponse, None]:
        wanted = CardRequest(
            dossier_id=requests.uuid_id(request.dossier_id, "dossier_id"),
            lease=requests.lease_reference(request.lease),
            profile_id=requests.name(request.profile, "profile", required=False),
            request_id=requests.request_id(request.request_id),
            operator_id=operator_id(),
        )

        async def session(emit: Emit) -> None:
            await EncodingSession(self._card_desk, wanted, emit).run()

        async with aclosing(stream(session, _NEWEST_ONLY)) as events:
            async for event in events:
                yield personalise_event(event)

    async def VerifyCard(
        self, request: card_pb2.VerifyCardRequest, context: Any
    ) -> AsyncGenerator[card_pb2.VerifyCardResponse, None]:
        wanted = VerificationRequest(
            dossier_id=requests.uuid_id(request.dossier_id, "dossier_id") if request.dossier_id else "",
            lease=requests.lease_reference(request.lease),
            access_key=requests.words(request.access_key, "access_key", required=not request.dossier_id),
            profile_id=requests.name(request.profile, "profile", required=False),
            operator_id=operator_id(),
        )

        async def session(emit: Emit) -> None:
            await VerificationSession(self._card_desk, wanted, emit).run()

        async with aclosing(stream(session, _NEWEST_ONLY)) as events:
            async for event in events:
                yield verify_event(event)
