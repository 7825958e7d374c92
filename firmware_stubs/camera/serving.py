"""The camera as a process runs it: two ports, until it is told to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.camera.control_port import ControlHandler
from firmware_stubs.camera.firmware import CameraFirmware
from firmware_stubs.camera.http_server import Server
from firmware_stubs.camera.stream_port import StreamHandler

WARM_UP_FRAMES: Final = 10
MAX_FPS: Final = 1000.0


def serve(
    host: str,
    port: int,
    control_port: int,
    *,
    fps: float = 30.0,
    scene: NDArray[np.uint8] | None = None,
    warm_up_frames: int = WARM_UP_FRAMES,
    numbered: bool = False,
    ready: Callable[[str, str], None],
    stop: threading.Event,
) -> None:
    """Serve one camera until `stop` is set; blocks.

    host: 127.0.0.1 unless the stub is to be reached from elsewhere. port, control_port: 0 for any that is free.
    fps: above 0, up to 1000. scene: (H, W, 3) uint8 BGR; None for an empty wall.
    warm_up_frames: the first frames of each connection, dark to bright; 0 for none.
    numbered: each frame shows its number in the round, for whoever times frames.
    ready: called once with the URL of the stream and that of the control port (without a path).
    Raises OSError where a port cannot be bound, ValueError for an fps out of range.
    """
    if not 0 < fps <= MAX_FPS:
        raise ValueError(f"fps is above 0, up to {MAX_FPS:g}, not {fps}")
    camera = CameraFirmware(scene, fps, warm_up_frames, stop, numbered=numbered)
    with (
        running(Server((host, port), StreamHandler, camera)) as stream,
        running(Server((host, control_port), ControlHandler, camera)) as control,
    ):
        try:
            ready(f"{stream.url}/stream", control.url)
            stop.wait()
        finally:
            stop.set()  # whatever ended us, the connections' threads are waiting for this


@contextlib.contextmanager
def running(server: Server[Any]) -> Iterator[Server[Any]]:
    """Serve in a thread of its own; ended with all its connections on leaving."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=server.url)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join()
