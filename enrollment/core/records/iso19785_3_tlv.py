"""CBEFF: a biometric record with a header that says what it is, in the TLV-encoded patron format of ISO/IEC 19785-3
(clause 11; "for use with smart cards or other tokens"), which is that of ISO/IEC 7816-11 and of the data groups of
ICAO Doc 9303-10. Its registered patron format is owner 0101, ISO/IEC JTC 1/SC 37, type 0005.

    7F60 biometric information template         A1 header, in any order
      A1      header                              80  patron header version, 0101
      5F2E    the record, or 7F2E where it is     81  biometric type: 08 fingerprint, 1..3 octets
              made of data objects                82  subtype: which finger, 1 octet
      others, kept                                83  time of creation, YYYYMMDDhhmmss as 7 octets of BCD
                                                  85  validity, from and to, YYYYMMDD each as 8 octets of BCD
    7F61 group                                    86  product: owner 2, type 2
      02      number of templates, 1 octet        87  owner of the record's format, 2 octets
      7F60    ... each                            88  type of the record's format, 2 octets
                                                  others, kept

Lengths are definite and as short as they can be, so that one value has one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.octets import OctetReader, check_range

SC37_OWNER: Final = 0x0101  # ISO/IEC JTC 1/SC 37, in the CBEFF registry
FINGER_MINUTIAE_N: Final = 0x0001  # without extended data
FINGER_MINUTIAE_X: Final = 0x0002  # with extended data
FINGER_IMAGE: Final = 0x0007
FINGERPRINT: Final = 0x08
PATRON_HEADER_VERSION: Final = b"\x01\x01"
MAX_TEMPLATES: Final = 255

TEMPLATE, GROUP, HEADER, DATA, DATA_OBJECTS, COUNT = 0x7F60, 0x7F61, 0xA1, 0x5F2E, 0x7F2E, 0x02
VERSION, TYPE, SUBTYPE, CREATED, VALIDITY, PRODUCT, FORMAT_OWNER, FORMAT_TYPE = (
    0x80,
    0x81,
    0x82,
    0x83,
    0x85,
    0x86,
    0x87,
    0x88,
)

# 19785-1 and ICAO Doc 9303-10: bits 1, 2 right, left; bits 3..5 thumb to little finger. Other positions: no subtype.
SUBTYPES: Final = {position: (1 if position <= 5 else 2) | (1 + (position - 1) % 5) << 2 for position in range(1, 11)}

_NAME: Final = "biometric information template"
_FIXED_OCTETS: Final = {SUBTYPE: 1, FORMAT_OWNER: 2, FORMAT_TYPE: 2}
_MAX_TYPE_OCTETS: Final = 3
_MANY_OCTETS_TAG: Final = 0x1F
_LONGEST_SHORT_LENGTH: Final = 0x7F
_MAX_LENGTH_OCTETS: Final = 4


@dataclass(frozen=True, slots=True)
class DataObject:
    """One BER-TLV data object with a tag of one or two octets."""

    tag: int
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        octets = self.tag.to_bytes(1 + (self.tag > 0xFF), "big") if 0 < self.tag <= 0xFFFF else b""
        if not octets or _tag_octets(octets[0]) != len(octets) or (octets[-1] & 0x80 and len(octets) == 2):
            raise MalformedRecord(f"{_NAME}: {self.tag:X} is no tag of one or two octets", tag=self.tag)
        check_range(len(self.value), 0, 256**_MAX_LENGTH_OCTETS - 1, "data object length", _NAME)

    def encode(self) -> bytes:
        """Tag, length, value."""
        tag = self.tag.to_bytes(1 + (self.tag > 0xFF), "big")
        return tag + _length(len(self.value)) + self.value


@dataclass(frozen=True, slots=True)
class BiometricInformationTemplate:
    """A record and what is said of it, as the data objects of 7F60 in their order.

    Raises MalformedRecord where there is not one header with the format's owner and type, and one record.
    """

    objects: tuple[DataObject, ...]

    def __post_init__(self) -> None:
        header = read_objects(_only(self.objects, (HEADER,), "header").value)
        _only(self.objects, (DATA, DATA_OBJECTS), "record")
        fields = {found.tag: found.value for found in header}
        if len(fields) != len(header):
            raise MalformedRecord(f"{_NAME}: a header's data object stands twice", objects=len(header))
        for tag, octets in _FIXED_OCTETS.items():
            if tag in fields:
                check_range(len(fields[tag]), octets, octets, f"octets of {tag:X}", _NAME)
        if TYPE in fields:
            check_range(len(fields[TYPE]), 1, _MAX_TYPE_OCTETS, "octets of the biometric type", _NAME)
        if not fields.keys() >= {FORMAT_OWNER, FORMAT_TYPE}:
            raise MalformedRecord(f"{_NAME}: the header does not say what the record is", field="format owner and type")

    @property
    def record(self) -> bytes:
        """The record's octets."""
        return _only(self.objects, (DATA, DATA_OBJECTS), "record").value

    @property
    def format(self) -> tuple[int, int]:
        """Owner and type of the record's format."""
        return self._number(FORMAT_OWNER) or 0, self._number(FORMAT_TYPE) or 0

    @property
    def biometric_type(self) -> int | None:
        """FINGERPRINT, 2 face, 0x10 iris; None where it is not said."""
        return self._number(TYPE)

    @property
    def subtype(self) -> int | None:
        """As SUBTYPES, for fingers; None where it is not said."""
        return self._number(SUBTYPE)

    def field(self, tag: int) -> bytes | None:
        """The header's data object of this tag."""
        header = _only(self.objects, (HEADER,), "header")
        return next((found.value for found in read_objects(header.value) if found.tag == tag), None)

    def encode(self) -> bytes:
        """The template's octets."""
        return DataObject(TEMPLATE, _encoded(self.objects)).encode()

    @classmethod
    def decode(cls, data: bytes) -> BiometricInformationTemplate:
        """Read a template. Raises MalformedRecord for anything that `encode` would not have written."""
        return cls(read_objects(_content(data, TEMPLATE)))

    def _number(self, tag: int) -> int | None:
        found = self.field(tag)
        return None if found is None else int.from_bytes(found, "big")


def wrap_finger(
    record: bytes,
    format_type: int,
    *,
    position: int = 0,
    created: datetime | None = None,
    product: tuple[int, int] | None = None,
) -> BiometricInformationTemplate:
    """Put a finger record under a header.

    format_type: FINGER_MINUTIAE_N, FINGER_MINUTIAE_X or FINGER_IMAGE. position: of the finger; one that is not a single
    finger gets no subtype. created: aware. product: owner and type that the CBEFF registry gave.
    """
    fields = [DataObject(VERSION, PATRON_HEADER_VERSION), DataObject(TYPE, bytes((FINGERPRINT,)))]
    if position in SUBTYPES:
        fields.append(DataObject(SUBTYPE, bytes((SUBTYPES[position],))))
    if created is not None:
        fields.append(DataObject(CREATED, bytes.fromhex(f"{created.astimezone(UTC):%Y%m%d%H%M%S}".zfill(14))))
    for tag, values in ((PRODUCT, product), (FORMAT_OWNER, (SC37_OWNER,)), (FORMAT_TYPE, (format_type,))):
        for value in values or ():
            check_range(value, 0, 0xFFFF, f"value of {tag:X}", _NAME)
        if values is not None:
            fields.append(DataObject(tag, b"".join(value.to_bytes(2, "big") for value in values)))
    return BiometricInformationTemplate((DataObject(HEADER, _encoded(fields)), DataObject(DATA, record)))


def encode_group(templates: Sequence[BiometricInformationTemplate]) -> bytes:
    """The group template of these. Raises MalformedRecord for none or more than MAX_TEMPLATES."""
    check_range(len(templates), 1, MAX_TEMPLATES, "number of templates", _NAME)
    count = DataObject(COUNT, bytes((len(templates),)))
    return DataObject(GROUP, count.encode() + b"".join(template.encode() for template in templates)).encode()


def decode_group(data: bytes) -> tuple[BiometricInformationTemplate, ...]:
    """Read a group template. Raises MalformedRecord for anything that `encode_group` would not have written."""
    count, *templates = read_objects(_content(data, GROUP)) or (DataObject(COUNT, b""),)
    if count.tag != COUNT or len(count.value) != 1:
        raise MalformedRecord(f"{_NAME}: a group begins with another data object than its count", tag=count.tag)
    check_range(count.value[0], 1, MAX_TEMPLATES, "number of templates", _NAME)
    check_range(len(templates), count.value[0], count.value[0], "number of templates", _NAME)
    for template in templates:
        check_range(template.tag, TEMPLATE, TEMPLATE, "tag in a group", _NAME)
    return tuple(BiometricInformationTemplate(read_objects(template.value)) for template in templates)


def read_objects(octets: bytes) -> tuple[DataObject, ...]:
    """Data objects to the end. Raises MalformedRecord."""
    reader = OctetReader(octets, _NAME)
    objects: list[DataObject] = []
    while reader.remaining:
        with reader.locating():
            objects.append(_read_object(reader))
    return tuple(objects)


def _read_object(reader: OctetReader) -> DataObject:
    tag = reader.unsigned(1, "tag")
    if _tag_octets(tag) == 2:
        tag = tag << 8 | reader.unsigned(1, "tag")
    length = first = reader.unsigned(1, "length")
    if first > _LONGEST_SHORT_LENGTH:
        octets = first & 0x7F
        check_range(octets, 1, _MAX_LENGTH_OCTETS, "octets of a length", _NAME)
        length = reader.unsigned(octets, "length")
        if len(_length(length)) != 1 + octets:
            raise MalformedRecord(f"{_NAME}: a length is longer than it need be", field="length")
    return DataObject(tag, reader.take(length, "data object"))


def _tag_octets(first: int) -> int:
    return 2 if first & _MANY_OCTETS_TAG == _MANY_OCTETS_TAG else 1


def _length(value: int) -> bytes:
    if value <= _LONGEST_SHORT_LENGTH:
        return bytes((value,))
    octets = value.to_bytes(-(-value.bit_length() // 8), "big")
    return bytes((0x80 | len(octets),)) + octets


def _encoded(objects: Sequence[DataObject]) -> bytes:
    return b"".join(found.encode() for found in objects)


def _content(data: bytes, tag: int) -> bytes:
    reader = OctetReader(data, _NAME)
    found = _read_object(reader)
    reader.expect_end()
    check_range(found.tag, tag, tag, "tag", _NAME)
    return found.value


def _only(objects: Sequence[DataObject], tags: Sequence[int], what: str) -> DataObject:
    found = [candidate for candidate in objects if candidate.tag in tags]
    if len(found) != 1:
        raise MalformedRecord(
            f"{_NAME}: {len(found)} data objects are the {what}, not one", field=what, found=len(found)
        )
    return found[0]
