"""The firmware of an FDU2000: commands on bulk OUT 0x01, acknowledgements on bulk IN 0x81, pictures on bulk IN 0x82.

    00 04 ready    00 01 read: a picture, once after ready    00 05 end: stops one    05 01, 05 00 the lamp, in silence

What it has in its output buffers stays there when a picture is stopped, when a host leaves and over a bus reset.
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
from firmware_stubs.usbip.device import Transfer

_ACKNOWLEDGE: Final = 0x81
_PICTURE: Final = 0x82
_PACKET: Final = 64
_BUFFERED_PACKETS: Final = 8
_MARK: Final = (15, 15, 15, 15, 0, 0)
_LEFT_OVER: Final = 700  # nibbles of nothing before a frame, at most


class Fdu2000Firmware(FrameScannerFirmware):
    """One FDU2000."""

    NAME = "fdu2000"
    SIZE = (398, 301)
    FAULTS = ON_EVERY_WIRE | {Fault.BAD_HEADER, Fault.BAD_ANSWER}
    PICTURE_MS = 120.0
    USB_ID = (0x1162, 0x0300)
    SPEED = Speed.FULL
    MAX_POWER_MA = 300
    INTERFACE_CLASS = (0xFF, 0x00, 0xFF)
    STRINGS = ("SecuGen", "USB Sensor")
    ENDPOINTS = (0x01, _ACKNOWLEDGE, _PICTURE)
    PACKET_BYTES = _PACKET

    def __init__(self, serial: str, glass: Glass, surroundings: Surroundings) -> None:
        super().__init__(serial, glass, surroundings)
        self._ready = False

    def power_lost(self) -> None:
        super().power_lost()
        self._ready = False

    def _take_command(self, transfer: Transfer) -> None:
        transfer.complete()
        self._obey(transfer.outgoing)
        self._on_change()

    def _obey(self, command: bytes) -> None:
        match command:
            case b"\0\4":
                self._ready = True
                self._acknowledge(command, 2)
            case b"\0\1":
                self._acknowledge(command, 2)
                if self._ready:
                    self._ready = False
                    self._send(_PICTURE, self._stream(self._expose()))
            case b"\0\5":
                self._ready = False
                self._pipes[_PICTURE].keep_packets(_BUFFERED_PACKETS)
                self._acknowledge(command, 6)
            case b"\5\0" | b"\5\1":
                self._switch(LAMP, on=bool(command[1]))
            case _:
                pass  # what it does not know, it swallows

    def _acknowledge(self, command: bytes, ones: int) -> None:
        wrong = self._faults.take(Fault.BAD_ANSWER)
        self._pipes[_ACKNOWLEDGE].send(command + (b"\0" if wrong else b"\1") * ones)

    def _stream(self, picture: NDArray[np.uint8]) -> bytes:
        """Nibbles: something left over, the frame's mark, and for each line its mark, its number and its pixels."""
        seen = ~picture[::-1, ::-1]
        height, width = seen.shape
        numbers = np.arange(height)
        lines = np.empty((height, 12 + 2 * width), np.uint8)
        lines[:, :8] = (*_MARK, 11, 6)
        lines[:, 8:12] = np.stack([numbers >> shift & 15 for shift in (12, 8, 4, 0)], axis=1)
        lines[:, 12::2] = seen >> 4
        lines[:, 13::2] = seen & 15
        left_over = self._random.integers(1, 15, int(self._random.integers(0, _LEFT_OVER)), np.uint8)
        mark = (0,) * 8 if self._faults.take(Fault.BAD_HEADER) else (*_MARK, 12, 7)
        stream = left_over.tobytes() + bytes(mark) + lines.tobytes()
        return stream if len(stream) % _PACKET else stream + b"\0"  # it always ends with a packet that is not full

    def _leave_stale_bytes(self) -> None:
        """As if killed between the picture and its end: the rest of it, and an acknowledgement that nobody read."""
        stream = self._stream(self._glass.picture())
        self._pipes[_PICTURE].send(stream[-int(self._random.integers(1, len(stream))) :])
        self._pipes[_ACKNOWLEDGE].send(b"\0\1\1\1")
