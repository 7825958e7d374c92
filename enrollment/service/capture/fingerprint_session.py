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
from enrollment.service.capture.held_prints import HeldPrints, read_prints
from enrollment.service.capture.platen import Platen
from enrollment.service.capture.studio import Studio
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.store.dossier_store import BeforeCapture
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
            before, held = await self._begin(lease)
            if before.earlier is not None:
                self._emit(outcome(before.earlier, StageTimes()))
                return
            task = task_of(before.dossier, order)
            platen = Platen(studio, lease, device, self._emit, order.dossier_id, self._timeout_s(task))
            async with platen.order():
                best, made, accepted = await self._tries(platen, task, held)
                accepted = await self._store(lease, device, best, made, held, accepted=accepted)
            platen.watch(Sound.GOOD if accepted else Sound.BAD)

    async def _begin(self, lease: Lease) -> tuple[BeforeCapture, HeldPrints]:
        """The dossier as it stands, and the prints of its other captures, of which only new ones are read."""
        studio, order = self._studio, self._order
        kept = studio.prints.of(lease, order.dossier_id)
        known = {one.capture_id for one in kept}
        before = await studio.stored(
            studio.dossiers.before_capture, order.dossier_id, order.position, order.request_id, known
        )
        new = await studio.numeric(read_prints, before.prints) if before.prints else ()
        there = {capture.capture_id for capture in before.dossier.captures}
        held = [*(one for one in kept if one.capture_id in there), *new]
        prints = tuple(sorted(held, key=lambda one: (one.capture_position, one.position)))
        studio.prints.keep(lease, order.dossier_id, prints)
        return before, HeldPrints.of([one for one in prints if one.capture_position != order.position])

    async def _prepare(self, held: HeldPrints, task: PrintTask) -> None:
        if held.holds(task.fingers):
            await self._studio.numeric(held.prepare)

    async def _tries(self, platen: Platen, task: PrintTask, held: HeldPrints) -> tuple[Best, Try, bool]:
        """Try until the rules say that it is enough: what to keep, the last try, whether it is accepted."""
        studio, best, attempt = self._studio, Best(task), 0
        prepared = asyncio.create_task(self._prepare(held, task))
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
                _, held = await self._begin(lease)
                best = await studio.numeric(compared_anew, best, held)
                require_storable(best)
                accepted = accepted and not best.weak()
                continue
            self._emit(outcome(stored, whole.times.with_(record_ms=record_ms, store_ms=store_ms)))
            return accepted

    def _timeout_s(self, task: PrintTask) -> float:
        return self._order.finger_timeout_s or float(task.planned.finger_timeout_s)
