"""A USB/IP server whose every answer a test decides; written from the protocol's documentation alone."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

IDS = (0x1234, 0x5678)
CONFIGURATION = bytes.fromhex("09022000010100803209040000 02ffffff00 07058103400008 07058202400000".replace(" ", ""))
STRINGS = {1: "Acme", 2: "Scanner", 3: "SN-1"}

Submit = tuple[int, int, int, int, bytes, bytes]  # seqnum, direction, endpoint, length, setup, payload


@dataclass
class Session:
    """One connection as the server sees it."""

    sock: socket.socket
    ids: tuple[int, int] = IDS
    unlinked: list[int] = field(default_factory=list)

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def next_submit(self) -> Submit:
        """The next request; unlinks on the way are granted."""
        while True:
            header = self.receive(48)
            command, seqnum, _, direction, endpoint = struct.unpack(">5I", header[:20])
            if command == 1:
                length = int.from_bytes(header[24:28], "big")
                payload = self.receive(length) if direction == 0 else b""
                return seqnum, direction, endpoint, length, header[40:48], payload
            self.unlinked.append(int.from_bytes(header[20:24], "big"))
            self.sock.sendall(struct.pack(">5Ii24x", 4, seqnum, 0, 0, 0, -104))

    def complete(self, seqnum: int, data: bytes = b"", *, status: int = 0, length: int | None = None) -> None:
        actual = len(data) if length is None else length
        self.sock.sendall(struct.pack(">5Iii20x", 3, seqnum, 0, 0, 0, status, actual) + data)

    def answer_standard(self, submit: Submit) -> bool:
        """Answer GET_DESCRIPTOR as the device would; False for anything else."""
        seqnum, _, _, _, setup, _ = submit
        request_type, request, value, _, length = struct.unpack("<BBHHH", setup)
        if (request_type, request) != (0x80, 6):
            return False
        kind, index = value >> 8, value & 0xFF
        text = STRINGS.get(index, "").encode("utf-16-le") if index else b"\x09\x04"
        device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 255, 0, 0, 64, *self.ids, 0x100, 1, 2, 3, 1)
        descriptor = {1: device, 2: CONFIGURATION, 3: bytes([len(text) + 2, 3]) + text}[kind]
        self.complete(seqnum, descriptor[:length])
        return True

    def next_vendor_submit(self) -> Submit:
        while self.answer_standard(submit := self.next_submit()):
            pass
        return submit


def device_record(busid: bytes = b"1-1", vendor: int = IDS[0], product: int = IDS[1], devnum: int = 2) -> bytes:
    path = b"/sys/devices/1-1".ljust(256, b"\0")
    return (
        path
        + busid.ljust(32, b"\0")
        + struct.pack(">IIIHHH6B", 1, devnum, 2, vendor, product, 0x100, 255, 0, 0, 1, 1, 1)
    )


def device_list(*records: bytes) -> bytes:
    return struct.pack(">HHII", 0x0111, 5, 0, len(records)) + b"".join(record + b"\xff\xff\xff\0" for record in records)


def import_answer(status: int = 0, record: bytes | None = None) -> bytes:
    return struct.pack(">HHI", 0x0111, 3, status) + (b"" if status else record or device_record())


class Server:
    """A TCP server; `urbs` serves an imported device, the two answers are sent as they stand."""

    def __init__(self) -> None:
        self.list_answer = device_list(device_record())
        self.import_answer = import_answer()
        self.device_ids = IDS
        self.urbs: Callable[[Session], None] = lambda session: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"usbip://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        session = Session(sock, self.device_ids)
        with sock, contextlib.suppress(EOFError, OSError):
            if session.receive(8)[3] == 5:
                sock.sendall(self.list_answer)
                return
            session.receive(32)
            sock.sendall(self.import_answer)
            self.urbs(session)


def echo_registers(session: Session) -> None:
    """A device whose vendor requests succeed and whose reads give the register's low byte."""
    while True:
        seqnum, direction, endpoint, length, setup, payload = session.next_vendor_submit()
        if endpoint == 0 and direction == 1:
            session.complete(seqnum, bytes([setup[2]]) * length)
        elif endpoint == 0:
            session.complete(seqnum, length=len(payload))
