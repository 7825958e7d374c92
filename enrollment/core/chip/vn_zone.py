"""The machine readable zone of the Vietnamese card, made of a person's fields.

    line 1   ID VNM, the last nine digits of the personal number, all twelve, << and the check digit over these
    line 2   birth (unknown parts <), sex, expiry, VNM
    line 3   FAMILY<<OTHER<NAMES

Source: public readers of the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from enrollment.core.chip.card_profile import ZoneRules
from enrollment.core.chip.mrz import MachineReadableZone, check_digit, names_line
from enrollment.core.chip.personal_number import check_agreement, document_number
from enrollment.core.chip.transliteration import FILLER, family_and_given, name_parts
from enrollment.core.errors import InvalidDemographics


@dataclass(frozen=True, slots=True, repr=False)
class BirthInPart:
    """A birth of which the day, or month and day, are not known. Raises InvalidDemographics for a month that is none.

    Source: ICAO Doc 9303-3, 8th edition, 4.8.
    """

    year: int
    month: int | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.year <= 9999 and 1 <= (self.month or 1) <= 12):
            raise InvalidDemographics("date_of_birth: no such month", field="date_of_birth", rule="must exist")


def zone_of_person(
    rules: ZoneRules, *, personal_number: str, full_name: str, born: date | BirthInPart, sex: str, expires: date | None
) -> MachineReadableZone:
    """The zone. sex: M or F. expires: None for a card without an end.

    Raises InvalidDemographics for a name without transliteration or another sex, PersonalNumberMismatch for a number
    that does not agree with birth and sex.
    """
    if sex not in ("M", "F"):
        raise InvalidDemographics("sex: must be M or F", field="sex", rule="must be M or F")
    check_agreement(personal_number, born=date(born.year, 1, 1), sex=sex)
    family, given = family_and_given(full_name)
    return MachineReadableZone(
        document_code=rules.document_code,
        issuer=rules.issuer,
        document_number=document_number(personal_number),
        optional_1=personal_number + FILLER * 2 + check_digit(personal_number),
        birth=_birth(born),
        sex=sex,
        expiry=rules.no_expiry if expires is None else f"{expires:%y%m%d}",
        nationality=rules.issuer,
        optional_2="",
        names=names_line(name_parts(family, "full_name"), name_parts(given, "full_name") if given else ()),
    )


def _birth(born: date | BirthInPart) -> str:
    if isinstance(born, date):
        return f"{born:%y%m%d}"
    month = FILLER * 2 if born.month is None else f"{born.month:02}"
    return f"{born.year % 100:02}{month}{FILLER * 2}"
