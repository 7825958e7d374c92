"""No print lands in another dossier: whose finger still lies there, and what two captures do at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from enrollment.v1 import device_pb2
from tests.flow.running_station import Hands, InProcess, MakeStation, refused, running_here, to_the_end

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

SOON_S = 20.0


async def next_event(call: Any) -> str:
    async with asyncio.timeout(SOON_S):
        answer = await call.read()
    assert answer is not grpc.aio.EOF
    return str(answer.WhichOneof("event"))


async def capture_without_lifting(call: Any, hands: Hands) -> None:
    """Carry a capture out, and leave the finger where it is."""
    assert await next_event(call) == "waiting"
    await hands.lay(finger=1)
    async with asyncio.timeout(SOON_S):
        await to_the_end(call)


async def test_a_finger_that_stays_while_the_next_client_takes_the_scanner_is_not_taken_for_the_next_persons(
    here: InProcess, hands: Hands
) -> None:
    scanner = await here.client.scanner()
    other = await here.another_client("op-2")
    first = await here.client.open_dossier()
    async with here.client.lease(scanner.device_id) as lease:
        short = Duration(seconds=3)  # so long the finger is watched for to leave
        call = here.client.capture_finger(first.dossier_id, lease, 1, finger_timeout=short)
        await capture_without_lifting(call, hands)
    watch = here.station.inventory.get(scanner.device_id).platen_watch
    assert watch is not None
    assert not await asyncio.wait_for(asyncio.shield(watch.task), SOON_S)
    second = await other.open_dossier()
    async with other.lease(scanner.device_id) as lease:
        for _ in range(2):  # who gave up waiting for it must not get it either
            impatient = other.capture_finger(second.dossier_id, lease, 1, finger_timeout=Duration(nanos=300_000_000))
            assert await next_event(impatient) == "lift_finger"
            assert (await refused(impatient))[:2] == ("DEADLINE_EXCEEDED", "CAPTURE_TIMED_OUT")
        call = other.capture_finger(second.dossier_id, lease, 1)
        assert await next_event(call) == "lift_finger"
        await hands.lift()
        assert await next_event(call) == "waiting"
    assert not (await other.dossier(second.dossier_id)).captures


async def test_a_finger_that_stays_when_a_capture_is_cancelled_is_not_taken_for_the_next_persons(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    scanner = await client.scanner()
    first, second = await client.open_dossier(), await client.open_dossier()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(first.dossier_id, lease, 1)
        assert await next_event(call) == "waiting"
        await hands.lay(finger=1)
        assert await next_event(call) == "finger_on"
        call.cancel()
        following = client.capture_finger(second.dossier_id, lease, 1)
        assert await next_event(following) == "lift_finger"
        await hands.lift()
        assert await next_event(following) == "waiting"


async def test_a_finger_that_lies_there_when_the_scanner_is_opened_is_nobodys(
    here: InProcess, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a daemon that was started anew, or a scanner that failed, nobody knows whose it is."""
    monkeypatch.setattr("drivers.fingerprint.uru4000.driver._FEELING_S", 1.5)  # a busy machine tells of it later
    client = here.client
    await hands.lay(finger=1)
    first, second = await client.open_dossier(), await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(first.dossier_id, lease, 1)
        assert await next_event(call) == "lift_finger"
        await hands.lift()
        assert await next_event(call) == "waiting"
        hands.scanner.fail("stall")
        await hands.lay(finger=1)
        assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_STALLED")
        following = client.capture_finger(second.dossier_id, lease, 1)
        assert await next_event(following) == "lift_finger"
        await hands.lift()
        assert await next_event(following) == "waiting"


async def test_two_scanners_at_one_dossier_do_not_both_store_the_same_finger(
    make_station: MakeStation, scanner_stub: ScannerStub, noiseless_stub: ScannerStub
) -> None:
    async with running_here(make_station([scanner_stub.url, noiseless_stub.url])) as here:
        client = here.client
        listed = await client.devices.ListDevices(device_pb2.ListDevicesRequest())
        on = {device.address: device.device_id for device in listed.devices}
        dossier = await client.open_dossier()
        async with client.lease(on[scanner_stub.url]) as slow, client.lease(on[noiseless_stub.url]) as quick:
            waiting = client.capture_finger(dossier.dossier_id, slow, 2)
            assert await next_event(waiting) == "waiting"
            hands = Hands(noiseless_stub)
            events = await hands.follow(client.capture_finger(dossier.dossier_id, quick, 1), finger=1)
            assert events[-1][0] in ("accepted", "exhausted")
            await Hands(scanner_stub).lay(finger=1, impression=1)
            async with asyncio.timeout(SOON_S):
                code, reason, facts = await refused(waiting)
        assert (code, reason, facts["same_as"]) == ("FAILED_PRECONDITION", "SAME_FINGER", "1")
        assert [capture.position for capture in (await client.dossier(dossier.dossier_id)).captures] == [1]
