"""No print lands in another dossier: whose finger still lies there, and what two captures do at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from enrollment.v1 import capture_pb2
from tests.flow.running_station import Client, Hands, InProcess

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

SOON_S = 20.0


async def next_event(call: Any) -> str:
    async with asyncio.timeout(SOON_S):
        answer = await call.read()
    assert answer is not grpc.aio.EOF
    return str(answer.WhichOneof("event"))


async def follow_without_lifting(call: Any, hands: Hands, finger: int) -> str:
    """Carry a capture out, and leave the finger where it is; the last event."""
    last = ""
    async with asyncio.timeout(SOON_S):
        while (answer := await call.read()) is not grpc.aio.EOF:
            last = str(answer.WhichOneof("event"))
            if last == "waiting":
                await hands.lay(finger)
    return last


async def test_a_finger_that_stays_while_the_next_client_takes_the_scanner_is_not_taken_for_the_next_persons(
    here: InProcess, hands: Hands
) -> None:
    scanner = await here.client.scanner()
    other = await here.another_client("op-2")
    first = await here.client.open_dossier()
    async with here.client.lease(scanner.device_id) as lease:
        assert await follow_without_lifting(here.client.capture_finger(first.dossier_id, lease, 1), hands, 1)
    second = await other.open_dossier()
    async with other.lease(scanner.device_id) as lease:
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
