"""Messages of the NB-1010-U, to and from bytes; no I/O. Codes that are not known here are kept as numbers.

One message is one bulk transfer, both ways:

     0  80
     1  code             of a command, or of what answers it
     2  sequence         an answer repeats its command's; rows of an image have 0
     3  00
     4  length           of the whole message, 32 bits, little endian
     8  body

Presence, body of 8 bytes:   0  not understood   4  0 (nothing) to 255
Two rows, body of 532 bytes:

     0  not understood   0
     4  not understood   0 in the first message of an image, 1 in the others
     8  first row        32 bits, little endian, from 1
    12  not understood   00 01 00 00 01
    17  2 x 256 grey bytes, ridges dark
   529  not understood   0

Source: a public recording of a real device, and the description that it confirms (README.md says which fact was seen).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

INTERFACE_CLASS = (0x00, 0x00, 0x00)
OUT_ENDPOINT = 0x02
IN_ENDPOINT = 0x83

MODELS = {(0x298D, 0x1010): "NB-1010-U"}
VENDOR = "NEXT Biometrics"

IMAGE_WIDTH = 256
IMAGE_HEIGHT = 180
RESOLUTION_PPI = 385.0

_START = 0x80
_HEADER_BYTES = 8
ANSWER_BYTES = 16
ROWS_BYTES = 540
ROWS_PER_MESSAGE = 2
ANY_MESSAGE_BYTES = 576  # the longest message, rounded up to whole packets of 64
_PRESENCE_OFFSET = 4
_ROW_NUMBER_OFFSET = 8
_PIXELS_OFFSET = 17
_PIXELS = ROWS_PER_MESSAGE * IMAGE_WIDTH


class Code(IntEnum):
    """Codes of commands and answers."""

    CHECK = 0x07
    PREPARE = 0x0D
    CAPTURE = 0x12
    IDENTIFY = 0x13
    INITIALISE = 0x16
    ACCEPTED = 0x20
    ROWS = 0x21
    IDENTITY = 0x23
    CHECKED = 0x29
    PRESENCE = 0x37
    ASK_PRESENCE = 0x38


@dataclass(frozen=True, slots=True)
class Message:
    """One message. code: a Code or another number. sequence: 0 to 255."""

    code: int
    sequence: int
    body: memoryview | bytes = b""


# As the recorded host sent them: the device repeats the sequence number and makes nothing else of it.
ASK_PRESENCE = Message(Code.ASK_PRESENCE, 1)
PREPARE = Message(Code.PREPARE, 3, bytes.fromhex("00040000"))
CAPTURE = Message(Code.CAPTURE, 4, b"\x02" + bytes(19) + b"\x20" + bytes(3))


def encode(message: Message) -> bytes:
    length = _HEADER_BYTES + len(message.body)
    return bytes([_START, message.code, message.sequence, 0]) + length.to_bytes(4, "little") + bytes(message.body)


def decode(transfer: memoryview | bytes) -> Message:
    """Decode a bulk transfer. Raises ProtocolViolation for one that is no whole message."""
    if len(transfer) < _HEADER_BYTES:
        raise ProtocolViolation("a message shorter than its header", length=len(transfer))
    if transfer[0] != _START:
        raise ProtocolViolation("a message that does not start as one", start=transfer[0])
    length = int.from_bytes(transfer[4:8], "little")
    if length != len(transfer):
        raise ProtocolViolation("a message of another length than its header says", length=len(transfer), said=length)
    code = transfer[1]
    known = code in Code.__members__.values()
    return Message(Code(code) if known else code, transfer[2], memoryview(transfer)[_HEADER_BYTES:])


def decode_answer(transfer: memoryview | bytes, command: Message, expected: Code) -> Message:
    """Decode what answers a command. Raises ProtocolViolation for no message, or one that answers something else."""
    answer = decode(transfer)
    if (answer.code, answer.sequence) != (expected, command.sequence):
        raise ProtocolViolation(
            "an answer to something else",
            command=command.code,
            expected=expected,
            code=answer.code,
            sequence=answer.sequence,
        )
    return answer


def decode_presence(answer: Message) -> int:
    """How surely a finger lies on the sensor, 0 to 255. Raises ProtocolViolation for a short answer."""
    if len(answer.body) <= _PRESENCE_OFFSET:
        raise ProtocolViolation("an answer without the presence of a finger", length=len(answer.body))
    return answer.body[_PRESENCE_OFFSET]


def decode_rows(transfer: memoryview | bytes, first_row: int) -> NDArray[np.uint8]:
    """Two rows of an image, (2, 256) uint8, a view of the transfer.

    first_row: the upper one's number that is due, counted from 0.
    Raises ProtocolViolation for another message, a short one, and for rows that are not the next ones.
    """
    message = decode(transfer)
    if message.code != Code.ROWS:
        raise ProtocolViolation("another message than rows of an image", code=message.code)
    if len(message.body) < _PIXELS_OFFSET + _PIXELS:
        raise ProtocolViolation("rows of an image that are not whole", length=len(message.body))
    number = int.from_bytes(message.body[_ROW_NUMBER_OFFSET : _ROW_NUMBER_OFFSET + 4], "little") - 1
    if number != first_row:
        raise ProtocolViolation("rows of an image out of order", row=number, expected=first_row)
    pixels = np.frombuffer(message.body, np.uint8, _PIXELS, _PIXELS_OFFSET)
    return pixels.reshape(ROWS_PER_MESSAGE, IMAGE_WIDTH)
