"""Command APDUs and status words (ISO/IEC 7816-4, clauses 5.2 and 5.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_SHORT_LC: Final = 255
MAX_SHORT_LE: Final = 256
MAX_EXTENDED_LE: Final = 65_536
CHAINED: Final = 0x10


class Status(IntEnum):
    """Status words that this card answers of its own accord."""

    OK = 0x9000
    MORE_DATA = 0x6100  # and in the low byte how many, 00 for 256 or more
    END_OF_FILE = 0x6282
    DEACTIVATED = 0x6283
    AUTHENTICATION_FAILED = 0x6300
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    LAST_OF_CHAIN_EXPECTED = 0x6883
    SECURITY_NOT_SATISFIED = 0x6982
    BLOCKED = 0x6983
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_CURRENT_FILE = 0x6986
    SM_OBJECT_MISSING = 0x6987
    SM_OBJECT_INCORRECT = 0x6988
    WRONG_DATA = 0x6A80
    FILE_NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    WRONG_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    FILE_EXISTS = 0x6A89
    WRONG_OFFSET = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00


class Refused(Exception):
    """The card answers this status word alone."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Command:
    """One command. le: how many bytes it asks for, None for none. extended: how Lc or Le were coded."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = False

    @property
    def header(self) -> bytes:
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def p1p2(self) -> int:
        return self.p1 << 8 | self.p2


def decode(raw: bytes) -> Command:
    """Read a command in any of the seven encodings of ISO/IEC 7816-3, 12.1.3. Raises Refused with 6700."""
    if len(raw) < 4:
        raise Refused(Status.WRONG_LENGTH)
    cla, ins, p1, p2 = raw[:4]
    body = raw[4:]
    if not body:
        return Command(cla, ins, p1, p2)
    if len(body) == 1:
        return Command(cla, ins, p1, p2, b"", body[0] or MAX_SHORT_LE)
    if body[0]:
        length, rest, width = body[0], body[1:], 1
    elif len(body) == 3:
        return Command(cla, ins, p1, p2, b"", int.from_bytes(body[1:]) or MAX_EXTENDED_LE, extended=True)
    else:
        length, rest, width = int.from_bytes(body[1:3]), body[3:], 2
    data, le = rest[:length], rest[length:]
    if not length or len(data) < length or len(le) not in (0, width):
        raise Refused(Status.WRONG_LENGTH)
    asked = int.from_bytes(le) or (MAX_SHORT_LE if width == 1 else MAX_EXTENDED_LE)
    return Command(cla, ins, p1, p2, data, asked if le else None, extended=width == 2)


def lc_bytes(length: int) -> bytes:
    """Lc as it is coded for that many bytes."""
    return bytes((length,)) if length <= MAX_SHORT_LC else b"\0" + length.to_bytes(2)
