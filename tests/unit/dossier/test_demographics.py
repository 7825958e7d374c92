"""Personal fields: NFC, the plan's rules, the digits of the 12-digit number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.dossier.demographics import validated
from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.errors import InvalidDemographics

PLAN = Plan(
    plan_id="id",
    version=1,
    title_vi="",
    title_en="",
    fields=(
        PlannedField("full_name", "", "", max_length=20, pattern=r"[^\d<>|]+"),
        PlannedField("date_of_birth", "", "", rule="date"),
        PlannedField("sex", "", "", pattern="[MF]"),
        PlannedField("personal_number", "", "", rule="personal_number"),
    ),
)


@pytest.mark.parametrize(
    ("born", "sex", "number"),
    [
        ("02/09/1995", "F", "001195000001"),
        ("02/09/1995", "M", "001095000001"),
        ("29/02/2004", "M", "001204000001"),
        ("01/01/2010", "F", "079310123456"),
    ],
)
def test_number_that_agrees_with_birth_and_sex_is_taken(born: str, sex: str, number: str) -> None:
    fields = {"date_of_birth": born, "sex": sex, "personal_number": number}
    assert validated(PLAN, fields) == fields


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"full_name": "x" * 21}, "full_name"),
        ({"full_name": "A\x00B"}, "full_name"),
        ({"full_name": "A\u200bB"}, "full_name"),
        ({"full_name": "A\u202eB"}, "full_name"),
        ({"full_name": "R2D2"}, "full_name"),
        ({"date_of_birth": "30/02/2000"}, "date_of_birth"),
        ({"date_of_birth": "00/00/1950"}, "date_of_birth"),
        ({"date_of_birth": "1/1/1950"}, "date_of_birth"),
        ({"sex": "X"}, "sex"),
        ({"personal_number": "00119500000"}, "personal_number"),
        ({"personal_number": "٠٠١١٩٥٠٠٠٠٠١"}, "personal_number"),
        ({"personal_number": "001195000001", "sex": "M"}, "personal_number"),
        ({"personal_number": "001195000001", "date_of_birth": "02/09/1996"}, "personal_number"),
        ({"personal_number": "001195000001", "date_of_birth": "02/09/2095"}, "personal_number"),
    ],
)
def test_field_that_fails_its_rule_is_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidDemographics) as refused:
        validated(PLAN, fields)
    assert refused.value.facts["field"] == field
    for value in fields.values():
        assert len(value) < 2 or value not in str(refused.value)


def test_field_that_the_plan_does_not_have_is_refused_without_its_name() -> None:
    with pytest.raises(InvalidDemographics) as refused:
        validated(PLAN, {"Nguyễn Văn A": "x"})
    assert "Nguyễn" not in str(refused.value)


def test_blank_fields_are_left_out_and_text_is_nfc_with_single_blanks() -> None:
    assert validated(PLAN, {"full_name": "  Tra\u0302\u0300n \u00a0 A\t", "sex": " "}) == {"full_name": "Trần A"}


@given(st.dictionaries(st.sampled_from([field.name for field in PLAN.fields]), st.text(max_size=40)))
def test_any_fields_are_taken_unchanged_the_second_time_or_refused(fields: dict[str, str]) -> None:
    try:
        once = validated(PLAN, fields)
    except InvalidDemographics:
        return
    assert validated(PLAN, once) == once
