"""The daemon is killed between any two steps of a visit and started again: nothing captured is lost, and the registry
gets one package.

The client repeats the step whose answer it may have missed, with the same request ids, as a real one must.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from enrollment.v1 import dossier_pb2, outbox_pb2
from tests.flow.running_station import (
    DEMOGRAPHICS,
    ChildProcess,
    Client,
    Hands,
    MakeStation,
    RegistryProcess,
    StationFolder,
    connected,
)

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PLAN = """
plan_id = "short-visit"
version = 1
title_vi = "Thu nhận ngắn"
title_en = "Short visit"
fingerprints = [{ position = 1 }, { position = 2 }]
[portrait]
[[fields]]
name = "full_name"
label_vi = "Họ và tên"
label_en = "Full name"
required = true
"""
OUTCOMES = ("accepted", "exhausted")
STEPS = ("opened", "named", "finger 1", "finger 2", "portrait", "completed", "queued", "acknowledged")


class Visit:
    """One person's visit as its client sees it: what it knows survives the daemon."""

    def __init__(self, folder: StationFolder, hands: Hands) -> None:
        self.folder = folder
        self.hands = hands
        self.token = folder.issue_token()
        self.requests = {step: str(uuid.uuid4()) for step in STEPS}
        self.dossier_id = ""
        self.captures: dict[int, str] = {}

    async def do(self, step: str) -> None:
        async with connected(self.folder.socket, self.token) as client:
            match step.split():
                case ["opened"]:
                    request = dossier_pb2.CreateDossierRequest(plan_id="short-visit", request_id=self.requests[step])
                    self._same_dossier((await client.dossiers.CreateDossier(request)).dossier.dossier_id)
                case ["named"]:
                    fields = {"full_name": DEMOGRAPHICS["full_name"]}
                    await client.dossiers.UpdateDemographics(
                        dossier_pb2.UpdateDemographicsRequest(dossier_id=self.dossier_id, demographics=fields)
                    )
                case ["finger", position]:
                    async with client.lease((await client.scanner()).device_id) as lease:
                        call = client.capture_finger(
                            self.dossier_id, lease, int(position), request_id=self.requests[step]
                        )
                        events = await self.hands.follow(call, finger=int(position))
                    self._same_capture(int(position), events[-1][1].capture_id)
                case ["portrait"]:
                    async with client.lease((await client.camera()).device_id) as lease:
                        call = client.capture_portrait(self.dossier_id, lease, request_id=self.requests[step])
                        answers = [answer async for answer in call]
                    name = answers[-1].WhichOneof("event")
                    self._same_capture(0, getattr(answers[-1], name).capture_id)
                case ["completed"]:
                    await client.dossiers.CompleteDossier(
                        dossier_pb2.CompleteDossierRequest(dossier_id=self.dossier_id)
                    )
                case [wanted]:
                    await self._package(client, wanted)

    async def _package(self, client: Client, wanted: str) -> None:
        """Until the package is in the queue, or acknowledged."""
        call = client.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=self.dossier_id), timeout=30)
        async for answer in call:
            if wanted == "queued" or answer.package.state == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED:
                return

    def _same_dossier(self, dossier_id: str) -> None:
        assert self.dossier_id in ("", dossier_id), "the repeated request opened a second dossier"
        self.dossier_id = dossier_id

    def _same_capture(self, position: int, capture_id: str) -> None:
        assert self.captures.setdefault(position, capture_id) == capture_id, "the repeated request captured twice"


@pytest.fixture
async def daemon(
    make_station: MakeStation,
    scanner_stub: ScannerStub,
    camera_stub: CameraStub,
    registry_process: RegistryProcess,
) -> AsyncIterator[tuple[StationFolder, ChildProcess]]:
    folder = make_station(
        [scanner_stub.url, camera_stub.url],
        registry_process,
        '\n[plans]\nfolder = "plans"\n[outbox]\nbackoff_min_s = 0.1\n',
    )
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "short-visit.toml").write_text(PLAN, "utf-8")
    process = folder.daemon()
    await asyncio.to_thread(process.start)
    yield folder, process
    process.kill()


@pytest.mark.parametrize("killed_after", STEPS)
async def test_a_daemon_killed_after_a_step_loses_nothing_and_sends_once(
    daemon: tuple[StationFolder, ChildProcess], registry_process: RegistryProcess, hands: Hands, killed_after: str
) -> None:
    folder, process = daemon
    visit = Visit(folder, hands)
    for step in STEPS:
        await visit.do(step)
        if step == killed_after:
            process.kill()
            await asyncio.to_thread(process.start)
            await visit.do(step)
    async with connected(folder.socket, visit.token) as client:
        kept = await client.dossier(visit.dossier_id)
        assert kept.state == dossier_pb2.DOSSIER_STATE_ACKNOWLEDGED
        assert {capture.position: capture.capture_id for capture in kept.captures} == visit.captures
        ledger = await client.outbox.GetLedger(outbox_pb2.GetLedgerRequest())
        assert [ledger.opened, ledger.sealed, ledger.acknowledged, ledger.last_sequence] == [1, 1, 1, 1]
    assert registry_process.packages_of(folder.station_id) == 1


@pytest.mark.parametrize("moment", ["waiting", "finger_on", "judged"])
async def test_a_daemon_killed_inside_a_capture_has_stored_none_of_it_and_captures_anew(
    daemon: tuple[StationFolder, ChildProcess], hands: Hands, moment: str
) -> None:
    folder, process = daemon
    visit = Visit(folder, hands)
    await visit.do("opened")
    async with (
        connected(folder.socket, visit.token) as client,
        client.lease((await client.scanner()).device_id) as lease,
    ):
        call = client.capture_finger(visit.dossier_id, lease, 1, request_id=visit.requests["finger 1"])
        while (name := (await call.read()).WhichOneof("event")) != moment:
            if name == "waiting":
                await hands.lay(finger=1)
        process.kill()
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (answer := await call.read()) is not grpc.aio.EOF:
                name = answer.WhichOneof("event")
            assert name in OUTCOMES, "the kill came too late, or the capture ended in silence"
    told = name in OUTCOMES
    await hands.lift()
    await asyncio.to_thread(process.start)
    async with connected(folder.socket, visit.token) as client:
        kept = await client.dossier(visit.dossier_id)
        assert kept.state == dossier_pb2.DOSSIER_STATE_OPEN
        assert told <= len(kept.captures) <= (moment != "waiting"), "it may be stored and not told, but not told alone"
    await visit.do("finger 1")  # nothing of the first attempt, or all of it: never half
    async with connected(folder.socket, visit.token) as client:
        kept = await client.dossier(visit.dossier_id)
        assert [len(capture.parts) for capture in kept.captures] == [2]


async def test_a_package_waits_through_kills_until_the_registry_is_there(
    make_station: MakeStation,
    scanner_stub: ScannerStub,
    camera_stub: CameraStub,
    own_registry_process: RegistryProcess,
    hands: Hands,
) -> None:
    registry = own_registry_process
    folder = make_station(
        [scanner_stub.url, camera_stub.url],
        registry,
        '\n[plans]\nfolder = "plans"\n[outbox]\nbackoff_min_s = 0.1\nbackoff_max_s = 0.3\n',
    )
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "short-visit.toml").write_text(PLAN, "utf-8")
    process = folder.daemon()
    try:
        await asyncio.to_thread(process.start)
        visit = Visit(folder, hands)
        for step in STEPS[:-1]:
            await visit.do(step)
        for _ in range(2):
            process.kill()
            await asyncio.to_thread(process.start)
        async with connected(folder.socket, visit.token) as client:
            call = client.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=visit.dossier_id), timeout=30)
            async for answer in call:
                if answer.package.problem:
                    assert answer.package.problem == "REGISTRY_UNREACHABLE"
                    break
        await asyncio.to_thread(registry.start)
        await visit.do("acknowledged")
    finally:
        process.kill()
    assert registry.packages_of(folder.station_id) == 1
