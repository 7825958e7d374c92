"""A dossier's card: what of the dossier goes onto it, and its files and secrets, made once and fresh.

    dossier --gather--> CardMaterial --make_card--> CardPlan: files, and secrets that only the chip keeps

Blocking: `gather` reads the store, `make_card` compresses, draws keys and has the files signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enrollment.core.chip import security_infos as infos
from enrollment.core.chip.card_files import CardContents, card_files
from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.chip.dg2_face import compress_portrait, middle_of_frame
from enrollment.core.chip.dg3_fingers import CardFinger, compress_finger
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.personal_number import card_access_number
from enrollment.core.chip.personalisation_plan import CardPlan, CardSecrets, make_chip_keys
from enrollment.core.chip.vn_zone import zone_of_person
from enrollment.core.dossier.demographics import date_of
from enrollment.core.dossier.model import Capture, CapturedFinger, Dossier, QualityRecord
from enrollment.core.errors import DossierIncomplete, ImageOverBudget, InvalidDemographics, InvalidImage
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.service.keys.document_signer import DocumentSigner

# Which finger of each hand, the best first: index, middle, ring, thumb, little (as (EC) 2252/2004, article 1.2).
RIGHT_HAND, LEFT_HAND = (2, 3, 4, 1, 5), (7, 8, 9, 6, 10)
FINGERS: Final = 2
FINGER_OVERHEAD_OCTETS: Final = 256  # of a print's record and headers beside its image
SALT_OCTETS: Final = 16
SEX_WORDS: Final[Mapping[str, str]] = {"M": "Nam", "F": "Nữ"}
NATIONALITY: Final = "Việt Nam"
PORTRAIT_SUFFIX, IMAGE_SUFFIX, MINUTIAE_SUFFIX = ".jpg", ".fir", ".fmr"
_COPIED: Final = ("full_name", "date_of_birth", "personal_number", "place_of_origin", "ethnicity", "religion")
_RELATIVES: Final = ("father", "mother", "spouse", "old_number")

ReadPart = Callable[[str], bytes]
Chance = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class FingerMaterial:
    """A print's two records."""

    position: int
    image: bytes = field(repr=False)
    minutiae: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardMaterial:
    """What of a dossier goes onto its card. portrait: JPEG."""

    demographics: Mapping[str, str] = field(repr=False)
    portrait: bytes = field(repr=False)
    fingers: tuple[FingerMaterial, ...] = field(repr=False)


def gather(dossier: Dossier, read_part: ReadPart) -> CardMaterial:
    """Read what the card needs. Raises DossierIncomplete without a portrait, and what read_part raises."""
    portrait = dossier.capture_of(None)
    if portrait is None:
        raise DossierIncomplete("a card needs a portrait", dossier_id=dossier.dossier_id, count=1, items="portrait")
    chosen = choose_fingers(dossier)
    return CardMaterial(
        dossier.demographics,
        read_part(_named(tuple(part.name for part in portrait.parts), PORTRAIT_SUFFIX)),
        tuple(
            FingerMaterial(position, read_part(_named(names, IMAGE_SUFFIX)), read_part(_named(names, MINUTIAE_SUFFIX)))
            for position, names in chosen.items()
        ),
    )


def choose_fingers(dossier: Dossier) -> dict[int, tuple[str, ...]]:
    """Positions of up to two fingers, one of each hand where there is one, with the names of their parts.

    A print that was accepted goes before one that was only the best of its tries, then the order of the hand counts. Of
    a finger with several prints a flat one is taken, then the better one.
    """
    prints: dict[int, _Print] = {}
    for found in (one for capture in dossier.captures for one in _prints(capture)):
        if found.position not in prints or found.rank > prints[found.position].rank:
            prints[found.position] = found
    ordered = [
        sorted((position for position in hand if position in prints), key=lambda at: not prints[at].accepted)
        for hand in (RIGHT_HAND, LEFT_HAND)
    ]
    chosen = [hand[0] for hand in ordered if hand]
    spare = [position for hand in ordered for position in hand[1:]]
    return {position: prints[position].parts for position in sorted((chosen + spare)[:FINGERS])}


def make_card(
    profile: CardProfile,
    material: CardMaterial,
    signer: DocumentSigner,
    *,
    key_version: int,
    now: datetime,
    chance: Chance,
) -> CardPlan:
    """Make files and keys. key_version: of the keys that the card will have. now: aware. chance: N random octets.

    Raises InvalidDemographics, PersonalNumberMismatch (naming the field, never its value), ImageOverBudget,
    InvalidImage, InvalidCardProfile, MalformedRecord, SignatureInvalid.
    """
    issued = profile.validity.day_of(now)
    zone, expires = _zone(profile, material.demographics, issued)
    keys = make_chip_keys(profile)
    pace, agreement, public = _protocols(profile, keys.chip)
    signing = profile.active_authentication
    contents = CardContents(
        zone=zone,
        face=compress_portrait(middle_of_frame(_decoded(material.portrait))),
        identity=_identity(material.demographics, issued, expires),
        fingers=_fingers(profile, material),
        card_access=(infos.numbered(infos.TERMINAL_AUTHENTICATION, 1), agreement, *pace),
        # A key of RSA needs no word of its algorithm (9303-11, 9.2.5).
        dg14=(*pace, agreement, public, *([infos.active_authentication(signing.signature)] if signing.curve else [])),
        public_key=keys.active.public_key(),
        salt=chance(SALT_OCTETS),
    )
    files = card_files(profile, contents, signer.certificate, signer.key, signed_at=now)
    can = card_access_number(material.demographics["personal_number"], profile.access.can_digits)
    secrets = CardSecrets(zone.document_number, zone.birth, zone.expiry, can, keys.chip, keys.active)
    return CardPlan(profile, files, secrets, key_version)


@dataclass(frozen=True, slots=True)
class _Print:
    position: int
    flat: bool
    accepted: bool
    quality: QualityRecord
    parts: tuple[str, ...]

    @property
    def rank(self) -> tuple[bool, bool, int]:
        return self.accepted, self.flat, self.quality.score


def _prints(capture: Capture) -> list[_Print]:
    flat = capture.impression != "rolled"
    if capture.fingers:
        return [_of_slap(finger) for finger in capture.fingers]
    if capture.position is None:
        return []
    names = tuple(part.name for part in capture.parts)
    return [_Print(capture.position, flat, capture.accepted, capture.quality, names)]


def _of_slap(finger: CapturedFinger) -> _Print:
    return _Print(finger.position, True, finger.accepted, finger.quality, finger.parts)


def _named(names: tuple[str, ...], suffix: str) -> str:
    return next(name for name in names if name.endswith(suffix))


def _zone(
    profile: CardProfile, demographics: Mapping[str, str], issued: date
) -> tuple[MachineReadableZone, date | None]:
    for name in ("full_name", "date_of_birth", "sex", "personal_number"):
        if not demographics.get(name):
            raise InvalidDemographics(f"{name}: a card needs it", field=name, rule="a card needs it")
    born = date_of(demographics["date_of_birth"])
    if born is None or born > issued:
        rule = "must be a day that has been"
        raise InvalidDemographics(f"date_of_birth: {rule}", field="date_of_birth", rule=rule)
    expires = profile.validity.expires(born, issued)
    zone = zone_of_person(
        profile.mrz,
        personal_number=demographics["personal_number"],
        full_name=demographics["full_name"],
        born=born,
        sex=demographics["sex"],
        expires=expires,
    )
    return zone, expires


def _identity(demographics: Mapping[str, str], issued: date, expires: date | None) -> PrintedIdentity:
    copied = {name: demographics.get(name, "") for name in (*_COPIED, *_RELATIVES)}
    return PrintedIdentity(
        **copied,
        sex=SEX_WORDS[demographics["sex"]],
        nationality=NATIONALITY,
        residence=demographics.get("place_of_residence", ""),
        issued=f"{issued:%d/%m/%Y}",
        expires="" if expires is None else f"{expires:%d/%m/%Y}",
    )


def _decoded(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise InvalidImage("the dossier's portrait does not decode")
    return np.asarray(bgr, np.uint8)


def _fingers(profile: CardProfile, material: CardMaterial) -> tuple[CardFinger, ...]:
    file = profile.file("EF.DG3")
    if file is None:
        return ()
    budget = file.max_octets // FINGERS - FINGER_OVERHEAD_OCTETS
    return tuple(_finger(found, budget) for found in material.fingers)


def _finger(found: FingerMaterial, budget: int) -> CardFinger:
    """The print as an image; as minutiae where it is too large for the card, a rolled one mostly."""
    record = iso19794_4_2005.FingerImageRecord.decode(found.image)
    view = record.views[0]
    try:
        return compress_finger(
            iso19794_4_2005.image_from_record(record),
            position=found.position,
            impression=view.impression,
            quality=view.quality,
            budget=budget,
        )
    except ImageOverBudget:
        minutiae = iso19794_2_2005.FingerMinutiaeRecord.decode(found.minutiae)
        plain = tuple(replace(view, extended=()) for view in minutiae.views)  # readers elsewhere know no others
        return CardFinger(found.position, replace(minutiae, views=plain))


def _protocols(
    profile: CardProfile, chip: ec.EllipticCurvePrivateKey
) -> tuple[tuple[infos.SecurityInfo, ...], infos.SecurityInfo, infos.SecurityInfo]:
    """PACE where the card has it, chip authentication, and its public key."""
    access = profile.access
    pace = (infos.numbered(access.pace, 2, access.pace_parameter),) if "pace" in access.protocols else ()
    public = chip.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    agreement = infos.numbered(profile.chip_authentication.protocol, 1)
    return pace, agreement, infos.chip_authentication_key(public)
