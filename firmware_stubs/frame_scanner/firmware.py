"""The half of a picture scanner's firmware that does not depend on its commands."""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import Fault
from firmware_stubs.scanner.bulk_in import BulkIn
from firmware_stubs.scanner.device import ScannerDevice, Surroundings
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed
from firmware_stubs.usbip.device import Setup, Stalled, Transfer

LAMP: Final = "lamp"
_SLOWER: Final = 10


class FrameScannerFirmware(ScannerDevice):
    """One scanner.

    NAME: of --model. SIZE: of its picture, (width, height). FAULTS: what may go wrong with it. PICTURE_MS: usual.
    USB_ID, SPEED, MAX_POWER_MA, INTERFACE_CLASS, STRINGS (manufacturer, product), SERIAL: what it says of itself.
    ENDPOINTS: addresses, all bulk, of packets of PACKET_BYTES.
    """

    NAME: ClassVar[str]
    SIZE: ClassVar[tuple[int, int]]
    FAULTS: ClassVar[frozenset[Enum]]
    PICTURE_MS: ClassVar[float]
    USB_ID: ClassVar[tuple[int, int]]
    SPEED: ClassVar[Speed]
    MAX_POWER_MA: ClassVar[int]
    INTERFACE_CLASS: ClassVar[tuple[int, int, int]]
    STRINGS: ClassVar[tuple[str, str]]
    SERIAL: ClassVar[str] = ""
    ENDPOINTS: ClassVar[tuple[int, ...]]
    PACKET_BYTES: ClassVar[int]

    def __init__(self, serial: str, glass: Glass, surroundings: Surroundings) -> None:
        super().__init__(self._describe(serial), surroundings)
        self._glass = glass
        self._random = np.random.default_rng(surroundings.seed)
        self._pipes = {
            address: BulkIn(self.PACKET_BYTES, self._on_read) for address in self.ENDPOINTS if address & 0x80
        }

    @property
    def lit(self) -> bool:
        """Whether the lamp is on that pictures are taken by."""
        return LAMP in self.outputs

    @property
    def mode(self) -> str:
        return "lit" if self.lit else "off"

    @classmethod
    def _describe(cls, serial: str) -> Descriptors:
        endpoints = tuple(Endpoint(address, EndpointKind.BULK, cls.PACKET_BYTES, 0) for address in cls.ENDPOINTS)
        return Descriptors(
            vendor_id=cls.USB_ID[0],
            product_id=cls.USB_ID[1],
            release=0x0100,
            speed=cls.SPEED,
            max_power_ma=cls.MAX_POWER_MA,
            interfaces=(Interface(0, cls.INTERFACE_CLASS, endpoints),),
            strings=(*cls.STRINGS, serial),
        )

    # UsbDevice

    def power_on(self) -> None:
        """A bus reset: only the transfers end. What waits in the pipes stays."""
        for pipe in self._pipes.values():
            pipe.end_reads()

    def power_lost(self) -> None:
        for pipe in self._pipes.values():
            pipe.drop_packets()
        self.outputs.clear()

    def queue_transfer(self, transfer: Transfer) -> None:
        if transfer.endpoint in self._pipes:
            self._pipes[transfer.endpoint].queue(transfer)
        else:
            self._take_command(transfer)

    def cancel_transfer(self, transfer: Transfer) -> None:
        for pipe in self._pipes.values():
            pipe.cancel(transfer)

    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        answer = self._answer_request(setup, outgoing)
        self._on_change()
        return answer

    def importer_changed(self, *, imported: bool) -> None:
        if imported and self._faults.take(Fault.STALE_BYTES):
            self._leave_stale_bytes()
        self._on_change()

    # what a model adds

    def _on_read(self) -> None:
        """A read has ended."""

    def _take_command(self, transfer: Transfer) -> None:
        """Obey what is written to a bulk OUT endpoint; here refused, for a model that has none."""
        raise NotImplementedError

    def _answer_request(self, setup: Setup, outgoing: bytes) -> bytes:
        """Answer a vendor request. Raises Stalled, here always: most models have none."""
        raise Stalled

    @abstractmethod
    def _leave_stale_bytes(self) -> None:
        """Fill the pipes as a program does that is killed in the middle of a capture."""

    # what a model uses

    def _expose(self) -> NDArray[np.uint8]:
        return self._glass.expose(lit=self.lit)

    def _send(self, endpoint: int, picture: bytes) -> None:
        """Send a picture, or what the faults make of it."""
        if self._faults.take(Fault.STALL):
            return
        self.pictures_sent += 1
        if self._faults.take(Fault.SHORT_PACKET):
            packets = len(picture) // self.PACKET_BYTES // 2
            picture = picture[: packets * self.PACKET_BYTES + self.PACKET_BYTES // 3]
        slower = _SLOWER if self._faults.take(Fault.SLOW_WIRE) else 1
        self._pipes[endpoint].send(picture, self._picture_s * slower)
