"""One fingerprint: tries until one is accepted or the plan's tries are used, then the kept try on disk.

    wait -> finger on -> image -> examine -> compare with the dossier's other fingers -> decide -> lift, next try
                                                                                       -> ISO records -> store

The device's thread waits and reads, the numeric pool judges, a store thread writes; this task only orders them. The
lease is checked on the device's thread before every touch of the device and on the store's thread before the write: a
holder that was late writes nothing. A cancelled session leaves the device usable at once; a write in hand is finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from drivers.errors import CaptureCancelled, CaptureTimedOut, DriverError
from drivers.frame import Frame
from drivers.spi import CancelToken, DeviceKind, FingerprintScanner, ScanEvent
from enrollment.core import acceptance
from enrollment.core.dossier.lifecycle import require_open
from enrollment.core.dossier.model import Dossier
from enrollment.core.dossier.plan import SINGLE_FINGERS, PlannedFingerprint
from enrollment.core.errors import EnrollmentError, PositionAlreadyCaptured, PositionNotInPlan
from enrollment.service.capture.errors import SameFingerTwice
from enrollment.service.capture.events import Emit, FingerOn, Judged, LiftFinger, StageTimes, Waiting, outcome
from enrollment.service.capture.fingerprint_try import OtherFingers, Try, judge, other_fingers, records
from enrollment.service.capture.studio import LeaseReference, Studio, raise_why_ended
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.store.dossier_store import NewCapture

_log = logging.getLogger(__name__)


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
            planned = _planned(await studio.stored(studio.dossiers.get, order.dossier_id), order)
            others = await self._other_fingers()
            forget = lease.at_end(self._cancel.cancel)
            try:
                await self._empty_platen(device, planned)
                kept, attempts, accepted = await self._tries(lease, device, planned, others)
                await self._store(lease, device, planned, kept, attempts, accepted=accepted)
            except CaptureCancelled:
                raise_why_ended(lease, device)
                raise
            finally:
                forget()
            device.platen_watch = asyncio.create_task(_watch_platen(lease, device, self._timeout_s(planned)))

    async def _other_fingers(self) -> OtherFingers:
        """From their stored records; none for a group of fingers, which no template of one finger can be told from."""
        if self._order.position not in SINGLE_FINGERS:
            return OtherFingers.none()
        records: Mapping[int, bytes] = await self._studio.stored(
            self._studio.dossiers.minutiae_records, self._order.dossier_id
        )
        wanted = {
            position: record
            for position, record in records.items()
            if position in SINGLE_FINGERS and position != self._order.position
        }
        return await self._studio.numeric(other_fingers, wanted)

    async def _empty_platen(self, device: StationDevice, planned: PlannedFingerprint) -> None:
        """Wait until the finger of the capture before has left, so that it is not taken for this one."""
        watch = device.platen_watch
        if watch is None or watch.done():
            return
        self._emit(LiftFinger(attempt=0))
        done, _ = await asyncio.wait({watch}, timeout=self._timeout_s(planned))
        if not done:
            raise CaptureTimedOut("the finger of the capture before is still on the platen", device_id=device.device_id)

    async def _tries(
        self,
        lease: Lease,
        device: StationDevice,
        planned: PlannedFingerprint,
        others: OtherFingers,
    ) -> tuple[Try, int, bool]:
        """Try until the rules say that it is enough: the try to keep, the tries made, whether it is accepted."""
        kept: Try | None = None
        attempt = 0
        while True:
            attempt += 1
            frame, device_ms = await self._scan(lease, device, planned, attempt)
            made = await self._studio.numeric(judge, self._studio.clock, frame, others, attempt, device_ms)
            if kept is None or acceptance.better(
                made.quality, kept.quality, candidate_same_as=made.same_as, kept_same_as=kept.same_as
            ):
                kept = made
            decision = acceptance.decide(planned, attempt, made.quality, made.same_as)
            self._emit(_judged(made, decision))
            if not isinstance(decision, acceptance.TryAgain):
                if kept.same_as is not None:
                    raise SameFingerTwice(
                        "every try showed a finger that the dossier holds under another position",
                        position=planned.position,
                        same_as=kept.same_as,
                    )
                return kept, attempt, isinstance(decision, acceptance.Accepted)
            self._emit(LiftFinger(attempt))
            await self._lift(lease, device, planned)

    async def _scan(
        self, lease: Lease, device: StationDevice, planned: PlannedFingerprint, attempt: int
    ) -> tuple[Frame, float]:
        """One image, and the milliseconds from the finger's landing until it was in memory."""
        loop = asyncio.get_running_loop()
        clock = self._studio.clock
        landed_s: list[float] = []

        def on_event(event: ScanEvent) -> None:
            if event is ScanEvent.WAITING:  # again, where the finger left too soon or the image was spoilt on its way
                loop.call_soon_threadsafe(self._emit, Waiting(attempt, planned.max_attempts))
            elif event is ScanEvent.FINGER_ON:
                landed_s.append(clock.monotonic())
                loop.call_soon_threadsafe(self._emit, FingerOn(attempt))

        def scan(driver: Driver) -> Frame:
            scanner = cast(FingerprintScanner, driver)
            return scanner.capture(timeout_s=self._timeout_s(planned), cancel=self._cancel, on_event=on_event)

        frame = await device.worker.run(scan, cancel=self._cancel, check=lease.require_live)
        self._studio.previews.publish(lease, frame)
        return frame, 1000 * (frame.captured_monotonic_s - landed_s[-1]) if landed_s else 0.0

    async def _lift(self, lease: Lease, device: StationDevice, planned: PlannedFingerprint) -> None:
        def lift(driver: Driver) -> None:
            scanner = cast(FingerprintScanner, driver)
            scanner.wait_finger_off(timeout_s=self._timeout_s(planned), cancel=self._cancel)

        await device.worker.run(lift, cancel=self._cancel, check=lease.require_live)

    async def _store(
        self,
        lease: Lease,
        device: StationDevice,
        planned: PlannedFingerprint,
        kept: Try,
        attempts: int,
        *,
        accepted: bool,
    ) -> None:
        studio, order = self._studio, self._order
        parts, record_ms = await studio.numeric(records, studio.clock, kept, planned)
        new = NewCapture(
            position=planned.position,
            impression=planned.impression,
            quality=kept.quality,
            accepted=accepted,
            attempts=attempts,
            kept_attempt=kept.attempt,
            operator_id=order.operator_id,
            device_id=device.device_id,
            captured_at=studio.clock.now(),
            parts=parts,
        )

        stored, store_ms = await studio.store_capture(
            lease, order.dossier_id, new, replace=order.replace, request_id=order.request_id
        )
        self._emit(outcome(stored, kept.times.with_(record_ms=record_ms, store_ms=store_ms)))

    def _timeout_s(self, planned: PlannedFingerprint) -> float:
        return self._order.finger_timeout_s or float(planned.finger_timeout_s)


def _planned(dossier: Dossier, order: FingerprintOrder) -> PlannedFingerprint:
    """What the plan asks for here; refuses at once what the store would refuse after the person's trouble."""
    require_open(dossier)
    planned = dossier.plan.fingerprint(order.position)
    if planned is None or order.impression not in (None, planned.impression):
        raise PositionNotInPlan(
            "the plan does not ask for this finger in this way",
            dossier_id=dossier.dossier_id,
            position=order.position,
            impression=order.impression or "",
        )
    if dossier.capture_of(order.position) is not None and not order.replace:
        raise PositionAlreadyCaptured(
            "the dossier holds this position; replacing it must be asked for",
            dossier_id=dossier.dossier_id,
            position=order.position,
        )
    return planned


def _judged(made: Try, decision: acceptance.Decision) -> Judged:
    return Judged(
        attempt=made.attempt,
        quality=made.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=None if isinstance(decision, acceptance.Accepted) else decision.hint,
        times=made.times,
        minutiae=len(made.template),
        same_as=made.same_as,
    )


async def _watch_platen(lease: Lease, device: StationDevice, timeout_s: float) -> None:
    """Wait in the background for the finger of a finished capture to leave."""
    cancel = CancelToken()
    forget = lease.at_end(cancel.cancel)

    def lift(driver: Driver) -> None:
        cast(FingerprintScanner, driver).wait_finger_off(timeout_s=timeout_s, cancel=cancel)

    try:
        await device.worker.run(lift, cancel=cancel, check=lease.require_live)
    except (DriverError, EnrollmentError) as error:
        _log.debug("platen of %s no longer watched: %s", device.device_id, error.reason)
    finally:
        forget()
