"""The machine readable zone of a card (TD1): three lines of 30 characters, in EF.DG1.

    line 1   1  2  document code           line 2   1  6  date of birth, YYMMDD     line 3   1 30  NAME<<GIVEN<NAMES
             3  3  issuing state                    7  1  its check digit
             6  9  document number                  8  1  sex, M F <
            15  1  its check digit                  9  6  date of expiry, YYMMDD
            16 15  optional data                   15  1  its check digit
                                                   16  3  nationality
                                                   19 11  optional data
                                                   30  1  check digit over both lines

Unknown parts of a date are `<`. Document numbers of more than nine characters, which continue in the optional data, are
not read.
Sources: ICAO Doc 9303-3, 8th edition, 4.9 (check digits), 9303-5, 4.2 (TD1, truncation of names), 9303-10, 4.7.1 (DG1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.chip.transliteration import FILLER
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, only, read_objects

LINE: Final = 30
DG1_TAG: Final = 0x61
MRZ_TAG: Final = 0x5F1F
NAME_BREAK: Final = FILLER * 2

_NAME: Final = "machine readable zone"
_WEIGHTS: Final = (7, 3, 1)
_VALUES: Final = {FILLER: 0, **{character: int(character, 36) for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}
_CHARACTERS: Final = re.compile(r"[0-9A-Z<]*")
_NAMES: Final = re.compile(r"[A-Z]+(<[A-Z]+)*(<<[A-Z]+(<[A-Z]+)*)?<*")
_DATE: Final = re.compile(r"[0-9]{2}([0-9]{2}|<<)([0-9]{2}|<<)|<{6}")
# field: characters, and what they may be
_FIELDS: Final = {
    "document_code": (2, re.compile(r"[ACI][0-9A-Z<]")),
    "issuer": (3, re.compile(r"[A-Z][A-Z<]{2}")),
    "document_number": (9, re.compile(r"[0-9A-Z<]{9}")),
    "optional_1": (15, re.compile(r"[0-9A-Z<]{15}")),
    "birth": (6, _DATE),
    "sex": (1, re.compile(r"[MF<]")),
    "expiry": (6, _DATE),
    "nationality": (3, re.compile(r"[A-Z][A-Z<]{2}")),
    "optional_2": (11, re.compile(r"[0-9A-Z<]{11}")),
    "names": (LINE, _NAMES),
}


def check_digit(characters: str) -> str:
    """The digit over these. Raises MalformedRecord for a character that no machine readable zone has."""
    if not _CHARACTERS.fullmatch(characters):
        raise MalformedRecord(f"{_NAME}: a character that it cannot have", field="check digit")
    return str(sum(_VALUES[character] * _WEIGHTS[at % 3] for at, character in enumerate(characters)) % 10)


@dataclass(frozen=True, slots=True, repr=False)
class MachineReadableZone:
    """A zone without its check digits. Shorter fields are filled up with `<`.

    names: as `names_line` makes them.
    Raises MalformedRecord, naming the field, for what a field cannot hold.
    """

    document_code: str
    issuer: str
    document_number: str
    optional_1: str
    birth: str
    sex: str
    expiry: str
    nationality: str
    optional_2: str
    names: str

    def __post_init__(self) -> None:
        for field, (length, form) in _FIELDS.items():
            value = getattr(self, field).ljust(length, FILLER)
            if not form.fullmatch(value) or len(value) != length:
                raise MalformedRecord(f"{_NAME}: {field} does not have its form", field=field, length=length)
            object.__setattr__(self, field, value)

    @property
    def lines(self) -> tuple[str, str, str]:
        """The three lines, with check digits."""
        number, birth, expiry = (_checked(value) for value in (self.document_number, self.birth, self.expiry))
        first = self.document_code + self.issuer + number + self.optional_1
        composite = check_digit(first[5:] + birth + expiry + self.optional_2)
        return first, birth + self.sex + expiry + self.nationality + self.optional_2 + composite, self.names

    @property
    def access_information(self) -> str:
        """What keys for basic access are derived from: number, birth and expiry, each with its check digit."""
        return _checked(self.document_number) + _checked(self.birth) + _checked(self.expiry)

    @property
    def primary(self) -> tuple[str, ...]:
        """Parts of the primary identifier, which is the family name."""
        return tuple(self.names.rstrip(FILLER).split(NAME_BREAK)[0].split(FILLER))

    @property
    def secondary(self) -> tuple[str, ...]:
        """Parts of the secondary identifier, the given names; may be none."""
        _, _, given = self.names.rstrip(FILLER).partition(NAME_BREAK)
        return tuple(given.split(FILLER)) if given else ()

    @property
    def may_be_truncated(self) -> bool:
        """Whether the last position of the names is a letter: they end there or were cut."""
        return self.names[-1] != FILLER

    def encode(self) -> bytes:
        """EF.DG1."""
        return DataObject(DG1_TAG, DataObject(MRZ_TAG, "".join(self.lines).encode("ascii")).encode()).encode()

    @classmethod
    def decode(cls, octets: bytes) -> MachineReadableZone:
        """Read EF.DG1. Raises MalformedRecord, also for a check digit that does not fit."""
        objects = read_objects(value_of(octets, DG1_TAG, "EF.DG1"), "EF.DG1")
        zone = only(objects, (MRZ_TAG,), "machine readable zone", "EF.DG1").value
        if len(objects) != 1 or not zone.isascii():
            raise MalformedRecord("EF.DG1: it holds something else than one zone", objects=len(objects))
        return cls.from_text(zone.decode("ascii"))

    @classmethod
    def from_text(cls, text: str) -> MachineReadableZone:
        """Read the 90 characters of the three lines, or the lines with line breaks. Raises MalformedRecord."""
        joined = "".join(text.splitlines())
        if len(joined) != 3 * LINE:
            raise MalformedRecord(f"{_NAME}: {len(joined)} characters, a card has 90", found=len(joined))
        first, second, third = (joined[start : start + LINE] for start in range(0, 3 * LINE, LINE))
        number, birth, expiry = first[5:14], second[:6], second[8:14]
        zone = cls(
            document_code=first[:2],
            issuer=first[2:5],
            document_number=number,
            optional_1=first[15:],
            birth=birth,
            sex=second[7],
            expiry=expiry,
            nationality=second[15:18],
            optional_2=second[18:29],
            names=third,
        )
        for field, at in (("document_number", 14), ("birth", 36), ("expiry", 44), ("composite", 59)):
            if "".join(zone.lines)[at] != joined[at]:
                raise MalformedRecord(f"{_NAME}: the check digit of {field} does not fit", field=field, offset=at)
        return zone


def names_line(primary: Sequence[str], secondary: Sequence[str], length: int = LINE) -> str:
    """Names in the characters that a zone has for them; cut where they do not fit, so that the last is a letter.

    primary, secondary: parts of A to Z (`transliteration.name_parts`); secondary may be none.
    The primary identifier stays whole while the first letter of the secondary one still fits behind it.
    """
    family, given = FILLER.join(primary), FILLER.join(secondary)
    whole = family + NAME_BREAK + given if given else family
    if len(whole) <= length:
        return whole.ljust(length, FILLER)
    if not given:
        return _cut(primary, length).ljust(length, FILLER)
    kept = _cut(primary, length - len(NAME_BREAK) - 1) if len(family) > length - len(NAME_BREAK) - 1 else family
    return (kept + NAME_BREAK + _cut(secondary, length - len(kept) - len(NAME_BREAK))).ljust(length, FILLER)


def _cut(parts: Sequence[str], length: int) -> str:
    """At most the first `length` characters of the parts, the last of them a letter.

    Where the cut would fall behind a filler, the longest part before it gives a letter for the next part's first.
    """
    joined = FILLER.join(parts)
    if len(joined) <= length or joined[length - 1] != FILLER:
        return joined[:length]
    before = joined[: length - 1].split(FILLER)
    longest = max(range(len(before)), key=lambda at: (len(before[at]), at))
    if len(before[longest]) == 1:
        return joined[: length - 1]
    before[longest] = before[longest][:-1]
    return FILLER.join((*before, joined[length]))


def _checked(characters: str) -> str:
    return characters + check_digit(characters)
