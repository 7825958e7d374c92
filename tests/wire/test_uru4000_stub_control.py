"""The hand's side of the scanner stub: its HTTP control port, on a real process."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

IDLE = {"mode": "off", "platen": False, "images_sent": 0, "attached": True, "imported": False}


def start(*options: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware_stubs", "scanner", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def end(process: subprocess.Popen[bytes]) -> None:
    """Close standard input and wait for a clean exit."""
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, b"")


class Hand:
    """HTTP requests to one control port."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.usbip = urlsplit(ready["url"])
        self.control = urlsplit(ready["control"])

    def raw(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.control.hostname or "", self.control.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        status, content = self.raw(method, path, body, **headers)
        return status, json.loads(content)

    def seen(self) -> NDArray[np.uint8]:
        """What the sensor sees."""
        status, png = self.raw("GET", "/platen")
        assert status == 200
        return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


@pytest.fixture(scope="module")
def process() -> Iterator[Hand]:
    server, ready = start("--until-stdin-closes")
    yield Hand(ready)
    end(server)


@pytest.fixture
def hand(process: Hand) -> Hand:
    """The module's stub with nothing on its platen and no fault armed."""
    process.raw("POST", "/plug")
    process.raw("DELETE", "/platen")
    process.raw("DELETE", "/fault")
    return process


def encode(suffix: str, picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def striped(height: int, width: int) -> NDArray[np.uint8]:
    row = np.rint(128 + 100 * np.cos(np.arange(width) * 0.7)).astype(np.uint8)
    return np.tile(row, (height, 1))


def test_state_at_the_start_is_idle(hand: Hand) -> None:
    status, state = hand.json("GET", "/state")
    assert status == 200
    assert {name: state[name] for name in IDLE} == IDLE
    assert (state["model"], state["faults"]) == ("4500", {})


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp", ".jpg"])
def test_image_file_of_each_format_is_laid(hand: Hand, suffix: str) -> None:
    status, state = hand.json("PUT", "/platen", encode(suffix, striped(290, 384)))
    assert (status, state["platen"]) == (200, True)
    seen = hand.seen()
    assert seen.shape == (290, 384)
    assert seen.std() > 40


def test_smaller_image_is_centred_on_its_ink_and_padded_with_its_own_light(hand: Hand) -> None:
    picture = np.full((200, 300), 250, np.uint8)
    picture[100:180, 10:110] = striped(80, 100)
    hand.json("PUT", "/platen", encode(".png", picture))
    seen = hand.seen()
    ys, xs = np.nonzero(seen < 200)
    assert abs(ys.mean() - 145) < 2
    assert abs(xs.mean() - 192) < 3
    assert (seen[:40] == 250).all()


def test_larger_image_is_cropped(hand: Hand) -> None:
    hand.json("PUT", "/platen", encode(".png", striped(500, 600)))
    assert (hand.seen().std(axis=1) > 40).all()


def test_image_of_another_resolution_is_resampled_to_500_ppi(hand: Hand) -> None:
    picture = np.full((600, 800), 255, np.uint8)
    picture[200:400, 300:500] = 40
    headers = {"X-Resolution-Ppi": "1000"}
    assert hand.json("PUT", "/platen", encode(".png", picture), **headers)[0] == 200
    seen = hand.seen()
    assert abs((seen < 128).sum() - 100 * 100) < 500


def test_synthetic_finger_is_laid_by_seed(hand: Hand) -> None:
    pytest.importorskip("firmware_stubs.fingers", reason="the synthetic fingers are not installed")
    assert hand.json("PUT", "/platen?finger=3&impression=1")[1]["platen"] is True
    first = hand.seen()
    assert first.std() > 20
    hand.json("PUT", "/platen?finger=3&impression=1")
    assert np.array_equal(hand.seen(), first)
    hand.json("PUT", "/platen?finger=4&impression=1")
    assert not np.array_equal(hand.seen(), first)


def test_lifting_empties_the_platen(hand: Hand) -> None:
    hand.json("PUT", "/platen", encode(".png", striped(290, 384)))
    assert hand.json("DELETE", "/platen") == hand.json("DELETE", "/platen")
    assert hand.seen().std() < 4


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason"),
    [
        ("PUT", "/platen", b"no image", {}, 400, "IMAGE_FORMAT"),
        ("PUT", "/platen", b"", {}, 400, "IMAGE_FORMAT"),
        ("PUT", "/platen", encode(".png", striped(290, 384))[:-200], {}, 400, "IMAGE_DAMAGED"),
        ("PUT", "/platen", encode(".png", striped(4, 384)), {}, 400, "IMAGE_SIZE"),
        ("PUT", "/platen", encode(".png", striped(64, 64)), {"X-Resolution-Ppi": "nan"}, 400, "RESOLUTION"),
        ("PUT", "/platen", encode(".png", striped(64, 64)), {"X-Resolution-Ppi": "0"}, 400, "RESOLUTION"),
        ("PUT", "/platen", encode(".png", striped(64, 64)), {"X-Resolution-Ppi": "fine"}, 400, "RESOLUTION"),
        ("PUT", "/platen?finger=-1", b"", {}, 400, "BAD_QUERY"),
        ("PUT", "/platen?impression=1", b"", {}, 400, "BAD_QUERY"),
        ("PUT", "/fault", b"{", {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b"[" * 100_000, {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b'{"kind": "fire"}', {}, 400, "UNKNOWN_FAULT"),
        ("PUT", "/fault", b'{"kind": ["stall"]}', {}, 400, "UNKNOWN_FAULT"),
        ("PUT", "/fault", b'{"kind": "stall", "times": 0}', {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b'{"kind": "stall", "times": true}', {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b'{"kind": "stall", "often": 1}', {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b'{"kind": "stall", "after": -1}', {}, 400, "BAD_FAULT"),
        ("PUT", "/fault", b'{"kind": "lost_rows"}', {}, 400, "UNKNOWN_FAULT"),
        ("GET", "/state?until=teatime", None, {}, 400, "BAD_QUERY"),
        ("GET", "/state?until=off&timeout_s=soon", None, {}, 400, "BAD_QUERY"),
        ("GET", "/state?until=capture&timeout_s=0", None, {}, 408, "NOT_REACHED"),
        ("GET", "/state?until=images:99&timeout_s=0.01", None, {}, 408, "NOT_REACHED"),
        ("POST", "/state", b"", {}, 405, "METHOD"),
        ("GET", "/", None, {}, 404, "PATH"),
        ("PUT", "/platen", b"", {"Content-Length": "999999999"}, 413, "TOO_LARGE"),
        ("PUT", "/platen", b"", {"Content-Length": "-1"}, 400, "BAD_LENGTH"),
        ("PUT", "/platen", b"", {"Transfer-Encoding": "chunked"}, 411, "LENGTH_REQUIRED"),
    ],
)
def test_bad_request_is_refused_with_a_reason(
    hand: Hand, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int, reason: str
) -> None:
    found, answer = hand.json(method, path, body, **headers)
    assert (found, answer["reason"]) == (status, reason)
    assert answer["message"]
    assert hand.json("GET", "/state")[1]["platen"] is False


@pytest.mark.parametrize("side", [8_000, 60_000])
def test_image_that_claims_to_be_huge_is_refused(hand: Hand, side: int) -> None:
    huge = bytearray(encode(".bmp", striped(64, 64)))
    huge[18:26] = struct.pack("<ii", side, side)
    status, answer = hand.json("PUT", "/platen", bytes(huge))
    assert (status, answer["reason"]) == (400, "IMAGE_SIZE")


def test_faults_are_shown_while_armed(hand: Hand) -> None:
    assert hand.json("PUT", "/fault", b'{"kind": "stall", "times": 3}')[1]["faults"] == {"stall": 3}
    assert hand.json("PUT", "/fault", b'{"kind": "wedged"}')[1]["faults"] == {"stall": 3, "wedged": 1}
    assert hand.json("DELETE", "/fault")[1]["faults"] == {}


def test_long_poll_returns_when_its_condition_comes_to_hold(hand: Hand) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(hand.json, "GET", "/state?until=imported&timeout_s=10")
        with socket.create_connection((hand.usbip.hostname, hand.usbip.port), timeout=10) as importer:
            importer.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, hand.usbip.path[1:].encode()))
            status, state = waiting.result(10)
            assert (status, state["imported"]) == (200, True)
            waiting = threads.submit(hand.json, "GET", "/state?until=released&timeout_s=10")
        assert waiting.result(10)[1]["imported"] is False
