"""EF.DG13 of the Vietnamese card: what is printed on it, in Vietnamese letters.

    6D { SEQUENCE { INTEGER 1, OBJECT IDENTIFIER 1.0.10646.1.0.8, SET { SEQUENCE { INTEGER n, value } ... } } }

     1 personal number   5 nationality   9 residence      13 SEQUENCE { father, mother }
     2 full name         6 ethnicity    10 marks          14 SEQUENCE { spouse }
     3 date of birth     7 religion     11 date of issue  15 old number
     4 sex               8 origin       12 expiry         16 number of the chip

Values are UTF8String or PrintableString, dates dd/mm/yyyy; a field without a value is left out. Written are
PrintableString for numbers and dates, UTF8String for all else, and the SET in the order of DER; read is any order.
Source: public readers of the card. Fields 15 and 16 are told apart by some of them only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, encode_objects, read_objects
from enrollment.core.records.octets import check_member, check_range

TAG: Final = 0x6D
VERSION: Final = 1
FORMAT: Final = "1.0.10646.1.0.8"
MAX_VALUE_OCTETS: Final = 2048

_NAME: Final = "EF.DG13"
_SEQUENCE, _SET, _INTEGER, _OID, _UTF8, _PRINTABLE = 0x30, 0x31, 0x02, 0x06, 0x0C, 0x13
_PRINTABLES: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")


@dataclass(frozen=True, slots=True, repr=False)
class PrintedIdentity:
    """The fields, in NFC; empty where there is none. Dates are dd/mm/yyyy.

    Raises MalformedRecord, naming the field, for a value that is too long, and a number or date that is not plain.
    """

    personal_number: str
    full_name: str
    date_of_birth: str
    sex: str = ""
    nationality: str = ""
    ethnicity: str = ""
    religion: str = ""
    place_of_origin: str = ""
    residence: str = ""
    marks: str = ""
    issued: str = ""
    expires: str = ""
    father: str = ""
    mother: str = ""
    spouse: str = ""
    old_number: str = ""
    chip_number: str = ""

    def __post_init__(self) -> None:
        for found in fields(self):
            value = unicodedata.normalize("NFC", getattr(self, found.name))
            octets = len(value.encode("utf-8", errors="replace"))
            check_range(octets, 0, MAX_VALUE_OCTETS, found.name, _NAME)
            if found.name in _PLAIN and not _PRINTABLES.issuperset(value):
                raise MalformedRecord(f"{_NAME}: {found.name} has other than plain characters", field=found.name)
            if any(unicodedata.category(character) == "Cs" for character in value):
                raise MalformedRecord(f"{_NAME}: {found.name} has half a character", field=found.name)
            object.__setattr__(self, found.name, value)

    def encode(self) -> bytes:
        """EF.DG13."""
        items = [
            _item(number, _string(name, getattr(self, name)))
            for number, name in _STRINGS.items()
            if getattr(self, name)
        ]
        for number, names in _PEOPLE.items():
            if any(getattr(self, name) for name in names):
                people = encode_objects([_string(name, getattr(self, name)) for name in names])
                items.append(_item(number, DataObject(_SEQUENCE, people)))
        content = asn1.encode_der(VERSION) + asn1.encode_der(ObjectIdentifier(FORMAT))
        content += DataObject(_SET, b"".join(sorted(items))).encode()
        return DataObject(TAG, DataObject(_SEQUENCE, content).encode()).encode()

    @classmethod
    def decode(cls, octets: bytes) -> PrintedIdentity:
        """Read EF.DG13; unknown fields are passed over. Raises MalformedRecord, also where one of the first 3 lacks."""
        content = read_objects(content_of(value_of(octets, TAG, _NAME), _SEQUENCE, _NAME), _NAME)
        if [found.tag for found in content] != [_INTEGER, _OID, _SET]:
            raise MalformedRecord(f"{_NAME}: other data objects than version, format and fields", objects=len(content))
        if content[0].value != bytes((VERSION,)) or content[1].encode() != asn1.encode_der(ObjectIdentifier(FORMAT)):
            raise MalformedRecord(f"{_NAME}: another version or format", field="format")
        values: dict[str, str] = {}
        seen: set[int] = set()
        for item in read_objects(content[2].value, _NAME):
            number, value = _numbered(item)
            if number in seen:
                raise MalformedRecord(f"{_NAME}: a field stands twice", field=number)
            seen.add(number)
            if number in _PEOPLE:
                values |= _people(_PEOPLE[number], value)
            elif number in _STRINGS:
                values[_STRINGS[number]] = _text(value)
        for name in ("personal_number", "full_name", "date_of_birth"):
            if not values.get(name):
                raise MalformedRecord(f"{_NAME}: {name} is missing", field=name)
        return cls(**values)


_NAMES: Final = tuple(found.name for found in fields(PrintedIdentity))
_PEOPLE: Final[Mapping[int, tuple[str, ...]]] = {13: ("father", "mother"), 14: ("spouse",)}
_STRINGS: Final[Mapping[int, str]] = {
    **dict(enumerate(_NAMES[:12], start=1)),
    15: "old_number",
    16: "chip_number",
}
_PLAIN: Final = frozenset({"personal_number", "date_of_birth", "issued", "expires", "old_number", "chip_number"})


def _string(name: str, value: str) -> DataObject:
    return DataObject(_PRINTABLE if name in _PLAIN else _UTF8, value.encode())


def _item(number: int, value: DataObject) -> bytes:
    return DataObject(_SEQUENCE, asn1.encode_der(number) + value.encode()).encode()


def _numbered(item: DataObject) -> tuple[int, DataObject]:
    check_range(item.tag, _SEQUENCE, _SEQUENCE, "tag of a field", _NAME)
    parts = read_objects(item.value, _NAME)
    check_range(len(parts), 2, 2, "parts of a field", _NAME)
    number, value = parts
    check_range(number.tag, _INTEGER, _INTEGER, "tag of a field's number", _NAME)
    check_range(len(number.value), 1, 1, "octets of a field's number", _NAME)
    return number.value[0], value


def _people(names: tuple[str, ...], value: DataObject) -> dict[str, str]:
    check_range(value.tag, _SEQUENCE, _SEQUENCE, "tag of people", _NAME)
    people = read_objects(value.value, _NAME)
    check_range(len(people), 0, len(names), "number of people", _NAME)
    return {name: _text(found) for name, found in zip(names, people, strict=False)}


def _text(found: DataObject) -> str:
    check_member(found.tag, frozenset({_UTF8, _PRINTABLE}), "tag of a value", _NAME)
    try:
        return found.value.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRecord(f"{_NAME}: a value is no UTF-8", field="value") from None
