"""The firmware of a ZK4500: vendor requests 40 E1 (switch an output) and 40 E5 (ask for a picture), bulk IN 0x82.

A request sends the picture that is in the buffer, and then takes the next one into it: the first after a pause shows
the platen as it was. The buffer survives everything but the loss of power.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import ON_EVERY_WIRE, Fault
from firmware_stubs.frame_scanner.firmware import LAMP, FrameScannerFirmware
from firmware_stubs.scanner.device import Surroundings
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.usbip.descriptors import Speed
from firmware_stubs.usbip.device import Setup, Stalled

_IN: Final = 0x82
_PACKET: Final = 512
_SWITCH: Final = 225
_ASK: Final = 229
_OUTPUTS: Final = ("led-green", "led-red", "beeper", LAMP)


class Zk4500Firmware(FrameScannerFirmware):
    """One ZK4500."""

    NAME = "zk4500"
    SIZE = (640, 480)
    FAULTS = ON_EVERY_WIRE | {Fault.REFUSED}
    PICTURE_MS = 60.0
    USB_ID = (0x1B55, 0x0840)
    SPEED = Speed.HIGH
    MAX_POWER_MA = 200
    INTERFACE_CLASS = (0xFF, 0xFF, 0xFF)
    STRINGS = ("ZKTeco Inc.", "ZK4500")
    SERIAL = "4500170300001"
    ENDPOINTS = (_IN,)
    PACKET_BYTES = _PACKET

    def __init__(self, serial: str, glass: Glass, surroundings: Surroundings) -> None:
        super().__init__(serial, glass, surroundings)
        self._buffer: NDArray[np.uint8] | None = None

    def power_lost(self) -> None:
        super().power_lost()
        self._buffer = None

    def _answer_request(self, setup: Setup, outgoing: bytes) -> bytes:
        match (setup.request_type, setup.request, setup.value, setup.index, outgoing):
            case (0x40, n, 0 | 1, output, b"") if n == _SWITCH and output < len(_OUTPUTS):
                self._switch(_OUTPUTS[output], on=bool(setup.value))
            case (0x40, n, 0, 0, b"") if n == _ASK and not self._faults.take(Fault.REFUSED):
                old = self._expose() if self._buffer is None else self._buffer
                self._buffer = self._expose()
                self._send(_IN, old.tobytes())
            case _:
                raise Stalled
        return b""

    def _leave_stale_bytes(self) -> None:
        packets = int(self._random.integers(1, 600))
        self._pipes[_IN].send(self._glass.picture().tobytes()[-packets * _PACKET :])
