"""Any camera that OpenCV reads: MJPEG or H.264 over HTTP and RTSP (FFmpeg), and V4L2 devices.

One thread reads without pause and keeps the newest frame only: a slow reader of an unread stream would see the past,
and further back with every second. Nothing reconnects by itself: a stream that ended or froze is an error that the
caller must see, and answers with `close` and `open`. The frames of Motion JPEG over the network are kept as they came,
and decoded where somebody asks for their pixels: decoding all would keep a quarter of a core busy.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera import video_devices
from drivers.camera.motion_jpeg import read_jpeg
from drivers.camera.newest_frame import NewestFrame, is_repeated
from drivers.errors import (
    CaptureTimedOut,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.frame import Frame, Jpeg
from drivers.spi import CameraCapabilities, CancelToken, DeviceIdentity

_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET
_OPEN_TIMEOUT_S = 4.0  # RTSP takes 2.1 s
_READ_TIMEOUT_S = 1.5
_FLAWED_LIMIT_S = 1.0  # for frames that are none: well before the age limit would call the camera frozen
_WARM_UP_LIMIT_S = 3.0
_JOIN_TIMEOUT_S = 3.0
_DARK_MEAN = 8.0  # of 255: below it even a portrait in an unlit room is not
_SETTLED_FRAMES = 4
_SETTLED_CHANGE = 0.02  # of the brightness; automatic exposure changes by more from frame to frame until it is done
_FOCUSED_FRAMES = 6
_FOCUSED_CHANGE = 0.05  # of the sharpness; a lens that hunts changes it by more, but so does a person who moves:
_FOCUS_LIMIT_S = 1.5  # nobody waits longer for that
_FOCUS_SIDE_PX = 480
_MOTION_JPEG = cv2.VideoWriter.fourcc(*"MJPG")
_AS_THEY_CAME = -1  # the format of frames that are not decoded
_STRIDE = 16  # pixels between those that brightness is taken from

_logger = logging.getLogger(__name__)


class OpenCvCamera:
    """A camera at http(s)://..., rtsp://... or video:/dev/v4l/by-id/...; implements Camera.

    warm_up_frames: first frames that are dropped; after them all until exposure (3 s at most) and focus have settled.
    width, height: asked of a V4L2 device, which gives the nearest that it has; 0 leaves its own, often 640 x 480.
    Raises UnsupportedDevice for another kind of address.
    """

    def __init__(self, address: str, *, warm_up_frames: int = 3, width: int = 1920, height: int = 1080) -> None:
        try:
            self._source = urldefrag(address).url
            url = urlsplit(self._source)
        except ValueError as error:
            raise UnsupportedDevice("not an address of a camera") from error
        if url.scheme not in ("http", "https", "rtsp", "video"):
            raise UnsupportedDevice("not an address of a camera")
        self._is_local = url.scheme == "video"
        self._host = url.hostname or ""
        self._warm_up_frames = warm_up_frames
        self._size = (width, height)
        self._stream: _Stream | None = None
        self._capabilities = CameraCapabilities(0, 0, 0.0)

    @property
    def identity(self) -> DeviceIdentity:
        if not self._is_local:
            return DeviceIdentity("", self._host, "", "")
        return video_devices.identify(Path(self._source.removeprefix("video:")))

    @property
    def capabilities(self) -> CameraCapabilities:
        """Zeros before the first open: a runtime check of the Protocol reads it, so it may not raise."""
        return self._capabilities

    def open(self) -> None:
        if self._stream is not None:
            return
        capture = self._connect()
        rate = capture.get(cv2.CAP_PROP_FPS)
        stream = _Stream(capture, self._warm_up_frames, coded=self._leaves_coded(capture))
        try:
            first = stream.newer_than(0, _WARM_UP_LIMIT_S + _READ_TIMEOUT_S, CancelToken())
        except CaptureTimedOut as error:
            stream.stop()
            raise DeviceNotReady("the camera connects, but sends no frame") from error
        except BaseException:
            stream.stop()
            raise
        self._capabilities = CameraCapabilities(*first.size, rate if 0 < rate < 1000 else 0.0)
        self._stream = stream

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()

    def latest(self, *, newer_than: int = 0, timeout_s: float, cancel: CancelToken) -> Frame:
        """As Camera.latest. Raises CaptureTimedOut where a camera that is alive has nothing newer in time."""
        if self._stream is None:
            raise DeviceNotReady("the camera is not open")
        return self._stream.newer_than(newer_than, timeout_s, cancel)

    def _connect(self) -> cv2.VideoCapture:
        # FFmpeg writes a line to standard error for each broken frame, and takes its level from here alone.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
        started = time.monotonic()
        try:
            if self._is_local:
                capture = cv2.VideoCapture(self._source.removeprefix("video:"), cv2.CAP_V4L2, self._local_options())
            else:
                limits = (
                    (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_S),
                    (cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_S),
                )
                options = [value for option, limit_s in limits for value in (option, int(1000 * limit_s))]
                capture = cv2.VideoCapture(self._source, cv2.CAP_FFMPEG, options)
        except cv2.error as error:
            raise DeviceNotFound("the camera's address cannot be opened") from error
        if not capture.isOpened():
            capture.release()
            if time.monotonic() - started >= 0.9 * _OPEN_TIMEOUT_S:
                raise DeviceStalled("the camera's server accepts, but sends no stream")
            raise DeviceNotFound("no camera answers at this address")
        return capture

    def _leaves_coded(self, capture: cv2.VideoCapture) -> bool:
        """Have Motion JPEG from the network left as it comes; whether it is."""
        if self._is_local or int(capture.get(cv2.CAP_PROP_FOURCC)) != _MOTION_JPEG:
            return False
        return capture.set(cv2.CAP_PROP_FORMAT, _AS_THEY_CAME)

    def _local_options(self) -> list[int]:
        width, height = self._size
        if not width or not height:
            return []
        # Uncompressed video does not fit through USB 2.0 at the sizes that a portrait needs.
        return [
            *(cv2.CAP_PROP_FOURCC, _MOTION_JPEG),
            *(cv2.CAP_PROP_FRAME_WIDTH, width),
            *(cv2.CAP_PROP_FRAME_HEIGHT, height),
        ]


class _Stream:
    """One connection with its reading thread, which alone touches and releases the capture.

    coded: its frames come as JPEGs, (1, octets) uint8.
    """

    def __init__(self, capture: cv2.VideoCapture, warm_up_frames: int, *, coded: bool = False) -> None:
        self._capture = capture
        self._warm_up_frames = warm_up_frames
        self._coded = coded
        self._frames = NewestFrame()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera-reader", daemon=True)
        self._thread.start()

    def newer_than(self, sequence: int, timeout_s: float, cancel: CancelToken) -> Frame:
        """Wait for a frame with a higher sequence number that is not older than the age limit."""
        return self._frames.newer_than(sequence, timeout_s, cancel)

    def stop(self) -> None:
        """End the thread, which may take as long as one read."""
        self._stopping.set()
        self._thread.join(_JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            _logger.warning("a camera's reading thread does not end; it releases the camera when it does")

    def _run(self) -> None:
        try:
            self._read_frames()
        except cv2.error as error:
            self._frames.fail(ProtocolViolation, f"the camera's stream cannot be read (OpenCV {error.code})")
        finally:
            self._capture.release()

    def _read_frames(self) -> None:
        warm_up: _WarmUp | None = _WarmUp(self._warm_up_frames)
        sound_s = time.monotonic()
        warm_up_ends = sound_s + _WARM_UP_LIMIT_S
        while not self._stopping.is_set():
            started = time.monotonic()
            read, content = self._capture.read()
            now = time.monotonic()
            if not read:
                self._fail_after(now - started)
                return
            try:
                picture = self._picture(np.asarray(content, np.uint8))
                warming_up = warm_up is not None and not warm_up.is_over(_pixels_of(picture))
            except ProtocolViolation as error:  # one flawed frame is left out
                if now - sound_s > _FLAWED_LIMIT_S:
                    self._frames.fail(ProtocolViolation, str(error))
                    return
                continue
            sound_s = now
            if warm_up is not None and warming_up:
                if now <= warm_up_ends:
                    continue
                if warm_up.is_dark:
                    self._frames.fail(DeviceNotReady, "the camera gives dark frames only")
                    return
                if not warm_up.is_live:
                    self._frames.fail(DeviceStalled, "the camera is frozen: it sends one frame again and again")
                    return
            warm_up = None
            self._frames.publish(picture)

    def _picture(self, content: NDArray[np.uint8]) -> NDArray[np.uint8] | Jpeg:
        return read_jpeg(content.tobytes()) if self._coded else content

    def _fail_after(self, waited_s: float) -> None:
        # OpenCV tells a read that timed out from a stream that ended by nothing but the time it took.
        if waited_s >= 0.9 * _READ_TIMEOUT_S:
            self._frames.fail(DeviceStalled, "the camera sends nothing")
        else:
            self._frames.fail(DeviceGone, "the camera ended its stream")


class _WarmUp:
    """Whether a camera that has just started sees as it will: not dark, as bright and as sharp as some frames ago.

    And whether it sees at all: one that hangs sends the last frame of whoever stood there before.
    """

    def __init__(self, least_frames: int) -> None:
        self.is_live = False
        self._remaining = least_frames
        self._brightness: deque[float] = deque(maxlen=_SETTLED_FRAMES)
        self._sharpness: deque[float] = deque(maxlen=_FOCUSED_FRAMES)
        self._focus_ends = time.monotonic() + _FOCUS_LIMIT_S
        self._before: NDArray[np.uint8] | None = None

    @property
    def is_dark(self) -> bool:
        return not self._brightness or self._brightness[-1] < _DARK_MEAN

    def is_over(self, pixels: NDArray[np.uint8]) -> bool:
        self._remaining -= 1
        self._brightness.append(float(pixels[::_STRIDE, ::_STRIDE].mean()))
        self._sharpness.append(_sharpness(pixels))
        self.is_live = self.is_live or (self._before is not None and not is_repeated(pixels, self._before))
        self._before = pixels
        if self._remaining >= 0 or self.is_dark or not self.is_live or len(self._brightness) < _SETTLED_FRAMES:
            return False
        if np.ptp(self._brightness) > max(1.0, _SETTLED_CHANGE * self._brightness[-1]):
            return False
        return self._is_focused() or time.monotonic() > self._focus_ends

    def _is_focused(self) -> bool:
        change = np.ptp(self._sharpness)
        return len(self._sharpness) == _FOCUSED_FRAMES and bool(change <= _FOCUSED_CHANGE * self._sharpness[-1])


def _pixels_of(picture: NDArray[np.uint8] | Jpeg) -> NDArray[np.uint8]:
    return picture.pixels if isinstance(picture, Jpeg) else picture


def _sharpness(pixels: NDArray[np.uint8]) -> float:
    """Standard deviation of the Laplacian in the middle of a frame."""
    height, width = pixels.shape[:2]
    top, left = max(0, height - _FOCUS_SIDE_PX) // 2, max(0, width - _FOCUS_SIDE_PX) // 2
    middle = cv2.cvtColor(pixels[top : top + _FOCUS_SIDE_PX, left : left + _FOCUS_SIDE_PX], cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(middle, cv2.CV_16S).std())
