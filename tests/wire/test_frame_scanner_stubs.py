"""The firmware models of picture scanners from the outside, with constants of this test's own: against each public
description, and what their pipes do when nobody reads them. No driver takes part; pyusb speaks to a real process.
"""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import usb.core
import usb.util
from numpy.typing import NDArray

from drivers.usb.usbip_backend import UsbipBackend

if TYPE_CHECKING:
    from tests.contract.device_stubs import FrameScannerStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

LIMIT_MS = 2000
QUIET_MS = 60


class Host:
    """pyusb at one stub."""

    def __init__(self, stub: ScannerStub) -> None:
        server, _, bus_id = stub.url.removeprefix("usbip://").partition("/")
        host, port = server.split(":")
        self.device: Any = usb.core.find(backend=UsbipBackend(host, int(port), bus_id))  # type: ignore[no-untyped-call]
        assert self.device is not None

    def write(self, endpoint: int, payload: bytes) -> None:
        assert self.device.write(endpoint, payload, LIMIT_MS) == len(payload)

    def read(self, endpoint: int, length: int, limit_ms: int = LIMIT_MS) -> bytes:
        return bytes(self.device.read(endpoint, length, limit_ms))

    def is_quiet(self, endpoint: int) -> bool:
        try:
            self.read(endpoint, 512, QUIET_MS)
        except usb.core.USBTimeoutError:
            return True
        return False

    def request(self, request: int, value: int, index: int) -> None:
        self.device.ctrl_transfer(0x40, request, value, index, b"", LIMIT_MS)


@contextlib.contextmanager
def attached(stub: ScannerStub) -> Iterator[Host]:
    host = Host(stub)
    try:
        yield host
    finally:
        usb.util.dispose_resources(host.device)  # type: ignore[no-untyped-call]
        stub.control("GET", "/state?until=released&timeout_s=10")


def seen(stub: FrameScannerStub, print_like: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Lay a finger; what the sensor sees of it, upright."""
    stub.lay(print_like)
    with urllib.request.urlopen(stub.control_url + "/platen", timeout=10) as answer:  # noqa: S310 - loopback
        picture = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return picture.astype(np.int16)


def grey(sent: bytes, shape: tuple[int, int]) -> NDArray[np.int16]:
    return np.frombuffer(sent, np.uint8).reshape(shape).astype(np.int16)


def close(first: NDArray[np.int16], second: NDArray[np.int16]) -> bool:
    return bool(np.abs(first - second).mean() < 3)


def greet_fs81(host: Host) -> None:
    for command in (0xE0, 0x6C, 0x50):
        host.write(0x01, bytes([command]))
        assert len(host.read(0x82, 512)) == 512


def test_fs81_tells_its_size_and_sends_rows_from_the_bottom_up(
    fs81_stub: FrameScannerStub, print_like: NDArray[np.uint8]
) -> None:
    laid = seen(fs81_stub, print_like)
    with attached(fs81_stub) as host:
        host.write(0x01, b"\xe0")
        assert host.read(0x82, 512)[4:8] == bytes.fromhex("014001e0")
        greet_fs81(host)
        for first_or_later in (b"\xfe", b"\x6e"):
            host.write(0x01, b"\xdd\x32\0")
            host.write(0x01, first_or_later)
            assert close(grey(host.read(0x82, 153_600), (480, 320))[::-1], laid)
        host.write(0x01, b"\xdd\0\0")
        host.write(0x01, b"\x6e")
        assert grey(host.read(0x82, 153_600), (480, 320)).max() < 20  # in the dark


def test_fs81_sends_no_picture_before_it_is_greeted(fs81_stub: FrameScannerStub) -> None:
    fs81_stub.unplug()  # it forgets earlier greetings
    fs81_stub.plug()
    with attached(fs81_stub) as host:
        host.write(0x01, b"\x6e")
        assert host.is_quiet(0x82)


def test_fs81_keeps_the_rest_of_a_picture_for_the_next_host_and_takes_no_command_meanwhile(
    fs81_stub: FrameScannerStub,
) -> None:
    with attached(fs81_stub) as host:
        greet_fs81(host)
        host.write(0x01, b"\x6e")
        host.read(0x82, 512)
    with attached(fs81_stub) as host:
        with pytest.raises(usb.core.USBTimeoutError):
            host.device.write(0x01, b"\xe0", QUIET_MS)
        for _ in range(299):
            assert len(host.read(0x82, 512)) == 512
        assert host.is_quiet(0x82)
        greet_fs81(host)


def test_zk4500_sends_the_picture_of_the_request_before(
    zk4500_stub: FrameScannerStub, print_like: NDArray[np.uint8]
) -> None:
    with attached(zk4500_stub) as host:
        host.request(225, 1, 3)
        host.request(229, 0, 0)
        host.read(0x82, 307_200)
        laid = seen(zk4500_stub, print_like)
        pictures = []
        for _ in range(2):
            host.request(229, 0, 0)
            pictures.append(grey(host.read(0x82, 307_200), (480, 640)))
        assert not close(pictures[0], laid)
        assert close(pictures[1], laid)


@pytest.mark.parametrize("request_", [(225, 2, 3), (225, 1, 4), (229, 1, 0), (1, 0, 0)])
def test_zk4500_refuses_what_is_not_described(zk4500_stub: FrameScannerStub, request_: tuple[int, int, int]) -> None:
    with attached(zk4500_stub) as host, pytest.raises(usb.core.USBError):
        host.request(*request_)


def test_fdu2000_acknowledges_and_streams_nibbles(
    fdu2000_stub: FrameScannerStub, print_like: NDArray[np.uint8]
) -> None:
    laid = seen(fdu2000_stub, print_like)
    with attached(fdu2000_stub) as host:
        host.write(0x01, b"\5\1")
        host.write(0x01, b"\0\4")
        assert host.read(0x81, 64) == b"\0\4\1\1"
        host.write(0x01, b"\0\1")
        assert host.read(0x81, 64) == b"\0\1\1\1"
        stream = host.read(0x82, 718_848)
        assert max(stream) <= 0x0F
        start = stream.index(bytes.fromhex("0f0f0f0f00000c07")) + 8
        lines = np.frombuffer(stream, np.uint8)[start : start + 301 * 808].reshape(301, 808)
        assert (lines[:, :8] == np.frombuffer(bytes.fromhex("0f0f0f0f00000b06"), np.uint8)).all()
        sensed = (lines[:, 12::2] * 16 + lines[:, 13::2]).astype(np.int16)
        assert close(255 - sensed[::-1, ::-1], laid)
        host.write(0x01, b"\0\5")
        assert host.read(0x81, 64) == b"\0\5\1\1\1\1\1\1"
        assert host.is_quiet(0x81)


def test_fdu2000_sends_one_picture_after_ready_and_none_after_its_end(fdu2000_stub: FrameScannerStub) -> None:
    with attached(fdu2000_stub) as host:
        host.write(0x01, b"\0\1")
        host.read(0x81, 64)
        assert host.is_quiet(0x82)
        host.write(0x01, b"\0\4")
        host.write(0x01, b"\0\1")
        host.read(0x82, 64)
        host.write(0x01, b"\0\5")
        left_over = 0
        while not host.is_quiet(0x82):
            left_over += 1
        assert left_over < 20  # its buffer, not the picture


def test_short_packet_ends_a_read(zk4500_stub: FrameScannerStub) -> None:
    zk4500_stub.fail("short_packet")
    with attached(zk4500_stub) as host:
        host.request(229, 0, 0)
        assert 0 < len(host.read(0x82, 307_200)) < 307_200
        assert host.is_quiet(0x82)


def test_read_that_is_taken_back_loses_what_had_come() -> None:
    from tests.contract.device_stubs import ScannerStub  # a plugin, which pytest must be the first to import

    stub = ScannerStub("zk4500", "--image-ms", "100")
    try:
        stub.fail("slow_wire")  # 1 s
        with attached(stub) as host:
            host.request(229, 0, 0)
            with pytest.raises(usb.core.USBTimeoutError):
                host.read(0x82, 307_200, 50)
            with pytest.raises(usb.core.USBTimeoutError):  # the rest is no whole picture
                host.read(0x82, 307_200, 1500)
    finally:
        stub.stop()


def test_read_of_no_whole_packets_overflows(fs81_stub: FrameScannerStub) -> None:
    with attached(fs81_stub) as host:
        host.write(0x01, b"\xe0")
        with pytest.raises(usb.core.USBError, match="failed"):
            host.read(0x82, 100)
