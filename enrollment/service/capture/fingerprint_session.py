"""One position: tries until one is accepted or the plan's tries are used, then the best on disk, finger by finger.

    wait -> finger on -> image -> cut and examine -> compare with the dossier's prints -> decide -> lift, next try
                                                                                       -> ISO records -> store

The device's thread waits, watches a live platen and reads; the numeric pool judges; a store thread writes; this task
only orders them. The lease is checked on the device's thread before every touch of the device and on the store's
thread before the write: a holder that was late writes nothing. A cancelled session leaves the device usable at once; a
write in hand is finished.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from drivers.errors import CaptureCancelled, CaptureTimedOut, DriverError
from drivers.frame import Frame
from drivers.spi import (
    CancelToken,
    DeviceKind,
    FingerprintScanner,
    Impression,
    Light,
    ScanEvent,
    Sound,
    StreamingScanner,
)
from enrollment.core import acceptance
from enrollment.core.errors import EnrollmentError
from enrollment.service.capture.events import (
    Emit,
    FingerOn,
    LiftFinger,
    Live,
    StageTimes,
    Waiting,
    outcome,
)
from enrollment.service.capture.fingerprint_best import Best, judged, records, require_storable
from enrollment.service.capture.fingerprint_order import FingerprintOrder, PrintTask, task_of
from enrollment.service.capture.fingerprint_try import Scan, Try, judge
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.capture.lamps import DARK, Lamps
from enrollment.service.capture.live_scan import LiveOrder, Taken, scan_live
from enrollment.service.capture.studio import Studio, raise_why_ended
from enrollment.service.devices.errors import WrongDeviceKind
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.store.dossier_store import NewCapture

_log = logging.getLogger(__name__)


class FingerprintSession:
    """Carries out one order."""

    def __init__(self, studio: Studio, order: FingerprintOrder, emit: Emit) -> None:
        self._studio = studio
        self._order = order
        self._emit = emit
        self._cancel = CancelToken()
        self._lamps = Lamps()

    async def run(self) -> None:
        """Emit what happens, the stored outcome last.

        Raises the errors of leases, devices and dossiers; nothing is stored then.
        """
        studio, order = self._studio, self._order
        lease, device = studio.leased(order.lease, DeviceKind.FINGERPRINT_SCANNER, order.operator_id)
        async with studio.inventory.in_use(device):
            earlier = await studio.earlier_capture(order.request_id, order.dossier_id, order.position)
            if earlier is not None:
                self._emit(outcome(earlier, StageTimes()))
                return
            task = task_of(await studio.stored(studio.dossiers.get, order.dossier_id), order)
            held = await self._held_prints(task)
            forget = lease.at_end(self._cancel.cancel)
            accepted = False
            try:
                await self._empty_platen(device, task)
                best, made, accepted = await self._tries(lease, device, task, held)
                await self._store(lease, device, best, made, accepted=accepted)
            except CaptureCancelled:
                raise_why_ended(lease, device)
                raise
            except EnrollmentError:
                self._watch_platen(lease, device, task, Sound.BAD)
                raise
            finally:
                forget()
            self._watch_platen(lease, device, task, Sound.GOOD if accepted else Sound.BAD)

    async def _held_prints(self, task: PrintTask) -> HeldPrints:
        """Of the dossier's other captures, from their stored records."""
        stored = await self._studio.stored(self._studio.dossiers.stored_prints, self._order.dossier_id)
        others = [one for one in stored if one.capture_position != task.planned.position]
        return await self._studio.numeric(HeldPrints.read, others)

    async def _empty_platen(self, device: StationDevice, task: PrintTask) -> None:
        """Wait until the fingers of the capture before have left, so that they are not taken for these."""
        watch = device.platen_watch
        if watch is None or watch.done():
            return
        self._emit(LiftFinger(attempt=0))
        done, _ = await asyncio.wait({watch}, timeout=self._timeout_s(task))
        if not done:
            raise CaptureTimedOut("the finger of the capture before is still on the platen", device_id=device.device_id)

    async def _tries(
        self, lease: Lease, device: StationDevice, task: PrintTask, held: HeldPrints
    ) -> tuple[Best, Try, bool]:
        """Try until the rules say that it is enough: what to keep, the last try, whether it is accepted."""
        studio, best, attempt = self._studio, Best(task), 0
        prepared = asyncio.create_task(studio.numeric(held.prepare, task.fingers))
        try:
            while True:
                attempt += 1
                scan = await self._scan(lease, device, task, attempt, best.weak())
                await prepared
                made = await studio.numeric(judge, studio.clock, scan, task, held, best.fingers, attempt)
                best = best.with_(made)
                decision = best.decide(made)
                self._emit(judged(made, best, decision))
                if not isinstance(decision, acceptance.TryAgain):
                    require_storable(best)
                    return best, made, isinstance(decision, acceptance.Accepted)
                self._emit(LiftFinger(attempt))
                await self._lift(lease, device, best)
        finally:
            prepared.cancel()

    async def _scan(
        self, lease: Lease, device: StationDevice, task: PrintTask, attempt: int, wanted: frozenset[int]
    ) -> Scan:
        """One image."""
        loop = asyncio.get_running_loop()
        clock = self._studio.clock
        timeout_s = self._timeout_s(task)
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
                return Taken(scanner.capture(timeout_s=timeout_s, cancel=self._cancel, on_event=on_event), False)
            live_order = LiveOrder(task.planned, task.fingers, wanted, task.absent, attempt)
            with self._lamps.dark_at_failure(driver):
                return scan_live(
                    scanner,
                    live_order,
                    timeout_s=timeout_s,
                    cancel=self._cancel,
                    lamps=self._lamps,
                    on_event=on_event,
                    tell=lambda frame, seen: loop.call_soon_threadsafe(self._show, lease, frame, seen),
                )

        taken = await device.worker.run(scan, cancel=self._cancel, check=lease.require_live)
        if not taken.live:
            self._studio.previews.publish(lease, taken.frame)
        return Scan(taken, 1000 * (taken.frame.captured_monotonic_s - landed_s[-1]) if landed_s else 0.0)

    def _show(self, lease: Lease, frame: Frame, live: Live) -> None:
        self._studio.previews.publish(lease, frame, live)
        self._emit(live)

    async def _lift(self, lease: Lease, device: StationDevice, best: Best) -> None:
        weak = best.weak()
        lights = {finger: Light.RED if finger in weak else Light.GREEN for finger in best.task.fingers}

        def lift(driver: Driver) -> None:
            self._lamps.show(driver, lights)
            self._lamps.sound(driver, Sound.BAD)
            scanner = cast(FingerprintScanner, driver)
            with self._lamps.dark_at_failure(driver):
                scanner.wait_finger_off(timeout_s=self._timeout_s(best.task), cancel=self._cancel)

        await device.worker.run(lift, cancel=self._cancel, check=lease.require_live)

    async def _store(self, lease: Lease, device: StationDevice, best: Best, made: Try, *, accepted: bool) -> None:
        studio, order, planned = self._studio, self._order, best.task.planned
        parts, record_ms = await studio.numeric(records, studio.clock, best)
        whole = best.whole or made
        new = NewCapture(
            position=planned.position,
            impression=planned.impression,
            quality=best.least_good().quality,
            accepted=accepted,
            attempts=made.attempt,
            kept_attempt=whole.attempt,
            operator_id=order.operator_id,
            device_id=device.device_id,
            captured_at=studio.clock.now(),
            parts=parts,
            fingers=best.captured(),
        )

        stored, store_ms = await studio.store_capture(
            lease, order.dossier_id, new, replace=order.replace, request_id=order.request_id
        )
        self._emit(outcome(stored, whole.times.with_(record_ms=record_ms, store_ms=store_ms)))

    def _watch_platen(self, lease: Lease, device: StationDevice, task: PrintTask, sound: Sound) -> None:
        """Say how it ended, and wait in the background for the fingers to leave."""
        timeout_s, lamps = self._timeout_s(task), self._lamps
        device.platen_watch = asyncio.create_task(_watch_platen(lease, device, timeout_s, lamps, sound))

    def _timeout_s(self, task: PrintTask) -> float:
        return self._order.finger_timeout_s or float(task.planned.finger_timeout_s)


async def _watch_platen(lease: Lease, device: StationDevice, timeout_s: float, lamps: Lamps, sound: Sound) -> None:
    """Say how a capture ended, and wait in the background for its fingers to leave."""
    cancel = CancelToken()
    forget = lease.at_end(cancel.cancel)

    def lift(driver: Driver) -> None:
        lamps.sound(driver, sound)
        with lamps.dark_at_failure(driver):
            cast(FingerprintScanner, driver).wait_finger_off(timeout_s=timeout_s, cancel=cancel)
        lamps.show(driver, DARK)

    try:
        await device.worker.run(lift, cancel=cancel, check=lease.require_live)
    except (DriverError, EnrollmentError) as error:
        _log.debug("platen of %s no longer watched: %s", device.device_id, error.reason)
    finally:
        forget()
