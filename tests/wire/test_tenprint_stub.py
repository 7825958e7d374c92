"""The ten-print model held to docs/slap-scanner-protocol.md from the outside: bytes on a real USB/IP connection."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.usb import bus
from drivers.usb.transport import UsbTransport

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs",)

SESSION = 0x11223344
HELLO, STATUS, START, STOP, LIGHTS, BEEP, BYE = 1, 4, 5, 6, 7, 8, 9
FRAME_BYTES = 2_401_280
LIMIT_S = 20.0


def command(code: int, sequence: int, payload: bytes = b"", session: int = SESSION) -> bytes:
    first = struct.pack("<4sBBHIIIII", b"TPS1", 1, code, 0, session, sequence, len(payload), zlib.crc32(payload), 0)
    return first + struct.pack("<I", zlib.crc32(first)) + payload


class Host:
    """Sends commands and reads what comes."""

    def __init__(self, transport: UsbTransport) -> None:
        self.transport = transport
        self._sequence = 0

    def send(self, message: bytes) -> tuple[int, int, int, bytes]:
        """The answer's code, status, sequence and payload."""
        reading = self.transport.queue_read(0x81, 512)
        assert self.transport.queue_write(0x01, message).result(LIMIT_S).transferred == len(message)
        return self.read(bytes(reading.result(LIMIT_S).data), kind=2)

    def ask(self, code: int, payload: bytes = b"") -> tuple[int, bytes]:
        """The answer's status and payload, once its code and sequence are right."""
        self._sequence += 1
        answered, status, sequence, answer = self.send(command(code, self._sequence, payload))
        assert (answered, sequence) == (code, self._sequence)
        return status, answer

    def frames(self) -> bytes:
        return bytes(self.transport.queue_read(0x82, FRAME_BYTES).result(LIMIT_S).data)

    @staticmethod
    def read(message: bytes, kind: int) -> tuple[int, int, int, bytes]:
        magic, said, code, status, session, sequence, length, crc, _ = struct.unpack_from("<4sBBHIIIII", message)
        assert (magic, said, session) == (b"TPS1", kind, SESSION)
        assert struct.unpack_from("<I", message, 28)[0] == zlib.crc32(message[:28])
        if kind == 2:
            assert (length, crc) == (len(message) - 32, zlib.crc32(message[32:]))
        return code, status, sequence, message[32:]


def uptime_ms(host: Host) -> int:
    """The device's clock."""
    status, answer = host.ask(STATUS)
    assert status == 0
    return int.from_bytes(answer[16:20], "little")


@pytest.fixture
def host(tenprint_stub: TenPrintStub) -> Iterator[Host]:
    transport, _ = bus.open_interface(tenprint_stub.url, {(0x1209, 0x0001)}, (0xFF, 0x54, 0x01))
    yield Host(transport)
    transport.close()
    tenprint_stub.control("GET", "/state?until=released&timeout_s=30")


@pytest.fixture
def greeted(host: Host) -> Host:
    assert host.ask(HELLO, bytes([1, 0, 0, 0]))[0] == 0
    return host


def test_hello_tells_the_geometry(host: Host) -> None:
    status, payload = host.ask(HELLO, bytes([1, 0, 0, 0]))
    assert status == 0
    assert struct.unpack("<4B8HI", payload)[:10] == (1, 0, 7, 3, 1600, 1500, 500, 20, 80, 75)
    assert struct.unpack_from("<I", payload, 20) == (FRAME_BYTES,)


def test_before_hello_every_command_is_of_a_wrong_session(host: Host) -> None:
    assert [host.ask(code)[0] for code in (2, 3, 4, 5, 6, 7, 8, 9, 77)] == [4] * 9


def test_after_bye_there_is_no_session(greeted: Host) -> None:
    assert greeted.ask(BYE)[0] == 0
    assert greeted.ask(STATUS)[0] == 4


def test_unknown_command_and_bad_payloads_are_told_apart(greeted: Host) -> None:
    assert greeted.ask(77) == (1, b"")
    refused = [(START, b"\1\0\3\0"), (START, b"\1"), (LIGHTS, bytes(9)), (LIGHTS, b"\4" + bytes(9)), (BEEP, b"\1")]
    assert [greeted.ask(code, payload) for code, payload in refused] == [(2, b"")] * len(refused)
    assert greeted.ask(LIGHTS, b"\x81" + bytes(9)) == (0, b"")
    assert greeted.ask(STOP) == (0, b"")


def test_damaged_command_is_answered_without_a_sequence(greeted: Host) -> None:
    broken = bytearray(command(STATUS, 9))
    broken[12] ^= 1
    assert greeted.send(bytes(broken))[1:3] == (3, 0)


def test_session_of_nobody_is_refused(host: Host) -> None:
    reading = host.transport.queue_read(0x81, 512)
    host.transport.queue_write(0x01, command(HELLO, 1, bytes([1, 0, 0, 0]), session=0)).result(LIMIT_S)
    assert bytes(reading.result(LIMIT_S).data)[6] == 2


def test_stream_begins_with_its_mark_and_its_frames_are_whole(greeted: Host) -> None:
    assert greeted.ask(START, struct.pack("<HBB", 9, 1, 0)) == (0, b"")
    mark = greeted.frames()
    assert len(mark) == 32
    assert greeted.read(mark, kind=3)[2] == 9
    before = 0
    for _ in range(3):
        frame = greeted.frames()
        assert len(frame) == FRAME_BYTES
        _, status, sequence, _ = greeted.read(frame, kind=4)
        assert status == 0
        assert sequence > before
        before = sequence
        assert struct.unpack_from("<HBB6H", frame, 32) == (9, 1, 0, 1600, 1500, 500, 20, 80, 75)
        assert greeted.read(frame[-256:-224], kind=5)[2] == sequence
        assert struct.unpack_from("<I", frame, FRAME_BYTES - 256 + 20)[0] == zlib.crc32(frame[1024:-256])
        assert struct.unpack_from("<I", frame, 20)[0] == zlib.crc32(frame[32:1024])


def test_frames_that_no_read_came_for_are_lost_and_counted(tenprint_stub: TenPrintStub, greeted: Host) -> None:
    greeted.ask(START, struct.pack("<HBB", 1, 0, 0))
    greeted.frames()
    first = greeted.frames()
    began_ms = uptime_ms(greeted)
    while uptime_ms(greeted) < began_ms + 50:  # the time of five frames
        pass
    later = greeted.frames()
    sequences = [int.from_bytes(frame[12:16], "little") for frame in (first, later)]
    lost = [int.from_bytes(frame[56:60], "little") for frame in (first, later)]
    assert sequences[1] - sequences[0] - 1 == lost[1] - lost[0] > 0


def test_new_start_breaks_a_frame_off_by_a_short_packet_and_marks_the_stream() -> None:
    from tests.contract.device_stubs import DeviceStub  # a plugin, which pytest must be the first to import

    with contextlib.ExitStack() as at_end:
        slow = DeviceStub("tenprint", "--wire-mb-s", "0.1")
        at_end.callback(slow.stop)
        transport, _ = bus.open_interface(slow.url, {(0x1209, 0x0001)}, (0xFF, 0x54, 0x01))
        at_end.callback(transport.close)
        host = Host(transport)
        host.ask(HELLO, bytes([1, 0, 0, 0]))
        host.ask(START, struct.pack("<HBB", 1, 0, 0))
        host.frames()
        under_way = transport.queue_read(0x82, FRAME_BYTES)
        slow.control("GET", "/state?until=sending")
        host.ask(START, struct.pack("<HBB", 2, 0, 0))
        broken_off = bytes(under_way.result(LIMIT_S).data)
        assert len(broken_off) > 32
        assert len(broken_off) % 512
        assert host.read(host.frames(), kind=3)[2] == 2


def test_status_counts_the_skin_without_a_stream(tenprint_stub: TenPrintStub, greeted: Host) -> None:
    assert struct.unpack_from("<BBH", greeted.ask(STATUS)[1]) == (0, 0, 0)
    tenprint_stub.lay_slap(7, 15)
    state, _, cells = struct.unpack_from("<BBH", greeted.ask(STATUS)[1])
    assert state == 0
    assert 200 < cells < 2000


def test_person_lays_the_same_slap_twice(tenprint_stub: TenPrintStub) -> None:
    def platen() -> bytes:
        with urllib.request.urlopen(tenprint_stub.control_url + "/platen", timeout=20) as answer:  # noqa: S310 - loopback
            picture: bytes = answer.read()
        return picture

    tenprint_stub.lay_slap(7, 15)
    first = platen()
    tenprint_stub.lift()
    assert platen() != first
    tenprint_stub.lay_slap(7, 15)
    assert platen() == first


@pytest.mark.parametrize(
    "query",
    [
        "person=7",
        "person=7&position=12",
        "person=-1&position=13",
        "person=7&position=13&roll_ms=9",
        "person=7&position=2",
    ],
)
def test_hand_that_nobody_has_is_refused(tenprint_stub: TenPrintStub, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        tenprint_stub.control("PUT", f"/platen?{query}")
    assert refused.value.code == 400
    assert json.loads(refused.value.read())["reason"] == "BAD_QUERY"


@pytest.mark.parametrize("until", ["teatime", "images:x", "commands:"])
def test_state_that_cannot_be_waited_for_is_refused(tenprint_stub: TenPrintStub, until: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        tenprint_stub.control("GET", f"/state?until={until}")
    assert json.loads(refused.value.read())["reason"] == "BAD_QUERY"


def test_command_line_names_the_serial_and_ends_with_its_standard_input() -> None:
    command_line = [sys.executable, "-m", "firmware_stubs", "tenprint", "--until-stdin-closes", "--serial", "S-7"]
    with subprocess.Popen(command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["ready"], ready["kind"]) == (True, "tenprint")
        transport, attached = bus.open_interface(ready["url"], {(0x1209, 0x0001)}, (0xFF, 0x54, 0x01))
        transport.close()
        assert attached.strings.serial == "S-7"
        rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, b"")


@pytest.mark.parametrize("options", [["--rate", "0"], ["--rate", "2000"], ["--wire-mb-s", "-1"], ["--serial", ""]])
def test_command_line_that_cannot_be_meant_is_refused(options: list[str]) -> None:
    command_line = [sys.executable, "-m", "firmware_stubs", "tenprint", *options]
    found = subprocess.run(command_line, capture_output=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (2, b"")
    assert options[0].encode() in found.stderr


def test_noise_of_each_frame_is_its_own(greeted: Host) -> None:
    greeted.ask(START, struct.pack("<HBB", 1, 0, 0))
    greeted.frames()
    first, second = (np.frombuffer(greeted.frames()[1024:-256], np.uint8).astype(np.int16) for _ in range(2))
    difference = first - second
    assert 2.0 < difference.std() < 4.0  # of two noises of deviation 2
    assert abs(difference.mean()) < 0.05
