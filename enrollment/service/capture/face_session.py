"""One portrait: frames judged as they come until one is accepted or the plan's tries are used; the kept one on disk.

A camera that takes stills shows its live view first, which is judged to guide the operator and releases the shutter
when it is good. Its tries are stills, and only a still is stored: what live view showed never passes for one.

Threads and leases as in the fingerprint session. The frame is stored as it was delivered: no crop, JPEG quality 95; one
with a longer side than LONGEST_SIDE_PX is reduced to it, so that it always fits into a package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

import cv2
import numpy as np

from drivers.errors import CaptureCancelled, PictureRefused
from drivers.frame import Frame
from drivers.spi import Camera, CancelToken, DeviceKind, StillCamera
from enrollment.core import acceptance
from enrollment.core.dossier.lifecycle import require_open
from enrollment.core.dossier.model import Dossier, QualityRecord
from enrollment.core.dossier.plan import PlannedPortrait
from enrollment.core.errors import PositionAlreadyCaptured, PositionNotInPlan
from enrollment.core.face import assess_portrait
from enrollment.service.capture.errors import FrameTooSmall
from enrollment.service.capture.events import Emit, Judged, LiveJudged, StageTimes, StillRefused, Waiting, outcome
from enrollment.service.capture.preview import newest_frame
from enrollment.service.capture.studio import LeaseReference, Studio, raise_why_ended
from enrollment.service.config import Clock
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.store.new_capture import NewCapture

JPEG_QUALITY: Final = 95
LONGEST_SIDE_PX: Final = 4000
TRY_PACE_S: Final = 0.2  # between two frames that are tries: lenses focus and people move slower than frames come
STILL_TIMEOUT_S: Final = 20.0  # focus, flash, and a large picture over a weak wireless network
MAX_STILLS: Final = 3  # each costs a shutter's life and some seconds of the person's patience
STEADY_FRAMES: Final = 3  # of live view, good one after the other, before the shutter is released
LIVE_PATIENCE_S: Final = 8.0  # for live view that does not become good: a flash may light what it cannot
PART_NAME: Final = "portrait.jpg"


T = TypeVar("T")


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
            before = await studio.stored(studio.dossiers.before_capture, order.dossier_id, None, order.request_id)
            if before.earlier is not None:
                self._emit(outcome(before.earlier, StageTimes()))
                return
            planned = _planned(before.dossier, order)
            forget = lease.at_end(self._cancel.cancel)
            try:
                kept, attempts, accepted = await _Sitting(
                    studio, lease, device, planned, self._emit, self._cancel
                ).run()
                await self._store(lease, device, planned, kept, attempts, accepted=accepted)
            except CaptureCancelled:
                raise_why_ended(lease, device)
                raise
            finally:
                forget()

    async def _store(
        self,
        lease: Lease,
        device: StationDevice,
        planned: PlannedPortrait,
        kept: _Try,
        attempts: int,
        *,
        accepted: bool,
    ) -> None:
        studio, order = self._studio, self._order
        longest_px = max(LONGEST_SIDE_PX, planned.min_width_px, planned.min_height_px)
        jpeg, record_ms = await studio.numeric(_jpeg, studio.clock, kept.frame, longest_px)
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


class _Sitting:
    """The tries of one order."""

    def __init__(
        self,
        studio: Studio,
        lease: Lease,
        device: StationDevice,
        planned: PlannedPortrait,
        emit: Emit,
        cancel: CancelToken,
    ) -> None:
        self._studio = studio
        self._lease = lease
        self._device = device
        self._planned = planned
        self._emit = emit
        self._cancel = cancel
        self._newest = 0
        self._not_before_s = studio.clock.monotonic()

    async def run(self) -> tuple[_Try, int, bool]:
        """Judge pictures until the rules say that it is enough: the one to keep, tries made, whether accepted."""
        takes_stills, shows_live = await self._on_device(_abilities)
        tries = min(self._planned.max_attempts, MAX_STILLS) if takes_stills else self._planned.max_attempts
        rule = replace(self._planned, max_attempts=tries)
        kept: _Try | None = None
        for attempt in range(1, tries + 1):
            if takes_stills or attempt == 1:
                self._emit(Waiting(attempt, tries))
            if takes_stills and shows_live:
                await self._guide(attempt)
            asked_s = self._studio.clock.monotonic()
            picture = await (self._still() if takes_stills else self._frame())
            if isinstance(picture, PictureRefused):
                self._emit(StillRefused(attempt, picture.reason))
                if attempt == tries and kept is None:
                    raise picture
                continue
            _require_size(picture, self._planned)
            made = await self._studio.numeric(_judge, self._studio.clock, picture, attempt, asked_s)
            if kept is None or acceptance.better(made.quality, kept.quality):
                kept = made
            decision = acceptance.decide(rule, attempt, made.quality)
            self._emit(_judged(made, decision))
            self._not_before_s = picture.captured_monotonic_s + TRY_PACE_S
            if isinstance(decision, acceptance.Accepted):
                return kept, attempt, True
        assert kept is not None  # noqa: S101 - the last try is judged or raises
        return kept, tries, False

    async def _guide(self, attempt: int) -> None:
        """Judge live view until it is good and steady, or until patience ends: the still alone can tell then."""
        clock = self._studio.clock
        until_s = clock.monotonic() + LIVE_PATIENCE_S
        steady = 0
        while steady < STEADY_FRAMES and clock.monotonic() < until_s:
            asked_s = clock.monotonic()
            made = await self._studio.numeric(_judge, clock, await self._frame(), attempt, asked_s)
            decision = acceptance.decide(self._planned, 0, made.quality)
            self._emit(LiveJudged(_judged(made, decision)))
            steady = steady + 1 if isinstance(decision, acceptance.Accepted) else 0

    async def _frame(self) -> Frame:
        """The next frame that was taken after the order came, and not too soon after the try before."""

        def latest(driver: Driver) -> Frame:
            frame = newest_frame(cast(Camera, driver), self._newest, self._cancel)
            _ = frame.pixels  # decoded here: one that cannot be is the camera's failure
            return frame

        while True:
            frame = await self._on_device(latest)
            self._newest = frame.sequence
            self._studio.previews.publish(self._lease, frame)
            if frame.captured_monotonic_s >= self._not_before_s:
                return frame

    async def _still(self) -> Frame | PictureRefused:
        """A picture, or why the camera took none: it works on then, and must not be closed as one that failed."""

        def take(driver: Driver) -> Frame | PictureRefused:
            try:
                return cast(StillCamera, driver).take_still(timeout_s=STILL_TIMEOUT_S, cancel=self._cancel)
            except PictureRefused as refused:
                return refused

        picture = await self._on_device(take)
        if isinstance(picture, Frame):
            self._newest = picture.sequence
            self._studio.previews.publish(self._lease, picture)
        return picture

    async def _on_device(self, job: Callable[[Driver], T]) -> T:
        return await self._device.worker.run(job, cancel=self._cancel, check=self._lease.require_live)


def _abilities(driver: Driver) -> tuple[bool, bool]:
    """Whether it takes stills, and whether it shows a live view."""
    return isinstance(driver, StillCamera), cast(Camera, driver).capabilities.has_live_view


def _planned(dossier: Dossier, order: PortraitOrder) -> PlannedPortrait:
    require_open(dossier)
    if dossier.plan.portrait is None:
        raise PositionNotInPlan("the plan asks for no portrait", dossier_id=dossier.dossier_id)
    if dossier.capture_of(None) is not None and not order.replace:
        raise PositionAlreadyCaptured(
            "the dossier holds a portrait; replacing it must be asked for", dossier_id=dossier.dossier_id
        )
    return dossier.plan.portrait


def _require_size(frame: Frame, planned: PlannedPortrait) -> None:
    width, height = frame.size
    if width < planned.min_width_px or height < planned.min_height_px:
        raise FrameTooSmall(
            f"frames of {width} x {height}; the plan asks for {planned.min_width_px} x {planned.min_height_px}",
            width=width,
            height=height,
            min_width=planned.min_width_px,
            min_height=planned.min_height_px,
        )


def _judge(clock: Clock, frame: Frame, attempt: int, asked_s: float) -> _Try:
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


def _jpeg(clock: Clock, frame: Frame, longest_px: int) -> tuple[bytes, float]:
    began_s = clock.monotonic()
    pixels = frame.pixels
    scale = longest_px / max(pixels.shape[:2])
    if scale < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes(), 1000 * (clock.monotonic() - began_s)
