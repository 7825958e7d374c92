"""CBEFF: a biometric record with a header that says what it is, in the TLV-encoded patron format of ISO/IEC 19785-3
(clause 11; "for use with smart cards or other tokens"), which is that of ISO/IEC 7816-11 and of the data groups of
ICAO Doc 9303-10. Its registered patron format is owner 0101, ISO/IEC JTC 1/SC 37, type 0005.

    7F60 biometric information template         A1 header, in any order
      A1      header                              80  patron header version, 0101
      5F2E    the record, or 7F2E where it is     81  biometric type: 08 fingerprint, 02 face, 1..3 octets
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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, encode_objects, only, read_objects
from enrollment.core.records.octets import check_range

SC37_OWNER: Final = 0x0101  # ISO/IEC JTC 1/SC 37, in the CBEFF registry
FINGER_MINUTIAE_N: Final = 0x0001  # without extended data
FINGER_MINUTIAE_X: Final = 0x0002  # with extended data
FINGER_IMAGE: Final = 0x0007
FACE_IMAGE: Final = 0x0008
FACE: Final = 0x02
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


@dataclass(frozen=True, slots=True)
class BiometricInformationTemplate:
    """A record and what is said of it, as the data objects of 7F60 in their order.

    Raises MalformedRecord where there is not one header with the format's owner and type, and one record.
    """

    objects: tuple[DataObject, ...]

    def __post_init__(self) -> None:
        header = read_objects(only(self.objects, (HEADER,), "header", _NAME).value, _NAME)
        only(self.objects, (DATA, DATA_OBJECTS), "record", _NAME)
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
        return only(self.objects, (DATA, DATA_OBJECTS), "record", _NAME).value

    @property
    def format(self) -> tuple[int, int]:
        """Owner and type of the record's format."""
        return self._number(FORMAT_OWNER) or 0, self._number(FORMAT_TYPE) or 0

    @property
    def biometric_type(self) -> int | None:
        """FINGERPRINT, FACE, 0x10 iris; None where it is not said."""
        return self._number(TYPE)

    @property
    def subtype(self) -> int | None:
        """As SUBTYPES, for fingers; None where it is not said."""
        return self._number(SUBTYPE)

    def field(self, tag: int) -> bytes | None:
        """The header's data object of this tag."""
        header = only(self.objects, (HEADER,), "header", _NAME)
        return next((found.value for found in read_objects(header.value, _NAME) if found.tag == tag), None)

    def encode(self) -> bytes:
        """The template's octets."""
        return DataObject(TEMPLATE, encode_objects(self.objects)).encode()

    @classmethod
    def decode(cls, data: bytes) -> BiometricInformationTemplate:
        """Read a template. Raises MalformedRecord for anything that `encode` would not have written."""
        return cls(read_objects(content_of(data, TEMPLATE, _NAME), _NAME))

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
    return _wrapped(record, FINGERPRINT, format_type, SUBTYPES.get(position), created, product)


def wrap_face(
    record: bytes, *, created: datetime | None = None, product: tuple[int, int] | None = None
) -> BiometricInformationTemplate:
    """Put a face image record under a header. created, product: as of wrap_finger."""
    return _wrapped(record, FACE, FACE_IMAGE, None, created, product)


def _wrapped(
    record: bytes,
    biometric_type: int,
    format_type: int,
    subtype: int | None,
    created: datetime | None,
    product: tuple[int, int] | None,
) -> BiometricInformationTemplate:
    fields = [DataObject(VERSION, PATRON_HEADER_VERSION), DataObject(TYPE, bytes((biometric_type,)))]
    if subtype is not None:
        fields.append(DataObject(SUBTYPE, bytes((subtype,))))
    if created is not None:
        fields.append(DataObject(CREATED, bytes.fromhex(f"{created.astimezone(UTC):%Y%m%d%H%M%S}".zfill(14))))
    for tag, values in ((PRODUCT, product), (FORMAT_OWNER, (SC37_OWNER,)), (FORMAT_TYPE, (format_type,))):
        for value in values or ():
            check_range(value, 0, 0xFFFF, f"value of {tag:X}", _NAME)
        if values is not None:
            fields.append(DataObject(tag, b"".join(value.to_bytes(2, "big") for value in values)))
    return BiometricInformationTemplate((DataObject(HEADER, encode_objects(fields)), DataObject(DATA, record)))


def encode_group(templates: Sequence[BiometricInformationTemplate]) -> bytes:
    """The group template of these. Raises MalformedRecord for none or more than MAX_TEMPLATES."""
    check_range(len(templates), 1, MAX_TEMPLATES, "number of templates", _NAME)
    count = DataObject(COUNT, bytes((len(templates),)))
    return DataObject(GROUP, count.encode() + b"".join(template.encode() for template in templates)).encode()


def decode_group(data: bytes) -> tuple[BiometricInformationTemplate, ...]:
    """Read a group template. Raises MalformedRecord for anything that `encode_group` would not have written."""
    count, *templates = read_objects(content_of(data, GROUP, _NAME), _NAME) or (DataObject(COUNT, b""),)
    if count.tag != COUNT or len(count.value) != 1:
        raise MalformedRecord(f"{_NAME}: a group begins with another data object than its count", tag=count.tag)
    check_range(count.value[0], 1, MAX_TEMPLATES, "number of templates", _NAME)
    check_range(len(templates), count.value[0], count.value[0], "number of templates", _NAME)
    for template in templates:
        check_range(template.tag, TEMPLATE, TEMPLATE, "tag in a group", _NAME)
    return tuple(BiometricInformationTemplate(read_objects(template.value, _NAME)) for template in templates)
