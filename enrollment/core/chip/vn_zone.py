"""The machine readable zone of the Vietnamese card, made of a person's fields.

    line 1   ID VNM, the last nine digits of the personal number, all twelve, << and the check digit over these
    line 2   birth, sex, expiry, VNM
    line 3   FAMILY<<OTHER<NAMES

Source: public readers of the card.
"""

from __future__ import annotations

from datetime import date

from enrollment.core.chip.card_profile import ZoneRules
from enrollment.core.chip.mrz import MachineReadableZone, check_digit, names_line
from enrollment.core.chip.personal_number import check_agreement, document_number
from enrollment.core.chip.transliteration import FILLER, family_and_given, name_parts
from enrollment.core.errors import InvalidDemographics


def zone_of_person(
    rules: ZoneRules, *, personal_number: str, full_name: str, born: date, sex: str, expires: date | None
) -> MachineReadableZone:
    """The zone. sex: M or F. expires: None for a card without an end.

    Raises InvalidDemographics for a name without transliteration or another sex, PersonalNumberMismatch for a number
    that does not agree with birth and sex.
    """
    if sex not in ("M", "F"):
        raise InvalidDemographics("sex: must be M or F", field="sex", rule="must be M or F")
    check_agreement(personal_number, born=born, sex=sex)
    family, given = family_and_given(full_name)
    return MachineReadableZone(
        document_code=rules.document_code,
        issuer=rules.issuer,
        document_number=document_number(personal_number),
        optional_1=personal_number + FILLER * 2 + check_digit(personal_number),
        birth=f"{born:%y%m%d}",
        sex=sex,
        expiry=rules.no_expiry if expires is None else f"{expires:%y%m%d}",
        nationality=rules.issuer,
        optional_2="",
        names=names_line(name_parts(family, "full_name"), name_parts(given, "full_name") if given else ()),
    )
