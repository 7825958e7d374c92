"""One position: tries until one is accepted or the plan's tries are used, then the best on disk, finger by finger.

    wait -> finger on -> image -> cut and examine -> compare with the dossier's prints -> decide -> lift, next try
                                                                                       -> ISO records -> store

The device's thread waits, watches a live platen and reads (platen.py); the numeric pool judges; a store thread writes;
this task only orders them. The lease is checked before every touch of the device and on the store's thread before the
write: a holder that was late writes nothing. A write in hand is finished, whoever is cancelled.
"""

from __future__ import annotations

import asyncio

from drivers.spi import DeviceKind, Sound
from enrollment.core import acceptance
from enrollment.service.capture.events import Emit, LiftFinger, StageTimes, outcome
from enrollment.service.capture.fingerprint_best import Best, compared_anew, judged, records, require_storable
from enrollment.service.capture.fingerprint_order import FingerprintOrder, PrintTask, task_of
from enrollment.service.capture.fingerprint_try import Try, judge
from enrollment.service.capture.held_prints import HeldPrints
from enrollment.service.capture.platen import Platen
from enrollment.service.capture.studio import Studio
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.store.errors import PrintsAppeared
from enrollment.service.store.new_capture import NewCapture


class FingerprintSession:
    """Carries out one order."""

    def __init__(self, studio: Studio, order: FingerprintOrder, emit: Emit) -> None:
        self._studio = studio
        self._order = order
        self._emit = emit

    async def run(self) -> None:
        """Emit what happens, the stored outcome last.

        Raises the errors of leases, devices and dossiers; nothing is stored then.
        """
        studio, order = self._studio, self._order
        lease, device = studio.leased(order.lease, DeviceKind.FINGERPRINT_SCANNER, order.operator_id)
        async with studio.inventory.in_use(device):
            # Read before: where a call of this request that was cut off lands in between, its outcome is found.
            dossier = await studio.stored(studio.dossiers.get, order.dossier_id)
            earlier = await studio.earlier_capture(order.request_id, order.dossier_id, order.position)
            if earlier is not None:
                self._emit(outcome(earlier, StageTimes()))
                return
            task = task_of(dossier, order)
            held = await self._held_prints(task)
            platen = Platen(studio, lease, device, self._emit, order.dossier_id, self._timeout_s(task))
            async with platen.order():
                best, made, accepted = await self._tries(platen, task, held)
                accepted = await self._store(lease, device, best, made, held, accepted=accepted)
            platen.watch(Sound.GOOD if accepted else Sound.BAD)

    async def _held_prints(self, task: PrintTask) -> HeldPrints:
        """Of the dossier's other captures, from their stored records."""
        stored = await self._studio.stored(self._studio.dossiers.stored_prints, self._order.dossier_id)
        others = [one for one in stored if one.capture_position != task.planned.position]
        return await self._studio.numeric(HeldPrints.read, others)

    async def _tries(self, platen: Platen, task: PrintTask, held: HeldPrints) -> tuple[Best, Try, bool]:
        """Try until the rules say that it is enough: what to keep, the last try, whether it is accepted."""
        studio, best, attempt = self._studio, Best(task), 0
        prepared = asyncio.create_task(studio.numeric(held.prepare, task.fingers))
        try:
            while True:
                attempt += 1
                scan = await platen.scan(task, attempt, best.weak())
                await prepared
                made = await studio.numeric(judge, studio.clock, scan, task, held, best.fingers, attempt)
                best = best.with_(made)
                decision = best.decide(made)
                self._emit(judged(made, best, decision))
                if not isinstance(decision, acceptance.TryAgain):
                    require_storable(best)
                    return best, made, isinstance(decision, acceptance.Accepted)
                self._emit(LiftFinger(attempt))
                await platen.lift(task, best.weak())
        finally:
            prepared.cancel()

    async def _store(
        self, lease: Lease, device: StationDevice, best: Best, made: Try, held: HeldPrints, *, accepted: bool
    ) -> bool:
        """Write what is kept; compared again where another scanner brought prints meanwhile. Whether it is accepted."""
        studio, order, planned = self._studio, self._order, best.task.planned
        parts, record_ms = await studio.numeric(records, studio.clock, best)
        whole = best.whole or made
        while True:
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
                compared_with=held.captures,
            )
            try:
                stored, store_ms = await studio.store_capture(
                    lease, order.dossier_id, new, replace=order.replace, request_id=order.request_id
                )
            except PrintsAppeared:
                held = await self._held_prints(best.task)
                best = await studio.numeric(compared_anew, best, held)
                require_storable(best)
                accepted = accepted and not best.weak()
                continue
            self._emit(outcome(stored, whole.times.with_(record_ms=record_ms, store_ms=store_ms)))
            return accepted

    def _timeout_s(self, task: PrintTask) -> float:
        return self._order.finger_timeout_s or float(task.planned.finger_timeout_s)
