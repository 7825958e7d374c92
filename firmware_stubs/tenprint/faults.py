"""What may be made to go wrong. A fault's chances are frames, commands or starts, as told here."""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults, OpticalFault
from firmware_stubs.tenprint import layout
from firmware_stubs.tenprint.description import PACKET_BYTES
from firmware_stubs.tenprint.layout import FrameFacts


class Fault(Enum):
    """One misbehaviour; each is used up where it strikes."""

    # by frame
    STALL = "stall"  # the frame never comes, nor any other until the next start
    HALT = "halt"  # the endpoint answers STALL instead of the frame
    SHORT_PACKET = "short_packet"  # the frame ends halfway, by a short packet
    LOST_PACKET = "lost_packet"  # 512 bytes are missing in the middle: what follows is shifted
    BAD_HEADER = "bad_header"  # a bit of the header is wrong
    BAD_CRC = "bad_crc"  # a bit of the pixels is wrong
    TORN_FRAME = "torn_frame"  # it ends as the next frame does
    SLOW_WIRE = "slow_wire"  # it takes ten times as long
    UNPLUG = "unplug"  # the device vanishes halfway through it
    LAMP_FAILED = "lamp_failed"  # the device says that its lamp is out
    # by start of a stream
    STALE_BYTES = "stale_bytes"  # packets of an older frame come first
    # by command
    MUTE = "mute"  # the command is not answered
    REFUSED = "refused"  # the endpoint answers STALL to the command
    BAD_ANSWER = "bad_answer"  # a bit of the answer is wrong
    STALE_ANSWER = "stale_answer"  # an answer to nobody comes first
    UNPLUG_IN_COMMAND = "unplug_in_command"  # the device vanishes with the command
    NOT_READY = "not_ready"  # HELLO is answered by NOT_READY


FAULTS: Final[tuple[Enum, ...]] = (*Fault, *OpticalFault)


def spoilt(frame: bytes, facts: FrameFacts, pixels: NDArray[np.uint8], faults: Faults) -> bytes:
    """The frame after those faults that change its bytes."""
    middle = len(frame) // 2 // PACKET_BYTES * PACKET_BYTES
    if faults.take(Fault.BAD_HEADER):
        frame = _with_a_wrong_bit(frame, 9)
    if faults.take(Fault.BAD_CRC):
        frame = _with_a_wrong_bit(frame, middle)
    if faults.take(Fault.TORN_FRAME):
        frame = frame[: -layout.FRAME_TAIL] + layout.frame_tail(facts.next(), pixels)
    if faults.take(Fault.SHORT_PACKET):
        frame = frame[: middle + 100]
    if faults.take(Fault.LOST_PACKET):
        frame = frame[:middle] + frame[middle + PACKET_BYTES :] + frame[:PACKET_BYTES]
    return frame


def _with_a_wrong_bit(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 0x10]) + message[at + 1 :]
