"""Scanners come and go on a bus that umockdev makes up: libusb and its hotplug callbacks are the real ones.

The daemon looks by itself once an hour here, so that only the callbacks can tell it of a change.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from enrollment.v1 import device_pb2
from tests.flow.running_station import Client, MakeStation, connected

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

DEBIAN_PYTHON = "/usr/bin/python3"
BINDINGS = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"


def has_umockdev() -> bool:
    if shutil.which("umockdev-wrapper") is None or not Path(DEBIAN_PYTHON).exists():
        return False
    return subprocess.run([DEBIAN_PYTHON, "-c", BINDINGS], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not has_umockdev(), reason="umockdev or its bindings are not installed")


class Bus:
    """The daemon on a made-up bus, a client of it, and the hand that plugs."""

    def __init__(self, process: asyncio.subprocess.Process, client: Client) -> None:
        self._process = process
        self.client = client
        self.changes: Any = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())

    async def plug(self, port: str, number: int, serial: str = "-") -> device_pb2.Device:
        """Plug a scanner in; the next change that the daemon tells of."""
        return await self._do(f"plug {port} {number} {serial}")

    async def unplug(self) -> device_pb2.Device:
        """Pull the one out that was plugged in last; the next change that the daemon tells of."""
        return await self._do("unplug")

    async def _do(self, line: str) -> device_pb2.Device:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        return await self.next_change()

    async def next_change(self) -> device_pb2.Device:
        answer: device_pb2.WatchDevicesResponse = await asyncio.wait_for(self.changes.read(), 20)
        return answer.device


@pytest.fixture
async def bus(make_station: MakeStation) -> AsyncIterator[Bus]:
    folder = make_station(["usb:"])
    folder.look_every(3600)
    script = Path(__file__).with_name("umockdev_bus.py")
    daemon = [sys.executable, "-m", "enrollment.service.daemon", "run", "--config", str(folder.config)]
    process = await asyncio.create_subprocess_exec(
        *("umockdev-wrapper", DEBIAN_PYTHON, str(script), *daemon),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert b'"ready": true' in await process.stdout.readline()
        async with connected(folder.socket, await asyncio.to_thread(folder.issue_token)) as client:
            assert not (await client.devices.ListDevices(device_pb2.ListDevicesRequest())).devices
            yield Bus(process, client)
    finally:
        process.stdin.close()
        await process.wait()


def told(device: device_pb2.Device) -> tuple[str, str, int, str]:
    return device.device_id, device_pb2.DeviceState.Name(device.state)[13:], device.generation, device.address


async def test_a_scanner_comes_goes_and_comes_back_as_itself_in_a_new_generation(bus: Bus) -> None:
    name = "uru4000-abc"
    assert told(await bus.plug("1-1", 5, "ABC")) == (name, "READY", 1, "usb:1-1")
    request = device_pb2.HoldLeaseRequest(device_id=name, client_name="counter 3")
    held: Any = bus.client.devices.HoldLease(request)
    assert (await held.read()).granted.generation == 1
    await bus.next_change()  # it has a holder
    assert (await bus.unplug()).state == device_pb2.DEVICE_STATE_DETACHED
    assert (await held.read()).ended.reason == "DEVICE_GONE"
    assert await held.read() is grpc.aio.EOF
    assert told(await bus.plug("1-1", 6, "ABC")) == (name, "READY", 2, "usb:1-1")
    await bus.unplug()
    assert told(await bus.plug("1-4", 7, "ABC")) == (name, "READY", 3, "usb:1-4")  # into another port


async def test_scanners_without_a_serial_number_are_told_apart_by_their_ports(bus: Bus) -> None:
    assert told(await bus.plug("1-1", 5)) == ("uru4000-usb-1-1", "READY", 1, "usb:1-1")
    assert told(await bus.plug("1-2", 6)) == ("uru4000-usb-1-2", "READY", 1, "usb:1-2")
    assert told(await bus.unplug())[:3] == ("uru4000-usb-1-2", "DETACHED", 1)
    assert told(await bus.plug("1-2", 7)) == ("uru4000-usb-1-2", "READY", 2, "usb:1-2")
    assert told(await bus.plug("1-3", 8)) == ("uru4000-usb-1-3", "READY", 1, "usb:1-3")  # nobody can know that one
    listed = (await bus.client.devices.ListDevices(device_pb2.ListDevicesRequest())).devices
    assert [device.generation for device in listed] == [1, 2, 1]


async def test_a_scanner_that_was_away_for_a_moment_only_is_still_a_new_generation(bus: Bus) -> None:
    first = await bus.plug("1-1", 5, "ABC")
    assert bus._process.stdin is not None
    bus._process.stdin.write(b"unplug\nplug 1-1 6 ABC\n")
    while (device := await bus.next_change()).generation == first.generation:
        assert device.state == device_pb2.DEVICE_STATE_DETACHED
    assert told(device) == ("uru4000-abc", "READY", 2, "usb:1-1")
