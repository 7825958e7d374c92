"""The camera's inside: its clock, what it sees, what is wrong with it, and what each connection gets next."""

from __future__ import annotations

import random
import threading
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.camera.faults import Fault, FaultKind
from firmware_stubs.camera.scene import HEIGHT_PX, WIDTH_PX, darkness, expose, fit, unfocused, wall

GARBAGE_BYTES: Final = 60_000


class Disconnected(Exception):
    """The connection ends now: the camera stops, or its fault is to cut the line."""


class CameraFirmware:
    """One camera for all connections; every method may be called from any thread.

    scene: (H, W, 3) uint8 BGR, what is before the lens at first; None for the wall.
    fps: frames a second of the common clock; a connection that is late skips frames.
    warm_up_frames: how many frames of each connection come dark to bright.
    numbered: frames show their number in the round.
    stop: when it is set, nobody gets a frame any more.
    """

    def __init__(
        self,
        scene: NDArray[np.uint8] | None,
        fps: float,
        warm_up_frames: int,
        stop: threading.Event,
        *,
        numbered: bool = False,
    ) -> None:
        self._fps = fps
        self._numbered = numbered
        self.warm_up_frames = warm_up_frames
        self._stop = stop
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._dark = darkness()
        self._garbage = random.Random(1).randbytes(GARBAGE_BYTES)  # noqa: S311 - noise, not a secret
        self._clients = 0
        self._frames_sent = 0
        self._fault: Fault | None = None
        self._fault_ends = 0.0
        self._frozen = b""
        self._hunting: tuple[bytes, ...] = ()
        if scene is None:
            self.show(wall(), "empty")
        else:
            self.show(scene, "image")

    def show(self, image: NDArray[np.uint8], name: str) -> None:
        """Put a scene before the lens; returns when the next frame will show it. image: (H, W, 3) uint8 BGR."""
        exposures = expose(fit(image), self.warm_up_frames, numbered=self._numbered)
        with self._lock:
            self._exposures = exposures
            self._scene = name

    def fail(self, fault: Fault | None) -> None:
        """Begin a fault, in place of any other; None ends it."""
        hunting = unfocused(self._steady(0)) if fault is not None and fault.kind is FaultKind.HUNT else ()
        with self._lock:
            self._frozen = self._steady(self.tick())
            self._hunting = hunting
            self._fault = fault
            self._fault_ends = time.monotonic() + (fault.seconds if fault and fault.seconds else 0.0)

    def tick(self) -> int:
        """Number of the newest frame on the common clock."""
        return int((time.monotonic() - self._started) * self._fps)

    def next_frame(self, last_tick: int, sent: int) -> tuple[int, bytes | None]:
        """Wait for the frame after `last_tick`, or the newest, for a connection that had `sent` already.

        Returns its tick and what the camera makes of it: a JPEG, garbage, or nothing where it stalls.
        Raises Disconnected.
        """
        due = self._started + (last_tick + 1) / self._fps
        if self._stop.wait(max(0.0, due - time.monotonic())):
            raise Disconnected
        tick = max(self.tick(), last_tick + 1)
        return tick, self._frame(tick, sent)

    def connected(self, by: int) -> None:
        """Count connections to the stream: +1 or -1."""
        with self._lock:
            self._clients += by

    def delivered(self) -> None:
        """Count one frame that the network took."""
        with self._lock:
            self._frames_sent += 1

    def state(self) -> dict[str, object]:
        """Describe the camera in JSON's types."""
        with self._lock:
            fault = self._present_fault()
            return {
                "clients": self._clients,
                "frames_sent": self._frames_sent,
                "fault": None if fault is None else {"kind": fault.kind.value, "seconds": fault.seconds},
                "scene": self._scene,
                "fps": self._fps,
                "size": [WIDTH_PX, HEIGHT_PX],
            }

    def _frame(self, tick: int, sent: int) -> bytes | None:
        """One frame under the present fault; None where the camera stalls."""
        with self._lock:
            fault = self._present_fault()
            match fault.kind if fault else None:
                case FaultKind.STALL:
                    return None
                case FaultKind.DISCONNECT:
                    raise Disconnected
                case FaultKind.FREEZE:
                    return self._frozen
                case FaultKind.BLACK:
                    return self._dark[tick % len(self._dark)]
                case FaultKind.HUNT:
                    return self._hunting[sent % len(self._hunting)]
                case FaultKind.GARBAGE:
                    return self._garbage
                case None:
                    warm_up = self._exposures.warm_up
                    return warm_up[sent] if sent < len(warm_up) else self._steady(tick)

    def _steady(self, tick: int) -> bytes:
        return self._exposures.steady[tick % len(self._exposures.steady)]

    def _present_fault(self) -> Fault | None:
        if self._fault and self._fault.seconds is not None and time.monotonic() >= self._fault_ends:
            self._fault = None
        return self._fault
