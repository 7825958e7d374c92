"""The 12-digit personal number of Viet Nam, and what it must agree with. An error names the rule, never the number.

    1  3  place of birth registration, as it was coded then: places merge, so it is checked against no list
    4  1  century and sex: 20th 0 male, 1 female; 21st 2, 3; and so on to the 24th with 8, 9
    5  2  year of birth
    7  6  random

As publicly described.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from enrollment.core.errors import InvalidDemographics, PersonalNumberMismatch

DIGITS: Final = re.compile(r"[0-9]{12}")
FIRST_CENTURY: Final = 20  # coded 0 and 1


def check_form(number: str, field: str = "personal_number") -> None:
    """Raise InvalidDemographics for anything but 12 digits."""
    if not DIGITS.fullmatch(number):
        raise InvalidDemographics(f"{field}: must be 12 digits", field=field, rule="must be 12 digits")


def check_agreement(
    number: str, *, born: date | None = None, sex: str = "", place: str = "", field: str = "personal_number"
) -> None:
    """What is known of the person must agree with the number.

    sex: M or F; anything else is not compared. place: the 3 digits of the place where the birth was registered, as it
    was coded then; empty where it is not known.
    Raises InvalidDemographics for a number without its form, PersonalNumberMismatch with the rule that is broken.
    """
    check_form(number, field)
    century_and_sex, year = int(number[3]), int(number[4:6])
    if born is not None and century_and_sex // 2 != born.year // 100 + 1 - FIRST_CENTURY:
        raise _mismatch(field, "its century digit disagrees with the date of birth")
    if born is not None and year != born.year % 100:
        raise _mismatch(field, "its year digits disagree with the date of birth")
    if sex in ("M", "F") and century_and_sex % 2 != (sex == "F"):
        raise _mismatch(field, "its sex digit disagrees with the sex")
    if place not in ("", number[:3]):
        raise _mismatch(field, "its place digits disagree with the place of birth registration")


def document_number(number: str) -> str:
    """The nine digits that stand as document number in the machine readable zone. Raises InvalidDemographics."""
    check_form(number)
    return number[-9:]


def card_access_number(number: str, digits: int = 6) -> str:
    """The last digits, by which PACE opens the card. Raises InvalidDemographics."""
    check_form(number)
    return number[-digits:]


def _mismatch(field: str, rule: str) -> PersonalNumberMismatch:
    return PersonalNumberMismatch(f"{field}: {rule}", field=field, rule=rule)
