"""Names in the letters of a machine readable zone: A to Z, with `<` between the parts of a name.

Vietnamese loses its tones and its marks (Đ is D); other Latin letters follow the table. An apostrophe is left out, a
hyphen parts. Nothing is guessed: a letter that is in no table is refused, and the person who typed it is asked.
Source: ICAO Doc 9303-3, 8th edition, 4.6 and 6.A.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from enrollment.core.errors import InvalidDemographics

FILLER: Final = "<"
# grave, acute, circumflex, tilde, breve, hook above, horn, dot below: Vietnamese; the others of the table: macron,
# diaeresis, ring, double acute, caron, dot above, cedilla, comma below, ogonek
MARKS: Final = frozenset(
    "\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323\u0304\u0308\u030a\u030b\u030c\u0307\u0327\u0326\u0328"
)
LETTERS: Final[Mapping[str, str]] = {
    "Đ": "D",
    "Ð": "D",
    "Ħ": "H",
    "ı": "I",
    "Ł": "L",
    "Ŋ": "N",
    "Ŧ": "T",
    "ĸ": "K",
    "ŀ": "L",
    "Ŀ": "L",
    "Ä": "AE",
    "Å": "AA",
    "Æ": "AE",
    "Ĳ": "IJ",
    "Ö": "OE",
    "Ø": "OE",
    "Œ": "OE",
    "Ü": "UE",
    "Þ": "TH",
    "ẞ": "SS",
}
SPACES: Final = frozenset(" -\u2010\u2011")
LEFT_OUT: Final = frozenset("'\u2019\u02bc")


def name_parts(name: str, field: str) -> tuple[str, ...]:
    """The parts of a name, each of A to Z.

    field: the name's field, for messages.
    Raises InvalidDemographics for a character without a transliteration, and where nothing is left.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).upper())
    letters = "".join(FILLER if character in SPACES else _letters(character, field) for character in text)
    parts = tuple(part for part in letters.split(FILLER) if part)
    if not parts:
        raise InvalidDemographics(f"{field}: has no letter", field=field, rule="has no letter")
    return parts


def family_and_given(full_name: str) -> tuple[str, str]:
    """The first word, and the rest: how cards in Viet Nam part a name that is written as one."""
    family, _, given = full_name.strip().partition(" ")
    return family, given.strip()


def _letters(character: str, field: str) -> str:
    if character in LETTERS:
        return LETTERS[character]
    if character in LEFT_OUT:
        return ""
    parted = unicodedata.normalize("NFD", character)
    letter = parted[0]
    if not ("A" <= letter <= "Z" and MARKS.issuperset(parted[1:])):
        rule = "has a character that the machine readable zone cannot show"
        raise InvalidDemographics(f"{field}: {rule}", field=field, rule=rule)
    return letter
