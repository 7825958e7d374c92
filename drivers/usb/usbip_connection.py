"""One TCP connection to a USB/IP server: the device list, or an imported device with many requests in flight.

A reader thread completes requests; whoever submits only writes. A lost connection, or an answer that the protocol does
not allow, ends every pending request at once: after either the two ends no longer agree on what was sent.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from usb.core import USBError

from drivers.errors import ProtocolViolation
from drivers.usb import usbip_wire as wire
from drivers.usb.request import Completion, Request, usb_error

DEFAULT_PORT = 3240
CONNECT_TIMEOUT_S = 3.0
_DEAD_PEER_MS = 10_000
_CLOSE_TIMEOUT_S = 2.0

_logger = logging.getLogger(__name__)
_live: weakref.WeakSet[UsbipConnection] = weakref.WeakSet()
_live_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Flight:
    request: Request
    on_done: Callable[[Completion], None]


def list_exported(host: str, port: int, timeout_s: float = CONNECT_TIMEOUT_S) -> list[wire.ExportedDevice]:
    """Ask a server what it exports. Raises USBError (ECONNREFUSED and the like, ETIMEDOUT, EBADMSG)."""
    deadline = time.monotonic() + timeout_s
    with _opening_errors(), _connect(host, port, deadline) as sock:
        sock.sendall(wire.encode_devlist_request())
        status = wire.decode_operation(_receive(sock, wire.OPERATION_BYTES, deadline), wire.Operation.REPLY_DEVLIST)
        if status != 0:
            raise usb_error("the USB/IP server refused its device list", errno.EIO)
        devices = []
        for _ in range(wire.decode_device_count(_receive(sock, 4, deadline))):
            device = wire.decode_device(_receive(sock, wire.DEVICE_BYTES, deadline))
            _receive(sock, wire.INTERFACE_BYTES * device.interface_count, deadline)
            devices.append(device)
        return devices


def held_devices(host: str, port: int) -> list[wire.ExportedDevice]:
    """What this process has imported from a server; Linux's usbipd leaves such devices out of its list."""
    with _live_lock:
        return [c.exported for c in _live if c.alive and (c.host, c.port) == (host, port)]


class UsbipConnection:
    """An imported device.

    Raises USBError on construction: EBUSY when another holds it, ENODEV when there is none of this name,
    ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT or EBADMSG when there is no sound server.
    """

    def __init__(self, host: str, port: int, busid: str, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self.host = host
        self.port = port
        deadline = time.monotonic() + timeout_s
        self._sock = _connect(host, port, deadline)
        try:
            self.exported = self._import(busid, deadline)
            self._sock.settimeout(None)
        except BaseException:
            self._sock.close()
            raise
        self._state_lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._alive = True
        self._seqnums = itertools.count(1)
        self._flights: dict[int, _Flight] = {}
        self._unlinks: dict[int, int] = {}
        self._reader = threading.Thread(target=self._read_replies, name=f"usbip-{busid}", daemon=True)
        self._reader.start()
        with _live_lock:
            _live.add(self)

    @property
    def alive(self) -> bool:
        return self._alive

    def submit(self, request: Request, on_done: Callable[[Completion], None]) -> _UsbipSubmission:
        """Send a request; on_done runs on the reader thread. Raises USBError(ENODEV) when the connection is lost."""
        seqnum = next(self._seqnums) & 0xFFFFFFFF
        with self._state_lock:
            if not self._alive:
                raise usb_error("the USB/IP connection is lost", errno.ENODEV)
            self._flights[seqnum] = _Flight(request, on_done)
        try:
            self._send(wire.encode_submit(seqnum, self.exported.devid, request))
        except OSError as error:
            with self._state_lock:
                unanswered = self._flights.pop(seqnum, None)
            if unanswered is not None:  # else the reader has completed it already
                raise usb_error("the USB/IP connection is lost", errno.ENODEV) from error
        return _UsbipSubmission(self, seqnum)

    def unlink(self, victim: int) -> None:
        """Ask the server to give a request back; nothing happens if it has ended."""
        seqnum = next(self._seqnums) & 0xFFFFFFFF
        with self._state_lock:
            if victim not in self._flights:
                return
            self._unlinks[seqnum] = victim
        try:
            self._send(wire.encode_unlink(seqnum, self.exported.devid, victim))
        except OSError:
            _logger.debug("unlink not sent: the connection is lost, and its reader ends every request")

    def close(self) -> None:
        """Hang up. Pending requests end with ENODEV. Idempotent; not to be called from a completion."""
        self._hang_up()
        if self._reader is not threading.current_thread():  # a finaliser may run there
            self._reader.join(_CLOSE_TIMEOUT_S)
        self._sock.close()

    def _import(self, busid: str, deadline: float) -> wire.ExportedDevice:
        with _opening_errors():
            self._sock.sendall(wire.encode_import_request(busid))
            status = wire.decode_operation(
                _receive(self._sock, wire.OPERATION_BYTES, deadline), wire.Operation.REPLY_IMPORT
            )
            if status != 0:
                code = wire.ERRNO_OF_IMPORT_STATUS.get(status, errno.EIO)
                raise usb_error("the USB/IP server refused the import", code)
            return wire.decode_device(_receive(self._sock, wire.DEVICE_BYTES, deadline))

    def _send(self, message: bytes) -> None:
        try:
            with self._send_lock:
                self._sock.sendall(message)
        except OSError:
            self._hang_up()  # half a message may be out: nothing that follows would be understood
            raise

    def _hang_up(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            _logger.debug("the USB/IP connection was already down")

    def _read_replies(self) -> None:
        header = bytearray(wire.URB_HEADER_BYTES)
        error = errno.ENODEV
        try:
            while True:
                _receive_into(self._sock, memoryview(header))
                reply = wire.decode_reply(header)
                if reply.command == wire.Command.RET_SUBMIT:
                    self._complete_submit(reply)
                else:
                    self._complete_unlink(reply)
        except ProtocolViolation as violation:
            _logger.warning("USB/IP %s:%d: %s", self.host, self.port, violation)
            error = errno.EBADMSG
        except (OSError, EOFError):
            _logger.debug("USB/IP %s:%d: connection ended", self.host, self.port)
        self._hang_up()
        with self._state_lock:
            self._alive = False
            flights = list(self._flights.values())
            self._flights.clear()
        for flight in flights:
            flight.on_done(Completion(error, 0, memoryview(b"")))

    def _complete_submit(self, reply: wire.Reply) -> None:
        with self._state_lock:
            flight = self._flights.get(reply.seqnum)
        if flight is None:
            raise ProtocolViolation("a USB/IP reply to nothing that was asked", seqnum=reply.seqnum)
        if not 0 <= reply.actual_length <= flight.request.length:
            raise ProtocolViolation("a USB/IP reply longer than asked", actual_length=reply.actual_length)
        size = reply.actual_length if flight.request.is_in else 0
        into = flight.request.into
        arrived = memoryview(bytearray(size)) if into is None else into[:size]
        _receive_into(self._sock, arrived)
        with self._state_lock:
            self._flights.pop(reply.seqnum, None)
        flight.on_done(Completion(reply.error, reply.actual_length, arrived))

    def _complete_unlink(self, reply: wire.Reply) -> None:
        with self._state_lock:
            victim = self._unlinks.pop(reply.seqnum, None)
            flight = None if victim is None else self._flights.pop(victim, None)
        if victim is None:
            raise ProtocolViolation("a USB/IP unlink reply to nothing that was asked", seqnum=reply.seqnum)
        if flight is not None:  # else it ended by itself before the unlink came
            flight.on_done(Completion(errno.ECANCELED, 0, memoryview(b"")))


class _UsbipSubmission:
    def __init__(self, connection: UsbipConnection, seqnum: int) -> None:
        self._connection = connection
        self._seqnum = seqnum

    def cancel(self) -> None:
        self._connection.unlink(self._seqnum)


@contextlib.contextmanager
def _opening_errors() -> Iterator[None]:
    """Speak of a failed question as pyusb does: a USBError with an errno."""
    try:
        yield
    except ProtocolViolation as error:
        raise usb_error(str(error), errno.EBADMSG) from error
    except EOFError as error:
        raise usb_error("the USB/IP server's answer is cut short", errno.EBADMSG) from error
    except TimeoutError as error:
        raise usb_error("the USB/IP server does not answer", errno.ETIMEDOUT) from error
    except USBError:
        raise
    except OSError as error:
        raise usb_error("the USB/IP server hung up", errno.ECONNREFUSED) from error


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    try:
        sock = socket.create_connection((host, port), timeout=max(0.01, deadline - time.monotonic()))
    except TimeoutError as error:
        raise usb_error("no answer from the USB/IP server", errno.EHOSTUNREACH) from error
    except OSError as error:  # socket.gaierror has numbers of its own
        code = errno.EHOSTUNREACH if isinstance(error, socket.gaierror) else error.errno
        raise usb_error("no USB/IP server there", code) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A peer whose cable was pulled sends nothing, and the interrupt read has no time limit: the kernel must notice.
    for name, value in (
        ("TCP_KEEPIDLE", 4),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _DEAD_PEER_MS),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def _receive(sock: socket.socket, size: int, deadline: float) -> bytes:
    buffer = bytearray(size)
    _receive_into(sock, memoryview(buffer), deadline)
    return bytes(buffer)


def _receive_into(sock: socket.socket, view: memoryview, deadline: float | None = None) -> None:
    """Fill view. Raises EOFError when the peer ends first, TimeoutError at the deadline, OSError."""
    while view:
        if deadline is not None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            sock.settimeout(remaining)
        count = sock.recv_into(view)
        if count == 0:
            raise EOFError
        view = view[count:]
