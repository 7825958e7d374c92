"""A USB device as its firmware sees it: transfers come in, answers go out, in any order.

`UsbDevice` answers the standard requests on endpoint 0 from its descriptors (USB 2.0, 9.4) and hands the rest to the
model. Everything runs on the event loop's thread; no method blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from firmware_stubs.usbip.descriptors import CONFIGURATION_VALUE, Descriptors, DescriptorType
from firmware_stubs.usbip.protocol import UrbStatus

_GET_STATUS: Final = 0
_CLEAR_FEATURE: Final = 1
_SET_FEATURE: Final = 3
_GET_DESCRIPTOR: Final = 6
_GET_CONFIGURATION: Final = 8
_SET_CONFIGURATION: Final = 9
_GET_INTERFACE: Final = 10
_SET_INTERFACE: Final = 11
_ENDPOINT_HALT: Final = 0
_PORT_RESET: Final = (0x23, _SET_FEATURE, 4)  # to the hub; USB/IP clients send it to reset the device itself


class Stalled(Exception):
    """The request is refused: the endpoint answers STALL."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The eight bytes that start a control transfer (USB 2.0, 9.3)."""

    request_type: int
    request: int
    value: int
    index: int
    length: int

    @classmethod
    def decode(cls, raw: bytes) -> Setup:
        little = [int.from_bytes(raw[offset : offset + 2], "little") for offset in (2, 4, 6)]
        return cls(raw[0], raw[1], *little)

    @property
    def incoming(self) -> bool:
        return bool(self.request_type & 0x80)

    @property
    def standard(self) -> bool:
        return self.request_type & 0x60 == 0x00

    @property
    def vendor(self) -> bool:
        return self.request_type & 0x60 == 0x40

    @property
    def recipient(self) -> int:
        """0 device, 1 interface, 2 endpoint."""
        return self.request_type & 0x1F


@dataclass(slots=True, eq=False)
class Transfer:
    """One transfer that the host has queued.

    endpoint: address with the direction in bit 7; 0 or 0x80 for control. length: the host's buffer, bytes.
    short_not_ok: an IN transfer that ends early is to be reported as an error.
    """

    endpoint: int
    length: int
    on_done: Callable[[Transfer, int, bytes, int], None] = field(repr=False)
    setup: bytes = b""
    outgoing: bytes = b""
    short_not_ok: bool = False
    done: bool = False

    def complete(self, incoming: bytes = b"", status: int = UrbStatus.OK) -> None:
        """Answer the host; at most once, later calls do nothing."""
        if self.done:
            return
        self.done = True
        if status == UrbStatus.OK and self.short_not_ok and self.endpoint & 0x80 and len(incoming) < self.length:
            status = UrbStatus.SHORT
        sent = 0 if status else len(self.outgoing)
        taken = len(incoming) if self.endpoint & 0x80 else sent
        self.on_done(self, status, incoming, taken)


class UsbDevice(ABC):
    """The half of a device that every model shares."""

    def __init__(self, descriptors: Descriptors) -> None:
        self.descriptors = descriptors
        self._configuration = CONFIGURATION_VALUE

    @abstractmethod
    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        """Answer a class or vendor request: the IN data, empty for OUT. Raises Stalled."""

    @abstractmethod
    def queue_transfer(self, transfer: Transfer) -> None:
        """Take a transfer on one of the model's own endpoints; complete it now or later."""

    @abstractmethod
    def cancel_transfer(self, transfer: Transfer) -> None:
        """Forget a transfer that the host took back; never complete it."""

    @abstractmethod
    def power_on(self) -> None:
        """Return to the state after power-on, with no transfer queued; those queued get SHUTDOWN."""

    def importer_changed(self, *, imported: bool) -> None:  # noqa: B027 - most models need not know
        """A host has taken the device, or given it back."""

    def power_lost(self) -> None:  # noqa: B027 - most models forget all at a reset
        """The cable is out, after `reset`: forget what outlives that."""

    def submit(self, transfer: Transfer) -> None:
        """Take any transfer from the host."""
        if transfer.endpoint & 0x7F == 0:
            self._control(transfer)
        elif self._configuration and self.descriptors.endpoint(transfer.endpoint) is not None:
            self.queue_transfer(transfer)
        else:
            transfer.complete(status=UrbStatus.STALL)

    def reset(self) -> None:
        """Bus reset: power-on state, configured as the exporting host left it."""
        self._configuration = CONFIGURATION_VALUE
        self.power_on()

    def _control(self, transfer: Transfer) -> None:
        setup = Setup.decode(transfer.setup)
        if setup.length and setup.incoming != bool(transfer.endpoint & 0x80):
            transfer.complete(status=UrbStatus.STALL)
            return
        try:
            if (setup.request_type, setup.request, setup.value) == _PORT_RESET:
                self.reset()
                answer = b""
            elif setup.standard:
                answer = self._standard_request(setup)
            else:
                answer = self.vendor_request(setup, transfer.outgoing)
        except Stalled:
            transfer.complete(status=UrbStatus.STALL)
        else:
            transfer.complete(answer[: min(setup.length, transfer.length)])

    def _standard_request(self, setup: Setup) -> bytes:
        match setup.request:
            case n if n == _GET_DESCRIPTOR and setup.incoming:
                return self._descriptor(setup.value >> 8, setup.value & 0xFF)
            case n if n == _GET_STATUS and setup.incoming and setup.recipient <= 2:
                return bytes(2)
            case n if n == _GET_CONFIGURATION and setup.incoming:
                return bytes([self._configuration])
            case n if n == _SET_CONFIGURATION and setup.value in (0, CONFIGURATION_VALUE):
                self._configuration = setup.value
                return b""
            case n if n == _GET_INTERFACE and setup.incoming and self._has_interface(setup.index):
                return b"\0"
            case n if n == _SET_INTERFACE and setup.value == 0 and self._has_interface(setup.index):
                return b""
            case n if n == _CLEAR_FEATURE and setup.recipient == 2 and setup.value == _ENDPOINT_HALT:
                return b""
            case _:
                raise Stalled

    def _has_interface(self, number: int) -> bool:
        return any(interface.number == number for interface in self.descriptors.interfaces)

    def _descriptor(self, kind: int, index: int) -> bytes:
        found: bytes | None = None
        if kind == DescriptorType.DEVICE:
            found = self.descriptors.device()
        elif kind == DescriptorType.CONFIGURATION and index == 0:
            found = self.descriptors.configuration()
        elif kind == DescriptorType.STRING:
            found = self.descriptors.string(index)
        if found is None:
            raise Stalled
        return found
