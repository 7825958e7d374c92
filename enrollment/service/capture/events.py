"""What a capture tells while it runs, and how a session's task is turned into a stream of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from enrollment.core.dossier.model import Capture, CapturedFinger, QualityRecord
from enrollment.core.fingerprint import SlapFinding, SlapKind


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds of the monotonic clock, by stage; store_ms only once the capture is on disk."""

    device_ms: float = 0.0
    judge_ms: float = 0.0
    compare_ms: float = 0.0
    record_ms: float = 0.0
    store_ms: float = 0.0

    def with_(self, **stages: float) -> StageTimes:
        return replace(self, **stages)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The device waits for the person."""

    attempt: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class FingerOn:
    """The finger has landed."""

    attempt: int


@dataclass(frozen=True, slots=True)
class SeenFinger:
    """One finger on a live platen: its box in pixels of the frame, turned clockwise; live_quality 0..100, rough."""

    position: int
    centre: tuple[float, float]
    size: tuple[float, float]
    rotation_deg: float
    live_quality: int
    good: bool
    touching: bool
    outside_platen: bool


@dataclass(frozen=True, slots=True)
class Live:
    """What one frame of a live platen shows.

    sequence: the device's count of frames. size: width and height of the frame, pixels.
    missing: positions asked for that are not there. hand: None for a bare platen and for a single finger.
    hints: by their stable names, most pressing first. steady_frames: good ones in a row, of steady_frames_needed.
    """

    attempt: int
    sequence: int
    size: tuple[int, int]
    fingers: tuple[SeenFinger, ...]
    missing: tuple[int, ...]
    hand: SlapKind | None
    hand_confidence: float
    findings: tuple[SlapFinding, ...]
    hints: tuple[str, ...]
    steady_frames: int
    steady_frames_needed: int


@dataclass(frozen=True, slots=True)
class JudgedFinger:
    """One finger of a judged slap. best_attempt: the try whose print of it is the best so far."""

    position: int
    quality: QualityRecord
    acceptable: bool
    hint: str | None
    minutiae: int
    same_as: int | None
    best_attempt: int


@dataclass(frozen=True, slots=True)
class Judged:
    """How good a try was. same_as: another position of this dossier that it resembles, None when none does.

    fingers, findings: of a slap; quality, minutiae and same_as are then of its finger that is least good.
    quality: None where none of the fingers was there.
    """

    attempt: int
    quality: QualityRecord | None
    acceptable: bool
    hint: str | None
    times: StageTimes
    minutiae: int = 0
    same_as: int | None = None
    fingers: tuple[JudgedFinger, ...] = ()
    findings: tuple[SlapFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveJudged:
    """How good a frame of live view before a still was; it is never stored."""

    judged: Judged


@dataclass(frozen=True, slots=True)
class StillRefused:
    """The camera took no still. reason: the error's stable one."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class LiftFinger:
    """The finger must leave the platen before the next try."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The kept try, on disk. accepted: False when the tries were used up. fingers: of a slap, by position."""

    accepted: bool
    capture_id: str
    kept_attempt: int
    attempts: int
    quality: QualityRecord
    stored_at: datetime
    part_names: tuple[str, ...]
    times: StageTimes
    fingers: tuple[CapturedFinger, ...] = ()


PlatenEvent = Waiting | FingerOn | Live | LiftFinger
CaptureEvent = PlatenEvent | Judged | LiveJudged | StillRefused | Outcome
Emit = Callable[[CaptureEvent], None]
Event = TypeVar("Event")

_NEWEST_ONLY: Final = (Live, LiveJudged)  # of these a reader that falls behind wants the newest


def outcome(capture: Capture, times: StageTimes) -> Outcome:
    """A stored capture as the last event."""
    return Outcome(
        accepted=capture.accepted,
        capture_id=capture.capture_id,
        kept_attempt=capture.kept_attempt,
        attempts=capture.attempts,
        quality=capture.quality,
        stored_at=capture.captured_at,
        part_names=tuple(part.name for part in capture.parts),
        times=times,
        fingers=capture.fingers,
    )


async def stream(
    session: Callable[[Callable[[Event], None]], Coroutine[Any, Any, None]],
    newest_only: tuple[type, ...] = _NEWEST_ONLY,
) -> AsyncGenerator[Event, None]:
    """Run a session as a task of its own and yield its events; closing the stream cancels the task and waits for it.

    The session never waits for the reader, so a reader that stalls cannot hold up what is being stored, and of what a
    platen shows live, or what else is of a kind in newest_only, it misses all but the newest. `emit` may be called on
    the event loop only. What the session raises is raised here, after the events before it.
    """
    unread: _Unread[Event] = _Unread(newest_only)
    task = asyncio.create_task(session(unread.add))
    task.add_done_callback(lambda _: unread.news.set())
    try:
        while unread.events or not task.done():
            if unread.events:
                yield unread.events.popleft()
                continue
            unread.news.clear()
            await unread.news.wait()
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: raised above, or the reader is gone


class _Unread(Generic[Event]):
    """The events that the reader has not taken yet."""

    def __init__(self, newest_only: tuple[type, ...]) -> None:
        self.events: deque[Event] = deque()
        self.news = asyncio.Event()
        self._newest_only = newest_only

    def add(self, event: Event) -> None:
        kinds = self._newest_only
        if self.events and any(isinstance(event, kind) and isinstance(self.events[-1], kind) for kind in kinds):
            self.events.pop()
        self.events.append(event)
        self.news.set()
