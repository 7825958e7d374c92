"""A device node of usbfs: ioctls come in from another process, transfers go to the device.

umockdev hands over each ioctl of a program that has opened the node, on a thread of its own, and the program's memory
with it. What the device answers arrives on the importer's thread, waits to be reaped, and makes the node poll as
writable, as usbfs does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Final

import gi

from firmware_stubs.umockdev import usbfs
from firmware_stubs.umockdev.importer import Importer

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402 - after its version is named

_ONE_PAGE: Final = 4096
_SETUP = struct.Struct("<BBHHH")

_log = logging.getLogger(__name__)


class Doorbell:
    """A FIFO in place of the node's file: it polls as writable while it rings, and not at all while it is silent.

    A plain file would always poll as writable, and libusb's event thread never sleep.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        path.chmod(0o666)
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _ONE_PAGE)
        self._inode = self._identity(self._fd)
        self._ringing = True
        self.ring(on=False)

    def ring(self, *, on: bool) -> None:
        if on == self._ringing or self._fd is None:
            return
        self._ringing = on
        with contextlib.suppress(BlockingIOError):  # until it is empty, or full
            while True:
                if on:
                    os.read(self._fd, _ONE_PAGE)
                else:
                    os.write(self._fd, bytes(_ONE_PAGE))

    def holders(self) -> set[str]:
        """The open files of other processes on this node, as their links in /proc."""
        own = f"/proc/{os.getpid()}/"
        return {link for link in glob("/proc/[0-9]*/fd/*") if not link.startswith(own) and self.is_held(link)}

    def is_held(self, link: str) -> bool:
        """Whether this link of /proc is still an open file on this node."""
        try:
            return self._identity(link) == self._inode
        except OSError:  # closed, or another user's
            return False

    @staticmethod
    def _identity(file: int | str) -> tuple[int, int]:
        found = os.stat(file)
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@dataclass(slots=True, eq=False)
class _Flight:
    """A transfer of a program's. memory: its struct. buffer: its data, None for an empty one. at: of the data in it."""

    memory: Any
    buffer: Any
    at: int
    sequence: int = 0


@dataclass(slots=True, eq=False)
class _Opening:
    """One open file of a program's. flights: by the address of its URB, which names it. ended: to be reaped.

    link: of the file in /proc, "" while that is not known.
    """

    link: str = ""
    flights: dict[int, _Flight] = field(default_factory=dict)
    ended: deque[_Flight] = field(default_factory=deque)


class UsbNode:
    """The node of one imported device, from its plugging in to its unplugging.

    handler: the IoctlBase to attach. path: of the node's file. Once the importer is gone, only what has ended is
    still to be had.
    """

    def __init__(self, importer: Importer, path: Path) -> None:
        self.handler = UMockdev.IoctlBase()
        self.handler.connect("client-connected", self._on_open)
        self.handler.connect("handle-ioctl", self._on_ioctl)
        self._importer = importer
        self._bell = Doorbell(path)
        self._lock = threading.Lock()
        self._openings: dict[Any, _Opening] = {}
        self._claims: dict[int, Any] = {}

    def sweep(self, *, opened: bool = False) -> bool:
        """Take back what programs left that have closed it, as the kernel does at their last close.

        umockdev tells nobody of a close, and takes a program for connected for ever that was killed while an ioctl of
        it was being answered; but the kernel knows which files are open. opened: one has just been.
        Returns whether the device is gone and no program has it open any more, which is the node's end.
        """
        with self._lock:
            closed = [client for client in self._openings if not client.get_connected()]
            left = [self._openings.pop(client) for client in closed]
            lost = [client for client, opening in self._openings.items() if not self._is_open(opening)]
            if opened or closed or lost:
                self._find_links()
                left += [self._openings.pop(client) for client in lost if not self._is_open(self._openings[client])]
            self._claims = {number: holder for number, holder in self._claims.items() if holder in self._openings}
            self._ring()
            over = self._importer.gone and not self._openings
            if over:
                self._bell.close()
        for opening in left:
            for flight in list(opening.flights.values()):  # which the importer's thread empties
                self._importer.unlink(flight.sequence)
        return over

    def _is_open(self, opening: _Opening) -> bool:
        return not opening.link or self._bell.is_held(opening.link)

    def _find_links(self) -> None:
        """Give each opening that has no file, or has it no longer, one that is no other's."""
        held = {opening.link for opening in self._openings.values() if opening.link and self._is_open(opening)}
        free = self._bell.holders() - held
        for opening in self._openings.values():
            if free and opening.link not in held:
                opening.link = free.pop()

    def _on_open(self, _handler: Any, client: Any) -> None:
        with self._lock:
            self._openings[client] = _Opening()
        self.sweep(opened=True)

    def _on_ioctl(self, _handler: Any, client: Any) -> bool:
        with contextlib.suppress(GLib.Error):  # the program was killed meanwhile
            self._handle(client)
        return True

    def _handle(self, client: Any) -> None:
        request = client.get_request()
        size = request >> 16 & 0x3FFF
        argument = client.get_arg()
        if request == usbfs.REAPURBNDELAY:
            self._reap(client, argument)
        elif self._importer.gone:
            client.complete(-1, errno.ENODEV)
        elif request == usbfs.SUBMITURB:
            self._submit(client, argument)
        elif request == usbfs.DISCARDURB:
            self._discard(client, int.from_bytes(argument.retrieve(), "little"))
        elif request == usbfs.RESET:
            self._pass_on(client, 0x23, 3, 4, 0)  # of the port, which every USB/IP server takes for the device's
        elif request == usbfs.GETDRIVER or request == usbfs.IOCTL:
            client.complete(-1, errno.ENODATA)  # the kernel has no driver for these
        else:
            memory = argument.resolve(0, size) if size else None
            self._answer(client, request, memory)

    def _answer(self, client: Any, request: int, memory: Any) -> None:
        """The ioctls whose argument is a few numbers."""
        content = bytes(memory.retrieve()) if memory else b""
        words = struct.unpack_from(f"={len(content) // 4}I", content)
        match request:
            case usbfs.GET_CAPABILITIES:
                memory.update(0, struct.pack("=I", usbfs.CAPABILITIES))
                client.complete(0, 0)
            case usbfs.CLAIMINTERFACE:
                with self._lock:
                    holder = self._claims.setdefault(words[0], client)
                client.complete(*((0, 0) if holder is client else (-1, errno.EBUSY)))
            case usbfs.RELEASEINTERFACE:
                with self._lock:
                    held = self._claims.get(words[0]) is client
                    if held:
                        del self._claims[words[0]]
                client.complete(*((0, 0) if held else (-1, errno.EINVAL)))
            case usbfs.SETCONFIGURATION:
                self._pass_on(client, 0x00, 9, words[0], 0)
            case usbfs.SETINTERFACE:
                self._pass_on(client, 0x01, 11, words[1], words[0])
            case usbfs.CLEAR_HALT:
                self._pass_on(client, 0x02, 1, 0, words[0])
            case _:
                _log.debug("ioctl %#x is not answered here", request)
                client.complete(-1, errno.ENOTTY)

    def _pass_on(self, client: Any, request_type: int, request: int, value: int, index: int) -> None:
        """Let the device answer; the program waits meanwhile."""

        def on_done(status: int, _actual: int, _incoming: bytes) -> None:
            client.complete(-1 if status else 0, errno.ENODEV if self._importer.gone else -status)

        self._importer.control(_SETUP.pack(request_type, request, value, index, 0), on_done)

    def _submit(self, client: Any, argument: Any) -> None:
        address = int.from_bytes(argument.retrieve(), "little")
        memory = argument.resolve(0, usbfs.URB_BYTES)
        urb = usbfs.Urb.decode(bytes(memory.retrieve()))
        buffer = memory.resolve(usbfs.URB_BUFFER, urb.length) if urb.length else None
        endpoint, start, setup = urb.endpoint, 0, bytes(usbfs.SETUP_BYTES)
        content = bytes(buffer.retrieve()) if buffer and (urb.kind == usbfs.URB_CONTROL or not endpoint & 0x80) else b""
        if urb.kind == usbfs.URB_CONTROL:
            start, setup = usbfs.SETUP_BYTES, content[: usbfs.SETUP_BYTES]
            endpoint |= setup[0] & 0x80
        flight = _Flight(memory, buffer, start)
        with self._lock:
            opening = self._openings[client]
            opening.flights[address] = flight
        flight.sequence = self._importer.submit(
            endpoint,
            urb.length - start,
            self._ender(opening, address, flight),
            setup=setup,
            outgoing=b"" if endpoint & 0x80 else content[start:],
            flags=urb.flags & usbfs.URB_SHORT_NOT_OK,
        )
        client.complete(0, 0)

    def _ender(self, opening: _Opening, address: int, flight: _Flight) -> Callable[[int, int, bytes], None]:
        def on_done(status: int, actual: int, incoming: bytes) -> None:
            if incoming:
                flight.buffer.update(flight.at, incoming)
            for at, number in usbfs.urb_outcome(status, actual):
                flight.memory.update(at, number)
            with self._lock:
                del opening.flights[address]
                opening.ended.append(flight)
                self._ring()

        return on_done

    def _discard(self, client: Any, address: int) -> None:
        with self._lock:
            flight = self._openings[client].flights.get(address)
        if flight is not None:
            self._importer.unlink(flight.sequence)
        client.complete(*((-1, errno.EINVAL) if flight is None else (0, 0)))

    def _reap(self, client: Any, argument: Any) -> None:
        with self._lock:
            ended = self._openings[client].ended
            flight = ended.popleft() if ended else None
            self._ring()
        if flight is None:
            client.complete(-1, errno.ENODEV if self._importer.gone else errno.EAGAIN)
            return
        argument.resolve(0, usbfs.POINTER_BYTES).set_ptr(0, flight.memory)
        client.complete(0, 0)

    def _ring(self) -> None:
        self._bell.ring(on=any(opening.ended for opening in self._openings.values()))
