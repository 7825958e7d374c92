"""The whole daemon with a scanner that comes, goes and comes back across the real libusb and udev."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from enrollment.v1 import device_pb2
from firmware_stubs.umockdev.process import BusProcess
from tests.buses.conditions import needs_bus, needs_hotplug
from tests.flow.running_station import Hands, MakeStation, connected, refused

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")
pytestmark = [needs_bus, needs_hotplug]

FINGER = 4


async def test_scanner_is_added_pulled_in_a_capture_and_plugged_again_under_one_name(
    make_station: MakeStation, scanner_stub: ScannerStub
) -> None:
    folder = make_station(["usb:"])
    scanner_stub.unplug()
    with BusProcess(scanner_stub.url) as bus:
        daemon = folder.daemon(bus.environment)
        await asyncio.to_thread(daemon.start)
        try:
            async with connected(folder.socket, folder.issue_token()) as client:
                changes = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())

                async def next_as(state: device_pb2.DeviceState.ValueType) -> device_pb2.Device:
                    while True:
                        answer: Any = await changes.read()
                        if answer.device.state == state:
                            return answer.device  # type: ignore[no-any-return]

                await asyncio.to_thread(scanner_stub.plug)
                added = await next_as(device_pb2.DEVICE_STATE_READY)
                assert added.address == "usb:1-1"
                assert added.generation == 1

                dossier = await client.open_dossier()
                position = dossier.plan.fingerprints[0].position
                async with client.lease(added.device_id) as lease:
                    call = client.capture_finger(dossier.dossier_id, lease, position)
                    told: Any = await call.read()
                    if told.WhichOneof("event") == "lift_finger":  # it takes long to see that the platen is empty
                        told = await call.read()
                    assert told.WhichOneof("event") == "waiting"
                    await asyncio.to_thread(scanner_stub.unplug)
                    assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_GONE")
                gone = await next_as(device_pb2.DEVICE_STATE_DETACHED)
                assert gone.device_id == added.device_id

                await asyncio.to_thread(scanner_stub.plug)
                back = await next_as(device_pb2.DEVICE_STATE_READY)
                assert back.device_id == added.device_id
                assert back.generation > added.generation  # by more than one where a look met it between its ends
                async with client.lease(back.device_id) as lease:
                    call = client.capture_finger(dossier.dossier_id, lease, position)
                    events = await Hands(scanner_stub).follow(call, FINGER)
                assert events[-1][0] == "accepted"
        finally:
            await asyncio.to_thread(daemon.stop)
