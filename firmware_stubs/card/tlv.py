"""BER-TLV with definite lengths, as the card reads and writes it (ISO/IEC 7816-4, 5.2.2)."""

from __future__ import annotations

from firmware_stubs.card.apdu import Refused, Status


def encode(tag: int, value: bytes) -> bytes:
    """One data object, its length in the fewest bytes."""
    width = max(1, (tag.bit_length() + 7) // 8)
    return tag.to_bytes(width) + length_bytes(len(value)) + value


def length_bytes(length: int) -> bytes:
    """A BER length."""
    if length < 0x80:
        return bytes((length,))
    width = (length.bit_length() + 7) // 8
    return bytes((0x80 | width,)) + length.to_bytes(width)


def decode(content: bytes) -> list[tuple[int, bytes]]:
    """Read (tag, value) of each data object at the top. Raises Refused with 6A80."""
    objects = []
    at = 0
    while at < len(content):
        tag, at = _tag(content, at)
        length, at = _length(content, at)
        if at + length > len(content):
            raise Refused(Status.WRONG_DATA)
        objects.append((tag, content[at : at + length]))
        at += length
    return objects


def only(content: bytes, tag: int) -> bytes:
    """Read the value of the one data object that is there. Raises Refused with 6A80."""
    match decode(content):
        case [(found, value)] if found == tag:
            return value
    raise Refused(Status.WRONG_DATA)


def _tag(content: bytes, at: int) -> tuple[int, int]:
    tag = content[at]
    at += 1
    if tag & 0x1F == 0x1F:
        while True:
            if at >= len(content) or tag > 0xFFFF:
                raise Refused(Status.WRONG_DATA)
            tag = tag << 8 | content[at]
            at += 1
            if not tag & 0x80:
                break
    return tag, at


def _length(content: bytes, at: int) -> tuple[int, int]:
    if at >= len(content):
        raise Refused(Status.WRONG_DATA)
    first = content[at]
    at += 1
    if first < 0x80:
        return first, at
    width = first & 0x7F
    if not 1 <= width <= 3 or at + width > len(content):
        raise Refused(Status.WRONG_DATA)
    return int.from_bytes(content[at : at + width]), at + width
