"""Watches a live platen until what lies there is to be taken. On the device's thread, one frame at a time.

The driver hands over the newest frame whenever the one before is judged, so a slow machine judges fewer frames and is
never late with one. Only the verdict that is cheap enough for every frame is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from drivers.frame import Frame
from drivers.spi import CancelToken, Impression, LiveFrame, Sound, StreamingScanner
from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint import (
    CANON_PPI,
    FingerprintImage,
    Sight,
    SlapKind,
    SlapPreview,
    Steadiness,
    preview_slap,
)
from enrollment.core.fingerprint.slap_parameters import SLAP
from enrollment.service.capture.events import Live, SeenFinger
from enrollment.service.capture.lamps import Lamps, lights_of

_MM_IN_AN_INCH: Final = 25.4
_HOLD_STILL: Final = "HOLD_STILL"
_CLEAN_PLATEN: Final = "CLEAN_PLATEN"


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """What to wait for. fingers: asked for, as they lie. wanted: those of them that no try before was good of."""

    planned: PlannedFingerprint
    fingers: tuple[int, ...]
    wanted: frozenset[int]
    absent: Collection[int]
    attempt: int


class SlapWatch:
    """The verdict on frame after frame of a slap."""

    def __init__(self, order: LiveOrder) -> None:
        self._order = order
        self._kind = SlapKind(order.planned.position)
        self._parameters = replace(SLAP, preview=replace(SLAP.preview, ready_quality=order.planned.live_quality))
        self._steadiness = Steadiness()

    def look(self, live: LiveFrame) -> tuple[Live, bool]:
        """Judge a frame; whether it is to be taken."""
        frame, order = live.frame, self._order
        ppi = frame.resolution_ppi or CANON_PPI
        image = FingerprintImage(frame.pixels, ppi)
        seen = preview_slap(image, self._kind, order.absent, parameters=self._parameters)
        mm = _MM_IN_AN_INCH / ppi
        places = {one.position: (one.centre[0] * mm, one.centre[1] * mm) for one in seen.fingers}
        good = seen.whole and order.wanted.isdisjoint(seen.weak)
        self._steadiness = self._steadiness.after(Sight(places, seen.laid, good, frame.captured_monotonic_s))
        return self._told(live, seen), self._steadiness.is_enough(order.planned)

    def _told(self, live: LiveFrame, seen: SlapPreview) -> Live:
        height, width = live.frame.pixels.shape[:2]
        order = self._order
        there = {finger.position for finger in seen.fingers}
        hints = [hint.value for hint in seen.hints]
        if self._steadiness.moving and seen.whole:
            hints.insert(0, _HOLD_STILL)
        if live.dirty:
            hints.append(_CLEAN_PLATEN)
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


def scan_live(
    scanner: StreamingScanner,
    order: LiveOrder,
    *,
    timeout_s: float,
    cancel: CancelToken,
    lamps: Lamps,
    tell: Callable[[Frame, Live], None],
) -> LiveFrame:
    """Show each frame's verdict, with the scanner's lamps, and return the frame that is to be taken.

    Raises CaptureTimedOut, CaptureCancelled, DeviceError.
    """
    watch = SlapWatch(order)
    taken: list[LiveFrame] = []

    def on_frame(live: LiveFrame) -> bool:
        verdict, enough = watch.look(live)
        tell(live.frame, verdict)
        lamps.show(scanner, lights_of(verdict, order.fingers))
        if enough:
            taken.append(live)
        return enough

    lamps.sound(scanner, Sound.READY)
    scanner.stream(
        impression=Impression(order.planned.impression), timeout_s=timeout_s, cancel=cancel, on_frame=on_frame
    )
    return taken[-1]
