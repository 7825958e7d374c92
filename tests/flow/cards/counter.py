"""A counter where cards are handed over: a station with a scanner and a registry, dossiers of two fingers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from enrollment.service.config import Clock
from enrollment.v1 import card_pb2, dossier_pb2, outbox_pb2
from tests.flow.running_station import (
    Client,
    Hands,
    InProcess,
    MakeStation,
    RegistryProcess,
    StationFolder,
    running_here,
)

FINGERS = (2, 7)
PLAN = """
plan_id = "two-fingers"
version = 1
title_vi = "Hai ngón"
title_en = "Two fingers"
card_profile = "vn-cccd"
fingerprints = [{ position = 2, accept_score = 20 }, { position = 7, accept_score = 20 }]
"""


def station_of_cards(
    make_station: MakeStation, devices: list[str], registry: RegistryProcess, more_config: str = ""
) -> StationFolder:
    """A station that is set up and offers the plan above."""
    quick = '\n[plans]\nfolder = "plans"\n[outbox]\nbackoff_min_s = 0.1\n'
    folder = make_station(devices, registry, quick + more_config)
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "two-fingers.toml").write_text(PLAN, "utf-8")
    return folder


async def enroll(client: Client, hands: Hands, requests: dict[str, str] | None = None) -> str:
    """A dossier of both fingers that the registry has acknowledged; its id."""
    created = await client.dossiers.CreateDossier(
        dossier_pb2.CreateDossierRequest(plan_id="two-fingers", request_id=str(uuid.uuid4()))
    )
    dossier_id = created.dossier.dossier_id
    async with client.lease((await client.scanner()).device_id) as lease:
        for finger in FINGERS:
            await hands.follow(client.capture_finger(dossier_id, lease, finger), finger=finger)
    await client.dossiers.CompleteDossier(dossier_pb2.CompleteDossierRequest(dossier_id=dossier_id))
    async for answer in client.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=dossier_id), timeout=30):
        if answer.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED:
            break
    return dossier_id


async def arrive(client: Client, dossier_id: str, card_id: str) -> None:
    """Its card is delivered."""
    row = card_pb2.CardArrival(card_id=card_id, dossier_id=dossier_id)
    answer = await client.cards.ImportCardBatch(card_pb2.ImportCardBatchRequest(batch_id=card_id, rows=[row]))
    assert (answer.arrived, answer.done) == (1, True)


@dataclass
class Counter:
    """A running station, whoever lays fingers, and one card that has arrived."""

    here: InProcess
    hands: Hands
    dossier_id: str
    card_id: str

    @property
    def client(self) -> Client:
        return self.here.client

    async def state(self) -> str:
        """handed-over, with the number of changes so far."""
        card = (await self.client.cards.GetCard(card_pb2.GetCardRequest(card_id=self.card_id))).card
        return card_pb2.CardState.Name(card.state).removeprefix("CARD_STATE_").lower()

    def call(self, lease: Any, **other: Any) -> Any:
        """The call of one hand-over; nothing is read of it yet."""
        fields = {"card_id": self.card_id, "scanner_lease": lease, "request_id": str(uuid.uuid4())} | other
        return self.client.cards.HandOverCard(card_pb2.HandOverCardRequest(**fields))

    async def follow(
        self, call: Any, *fingers: int, told: list[tuple[str, Any]] | None = None
    ) -> list[tuple[str, Any]]:
        """Lay a finger whenever one is asked for, one after the other, then the last again; all events by name.

        told: gets the events, for a call that fails.
        """
        events = [] if told is None else told
        while (answer := await call.read()) is not grpc.aio.EOF:
            name = answer.WhichOneof("event")
            events.append((name, getattr(answer, name)))
            if name == "waiting":
                attempt = answer.waiting.attempt
                await self.hands.lay(fingers[min(attempt, len(fingers)) - 1], 4 + attempt)
            elif name in ("lift_finger", "card"):
                await self.hands.lift()
        return events


@asynccontextmanager
async def open_counter(folder: StationFolder, hands: Hands, clock: Clock | None = None) -> AsyncIterator[Counter]:
    """One citizen enrolled, the card delivered."""
    async with running_here(folder, clock) as here:
        dossier_id = await enroll(here.client, hands)
        card_id = f"C{uuid.uuid4().hex[:11].upper()}X"
        await arrive(here.client, dossier_id, card_id)
        yield Counter(here, hands, dossier_id, card_id)
