"""The daemon is killed after each step of a card's life, before its client has heard of it, and the client repeats it.

The same requests again give the same answers, and the ledger has each step once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import card_pb2
from tests.flow.cards.counter import enroll, station_of_cards
from tests.flow.running_station import (
    ChildProcess,
    Client,
    Hands,
    MakeStation,
    RegistryProcess,
    StationFolder,
    connected,
)

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

CARD = "4A01B2C3D4"
STEPS = ("imported", "handed over", "undone", "vouched", "returned")


@pytest.fixture
async def daemon(
    make_station: MakeStation, scanner_stub: ScannerStub, registry_process: RegistryProcess
) -> AsyncIterator[tuple[StationFolder, ChildProcess]]:
    folder = station_of_cards(make_station, [scanner_stub.url], registry_process)
    process = folder.daemon()
    await asyncio.to_thread(process.start)
    yield folder, process
    process.kill()


class CardsLife:
    """What the client does, and what it remembers: the ids of its requests."""

    def __init__(self, folder: StationFolder, hands: Hands, dossier_id: str) -> None:
        self.hands, self.dossier_id = hands, dossier_id
        self.requests = {step: str(uuid.uuid4()) for step in STEPS}
        self.second_token = folder.issue_token("op-2")

    async def do(self, client: Client, step: str) -> card_pb2.Card:
        """Carry out one step, as often as it takes."""
        request_id, cards = self.requests[step], client.cards
        match step:
            case "imported":
                rows = [card_pb2.CardArrival(card_id=CARD, dossier_id=self.dossier_id)]
                await cards.ImportCardBatch(card_pb2.ImportCardBatchRequest(batch_id="box", rows=rows))
                return (await cards.GetCard(card_pb2.GetCardRequest(card_id=CARD))).card
            case "handed over":
                async with client.lease((await client.scanner()).device_id) as lease:
                    request = card_pb2.HandOverCardRequest(card_id=CARD, scanner_lease=lease, request_id=request_id)
                    return await self._card_of(cards.HandOverCard(request))
            case "vouched":
                vouching = card_pb2.Vouching(reason="bandaged", second_session_token=self.second_token)
                request = card_pb2.HandOverCardRequest(card_id=CARD, vouching=vouching, request_id=request_id)
                return await self._card_of(cards.HandOverCard(request))
            case "undone":
                undo = card_pb2.UndoHandOverRequest(card_id=CARD, reason="twin", request_id=request_id)
                return (await cards.UndoHandOver(undo)).card
            case _:
                state = card_pb2.CARD_STATE_RETURNED
                retire = card_pb2.RetireCardRequest(card_id=CARD, state=state, reason="torn", request_id=request_id)
                return (await cards.RetireCard(retire)).card

    async def _card_of(self, call: Any) -> card_pb2.Card:
        asked = 2
        while (answer := await call.read()) is not grpc.aio.EOF:
            match answer.WhichOneof("event"):
                case "finger":
                    asked = answer.finger.position
                case "waiting":
                    await self.hands.lay(asked, 5)
                case "card":
                    await self.hands.lift()
                    found: card_pb2.Card = answer.card
                    return found
        raise AssertionError("the hand-over ended without a card")


async def test_each_step_is_there_once_whatever_was_cut_off(
    daemon: tuple[StationFolder, ChildProcess], hands: Hands
) -> None:
    folder, process = daemon
    token = folder.issue_token("sup-1", Role.SUPERVISOR)
    async with connected(folder.socket, token) as client:
        life = CardsLife(folder, hands, await enroll(client, hands))
    steps, after = 2, card_pb2.Card()  # collected, sent
    for step in STEPS:
        async with connected(folder.socket, token) as client:
            before = await life.do(client, step)
        process.kill()
        await asyncio.to_thread(process.start)
        async with connected(folder.socket, token) as client:
            after = await life.do(client, step)
            steps += 1
            assert after == before, f"{step} was answered otherwise"
            assert len(after.history) == steps, f"{step} is there twice, or lost"
            totals = await client.cards.GetCardTotals(card_pb2.GetCardTotalsRequest())
            assert (totals.collected, totals.unaccounted) == (1, 0)
    assert after.state == card_pb2.CARD_STATE_RETURNED
