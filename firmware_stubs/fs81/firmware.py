"""The firmware of an FS81: commands on bulk OUT 0x01, all answers on bulk IN 0x82, 512-byte packets.

    E0         information: (width, height) big endian at 4     6C, 50   asked for once after power-up, else no picture
    DD nn 00   lamp, no answer                                  6E, FE   a picture: 320 x 480, the bottom row first

The pipe keeps its packets when a host leaves, and over a bus reset. While it holds any, commands are not taken: the
write stays pending. Both were seen on a real one (the second sometimes: here always).
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from firmware_stubs.frame_scanner.faults import ON_EVERY_WIRE, Fault
from firmware_stubs.frame_scanner.firmware import LAMP, FrameScannerFirmware
from firmware_stubs.scanner.device import Surroundings
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.usbip.descriptors import Speed
from firmware_stubs.usbip.device import Transfer
from firmware_stubs.usbip.protocol import UrbStatus

_IN: Final = 0x82
_PACKET: Final = 512
_PACKETS_OF_A_PICTURE: Final = 300


class Fs81Firmware(FrameScannerFirmware):
    """One FS81."""

    NAME = "fs81"
    SIZE = (320, 480)
    FAULTS = ON_EVERY_WIRE | {Fault.BAD_HEADER}
    PICTURE_MS = 80.0
    USB_ID = (0x1491, 0x0020)
    SPEED = Speed.HIGH
    MAX_POWER_MA = 300
    INTERFACE_CLASS = (0xFF, 0x00, 0x00)
    STRINGS = ("Futronic Technology Company Ltd.", "FS81 Fingerprint Scanner Module")
    SERIAL = "FS81-0001"
    ENDPOINTS = (0x01, _IN)
    PACKET_BYTES = _PACKET

    def __init__(self, serial: str, glass: Glass, surroundings: Surroundings) -> None:
        super().__init__(serial, glass, surroundings)
        self._commands: deque[Transfer] = deque()
        self._greeted: set[int] = set()

    def power_on(self) -> None:
        """The lamp and the greetings stay, too."""
        super().power_on()
        commands, self._commands = list(self._commands), deque()
        for transfer in commands:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def power_lost(self) -> None:
        super().power_lost()
        self._greeted.clear()

    def cancel_transfer(self, transfer: Transfer) -> None:
        if transfer in self._commands:
            self._commands.remove(transfer)
        super().cancel_transfer(transfer)

    def _take_command(self, transfer: Transfer) -> None:
        self._commands.append(transfer)
        self._on_read()

    def _on_read(self) -> None:
        while self._commands and self._pipes[_IN].empty:
            transfer = self._commands.popleft()
            transfer.complete()
            self._obey(transfer.outgoing)
        self._on_change()

    def _obey(self, command: bytes) -> None:
        match command:
            case b"\xe0":
                width, height = (0, 0xFFFF) if self._faults.take(Fault.BAD_HEADER) else self.SIZE
                self._answer(b"\xe0\0\0\0" + width.to_bytes(2, "big") + height.to_bytes(2, "big"))
            case b"\x6c" | b"\x50":
                self._greeted.add(command[0])
                self._answer(command + self._random.bytes(31))
            case bytes() if len(command) == 3 and command[0] == 0xDD:
                self._switch(LAMP, on=command[1] > 0)
            case b"\x6e" | b"\xfe" if self._greeted == {0x6C, 0x50}:
                self._send(_IN, self._expose()[::-1].tobytes())
            case _:
                pass  # what it does not know, it swallows

    def _answer(self, content: bytes) -> None:
        self._pipes[_IN].send(content.ljust(_PACKET, b"\0"))

    def _leave_stale_bytes(self) -> None:
        """The end of a picture; of dark pixels here and there, which a careless host takes for an answer."""
        picture = self._glass.picture()[::-1].copy()
        picture[:, : picture.shape[1] // 3] = self._random.integers(0, 17, (picture.shape[0], 1), np.uint8)
        packets = int(self._random.integers(1, _PACKETS_OF_A_PICTURE))
        self._pipes[_IN].send(picture.tobytes()[-packets * _PACKET :])
