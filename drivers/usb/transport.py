"""A claimed USB interface: register access, queued reads, and one interrupt read that is always pending.

One thread, the device's worker, calls it. Requests complete on the backend's thread, which only notes the result, sends
the next interrupt read, and wakes the worker. Foreign exceptions stop here.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from usb.core import USBError

from drivers.errors import (
    CaptureCancelled,
    DeviceAccessDenied,
    DeviceBusy,
    DeviceError,
    DeviceGone,
    DeviceNotFound,
    DeviceStalled,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.spi import CancelToken
from drivers.traffic import TRAFFIC_LEVEL, traffic
from drivers.usb.request import Completion, Request, Submission, SubmittingBackend, TransferKind

CONTROL_TIMEOUT_S = 5.0
_CANCEL_GRACE_S = 1.0  # for a backend to give a cancelled request back
_CANCEL_SLICE_S = 0.05  # how often a waiting call looks at its token; callbacks would pile up on a long-lived one
_MAX_INTERRUPTS = 64  # unread ones; a chattering device loses its oldest


_logger = logging.getLogger(__name__)

_ERROR_OF_ERRNO: dict[int, tuple[type[DeviceError], str]] = {
    errno.ENODEV: (DeviceGone, "the device is gone"),
    errno.ENXIO: (DeviceGone, "the device is gone"),
    errno.ENOENT: (DeviceNotFound, "no such device or interface"),
    errno.ECONNREFUSED: (DeviceNotFound, "nothing answers at this address"),
    errno.EHOSTUNREACH: (DeviceNotFound, "the host cannot be reached"),
    errno.ENETUNREACH: (DeviceNotFound, "the host cannot be reached"),
    errno.EBUSY: (DeviceBusy, "another program holds the device"),
    errno.EACCES: (DeviceAccessDenied, "no permission to open the device"),
    errno.EPERM: (DeviceAccessDenied, "no permission to open the device"),
    errno.EBADMSG: (ProtocolViolation, "the USB/IP server broke its protocol"),
    errno.EOVERFLOW: (ProtocolViolation, "the device sent more than was asked"),
    errno.ETIMEDOUT: (DeviceStalled, "the device did not answer in time"),
    errno.EPIPE: (DeviceStalled, "the device refused the request"),
}


def device_error(code: int | None, doing: str) -> DeviceError:
    """Put an errno into our words. doing: what was asked, for the message. Unknown numbers are DeviceStalled."""
    kind, sentence = _ERROR_OF_ERRNO.get(code or 0, (DeviceStalled, "the request failed on the wire"))
    return kind(f"{doing}: {sentence}", errno=code or 0)


@contextlib.contextmanager
def foreign_errors(doing: str) -> Iterator[None]:
    """Turn what pyusb raises into a DeviceError."""
    try:
        yield
    except NotImplementedError as error:  # pyusb's word for LIBUSB_ERROR_NOT_SUPPORTED
        raise UnsupportedDevice(f"{doing}: the operating system has no driver for this") from error
    except USBError as error:
        raise device_error(error.errno, doing) from error


class UsbTransport:
    """One interface of an open device; closes the device at the end.

    Raises DeviceBusy, DeviceAccessDenied or another DeviceError on construction, and leaves the handle open then.
    """

    def __init__(self, backend: SubmittingBackend, dev_handle: Any, interface: int) -> None:
        self._backend = backend
        self._interface = interface
        self._changed = threading.Condition()
        self._outstanding: set[PendingTransfer] = set()
        self._interrupts: deque[bytes] = deque(maxlen=_MAX_INTERRUPTS)
        self._listening = False
        self._interrupt_error = 0
        self._gone = False
        self._closing = False
        self._opened_by = threading.current_thread().name
        with foreign_errors("claim"):
            backend.claim_interface(dev_handle, interface)
        self._handle = dev_handle
        # An exit with a read pending would have libusb's handle closed under it.
        atexit.register(self.close)

    def control_in(
        self,
        request: int,
        value: int,
        index: int,
        length: int,
        *,
        timeout_s: float = CONTROL_TIMEOUT_S,
        cancel: CancelToken | None = None,
    ) -> bytes:
        """Vendor request to the device, data inwards. May return fewer bytes than length."""
        pending = self._submit(Request.control_in(0xC0, request, value, index, length), "control read", value)
        return bytes(pending.result(timeout_s, cancel).data)

    def control_out(
        self,
        request: int,
        value: int,
        index: int,
        payload: bytes,
        *,
        timeout_s: float = CONTROL_TIMEOUT_S,
        cancel: CancelToken | None = None,
    ) -> None:
        """Vendor request to the device, data outwards. Raises ProtocolViolation for a short write."""
        written = self.queue_control_out(request, value, index, payload).result(timeout_s, cancel).transferred
        if written != len(payload):
            raise ProtocolViolation("the device took only a part of a write", written=written, length=len(payload))

    def queue_control_out(self, request: int, value: int, index: int, payload: bytes) -> PendingTransfer:
        """As control_out, without waiting for it."""
        return self._submit(Request.control_out(0x40, request, value, index, payload), "control write", value)

    def queue_read(self, endpoint: int, length: int) -> PendingTransfer:
        """Queue a bulk read; it is on its way when this returns. length: a multiple of the packet size."""
        return self._submit(Request(TransferKind.BULK, endpoint, length), "bulk read")

    def queue_write(self, endpoint: int, payload: bytes) -> PendingTransfer:
        """Queue a bulk write; it is on its way when this returns."""
        return self._submit(Request(TransferKind.BULK, endpoint, len(payload), payload), "bulk write")

    def queue_read_into(
        self, endpoint: int, into: memoryview, on_done: Callable[[Completion], None]
    ) -> PendingTransfer:
        """Queue a bulk read that fills the caller's buffer. on_done runs on the backend's thread and may queue more."""
        pending = PendingTransfer(self, Request(TransferKind.BULK, endpoint, len(into), into=into), "bulk read")

        def note_and_tell(completion: Completion) -> None:
            pending.complete(completion)
            on_done(completion)

        self._start(pending, note_and_tell)
        return pending

    def listen(self, endpoint: int, length: int, interval: int) -> None:
        """Keep one interrupt read pending from now on. Idempotent; starts again after an error."""
        with self._changed:
            if self._listening:
                return
            self._listening = True
            self._interrupt_error = 0
        self._read_interrupt(Request(TransferKind.INTERRUPT, endpoint, length, interval=interval))

    def next_interrupt(self, timeout_s: float, cancel: CancelToken | None = None) -> bytes | None:
        """The oldest unread interrupt packet; None when none came in time. Raises what ended the listening."""
        arrived = self._wait(lambda: bool(self._interrupts) or self._interrupt_error != 0, timeout_s, cancel)
        with self._changed:
            if self._interrupts:
                return self._interrupts.popleft()
            if arrived:
                raise device_error(self._interrupt_error, "interrupt read")
        return None

    def drop_interrupts(self) -> None:
        """Forget the unread interrupts."""
        with self._changed:
            self._interrupts.clear()

    def pause(self, seconds: float, cancel: CancelToken | None = None) -> None:
        """Wait; ends early with DeviceGone or CaptureCancelled."""
        self._wait(lambda: self._gone, seconds, cancel)
        if self._gone:
            raise device_error(errno.ENODEV, "wait")

    def close(self) -> None:
        """Take every request back, release the interface, close the device. Never raises; idempotent."""
        atexit.unregister(self.close)
        with self._changed:
            if self._closing:
                return
            self._closing = True
            outstanding = list(self._outstanding)
        for pending in outstanding:
            pending.cancel()
        if not self._wait(lambda: not self._outstanding, _CANCEL_GRACE_S):
            _logger.warning("%d USB requests were not given back", len(self._outstanding))
        try:
            self._backend.release_interface(self._handle, self._interface)
        except (USBError, NotImplementedError) as error:
            _logger.debug("a device that is gone needs no release: %s", error)
        self._backend.close_device(self._handle)

    def _submit(self, request: Request, doing: str, register: int | None = None) -> PendingTransfer:
        pending = PendingTransfer(self, request, doing, register)
        self._start(pending, pending.complete)
        return pending

    def _start(self, pending: PendingTransfer, on_done: Callable[[Completion], None]) -> None:
        with self._changed:
            if self._ended():
                raise device_error(errno.ENODEV, pending.doing)
            self._outstanding.add(pending)
        try:
            with foreign_errors(pending.doing):
                pending.submission = self._backend.submit(self._handle, pending.request, on_done)
        except DeviceError as error:
            with self._changed:
                self._outstanding.discard(pending)
                if isinstance(error, DeviceGone):
                    self._gone = True
            raise
        if self._ended():  # `close` may have looked at it before there was anything to cancel
            pending.cancel()

    def _ended(self) -> bool:
        return self._gone or self._closing

    def _read_interrupt(self, request: Request) -> None:
        """Submit the interrupt read; each one that succeeds submits the next, on the backend's thread."""
        pending = PendingTransfer(self, request, "interrupt read")

        def on_done(completion: Completion) -> None:
            packet = bytes(completion.data)
            if completion.error == 0:
                self._read_interrupt(request)  # first of all: the device must never find no read waiting
            else:
                self._stop_listening(completion.error)
            with self._changed:
                if packet:
                    self._interrupts.append(packet)
            pending.complete(completion)

        try:
            self._start(pending, on_done)
        except DeviceError as error:
            self._stop_listening(int(error.facts.get("errno", errno.EIO)))

    def _stop_listening(self, error: int) -> None:
        with self._changed:
            self._listening = False
            self._interrupt_error = error
            self._changed.notify_all()

    def _wait(self, done: Callable[[], bool], timeout_s: float, cancel: CancelToken | None = None) -> bool:
        """Wait until done() or the time is up; return done(). Raises CaptureCancelled."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                if done():
                    return True
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(remaining if cancel is None else min(remaining, _CANCEL_SLICE_S))

    def note(self, pending: PendingTransfer, completion: Completion) -> None:
        """Record how a request ended; called on the backend's thread."""
        if traffic.isEnabledFor(TRAFFIC_LEVEL):
            self._log_traffic(pending, completion)
        with self._changed:
            pending.completion = completion
            self._outstanding.discard(pending)
            self._gone = self._gone or completion.error == errno.ENODEV
            self._changed.notify_all()

    def _log_traffic(self, pending: PendingTransfer, completion: Completion) -> None:
        """Say what moved and how long it took; never its content, but for a command of one byte to the device."""
        request = pending.request
        elapsed_s = time.monotonic() - pending.begun_s
        kind = request.kind.name.lower()
        where = f"{request.endpoint:#04x}"
        if pending.register is not None:
            name = pending.register.name if isinstance(pending.register, Enum) else f"{pending.register:#06x}"
            where = f"request {request.setup[1]:#04x} {name}"
            if len(request.payload) == 1:
                where += f" = {request.payload[0]:#04x}"
        direction = "in" if request.is_in else "out"
        outcome = "ok" if completion.error == 0 else errno.errorcode.get(completion.error, str(completion.error))
        traffic.log(
            TRAFFIC_LEVEL,
            "%s %s %s %d of %d bytes, %.2f ms, %s",
            *(direction, kind, where, completion.transferred, request.length),
            *(1000 * elapsed_s, outcome),
            extra={"opened_by": self._opened_by, "direction": direction, "kind": kind, "elapsed_s": elapsed_s},
        )

    def await_end(self, pending: PendingTransfer, timeout_s: float, cancel: CancelToken | None) -> Completion | None:
        """Wait for a request; past its time take it back, and return what it brought all the same, if anything."""
        try:
            if not self._wait(lambda: pending.completion is not None, timeout_s, cancel):
                pending.cancel()
                self._wait(lambda: pending.completion is not None, _CANCEL_GRACE_S, cancel)
        except CaptureCancelled:
            pending.cancel()
            raise
        return pending.completion

    def unhalt(self, endpoint: int) -> None:
        """Clear a halted bulk endpoint, as far as the device lets us."""
        try:
            self._backend.clear_halt(self._handle, endpoint)
        except (USBError, NotImplementedError) as error:
            _logger.debug("clear_halt of endpoint %#04x: %s", endpoint, error)


class PendingTransfer:
    """A request on its way, and then its end."""

    def __init__(self, transport: UsbTransport, request: Request, doing: str, register: int | None = None) -> None:
        self.request = request
        self.doing = doing
        self.register = register
        self.begun_s = time.monotonic()
        self.submission: Submission | None = None
        self.completion: Completion | None = None
        self._transport = transport
        self._cancelled = False

    def cancel(self) -> None:
        """Take the request back, without waiting for that. Idempotent."""
        if self.submission is not None and self.completion is None and not self._cancelled:
            self._cancelled = True
            self.submission.cancel()

    def complete(self, completion: Completion) -> None:
        self._transport.note(self, completion)

    def result(self, timeout_s: float, cancel: CancelToken | None = None) -> Completion:
        """Wait for a successful end. Raises DeviceStalled past the time limit, CaptureCancelled or a DeviceError."""
        completion = self._transport.await_end(self, timeout_s, cancel)
        if completion is None or completion.error == errno.ECANCELED:
            raise device_error(errno.ETIMEDOUT, self.doing)
        if completion.error == errno.EPIPE and self.request.kind is TransferKind.BULK:
            self._transport.unhalt(self.request.endpoint)
        if completion.error:
            raise device_error(completion.error, self.doing)
        return completion
