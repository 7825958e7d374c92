"""The firmware of an FDU2000: commands on bulk OUT 0x01, acknowledgements on bulk IN 0x81, pictures on bulk IN 0x82.

    00 04 ready    00 01 read: a picture, once after ready    00 05 end: stops one    05 01, 05 00 the lamp, in silence

What it has in its output buffers stays there when a picture is stopped, when a host leaves and over a bus reset.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.bulk_in import BulkIn
from firmware_stubs.frame_scanner.faults import OPTICAL, Fault
from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware, Surroundings
from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed
from firmware_stubs.usbip.device import Transfer

_OUT: Final = 0x01
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
    PICTURE_MS = 120.0
    SERIAL = ""
    FAULTS = OPTICAL | {
        Fault.STALL,
        Fault.SHORT_PACKET,
        Fault.BAD_HEADER,
        Fault.BAD_ANSWER,
        Fault.STALE_BYTES,
        Fault.SLOW_WIRE,
        Fault.UNPLUG,
    }

    def __init__(self, descriptors: Descriptors, surroundings: Surroundings) -> None:
        super().__init__(descriptors, surroundings)
        self._acknowledgements = BulkIn(_PACKET, lambda: None)
        self._pictures = BulkIn(_PACKET, lambda: None)
        self._ready = False

    @classmethod
    def describe(cls, serial: str) -> Descriptors:
        endpoints = (_OUT, _ACKNOWLEDGE, _PICTURE)
        return Descriptors(
            vendor_id=0x1162,
            product_id=0x0300,
            release=0x0100,
            speed=Speed.FULL,
            max_power_ma=300,
            interfaces=(
                Interface(
                    0,
                    (0xFF, 0x00, 0xFF),
                    tuple(Endpoint(address, EndpointKind.BULK, _PACKET, 0) for address in endpoints),
                ),
            ),
            strings=("SecuGen", "USB Sensor", serial),
        )

    def power_on(self) -> None:
        """A bus reset: only the reads end."""
        self._acknowledgements.end_reads()
        self._pictures.end_reads()

    def power_lost(self) -> None:
        self._acknowledgements.drop_packets()
        self._pictures.drop_packets()
        self._ready = False
        self.lit = False

    def queue_transfer(self, transfer: Transfer) -> None:
        if transfer.endpoint == _ACKNOWLEDGE:
            self._acknowledgements.queue(transfer)
        elif transfer.endpoint == _PICTURE:
            self._pictures.queue(transfer)
        else:
            transfer.complete()
            self._obey(transfer.outgoing)
            self._on_change()

    def cancel_transfer(self, transfer: Transfer) -> None:
        self._acknowledgements.cancel(transfer)
        self._pictures.cancel(transfer)

    def _obey(self, command: bytes) -> None:
        match command:
            case b"\0\4":
                self._ready = True
                self._acknowledge(command, 2)
            case b"\0\1":
                self._acknowledge(command, 2)
                if self._ready:
                    self._ready = False
                    self._send_picture()
            case b"\0\5":
                self._ready = False
                self._pictures.keep_packets(_BUFFERED_PACKETS)
                self._acknowledge(command, 6)
            case b"\5\0" | b"\5\1":
                self.lit = bool(command[1])
            case _:
                pass  # what it does not know, it swallows

    def _acknowledge(self, command: bytes, ones: int) -> None:
        wrong = self._faults.take(Fault.BAD_ANSWER)
        self._acknowledgements.send(command + (b"\0" if wrong else b"\1") * ones)

    def _send_picture(self) -> None:
        stream = self._stream(self._expose())
        if self._faults.take(Fault.STALL):
            return
        self.pictures_sent += 1
        self._pictures.send(self._cut(stream, _PACKET), self._duration_s())

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
        self._pictures.send(stream[-int(self._random.integers(1, len(stream))) :])
        self._acknowledgements.send(b"\0\1\1\1")
