"""Ioctls of a USB device node on a 64-bit Linux (linux/usbdevice_fs.h).

struct usbdevfs_urb   type u8 | endpoint u8 | 2 spare | status i32 | flags u32 | 4 spare | buffer pointer |
                      buffer_length i32 | actual_length i32 | start_frame i32 | packets i32 | errors i32 |
                      signal u32 | usercontext pointer: 56 bytes
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_NONE, _WRITE, _READ = 0, 1, 2


def _number(direction: int, number: int, size: int) -> int:
    """_IOC of asm-generic/ioctl.h, of type 'U'."""
    return direction << 30 | size << 16 | ord("U") << 8 | number


SETINTERFACE: Final = _number(_READ, 4, 8)
SETCONFIGURATION: Final = _number(_READ, 5, 4)
GETDRIVER: Final = _number(_WRITE, 8, 260)
SUBMITURB: Final = _number(_READ, 10, 56)
DISCARDURB: Final = _number(_NONE, 11, 0)
REAPURB: Final = _number(_WRITE, 12, 8)
REAPURBNDELAY: Final = _number(_WRITE, 13, 8)
CLAIMINTERFACE: Final = _number(_READ, 15, 4)
RELEASEINTERFACE: Final = _number(_READ, 16, 4)
IOCTL: Final = _number(_READ | _WRITE, 18, 16)
RESET: Final = _number(_NONE, 20, 0)
CLEAR_HALT: Final = _number(_READ, 21, 4)
GET_CAPABILITIES: Final = _number(_READ, 26, 4)

# Zero packets, transfers of any length in one piece, reaping after the unplug: what a host of today says of itself.
CAPABILITIES: Final = 0x01 | 0x04 | 0x10

POINTER_BYTES: Final = 8
URB_BYTES: Final = 56
URB_BUFFER: Final = 16  # where the pointer stands
URB_CONTROL: Final = 2  # type
URB_SHORT_NOT_OK: Final = 0x01  # flags
SETUP_BYTES: Final = 8

_URB = struct.Struct("=BB2xiI4xQiiiiiIQ")
_STATUS_AT: Final = 4
_ACTUAL_LENGTH_AT: Final = 28


@dataclass(frozen=True, slots=True)
class Urb:
    """What is asked. length: of the whole buffer, which of a control transfer begins with the setup packet."""

    kind: int
    endpoint: int
    flags: int
    length: int

    @staticmethod
    def decode(raw: bytes) -> Urb:
        kind, endpoint, _status, flags, _buffer, length, *_rest = _URB.unpack(raw)
        return Urb(kind, endpoint, flags, length)


def urb_outcome(status: int, actual_length: int) -> tuple[tuple[int, bytes], ...]:
    """Offsets and bytes that tell in an URB how it ended."""
    return (_STATUS_AT, struct.pack("=i", status)), (_ACTUAL_LENGTH_AT, struct.pack("=i", actual_length))
