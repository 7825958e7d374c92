"""The wire log of a scanner over gRPC, while a finger is captured."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import grpc.aio
import pytest

from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import diagnostics_pb2
from tests.flow.running_station import Client, Hands, InProcess, refused

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

IMAGE_BYTES = 64 + 289 * 384
# Everything that a line may hold: no place in it takes the content of a transfer from the device.
LINE = re.compile(
    r"(?:in|out) (?:control request 0x04 (?P<register>[A-Z_]+)(?: = 0x[0-9a-f]{2})?|(?:bulk|interrupt) 0x8[0-9a-f])"
    r" (?P<moved>\d{1,6}) of \d{1,6} bytes, \d+\.\d\d ms, (?:ok|E[A-Z]+)"
)


@pytest.fixture
async def technician(here: InProcess) -> Client:
    return await here.another_client("tech-1", Role.TECHNICIAN)


def trace(client: Client, device_id: str) -> Any:
    return client.diagnostics.TraceDevice(diagnostics_pb2.TraceDeviceRequest(device_id=device_id))


async def lines_until(call: Any, found: Callable[[str], object]) -> list[str]:
    lines: list[str] = []
    async with asyncio.timeout(30):
        while not lines or not found(lines[-1]):
            answer = await call.read()
            assert answer is not grpc.aio.EOF
            lines.append(answer.line)
    return lines


async def test_capture_under_trace_shows_every_step_and_not_one_byte_of_the_finger(
    here: InProcess, technician: Client, hands: Hands
) -> None:
    scanner = await here.client.scanner()
    call = trace(technician, scanner.device_id)
    heard = (await call.read()).line
    assert heard.startswith(f"-- listening to {scanner.device_id} at usbip://")
    dossier = await here.client.open_dossier()
    async with here.client.lease(scanner.device_id) as lease:
        told = await hands.follow(here.client.capture_finger(dossier.dossier_id, lease, 2), finger=1)
    assert told[-1][0] == "accepted"
    lines = await lines_until(call, lambda line: "MODE = 0x70" in line)  # the lease is over: switched off
    call.cancel()
    matched = [LINE.fullmatch(line) for line in lines]
    assert all(matched), [line for line, match in zip(lines, matched, strict=True) if match is None]
    registers = {match["register"] for match in matched if match} - {None}
    assert registers >= {"HWSTAT", "MODE", "INFO", "SCRAMBLE_SEED", "SCRAMBLE_ANSWER"}
    moved = max(int(match["moved"]) for match in matched if match)
    assert moved == IMAGE_BYTES, "the image passed while we listened"
    assert sum(map(len, lines)) < IMAGE_BYTES / 10


async def test_camera_says_that_its_wire_cannot_be_seen(here: InProcess, technician: Client) -> None:
    call = trace(technician, (await here.client.camera()).device_id)
    said = [(await call.read()).line for _ in range(2)]
    assert "keeps its wire to itself" in said[1]
    call.cancel()


async def test_trace_is_for_technicians_and_of_known_devices(here: InProcess, technician: Client) -> None:
    scanner = await here.client.scanner()
    assert (await refused(trace(here.client, scanner.device_id)))[:2] == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    assert (await refused(trace(technician, "nobody")))[:2] == ("NOT_FOUND", "DEVICE_UNKNOWN")
