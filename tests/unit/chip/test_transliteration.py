"""Names in the letters of the machine readable zone: every Vietnamese letter has one, and nothing is guessed."""

from __future__ import annotations

import unicodedata
from itertools import product

import pytest

from enrollment.core.chip.transliteration import family_and_given, name_parts
from enrollment.core.errors import InvalidDemographics

VOWELS = "aăâeêioôơuưy"
TONES = ["", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_vietnamese_vowel_in_every_tone_becomes_its_plain_letter(form: str) -> None:
    for vowel, tone in product(VOWELS, TONES):
        written = unicodedata.normalize(form, vowel + tone)  # type: ignore[arg-type]
        plain = {"ă": "A", "â": "A", "ê": "E", "ô": "O", "ơ": "O", "ư": "U"}.get(vowel, vowel.upper())
        assert name_parts(written, "full_name") == name_parts(written.upper(), "full_name") == (plain,)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Nguyễn Thị Đượm", ("NGUYEN", "THI", "DUOM")),
        ("HỒ THỊ XUÂN HƯƠNG", ("HO", "THI", "XUAN", "HUONG")),
        ("Y Bhiăt Niê Kđăm", ("Y", "BHIAT", "NIE", "KDAM")),
        ("Hồ  Văn-Đức ", ("HO", "VAN", "DUC")),
        ("H'Hen Niê", ("HHEN", "NIE")),
        ("D’Artagnan", ("DARTAGNAN",)),  # 9303-3 4.6: apostrophes are left out
        ("Smith-Jones", ("SMITH", "JONES")),  # a hyphen becomes a filler
        ("Müller Weiß Åse Øst", ("MUELLER", "WEISS", "AASE", "OEST")),
        ("Łukasz Żółć", ("LUKASZ", "ZOLC")),
    ],
)
def test_name_becomes_its_parts(name: str, parts: tuple[str, ...]) -> None:
    assert name_parts(name, "full_name") == parts


@pytest.mark.parametrize("name", ["", " - ", "'", "Иван", "王", "A1", "A.", "A<B", "A\u0489", "A\u200b"])
def test_what_has_no_transliteration_is_refused_by_field_and_not_by_value(name: str) -> None:
    with pytest.raises(InvalidDemographics) as caught:
        name_parts(name, "full_name")
    assert caught.value.facts["field"] == "full_name"
    assert not name.strip() or name not in str(caught.value)


def test_family_name_is_the_first_word() -> None:
    assert family_and_given(" Nguyễn Văn  An") == ("Nguyễn", "Văn  An")
    assert family_and_given("Suharto") == ("Suharto", "")
