"""A card is handed over on a live platen: the dossier holds a slap, the citizen lays down one finger of it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import grpc.aio

from enrollment.v1 import card_pb2, dossier_pb2, outbox_pb2
from tests.flow.cards.counter import arrive
from tests.flow.running_station import MakeStation, RegistryProcess, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PERSON, TWO_THUMBS = 7, 15
PLAN = """
plan_id = "two-thumbs"
version = 1
title_vi = "Hai ngón cái"
title_en = "Two thumbs"
card_profile = "vn-cccd"
fingerprints = [{ position = 15, impression = "slap", accept_score = 20 }]
"""


async def test_thumb_of_the_slap_gets_the_card_with_live_verdicts_on_the_way(
    make_station: MakeStation, slap_scanner: TenPrintStub, registry_process: RegistryProcess
) -> None:
    more = '\n[plans]\nfolder = "plans"\n[outbox]\nbackoff_min_s = 0.1\n'
    folder = make_station([slap_scanner.url], registry_process, more)
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "two-thumbs.toml").write_text(PLAN, "utf-8")
    async with running_here(folder) as here:
        client = here.client
        created = await client.dossiers.CreateDossier(
            dossier_pb2.CreateDossierRequest(plan_id="two-thumbs", request_id=str(uuid.uuid4()))
        )
        dossier_id = created.dossier.dossier_id

        async def lay(call: Any, *, missing: int) -> list[tuple[str, Any]]:
            events: list[tuple[str, Any]] = []
            while (answer := await call.read()) is not grpc.aio.EOF:
                name = answer.WhichOneof("event")
                events.append((name, getattr(answer, name)))
                if name == "waiting":
                    await asyncio.to_thread(slap_scanner.lay_slap, PERSON, TWO_THUMBS, missing=missing)
                elif name in ("lift_finger", "accepted", "exhausted", "card"):
                    await asyncio.to_thread(slap_scanner.lift)
            return events

        async with client.lease((await client.scanner()).device_id) as lease:
            await lay(client.capture_finger(dossier_id, lease, TWO_THUMBS), missing=0)
            await client.dossiers.CompleteDossier(dossier_pb2.CompleteDossierRequest(dossier_id=dossier_id))
            watching = outbox_pb2.WatchPackageRequest(dossier_id=dossier_id)
            async for answer in client.outbox.WatchPackage(watching, timeout=30):
                if answer.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED:
                    break
            await arrive(client, dossier_id, "A1B2")
            position: Any = 6
            request = card_pb2.HandOverCardRequest(card_id="A1B2", scanner_lease=lease, position=position)
            events = await lay(client.cards.HandOverCard(request), missing=1)
        assert events[-1][0] == "card"
        assert events[-1][1].state == card_pb2.CARD_STATE_HANDED_OVER
        assert any(event.fingers for name, event in events if name == "live")
        (compared,) = [event for name, event in events if name == "comparison"]
        assert (compared.matches, compared.attempt) == (True, 1)
