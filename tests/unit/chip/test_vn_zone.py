"""The zone of a Vietnamese card, position by position."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from enrollment.core.chip.card_profile import ZoneRules
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.vn_zone import BirthInPart, zone_of_person
from enrollment.core.errors import InvalidDemographics, PersonalNumberMismatch

RULES = ZoneRules("ID", "VNM", "<<<<<<")
PERSON: dict[str, Any] = {
    "personal_number": "001195000017",
    "full_name": "Nguyễn Thị Đượm",
    "born": date(1995, 9, 2),
    "sex": "F",
    "expires": date(2035, 9, 2),
}


def test_zone_stands_as_on_the_published_card() -> None:
    first, second, third = zone_of_person(RULES, **PERSON).lines
    assert first[:14] == "IDVNM195000017"
    assert first[15:27] == "001195000017"
    assert first[27:29] == "<<"
    # over 195000017: 1*7+9*3+5+1*3+7 = 49; over 001195000017: 1+1*7+9*3+5+1*3+7 = 50
    assert (first[14], first[29]) == ("9", "0")
    assert (second[:6], second[7], second[8:14], second[15:29]) == ("950902", "F", "350902", "VNM" + "<" * 11)
    assert third == "NGUYEN<<THI<DUOM<<<<<<<<<<<<<<"


@pytest.mark.parametrize(
    ("born", "told"), [(BirthInPart(1995), "95<<<<"), (BirthInPart(1995, 9), "9509<<"), (date(1995, 9, 2), "950902")]
)
def test_unknown_parts_of_a_birth_are_filled(born: date | BirthInPart, told: str) -> None:
    zone = zone_of_person(RULES, **PERSON | {"born": born})
    assert zone.lines[1][:6] == told
    assert MachineReadableZone.decode(zone.encode()) == zone
    with pytest.raises(PersonalNumberMismatch):
        zone_of_person(RULES, **PERSON | {"born": BirthInPart(1994)})


@pytest.mark.parametrize("month", [13, -1])
def test_month_that_is_none_is_refused(month: int) -> None:
    with pytest.raises(InvalidDemographics):
        BirthInPart(1995, month)


def test_zone_comes_back_from_its_data_group() -> None:
    zone = zone_of_person(RULES, **PERSON)
    assert MachineReadableZone.decode(zone.encode()) == zone


def test_card_without_an_end_has_what_the_profile_says() -> None:
    zone = zone_of_person(RULES, **PERSON | {"expires": None})
    assert zone.lines[1][8:15] == "<<<<<<0"
    assert zone_of_person(ZoneRules("ID", "VNM", "991231"), **PERSON | {"expires": None}).expiry == "991231"


def test_name_of_one_word_has_no_given_names() -> None:
    assert zone_of_person(RULES, **PERSON | {"full_name": "Y"}).names == "Y".ljust(30, "<")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("full_name", "Nguyễn 王", InvalidDemographics),
        ("full_name", "", InvalidDemographics),
        ("sex", "X", InvalidDemographics),
        ("sex", "M", PersonalNumberMismatch),
        ("born", date(1996, 9, 2), PersonalNumberMismatch),
        ("personal_number", "195000017", InvalidDemographics),
    ],
)
def test_what_does_not_make_a_zone_is_refused(field: str, value: object, error: type[InvalidDemographics]) -> None:
    with pytest.raises(error):
        zone_of_person(RULES, **PERSON | {field: value})
