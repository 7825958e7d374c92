"""What a card's files must say alike, and what they must say of a dossier. Errors name the field, never its value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from enrollment.core.chip.access.password import AccessKey, PasswordKind
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.personal_number import card_access_number, check_form
from enrollment.core.chip.security_infos import PACE, SecurityInfo
from enrollment.core.chip.transliteration import FILLER
from enrollment.core.errors import CardBelongsElsewhere, DigestMismatch, MalformedRecord

PERSONAL_NUMBER_DIGITS: Final = 12
_SEXES: Final = {"nam": "M", "male": "M", "m": "M", "nữ": "F", "female": "F", "f": "F"}


@dataclass(frozen=True, slots=True)
class ExpectedCard:
    """Whose card it should be. personal_number: empty where it is not known. digests: SHA-256 of files, by name."""

    personal_number: str = field(default="", repr=False)
    digests: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def check_access_confirmed(card_access: Sequence[SecurityInfo], signed: Sequence[SecurityInfo]) -> None:
    """EF.CardAccess offered what EF.DG14 signs, so that nobody has left out a stronger way in.

    Source: ICAO Doc 9303-11, 8th edition, 4.4.2 and 9.2. Raises DigestMismatch for another offer.
    """
    offered, listed = (
        {info.encode() for info in infos if info.protocol.startswith(f"{PACE}.")} for infos in (card_access, signed)
    )
    if offered - listed:
        raise DigestMismatch("EF.CardAccess offers a way in that EF.DG14 does not sign", count=len(offered - listed))
    if listed - offered:
        raise DigestMismatch("EF.CardAccess leaves out a way in that EF.DG14 signs", count=len(listed - offered))


def personal_number_of(zone: MachineReadableZone) -> str:
    """The number in the optional data of line 1. Raises MalformedRecord where there is none."""
    number = zone.optional_1[:PERSONAL_NUMBER_DIGITS]
    if not number.isdigit():
        raise MalformedRecord("machine readable zone: it has no personal number", field="optional_1")
    return number


def check_zone_agrees(zone: MachineReadableZone, identity: PrintedIdentity) -> None:
    """EF.DG1 and EF.DG13 are of one person: number, birth, sex and expiry. Raises MalformedRecord, naming the field."""
    number = personal_number_of(zone)
    if identity.personal_number != number or not number.endswith(zone.document_number):
        raise _disagrees("personal_number")
    if not _same_date(zone.birth, identity.date_of_birth):
        raise _disagrees("date_of_birth")
    if identity.expires and zone.expiry.strip(FILLER) and not _same_date(zone.expiry, identity.expires):
        raise _disagrees("expires")
    if identity.sex and _SEXES.get(identity.sex.casefold(), FILLER) != zone.sex:
        raise _disagrees("sex")


def check_access_number(zone: MachineReadableZone, key: AccessKey, can_digits: int) -> None:
    """What opened the card is the zone's. Raises MalformedRecord."""
    if key.kind is PasswordKind.ZONE:
        expected = AccessKey.of_zone(zone).secret
    else:
        number = personal_number_of(zone)
        check_form(number)
        expected = card_access_number(number, can_digits).encode("ascii")
    if not hmac.compare_digest(expected, key.secret):
        what = "the zone" if key.kind is PasswordKind.ZONE else "the card access number"
        raise MalformedRecord(f"{what} that opened the card is not the one in EF.DG1", field="access")


def check_belongs(expected: ExpectedCard, zone: MachineReadableZone | None, files: Mapping[str, bytes]) -> int:
    """The card is that of a dossier, by what of it was read; how many things were compared.

    Raises CardBelongsElsewhere, naming the file or field.
    """
    compared = 0
    if expected.personal_number and zone is not None:
        compared += 1
        if personal_number_of(zone) != expected.personal_number:
            raise CardBelongsElsewhere("the card is of another person than the dossier", field="personal_number")
    for name in sorted(expected.digests.keys() & files.keys()):
        compared += 1
        if not hmac.compare_digest(hashlib.sha256(files[name]).digest(), expected.digests[name]):
            raise CardBelongsElsewhere(f"{name} is not the one that was made of the dossier", file=name)
    return compared


def _same_date(short: str, printed: str) -> bool:
    """short: YYMMDD, unknown parts `<`. printed: dd/mm/yyyy, or the part of it that is known."""
    day, month, year = ("", "", *printed.split("/"))[-3:]
    pairs = ((short[:2], year[-2:]), (short[2:4], month), (short[4:], day))
    return all((known.strip(FILLER) or "") == (other if other.strip("0_-") else "") for known, other in pairs)


def _disagrees(name: str) -> MalformedRecord:
    return MalformedRecord(f"EF.DG1 and EF.DG13 disagree in {name}", field=name)
