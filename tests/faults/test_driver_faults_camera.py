"""What goes wrong with a network camera beside the table in camera_matrix.py: what freezes, hunts or never recovers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.camera.newest_frame import AGE_LIMIT_S
from drivers.camera.opencv import OpenCvCamera, _Stream
from drivers.errors import DeviceError, DeviceGone, DeviceStalled
from drivers.spi import CancelToken

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

NEVER = 1_000_000


@pytest.fixture
def camera(camera_stub: CameraStub) -> Iterator[OpenCvCamera]:
    driver = OpenCvCamera(camera_stub.url)
    driver.open()
    yield driver
    driver.close()


def test_stream_that_broke_is_the_same_error_until_it_is_opened_again(
    camera_stub: CameraStub, camera: OpenCvCamera
) -> None:
    camera_stub.fail("disconnect")
    with pytest.raises(DeviceGone):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    camera_stub.heal()
    with pytest.raises(DeviceGone):  # nothing reconnects by itself
        camera.latest(timeout_s=10, cancel=CancelToken())
    camera.close()
    camera.open()
    assert camera.latest(timeout_s=5, cancel=CancelToken()).sequence >= 1


def test_a_flawed_picture_now_and_then_is_left_out(camera_stub: CameraStub, camera: OpenCvCamera) -> None:
    sequence = camera.latest(timeout_s=5, cancel=CancelToken()).sequence
    camera_stub.fail("garbage", seconds=0.3)
    for _ in range(20):
        frame = camera.latest(newer_than=sequence, timeout_s=5, cancel=CancelToken())
        assert frame.pixels.shape == (1080, 1920, 3)
        sequence = frame.sequence


def test_frozen_picture_is_no_new_frame_is_stalled_at_the_age_limit_and_recovers_by_itself(
    camera_stub: CameraStub, camera: OpenCvCamera
) -> None:
    camera_stub.fail("freeze")
    with pytest.raises(DeviceStalled, match="frozen"):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    with pytest.raises(DeviceStalled):  # whoever asks for any frame gets none of the past
        camera.latest(timeout_s=10, cancel=CancelToken())
    camera_stub.heal()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert camera.latest(timeout_s=5, cancel=CancelToken()).pixels.shape == (1080, 1920, 3)
            break
        except DeviceStalled:  # the first frame that moves is on its way
            assert time.monotonic() < deadline


def test_first_frame_waits_for_a_lens_that_hunts(camera_stub: CameraStub) -> None:
    camera_stub.fail("hunt", seconds=0.7)
    with contextlib.closing(OpenCvCamera(camera_stub.url)) as camera:
        camera.open()
        first = camera.latest(timeout_s=5, cancel=CancelToken())
        later = camera.latest(newer_than=first.sequence + 20, timeout_s=5, cancel=CancelToken())
    sharpness, usual = (float(cv2.Laplacian(frame.pixels, cv2.CV_16S).std()) for frame in (first, later))
    assert sharpness == pytest.approx(usual, rel=0.05)


def test_lens_that_never_finds_focus_opens_all_the_same(camera_stub: CameraStub) -> None:
    camera_stub.fail("hunt")
    with contextlib.closing(OpenCvCamera(camera_stub.url)) as camera:
        camera.open()
        assert camera.latest(timeout_s=5, cancel=CancelToken()).pixels.shape == (1080, 1920, 3)


class BlockingCapture:
    """A capture whose read hangs after some frames, as V4L2's does for 10 s; FFmpeg's gives up before frames age.

    It stands in for cv2.VideoCapture because there is no V4L2 device without hardware.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self.hang = threading.Event()
        self.released = threading.Event()

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        self._frames -= 1
        if self._frames < 0:
            self.hang.wait(30)
        return self._frames >= 0, np.full((48, 64, 3), 128 + self._frames % 2, np.uint8)

    def release(self) -> None:
        self.released.set()


def test_frame_is_never_older_than_the_age_limit_while_the_camera_hangs() -> None:
    capture = BlockingCapture(frames=10)
    stream = _Stream(cast(cv2.VideoCapture, capture), warm_up_frames=0)
    first = stream.newer_than(0, 5, CancelToken())
    with pytest.raises(DeviceStalled):
        stream.newer_than(NEVER, 30, CancelToken())
    assert time.monotonic() - first.captured_monotonic_s >= AGE_LIMIT_S
    with pytest.raises(DeviceStalled):
        stream.newer_than(0, 30, CancelToken())
    capture.hang.set()
    stream.stop()
    assert capture.released.is_set()


class _Elsewhere(BaseHTTPRequestHandler):
    """A server that sends whoever looks to another place: in two ways, by path."""

    place = ""

    def do_GET(self) -> None:
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{self.place}\n#EXT-X-ENDLIST\n".encode()
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", self.place)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            self.wfile.write(playlist)

    def log_message(self, *_args: object) -> None:
        """Nothing is said."""


@pytest.mark.parametrize("path", ["redirect", "playlist"])
def test_a_cameras_server_cannot_have_a_file_of_this_machine_shown(path: str, tmp_path: Path) -> None:
    film = tmp_path / "film.ts"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (320, 240))
    for grey in range(50):
        writer.write(np.full((240, 320, 3), 60 + grey, np.uint8))
    writer.release()
    assert cv2.VideoCapture(str(film)).read()[0]  # it would play
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Elsewhere,), {"place": film.as_uri()}))
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        with pytest.raises(DeviceError):
            OpenCvCamera(f"http://127.0.0.1:{server.server_port}/{path}").open()
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
