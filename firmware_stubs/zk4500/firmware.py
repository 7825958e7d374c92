"""The firmware of a ZK4500: vendor requests 40 E1 (switch an output) and 40 E5 (ask for a picture), bulk IN 0x82.

A request sends the picture that is in the buffer, and then takes the next one into it: the first after a pause shows
the platen as it was. The buffer survives everything but the loss of power.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.bulk_in import BulkIn
from firmware_stubs.frame_scanner.faults import OPTICAL, Fault
from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware, Surroundings
from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed
from firmware_stubs.usbip.device import Setup, Stalled, Transfer

_IN: Final = 0x82
_PACKET: Final = 512
_SWITCH: Final = 225
_ASK: Final = 229
_WHITE: Final = 3
_OUTPUTS: Final = 4


class Zk4500Firmware(FrameScannerFirmware):
    """One ZK4500."""

    NAME = "zk4500"
    SIZE = (640, 480)
    PICTURE_MS = 60.0
    SERIAL = "4500170300001"
    FAULTS = OPTICAL | {
        Fault.STALL,
        Fault.SHORT_PACKET,
        Fault.REFUSED,
        Fault.STALE_BYTES,
        Fault.SLOW_WIRE,
        Fault.UNPLUG,
    }

    def __init__(self, descriptors: Descriptors, surroundings: Surroundings) -> None:
        super().__init__(descriptors, surroundings)
        self._pipe = BulkIn(_PACKET, lambda: None)
        self._on = [False] * _OUTPUTS
        self._buffer: NDArray[np.uint8] | None = None

    @classmethod
    def describe(cls, serial: str) -> Descriptors:
        return Descriptors(
            vendor_id=0x1B55,
            product_id=0x0840,
            release=0x0100,
            speed=Speed.HIGH,
            max_power_ma=200,
            interfaces=(Interface(0, (0xFF, 0xFF, 0xFF), (Endpoint(_IN, EndpointKind.BULK, _PACKET, 0),)),),
            strings=("ZKTeco Inc.", "ZK4500", serial),
        )

    def power_on(self) -> None:
        """A bus reset: only the reads end."""
        self._pipe.end_reads()

    def power_lost(self) -> None:
        self._pipe.drop_packets()
        self._on = [False] * _OUTPUTS
        self._buffer = None
        self.lit = False

    def queue_transfer(self, transfer: Transfer) -> None:
        self._pipe.queue(transfer)

    def cancel_transfer(self, transfer: Transfer) -> None:
        self._pipe.cancel(transfer)

    def _answer_request(self, setup: Setup, outgoing: bytes) -> bytes:
        match (setup.request_type, setup.request, setup.value, setup.index, outgoing):
            case (0x40, n, 0 | 1, output, b"") if n == _SWITCH and output < _OUTPUTS:
                self._on[output] = bool(setup.value)
                self.lit = self._on[_WHITE]
            case (0x40, n, 0, 0, b"") if n == _ASK and not self._faults.take(Fault.REFUSED):
                self._send_picture()
            case _:
                raise Stalled
        return b""

    def _send_picture(self) -> None:
        old = self._expose() if self._buffer is None else self._buffer
        self._buffer = self._expose()
        if self._faults.take(Fault.STALL):
            return
        self.pictures_sent += 1
        self._pipe.send(self._cut(old.tobytes(), _PACKET), self._duration_s())

    def _leave_stale_bytes(self) -> None:
        packets = int(self._random.integers(1, 600))
        self._pipe.send(self._glass.picture().tobytes()[-packets * _PACKET :])
