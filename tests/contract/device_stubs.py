"""A station's devices as processes, for tests of what speaks to them. Loaded by `pytest_plugins`.

Only sockets are used: the stubs' own sources stay unread here, as a real device's do.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

THREADS_END_S = 5.0  # for those that were told to end


class DeviceStub:
    """One stub process; it ends when its standard input closes."""

    def __init__(self, kind: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "firmware_stubs", kind, "--port", "0", "--control-port", "0"]
        self._process = subprocess.Popen(
            [*command, "--until-stdin-closes", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        assert ready["ready"] is True
        self.url: str = ready["url"]
        self.control_url: str = ready["control"]

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def control(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.control_url + path, data=body, method=method)  # noqa: S310
        response: http.client.HTTPResponse
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.loads(response.read() or b"null")

    def fail(self, kind: str, **details: float) -> None:
        self.control("PUT", "/fault", json.dumps({"kind": kind} | details).encode())

    def heal(self) -> None:
        self.control("DELETE", "/fault")


class ScannerStub(DeviceStub):
    """A U.are.U scanner."""

    def __init__(self, model: str, *arguments: str) -> None:
        super().__init__("scanner", "--model", model, *arguments)
        self.model = model

    def lay(self, pixels: NDArray[np.uint8]) -> None:
        """Lay a finger that looks like this."""
        self.control("PUT", "/platen", cv2.imencode(".png", pixels)[1].tobytes())

    def lift(self) -> None:
        self.control("DELETE", "/platen")

    def picture(self) -> NDArray[np.uint8]:
        """What the model says lies on the platen, as its sensor would see it."""
        with urllib.request.urlopen(f"{self.control_url}/platen", timeout=60) as response:  # noqa: S310
            png = np.frombuffer(response.read(), np.uint8)
        return np.asarray(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE), np.uint8)

    def await_state(self, state: str) -> None:
        """Return when the firmware has reached a state, such as wait_finger_on."""
        reached = self.control("GET", f"/state?until={state}&timeout_s=30")
        assert reached["mode"] == state

    def unplug(self) -> None:
        self.control("POST", "/unplug")

    def plug(self) -> None:
        self.control("POST", "/plug")

    def reset(self) -> None:
        self.heal()
        self.plug()
        self.lift()


class Nb1010Stub(ScannerStub):
    """A scanner that only answers questions. An image takes 20 ms on its wire."""

    def __init__(self) -> None:
        super().__init__("nb1010", "--image-ms", "20")

    def await_state(self, state: str) -> None:
        """Return when it is being asked for a finger, whatever for: its firmware does not know."""
        asked = self.control("GET", "/state")["polls"]
        self.control("GET", f"/state?until=polls:{asked + 2}&timeout_s=30")


class FrameScannerStub(ScannerStub):
    """A scanner that only sends pictures: it does not know what they are for. Each takes 10 ms on its wire."""

    def __init__(self, model: str) -> None:
        super().__init__(model, "--image-ms", "10")

    def await_state(self, state: str) -> None:
        """Return when the lamp is off, or when pictures are being taken, whatever they wait for."""
        if state == "off":
            super().await_state("off")
        else:
            self.await_pictures(2)

    def await_pictures(self, count: int) -> None:
        """Return when it has sent so many more."""
        sent = self.control("GET", "/state")["images_sent"]
        self.control("GET", f"/state?until=images:{sent + count}&timeout_s=30")


class TenPrintStub(ScannerStub):
    """A ten-print slap scanner: faster than a real one, so that tests wait less. rate: frames a second."""

    def __init__(self, model: str = "tenprint", rate: int = 100) -> None:
        DeviceStub.__init__(self, "tenprint", "--rate", str(rate), "--wire-mb-s", "1000")
        self.model = model

    def lay_slap(self, person: int, position: int, impression: int = 0, missing: int = 0) -> None:
        """Lay a person's slap: position 13, 14 or 15; without the missing finger, if there is one."""
        query = f"person={person}&position={position}&impression={impression}&missing={missing}"
        self.control("PUT", f"/platen?{query}")

    def roll(self, person: int, position: int, roll_ms: int) -> None:
        """Roll one of a person's fingers from when a stream begins."""
        self.control("PUT", f"/platen?person={person}&position={position}&roll_ms={roll_ms}")

    def await_state(self, state: str) -> None:
        """Return when frames stream; for the lifting of a finger, when it has been asked for."""
        if state == "wait_finger_off":
            asked = self.control("GET", "/state")["commands"]
            self.control("GET", f"/state?until=commands:{asked + 2}&timeout_s=30")
        else:
            super().await_state({"wait_finger_on": "streaming"}.get(state, state))


class CameraStub(DeviceStub):
    """A 1080p camera over HTTP."""

    def __init__(self) -> None:
        super().__init__("camera")

    def await_frames(self, count: int) -> None:
        """Return when it has sent so many more."""
        sent = self.control("GET", "/state")["frames_sent"]
        while self.control("GET", "/state")["frames_sent"] < sent + count:
            time.sleep(0.01)

    def reset(self) -> None:
        self.heal()


class DslrStub(DeviceStub):
    """A reflex camera over PTP/IP."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("dslr", *arguments)

    def state(self) -> Any:
        return self.control("GET", "/state")


@pytest.fixture(scope="session")
def _scanner_processes() -> Iterator[dict[str, ScannerStub]]:
    stubs: dict[str, ScannerStub] = {}
    yield stubs
    for stub in stubs.values():
        stub.stop()


@pytest.fixture
def scanner_stub(request: pytest.FixtureRequest, _scanner_processes: dict[str, ScannerStub]) -> ScannerStub:
    """A plugged scanner with an empty platen and no fault; of another model by indirect parametrisation."""
    model = getattr(request, "param", "4500")
    return _scanner(model, ScannerStub, _scanner_processes)


@pytest.fixture
def noiseless_stub(request: pytest.FixtureRequest, _scanner_processes: dict[str, ScannerStub]) -> ScannerStub:
    """As scanner_stub, with a sensor that shows what lies on it pixel for pixel."""
    model = getattr(request, "param", "4500")
    key = f"{model} without noise"
    if key not in _scanner_processes:
        _scanner_processes[key] = ScannerStub(model, "--noise", "0")
    _scanner_processes[key].reset()
    return _scanner_processes[key]


def _scanner(model: str, kind: Callable[[str], ScannerStub], processes: dict[str, ScannerStub]) -> ScannerStub:
    if model not in processes:
        processes[model] = kind(model)
    processes[model].reset()
    return processes[model]


@pytest.fixture
def fs81_stub(_scanner_processes: dict[str, ScannerStub]) -> ScannerStub:
    """A plugged FS81 with an empty platen and no fault."""
    return _scanner("fs81", FrameScannerStub, _scanner_processes)


@pytest.fixture
def zk4500_stub(_scanner_processes: dict[str, ScannerStub]) -> ScannerStub:
    """A plugged ZK4500 with an empty platen and no fault."""
    return _scanner("zk4500", FrameScannerStub, _scanner_processes)


@pytest.fixture
def fdu2000_stub(_scanner_processes: dict[str, ScannerStub]) -> ScannerStub:
    """A plugged FDU2000 with an empty platen and no fault."""
    return _scanner("fdu2000", FrameScannerStub, _scanner_processes)


@pytest.fixture(scope="session")
def _nb1010_process() -> Iterator[Nb1010Stub]:
    stub = Nb1010Stub()
    yield stub
    stub.stop()


@pytest.fixture
def nb1010_stub(_nb1010_process: Nb1010Stub) -> Nb1010Stub:
    """A plugged NB-1010-U with an empty sensor and no fault."""
    _nb1010_process.reset()
    return _nb1010_process


@pytest.fixture
def tenprint_stub(_scanner_processes: dict[str, ScannerStub]) -> TenPrintStub:
    """A plugged ten-print scanner with an empty platen and no fault."""
    stub = _scanner_processes.get("tenprint")
    if not isinstance(stub, TenPrintStub):
        stub = _scanner_processes["tenprint"] = TenPrintStub()
    stub.reset()
    return stub


@pytest.fixture(scope="session")
def _camera_process() -> Iterator[CameraStub]:
    stub = CameraStub()
    yield stub
    stub.stop()


@pytest.fixture
def camera_stub(_camera_process: CameraStub) -> CameraStub:
    """A streaming camera without a fault."""
    _camera_process.reset()
    return _camera_process


@pytest.fixture(scope="module")  # its settings stay as a test left them
def _dslr_process() -> Iterator[DslrStub]:
    stub = DslrStub()
    yield stub
    stub.stop()


@pytest.fixture
def dslr_stub(_dslr_process: DslrStub) -> DslrStub:
    """A reflex camera with live view, without a fault."""
    _dslr_process.heal()
    return _dslr_process


@pytest.fixture(scope="module")
def _dslr_without_live_view_process() -> Iterator[DslrStub]:
    stub = DslrStub("--no-live-view")
    yield stub
    stub.stop()


@pytest.fixture
def dslr_without_live_view(_dslr_without_live_view_process: DslrStub) -> DslrStub:
    """A reflex camera that takes stills alone, without a fault."""
    _dslr_without_live_view_process.heal()
    return _dslr_without_live_view_process


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail where a test leaves a thread behind that does not end by itself."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + THREADS_END_S
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    assert [thread.name for thread in left if thread.is_alive()] == []


@pytest.fixture
def print_like() -> NDArray[np.uint8]:
    """(290, 384) uint8: ridges of 9 pixels around a point off the centre, unlike itself under any turn or mirror."""
    rows, columns = np.mgrid[:290, :384].astype(np.float64)
    distance = np.hypot(rows - 120, columns - 150)
    ridges = 128 + 70 * np.cos(2 * np.pi * distance / 9 + 0.6 * np.arctan2(rows - 120, columns - 150))
    noise = np.random.default_rng(4500).normal(0, 12, ridges.shape)
    pixels: NDArray[np.uint8] = np.clip(ridges + noise, 0, 255).astype(np.uint8)
    return pixels
