"""The person's fields: normalised to NFC and checked against the plan. Errors name the field, never its value.

The 12-digit personal number (as publicly described): 3 digits place of birth registration, 1 century and sex (20th
century: 0 male, 1 female; 21st: 2, 3; and so on), 2 year of birth, 6 random. Places are historical, so they are not
checked against any list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Final

from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.errors import InvalidDemographics

PERSONAL_NUMBER: Final = re.compile(r"[0-9]{12}")
DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
FIRST_CENTURY: Final = 20  # coded 0 and 1
# Control, format (zero-width and direction marks), surrogate, private and unassigned characters: nobody sees them.
UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def validated(plan: Plan, demographics: Mapping[str, str]) -> dict[str, str]:
    """The fields in NFC, blanks trimmed and single, empty ones left out. Raises InvalidDemographics."""
    planned = {field.name: field for field in plan.fields}
    unknown = [name for name in demographics if name not in planned]
    if unknown:
        raise InvalidDemographics("a field that the plan does not have", plan=plan.plan_id, count=len(unknown))
    fields = {}
    for name, value in demographics.items():
        text = " ".join(unicodedata.normalize("NFC", value).split())
        if text:
            _check(planned[name], text)
            fields[name] = text
    _check_number_against_birth(plan, fields)
    return fields


def _refuse(name: str, rule: str) -> InvalidDemographics:
    return InvalidDemographics(f"{name}: {rule}", field=name, rule=rule)


def _check(planned: PlannedField, text: str) -> None:
    if len(text) > planned.max_length:
        raise _refuse(planned.name, f"longer than {planned.max_length} characters")
    if any(unicodedata.category(character) in UNSEEN for character in text):
        raise _refuse(planned.name, "has characters that cannot be seen")
    if planned.pattern and not re.fullmatch(planned.pattern, text):
        raise _refuse(planned.name, "does not have the form that the plan asks for")
    if planned.rule == "personal_number" and not PERSONAL_NUMBER.fullmatch(text):
        raise _refuse(planned.name, "must be 12 digits")
    if planned.rule == "date" and _date(text) is None:
        raise _refuse(planned.name, "must be a date dd/mm/yyyy that exists")


def _date(text: str) -> date | None:
    match = DATE.fullmatch(text)
    if match is None:
        return None
    day, month, year = map(int, match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _check_number_against_birth(plan: Plan, fields: Mapping[str, str]) -> None:
    """Century, sex and year digits of a personal number must agree with the other fields, where those are given."""
    for planned in plan.fields:
        number = fields.get(planned.name, "")
        if planned.rule != "personal_number" or not number:
            continue
        century_and_sex, year = int(number[3]), int(number[4:6])
        born = _date(fields.get("date_of_birth", ""))
        if born is not None:
            if century_and_sex // 2 != born.year // 100 + 1 - FIRST_CENTURY:
                raise _refuse(planned.name, "its century digit disagrees with the date of birth")
            if year != born.year % 100:
                raise _refuse(planned.name, "its year digits disagree with the date of birth")
        sex = fields.get("sex", "")
        if sex in ("M", "F") and century_and_sex % 2 != (sex == "F"):
            raise _refuse(planned.name, "its sex digit disagrees with the sex")
