"""The one frame that a camera's thread keeps for its reader, who sees the present or an error, never the past.

A camera may hang and send its last frame for ever. No sensor is so quiet that two of its frames are the same to the
last pixel: a repeated frame is none, and where nothing else comes the age limit tells.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureTimedOut, DeviceError, DeviceStalled
from drivers.frame import Frame, Jpeg
from drivers.spi import CancelToken

AGE_LIMIT_S = 2.0

CANCEL_SLICE_S = 0.05  # one token may serve a whole day's preview, so no callback is left on it


def is_repeated(picture: NDArray[np.uint8] | Jpeg, before: NDArray[np.uint8] | Jpeg) -> bool:
    """Whether two frames are the same to the last pixel, or octet."""
    if isinstance(picture, Jpeg) or isinstance(before, Jpeg):
        return isinstance(picture, Jpeg) and isinstance(before, Jpeg) and picture.content == before.content
    middle = len(picture) // 2  # one row tells nearly always
    if picture.shape != before.shape or not np.array_equal(picture[middle], before[middle]):
        return False
    return np.array_equal(picture, before)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a stream ended; made into a new exception for each caller."""

    kind: type[DeviceError]
    message: str


class NewestFrame:
    """Written by the thread that reads the camera, awaited by the one that wants frames."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._failure: _Failure | None = None
        self._sequence = 0

    def frame(self, picture: NDArray[np.uint8] | Jpeg) -> Frame:
        """Give a picture that has just arrived its number and time, without showing them to a reader."""
        self._sequence += 1
        return Frame(picture, self._sequence, time.monotonic())

    def publish(self, picture: NDArray[np.uint8] | Jpeg) -> None:
        """Put a frame in place of the one before, unless it is the same."""
        if self._newest is not None and is_repeated(picture, self._newest.picture):
            return
        frame = self.frame(picture)
        with self._changed:
            self._newest = frame
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop the newest frame where the camera pauses by intent: its age is no fault then."""
        with self._changed:
            self._newest = None

    def fail(self, kind: type[DeviceError], message: str) -> None:
        """End the stream: every reader gets this error from now on."""
        with self._changed:
            self._failure = _Failure(kind, message)
            self._changed.notify_all()

    def raise_failure(self) -> None:
        """Raise what the stream ended with, if it did."""
        if self._failure is not None:
            raise self._failure.kind(self._failure.message)

    def newer_than(self, sequence: int, timeout_s: float, cancel: CancelToken) -> Frame:
        """Wait for a frame with a higher sequence number that is not older than the age limit."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                cancel.raise_if_cancelled()
                self.raise_failure()
                now = time.monotonic()
                stale_at = deadline
                if self._newest is not None:
                    stale_at = self._newest.captured_monotonic_s + AGE_LIMIT_S
                    if now >= stale_at:
                        raise DeviceStalled("the camera is frozen", age_limit_s=AGE_LIMIT_S)
                    if self._newest.sequence > sequence:
                        return self._newest
                if now >= deadline:
                    raise CaptureTimedOut("no newer frame within the time limit")
                self._changed.wait(min(deadline - now, stale_at - now, CANCEL_SLICE_S))
