"""One leased scanner during one order: the platen emptied, a finger or a slap awaited and scanned, lifted again.

The lease is checked on the device's thread before every touch of the device. When an order has ended, however it did,
the platen is still watched until the fingers have left it, beyond the lease's end, so that the next order does not take
them for another person's. Of a scanner that was opened anew nobody knows what lies there: the first order looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceError
from drivers.frame import Frame
from drivers.spi import CancelToken, FingerprintScanner, Impression, Light, ScanEvent, Sound, StreamingScanner
from enrollment.core.errors import EnrollmentError
from enrollment.service.capture.events import FingerOn, LiftFinger, Live, PlatenEvent, Waiting
from enrollment.service.capture.fingerprint_order import PrintTask
from enrollment.service.capture.fingerprint_try import Scan
from enrollment.service.capture.lamps import DARK, Lamps
from enrollment.service.capture.live_scan import LiveOrder, Taken, scan_live
from enrollment.service.capture.studio import Studio, raise_why_ended
from enrollment.service.devices.errors import WrongDeviceKind
from enrollment.service.devices.inventory import PlatenWatch, StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver

_log = logging.getLogger(__name__)

UNNOTICED_S: Final = 0.1  # a look at a platen that turns out to be empty: nobody is asked to lift anything
FIRST_LOOK_S: Final = 1.5  # likewise, of a scanner that is opened for it, on a PC that is busy


class Platen:
    """dossier_id: whose fingers. timeout_s: how long to wait for each to come or to leave.

    cancel: ends whatever the device does.
    """

    def __init__(
        self,
        studio: Studio,
        lease: Lease,
        device: StationDevice,
        emit: Callable[[PlatenEvent], None],
        dossier_id: str,
        timeout_s: float,
    ) -> None:
        self._studio, self._lease, self._device = studio, lease, device
        self._emit, self._dossier_id, self._timeout_s = emit, dossier_id, timeout_s
        self._lamps = Lamps()
        self.cancel = CancelToken()

    @asynccontextmanager
    async def order(self) -> AsyncIterator[None]:
        """One order on an emptied platen, cancelled when the lease ends. A refusal is sounded.

        Raises why the lease ended where that cancelled the order, CaptureTimedOut, and what the order raises.
        """
        forget = self._lease.at_end(self.cancel.cancel)
        before = self._device.platen_watch
        whose = "" if before is None else before.dossier_id
        try:
            await self._empty()
            whose = self._dossier_id
            yield
        except DeviceError:
            self._device.platen_watch = None  # it was closed: who opens it next looks first
            raise
        except EnrollmentError:
            self.watch(Sound.BAD)
            raise
        except BaseException as error:  # a client that went away, a finger that did not come
            self._watch(None, whose)
            if isinstance(error, CaptureCancelled):
                raise_why_ended(self._lease, self._device)
            raise
        finally:
            forget()

    async def _empty(self) -> None:
        """Wait until the fingers of the order before have left, so that they are not taken for these."""
        watch, unnoticed_s = self._device.platen_watch, UNNOTICED_S
        if watch is None or watch.has_failed:
            watch, unnoticed_s = self._watch(None, ""), FIRST_LOOK_S
        elif watch.dossier_id == self._dossier_id:
            watch.cancel.cancel()
            await asyncio.wait({watch.task})
            return
        if watch.task.done() and not watch.task.result():
            watch = self._watch(None, watch.dossier_id)
        seen = asyncio.Event()  # or not to be waited for: on the event loop's thread, both
        watch.task.add_done_callback(lambda _: seen.set())
        self.cancel.on_cancel(seen.set)
        await asyncio.wait({watch.task}, timeout=unnoticed_s)
        if not watch.task.done():
            self._emit(LiftFinger(attempt=0))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await seen.wait()
        self.cancel.raise_if_cancelled()
        if not watch.task.done() or not watch.task.result():
            raise CaptureTimedOut(
                "the finger of the capture before is still on the platen", device_id=self._device.device_id
            )

    async def scan(self, task: PrintTask, attempt: int, wanted: frozenset[int]) -> Scan:
        """One image. wanted: fingers that no try before was good of."""
        loop = asyncio.get_running_loop()
        clock = self._studio.clock
        landed_s: list[float] = []

        def on_event(event: ScanEvent) -> None:
            if event is ScanEvent.WAITING:  # again, where the finger left too soon or the image was spoilt on its way
                loop.call_soon_threadsafe(self._emit, Waiting(attempt, task.planned.max_attempts))
            elif event is ScanEvent.FINGER_ON:
                landed_s.append(clock.monotonic())
                loop.call_soon_threadsafe(self._emit, FingerOn(attempt))

        def scan(driver: Driver) -> Taken:
            scanner = cast(FingerprintScanner, driver)
            impression = Impression(task.planned.impression)
            if impression not in scanner.capabilities.impressions:
                raise WrongDeviceKind("this scanner takes no such prints", impression=impression.value)
            if not isinstance(scanner, StreamingScanner):
                frame = scanner.capture(timeout_s=self._timeout_s, cancel=self.cancel, on_event=on_event)
                return Taken(frame, False)
            live_order = LiveOrder(task.planned, task.fingers, wanted, task.absent, attempt)
            with self._lamps.dark_at_failure(driver):
                return scan_live(
                    scanner,
                    live_order,
                    timeout_s=self._timeout_s,
                    cancel=self.cancel,
                    lamps=self._lamps,
                    on_event=on_event,
                    tell=lambda frame, seen: loop.call_soon_threadsafe(self._show, frame, seen),
                )

        taken = await self._device.worker.run(scan, cancel=self.cancel, check=self._lease.require_live)
        if not taken.live:
            self._studio.previews.publish(self._lease, taken.frame)
        return Scan(taken, 1000 * (taken.frame.captured_monotonic_s - landed_s[-1]) if landed_s else 0.0)

    def _show(self, frame: Frame, live: Live) -> None:
        self._studio.previews.publish(self._lease, frame, live)
        self._emit(live)

    async def lift(self, task: PrintTask, weak: frozenset[int]) -> None:
        """Show which fingers were not good, and wait for all to leave."""
        lights = {finger: Light.RED if finger in weak else Light.GREEN for finger in task.fingers}

        def lift(driver: Driver) -> None:
            self._lamps.show(driver, lights)
            self._lamps.sound(driver, Sound.BAD)
            scanner = cast(FingerprintScanner, driver)
            with self._lamps.dark_at_failure(driver):
                scanner.wait_finger_off(timeout_s=self._timeout_s, cancel=self.cancel)

        await self._device.worker.run(lift, cancel=self.cancel, check=self._lease.require_live)

    def watch(self, sound: Sound) -> None:
        """Say how it ended, and wait in the background for the fingers to leave."""
        self._watch(sound, "")

    def _watch(self, sound: Sound | None, dossier_id: str) -> PlatenWatch:
        watch = self._device.platen_watch
        if watch is None or watch.task.done():
            cancel = CancelToken()
            watching = _watch_platen(self._device, self._timeout_s, cancel, self._lamps, sound)
            watch = self._device.platen_watch = PlatenWatch(asyncio.create_task(watching), cancel, dossier_id)
            watch.task.add_done_callback(_log_failure)
        return watch


async def _watch_platen(
    device: StationDevice, timeout_s: float, cancel: CancelToken, lamps: Lamps, sound: Sound | None
) -> bool:
    """Say how a capture ended, and wait for its fingers to leave; False where they stay."""

    def lift(driver: Driver) -> None:
        if sound is not None:
            lamps.sound(driver, sound)
        with lamps.dark_at_failure(driver):
            cast(FingerprintScanner, driver).wait_finger_off(timeout_s=timeout_s, cancel=cancel)
        lamps.show(driver, DARK)

    try:
        await device.worker.run(lift, cancel=cancel, check=lambda: None)
    except (CaptureTimedOut, CaptureCancelled):
        return False
    return True


def _log_failure(task: asyncio.Task[bool]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.debug("a platen is no longer watched: %s", getattr(error, "reason", type(error).__name__))
