"""The personal number against the person: each disagreement has its rule, and no error shows the number."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.personal_number import card_access_number, check_agreement, document_number
from enrollment.core.errors import InvalidDemographics, PersonalNumberMismatch

BORN = date(1995, 9, 2)
NUMBER = "001195000017"  # 20th century, female, 95


@given(
    st.dates(date(1900, 1, 1), date(2399, 12, 31)), st.sampled_from("MF"), st.integers(0, 999), st.integers(0, 999_999)
)
def test_number_made_by_the_rules_agrees_and_with_another_sex_or_year_does_not(
    born: date, sex: str, place: int, rest: int
) -> None:
    century_and_sex = 2 * (born.year // 100 - 19) + (sex == "F")
    number = f"{place:03}{century_and_sex}{born.year % 100:02}{rest:06}"
    check_agreement(number, born=born, sex=sex, place=f"{place:03}")
    with pytest.raises(PersonalNumberMismatch, match="sex digit"):
        check_agreement(number, born=born, sex="F" if sex == "M" else "M")
    with pytest.raises(PersonalNumberMismatch, match="date of birth"):
        check_agreement(number, born=born.replace(year=born.year + 1, day=1), sex=sex)


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        ({"born": date(2095, 9, 2)}, "century digit"),
        ({"born": date(1996, 9, 2)}, "year digits"),
        ({"sex": "M"}, "sex digit"),
        ({"place": "002"}, "place digits"),
    ],
)
def test_disagreement_names_its_rule_and_not_the_number(known: dict[str, object], rule: str) -> None:
    with pytest.raises(PersonalNumberMismatch) as caught:
        check_agreement(NUMBER, **known)  # type: ignore[arg-type]
    assert rule in str(caught.value.facts["rule"])
    assert NUMBER not in str(caught.value)


def test_what_is_not_known_is_not_compared() -> None:
    check_agreement(NUMBER)
    check_agreement(NUMBER, sex="other")


@pytest.mark.parametrize(
    "number", ["", "00119500001", "0011950000170", "00119500001x", "٠٠١١٩٥٠٠٠٠٠١", "001195000017\n"]
)
def test_what_is_not_12_digits_is_refused(number: str) -> None:
    for check in (check_agreement, document_number, card_access_number):
        with pytest.raises(InvalidDemographics, match="12 digits"):
            check(number)


def test_document_and_card_access_number_are_its_ends() -> None:
    assert (document_number(NUMBER), card_access_number(NUMBER)) == ("195000017", "000017")
