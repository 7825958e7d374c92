"""The firmware: commands on bulk OUT 0x02, all answers on bulk IN 0x83.

    80 38 ss 00 08 00 00 00                       -> 80 37 ss 00, 16 bytes, presence at 12
    80 0D ss 00 0C 00 00 00 | 00 04 00 00         -> 80 20 ss 00, 16 bytes
    80 12 ss 00 20 00 00 00 | 02 .. 20 00 00 00   -> 80 20 ss 00, 16 bytes, 03 at 12; then 90 times
                                                     80 21 00 00, 540 bytes: row number at 16, two rows from 25

Three things are assumed, since no recording shows them: a command that is none of these is swallowed; a command waits
while the pipe holds anything; and the pipe keeps what it holds when a host leaves, until the cable is out.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from firmware_stubs.nb1010.faults import Fault
from firmware_stubs.nb1010.sensor import HEIGHT, Sensor
from firmware_stubs.scanner.bulk_in import BulkIn
from firmware_stubs.scanner.device import ScannerDevice, Surroundings
from firmware_stubs.usbip.descriptors import Descriptors, Endpoint, EndpointKind, Interface, Speed
from firmware_stubs.usbip.device import Setup, Stalled, Transfer
from firmware_stubs.usbip.protocol import UrbStatus

_INTERRUPT_IN: Final = 0x81  # described, and never used
_BULK_OUT: Final = 0x02
_BULK_IN: Final = 0x83

_PACKET_BYTES: Final = 64
_ANSWER_LENGTH: Final = 16
_ROWS_LENGTH: Final = 540
_ANSWER_S: Final = 0.001
_SLOWER: Final = 10
_MESSAGES_OF_AN_IMAGE: Final = HEIGHT // 2
_BABBLE: Final = 16  # messages that are put in front of a host that reads


def describe(serial: str) -> Descriptors:
    """What a unit says of itself. serial: "" as on the real ones."""
    return Descriptors(
        vendor_id=0x298D,
        product_id=0x1010,
        release=0x0001,
        speed=Speed.FULL,
        max_power_ma=100,
        interfaces=(
            Interface(
                0,
                (0x00, 0x00, 0x00),
                (
                    Endpoint(_INTERRUPT_IN, EndpointKind.INTERRUPT, 4, 5),
                    Endpoint(_BULK_OUT, EndpointKind.BULK, _PACKET_BYTES, 0),
                    Endpoint(_BULK_IN, EndpointKind.BULK, _PACKET_BYTES, 0),
                ),
            ),
        ),
        strings=("NEXT Biometrics", "NB-1010-U", serial),
    )


class Nb1010(ScannerDevice):
    """One scanner. A picture takes its time for the 90 messages of its rows."""

    def __init__(self, serial: str, sensor: Sensor, surroundings: Surroundings) -> None:
        super().__init__(describe(serial), surroundings)
        self.polls = 0
        self._sensor = sensor
        self._message_s = surroundings.picture_s / _MESSAGES_OF_AN_IMAGE
        self._random = np.random.default_rng(surroundings.seed)
        self._pipe = BulkIn(_PACKET_BYTES, self._on_read)
        self._commands: deque[Transfer] = deque()
        self._idle: list[Transfer] = []
        self._babbling = False

    @property
    def mode(self) -> str:
        """None: it does not know what it is asked for."""
        return ""

    # UsbDevice

    def power_on(self) -> None:
        """A bus reset: only the transfers end; what waits in the pipe stays."""
        self._pipe.end_reads()
        waiting, self._commands, self._idle = [*self._commands, *self._idle], deque(), []
        for transfer in waiting:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def power_lost(self) -> None:
        """The cable is out: forget everything."""
        self._babbling = False
        self._pipe.drop_packets()

    def importer_changed(self, *, imported: bool) -> None:
        if imported and self._faults.take(Fault.STALE_BYTES):
            self._leave_stale_bytes()
        if imported and self._faults.take(Fault.BABBLE):
            self._babbling = True
            self._babble()
        if not imported and self._babbling:
            self._babbling = False
            self._pipe.drop_packets()
        self._on_change()

    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        raise Stalled

    def submit(self, transfer: Transfer) -> None:
        if transfer.endpoint & 0x7F and self._faults.take(Fault.REFUSED):
            transfer.complete(status=UrbStatus.STALL)
        else:
            super().submit(transfer)

    def queue_transfer(self, transfer: Transfer) -> None:
        if transfer.endpoint == _BULK_IN:
            self._pipe.queue(transfer)
        elif transfer.endpoint == _BULK_OUT:
            self._commands.append(transfer)
            self._take_commands()
        else:
            self._idle.append(transfer)

    def cancel_transfer(self, transfer: Transfer) -> None:
        if transfer in self._commands:
            self._commands.remove(transfer)
        if transfer in self._idle:
            self._idle.remove(transfer)
        self._pipe.cancel(transfer)

    # commands

    def _on_read(self) -> None:
        if self._babbling:
            self._babble()
        self._take_commands()

    def _take_commands(self) -> None:
        while self._commands and self._pipe.empty:
            transfer = self._commands.popleft()
            transfer.complete()
            self._obey(transfer.outgoing)
            self._on_change()

    def _obey(self, command: bytes) -> None:
        if len(command) < 8 or command[0] != 0x80 or int.from_bytes(command[4:8], "little") != len(command):
            return
        sequence, body = command[2], command[8:]
        match command[1]:
            case 0x38 if not body:
                self.polls += 1
                self._send(_answer(0x37, sequence, self._sensor.presence()), _ANSWER_S)
            case 0x0D if len(body) == 4:
                self._send(_answer(0x20, sequence, 0), _ANSWER_S)
            case 0x12 if len(body) == 24:
                self._capture(sequence)
            case _:
                pass

    def _capture(self, sequence: int) -> None:
        if not self._send(_answer(0x20, sequence, 3), _ANSWER_S):
            return
        picture = self._sensor.expose()
        for number in range(0, HEIGHT, 2):
            lost = self._faults.take(Fault.LOST_ROWS)
            if not lost and not self._send(_rows(number, picture[number : number + 2].tobytes()), self._message_s):
                return
        self.pictures_sent += 1

    def _send(self, message: bytes, duration_s: float) -> bool:
        """Send a message, or what the faults make of it; False where it never comes."""
        if self._faults.take(Fault.STALL):
            return False
        if self._faults.take(Fault.SHORT_PACKET):
            message = message[: len(message) // 2]
        if self._faults.take(Fault.BAD_HEADER):
            message = b"\0" + message[1:]
        if self._faults.take(Fault.BAD_ANSWER):
            message = message[:1] + b"\x29\x63" + message[3:]
        self._pipe.send(message, duration_s * (_SLOWER if self._faults.take(Fault.SLOW_WIRE) else 1))
        return True

    def _leave_stale_bytes(self) -> None:
        """The end of an image, from within a message on."""
        pixels = self._random.integers(0, 256, (HEIGHT, 256), np.uint8)
        first = 2 * int(self._random.integers(0, _MESSAGES_OF_AN_IMAGE))
        self._pipe.send(_rows(first, pixels[first : first + 2].tobytes())[64 * int(self._random.integers(1, 8)) :])
        for number in range(first + 2, HEIGHT, 2):
            self._pipe.send(_rows(number, pixels[number : number + 2].tobytes()))

    def _babble(self) -> None:
        if self._pipe.empty:
            for _ in range(_BABBLE):
                self._pipe.send(_rows(0, self._random.bytes(512)))


def _answer(code: int, sequence: int, value: int) -> bytes:
    head = bytes((0x80, code, sequence, 0)) + _ANSWER_LENGTH.to_bytes(4, "little")
    return head + bytes(4) + bytes((value, 0, 0, 0))


def _rows(number: int, pixels: bytes) -> bytes:
    """number: of the upper row, from 0; the wire counts from 1."""
    head = bytes((0x80, 0x21, 0, 0)) + _ROWS_LENGTH.to_bytes(4, "little")
    place = bytes(4) + bytes((number > 0, 0, 0, 0)) + (number + 1).to_bytes(4, "little") + b"\0\1\0\0\1"
    return head + place + pixels + bytes(3)
