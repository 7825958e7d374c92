"""One scanner between two boxes keeps its name wherever it is plugged in; two of one serial number are told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from enrollment.v1 import device_pb2
from tests.flow.running_station import Client, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

READY = device_pb2.DEVICE_STATE_READY
DETACHED = device_pb2.DEVICE_STATE_DETACHED
NAME = "uru4000-1234"


@pytest.fixture(scope="module")
def _boxes() -> Iterator[tuple[ScannerStub, ScannerStub]]:
    from tests.contract.device_stubs import ScannerStub

    boxes = ScannerStub("4500", "--serial", "1234"), ScannerStub("4500", "--serial", "1234")
    yield boxes
    for box in boxes:
        box.stop()


@pytest.fixture
def boxes(_boxes: tuple[ScannerStub, ScannerStub]) -> tuple[ScannerStub, ScannerStub]:
    """Two USB/IP servers; the scanner is plugged into the first."""
    _boxes[0].plug()
    _boxes[1].unplug()
    return _boxes


def move(boxes: tuple[ScannerStub, ScannerStub]) -> None:
    boxes[0].unplug()
    boxes[1].plug()


async def becomes(client: Client, device_id: str, **wanted: Any) -> device_pb2.Device:
    """Wait until a device is so, as those who watch hear of it."""
    changes = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    while True:
        answer: Any = await asyncio.wait_for(changes.read(), 20)
        device: device_pb2.Device = answer.device
        if device.device_id == device_id and all(getattr(device, name) == value for name, value in wanted.items()):
            changes.cancel()
            return device


async def test_on_another_box_of_the_same_station_it_is_itself_in_a_new_generation(
    make_station: MakeStation, boxes: tuple[ScannerStub, ScannerStub]
) -> None:
    async with running_here(make_station([box.url for box in boxes])) as here:
        first = await becomes(here.client, NAME, state=READY)
        assert (first.address, first.generation) == (boxes[0].url, 1)
        held: Any = here.client.devices.HoldLease(device_pb2.HoldLeaseRequest(device_id=NAME, client_name="counter 3"))
        lease = (await held.read()).granted
        await asyncio.to_thread(move, boxes)
        moved = await becomes(here.client, NAME, state=READY, address=boxes[1].url)
        assert moved.generation == first.generation + 1
        assert (await held.read()).ended.reason == "DEVICE_GONE"
        renew = device_pb2.RenewLeaseRequest(lease_id=lease.lease_id)
        assert (await refused(here.client.devices.RenewLease(renew)))[1] == "LEASE_EXPIRED"
        listed = await here.client.devices.ListDevices(device_pb2.ListDevicesRequest())
        assert [device.device_id for device in listed.devices] == [NAME]


async def test_on_another_pc_it_has_the_name_that_it_had_on_the_first(
    make_station: MakeStation, boxes: tuple[ScannerStub, ScannerStub]
) -> None:
    async with running_here(make_station([boxes[0].url])) as first, running_here(make_station([boxes[1].url])) as other:
        await becomes(first.client, NAME, state=READY)
        assert not (await other.client.devices.ListDevices(device_pb2.ListDevicesRequest())).devices
        await asyncio.to_thread(move, boxes)
        assert (await becomes(first.client, NAME, state=DETACHED)).generation == 1
        assert (await becomes(other.client, NAME, state=READY)).generation == 1


async def test_two_of_one_serial_number_are_told_apart_by_their_sockets_even_when_one_leaves(
    make_station: MakeStation, boxes: tuple[ScannerStub, ScannerStub]
) -> None:
    boxes[1].plug()
    async with running_here(make_station([box.url for box in boxes])) as here:
        listed = await here.client.devices.ListDevices(device_pb2.ListDevicesRequest())
        attached = {device.address: device for device in listed.devices if device.state == READY}
        assert attached.keys() == {box.url for box in boxes}
        stays, leaves = attached[boxes[0].url], attached[boxes[1].url]
        assert {stays.device_id.startswith(f"{NAME}-"), leaves.device_id.startswith(f"{NAME}-")} == {True}
        held: Any = here.client.devices.HoldLease(
            device_pb2.HoldLeaseRequest(device_id=stays.device_id, client_name="counter 3")
        )
        await held.read()
        await asyncio.to_thread(boxes[1].unplug)
        await becomes(here.client, leaves.device_id, state=DETACHED)
        await here.station.inventory.scan()
        request = device_pb2.GetDeviceRequest(device_id=stays.device_id)
        assert (await here.client.devices.GetDevice(request)).device.lease_holder.client_name == "counter 3"
        held.cancel()
