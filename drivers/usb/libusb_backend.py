"""libusb through pyusb, with requests that are submitted and cancelled.

pyusb wraps libusb's blocking calls, which cannot be cancelled, and closing a handle under a blocked read aborts the
process. `LibusbBackend` therefore adds libusb's asynchronous interface for control, bulk and interrupt requests, and
passes everything else on to pyusb. Source: libusb 1.0 API, "Asynchronous device I/O" and "Multi-threaded applications".
"""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import libusb_package
import usb.backend.libusb1

from drivers.usb.request import SETUP_BYTES, Completion, Request, TransferKind, usb_error

_logger = logging.getLogger(__name__)

_EVENT_SLICE_S = 1  # an upper limit only: closing interrupts the wait

# enum libusb_transfer_status
_ERRNO_OF_STATUS = {
    0: 0,
    1: errno.EIO,
    2: errno.ETIMEDOUT,
    3: errno.ECANCELED,
    4: errno.EPIPE,
    5: errno.ENODEV,
    6: errno.EOVERFLOW,
}
# enum libusb_error
_ERRNO_OF_ERROR = {
    -1: errno.EIO,
    -2: errno.EINVAL,
    -3: errno.EACCES,
    -4: errno.ENODEV,
    -5: errno.ENOENT,
    -6: errno.EBUSY,
    -7: errno.ETIMEDOUT,
    -8: errno.EOVERFLOW,
    -9: errno.EPIPE,
    -10: errno.EINTR,
    -11: errno.ENOMEM,
    -12: errno.ENOSYS,
}

_TransferCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Transfer(ctypes.Structure):
    """struct libusb_transfer, without its tail of isochronous packets."""

    _fields_ = (
        ("dev_handle", ctypes.c_void_p),
        ("flags", ctypes.c_uint8),
        ("endpoint", ctypes.c_ubyte),
        ("type", ctypes.c_ubyte),
        ("timeout", ctypes.c_uint),
        ("status", ctypes.c_int),
        ("length", ctypes.c_int),
        ("actual_length", ctypes.c_int),
        ("callback", ctypes.c_void_p),
        ("user_data", ctypes.c_void_p),
        ("buffer", ctypes.c_void_p),
        ("num_iso_packets", ctypes.c_int),
    )


class _TimeValue(ctypes.Structure):
    """struct timeval."""

    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


@dataclass(frozen=True, slots=True)
class _Flight:
    """What must outlive a transfer that libusb holds."""

    pointer: int
    request: Request
    buffer: bytearray | memoryview
    pinned: Any
    on_done: Callable[[Completion], None]


class _Handle:
    """An open device with its event thread. `handle` and `devid` are what pyusb looks at."""

    def __init__(self, inner: Any, backend: LibusbBackend) -> None:
        self.handle = inner.handle
        self.devid = inner.devid
        self.closing = threading.Event()
        self.events = threading.Thread(
            target=backend.handle_events, args=(self.closing,), name="libusb-events", daemon=True
        )
        self.events.start()


class LibusbBackend:
    """pyusb's libusb 1.0 backend, plus `submit`. One for the process."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._flights: dict[int, _Flight] = {}
        self._keys = itertools.count(1)
        self._callback = _TransferCallback(self._complete)
        # Indexing a CDLL makes a function object of our own, so pyusb's prototypes stay as they are.
        library = inner.lib
        self._alloc = library["libusb_alloc_transfer"]
        self._alloc.argtypes = [ctypes.c_int]
        self._alloc.restype = ctypes.c_void_p
        self._free, self._submit, self._cancel = (
            library[name] for name in ("libusb_free_transfer", "libusb_submit_transfer", "libusb_cancel_transfer")
        )
        for function in (self._free, self._submit, self._cancel):
            function.argtypes = [ctypes.c_void_p]
        self._free.restype = None
        self._handle_events = library["libusb_handle_events_timeout_completed"]
        self._handle_events.argtypes = [ctypes.c_void_p, ctypes.POINTER(_TimeValue), ctypes.c_void_p]
        self._interrupt_events = library["libusb_interrupt_event_handler"]
        self._interrupt_events.argtypes = [ctypes.c_void_p]
        self._interrupt_events.restype = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open_device(self, dev: Any) -> Any:
        return _Handle(self._inner.open_device(dev), self)

    def close_device(self, dev_handle: Any) -> None:
        """Close; every request of this handle must have completed before."""
        dev_handle.closing.set()
        self.interrupt_events()
        dev_handle.events.join()
        self._inner.close_device(dev_handle)

    def submit(self, dev_handle: Any, request: Request, on_done: Callable[[Completion], None]) -> _LibusbSubmission:
        body = request.setup + request.payload
        padded_to = len(request.setup) + request.length
        buffer = bytearray(body.ljust(padded_to, b"\0")) if request.into is None else request.into
        pinned = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        pointer = self._alloc(0)
        if not pointer:
            raise usb_error("no memory for a transfer", errno.ENOMEM)
        key = next(self._keys)
        transfer = _Transfer.from_address(pointer)
        transfer.dev_handle = dev_handle.handle
        transfer.endpoint = 0 if request.kind is TransferKind.CONTROL else request.endpoint
        transfer.type = request.kind
        transfer.timeout = 0  # time limits are the transport's, by cancel
        transfer.length = len(buffer)
        transfer.callback = ctypes.cast(self._callback, ctypes.c_void_p)
        transfer.user_data = key
        transfer.buffer = ctypes.addressof(pinned)
        with self._lock:
            self._flights[key] = _Flight(pointer, request, buffer, pinned, on_done)
        status = self._submit(pointer)
        if status < 0:
            with self._lock:
                del self._flights[key]
            self._free(pointer)
            raise usb_error("submit refused", _ERRNO_OF_ERROR.get(status, errno.EIO))
        return _LibusbSubmission(self, key)

    def cancel(self, key: int) -> None:
        with self._lock:  # held, so that the transfer is not freed meanwhile
            flight = self._flights.get(key)
            if flight is not None:
                self._cancel(flight.pointer)

    def _complete(self, pointer: int) -> None:
        transfer = _Transfer.from_address(pointer)
        error = _ERRNO_OF_STATUS.get(transfer.status, errno.EIO)
        transferred = max(0, transfer.actual_length)
        with self._lock:
            flight = self._flights.pop(transfer.user_data)
            self._free(pointer)
        start = SETUP_BYTES if flight.request.kind is TransferKind.CONTROL else 0
        arrived = transferred if flight.request.is_in else 0
        flight.on_done(Completion(error, transferred, memoryview(flight.buffer)[start : start + arrived]))

    def interrupt_events(self) -> None:
        """Have threads in `handle_events` look whether they are to close."""
        self._interrupt_events(self._inner.ctx)

    def handle_events(self, closing: threading.Event) -> None:
        """Complete requests and tell of hotplug until closing is set; the body of an event thread."""
        limit = _TimeValue(_EVENT_SLICE_S, 0)
        while not closing.is_set():
            status = self._handle_events(self._inner.ctx, ctypes.byref(limit), None)
            if status < 0 and _ERRNO_OF_ERROR.get(status) != errno.EINTR:
                _logger.warning("libusb event handling failed with %d", status)
                closing.wait(0.1)


class _LibusbSubmission:
    """The key of a transfer, never its pointer: a late cancel must find nothing."""

    def __init__(self, backend: LibusbBackend, key: int) -> None:
        self._backend = backend
        self._key = key

    def cancel(self) -> None:
        self._backend.cancel(self._key)


@functools.cache
def libusb_backend() -> LibusbBackend | None:
    """The system's libusb, else the one in the libusb-package wheel; None without either."""
    inner = usb.backend.libusb1.get_backend() or usb.backend.libusb1.get_backend(libusb_package.find_library)  # type: ignore[no-untyped-call]
    return None if inner is None else LibusbBackend(inner)
