"""One connection to a body with its thread, which alone calls the body's process.

The thread shows live view, and between two frames does what it is asked. Who asked waits for as long as they wish: a
call that hangs holds this thread until its limit, and nobody else.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.dslr.address import DslrAddress
from drivers.camera.dslr.remote import RemoteBody
from drivers.camera.motion_jpeg import read_header
from drivers.camera.newest_frame import CANCEL_SLICE_S, NewestFrame
from drivers.errors import (
    DeviceError,
    DeviceGone,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.frame import Frame
from drivers.pipe import Content
from drivers.spi import CancelToken, DeviceIdentity

_PERIOD_S = 0.04  # between frames of live view: a preview needs no more, and the camera keeps cool
_JOIN_TIMEOUT_S = 3.0
_EVENT_SLICE_S = 0.1
_RAW_PATIENCE_S = 2.0  # for the JPEG that a body saves beside its RAW file
_STALE_EVENTS = 50  # how many old events are dropped before a picture at most
_MOST_PIXELS = 200_000_000  # the largest sensors have 150 million; OpenCV alone would take a thousand
_FATAL = (DeviceGone, DeviceStalled)

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class Session:
    """A body from its opening to its end."""

    def __init__(self, address: DslrAddress, body: RemoteBody) -> None:
        """body: started and not opened; the session ends it."""
        self.frames = NewestFrame()
        self.has_live_view = True
        self.identity = DeviceIdentity("", "", "", "")
        self._address = address
        self._body = body
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[RemoteBody], Any]] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="dslr", daemon=True)
        self._thread.start()

    def wait_open(self, timeout_s: float) -> None:
        """Return when the body is connected and its live view, if it has one, has begun."""
        self._wait(self._opened, timeout_s, CancelToken())

    def ask(self, task: Callable[[RemoteBody], T], timeout_s: float, cancel: CancelToken) -> T:
        """Have the thread do something; whoever gives up leaves it to end by itself."""
        self.frames.raise_failure()
        answer: Future[T] = Future()
        self._tasks.put((answer, task))
        return self._wait(answer, timeout_s, cancel)

    def take_still(self, timeout_s: float, cancel: CancelToken) -> Frame:
        """As StillCamera.take_still."""
        deadline = time.monotonic() + timeout_s
        return self.ask(lambda body: self._take_still(body, deadline), timeout_s, cancel)

    def stop(self) -> None:
        """End the thread and the body's process; a call that hangs is given a moment, no more."""
        self._stopping.set()
        self._tasks.put(None)
        self._thread.join(_JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            _logger.warning("a reflex camera does not answer: its process is ended")
            self._body.kill()
            self._thread.join()

    def _wait(self, answer: Future[T], timeout_s: float, cancel: CancelToken) -> T:
        try:
            return self._wait_until(answer, timeout_s, cancel)
        except BaseException:
            answer.cancel()  # what nobody waits for is not begun any more
            raise

    def _wait_until(self, answer: Future[T], timeout_s: float, cancel: CancelToken) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            cancel.raise_if_cancelled()
            remaining = deadline - time.monotonic()
            try:
                return answer.result(max(0.0, min(remaining, CANCEL_SLICE_S)))
            except NotYet as error:
                if answer.done():
                    continue
                self.frames.raise_failure()
                if remaining <= 0:
                    raise DeviceStalled("the camera did not do it in time", timeout_s=timeout_s) from error

    def _run(self) -> None:
        self._opened.set_running_or_notify_cancel()
        body = self._body
        try:
            self.identity = body.open(self._address)
            self._begin_live_view(body)
            self._opened.set_result(None)
            while not self._stopping.is_set():
                self._do_next(body)
        except DeviceError as error:
            self.frames.fail(type(error), str(error))
            if not self._opened.done():
                self._opened.set_exception(error)
        finally:
            body.close()

    def _begin_live_view(self, body: RemoteBody) -> None:
        try:
            self._show(body)
        except UnsupportedDevice:
            self.has_live_view = False

    def _do_next(self, body: RemoteBody) -> None:
        """Do what is asked, or show the next frame when it is due. Raises only what ends the connection."""
        try:
            task = self._tasks.get(timeout=_PERIOD_S)
        except queue.Empty:
            if self.has_live_view:
                self._show(body)
            return
        if task is None:
            return
        answer, do = task
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(do(body))
        except DriverError as error:
            answer.set_exception(error)
            if isinstance(error, _FATAL):
                raise
        self.frames.forget()

    def _show(self, body: RemoteBody) -> None:
        content = body.preview()
        pixels = None if content is None else _decode(content)
        if pixels is not None:  # a frame that is broken is left out: the age limit tells when it is not the only one
            self.frames.publish(pixels)

    def _take_still(self, body: RemoteBody, deadline: float) -> Frame:
        # A picture that somebody took by hand a moment ago is not the one that is asked for.
        for _ in range(_STALE_EVENTS):
            if not body.next_file(0.0)[0]:
                break
        body.release_shutter()
        raw = False
        while time.monotonic() < deadline:
            _, path = body.next_file(min(_EVENT_SLICE_S, max(0.0, deadline - time.monotonic())))
            if path is None:
                continue
            if path[1].lower().endswith((".jpg", ".jpeg")):
                return self._fetch(body, *path)
            body.delete(*path)
            raw, deadline = True, min(deadline, time.monotonic() + _RAW_PATIENCE_S)
        if raw:
            raise DeviceNotReady("the camera saves no JPEG: set its image quality to JPEG")
        # Its picture may still come, and must not be taken for the next person's: this ends the connection.
        raise DeviceStalled("the camera took no picture in time")

    def _fetch(self, body: RemoteBody, folder: str, name: str) -> Frame:
        try:
            content = body.download(folder, name)
        except _FATAL:
            raise
        except DeviceError as error:
            if not body.delete(folder, name):
                raise DeviceGone("the connection to the camera was lost on the way of its picture") from error
            raise
        body.delete(folder, name)
        pixels = _decode(content) if _is_whole(content) else None
        if pixels is None:
            raise ProtocolViolation("the camera's picture is cut short or broken", octets=len(content))
        return self.frames.frame(pixels)


def _is_whole(jpeg: Content) -> bool:
    """Whether a JPEG ends as one does (ITU-T T.81, EOI), fill behind it or not: a decoder paints the rest grey."""
    return jpeg.rstrip(b"\0").endswith(b"\xff\xd9")


def _decode(jpeg: Content) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8 BGR, upright by its EXIF; None where it does not decode, or says that it is huge."""
    try:
        read_header(jpeg, _MOST_PIXELS)
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except (ProtocolViolation, cv2.error, MemoryError):
        return None
    return None if pixels is None else pixels.astype(np.uint8, copy=False)
