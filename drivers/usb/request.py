"""What a backend is asked for and how it ended: the meeting point of the transport and its backends.

pyusb's IBackend knows blocking calls only. A device that must hear an interrupt read while a register is written, and
have a bulk read queued before the write that triggers it, needs requests that are submitted now and completed later.
Both backends here offer `submit` beside the IBackend methods.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from usb.core import USBError

_DIRECTION_IN = 0x80
_SETUP = struct.Struct("<BBHHH")
SETUP_BYTES = _SETUP.size


def usb_error(message: str, code: int | None) -> USBError:
    """A USBError as pyusb's own backends raise it. code: an errno."""
    return USBError(message, None, code)  # type: ignore[no-untyped-call]


class TransferKind(IntEnum):
    """Transfer types by the numbers of USB 2.0, table 9-13 (bmAttributes bits 0-1)."""

    CONTROL = 0
    BULK = 2
    INTERRUPT = 3


@dataclass(frozen=True, slots=True)
class Request:
    """One transfer.

    endpoint: address with the direction bit; 0x80 or 0x00 for control.
    length: bytes wanted (IN) or len(payload) (OUT).
    setup: the 8 bytes of a control request, else empty.
    interval: bInterval of an interrupt endpoint, else 0.
    into: where the bytes of a bulk read go, writable, `length` bytes; nobody else writes there until it has completed.
    """

    kind: TransferKind
    endpoint: int
    length: int
    payload: bytes = b""
    setup: bytes = b""
    interval: int = 0
    into: memoryview | None = None

    @property
    def is_in(self) -> bool:
        return bool(self.endpoint & _DIRECTION_IN)

    @staticmethod
    def control_in(request_type: int, request: int, value: int, index: int, length: int) -> Request:
        setup = _SETUP.pack(request_type | _DIRECTION_IN, request, value, index, length)
        return Request(TransferKind.CONTROL, _DIRECTION_IN, length, setup=setup)

    @staticmethod
    def control_out(request_type: int, request: int, value: int, index: int, payload: bytes) -> Request:
        setup = _SETUP.pack(request_type & ~_DIRECTION_IN, request, value, index, len(payload))
        return Request(TransferKind.CONTROL, 0, len(payload), payload, setup)


@dataclass(frozen=True, slots=True)
class Completion:
    """How a request ended.

    error: an errno, 0 after success; ECANCELED after `cancel`, ENODEV when the device is gone.
    transferred: bytes moved in either direction.
    data: what an IN request brought, also beside an error; a part of the request's `into` where it has one.
    """

    error: int
    transferred: int
    data: memoryview


class Submission(Protocol):
    """A request on its way."""

    def cancel(self) -> None:
        """Ask for an early end; the completion still comes. Thread-safe, idempotent, returns at once."""


class SubmittingBackend(Protocol):
    """The part of pyusb's IBackend that the transport uses, and `submit`. Handles and devices are opaque."""

    def submit(self, dev_handle: Any, request: Request, on_done: Callable[[Completion], None]) -> Submission:
        """Queue a request; on_done runs exactly once, on the backend's thread, and may submit again.

        The request is on its way when this returns. Raises USBError where it cannot be queued.
        """

    def enumerate_devices(self) -> Any: ...

    def get_device_descriptor(self, dev: Any) -> Any: ...

    def get_configuration_descriptor(self, dev: Any, config: int) -> Any: ...

    def get_interface_descriptor(self, dev: Any, intf: int, alt: int, config: int) -> Any: ...

    def open_device(self, dev: Any) -> Any: ...

    def close_device(self, dev_handle: Any) -> None: ...

    def claim_interface(self, dev_handle: Any, intf: int) -> None: ...

    def release_interface(self, dev_handle: Any, intf: int) -> None: ...

    def ctrl_transfer(
        self, dev_handle: Any, bmRequestType: int, bRequest: int, wValue: int, wIndex: int, data: Any, timeout: int
    ) -> int: ...

    def clear_halt(self, dev_handle: Any, ep: int) -> None: ...
