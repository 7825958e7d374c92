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
from dataclasses import dataclass
from typing import Final, cast

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceError, DriverError
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
from enrollment.core.acceptance import Objection
from enrollment.core.dossier.completeness import fingers_asked_for
from enrollment.core.dossier.lifecycle import require_open
from enrollment.core.dossier.model import Dossier
from enrollment.core.dossier.plan import FINGER_GROUPS
from enrollment.core.errors import EnrollmentError, PositionAlreadyCaptured, PositionNotInPlan
from enrollment.core.fingerprint.hand import FINGERS_OF
from enrollment.service.capture.errors import FingersAbsent, FingersNotSeen, OtherPerson, SameFingerTwice
from enrollment.service.capture.events import (
    Emit,
    FingerOn,
    Judged,
    JudgedFinger,
    LiftFinger,
    Live,
    StageTimes,
    Waiting,
    outcome,
)
from enrollment.service.capture.fingerprint_try import Best, FingerTry, PrintTask, Scan, Try, judge, least_good, records
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.capture.lamps import Lamps
from enrollment.service.capture.live_scan import LiveOrder, scan_live
from enrollment.service.capture.studio import LeaseReference, Studio, raise_why_ended
from enrollment.service.devices.errors import WrongDeviceKind
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.store.dossier_store import NewCapture

_log = logging.getLogger(__name__)

_FORBIDDEN: Final[dict[Objection, type[SameFingerTwice | OtherPerson]]] = {
    Objection.SAME_FINGER: SameFingerTwice,
    Objection.OTHER_PERSON: OtherPerson,
}


@dataclass(frozen=True, slots=True)
class FingerprintOrder:
    """What to capture, for whom. impression, finger_timeout_s: None for the plan's."""

    dossier_id: str
    lease: LeaseReference
    position: int
    impression: str | None
    replace: bool
    finger_timeout_s: float | None
    request_id: str
    operator_id: str


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
            task = _task(await studio.stored(studio.dossiers.get, order.dossier_id), order)
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
                self._emit(_judged(made, best, decision))
                if not isinstance(decision, acceptance.TryAgain):
                    _require_storable(best)
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

        def scan(driver: Driver) -> tuple[Frame, bool]:
            scanner = cast(FingerprintScanner, driver)
            impression = Impression(task.planned.impression)
            if impression not in scanner.capabilities.impressions:
                raise WrongDeviceKind("this scanner takes no such prints", impression=impression.value)
            if not isinstance(scanner, StreamingScanner):
                return scanner.capture(timeout_s=timeout_s, cancel=self._cancel, on_event=on_event), False
            live_order = LiveOrder(task.planned, _as_they_lie(task), wanted, task.absent, attempt)
            try:
                taken = scan_live(
                    scanner,
                    live_order,
                    timeout_s=timeout_s,
                    cancel=self._cancel,
                    lamps=self._lamps,
                    on_event=on_event,
                    tell=lambda frame, seen: loop.call_soon_threadsafe(self._show, lease, frame, seen),
                )
            except DeviceError:
                raise
            except DriverError:
                self._lamps.darken(driver)
                raise
            return taken.frame, True

        frame, live = await device.worker.run(scan, cancel=self._cancel, check=lease.require_live)
        if not live:
            self._studio.previews.publish(lease, frame)
        return Scan(frame, 1000 * (frame.captured_monotonic_s - landed_s[-1]) if landed_s else 0.0, live)

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


def _task(dossier: Dossier, order: FingerprintOrder) -> PrintTask:
    """What the plan asks for here; refuses at once what the store would refuse after the person's trouble."""
    require_open(dossier)
    planned = dossier.plan.fingerprint(order.position)
    facts: dict[str, str | int | float] = {"dossier_id": dossier.dossier_id, "position": order.position}
    if planned is None or order.impression not in (None, planned.impression):
        raise PositionNotInPlan(
            "the plan does not ask for this finger in this way", impression=order.impression or "", **facts
        )
    if dossier.capture_of(order.position) is not None and not order.replace:
        raise PositionAlreadyCaptured("the dossier holds this position; replacing it must be asked for", **facts)
    if order.position not in FINGER_GROUPS:
        return PrintTask(planned, (order.position,), ())
    fingers = fingers_asked_for(dossier, order.position)
    if not fingers:
        raise FingersAbsent("all fingers of this group are recorded as absent", **facts)
    return PrintTask(planned, fingers, [finger.position for finger in dossier.absent_fingers])


def _as_they_lie(task: PrintTask) -> tuple[int, ...]:
    """The fingers that are asked for, from left to right."""
    if task.slap is None:
        return task.fingers
    return tuple(position for position in FINGERS_OF[task.slap] if position in task.fingers)


def _require_storable(best: Best) -> None:
    """Raises FingersNotSeen, SameFingerTwice, OtherPerson for what no dossier may hold."""
    position = best.task.planned.position
    unseen = [finger for finger in best.task.fingers if finger not in best.fingers]
    if unseen:
        raise FingersNotSeen("no try showed all fingers", position=position, count=len(unseen), finger=unseen[0])
    for one in best.fingers.values():
        if one.objection is not None and one.objection.forbids:
            told = f"every try showed a finger that must not stand there: {one.objection.value}"
            raise _FORBIDDEN[one.objection](told, position=one.position, same_as=one.same_as or 0)


def _judged(made: Try, best: Best, decision: acceptance.Decision) -> Judged:
    shown = least_good(made.fingers) if made.fingers else None
    return Judged(
        attempt=made.attempt,
        quality=None if shown is None else shown.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=_hint(decision),
        times=made.times,
        minutiae=0 if shown is None else len(shown.template),
        same_as=None if shown is None else shown.same_as,
        fingers=() if best.task.slap is None else tuple(_judged_finger(one, best) for one in made.fingers),
        findings=made.findings,
    )


def _judged_finger(one: FingerTry, best: Best) -> JudgedFinger:
    decision = one.decide(best.task.planned, one.attempt)
    return JudgedFinger(
        position=one.position,
        quality=one.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=_hint(decision),
        minutiae=len(one.template),
        same_as=one.same_as,
        best_attempt=best.fingers[one.position].attempt,
    )


def _hint(decision: acceptance.Decision) -> str | None:
    return None if isinstance(decision, acceptance.Accepted) else decision.hint


async def _watch_platen(lease: Lease, device: StationDevice, timeout_s: float, lamps: Lamps, sound: Sound) -> None:
    """Say how a capture ended, and wait in the background for its fingers to leave."""
    cancel = CancelToken()
    forget = lease.at_end(cancel.cancel)

    def lift(driver: Driver) -> None:
        lamps.sound(driver, sound)
        cast(FingerprintScanner, driver).wait_finger_off(timeout_s=timeout_s, cancel=cancel)
        lamps.darken(driver)

    try:
        await device.worker.run(lift, cancel=cancel, check=lease.require_live)
    except (DriverError, EnrollmentError) as error:
        _log.debug("platen of %s no longer watched: %s", device.device_id, error.reason)
    finally:
        forget()
