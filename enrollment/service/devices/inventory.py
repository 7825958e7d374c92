"""What is attached now, and how often each device was attached.

A device keeps its name through re-plugs; its generation rises with each one, and a lease of an earlier generation is
over. A generation ends when the lookout no longer sees the device or sees it plugged in anew, at once when its driver
says DeviceGone, and when the machine was suspended. Everything runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from drivers.discovery import Discovery, FoundDevice, Look
from drivers.errors import DeviceError, DeviceGone
from drivers.spi import CancelToken, DeviceIdentity, DeviceKind
from enrollment.service.devices.errors import DeviceDetached, DeviceInUse, DeviceUnknown
from enrollment.service.devices.lookout import LookAt, Lookout, WatchBus
from enrollment.service.devices.sleep_watch import asleep_s, watch_for_sleep
from enrollment.service.devices.worker import DeviceWorker, Driver

_log = logging.getLogger(__name__)

ABSENT_REMEMBERED: Final = 32  # devices; one that names itself anew at each plugging in must not fill the memory
IN_USE_WAIT_S: Final = 2.0  # a capture that was just cancelled lets go within 0.2 s, on a busy machine later

Build = Callable[[FoundDevice], Driver]


class DeviceState(Enum):
    """Whether a device can be used."""

    READY = "ready"
    BUSY = "busy"
    FAULTY = "faulty"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True, eq=False)
class PlatenWatch:
    """Somebody waits for the fingers of an order to leave.

    task: whether the platen was seen empty; DriverError, EnrollmentError where it cannot be seen.
    dossier_id: whose fingers may stay for the same dossier's next order, as this one ended without a print; else "".
    """

    task: asyncio.Task[bool]
    cancel: CancelToken
    dossier_id: str

    @property
    def has_failed(self) -> bool:
        """Whether it can see no more."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is not None


class StationDevice:
    """One device of the station, attached or not. Attributes are read freely; only the inventory changes them."""

    def __init__(self, found: FoundDevice, worker: DeviceWorker) -> None:
        self.found = found
        self.worker = worker
        self.generation = 1
        self.attached = True
        self.missed_by_scan = False
        self.gone_since_look = 0
        self.problem = ""
        self.identity: DeviceIdentity | None = None
        self.size: tuple[int, int] = (0, 0)
        self.resolution_ppi = 0.0
        self.capturing = False
        self.platen_watch: PlatenWatch | None = None  # None, too: nobody has looked since it was opened
        self._in_use = asyncio.Lock()

    @property
    def device_id(self) -> str:
        return self.found.device_id

    @property
    def kind(self) -> DeviceKind:
        return self.found.kind

    @property
    def state(self) -> DeviceState:
        if not self.attached:
            return DeviceState.DETACHED
        if self.capturing:
            return DeviceState.BUSY
        return DeviceState.FAULTY if self.problem else DeviceState.READY


class Inventory:
    """All devices that were seen since the daemon started; of those that left, the last ABSENT_REMEMBERED.

    look, put_together, watch_bus: of drivers.discovery, as Lookout takes them.
    at_gone: called with the device's id when its generation ends.
    at_failed: called with the driver's name and the reason of each error that a device raised.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        poll_s: float,
        *,
        look: LookAt,
        put_together: Callable[[Sequence[Look]], Discovery],
        watch_bus: WatchBus,
        build: Build,
        at_gone: Callable[[str], None],
        at_failed: Callable[[str, str], None] = lambda driver, reason: None,
        asleep_s: Callable[[], float] = asleep_s,
    ) -> None:
        self._lookout = Lookout(
            *(addresses, poll_s), look=look, put_together=put_together, watch_bus=watch_bus, at_seen=self._seen
        )
        self._asleep_s = asleep_s
        self._build = build
        self._at_gone = at_gone
        self._at_failed = at_failed
        self._devices: dict[str, StationDevice] = {}
        self._watchers: set[_Watcher] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.unreachable: tuple[str, ...] = ()

    # ------------------------------------------------------------------------------------------------ what there is

    def devices(self) -> list[StationDevice]:
        """All of them, ordered by kind, then name."""
        return sorted(self._devices.values(), key=lambda device: (device.kind.value, device.device_id))

    def get(self, device_id: str) -> StationDevice:
        """One of them. Raises DeviceUnknown."""
        try:
            return self._devices[device_id]
        except KeyError:
            raise DeviceUnknown("this station has no such device", devices=len(self._devices)) from None

    def generation_of(self, device_id: str) -> int:
        """The generation that is attached now. Raises DeviceUnknown, DeviceDetached."""
        device = self.get(device_id)
        if not device.attached:
            raise DeviceDetached("the device is not attached", device_id=device_id)
        return device.generation

    async def watch(self) -> AsyncGenerator[StationDevice, None]:
        """Each device once, then each that changed; a slow reader gets a device's newest state only."""
        watcher = _Watcher(self.devices())
        self._watchers.add(watcher)
        try:
            while True:
                device = self._devices.get(await watcher.next())
                if device is not None:  # else it left long ago
                    yield device
        finally:
            self._watchers.discard(watcher)

    def changed(self, device_id: str) -> None:
        """Tell those who watch."""
        for watcher in self._watchers:
            watcher.tell(device_id)

    # ----------------------------------------------------------------------------------------------- coming and going

    async def run(self) -> None:
        """Keep looking, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lookout.run())
            group.create_task(watch_for_sleep(self._woken, self._asleep_s))

    async def first_scan(self) -> None:
        """Wait until every address was looked at, but not for ever: one may take long to fail."""
        await self._lookout.first_look()

    async def scan(self) -> None:
        """Look at every address once."""
        await self._lookout.look_once()

    def _seen(self, discovery: Discovery, look_of: Mapping[str, int]) -> None:
        self.unreachable = tuple(f"{shown(failure.address)}: {failure.error}" for failure in discovery.failures)
        failed = tuple(failure.address for failure in discovery.failures)
        found = {device.device_id: device for device in discovery.devices}
        for device_id, device in self._devices.items():
            if device_id in found or (device.worker.is_open and device.found.address.startswith(failed)):
                continue  # where a scan could not look, an open device speaks for itself
            device.missed_by_scan = True
            if device.attached:
                self._detach(device)
        for device_id, seen in found.items():
            self._attach(device_id, seen, look_of[seen.address])
        self._forget_long_absent()

    def _attach(self, device_id: str, found: FoundDevice, look: int) -> None:
        device = self._devices.get(device_id)
        if device is None:
            device = self._devices[device_id] = self._new(found)
        elif (device.found == found and device.attached) or look <= device.gone_since_look:
            return  # nothing new, or it was seen before it left
        elif _plugged_in_anew(device.found, found):
            device.missed_by_scan = True  # it was away between two looks
            if device.attached:
                self._detach(device)
        device.found = found
        if not device.attached:
            device.generation += 1
            device.attached = True
            if device.missed_by_scan:  # else only its driver said that it left: it is listed without being looked at
                device.missed_by_scan = False
                device.problem = ""
        _log.info("device %s attached, generation %d", device_id, device.generation)
        self.changed(device_id)

    def _detach(self, device: StationDevice) -> None:
        device.attached = False
        device.gone_since_look = self._lookout.number
        device.problem = DeviceGone.reason
        _log.info("device %s detached, generation %d", device.device_id, device.generation)
        self._at_gone(device.device_id)
        self._close(device.worker.close())
        self.changed(device.device_id)

    def _close(self, closing: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget_long_absent(self) -> None:
        absent = [device for device in self._devices.values() if not device.attached and not device.capturing]
        absent.sort(key=lambda device: device.gone_since_look)
        for device in absent[: max(0, len(absent) - ABSENT_REMEMBERED)]:
            del self._devices[device.device_id]
            self._close(device.worker.stop())

    def _woken(self, asleep_s: float) -> None:
        """The machine was suspended: no device that was open before can be trusted."""
        _log.info("the machine was suspended for %.1f s: every device is opened anew", asleep_s)
        for device in self._devices.values():
            if device.attached:
                device.missed_by_scan = True
                self._detach(device)
        self._lookout.look_again()

    def _new(self, found: FoundDevice) -> StationDevice:
        loop = asyncio.get_running_loop()
        device_id = found.device_id
        built_in = 0  # the generation that the worker's driver is of

        def opened(driver: Driver) -> None:
            loop.call_soon_threadsafe(self._opened, device_id, driver.identity, getattr(driver, "capabilities", None))

        def build() -> Driver:
            nonlocal built_in
            built_in = device.generation
            return self._build(device.found)

        def failed(error: DeviceError) -> None:
            loop.call_soon_threadsafe(self._failed, device_id, built_in, error)

        device = StationDevice(found, DeviceWorker(device_id, build, at_opened=opened, at_failed=failed))
        return device

    def _opened(self, device_id: str, identity: DeviceIdentity, capabilities: object) -> None:
        device = self._devices.get(device_id)
        if device is None:
            return
        device.identity = identity
        device.size = (getattr(capabilities, "width", 0), getattr(capabilities, "height", 0))
        device.resolution_ppi = float(getattr(capabilities, "resolution_ppi", 0.0))
        device.problem = ""
        self.changed(device_id)

    def _failed(self, device_id: str, generation: int, error: DeviceError) -> None:
        device = self._devices.get(device_id)
        if device is None:
            return
        self._at_failed(device.found.driver, error.reason)
        if generation != device.generation:
            return  # a late word of one that has ended says nothing of the one that is there now
        if isinstance(error, DeviceGone) and device.attached:
            self._detach(device)
        else:
            device.problem = error.reason
            self.changed(device_id)
        self._lookout.look_again()

    # ---------------------------------------------------------------------------------------------------------- use

    @asynccontextmanager
    async def in_use(self, device: StationDevice) -> AsyncIterator[None]:
        """Keep a device for one capture. Raises DeviceInUse when another capture does not let go of it."""
        try:
            async with asyncio.timeout(IN_USE_WAIT_S):
                await device._in_use.acquire()
        except TimeoutError:
            raise DeviceInUse("a capture is running on this device", device_id=device.device_id) from None
        device.capturing = True
        self.changed(device.device_id)
        try:
            yield
        finally:
            device.capturing = False
            device._in_use.release()
            self.changed(device.device_id)

    async def settled(self, device: StationDevice) -> bool:
        """Wait until no capture runs on a device and nobody watches its platen; False where a finger stayed."""
        async with device._in_use:
            watch = device.platen_watch
        if watch is None:
            return True
        await asyncio.wait({watch.task})
        return watch.has_failed or watch.task.result()

    async def stop(self) -> None:
        """Cancel what runs and close every device."""
        self._lookout.close()
        await asyncio.gather(*(device.worker.stop() for device in self._devices.values()))


def _plugged_in_anew(before: FoundDevice, now: FoundDevice) -> bool:
    return (before.address, before.attachment) != (now.address, now.attachment)


def shown(address: str) -> str:
    """An address without what it may keep secret: user, password and query."""
    url = urlsplit(address)
    if not url.netloc:
        return address
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", url.fragment))


class _Watcher:
    """The devices that one reader has not heard of yet: names only, so that it stays small however slow it reads."""

    def __init__(self, devices: Sequence[StationDevice]) -> None:
        self._unheard = dict.fromkeys(device.device_id for device in devices)
        self._news = asyncio.Event()

    def tell(self, device_id: str) -> None:
        self._unheard[device_id] = None
        self._news.set()

    async def next(self) -> str:
        while not self._unheard:
            self._news.clear()
            await self._news.wait()
        device_id = next(iter(self._unheard))
        del self._unheard[device_id]
        return device_id
