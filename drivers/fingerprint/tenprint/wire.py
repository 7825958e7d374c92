"""Messages of the slap scanner protocol, version 1, to and from bytes; no I/O. Unknown statuses are kept as numbers.

Each message starts with one header:

     0  "TPS1"           magic
     4  kind             command, answer, mark, frame, end of frame
     5  code             of a command and its answer, else 0
     6  status           of an answer or a frame, 0 is good
     8  session          the host's number, in everything since HELLO
    12  sequence         of a command and its answer; of a frame, counted by the sensor
    16  length           bytes that follow the header
    20  CRC-32           of those bytes; in a frame only of its description
    24  0
    28  CRC-32           of bytes 0 to 27

A frame is one bulk transfer: header, description with the presence map, pixels, and a second header that ends it and
bears the CRC-32 of the pixels. Everything is little endian. Source: docs/slap-scanner-protocol.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation

PROTOCOL_VERSION = (1, 0)
INTERFACE_CLASS = (0xFF, 0x54, 0x01)
USB_IDS = frozenset({(0x1209, 0x0001)})  # pid.codes' id for tests; a vendor has his own
COMMAND_ENDPOINT = 0x01
ANSWER_ENDPOINT = 0x81
FRAME_ENDPOINT = 0x82

IMAGE_WIDTH = 1600
IMAGE_HEIGHT = 1500
RESOLUTION_PPI = 500
CELL_PX = 20
MAP_COLUMNS = IMAGE_WIDTH // CELL_PX
MAP_ROWS = IMAGE_HEIGHT // CELL_PX

FINGERS = 10

HEADER_BYTES = 32
ANSWER_READ_BYTES = 512
HEAD_BYTES = 1024
PIXEL_BYTES = IMAGE_WIDTH * IMAGE_HEIGHT
END_BYTES = 256
FRAME_BYTES = HEAD_BYTES + PIXEL_BYTES + END_BYTES

_MAGIC = b"TPS1"
_HEADER = struct.Struct("<4sBBHIIIIII")
_DESCRIPTION = struct.Struct("<HBBHHHHHHQIHH")
_MAP_OFFSET = HEADER_BYTES + _DESCRIPTION.size
_MAP_BYTES = MAP_COLUMNS * MAP_ROWS // 8
_GEOMETRY = (IMAGE_WIDTH, IMAGE_HEIGHT, RESOLUTION_PPI, CELL_PX, MAP_COLUMNS, MAP_ROWS)
_HELLO_ANSWER = struct.Struct("<BBBBHHHHHHHHI")
_STATUS_ANSWER = struct.Struct("<BBHHHIIIhH")
_CALIBRATION_ANSWER = struct.Struct("<QIIHHBBH")
_TEXTS = 4


class Kind(IntEnum):
    """What a header begins."""

    COMMAND = 1
    ANSWER = 2
    MARK = 3
    FRAME = 4
    END = 5


class Code(IntEnum):
    """Commands."""

    HELLO = 1
    IDENTIFY = 2
    CALIBRATION = 3
    STATUS = 4
    START = 5
    STOP = 6
    LIGHTS = 7
    BEEP = 8
    BYE = 9


class Status(IntEnum):
    """Outcome of a command, or of a frame."""

    OK = 0
    UNKNOWN_COMMAND = 1
    BAD_PAYLOAD = 2
    BAD_CRC = 3
    WRONG_SESSION = 4
    NOT_READY = 5
    UNSUPPORTED = 6
    SENSOR_FAILED = 7
    LIGHT_FAILED = 8
    INTERNAL = 9


class FrameFlag(IntFlag):
    """What is special about a frame. Unknown bits are kept."""

    DIRTY = 0x01
    ROLL_COMPLETE = 0x02


class Colour(IntEnum):
    """Of a finger's light."""

    DARK = 0
    GREEN = 1
    AMBER = 2
    RED = 3


class DeviceState(IntEnum):
    """What the device is doing, in its status."""

    IDLE = 0
    STREAMING = 1
    WARMING_UP = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. status: a Status or another number."""

    code: int
    status: int
    session: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Greeting:
    """What HELLO tells. impressions, signals: bit sets of the document's tables."""

    version: tuple[int, int]
    impressions: int
    signals: int
    frames_per_second: float


@dataclass(frozen=True, slots=True)
class Texts:
    """What IDENTIFY tells."""

    vendor: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What STATUS tells. frames_sent, frames_lost: since power-on."""

    state: int
    flags: FrameFlag
    skin_cells: int
    stream: int
    frames_sent: int
    frames_lost: int
    uptime_ms: int
    temperature_c: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What CALIBRATION tells.

    calibrated_at_s: seconds since 1970 UTC, 0 for never. horizontal_ppi, vertical_ppi: as measured.
    largest_error_um: of the geometry, micrometres. dead_pixels: corrected ones. paper_grey: of the empty platen.
    due: the device asks to be calibrated anew.
    """

    calibrated_at_s: int
    horizontal_ppi: float
    vertical_ppi: float
    largest_error_um: int
    dead_pixels: int
    paper_grey: int
    due: bool


@dataclass(frozen=True, slots=True, eq=False)
class FrameMessage:
    """One whole frame.

    status: a Status or another number. sequence: the sensor's count. lost: frames of this stream that were never sent.
    presence: (75, 80) bool, True where skin touches. pixels: (1500, 1600) uint8, a view of the transfer.
    """

    session: int
    sequence: int
    status: int
    stream: int
    impression: int
    flags: FrameFlag
    device_time_us: int
    lost: int
    presence: NDArray[np.bool_]
    pixels: NDArray[np.uint8]
    pixels_crc: int


def encode_command(code: int, session: int, sequence: int, payload: bytes = b"") -> bytes:
    """A command. session, sequence: 32 bits; payload: at most 480 bytes."""
    return _encode_header(Kind.COMMAND, code, session, sequence, payload) + payload


def encode_hello() -> bytes:
    return bytes([*PROTOCOL_VERSION, 0, 0])


def encode_start(stream: int, impression: int) -> bytes:
    """stream: 16 bits. impression: 0 flat, 1 slap, 2 rolled."""
    return struct.pack("<HBB", stream, impression, 0)


def encode_lights(colours: Mapping[int, Colour]) -> bytes:
    """colours: by ISO position, 1 to 10; the rest is dark."""
    return bytes(colours.get(position, Colour.DARK) for position in range(1, FINGERS + 1))


def encode_beep(pitch_hz: int, length_ms: int, times: int, pause_ms: int) -> bytes:
    """pause_ms: between two, a multiple of 10."""
    return struct.pack("<HHBB", pitch_hz, length_ms, times, pause_ms // 10)


def decode_answer(transfer: memoryview | bytes) -> Answer:
    """Raises ProtocolViolation for anything but one whole, undamaged answer."""
    header = _decode_header(transfer, Kind.ANSWER)
    payload = bytes(transfer[HEADER_BYTES:])
    if len(payload) != header.length:
        raise ProtocolViolation("an answer of another length than it says", length=len(payload), said=header.length)
    if zlib.crc32(payload) != header.payload_crc:
        raise ProtocolViolation("an answer with a damaged payload", code=header.code)
    return Answer(header.code, _status(header.status), header.session, header.sequence, payload)


def decode_greeting(payload: bytes) -> Greeting:
    """Raises ProtocolViolation for a short payload or another image than this version knows."""
    fields = _unpack(_HELLO_ANSWER, payload, "HELLO")
    if fields[4:10] != _GEOMETRY or fields[12] != FRAME_BYTES:
        raise ProtocolViolation("an image of another size than the protocol's", width=fields[4], height=fields[5])
    return Greeting((fields[0], fields[1]), fields[2], fields[3], fields[10] / 10)


def decode_texts(payload: bytes) -> Texts:
    """Raises ProtocolViolation where a text is cut short. What is no UTF-8 is replaced."""
    texts = []
    rest = payload
    for _ in range(_TEXTS):
        if not rest or len(rest) <= rest[0]:
            raise ProtocolViolation("an identity that is cut short", length=len(payload))
        texts.append(rest[1 : 1 + rest[0]].decode("utf-8", "replace"))
        rest = rest[1 + rest[0] :]
    return Texts(*texts)


def decode_status(payload: bytes) -> DeviceStatus:
    """Raises ProtocolViolation for a short payload."""
    state, flags, skin, stream, _, sent, lost, uptime, tenths, _ = _unpack(_STATUS_ANSWER, payload, "STATUS")
    return DeviceStatus(state, FrameFlag(flags), skin, stream, sent, lost, uptime, tenths / 10)


def decode_calibration(payload: bytes) -> Calibration:
    """Raises ProtocolViolation for a short payload."""
    at, across, down, error, dead, paper, due, _ = _unpack(_CALIBRATION_ANSWER, payload, "CALIBRATION")
    return Calibration(at, across / 1000, down / 1000, error, dead, paper, bool(due))


def decode_frame(transfer: NDArray[np.uint8]) -> FrameMessage:
    """Decode a bulk transfer, (length,) uint8. The pixels stay where they are.

    Raises ProtocolViolation for anything but one whole frame, from its header to the end that belongs to it."""
    message = transfer.data
    head = _decode_header(message, Kind.FRAME)
    if len(transfer) != FRAME_BYTES or head.length != FRAME_BYTES - HEADER_BYTES:
        raise ProtocolViolation("a frame of another length than a frame's", length=len(transfer), said=head.length)
    if zlib.crc32(message[HEADER_BYTES:HEAD_BYTES]) != head.payload_crc:
        raise ProtocolViolation("a frame with a damaged description", sequence=head.sequence)
    fields = _DESCRIPTION.unpack_from(message, HEADER_BYTES)
    if fields[3:9] != _GEOMETRY:
        raise ProtocolViolation("a frame of another size than the protocol's", width=fields[3], height=fields[4])
    presence = np.unpackbits(transfer[_MAP_OFFSET : _MAP_OFFSET + _MAP_BYTES]).view(np.bool_)
    if np.count_nonzero(presence) != fields[11]:
        raise ProtocolViolation("a presence map that its count contradicts", said=fields[11])
    end = _decode_header(message[HEAD_BYTES + PIXEL_BYTES :], Kind.END)
    if (end.session, end.sequence) != (head.session, head.sequence):
        raise ProtocolViolation("a frame with another frame's end", begin=head.sequence, end=end.sequence)
    pixels = transfer[HEAD_BYTES : HEAD_BYTES + PIXEL_BYTES]
    crc = zlib.crc32(pixels.data)
    if crc != end.payload_crc:
        raise ProtocolViolation("a frame with damaged pixels", sequence=head.sequence)
    return FrameMessage(
        session=head.session,
        sequence=head.sequence,
        status=_status(head.status),
        stream=fields[0],
        impression=fields[1],
        flags=FrameFlag(fields[2]),
        device_time_us=fields[9],
        lost=fields[10],
        presence=presence.reshape(MAP_ROWS, MAP_COLUMNS),
        pixels=pixels.reshape(IMAGE_HEIGHT, IMAGE_WIDTH),
        pixels_crc=crc,
    )


def ends_with_mark(transfer: NDArray[np.uint8]) -> bool:
    """Tell a transfer that the mark at the beginning of a stream has ended, alone or behind stale bytes."""
    try:
        _decode_header(transfer[-HEADER_BYTES:].data, Kind.MARK)
    except ProtocolViolation:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Header:
    code: int
    status: int
    session: int
    sequence: int
    length: int
    payload_crc: int


def _encode_header(kind: Kind, code: int, session: int, sequence: int, payload: bytes) -> bytes:
    fields = (_MAGIC, kind, code, 0, session, sequence, len(payload), zlib.crc32(payload), 0)
    checked = _HEADER.pack(*fields, 0)[:-4]
    return checked + zlib.crc32(checked).to_bytes(4, "little")


def _decode_header(message: memoryview | bytes, expected: Kind) -> _Header:
    if len(message) < HEADER_BYTES:
        raise ProtocolViolation("a message shorter than its header", length=len(message))
    magic, kind, code, status, session, sequence, length, payload_crc, _, crc = _HEADER.unpack_from(message)
    if magic != _MAGIC:
        raise ProtocolViolation("not a message of the slap scanner protocol")
    if zlib.crc32(message[: HEADER_BYTES - 4]) != crc:
        raise ProtocolViolation("a message with a damaged header")
    if kind != expected:
        raise ProtocolViolation("a message of another kind", kind=kind, expected=expected.name)
    return _Header(code, status, session, sequence, length, payload_crc)


def _unpack(layout: struct.Struct, payload: bytes, command: str) -> tuple[int, ...]:
    """Later versions may append: what is longer is cut."""
    if len(payload) < layout.size:
        raise ProtocolViolation("an answer shorter than its command's", command=command, length=len(payload))
    fields: tuple[int, ...] = layout.unpack_from(payload)
    return fields


def _status(number: int) -> int:
    return Status(number) if number in Status.__members__.values() else number
