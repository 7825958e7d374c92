"""The client's half of USB/IP, for one device: it is imported, and transfers go out and come back in any order.

Layouts: `usbip.protocol`, from the other side. What ends a transfer is called on the connection's own thread.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

from firmware_stubs.usbip.protocol import (
    BUS_ID_BYTES,
    OPERATION_BYTES,
    URB_HEADER_BYTES,
    VERSION,
    Command,
    Operation,
    OperationStatus,
    UrbStatus,
)

CONNECT_LIMIT_S: Final = 5.0
CONTROL_LIMIT_S: Final = 5.0

_OPERATION = struct.Struct(">HHI")
_RECORD = struct.Struct(">256s32sIIIHHHBBBBBB")
_BASIC = struct.Struct(">IIIII")
_SUBMIT = struct.Struct(">IIIII8s")
_UNLINK = struct.Struct(">I24x")
_RESULT = struct.Struct(">iI")

OnDone = Callable[[int, int, bytes], None]
"""Takes a status, 0 or a negative Linux error number; the bytes that moved; and those that came in."""


class NotExported(Exception):
    """The server has no such device now, or another host holds it."""


class Refused(Exception):
    """The device does not answer a request that every device must answer."""


class Importer:
    """One imported device. gone: the server has let go of it. on_gone: called then, after every transfer has ended.

    Raises NotExported or OSError on construction.
    """

    def __init__(self, host: str, port: int, bus_id: str, on_gone: Callable[[], None]) -> None:
        self._on_gone = on_gone
        self._sequences = itertools.count(1)
        self._sending = threading.Lock()  # never held by the reader: a server that waits for it must still be read
        self._lock = threading.Lock()
        self._in_flight: dict[int, tuple[bool, OnDone]] = {}
        self._unlinks: dict[int, int] = {}
        self.gone = False
        self._socket = socket.create_connection((host, port), CONNECT_LIMIT_S)
        try:
            self._device_id, self.speed = self._import(bus_id)
        except BaseException:
            self._socket.close()
            raise
        self._reader = threading.Thread(target=self._read_replies, name="usbip-replies", daemon=True)
        self._reader.start()

    def submit(
        self,
        endpoint: int,
        length: int,
        on_done: OnDone,
        *,
        setup: bytes = bytes(8),
        outgoing: bytes = b"",
        flags: int = 0,
    ) -> int:
        """Put a transfer on the wire; its number, for `unlink`. endpoint: with the direction in bit 7."""
        incoming = bool(endpoint & 0x80)
        with self._sending:
            sequence = next(self._sequences)
            with self._lock:
                gone = self.gone
                if not gone:
                    self._in_flight[sequence] = (incoming, on_done)
            basic = _BASIC.pack(Command.CMD_SUBMIT, sequence, self._device_id, incoming, endpoint & 0x0F)
            self._send(basic + _SUBMIT.pack(flags, length, 0, 0xFFFFFFFF, 0, setup) + outgoing)
        if gone:
            on_done(-errno.ESHUTDOWN, 0, b"")
        return sequence

    def unlink(self, sequence: int) -> None:
        """Take a transfer back; it ends all the same, with -ENOENT unless it was quicker."""
        with self._sending:
            number = next(self._sequences)
            with self._lock:
                self._unlinks[number] = sequence
            self._send(_BASIC.pack(Command.CMD_UNLINK, number, self._device_id, 0, 0) + _UNLINK.pack(sequence))

    def control(self, setup: bytes, on_done: OnDone) -> None:
        """A control transfer without OUT data."""
        self.submit(setup[0] & 0x80, int.from_bytes(setup[6:8], "little"), on_done, setup=setup)

    def read(self, request_type: int, request: int, value: int, index: int, length: int) -> bytes:
        """The answer to a control request, waited for. Raises Refused."""
        ended = threading.Event()
        outcome: list[tuple[int, bytes]] = []

        def on_done(status: int, _actual: int, incoming: bytes) -> None:
            outcome.append((status, incoming))
            ended.set()

        self.control(struct.pack("<BBHHH", request_type, request, value, index, length), on_done)
        if not ended.wait(CONTROL_LIMIT_S) or outcome[0][0]:
            raise Refused(f"request {request:#04x}, value {value:#06x}")
        return outcome[0][1]

    def close(self) -> None:
        """Give the device back. Idempotent."""
        with contextlib.suppress(OSError):  # the server was first
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def _import(self, bus_id: str) -> tuple[int, int]:
        """The device's id on the wire, and its speed."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = _OPERATION.pack(VERSION, Operation.REQ_IMPORT, OperationStatus.OK)
        self._socket.sendall(head + bus_id.encode("ascii").ljust(BUS_ID_BYTES, b"\0"))
        _version, _code, status = _OPERATION.unpack(self._read(OPERATION_BYTES))
        if status != OperationStatus.OK:
            raise NotExported(f"{bus_id}: status {status}")
        _path, _bus_id, bus_number, device_number, speed, *_rest = _RECORD.unpack(self._read(_RECORD.size))
        self._socket.settimeout(None)
        return bus_number << 16 | device_number, speed

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # the reader sees the connection's end, and ends what is in flight
            self._socket.sendall(message)

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise ConnectionResetError("the server closed the connection")
            parts += part
        return bytes(parts)

    def _read_replies(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                header = self._read(URB_HEADER_BYTES)
                command, sequence, *_rest = _BASIC.unpack_from(header)
                status, actual = _RESULT.unpack_from(header, _BASIC.size)
                if command == Command.RET_SUBMIT:
                    self._end_submit(sequence, status, actual)
                else:
                    self._end_unlink(sequence, status)
        self._socket.close()
        with self._lock:
            self.gone = True
            left, self._in_flight = list(self._in_flight.values()), {}
        for _incoming, on_done in left:
            on_done(-errno.ESHUTDOWN, 0, b"")
        self._on_gone()

    def _end_submit(self, sequence: int, status: int, actual: int) -> None:
        with self._lock:
            incoming, on_done = self._in_flight.pop(sequence)
        on_done(status, actual, self._read(actual) if incoming else b"")

    def _end_unlink(self, number: int, status: int) -> None:
        with self._lock:
            target = self._unlinks.pop(number)
            taken_back = self._in_flight.pop(target, None) if status == UrbStatus.UNLINKED else None
        if taken_back is not None:
            taken_back[1](-errno.ENOENT, 0, b"")
