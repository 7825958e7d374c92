"""The MJPEG camera over real sockets, read by OpenCV's own FFmpeg as the driver does, and by a plain HTTP client."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_stubs.camera import serve

TIMEOUT_S = 20.0
FPS = 60.0
MANY = 1200  # frames: 20 s, for what shows within a few of them


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((1080, 1920, 3), level, np.uint8)


def encoded(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


@dataclass
class Camera:
    """A running stub, and what a test does to it."""

    stream_url: str
    control_url: str

    def ask(self, method: str, path: str, body: bytes | None = None, port: str = "control") -> tuple[int, bytes]:
        url = urlsplit(self.control_url if port == "control" else self.stream_url)
        connection = http.client.HTTPConnection(url.netloc, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()

    def state(self) -> dict[str, Any]:
        status, said = self.ask("GET", "/state")
        assert status == 200
        answer: dict[str, Any] = json.loads(said)
        return answer

    def fail(self, kind: str, **more: float) -> None:
        status, _ = self.ask("PUT", "/fault", json.dumps({"kind": kind, **more}).encode())
        assert status == 200

    def mend(self) -> None:
        assert self.ask("DELETE", "/fault")[0] == 200

    def await_clients(self, count: int) -> None:
        """Return when so many streams are open: one that was closed ends with its next frame."""
        until = time.monotonic() + TIMEOUT_S
        while (clients := self.state()["clients"]) != count:
            assert time.monotonic() < until, clients
            time.sleep(0.005)

    @contextlib.contextmanager
    def parts(self) -> Iterator[Parts]:
        url = urlsplit(self.stream_url)
        connection = http.client.HTTPConnection(url.netloc, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", url.path)
            with connection.getresponse() as response:
                assert response.status == 200
                yield Parts(response)

    @contextlib.contextmanager
    def opencv(self, read_ms: int = 10_000) -> Iterator[cv2.VideoCapture]:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 10_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
        capture = cv2.VideoCapture(self.stream_url, cv2.CAP_FFMPEG, limits)
        assert capture.isOpened()
        try:
            yield capture
        finally:
            capture.release()


class Parts:
    """Reads a multipart stream part by part."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def next(self) -> bytes:
        """Content of the next part; b"" where the stream ended."""
        if not (boundary := self._response.readline()):
            return b""
        assert boundary == b"--frame\r\n"
        assert self._response.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(self._response.readline().removeprefix(b"Content-Length: "))
        assert self._response.readline() == b"\r\n"
        content = self._response.read(length)
        assert self._response.readline() == b"\r\n"
        return content


def level(content: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return float(image.mean())


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Camera]:
    stop, is_ready = threading.Event(), threading.Event()
    urls: list[str] = []

    def ready(*said: str) -> None:
        urls.extend(said)
        is_ready.set()

    options = {"fps": FPS, "warm_up_frames": 0, **options}
    thread = threading.Thread(target=serve, args=("127.0.0.1", 0, 0), kwargs={**options, "ready": ready, "stop": stop})
    thread.start()
    try:
        assert is_ready.wait(TIMEOUT_S)
        yield Camera(*urls)
    finally:
        stop.set()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def shared_camera() -> Iterator[Camera]:
    with running() as camera:
        yield camera


@pytest.fixture
def camera(shared_camera: Camera) -> Iterator[Camera]:
    """The camera, mended and with an even grey before it."""
    shared_camera.mend()
    assert shared_camera.ask("PUT", "/scene", encoded(grey(120)))[0] == 200
    shared_camera.await_clients(0)
    yield shared_camera
    shared_camera.mend()


def test_opencv_reads_frames_of_the_scene(camera: Camera) -> None:
    with camera.opencv() as capture:
        frames = [capture.read() for _ in range(5)]
        assert camera.state()["clients"] == 1
    assert all(ok for ok, _ in frames)
    assert {frame.shape for _, frame in frames} == {(1080, 1920, 3)}
    assert np.mean([frame for _, frame in frames]) == pytest.approx(120, abs=1)
    assert all(cv2.absdiff(a, b).any() for (_, a), (_, b) in itertools.pairwise(frames))


def test_scene_change_shows_in_the_stream_that_is_open(camera: Camera) -> None:
    with camera.opencv() as capture:
        assert capture.read()[0]
        status, said = camera.ask("PUT", "/scene", encoded(grey(30)))
        assert (status, json.loads(said)["scene"]) == (200, "image")
        assert any(abs(capture.read()[1].mean() - 30) < 1 for _ in range(MANY))
        assert camera.ask("DELETE", "/scene")[0] == 200
        assert camera.state()["scene"] == "empty"
        assert any(capture.read()[1].mean() > 200 for _ in range(MANY))


def test_portrait_by_seed_comes_before_the_lens(camera: Camera) -> None:
    assert camera.ask("PUT", "/scene?portrait=12")[0] == 200
    assert camera.state()["scene"] == "portrait 12"
    status, content = camera.ask("GET", "/still", port="stream")
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert status == 200
    assert image is not None
    assert image.std() > 20


def test_first_frames_of_a_connection_are_dark() -> None:
    with running(warm_up_frames=5, scene=grey(200)) as camera:
        assert level(camera.ask("GET", "/still", port="stream")[1]) == pytest.approx(200, abs=1)
        for _ in range(2):  # for each connection anew
            with camera.parts() as parts:
                levels = [level(parts.next()) for _ in range(7)]
            assert levels[:6] == sorted(levels[:6])
            assert levels[0] < 60
            assert levels[5:] == pytest.approx([200, 200], abs=1)


def test_stall_ends_opencv_read_by_its_limit_and_a_mended_camera_goes_on(camera: Camera) -> None:
    with camera.opencv(read_ms=1000) as capture:
        assert capture.read()[0]
        camera.fail("stall")
        reads = [capture.read()[0] for _ in range(300)]  # what lies in buffers first, then the time limit
        assert not reads[-1]
    with camera.parts() as parts:
        camera.mend()
        assert level(parts.next()) == pytest.approx(120, abs=1)


def test_client_that_leaves_while_the_camera_stalls_is_noticed(camera: Camera) -> None:
    camera.fail("stall")
    with camera.parts():
        assert camera.state()["clients"] == 1
    camera.await_clients(0)


def test_freeze_repeats_one_frame(camera: Camera) -> None:
    with camera.parts() as parts:
        assert len({parts.next() for _ in range(5)}) > 1
        camera.fail("freeze")
        last: deque[bytes] = deque(maxlen=5)  # what was on its way comes first
        for _ in range(MANY):
            last.append(parts.next())
            if len(last) == 5 and len(set(last)) == 1:
                break
        assert len(set(last)) == 1
        assert level(last[0]) == pytest.approx(120, abs=1)


def test_black_shows_nothing_but_noise(camera: Camera) -> None:
    with camera.opencv() as capture:
        camera.fail("black")
        assert any(capture.read()[1].mean() < 3 for _ in range(MANY))


def test_garbage_is_framed_but_no_image(camera: Camera) -> None:
    camera.fail("garbage")
    with camera.parts() as parts:
        content = parts.next()
        assert len(content) > 1000
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is None


def test_disconnect_cuts_streams_and_every_new_one(camera: Camera) -> None:
    with camera.parts() as parts:
        assert parts.next()
        camera.fail("disconnect")
        while parts.next():
            pass
    with camera.parts() as parts:
        assert parts.next() == b""
    camera.mend()
    with camera.parts() as parts:
        assert parts.next()


def test_fault_with_seconds_ends_by_itself(camera: Camera) -> None:
    status, said = camera.ask("PUT", "/fault", json.dumps({"kind": "stall", "seconds": 1.0}).encode())
    assert (status, json.loads(said)["fault"]) == (200, {"kind": "stall", "seconds": 1.0})  # said as it begins
    with camera.parts() as parts:
        assert level(parts.next()) == pytest.approx(120, abs=1)
    assert camera.state()["fault"] is None


def test_client_that_does_not_read_costs_the_others_nothing(camera: Camera) -> None:
    url = urlsplit(camera.stream_url)
    assert url.hostname
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=TIMEOUT_S) as idle:
        before = camera.state()["frames_sent"]
        idle.sendall(b"GET /stream HTTP/1.1\r\nHost: camera\r\n\r\n")
        camera.await_clients(1)
        sent = -1
        while sent != (sent := camera.state()["frames_sent"]):  # what its socket's buffers hold, and no more
            assert sent - before < 100
            time.sleep(0.5)
        with camera.parts() as parts:
            for _ in range(120):
                assert level(parts.next()) > 0
            state = camera.state()
        assert state["clients"] == 2
        assert state["frames_sent"] >= sent + 120


def test_camera_ends_while_clients_hang_on_it() -> None:
    with contextlib.ExitStack() as stack:
        with running() as camera:
            parts = stack.enter_context(camera.parts())
            assert parts.next()
            url = urlsplit(camera.stream_url)
            assert url.hostname
            assert url.port
            stack.enter_context(socket.create_connection((url.hostname, url.port)))
        while parts.next():  # what was on its way, then the end
            pass


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("GET", "/", None, 404, "NOT_FOUND"),
        ("GET", "/../state", None, 404, "NOT_FOUND"),
        ("POST", "/scene", b"x", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/fault", b"{}", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/state", None, 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/scene", b"not an image", 415, "IMAGE_FORMAT_UNKNOWN"),
        ("PUT", "/scene", b"", 415, "IMAGE_FORMAT_UNKNOWN"),
        ("PUT", "/scene", b"x" * 33_000_000, 413, "BODY_TOO_LARGE"),
        ("PUT", "/scene?portrait=-1", None, 400, "SEED_INVALID"),
        ("PUT", "/scene?portrait=" + "9" * 4000, None, 400, "SEED_INVALID"),
        ("PUT", "/scene?picture=1", None, 400, "PARAMETER_UNKNOWN"),
        ("PUT", "/fault", b'{"kind": "explode"}', 400, "FAULT_UNKNOWN"),
        ("PUT", "/fault", b"{" * 5000, 413, "BODY_TOO_LARGE"),
        ("GET", "/" + "x" * 70_000, None, 414, "REQUEST_URI_TOO_LONG"),
    ],
)
def test_bad_request_is_refused_in_json_and_changes_nothing(
    camera: Camera, method: str, path: str, body: bytes | None, status: int, reason: str
) -> None:
    before = camera.state()
    answered, said = camera.ask(method, path, body)
    assert (answered, json.loads(said)["error"]) == (status, reason)
    after = camera.state()
    assert (after["scene"], after["fault"]) == (before["scene"], before["fault"])


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"PUT /scene HTTP/1.1\r\n\r\n", 411),
        (b"PUT /scene HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"PUT /scene HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"PUT /scene HTTP/1.1\r\nContent-Length: 99\r\n\r\nshort", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /state HTTP/9.9\r\n\r\n", 505),
    ],
)
def test_request_that_http_cannot_read_is_answered(camera: Camera, request_bytes: bytes, status: int) -> None:
    url = urlsplit(camera.control_url)
    assert url.hostname
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert f" {status} ".encode() in answer.partition(b"\r\n")[0]
    assert b'"error"' in answer


def test_port_that_is_taken_is_an_error_and_leaves_nothing_behind(camera: Camera) -> None:
    taken = urlsplit(camera.control_url).port
    assert taken
    threads = set(threading.enumerate())
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", 0, taken, fps=FPS, ready=lambda *_: None, stop=threading.Event())
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 2000.0])
def test_frame_rate_out_of_range_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        serve("127.0.0.1", 0, 0, fps=fps, ready=lambda *_: None, stop=threading.Event())


def test_numbered_frames_count_up_and_begin_anew_after_the_seventh() -> None:
    stop = threading.Event()
    ready: SimpleQueue[str] = SimpleQueue()
    # Slow, so that nobody is late by a whole round.
    options = {"fps": 10, "warm_up_frames": 0, "numbered": True, "ready": lambda url, _: ready.put(url), "stop": stop}
    thread = threading.Thread(target=serve, args=("127.0.0.1", 0, 0), kwargs=options)
    thread.start()
    try:
        capture = cv2.VideoCapture(ready.get(timeout=TIMEOUT_S), cv2.CAP_FFMPEG)
        frames = [capture.read()[1] for _ in range(15)]
        capture.release()
    finally:
        stop.set()
        thread.join()
    numbers = [sum(int(frame[1048, 32 + 64 * bit].mean() > 127) << bit for bit in range(3)) for frame in frames]
    steps = {(after - before) % 7 for before, after in itertools.pairwise(numbers)}
    assert set(numbers) <= set(range(1, 8))
    assert 1 in steps  # a late reader skips some
    assert 0 not in steps
