"""One portrait: frames judged as they come until one is accepted or the plan's tries are used; the kept one on disk.

Threads and leases as in the fingerprint session. The frame is stored as it was delivered: no crop, JPEG quality 95.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import cv2

from drivers.errors import CaptureCancelled
from drivers.frame import Frame
from drivers.spi import Camera, CancelToken, DeviceKind
from enrollment.core import acceptance
from enrollment.core.dossier.lifecycle import require_open
from enrollment.core.dossier.model import Dossier, QualityRecord
from enrollment.core.dossier.plan import PlannedPortrait
from enrollment.core.errors import PositionAlreadyCaptured, PositionNotInPlan
from enrollment.core.face import assess_portrait
from enrollment.service.capture.errors import FrameTooSmall
from enrollment.service.capture.events import Emit, Judged, StageTimes, Waiting, outcome
from enrollment.service.capture.studio import LeaseReference, Studio, raise_why_ended
from enrollment.service.config import Clock
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.store.dossier_store import NewCapture

JPEG_QUALITY: Final = 95
FRAME_TIMEOUT_S: Final = 3.0  # a camera that gives no frame for so long is stalled
PART_NAME: Final = "portrait.jpg"


@dataclass(frozen=True, slots=True)
class PortraitOrder:
    """What to capture, for whom."""

    dossier_id: str
    lease: LeaseReference
    replace: bool
    request_id: str
    operator_id: str


@dataclass(frozen=True, slots=True)
class _Try:
    """One judged frame."""

    attempt: int
    frame: Frame
    quality: QualityRecord
    times: StageTimes


class FaceSession:
    """Carries out one order."""

    def __init__(self, studio: Studio, order: PortraitOrder, emit: Emit) -> None:
        self._studio = studio
        self._order = order
        self._emit = emit
        self._cancel = CancelToken()

    async def run(self) -> None:
        """Emit what happens, the stored outcome last.

        Raises the errors of leases, devices and dossiers, and FrameTooSmall; nothing is stored then.
        """
        studio, order = self._studio, self._order
        lease, device = studio.leased(order.lease, DeviceKind.CAMERA, order.operator_id)
        async with studio.inventory.in_use(device):
            earlier = await studio.earlier_capture(order.request_id, order.dossier_id, None)
            if earlier is not None:
                self._emit(outcome(earlier, StageTimes()))
                return
            planned = _planned(await studio.stored(studio.dossiers.get, order.dossier_id), order)
            forget = lease.at_end(self._cancel.cancel)
            try:
                kept, attempts, accepted = await self._tries(lease, device, planned)
                await self._store(lease, device, kept, attempts, accepted=accepted)
            except CaptureCancelled:
                raise_why_ended(lease, device)
                raise
            finally:
                forget()

    async def _tries(self, lease: Lease, device: StationDevice, planned: PlannedPortrait) -> tuple[_Try, int, bool]:
        """Judge frames until the rules say that it is enough: the one to keep, frames judged, whether accepted."""
        clock = self._studio.clock
        kept: _Try | None = None
        attempt, newest, began_s = 0, 0, clock.monotonic()
        self._emit(Waiting(1, planned.max_attempts))
        while True:
            asked_s = clock.monotonic()
            frame = await self._frame(lease, device, newest)
            newest = frame.sequence
            if frame.captured_monotonic_s < began_s:
                continue  # taken before it was asked for
            attempt += 1
            made = await self._studio.numeric(_judge, clock, frame, planned, attempt, asked_s)
            if kept is None or acceptance.better(made.quality, kept.quality):
                kept = made
            decision = acceptance.decide(planned, attempt, made.quality)
            self._emit(_judged(made, decision))
            if not isinstance(decision, acceptance.TryAgain):
                return kept, attempt, isinstance(decision, acceptance.Accepted)

    async def _frame(self, lease: Lease, device: StationDevice, newest: int) -> Frame:
        def latest(driver: Driver) -> Frame:
            camera = cast(Camera, driver)
            return camera.latest(newer_than=newest, timeout_s=FRAME_TIMEOUT_S, cancel=self._cancel)

        frame = await device.worker.run(latest, cancel=self._cancel, check=lease.require_live)
        self._studio.previews.publish(lease, frame)
        return frame

    async def _store(self, lease: Lease, device: StationDevice, kept: _Try, attempts: int, *, accepted: bool) -> None:
        studio, order = self._studio, self._order
        jpeg, record_ms = await studio.numeric(_jpeg, studio.clock, kept.frame)
        new = NewCapture(
            position=None,
            impression="",
            quality=kept.quality,
            accepted=accepted,
            attempts=attempts,
            kept_attempt=kept.attempt,
            operator_id=order.operator_id,
            device_id=device.device_id,
            captured_at=studio.clock.now(),
            parts={PART_NAME: ("image/jpeg", jpeg)},
        )

        stored, store_ms = await studio.store_capture(
            lease, order.dossier_id, new, replace=order.replace, request_id=order.request_id
        )
        self._emit(outcome(stored, kept.times.with_(record_ms=record_ms, store_ms=store_ms)))


def _planned(dossier: Dossier, order: PortraitOrder) -> PlannedPortrait:
    require_open(dossier)
    if dossier.plan.portrait is None:
        raise PositionNotInPlan("the plan asks for no portrait", dossier_id=dossier.dossier_id)
    if dossier.capture_of(None) is not None and not order.replace:
        raise PositionAlreadyCaptured(
            "the dossier holds a portrait; replacing it must be asked for", dossier_id=dossier.dossier_id
        )
    return dossier.plan.portrait


def _judge(clock: Clock, frame: Frame, planned: PlannedPortrait, attempt: int, asked_s: float) -> _Try:
    height, width = frame.pixels.shape[:2]
    if width < planned.min_width_px or height < planned.min_height_px:
        raise FrameTooSmall(
            f"frames of {width} x {height}; the plan asks for {planned.min_width_px} x {planned.min_height_px}",
            width=width,
            height=height,
            min_width=planned.min_width_px,
            min_height=planned.min_height_px,
        )
    began_s = clock.monotonic()
    quality = assess_portrait(frame.pixels)
    return _Try(
        attempt,
        frame,
        QualityRecord(quality.score, quality.algorithm, quality.version, dict(quality.measures), quality.hints),
        StageTimes(device_ms=1000 * (began_s - asked_s), judge_ms=1000 * (clock.monotonic() - began_s)),
    )


def _judged(made: _Try, decision: acceptance.Decision) -> Judged:
    return Judged(
        attempt=made.attempt,
        quality=made.quality,
        acceptable=isinstance(decision, acceptance.Accepted),
        hint=None if isinstance(decision, acceptance.Accepted) else decision.hint,
        times=made.times,
    )


def _jpeg(clock: Clock, frame: Frame) -> tuple[bytes, float]:
    began_s = clock.monotonic()
    _, jpeg = cv2.imencode(".jpg", frame.pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes(), 1000 * (clock.monotonic() - began_s)
