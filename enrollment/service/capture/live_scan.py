"""Watches a live platen until what lies there is to be taken. On the device's thread, one frame at a time.

The driver hands over the newest frame whenever the one before is judged, so a slow machine judges fewer frames and is
never late with one. Only the verdict that is cheap enough for every frame is made here; a platen that the scanner
itself says is bare is not looked at. Of a hand that lies still by the map of skin every second frame is looked at,
where it is the wrong hand or lies well; the frame that is taken always is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Frame
from drivers.spi import CancelToken, Impression, LiveFrame, ScanEvent, Sound, StreamingScanner
from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint import (
    CANON_PPI,
    FingerprintImage,
    PrintPreview,
    Sight,
    SlapKind,
    SlapLook,
    SlapPreview,
    Steadiness,
    preview_print,
    preview_slap,
    single_print,
    slap_preview,
)
from enrollment.core.fingerprint.slap_parameters import SLAP, SlapParameters
from enrollment.service.capture.events import Live, SeenFinger
from enrollment.service.capture.lamps import Lamps, lights_of

_MM_IN_AN_INCH: Final = 25.4
_STILL_SHARE: Final = 0.05  # of the cells under skin; a finger more or less is a tenth
HOLD_STILL: Final = "HOLD_STILL"
CLEAN_PLATEN: Final = "CLEAN_PLATEN"
ROLL_FINGER: Final = "ROLL_FINGER"


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """What to wait for. fingers: asked for. wanted: those of them that no try before was good of."""

    planned: PlannedFingerprint
    fingers: tuple[int, ...]
    wanted: frozenset[int]
    absent: Collection[int]
    attempt: int

    @property
    def impression(self) -> Impression:
        return Impression(self.planned.impression)

    @property
    def parameters(self) -> SlapParameters:
        """Of the verdict on a frame."""
        return replace(SLAP, preview=replace(SLAP.preview, ready_quality=self.planned.live_quality))


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """The frame that was taken. live: from a live platen. seen: the slap or print that its verdict found in it."""

    frame: Frame
    live: bool
    seen: SlapLook | PrintPreview | None = None


class Watch(Protocol):
    """Says of frame after frame what it shows, and whether it is to be taken."""

    @property
    def seen(self) -> SlapLook | PrintPreview | None:
        """What was found in the last frame that was looked at."""
        ...

    def look(self, live: LiveFrame) -> tuple[Live, bool]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A frame that was looked at: what was told and seen, and where the scanner found skin, (rows, columns) bool."""

    told: Live
    sight: Sight
    presence: NDArray[np.bool_]


class SlapWatch:
    """The verdict on frame after frame of a slap."""

    def __init__(self, order: LiveOrder) -> None:
        self._order = order
        self._kind = SlapKind(order.planned.position)
        self._steadiness = Steadiness()
        self._before: _Judged | None = None  # the frame before, unless it was not looked at
        self.seen: SlapLook | None = None

    def look(self, live: LiveFrame) -> tuple[Live, bool]:
        """Judge a frame; whether it is to be taken."""
        before, self._before = self._before, None
        if before is not None and _lies_still(before.presence, live.presence):
            again = self._as_before(before, live.frame)
            if again is not None:
                return again, False
        frame, order = live.frame, self._order
        ppi = frame.resolution_ppi or CANON_PPI
        seen = slap_preview.BARE
        if live.presence.any():
            image = FingerprintImage(frame.pixels, ppi)
            seen = preview_slap(image, self._kind, order.absent, parameters=order.parameters)
        self.seen = seen.seen
        mm = _MM_IN_AN_INCH / ppi
        places = {one.position: (one.centre[0] * mm, one.centre[1] * mm) for one in seen.fingers}
        good = seen.whole and order.wanted.isdisjoint(seen.weak)
        sight = Sight(places, seen.laid, good, frame.captured_monotonic_s)
        self._steadiness = self._steadiness.after(sight)
        told = self._told(live, seen)
        self._before = _Judged(told, sight, live.presence)
        return told, self._steadiness.is_enough(order.planned)

    def _as_before(self, before: _Judged, frame: Frame) -> Live | None:
        """What to tell of a frame that shows the same without looking at it; None where it has to be looked at."""
        told, sight = before.told, before.sight
        if sight.laid:
            steadiness = self._steadiness.after(replace(sight, at_s=frame.captured_monotonic_s))
            if not sight.good or self._steadiness.moving or steadiness.is_enough(self._order.planned):
                return None
            self._steadiness = steadiness
            told = replace(told, steady_frames=steadiness.good_frames)
        return replace(told, sequence=frame.sequence)

    def _told(self, live: LiveFrame, seen: SlapPreview) -> Live:
        height, width = live.frame.pixels.shape[:2]
        order = self._order
        there = {finger.position for finger in seen.fingers}
        hints = [hint.value for hint in seen.hints]
        if self._steadiness.moving and seen.whole:
            hints.insert(0, HOLD_STILL)
        if live.dirty:
            hints.append(CLEAN_PLATEN)
        return Live(
            attempt=order.attempt,
            sequence=live.frame.sequence,
            size=(width, height),
            fingers=tuple(
                SeenFinger(
                    finger.position,
                    finger.centre,
                    finger.size,
                    finger.rotation_deg,
                    quality,
                    finger.position not in seen.weak and not finger.edges,
                    finger.touching,
                    bool(finger.edges),
                )
                for finger, quality in zip(seen.fingers, seen.qualities, strict=True)
            ),
            missing=tuple(position for position in order.fingers if position not in there),
            hand=seen.hand,
            hand_confidence=seen.hand_confidence,
            findings=seen.findings,
            hints=tuple(hints),
            steady_frames=self._steadiness.good_frames,
            steady_frames_needed=order.planned.steady_frames,
        )


def _lies_still(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> bool:
    """Whether the scanner finds skin where it was, and finds some."""
    under_skin = int(np.count_nonzero(before))
    return under_skin > 0 and int(np.count_nonzero(before ^ now)) <= _STILL_SHARE * under_skin


class PrintWatch:
    """The verdict on frame after frame of one finger; of a rolled one the scanner tells the end."""

    def __init__(self, order: LiveOrder) -> None:
        self._order = order
        self._rolled = order.impression is Impression.ROLLED
        self._steadiness = Steadiness()
        self.seen = single_print.BARE

    def look(self, live: LiveFrame) -> tuple[Live, bool]:
        """Judge a frame; whether it is to be taken."""
        frame, planned = live.frame, self._order.planned
        ppi = frame.resolution_ppi or CANON_PPI
        seen = single_print.BARE
        if live.presence.any():
            seen = preview_print(FingerprintImage(frame.pixels, ppi), parameters=self._order.parameters)
        self.seen = seen
        if self._rolled:
            return self._told(live, seen), live.roll_complete and seen.box is not None
        places = {}
        if seen.box is not None:
            left, top, width, height = (side * _MM_IN_AN_INCH / ppi for side in seen.box)
            places[planned.position] = (left + width / 2, top + height / 2)
        sight = Sight(places, seen.laid, seen.ready, frame.captured_monotonic_s)
        self._steadiness = self._steadiness.after(sight)
        return self._told(live, seen), self._steadiness.is_enough(planned)

    def _told(self, live: LiveFrame, seen: PrintPreview) -> Live:
        height, width = live.frame.pixels.shape[:2]
        planned = self._order.planned
        hints = [hint.value for hint in seen.hints]
        if self._rolled and seen.box is not None and not live.roll_complete:
            hints.insert(0, ROLL_FINGER)
        elif self._steadiness.moving and seen.whole:
            hints.insert(0, HOLD_STILL)
        if live.dirty:
            hints.append(CLEAN_PLATEN)
        return Live(
            attempt=self._order.attempt,
            sequence=live.frame.sequence,
            size=(width, height),
            fingers=() if seen.box is None else (_seen_finger(planned.position, seen, seen.box),),
            missing=(planned.position,) if seen.box is None else (),
            hand=None,
            hand_confidence=0.0,
            findings=(),
            hints=tuple(hints),
            steady_frames=self._steadiness.good_frames,
            steady_frames_needed=0 if self._rolled else planned.steady_frames,
        )


def _seen_finger(position: int, seen: PrintPreview, box: tuple[int, int, int, int]) -> SeenFinger:
    left, top, width, height = box
    centre = (left + width / 2, top + height / 2)
    outside = bool(seen.edges)
    return SeenFinger(position, centre, (width, height), 0.0, seen.quality, seen.ready, False, outside)


def scan_live(
    scanner: StreamingScanner,
    order: LiveOrder,
    *,
    timeout_s: float,
    cancel: CancelToken,
    lamps: Lamps,
    on_event: Callable[[ScanEvent], None],
    tell: Callable[[Frame, Live], object],
) -> Taken:
    """Tell each frame's verdict, show it on the scanner's lamps, and return the frame that is to be taken.

    on_event: gets WAITING with the first frame, and FINGER_ON when something first lies there.
    Raises CaptureTimedOut, CaptureCancelled, DeviceError.
    """
    watch: Watch = SlapWatch(order) if order.impression is Impression.SLAP else PrintWatch(order)
    told: set[ScanEvent] = set()

    def once(event: ScanEvent) -> None:
        if event not in told:
            told.add(event)
            on_event(event)

    def on_frame(live: LiveFrame) -> bool:
        once(ScanEvent.WAITING)
        verdict, enough = watch.look(live)
        if verdict.fingers:
            once(ScanEvent.FINGER_ON)
        tell(live.frame, verdict)
        lamps.show(scanner, lights_of(verdict, order.fingers))
        return enough

    lamps.sound(scanner, Sound.READY)
    frame = scanner.stream(impression=order.impression, timeout_s=timeout_s, cancel=cancel, on_frame=on_frame)
    return Taken(frame, True, watch.seen)
