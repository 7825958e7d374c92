"""Messages of the ZKTeco ZK4500, to and from bytes; no I/O.

Vendor control requests outwards, without data, and one bulk pipe inwards:

    bRequest E1 | wValue 1 on, 0 off | wIndex 0 green LED, 1 red LED, 2 buzzer, 3 white illumination
    bRequest E5 | wValue 0           | wIndex 0    asks for a picture: 640 x 480 grey bytes from bulk IN 0x82, no header

A picture is the one that the device had in its buffer when it was asked: the first after a pause is an old one.
Source: a small public driver for this device (README.md says what that leaves open).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

USB_ID = (0x1B55, 0x0840)
PICTURE_ENDPOINT = 0x82
PACKET_BYTES = 512  # of USB at high speed, and a multiple of those at full speed

WIDTH = 640
HEIGHT = 480
PICTURE_BYTES = WIDTH * HEIGHT


class Request(IntEnum):
    """bRequest."""

    SWITCH = 0xE1
    PICTURE = 0xE5


class Output(IntEnum):
    """What SWITCH switches (wIndex)."""

    GREEN_LED = 0
    RED_LED = 1
    BUZZER = 2
    ILLUMINATION = 3


def decode_picture(transfer: memoryview | bytes) -> NDArray[np.uint8]:
    """The picture, (480, 640) uint8, a view of the transfer. Raises ProtocolViolation for another number of bytes."""
    if len(transfer) != PICTURE_BYTES:
        raise ProtocolViolation("a picture of another length", length=len(transfer), expected=PICTURE_BYTES)
    return np.frombuffer(transfer, np.uint8).reshape(HEIGHT, WIDTH)
