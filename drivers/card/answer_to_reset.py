"""What a card's answer to reset says of lengths: historical bytes and card capabilities (ISO/IEC 7816-3, 8.2; 7816-4,
12.1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_CAPABILITIES: Final = 0x7
_EXTENDED: Final = 0x40


def takes_extended_lengths(answer_to_reset: bytes) -> bool | None:
    """What the card says of extended Lc and Le; None where it says nothing."""
    for tag, value in _compact_objects(_historical(answer_to_reset)):
        if tag == _CAPABILITIES:
            return len(value) >= 3 and bool(value[2] & _EXTENDED)
    return None


def _historical(octets: bytes) -> bytes:
    """b"" where they are cut short."""
    if len(octets) < 2:
        return b""
    count, follows, at = octets[1] & 0x0F, octets[1] >> 4, 2
    while follows:
        at += follows.bit_count()
        if not follows & 0x8 or at > len(octets):
            break
        follows = octets[at - 1] >> 4
    return octets[at : at + count] if at + count <= len(octets) else b""


def _compact_objects(historical: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each compact-TLV object; the status that may follow them is left out."""
    if historical[:1] == b"\x80":
        rest = historical[1:]
    elif historical[:1] == b"\x00" and len(historical) >= 4:
        rest = historical[1:-3]
    else:
        return
    at = 0
    while at < len(rest):
        tag, length = rest[at] >> 4, rest[at] & 0x0F
        yield tag, rest[at + 1 : at + 1 + length]
        at += 1 + length
