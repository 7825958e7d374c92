"""Messages of the U.are.U 4000 family, to and from bytes; no I/O. Codes that are not known here are kept as numbers.

Registers are one byte wide and read or written by vendor control requests:

    bmRequestType 0xC0 / 0x40 | bRequest 0x04 | wValue first register | wIndex 0 | wLength number of registers

An image block, as it comes from the bulk endpoint:

     0  10 40 80 01      not understood
     4  lines            stored lines, 16 bits
     6  key number
     7  ...              not understood
    16  (flags, lines) x 15, ended by a count of 0
    46  ...              not understood
    64  lines x 384 grey bytes

Everything is little endian, but for the type of an interrupt. Source: public recordings of a 4500 and an MSv2, and the
description that they confirm (README.md says which facts were seen on which).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

INTERFACE_CLASS = (0xFF, 0xFF, 0xFF)
INTERRUPT_ENDPOINT = 0x81
INTERRUPT_BYTES = 64
INTERRUPT_INTERVAL = 8
IMAGE_ENDPOINT = 0x82

REGISTER_REQUEST = 0x04

IMAGE_WIDTH = 384
IMAGE_HEIGHT = 290
HEADER_BYTES = 64
IMAGE_READ_BYTES = HEADER_BYTES + IMAGE_HEIGHT * IMAGE_WIDTH
_BLOCK_LIST_OFFSET = 16
_MAX_BLOCKS = 15

CHALLENGE_BYTES = 16
# The same in every MSv2 reader, and public: it proves nothing about anyone.
CHALLENGE_KEY = bytes.fromhex("79ac91795ca1478e98e00f3c598f5f4b")


@dataclass(frozen=True, slots=True)
class Model:
    """What differs between the devices. turned: the sensor is mounted upside down."""

    vendor: str
    name: str
    needs_challenge: bool = False
    turned: bool = False


MODELS = {
    (0x05BA, 0x0007): Model("DigitalPersona", "U.are.U 4000"),
    (0x05BA, 0x0008): Model("DigitalPersona", "U.are.U 4000 in keyboard"),
    (0x05BA, 0x000A): Model("DigitalPersona", "U.are.U 4000B/4500", turned=True),
    (0x045E, 0x00BB): Model("Microsoft", "Keyboard with Fingerprint Reader"),
    (0x045E, 0x00BC): Model("Microsoft", "IntelliMouse with Fingerprint Reader"),
    (0x045E, 0x00BD): Model("Microsoft", "Fingerprint Reader"),
    (0x045E, 0x00CA): Model("Microsoft", "Fingerprint Reader v2", needs_challenge=True),
}


class Register(IntEnum):
    """First register of each group. The firmware lives from 0x100 on: never write there."""

    HWSTAT = 0x07
    SCRAMBLE_SEED = 0x33
    SCRAMBLE_ANSWER = 0x34
    MODE = 0x4E
    INFO = 0xF0
    RESPONSE = 0x2000
    CHALLENGE = 0x2010


INFO_BYTES = 16
SCRAMBLE_ANSWER_BYTES = 4


class Mode(IntEnum):
    """Values of the MODE register."""

    INIT = 0x00
    AWAIT_FINGER_ON = 0x10
    AWAIT_FINGER_OFF = 0x12
    CAPTURE = 0x20
    CAPTURE_AUXILIARY = 0x30
    OFF = 0x70
    READY = 0x80


class HardwareStatus(IntFlag):
    """Bits of the HWSTAT register. The low nibble is what power-up writes back."""

    READY = 0x01
    INTERRUPT_PENDING = 0x02
    FAULT = 0x04
    LOW_POWER = 0x80
    WEDGED = FAULT | LOW_POWER


HWSTAT_KEPT = 0x0F


class InterruptType(IntEnum):
    """First two bytes of an interrupt packet; the other 62 are left over from earlier ones."""

    POWER_ON = 0x56AA
    FINGER_ON = 0x0101
    FINGER_OFF = 0x0200
    DEATH = 0x0800


def decode_interrupt(packet: bytes) -> int:
    """The type, an InterruptType or another number. Raises ProtocolViolation below two bytes."""
    if len(packet) < 2:
        raise ProtocolViolation("an interrupt without a type", length=len(packet))
    code = int.from_bytes(packet[:2], "big")
    return InterruptType(code) if code in InterruptType.__members__.values() else code


def decode_firmware(info: bytes) -> str:
    """Two version numbers of the INFO registers; which is the hardware's is not known. "" where they are missing."""
    return f"{info[4:6].hex()}-{info[10:12].hex()}" if len(info) == INFO_BYTES else ""


def encode_seed(key_number: int, seed: int) -> bytes:
    """What SCRAMBLE_SEED takes. seed: the host's, 32 bits."""
    return bytes([key_number & 0xFF]) + seed.to_bytes(4, "little")


def decode_key(answer: bytes, seed: int) -> int:
    """The image key in what SCRAMBLE_ANSWER gives. Raises ProtocolViolation for a short answer."""
    if len(answer) != SCRAMBLE_ANSWER_BYTES:
        raise ProtocolViolation("a short answer to the key exchange", length=len(answer))
    return int.from_bytes(answer, "little") ^ seed


class BlockFlag(IntFlag):
    """What is special about a block of lines. Unknown bits are kept."""

    NOT_STORED = 0x01
    SCRAMBLED = 0x02
    REGISTER_STOPPED = 0x04
    NEW_KEY = 0x80


@dataclass(frozen=True, slots=True)
class Block:
    """A run of image lines that are treated alike."""

    flags: BlockFlag
    lines: int


@dataclass(frozen=True, slots=True, eq=False)
class ImageBlock:
    """One image as the device sends it. lines: (stored lines, 384) uint8, a view of the transfer."""

    key_number: int
    blocks: tuple[Block, ...]
    lines: NDArray[np.uint8]


def decode_image(transfer: memoryview | bytes) -> ImageBlock:
    """Decode a bulk transfer.

    Raises ProtocolViolation for an empty or short one, for too many lines, and for a block list that does not add up
    to the lines that are stored, or to more rows than an image has. Fewer are taken as they are.
    """
    if len(transfer) < HEADER_BYTES:
        raise ProtocolViolation("an image shorter than its header", length=len(transfer))
    stored = int.from_bytes(transfer[4:6], "little")
    if not 0 < stored < IMAGE_HEIGHT:  # a whole image always lacks a line
        raise ProtocolViolation("an image of an impossible height", lines=stored)
    end = HEADER_BYTES + stored * IMAGE_WIDTH
    if len(transfer) < end:
        raise ProtocolViolation("an image shorter than its header says", length=len(transfer), expected=end)
    blocks = _decode_blocks(bytes(transfer[_BLOCK_LIST_OFFSET : _BLOCK_LIST_OFFSET + 2 * _MAX_BLOCKS]))
    height = sum(block.lines for block in blocks)
    listed = sum(block.lines for block in blocks if not block.flags & BlockFlag.NOT_STORED)
    if height > IMAGE_HEIGHT or listed != stored:
        raise ProtocolViolation("a block list that is not its image's", height=height, listed=listed, lines=stored)
    while blocks[-1].flags & BlockFlag.NOT_STORED:  # no line is left for these rows, and so no key is needed
        blocks = blocks[:-1]
    lines = np.frombuffer(transfer, np.uint8, stored * IMAGE_WIDTH, HEADER_BYTES).reshape(stored, IMAGE_WIDTH)
    return ImageBlock(transfer[6], blocks, lines)


def _decode_blocks(pairs: bytes) -> tuple[Block, ...]:
    blocks = []
    for flags, lines in zip(pairs[::2], pairs[1::2], strict=True):
        if lines == 0:  # the rest is junk
            break
        blocks.append(Block(BlockFlag(flags), lines))
    return tuple(blocks)
