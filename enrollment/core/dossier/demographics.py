"""The person's fields: normalised to NFC and checked against the plan. Errors name the field, never its value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Final

from enrollment.core.chip.personal_number import check_agreement, check_form
from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.errors import InvalidDemographics

DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
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
    if planned.rule == "personal_number":
        check_form(text, planned.name)
    if planned.rule == "date" and date_of(text) is None:
        raise _refuse(planned.name, "must be a date dd/mm/yyyy that exists")


def date_of(text: str) -> date | None:
    """The day of a field with the rule "date"; None where it is none."""
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
    born = date_of(fields.get("date_of_birth", ""))
    for planned in plan.fields:
        number = fields.get(planned.name, "")
        if planned.rule == "personal_number" and number:
            check_agreement(number, born=born, sex=fields.get("sex", ""), field=planned.name)
