"""What a capture tells while it runs, and how a session's task is turned into a stream of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from enrollment.core.dossier.model import Capture, QualityRecord


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
class Judged:
    """How good a try was. same_as: another position of this dossier that it resembles, None when none does."""

    attempt: int
    quality: QualityRecord
    acceptable: bool
    hint: str | None
    times: StageTimes
    minutiae: int = 0
    same_as: int | None = None


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
    """The kept try, on disk. accepted: False when the tries were used up."""

    accepted: bool
    capture_id: str
    kept_attempt: int
    attempts: int
    quality: QualityRecord
    stored_at: datetime
    part_names: tuple[str, ...]
    times: StageTimes


CaptureEvent = Waiting | FingerOn | Judged | LiveJudged | StillRefused | LiftFinger | Outcome
Emit = Callable[[CaptureEvent], None]

_END: Final = object()


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
    )


async def stream(session: Callable[[Emit], Coroutine[Any, Any, None]]) -> AsyncGenerator[CaptureEvent, None]:
    """Run a session as a task of its own and yield its events; closing the stream cancels the task and waits for it.

    The session never waits for the reader, so a reader that stalls cannot hold up what is being stored. `emit` may be
    called on the event loop only. What the session raises is raised here, after the events before it.
    """
    events: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(session(events.put_nowait))
    task.add_done_callback(lambda _: events.put_nowait(_END))
    try:
        while (event := await events.get()) is not _END:
            yield event
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: raised above, or the reader is gone
