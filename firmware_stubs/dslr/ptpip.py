"""The two channels of PTP/IP (CIPA DC-005): each its own connection, told apart by its first packet.

    length (4, of the whole) | kind (4) | payload           little endian

An operation comes on the command channel; where it sends data, START_DATA and END_DATA follow it. The answer is the
data phase, where there is one, and a RESPONSE. Events have the other channel.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
from typing import Final

from firmware_stubs.dslr.body import Answer, Body, Cut
from firmware_stubs.dslr.codes import Event, Operation, Packet, Response

MAX_PACKET_BYTES: Final = 1 << 20
_DATA_OUT: Final = 2
_GUID: Final = b"enrollment-stub1"
_NAME: Final = "Reflex 6\0".encode("utf-16-le")
_VERSION: Final = 0x00010000
_CHUNK_BYTES: Final = 1 << 16
_SESSIONLESS: Final = (Operation.GET_DEVICE_INFO, Operation.OPEN_SESSION)

_log = logging.getLogger(__name__)


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection; all of them end with the server."""

    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, address: tuple[str, int], body: Body) -> None:
        self.body = body
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._event_channels: dict[int, socket.socket] = {}
        self._connections = 0
        super().__init__(address, Channel)

    def new_connection(self) -> int:
        """Number of a new pair of channels."""
        with self._lock:
            self._connections += 1
            return self._connections

    def opened(self, channel: socket.socket) -> None:
        """Remember a channel, to cut it at the end."""
        with self._lock:
            self._open.add(channel)

    def closed(self, channel: socket.socket) -> None:
        """Forget a channel."""
        with self._lock:
            self._open.discard(channel)

    def attach_events(self, connection: int, channel: socket.socket) -> None:
        """Take this channel for the events of a connection."""
        with self._lock:
            self._event_channels[connection] = channel

    def detach_events(self, connection: int) -> None:
        """Forget the events of a connection, and cut their channel."""
        with self._lock:
            channel = self._event_channels.pop(connection, None)
        _cut(channel)

    def tell(self, connection: int, event: Event, transaction: int, parameter: int) -> None:
        """Send an event to its host."""
        with self._lock:
            channel = self._event_channels.get(connection)
        if channel is not None:
            _send(channel, Packet.EVENT, struct.pack("<HII", event, transaction, parameter))

    def cut_all(self) -> None:
        """Cut every channel: the body left the network."""
        with self._lock:
            channels = list(self._open)
        for channel in channels:
            _cut(channel)


class Channel(socketserver.BaseRequestHandler):
    """One connection, until either side ends it."""

    server: Server

    def handle(self) -> None:
        """Serve a command channel, or keep an event channel."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.opened(self.request)
        try:
            self.server.body.admit()
            kind, payload = _receive(self.request)
            if kind == Packet.INIT_COMMAND:
                self._serve_commands()
            elif kind == Packet.INIT_EVENT and len(payload) == 4:
                self._keep_events(struct.unpack("<I", payload)[0])
        except (Cut, OSError) as end:
            _log.debug("a channel ended: %r", end)
        finally:
            self.server.closed(self.request)

    def _serve_commands(self) -> None:
        self._connection = self.server.new_connection()
        self._session = False
        _send(
            self.request,
            Packet.INIT_COMMAND_ACK,
            struct.pack("<I", self._connection) + _GUID + _NAME + struct.pack("<I", _VERSION),
        )
        try:
            while True:
                kind, payload = _receive(self.request)
                if kind == Packet.OPERATION and len(payload) >= 10:
                    self._answer(payload)
                elif kind == Packet.PING:
                    _send(self.request, Packet.PONG, b"")
        finally:
            if self._session:
                self._end_session()
            self.server.detach_events(self._connection)

    def _keep_events(self, connection: int) -> None:
        _send(self.request, Packet.INIT_EVENT_ACK, b"")
        self.server.attach_events(connection, self.request)
        while True:
            kind, _ = _receive(self.request)
            if kind == Packet.PING:
                _send(self.request, Packet.PONG, b"")

    def _answer(self, payload: bytes) -> None:
        phase, operation, transaction = struct.unpack_from("<IHI", payload)
        count = min(5, (len(payload) - 10) // 4)
        parameters = struct.unpack_from(f"<{count}I", payload, 10)
        received = self._receive_data() if phase == _DATA_OUT else b""
        answer = self._check_session(operation) or self.server.body.perform(operation, parameters, received)
        if answer.data is not None:
            self._send_data(transaction, answer.data, len(answer.data) // 2 if answer.cut else None)
        _send(self.request, Packet.RESPONSE, struct.pack("<HI", answer.response, transaction))
        if answer.added is not None:
            self.server.body.pause(answer.delay_s)
            self.server.tell(self._connection, Event.OBJECT_ADDED, transaction, answer.added)
            self.server.tell(self._connection, Event.CAPTURE_COMPLETE, transaction, 0)

    def _check_session(self, operation: int) -> Answer | None:
        """What the state of the session alone answers."""
        if operation == Operation.OPEN_SESSION:
            if self._session:
                return Answer(Response.SESSION_ALREADY_OPEN)
            self._session = True
            self.server.body.sessions += 1
        elif not self._session and operation not in _SESSIONLESS:
            return Answer(Response.SESSION_NOT_OPEN)
        elif operation == Operation.CLOSE_SESSION:
            self._end_session()
        return None

    def _end_session(self) -> None:
        self._session = False
        self.server.body.sessions -= 1
        self.server.body.leave()

    def _receive_data(self) -> bytes:
        received = b""
        while True:
            kind, payload = _receive(self.request)
            if kind in (Packet.DATA, Packet.END_DATA):
                received += payload[4:]
            if kind == Packet.END_DATA or len(received) > MAX_PACKET_BYTES:
                return received

    def _send_data(self, transaction: int, data: bytes, cut_at: int | None) -> None:
        number = struct.pack("<I", transaction)
        _send(self.request, Packet.START_DATA, number + struct.pack("<Q", len(data)))
        last = max(0, (len(data) - 1) // _CHUNK_BYTES * _CHUNK_BYTES)
        for at in range(0, last, _CHUNK_BYTES):
            if cut_at is not None and at >= cut_at:
                raise Cut
            _send(self.request, Packet.DATA, number + data[at : at + _CHUNK_BYTES])
        if cut_at is not None:
            raise Cut
        _send(self.request, Packet.END_DATA, number + data[last:])


def _receive(channel: socket.socket) -> tuple[int, bytes]:
    """One packet: its kind and its payload. Raises Cut at the end, or for a length that no host means."""
    length, kind = struct.unpack("<II", _receive_exactly(channel, 8))
    if not 8 <= length <= MAX_PACKET_BYTES:
        raise Cut
    return kind, _receive_exactly(channel, length - 8)


def _receive_exactly(channel: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = channel.recv(count - len(received))
        if not part:
            raise Cut
        received += part
    return bytes(received)


def _send(channel: socket.socket, kind: Packet, payload: bytes) -> None:
    channel.sendall(struct.pack("<II", 8 + len(payload), kind) + payload)


def _cut(channel: socket.socket | None) -> None:
    if channel is None:
        return
    try:
        channel.shutdown(socket.SHUT_RDWR)
    except OSError as gone:
        _log.debug("a channel was gone already: %s", gone)
