"""The inventory: generations, who is told what, scans that fail. Scans are scripted; the fault tests make real ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from drivers.discovery import DiscoveryFailure, FoundDevice, Look, Naming
from drivers.errors import DeviceGone, DeviceNotFound, DeviceStalled, UnsupportedDevice
from drivers.spi import Camera, CancelToken, DeviceKind, FingerprintScanner
from enrollment.service.devices.errors import DeviceDetached, DeviceInUse, DeviceUnknown
from enrollment.service.devices.inventory import ABSENT_REMEMBERED, DeviceState, Inventory, shown
from enrollment.service.devices.sleep_watch import SHORTEST_S, asleep_s

SCANNER = FoundDevice(
    "uru4000-1", DeviceKind.FINGERPRINT_SCANNER, "uru4000", "usbip://reader:3240/1-1", "DigitalPersona", "4500", "1"
)
CAMERA = FoundDevice("camera-a", DeviceKind.CAMERA, "camera", "http://camera/stream", "", "", "")
AWAY = DiscoveryFailure("usbip://reader:3240", DeviceNotFound("nobody answers"))


class Bus:
    """What a scan finds, as the test says it."""

    def __init__(self) -> None:
        self.found: list[FoundDevice] = [SCANNER]
        self.failures: list[DiscoveryFailure] = []
        self.gone: list[str] = []
        self.asleep_s = 0.0
        self.tell: Callable[[], None] = lambda: None
        self.build: Callable[[FoundDevice], FingerprintScanner | Camera] = self._build
        self.watched = 0
        self.inventory = Inventory(
            ["usbip://reader:3240"],
            3600,
            look=self._look,
            put_together=Naming(),
            watch_bus=self._watch_bus,
            build=lambda found: self.build(found),
            at_gone=self.gone.append,
            asleep_s=lambda: self.asleep_s,
        )

    def _look(self, address: str) -> Look:
        assert address == "usbip://reader:3240"
        return Look(tuple((device, "socket") for device in self.found), self.failures[0] if self.failures else None)

    def _watch_bus(self, addresses: Sequence[str], on_change: Callable[[], None]) -> Callable[[], None]:
        self.tell = on_change
        self.watched += 1

        def end() -> None:
            self.watched -= 1

        return end

    def _build(self, found: FoundDevice) -> FingerprintScanner | Camera:
        raise UnsupportedDevice("no driver in this test", device_id=found.device_id)


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    made = Bus()
    yield made
    await made.inventory.stop()


async def test_a_device_that_is_seen_is_ready_in_its_first_generation(bus: Bus) -> None:
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    assert (device.state, device.generation) == (DeviceState.READY, 1)
    assert bus.inventory.generation_of("uru4000-1") == 1
    with pytest.raises(DeviceUnknown):
        bus.inventory.get("uru4000-2")


async def test_a_device_that_leaves_stays_known_and_comes_back_as_a_new_generation(bus: Bus) -> None:
    await bus.inventory.scan()
    bus.found = []
    await bus.inventory.scan()
    assert bus.gone == ["uru4000-1"]
    assert bus.inventory.get("uru4000-1").state is DeviceState.DETACHED
    with pytest.raises(DeviceDetached):
        bus.inventory.generation_of("uru4000-1")
    await bus.inventory.scan()
    assert bus.gone == ["uru4000-1"]
    bus.found = [SCANNER]
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    assert (device.state, device.generation, device.problem) == (DeviceState.READY, 2, "")


async def test_a_driver_that_says_gone_ends_the_generation_before_any_scan(bus: Bus) -> None:
    await bus.inventory.scan()
    bus.inventory._failed("uru4000-1", 1, DeviceGone("unplugged"))
    assert bus.gone == ["uru4000-1"]
    assert bus.inventory.get("uru4000-1").state is DeviceState.DETACHED
    await bus.inventory.scan()  # re-plugged faster than the scans look
    device = bus.inventory.get("uru4000-1")
    assert device.generation == 2
    assert (device.state, device.problem) == (DeviceState.FAULTY, "DEVICE_GONE")  # until it was opened once


async def test_a_late_word_of_a_generation_that_has_ended_leaves_the_next_one_alone(bus: Bus) -> None:
    built, may_fail = threading.Event(), threading.Event()

    def build(found: FoundDevice) -> FingerprintScanner:
        built.set()
        assert may_fail.wait(10)
        raise DeviceGone("unplugged", device_id=found.device_id)

    bus.build = build
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    job = asyncio.create_task(device.worker.run(lambda driver: None, cancel=CancelToken(), check=lambda: None))
    assert await asyncio.to_thread(built.wait, 10)
    bus.found = []
    await bus.inventory.scan()
    bus.found = [SCANNER]
    await bus.inventory.scan()
    may_fail.set()
    with pytest.raises(DeviceGone):
        await job
    assert (device.attached, device.generation, device.problem) == (True, 2, "")


async def test_a_device_that_was_away_between_two_looks_is_a_new_generation(bus: Bus) -> None:
    bus.found = [replace(SCANNER, attachment="1-4")]
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    again = replace(SCANNER, attachment="1-5")
    for generation, found in ((2, again), (3, replace(again, address="usbip://reader:3240/1-2"))):  # another port
        bus.found = [found]
        await bus.inventory.scan()
        assert bus.gone == ["uru4000-1"] * (generation - 1)
        assert (device.state, device.generation, device.problem) == (DeviceState.READY, generation, "")
        assert device.found == bus.found[0]
    await bus.inventory.scan()
    assert device.generation == 3


async def test_where_the_bus_tells_of_changes_nobody_waits_for_the_next_look(bus: Bus) -> None:
    running = asyncio.ensure_future(bus.inventory.run())
    await bus.inventory.first_scan()
    changes = bus.inventory.watch()
    await anext(changes)
    bus.found = []
    await asyncio.to_thread(bus.tell)  # an hour before the next look is due
    assert (await asyncio.wait_for(anext(changes), 5)).state is DeviceState.DETACHED
    assert bus.watched == 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert bus.watched == 0
    await asyncio.to_thread(bus.tell)  # libusb may be in the middle of a callback: it finds nobody


async def test_after_a_suspension_every_device_is_a_new_generation_and_is_opened_anew(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrollment.service.devices.sleep_watch.CHECK_EVERY_S", 0.01)  # not half a second a test
    bus.found = [SCANNER, CAMERA]
    running = asyncio.ensure_future(bus.inventory.run())
    await bus.inventory.first_scan()
    changes = bus.inventory.watch()
    for _ in range(2):
        await anext(changes)
    bus.asleep_s = 3600.0
    while {device.generation for device in bus.inventory.devices()} != {2}:
        await asyncio.wait_for(anext(changes), 5)
    assert bus.gone == ["uru4000-1", "camera-a"]
    assert {(device.state, device.problem) for device in bus.inventory.devices()} == {(DeviceState.READY, "")}
    running.cancel()


async def test_an_address_that_is_slow_to_fail_does_not_delay_another() -> None:
    release = threading.Event()

    def look(address: str) -> Look:
        if address == "usbip://away":
            release.wait(10)
            return Look((), AWAY)
        return Look(((SCANNER, "socket"),))

    def build(found: FoundDevice) -> FingerprintScanner | Camera:
        raise UnsupportedDevice("no driver in this test", device_id=found.device_id)

    inventory = Inventory(
        *(["usbip://away", "usb:"], 3600),
        look=look,
        put_together=Naming(),
        watch_bus=lambda addresses, on_change: None,
        build=build,
        at_gone=lambda device_id: None,
    )
    running = asyncio.ensure_future(inventory.run())
    changes = inventory.watch()
    assert (await asyncio.wait_for(anext(changes), 5)).device_id == "uru4000-1"
    assert inventory.unreachable == ()
    release.set()
    await inventory.first_scan()
    assert list(inventory.unreachable) == ["usbip://reader:3240: nobody answers"]
    running.cancel()
    await inventory.stop()


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system does not tell of suspensions")
def test_the_time_that_the_machine_slept_stands_still_while_it_is_awake() -> None:
    readings = [asleep_s() for _ in range(200)]
    assert max(readings) - min(readings) < SHORTEST_S
    assert min(readings) > -SHORTEST_S


async def test_a_look_from_before_the_driver_said_gone_brings_nothing_back(bus: Bus) -> None:
    """Another address is looked at meanwhile: what is remembered of this one is told again, and is out of date."""
    await bus.inventory.scan()
    bus.inventory._failed("uru4000-1", 1, DeviceGone("unplugged"))
    lookout = bus.inventory._lookout
    bus.inventory._seen(Naming()([bus._look("usbip://reader:3240")]), {SCANNER.address: lookout.number})
    assert bus.inventory.get("uru4000-1").state is DeviceState.DETACHED
    await bus.inventory.scan()
    assert bus.inventory.get("uru4000-1").generation == 2


async def test_another_failure_leaves_the_device_attached_and_names_the_problem(bus: Bus) -> None:
    await bus.inventory.scan()
    bus.inventory._failed("uru4000-1", 1, DeviceStalled("no answer"))
    device = bus.inventory.get("uru4000-1")
    assert (device.state, device.generation, device.problem) == (DeviceState.FAULTY, 1, "DEVICE_STALLED")
    assert bus.gone == []


async def test_where_a_scan_cannot_look_closed_devices_are_gone_and_the_address_is_named(bus: Bus) -> None:
    await bus.inventory.scan()
    bus.found, bus.failures = [], [AWAY]
    await bus.inventory.scan()
    assert list(bus.inventory.unreachable) == ["usbip://reader:3240: nobody answers"]
    assert bus.inventory.get("uru4000-1").state is DeviceState.DETACHED
    bus.failures = []
    await bus.inventory.scan()
    assert len(bus.inventory.unreachable) == 0


async def test_one_who_watches_hears_of_each_device_once_and_then_of_the_newest_state_only(bus: Bus) -> None:
    bus.found = [SCANNER, CAMERA]
    await bus.inventory.scan()
    changes = bus.inventory.watch()
    assert [(await anext(changes)).device_id for _ in range(2)] == ["camera-a", "uru4000-1"]
    following = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    assert not following.done()
    for reason in ("first", "second", "third"):
        bus.inventory.get("camera-a").problem = reason
        bus.inventory.changed("camera-a")
    assert (await following).problem == "third"
    nothing_more = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    assert not nothing_more.done()
    nothing_more.cancel()


async def test_the_loop_scans_at_once_and_again_when_a_device_failed(bus: Bus) -> None:
    running = asyncio.ensure_future(bus.inventory.run())
    await bus.inventory.first_scan()
    changes = bus.inventory.watch()
    await anext(changes)
    bus.found = [SCANNER, CAMERA]
    bus.inventory._failed("uru4000-1", 1, DeviceStalled("no answer"))  # an hour before the next scan is due
    seen = {(await anext(changes)).device_id for _ in range(2)}
    assert "camera-a" in seen
    running.cancel()


async def test_a_device_in_use_is_busy_and_kept_from_others(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enrollment.service.devices.inventory.IN_USE_WAIT_S", 0.01)  # not a second for each test
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    async with bus.inventory.in_use(device):
        states = [device.state]
        with pytest.raises(DeviceInUse):
            await bus.inventory.in_use(device).__aenter__()
    states.append(device.state)
    async with bus.inventory.in_use(device):
        states.append(device.state)
    assert states == [DeviceState.BUSY, DeviceState.READY, DeviceState.BUSY]


async def test_a_driver_that_cannot_be_built_is_a_failure_of_the_device(bus: Bus) -> None:
    await bus.inventory.scan()
    device = bus.inventory.get("uru4000-1")
    with pytest.raises(UnsupportedDevice):
        await device.worker.run(lambda driver: driver, cancel=CancelToken(), check=lambda: None)
    while device.problem != "DEVICE_UNSUPPORTED":
        await asyncio.sleep(0)
    await bus.inventory.stop()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("usb:1-10.2", "usb:1-10.2"),
        ("usbip://reader:3240/1-1", "usbip://reader:3240/1-1"),
        ("http://user:secret@camera:81/stream?token=secret#front", "http://camera:81/stream#front"),
        ("rtsp://user:secret@camera", "rtsp://camera"),
        ("video:/dev/v4l/by-id/usb-cam", "video:/dev/v4l/by-id/usb-cam"),
    ],
)
def test_an_address_is_shown_without_what_it_keeps_secret(address: str, told: str) -> None:
    assert shown(address) == told


async def test_a_device_that_names_itself_anew_at_each_plugging_in_leaves_no_thread_and_fills_no_list(bus: Bus) -> None:
    threads = threading.active_count()
    changes = bus.inventory.watch()
    for number in range(ABSENT_REMEMBERED + 40):
        bus.found = [replace(SCANNER, device_id=f"uru4000-{number}", serial=str(number), attachment=str(number))]
        await bus.inventory.scan()
        if number % 8 == 0:  # one that was used has a thread, until it is forgotten
            with suppress(UnsupportedDevice):
                await bus.inventory.get(f"uru4000-{number}").worker.run(
                    lambda driver: None, cancel=CancelToken(), check=lambda: None
                )
    known = [device.device_id for device in bus.inventory.devices()]
    assert len(known) == ABSENT_REMEMBERED + 1
    assert f"uru4000-{ABSENT_REMEMBERED + 39}" in known
    await asyncio.gather(*bus.inventory._closing)
    until = time.monotonic() + 10
    while threading.active_count() - threads > ABSENT_REMEMBERED // 8 + 2:  # those that were let go of are ending
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    heard = [(await anext(changes)).device_id for _ in known]  # whoever reads late hears of those that are known
    assert sorted(heard) == sorted(known)
    await changes.aclose()
