"""The scanner's firmware model from the outside: a raw USB/IP client with constants of its own, one real process.

Everything here is written from the protocol facts and the USB/IP document alone; nothing of the stub is imported.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

ECONNRESET, EPIPE, EOVERFLOW, EREMOTEIO, ESHUTDOWN = -104, -32, -75, -121, -108
INTERRUPT, BULK = 1, 2
FULL_READ = 111_424
FULL_IMAGE = 111_040
IMAGE_S = 0.002
SEEN = ((0x02, 72), (0x00, 1), (0x02, 49), (0x01, 1), (0x00, 1), (0x02, 49), (0x00, 1), (0x02, 116))


class Process:
    """One stub process, and the hand at its control port."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "firmware_stubs", "scanner", "--until-stdin-closes", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())
        address = urlsplit(self.ready["url"])
        self.address = (address.hostname or "", address.port or 0)
        self.bus_id = address.path[1:].encode()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        url = self.ready["control"] + path
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            content = answer.read()
        return json.loads(content) if answer.headers["Content-Type"] == "application/json" else content

    def until(self, condition: str) -> Any:
        return self.call("GET", f"/state?until={condition}&timeout_s=30")

    def fault(self, kind: str, times: int = 1) -> None:
        self.call("PUT", "/fault", json.dumps({"kind": kind, "times": times}).encode())

    def lay(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Lay it; what the sensor then sees."""
        self.call("PUT", "/platen", cv2.imencode(".png", picture)[1].tobytes())
        return self.seen()

    def seen(self) -> NDArray[np.uint8]:
        png = np.frombuffer(self.call("GET", "/platen"), np.uint8)
        return np.asarray(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE), np.uint8)


class Client:
    """One USB/IP connection."""

    def __init__(self, stub: Process) -> None:
        self.stub = stub
        self.socket = socket.create_connection(stub.address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as USB/IP clients do
        self.device_id = 0
        self._next = 1
        self._kept: dict[int, tuple[int, int, int, bytes]] = {}
        self._incoming: set[int] = set()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def receive(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionResetError
            parts += part
        return bytes(parts)

    def at_end(self) -> bool:
        """Whether the server closed the connection without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def devices(self) -> list[dict[str, Any]]:
        self.socket.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        version, code, status, count = struct.unpack(">HHII", self.receive(12))
        assert (version, code, status) == (0x0111, 0x0005, 0)
        found = []
        for _ in range(count):
            record = self.device_record()
            record["interface_classes"] = [tuple(self.receive(4)) for _ in range(record["interfaces"])]
            found.append(record)
        assert self.at_end()
        return found

    def device_record(self) -> dict[str, Any]:
        names = "path bus_id bus device speed vendor product release cls sub proto value configurations interfaces"
        record = dict(zip(names.split(), struct.unpack(">256s32sIIIHHHBBBBBB", self.receive(312)), strict=True))
        record["bus_id"] = record["bus_id"].rstrip(b"\0")
        return record

    def import_status(self, bus_id: bytes | None = None) -> int:
        wanted = self.stub.bus_id if bus_id is None else bus_id
        self.socket.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, wanted))
        version, code, status = struct.unpack(">HHI", self.receive(8))
        assert (version, code) == (0x0111, 0x0003)
        if status == 0:
            record = self.device_record()
            self.device_id = record["bus"] << 16 | record["device"]
        return int(status)

    def submit(
        self, endpoint: int, length: int, *, setup: bytes = bytes(8), data: bytes | None = None, flags: int = 0
    ) -> int:
        sequence, self._next = self._next, self._next + 1
        direction = 1 if data is None else 0
        if direction:
            self._incoming.add(sequence)
        head = struct.pack(">IIIII", 1, sequence, self.device_id, direction, endpoint)
        self.socket.sendall(head + struct.pack(">IIIII", flags, length, 0, 0xFFFFFFFF, 0) + setup + (data or b""))
        return sequence

    def unlink(self, target: int) -> int:
        sequence, self._next = self._next, self._next + 1
        self.socket.sendall(struct.pack(">IIIIII24x", 2, sequence, self.device_id, 0, 0, target))
        return self._wait(sequence, 4)[1]

    def reply(self, sequence: int) -> tuple[int, bytes]:
        """Status and data of a submitted transfer; replies to others are kept for later."""
        _command, status, length, data = self._wait(sequence, 3)
        assert sequence not in self._incoming or length == len(data)
        return status, data

    def _wait(self, sequence: int, command: int) -> tuple[int, int, int, bytes]:
        while sequence not in self._kept:
            head = struct.unpack(">IIIIIiIIII8x", self.receive(48))
            assert head[2:5] == (0, 0, 0)
            data = self.receive(head[6]) if head[0] == 3 and head[1] in self._incoming else b""
            self._kept[head[1]] = (head[0], head[5], head[6], data)
        found = self._kept.pop(sequence)
        assert found[0] == command
        return found

    def answered(self, sequence: int) -> bool:
        return sequence in self._kept

    def control_in(self, kind: int, request: int, value: int, index: int, length: int) -> tuple[int, bytes]:
        return self.reply(self.submit(0, length, setup=struct.pack("<BBHHH", kind, request, value, index, length)))

    def control_out(self, kind: int, request: int, value: int, index: int, data: bytes) -> int:
        setup = struct.pack("<BBHHH", kind, request, value, index, len(data))
        return self.reply(self.submit(0, len(data), setup=setup, data=data))[0]

    def read(self, register: int, count: int = 1) -> bytes:
        status, data = self.control_in(0xC0, 0x04, register, 0, count)
        assert (status, len(data)) == (0, count)
        return data

    def write(self, register: int, *values: int) -> None:
        assert self.control_out(0x40, 0x04, register, 0, bytes(values)) == 0

    def interrupt(self) -> int:
        """The type of the next interrupt."""
        status, data = self.reply(self.submit(INTERRUPT, 64))
        assert (status, len(data)) == (0, 64)
        return int.from_bytes(data[:2], "big")

    def power_up(self) -> None:
        status = self.read(0x07)[0]
        if not status & 0x80:
            self.write(0x07, status | 0x80)
        for _ in range(100):
            self.write(0x07, status & 0x0F)
            if not self.read(0x07)[0] & 0x80:
                break
            if self.read(0xF0, 16)[:2] == b"\x50\x25":
                challenge = self.read(0x2010, 16)
                key = algorithms.AES(bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b"))
                aes = Cipher(key, modes.ECB()).encryptor()  # noqa: S305 - the device's choice
                self.write(0x2000, *aes.update(challenge))
        assert self.interrupt() == 0x56AA

    def image(self) -> bytes:
        """One bulk read, then MODE=20."""
        read = self.submit(BULK, FULL_READ)
        self.write(0x4E, 0x20)
        status, wire = self.reply(read)
        assert status == 0
        return wire

    def key(self, number: int, seed: int = 0x51EA2124) -> int:
        self.write(0x33, number, *seed.to_bytes(4, "little"))
        return int.from_bytes(self.read(0x34, 4), "little") ^ seed


def key_stream(key: int) -> Iterator[int]:
    """Key bytes, one a step."""
    while True:
        yield sum((key >> bit & 1) << order for order, bit in enumerate((4, 8, 11, 14, 18, 21, 24, 29)))
        key = key >> 1 | ((key & 0x9248144D).bit_count() & 1) << 31


def descramble(wire: bytes, client: Client) -> NDArray[np.uint8]:
    """(290, 384) as the sensor saw it, by the rules of the protocol facts, byte by byte."""
    assert wire[:4] == bytes.fromhex("10408001")
    lines, number = int.from_bytes(wire[4:6], "little"), wire[6]
    assert len(wire) == 64 + lines * 384
    pairs = list(struct.iter_unpack("BB", wire[16:46]))
    pairs = pairs[: [count for _, count in pairs].index(0)]
    stream, at, clear = key_stream(client.key(number)), 64, b""
    for flags, count in pairs:
        if flags & 0x80:
            number += 1
            stream = key_stream(client.key(number, seed=0x12345678 + number))
        steps = [] if flags & 0x04 else [next(stream) for _ in range(count * 384)]
        if flags & 0x01:
            continue
        block = wire[at : at + count * 384]
        at += len(block)
        if flags & 0x06 == 0x02:
            block = bytes(a ^ b for a, b in zip(block[1:], steps, strict=False)) + b"\0"
        clear += block
    assert at == len(wire)
    rows, at = [], 0
    for flags, count in pairs:
        rows.append(clear[at : at + count * 384])
        at += 0 if flags & 0x01 else count * 384
    return np.frombuffer(b"".join(rows), np.uint8).reshape(290, 384)


def as_sensor(picture: NDArray[np.uint8], *, turned: bool) -> NDArray[np.uint8]:
    seen = 255 - picture
    return np.rot90(seen, 2).copy() if turned else seen


def with_losses(sensor: NDArray[np.uint8], blocks: tuple[tuple[int, int], ...]) -> NDArray[np.uint8]:
    """The lines that are not stored repeat the next; each scrambled block loses its last byte."""
    out, row = sensor.copy(), 0
    for flags, count in blocks:
        if flags & 0x01:
            out[row : row + count] = sensor[row + count]
        elif flags & 0x06 == 0x02:
            out[row + count - 1, 383] = 0
        row += count
    return out


def ridges() -> NDArray[np.uint8]:
    """A patch of plane waves on white, off the middle."""
    y, x = np.mgrid[0:200, 0:180]
    picture = np.full((400, 420), 255, np.uint8)
    picture[30:230, 190:370] = np.rint(128 + 100 * np.cos(0.6 * x + 0.3 * y)).astype(np.uint8)
    return picture


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    stub = Process("--image-ms", str(IMAGE_S * 1000), "--noise", "0")
    yield stub
    stub.close()


@pytest.fixture
def stub(process: Process) -> Process:
    """The module's process, back at its start."""
    process.until("released")
    process.call("POST", "/plug")
    process.call("DELETE", "/fault")
    process.call("DELETE", "/platen")
    return process


@pytest.fixture
def client(stub: Process) -> Iterator[Client]:
    """An importer of the module's scanner."""
    with Client(stub) as connection:
        assert connection.import_status() == 0
        yield connection


def test_device_list_names_the_scanner(stub: Process) -> None:
    with Client(stub) as connection:
        (record,) = connection.devices()
    assert (record["vendor"], record["product"], record["speed"]) == (0x05BA, 0x000A, 2)
    assert record["bus_id"] == stub.bus_id == b"1-1"
    assert (record["value"], record["configurations"]) == (1, 1)
    assert record["interface_classes"] == [(0xFF, 0xFF, 0xFF, 0)]


def test_import_of_an_unknown_bus_id_is_refused(stub: Process) -> None:
    with Client(stub) as connection:
        assert connection.import_status(b"9-9") != 0
        assert connection.at_end()


def test_second_import_is_refused_until_the_first_leaves(stub: Process) -> None:
    with Client(stub) as first:
        assert first.import_status() == 0
        with Client(stub) as second:
            assert second.import_status() != 0
            assert second.at_end()
        assert first.read(0x07) == b"\x01"
    stub.until("released")
    with Client(stub) as third:
        assert third.import_status() == 0


def test_descriptors_are_those_of_a_4500(client: Client) -> None:
    status, device = client.control_in(0x80, 6, 0x0100, 0, 18)
    assert status == 0
    assert device[:8] == bytes.fromhex("1201000200000040")
    assert device[8:12] == bytes.fromhex("ba050a00")
    assert device[14:] == bytes((1, 2, 3, 1))
    status, configuration = client.control_in(0x80, 6, 0x0200, 0, 255)
    assert configuration == bytes.fromhex("0902200001010080640904000002ffffff000705810340000807058202400000")
    assert client.control_in(0x80, 6, 0x0200, 0, 9) == (0, configuration[:9])
    assert client.control_in(0x80, 6, 0x0300, 0, 255) == (0, bytes.fromhex("04030904"))
    texts = []
    for index in (1, 2, 3):
        _, string = client.control_in(0x80, 6, 0x0300 | index, 0x0409, 255)
        assert string[:2] == bytes((len(string), 3))
        texts.append(string[2:].decode("utf-16-le"))
    assert texts[:2] == ["DigitalPersona, Inc.", "U.are.U® 4500 Fingerprint Reader"]
    assert texts[2] == client.stub.call("GET", "/state")["serial"]


def test_standard_requests_are_answered_and_others_stall(client: Client) -> None:
    assert client.control_in(0x80, 8, 0, 0, 1) == (0, b"\1")
    assert client.control_out(0x00, 9, 1, 0, b"") == 0
    assert client.control_in(0x80, 0, 0, 0, 2) == (0, b"\0\0")
    assert client.control_out(0x01, 11, 0, 0, b"") == 0
    assert client.control_in(0x81, 10, 0, 0, 1) == (0, b"\0")
    assert client.control_out(0x02, 1, 0, 0x82, b"") == 0
    assert client.control_out(0x00, 9, 2, 0, b"") == EPIPE
    assert client.control_out(0x01, 11, 1, 0, b"") == EPIPE
    assert client.control_in(0x80, 6, 0x0304, 0x0409, 255) == (EPIPE, b"")
    assert client.control_in(0x80, 6, 0x0F00, 0, 255) == (EPIPE, b"")
    assert client.control_in(0x80, 99, 0, 0, 8) == (EPIPE, b"")


@pytest.mark.parametrize(("register", "count"), [(0x07, 2), (0x33, 5), (0x4E, 1), (0x100, 16), (0x2010, 16), (0x34, 3)])
def test_reading_a_register_that_is_not_offered_stalls(client: Client, register: int, count: int) -> None:
    assert client.control_in(0xC0, 0x04, register, 0, count) == (EPIPE, b"")


@pytest.mark.parametrize(("register", "values"), [(0xF0, bytes(16)), (0x100, b"\0"), (0x4E, b"\x11"), (0x33, bytes(4))])
def test_writing_a_register_that_is_not_offered_stalls(client: Client, register: int, values: bytes) -> None:
    assert client.control_out(0x40, 0x04, register, 0, values) == EPIPE


def test_transfers_on_endpoints_that_do_not_exist_stall(client: Client) -> None:
    assert client.reply(client.submit(5, 64)) == (EPIPE, b"")
    assert client.reply(client.submit(BULK, 4, data=b"abcd"))[0] == EPIPE


def test_power_up_announces_three_times_and_drags_stale_bytes_along(client: Client) -> None:
    client.power_up()
    assert [client.interrupt(), client.interrupt()] == [0x56AA, 0x56AA]
    assert client.read(0x07) == b"\x01"
    assert client.read(0xF0, 16) == bytes.fromhex("1a0a1a0a01150000002000108b211130")
    client.write(0x4E, 0x12)
    status, message = client.reply(client.submit(INTERRUPT, 64))
    assert (status, message[:2]) == (0, b"\x02\x00")
    assert any(message[2:])


def test_without_power_no_mode_is_taken(client: Client) -> None:
    client.write(0x07, 0x81)
    client.write(0x4E, 0x10)
    assert client.read(0x07) == b"\x81"
    assert client.stub.call("GET", "/state")["mode"] == "low_power"


def test_whole_capture_descrambles_to_exactly_what_was_laid(client: Client) -> None:
    client.power_up()
    client.write(0x4E, 0x10)
    client.stub.until("wait_finger_on")
    picture = client.stub.lay(ridges())
    while client.interrupt() != 0x0101:
        pass
    wire = client.image()
    assert len(wire) == FULL_IMAGE
    assert wire[16:32] == bytes(byte for pair in SEEN for byte in pair)
    assert wire[33] == 0
    expected = with_losses(as_sensor(picture, turned=True), SEEN)
    assert np.array_equal(descramble(wire, client), expected)
    assert client.stub.until("images:1")["mode"] == "capture"
    client.write(0x4E, 0x12)
    client.stub.call("DELETE", "/platen")
    assert client.interrupt() == 0x0200


def test_scrambled_lines_do_not_look_clear_and_the_key_is_fresh_each_time(client: Client) -> None:
    client.power_up()
    client.stub.lay(ridges())
    keys = set()
    for _ in range(2):
        lines = np.frombuffer(client.image(), np.uint8)[64 : 64 + 768].reshape(2, 384)
        assert lines.astype(int).sum(axis=0).var() > 5000
        keys.add(client.key(0))
    assert len(keys) == 2


def test_every_kind_of_block_descrambles(client: Client) -> None:
    client.power_up()
    client.stub.fault("every_block_kind")
    picture = client.stub.lay(ridges())
    wire = client.image()
    pairs = tuple((flags, count) for flags, count in struct.iter_unpack("BB", wire[16:46]))
    blocks = pairs[: [count for _, count in pairs].index(0)]
    assert {0x82, 0x04, 0x06, 0x01, 0x80} <= {flags for flags, _ in blocks}
    assert np.array_equal(descramble(wire, client), with_losses(as_sensor(picture, turned=True), blocks))


def test_empty_platen_is_light_with_a_mild_pattern(client: Client) -> None:
    empty = client.stub.seen()
    assert empty.shape == (290, 384)
    assert 225 < empty.mean() < 245
    assert 0.5 < empty.std() < 4
    assert np.array_equal(empty, client.stub.seen())


def test_finger_that_already_lies_is_reported_when_waited_for(client: Client) -> None:
    client.power_up()
    client.stub.lay(ridges())
    client.write(0x4E, 0x10)
    assert [kind for kind in (client.interrupt() for _ in range(3)) if kind != 0x56AA] == [0x0101]


def test_next_bulk_read_asks_for_the_next_image(client: Client) -> None:
    client.power_up()
    first = client.image()
    status, second = client.reply(client.submit(BULK, FULL_READ))
    assert (status, len(second)) == (0, FULL_IMAGE)
    assert first != second


def test_capture_without_a_queued_read_sends_nothing(client: Client) -> None:
    client.power_up()
    before = client.stub.call("GET", "/state")["images_sent"]
    client.write(0x4E, 0x20)
    read = client.submit(BULK, FULL_READ)
    for _ in range(100):  # far longer than an image takes
        client.read(0x07)
    assert not client.answered(read)
    assert client.unlink(read) == ECONNRESET
    assert len(client.image()) == FULL_IMAGE
    assert client.stub.call("GET", "/state")["images_sent"] == before + 1


def test_image_comes_through_many_queued_reads(client: Client) -> None:
    client.power_up()
    reads = [client.submit(BULK, 16_384) for _ in range(7)]
    client.write(0x4E, 0x20)
    parts = [client.reply(read) for read in reads]
    assert [status for status, _ in parts] == [0] * 7
    assert [len(data) for _, data in parts] == [16_384] * 6 + [FULL_IMAGE - 6 * 16_384]
    descramble(b"".join(data for _, data in parts), client)


def test_read_that_is_no_multiple_of_a_packet_overflows(client: Client) -> None:
    client.power_up()
    read = client.submit(BULK, 100)
    client.write(0x4E, 0x20)
    assert client.reply(read) == (EOVERFLOW, b"")


def test_short_transfer_is_an_error_where_the_client_says_so(client: Client) -> None:
    client.power_up()
    read = client.submit(BULK, FULL_READ, flags=1)
    client.write(0x4E, 0x20)
    status, data = client.reply(read)
    assert (status, len(data)) == (EREMOTEIO, FULL_IMAGE)


def test_interrupt_read_stays_pending_while_other_transfers_run(client: Client) -> None:
    client.power_up()
    assert [client.interrupt(), client.interrupt()] == [0x56AA, 0x56AA]
    pending = client.submit(INTERRUPT, 64)
    assert len(client.image()) == FULL_IMAGE
    assert client.read(0x07) == b"\x01"
    assert not client.answered(pending)
    assert client.unlink(pending) == ECONNRESET


def test_unlink_after_the_answer_says_so(client: Client) -> None:
    sequence = client.submit(0, 1, setup=struct.pack("<BBHHH", 0xC0, 4, 0x07, 0, 1))
    client.reply(sequence)
    assert client.unlink(sequence) == 0
    assert client.unlink(4711) == 0


def test_importer_that_leaves_resets_the_device(stub: Process) -> None:
    with Client(stub) as first:
        assert first.import_status() == 0
        first.power_up()
        first.write(0x4E, 0x10)
        stub.until("wait_finger_on")
        first.submit(INTERRUPT, 64)
    assert stub.until("released")["mode"] == "off"
    with Client(stub) as second:
        assert second.import_status() == 0
        assert second.read(0x07) == b"\x01"


def test_port_reset_shuts_pending_transfers_down(client: Client) -> None:
    client.power_up()
    client.write(0x4E, 0x10)
    pending = client.submit(BULK, FULL_READ)
    assert client.control_out(0x23, 3, 4, 1, b"") == 0
    assert client.reply(pending) == (ESHUTDOWN, b"")
    assert client.stub.call("GET", "/state")["mode"] == "off"


def test_unplug_cuts_the_connection_and_plug_brings_another_device(stub: Process) -> None:
    with Client(stub) as connection:
        assert connection.import_status() == 0
        before = connection.device_id
        connection.submit(INTERRUPT, 64)
        state = stub.call("POST", "/unplug")
        assert (state["attached"], state["imported"]) == (False, False)
        assert connection.at_end()
    with Client(stub) as connection:
        assert connection.devices() == []
    with Client(stub) as connection:
        assert connection.import_status() != 0
    assert stub.call("POST", "/plug")["attached"] is True
    with Client(stub) as connection:
        assert connection.import_status() == 0
        assert connection.device_id != before
        connection.power_up()


def test_stalled_image_never_comes_and_the_next_does(client: Client) -> None:
    client.power_up()
    client.stub.fault("stall")
    read = client.submit(BULK, FULL_READ)
    client.write(0x4E, 0x20)
    assert client.stub.call("GET", "/state")["faults"] == {}
    for _ in range(100):  # far longer than an image takes
        client.read(0x07)
    assert not client.answered(read)
    assert client.unlink(read) == ECONNRESET
    assert len(client.image()) == FULL_IMAGE


def test_image_takes_its_time_and_ten_times_that_on_a_slow_wire(client: Client) -> None:
    client.power_up()
    for factor in (1, 10):
        start = time.monotonic()
        assert len(client.image()) == FULL_IMAGE
        assert time.monotonic() - start >= IMAGE_S * factor
        client.stub.fault("slow_wire")


def test_read_taken_back_in_the_middle_of_an_image_ends_it() -> None:
    slow = Process("--image-ms", "200")
    try:
        slow.fault("slow_wire")  # 2 s for the first
        with Client(slow) as client:
            assert client.import_status() == 0
            client.power_up()
            read = client.submit(BULK, FULL_READ)
            client.submit(0, 1, setup=struct.pack("<BBHHH", 0x40, 0x04, 0x4E, 0, 1), data=b"\x20")
            assert client.unlink(read) == ECONNRESET
            assert len(client.image()) == FULL_IMAGE
            assert slow.call("GET", "/state")["images_sent"] == 1
    finally:
        slow.close()


def test_zero_image_follows_a_death_interrupt(client: Client) -> None:
    client.power_up()
    client.stub.fault("zero_image")
    assert client.image() == b""
    assert 0x0800 in [client.interrupt() for _ in range(3)]


def test_short_image_has_fewer_lines_than_its_header_says(client: Client) -> None:
    client.power_up()
    client.stub.fault("short_image")
    wire = client.image()
    assert len(wire) == 64 + 144 * 384
    assert wire[4:6] == (289).to_bytes(2, "little")


def test_bad_header_promises_too_many_lines(client: Client) -> None:
    client.power_up()
    client.stub.fault("bad_header")
    wire = client.image()
    assert (len(wire), wire[4:6]) == (FULL_IMAGE, b"\xff\xff")


def test_wrong_key_descrambles_to_noise(client: Client) -> None:
    client.power_up()
    client.stub.fault("wrong_key")
    wire = client.image()
    assert client.key(0) != client.key(0)
    client.stub.fault("wrong_key")
    assert descramble(wire, client).std() > 60


def test_clear_image_needs_no_key(client: Client) -> None:
    client.power_up()
    client.stub.fault("clear_image")
    picture = client.stub.lay(ridges())
    lines = np.frombuffer(client.image(), np.uint8)[64:].reshape(289, 384)
    assert lines[:2].astype(int).sum(axis=0).var() < 5000
    assert np.array_equal(lines, np.delete(as_sensor(picture, turned=True), 122, axis=0))


def test_pale_image_has_little_contrast(client: Client) -> None:
    client.power_up()
    client.stub.fault("pale_image")
    client.stub.lay(ridges())
    rows = descramble(client.image(), client)[:, :383]
    assert rows.std() < 10


def test_power_up_without_its_interrupt_works_the_next_time(client: Client) -> None:
    client.stub.fault("no_power_interrupt")
    client.write(0x07, 0x81)
    client.write(0x07, 0x01)
    client.stub.until("off")
    pending = client.submit(INTERRUPT, 64)
    client.write(0x4E, 0x12)
    assert client.reply(pending)[1][:2] == b"\x02\x00"  # the first that comes is not 56AA
    client.power_up()


def test_wedged_device_reboots_when_written_without_the_power_bit(stub: Process) -> None:
    stub.fault("wedged")
    with Client(stub) as connection:
        assert connection.import_status() == 0
        assert connection.read(0x07) == b"\x85"
        connection.write(0x07, 0x85)
        assert connection.read(0x07) == b"\x85"
        connection.write(0x07, 0x05)
        seen = connection.read(0x07)
        while not seen[-1] & 0x01:
            seen += connection.read(0x07)
        assert set(seen[:-1]) <= {0x84}
        assert seen[-1] == 0x81
        connection.power_up()


def test_stray_interrupt_comes_before_the_finger(client: Client) -> None:
    client.power_up()
    client.interrupt(), client.interrupt()
    client.stub.fault("stray_interrupt")
    client.write(0x4E, 0x10)
    client.stub.lay(ridges())
    assert [client.interrupt(), client.interrupt()] == [0x0200, 0x0101]


def test_unplug_in_an_image_cuts_the_connection(client: Client) -> None:
    client.power_up()
    client.stub.fault("unplug_in_image")
    client.submit(BULK, FULL_READ)
    client.control_out(0x40, 0x04, 0x4E, 0, b"\x20")
    assert client.at_end()
    assert client.stub.call("GET", "/state")["attached"] is False


def _operation(code: int, version: int = 0x0111) -> bytes:
    return struct.pack(">HHI", version, code, 0)


@pytest.mark.parametrize(
    "frame",
    [
        _operation(0x8005, version=0x0106),
        _operation(0x8009),
        bytes(8),
        _operation(0x8003) + b"x" * 32,
        _operation(0x8003) + b"\xff1-1" + bytes(28),
    ],
)
def test_malformed_operation_closes_only_its_connection(client: Client, frame: bytes) -> None:
    with Client(client.stub) as broken:
        broken.socket.sendall(frame)
        assert broken.at_end()
    assert client.read(0x07) == b"\x01"


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">IIIII28x", 9, 1, 0x10002, 1, 0),
        struct.pack(">IIIII28x", 1, 1, 0x777, 1, 0),
        struct.pack(">IIIIIIIIII8x", 1, 1, 0, 2, 0, 0, 0, 0, 0, 0),
        struct.pack(">IIIIIIIIII8x", 1, 1, 0, 1, 16, 0, 0, 0, 0, 0),
        struct.pack(">IIIIIIIIII8x", 1, 1, 0, 0, 2, 0, 0xFFFFFFFF, 0, 0, 0),
        struct.pack(">IIIIIIIIII8x", 1, 1, 0, 1, 2, 0, 64, 0, 4, 0),
        struct.pack(">IIIIIIIIII8x", 1, 1, 0, 1, 1, 0, 64, 0, 0, 0) * 2,
        b"\xff" * 48,
    ],
    ids=["command", "devid", "direction", "endpoint", "length", "isochronous", "twice", "ones"],
)
def test_malformed_urb_closes_the_connection_and_frees_the_device(stub: Process, frame: bytes) -> None:
    with Client(stub) as broken:
        assert broken.import_status() == 0
        own = broken.device_id.to_bytes(4, "big")
        whole = b"".join(
            part if part[8:12] != bytes(4) else part[:8] + own + part[12:]
            for part in (frame[at : at + 48] for at in range(0, len(frame), 48))
        )
        broken.socket.sendall(whole)
        assert broken.at_end()
    stub.until("released")
    with Client(stub) as connection:
        assert connection.import_status() == 0
        assert connection.read(0x07) == b"\x01"


def test_frames_cut_anywhere_leave_the_server_alive(stub: Process) -> None:
    whole = (
        _operation(0x8003) + stub.bus_id.ljust(32, b"\0") + struct.pack(">IIIIIIIIII8x", 1, 1, 0, 0, 0, 0, 8, 0, 0, 0)
    )
    for cut in range(1, len(whole), 7):
        with contextlib.closing(socket.create_connection(stub.address, timeout=30)) as connection:
            connection.sendall(whole[:cut])
    stub.until("released")
    with Client(stub) as connection:
        assert len(connection.devices()) == 1


def test_random_bytes_from_an_importer_leave_the_server_alive(stub: Process) -> None:
    random = np.random.default_rng(4500)
    for _ in range(30):
        with Client(stub) as broken:
            assert broken.import_status() == 0
            with contextlib.suppress(ConnectionError):
                broken.socket.sendall(random.bytes(480))
        stub.until("released")
    with Client(stub) as connection:
        assert len(connection.devices()) == 1


def test_msv2_answers_its_challenge_and_keeps_its_picture_upright() -> None:
    stub = Process("--model", "msv2", "--serial", "{AB}", "--bus-id", "3-4", "--image-ms", "1", "--noise", "0")
    try:
        with Client(stub) as connection:
            assert connection.import_status() == 0
            assert connection.control_in(0x80, 6, 0x0303, 0x0409, 255)[1][2:].decode("utf-16-le") == "{AB}"
            _, device = connection.control_in(0x80, 6, 0x0100, 0, 18)
            assert device == bytes.fromhex("12010002000000405e04ca00000101020301")
            _, configuration = connection.control_in(0x80, 6, 0x0200, 0, 255)
            assert configuration == bytes.fromhex("0902200001010080820904000002ffffff000705810340000807058202400000")
            connection.write(0x07, 0x83)
            connection.write(0x07, 0x03)
            assert connection.read(0x07) == b"\x83"
            connection.read(0x2010, 16)
            connection.write(0x2000, *bytes(16))  # a wrong response grants nothing
            connection.write(0x07, 0x03)
            assert connection.read(0x07) == b"\x83"
            connection.power_up()
            picture = stub.lay(ridges())
            wire = connection.image()
            assert wire[6] == 5
            rows = descramble(wire, connection)
            assert np.array_equal(rows[:60, :383], as_sensor(picture, turned=False)[:60, :383])
    finally:
        stub.close()
