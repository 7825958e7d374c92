"""Messages of the SecuGen FDU2000, to and from bytes; no I/O.

Commands of two bytes on bulk OUT 0x01; most are acknowledged on bulk IN 0x81; the picture comes on bulk IN 0x82.

    00 04  ready  -> 00 04 01 01              05 01  lamp on   -> nothing
    00 01  read   -> 00 01 01 01, a picture   05 00  lamp off  -> nothing
    00 05  end    -> 00 05 01 01 01 01 01 01

A picture is a stream of nibbles, one in each byte, the upper half of a pixel first:

    0F 0F 0F 0F 00 00 0C 07                              start of the frame; what comes before is left over
    (0F 0F 0F 0F 00 00 0B 06 | line number, 4 | 796) x 301   start of a line, and 398 pixels

The sensor sees ridges light, and upside down. Source: an old public driver for this device (README.md says what that
leaves open).
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

USB_ID = (0x1162, 0x0300)
COMMAND_ENDPOINT = 0x01
ANSWER_ENDPOINT = 0x81
PICTURE_ENDPOINT = 0x82
PACKET_BYTES = 512  # a multiple of USB's packets at any speed

WIDTH = 398
HEIGHT = 301
_FRAME_START = bytes.fromhex("0f0f0f0f00000c07")
_LINE_START = bytes.fromhex("0f0f0f0f00000b06")
_LINE_NUMBER_BYTES = 4
_LINE_BYTES = 2 * WIDTH
# Room for what is left over and for gaps between lines, as much as the public driver gives: six bytes a pixel.
READ_BYTES = -(-6 * WIDTH * HEIGHT // PACKET_BYTES) * PACKET_BYTES


class Command(Enum):
    """What is written, and the acknowledgement that follows it."""

    READY = (bytes.fromhex("0004"), bytes.fromhex("00040101"))
    READ = (bytes.fromhex("0001"), bytes.fromhex("00010101"))
    END = (bytes.fromhex("0005"), bytes.fromhex("0005010101010101"))
    LAMP_OFF = (bytes.fromhex("0500"), b"")
    LAMP_ON = (bytes.fromhex("0501"), b"")

    @property
    def code(self) -> bytes:
        return self.value[0]

    @property
    def acknowledgement(self) -> bytes:
        return self.value[1]


def check_acknowledgement(command: Command, answer: bytes) -> None:
    """Raises ProtocolViolation unless the answer begins with this command's acknowledgement."""
    expected = command.acknowledgement
    if answer[: len(expected)] != expected:
        raise ProtocolViolation("a command is not acknowledged", command=command.name, answer=answer[:8].hex())


def decode_picture(stream: memoryview | bytes) -> NDArray[np.uint8]:
    """The upright picture with dark ridges, (301, 398) uint8. Raises ProtocolViolation for a frame that is not whole.

    The upper four bits of a byte are not looked at, nor is the line number: what they hold is not described.
    """
    data = bytes(stream)
    at = data.find(_FRAME_START)
    if at < 0:
        raise ProtocolViolation("a picture without a start", length=len(data))
    at += len(_FRAME_START)
    starts: list[int] = []
    while len(starts) < HEIGHT:
        at = data.find(_LINE_START, at)  # from the end of the line before: pixels may look like a start
        begin = at + len(_LINE_START) + _LINE_NUMBER_BYTES
        if at < 0 or begin + _LINE_BYTES > len(data):
            raise ProtocolViolation("a picture with too few lines", lines=len(starts), expected=HEIGHT)
        starts.append(begin)
        at = begin + _LINE_BYTES
    nibbles = np.frombuffer(data, np.uint8)[np.array(starts)[:, None] + np.arange(_LINE_BYTES)]
    grey = nibbles[:, ::2] << 4 | nibbles[:, 1::2] & 0x0F
    return np.ascontiguousarray(255 - grey[::-1, ::-1])
