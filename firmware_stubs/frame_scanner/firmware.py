"""The half of a picture scanner's firmware that does not depend on its wire."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import Fault
from firmware_stubs.frame_scanner.glass import Glass
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.usbip.descriptors import Descriptors
from firmware_stubs.usbip.device import Setup, Stalled, Transfer, UsbDevice

_SLOWER: Final = 10


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a scanner's electronics are connected to.

    picture_s: seconds that one picture takes on the wire. seed: of what chance decides.
    on_change: called after anything that the state shows. unplug: cuts the cable.
    """

    glass: Glass
    faults: Faults
    picture_s: float
    seed: int
    on_change: Callable[[], None]
    unplug: Callable[[], None]


class FrameScannerFirmware(UsbDevice):
    """One scanner. All methods run on the event loop's thread.

    NAME: of --model. SIZE: of its picture, (width, height). FAULTS: what may go wrong with it. PICTURE_MS: usual.
    """

    NAME: ClassVar[str]
    SIZE: ClassVar[tuple[int, int]]
    FAULTS: ClassVar[frozenset[Fault]]
    PICTURE_MS: ClassVar[float]
    SERIAL: ClassVar[str] = ""

    def __init__(self, descriptors: Descriptors, surroundings: Surroundings) -> None:
        super().__init__(descriptors)
        self.pictures_sent = 0
        self.lit = False
        self._glass = surroundings.glass
        self._faults = surroundings.faults
        self._picture_s = surroundings.picture_s
        self._random = np.random.default_rng(surroundings.seed)
        self._on_change = surroundings.on_change
        self._unplug = surroundings.unplug

    @classmethod
    @abstractmethod
    def describe(cls, serial: str) -> Descriptors:
        """What a unit with this serial number says of itself."""

    @abstractmethod
    def power_lost(self) -> None:
        """The cable is out: forget everything."""

    def submit(self, transfer: Transfer) -> None:
        standard = transfer.endpoint & 0x7F == 0 and Setup.decode(transfer.setup).standard
        if not standard and self._faults.take(Fault.UNPLUG):
            asyncio.get_running_loop().call_soon(self._unplug)  # once the server has noted this transfer
            return
        super().submit(transfer)

    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        answer = self._answer_request(setup, outgoing)
        self._on_change()
        return answer

    def _answer_request(self, setup: Setup, outgoing: bytes) -> bytes:
        """Answer a vendor request. Raises Stalled, here always: most models have none."""
        raise Stalled

    def importer_changed(self, *, imported: bool) -> None:
        if imported and self._faults.take(Fault.STALE_BYTES):
            self._leave_stale_bytes()
        self._on_change()

    @abstractmethod
    def _leave_stale_bytes(self) -> None:
        """Fill the pipes as a program does that is killed in the middle of a capture."""

    def _expose(self) -> NDArray[np.uint8]:
        return self._glass.expose(lit=self.lit)

    def _duration_s(self) -> float:
        return self._picture_s * (_SLOWER if self._faults.take(Fault.SLOW_WIRE) else 1)

    def _cut(self, message: bytes, packet_bytes: int) -> bytes:
        """The message, or its first half ended by a packet that is not full."""
        if not self._faults.take(Fault.SHORT_PACKET):
            return message
        packets = len(message) // packet_bytes // 2
        return message[: packets * packet_bytes + packet_bytes // 3]
