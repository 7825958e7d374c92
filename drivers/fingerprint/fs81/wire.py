"""Messages of the Futronic FS81, to and from bytes; no I/O.

Commands go out on one bulk pipe, answers come in on another, in packets of 512 bytes. Nothing in an answer says what it
answers: it belongs to whoever reads next. There are no control requests.

    E0          -> 512 bytes   information: width at 4, height at 6, 16 bits each, big endian; the rest not understood
    6C, 50      -> 512 bytes   not understood; without them no picture comes
    DD nn 00                   lamp: nn = 32 while pictures are taken, 00 off
    6E          -> W x H bytes one picture, grey, without a header, the bottom row first

Source: a public description, traced on real hardware (README.md says what that leaves open).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

COMMAND_ENDPOINT = 0x01
ANSWER_ENDPOINT = 0x82
PACKET_BYTES = 512

USB_ID = (0x1491, 0x0020)

_LARGEST_SIDE = 4096  # pixels; stale pixels read as a size exceed it, but for dark ones
_LAMP_ON = 0x32


class Command(IntEnum):
    """First byte of what is written."""

    INFORMATION = 0xE0
    OPEN_1 = 0x6C
    OPEN_2 = 0x50
    LAMP = 0xDD
    PICTURE = 0x6E


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture, in pixels."""

    width: int
    height: int

    @property
    def read_bytes(self) -> int:
        """What to ask for: whole packets, or a longer last one would overflow."""
        return -(-self.width * self.height // PACKET_BYTES) * PACKET_BYTES


def encode_lamp(*, on: bool) -> bytes:
    """Switch the lamp."""
    return bytes([Command.LAMP, _LAMP_ON if on else 0, 0])


def decode_size(packet: bytes) -> Size:
    """The size in an answer to INFORMATION. Raises ProtocolViolation for what cannot be one, as stale pixels."""
    if len(packet) != PACKET_BYTES:
        raise ProtocolViolation("information of another length", length=len(packet), expected=PACKET_BYTES)
    width, height = (int.from_bytes(packet[at : at + 2], "big") for at in (4, 6))
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise ProtocolViolation("a picture of an impossible size", width=width, height=height)
    return Size(width, height)


def decode_picture(transfer: memoryview | bytes, size: Size) -> NDArray[np.uint8]:
    """The upright picture, (H, W) uint8, a copy. Raises ProtocolViolation for another number of bytes."""
    expected = size.width * size.height
    if len(transfer) != expected:
        raise ProtocolViolation("a picture of another length", length=len(transfer), expected=expected)
    rows = np.frombuffer(transfer, np.uint8).reshape(size.height, size.width)
    return np.ascontiguousarray(rows[::-1])
