"""The protocol's messages as the firmware builds and reads them; all little endian."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 1600
HEIGHT: Final = 1500
PPI: Final = 500
CELL: Final = 20  # side of a cell of the presence map, pixels
MAP_SHAPE: Final = (75, 80)
FRAME_HEAD: Final = 1024
FRAME_TAIL: Final = 256
FRAME_LENGTH: Final = FRAME_HEAD + WIDTH * HEIGHT + FRAME_TAIL  # 2,401,280: 4690 packets of 512 bytes

_SIGNATURE: Final = b"TPS1"
_FIRST_28: Final = "<4sBBHIIIII"


class MessageKind(IntEnum):
    """Byte 4."""

    COMMAND = 0x01
    ANSWER = 0x02
    MARK = 0x03
    FRAME = 0x04
    FRAME_END = 0x05


class Command(IntEnum):
    """Byte 5 of a command and its answer."""

    HELLO = 0x01
    IDENTIFY = 0x02
    CALIBRATION = 0x03
    STATUS = 0x04
    START = 0x05
    STOP = 0x06
    LIGHTS = 0x07
    BEEP = 0x08
    BYE = 0x09


class Outcome(IntEnum):
    """Bytes 6 and 7 of an answer or a frame."""

    DONE = 0
    NO_SUCH_COMMAND = 1
    PAYLOAD = 2
    CHECKSUM = 3
    SESSION = 4
    WARMING_UP = 5
    NOT_OFFERED = 6
    SENSOR = 7
    LAMP = 8
    FIRMWARE = 9


@dataclass(frozen=True, slots=True)
class Order:
    """A command from the host."""

    code: int
    session: int
    sequence: int
    payload: bytes


class Damaged(Exception):
    """Bytes that are no command."""


def _header(
    kind: MessageKind, code: int, outcome: int, session: int, sequence: int, length: int, payload_crc: int
) -> bytes:
    first = struct.pack(_FIRST_28, _SIGNATURE, kind, code, outcome, session, sequence, length, payload_crc, 0)
    return first + struct.pack("<I", binascii.crc32(first))


def read_order(message: bytes) -> Order:
    """Raises Damaged."""
    if len(message) < 32 or message[:4] != _SIGNATURE or message[4] != MessageKind.COMMAND:
        raise Damaged
    if binascii.crc32(message[:28]) != int.from_bytes(message[28:32], "little"):
        raise Damaged
    code, session, sequence, length, payload_crc = struct.unpack_from("<xxxxxBxxIIII", message)
    payload = message[32:]
    if len(payload) != length or binascii.crc32(payload) != payload_crc:
        raise Damaged
    return Order(code, session, sequence, payload)


def answer(order: Order, outcome: int, payload: bytes = b"") -> bytes:
    return (
        _header(
            MessageKind.ANSWER,
            order.code,
            outcome,
            order.session,
            order.sequence,
            len(payload),
            binascii.crc32(payload),
        )
        + payload
    )


def mark(session: int, stream: int) -> bytes:
    """What comes first on the frame channel after START: shorter than a packet, so that it ends any transfer."""
    return _header(MessageKind.MARK, 0, 0, session, stream, 0, 0)


def greeting(rate: float) -> bytes:
    """Payload of HELLO's answer: version 1.0, all impressions, lights and beeper."""
    return struct.pack(
        "<4B8HI", 1, 0, 0b111, 0b11, WIDTH, HEIGHT, PPI, CELL, MAP_SHAPE[1], MAP_SHAPE[0], min(65535, round(rate * 10)),
        0, FRAME_LENGTH,
    )  # fmt: skip


def identity(vendor: str, model: str, serial: str, firmware: str) -> bytes:
    texts = (text.encode()[:64] for text in (vendor, model, serial, firmware))
    return b"".join(bytes([len(text)]) + text for text in texts)


def calibration(
    at_s: int, across_ppi: float, down_ppi: float, error_um: int, dead_pixels: int, paper: int, *, due: bool
) -> bytes:
    return struct.pack(
        "<QIIHHBBH", at_s, round(across_ppi * 1000), round(down_ppi * 1000), error_um, dead_pixels, paper, due, 0
    )


def status(
    *, state: int, dirty: bool, skin_cells: int, stream: int, sent: int, lost: int, uptime_ms: int, tenths_c: int
) -> bytes:
    return struct.pack("<BBHHHIIIhH", state, dirty, skin_cells, stream, 0, sent, lost, uptime_ms, tenths_c, 0)


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What a frame's description tells. time_us: of the device's clock."""

    session: int
    sequence: int
    outcome: int
    stream: int
    impression: int
    dirty: bool
    roll_complete: bool
    time_us: int
    lost: int

    def next(self) -> FrameFacts:
        """Those of the frame after it."""
        return replace(self, sequence=self.sequence + 1)


def frame_head(facts: FrameFacts, presence: NDArray[np.bool_]) -> bytes:
    """The 1024 bytes before the pixels. presence: MAP_SHAPE bool."""
    description = struct.pack(
        "<HBB6HQIHH",
        facts.stream,
        facts.impression,
        facts.dirty | facts.roll_complete << 1,
        WIDTH,
        HEIGHT,
        PPI,
        CELL,
        MAP_SHAPE[1],
        MAP_SHAPE[0],
        facts.time_us,
        facts.lost,
        int(presence.sum()),
        0,
    )
    described = (description + np.packbits(presence).tobytes()).ljust(FRAME_HEAD - 32, b"\0")
    follows = FRAME_LENGTH - 32
    crc = binascii.crc32(described)
    return _header(MessageKind.FRAME, 0, facts.outcome, facts.session, facts.sequence, follows, crc) + described


def frame_tail(facts: FrameFacts, pixels: NDArray[np.uint8]) -> bytes:
    """The 256 bytes after the pixels."""
    end = _header(MessageKind.FRAME_END, 0, 0, facts.session, facts.sequence, 0, binascii.crc32(pixels.data))
    return end.ljust(FRAME_TAIL, b"\0")


def frame(facts: FrameFacts, presence: NDArray[np.bool_], pixels: NDArray[np.uint8]) -> bytes:
    """A whole frame. pixels: (1500, 1600) uint8."""
    return b"".join((frame_head(facts, presence), pixels.data, frame_tail(facts, pixels)))
