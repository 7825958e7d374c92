"""BER-TLV data objects as chip cards and travel documents use them: ISO/IEC 7816-4:2013 5.2.2, ISO/IEC 8825-1.

Tags have one or two octets. Lengths are definite, of at most four octets more, and as short as they can be, so that one
value has one encoding. Nothing is read beyond what holds it: an object's length is checked against what is left before
its value is taken. Every failure is MalformedRecord.

    tag     1 or 2 octets: two where bits 1..5 of the first are all set; then bit 8 of the second is clear
    length  00..7F, or 8n and n octets, n 1..4
    value
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.octets import OctetReader, check_range

MAX_LENGTH_OCTETS: Final = 4

_NAME: Final = "data object"
_MANY_OCTETS_TAG: Final = 0x1F
_CONTINUED: Final = 0x80
_LONGEST_SHORT_LENGTH: Final = 0x7F


@dataclass(frozen=True, slots=True)
class DataObject:
    """One data object. Raises MalformedRecord for a tag of other than one or two octets."""

    tag: int
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        octets = self.tag.to_bytes(1 + (self.tag > 0xFF), "big") if 0 < self.tag <= 0xFFFF else b""
        if not octets or _tag_octets(octets[0]) != len(octets) or (octets[-1] & _CONTINUED and len(octets) == 2):
            raise MalformedRecord(f"{_NAME}: {self.tag:X} is no tag of one or two octets", tag=self.tag)
        check_range(len(self.value), 0, 256**MAX_LENGTH_OCTETS - 1, "data object length", _NAME)

    def encode(self) -> bytes:
        """Tag, length, value."""
        tag = self.tag.to_bytes(1 + (self.tag > 0xFF), "big")
        return tag + _length(len(self.value)) + self.value


def encode_objects(objects: Sequence[DataObject]) -> bytes:
    """Data objects one after the other."""
    return b"".join(found.encode() for found in objects)


def read_objects(octets: bytes, record: str) -> tuple[DataObject, ...]:
    """Data objects to the end. record: what they are of, for messages. Raises MalformedRecord."""
    reader = OctetReader(octets, record)
    objects: list[DataObject] = []
    while reader.remaining:
        with reader.locating():
            tag, length = read_header(reader, record)
            objects.append(DataObject(tag, reader.take(length, "data object")))
    return tuple(objects)


def read_header(reader: OctetReader, record: str) -> tuple[int, int]:
    """The tag, and how many octets its value should have; these are not looked for. Raises MalformedRecord."""
    tag = reader.unsigned(1, "tag")
    if _tag_octets(tag) == 2:
        tag = tag << 8 | reader.unsigned(1, "tag")
    length = first = reader.unsigned(1, "length")
    if first > _LONGEST_SHORT_LENGTH:
        octets = first & 0x7F
        check_range(octets, 1, MAX_LENGTH_OCTETS, "octets of a length", record)
        length = reader.unsigned(octets, "length")
        if len(_length(length)) != 1 + octets:
            raise MalformedRecord(f"{record}: a length is longer than it need be", field="length")
    return tag, length


def content_of(octets: bytes, tag: int, record: str) -> bytes:
    """The value of the one data object that `octets` are, which must have this tag. Raises MalformedRecord."""
    reader = OctetReader(octets, record)
    found, length = read_header(reader, record)
    value = reader.take(length, "data object")
    reader.expect_end()
    check_range(found, tag, tag, "tag", record)
    return value


def only(objects: Sequence[DataObject], tags: Sequence[int], what: str, record: str) -> DataObject:
    """The one object that has one of these tags. Raises MalformedRecord for none and for several."""
    found = [candidate for candidate in objects if candidate.tag in tags]
    if len(found) != 1:
        raise MalformedRecord(
            f"{record}: {len(found)} data objects are the {what}, not one", field=what, found=len(found)
        )
    return found[0]


def _tag_octets(first: int) -> int:
    return 2 if first & _MANY_OCTETS_TAG == _MANY_OCTETS_TAG else 1


def _length(value: int) -> bytes:
    if value <= _LONGEST_SHORT_LENGTH:
        return bytes((value,))
    octets = value.to_bytes(-(-value.bit_length() // 8), "big")
    return bytes((0x80 | len(octets),)) + octets
