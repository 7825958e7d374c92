"""Cards that were issued: the firmware model with the files of a person, and what a reader of ours is told of it."""

from __future__ import annotations

import copy
import secrets
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import enrollment.service
from enrollment.core.chip import security_infos as si
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.card_files import CardContents, card_files
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.dg2_face import compress_portrait
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.verification import verify_card
from enrollment.core.chip.verification_report import VerificationReport
from enrollment.core.chip.vn_zone import zone_of_person
from enrollment.core.records.iso19794_5_2005 import FaceImage
from firmware_stubs.card import tlv
from firmware_stubs.card.card import Card
from firmware_stubs.card.memory import LifeCycle, Memory
from firmware_stubs.card.profile import VN_CCCD, Profile
from tests.card_wire import CardWire
from tests.unit.chip.signed_cards import NOW, authority_for, signer_for
from tests.unit.chip.test_dg2_face import scene
from tests.unit.chip.test_dg3_fingers import image_of

PROFILE_FILE = Path(next(iter(enrollment.service.__path__))) / "card_profiles" / "vn-cccd.toml"
TABLE: dict[str, Any] = tomllib.loads(PROFILE_FILE.read_text("utf-8"))
PROFILE = card_profile_from_table(TABLE)
NUMBER = "001195000017"
BLOCK = 2000
CHIP_KEY = ec.generate_private_key(ec.BrainpoolP256R1())
ACTIVE_KEY = ec.generate_private_key(ec.BrainpoolP256R1())
TRUST = (authority_for().certificate,)
CAN = AccessKey.of_access_number(NUMBER[-6:])
PACE_INFO = si.numbered(PROFILE.access.pace, 2, PROFILE.access.pace_parameter)
CHIP_INFO = si.numbered(PROFILE.chip_authentication.protocol, 1)


def profile_with(**tables: Mapping[str, Any]) -> CardProfile:
    """The built-in profile with keys of its tables changed."""
    table = copy.deepcopy(TABLE)
    for name, keys in tables.items():
        table[name].update(keys)
    return card_profile_from_table(table)


@cache
def portrait() -> FaceImage:
    return compress_portrait(scene(grain=3))


def key_info(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@cache
def person() -> CardContents:
    """What the card of a person holds."""
    zone = zone_of_person(
        PROFILE.mrz,
        personal_number=NUMBER,
        full_name="Nguyễn Thị Đượm",
        born=date(1995, 9, 2),
        sex="F",
        expires=date(2035, 9, 2),
    )
    signing = si.active_authentication(PROFILE.active_authentication.signature)
    return CardContents(
        zone=zone,
        face=portrait(),
        identity=PrintedIdentity(NUMBER, "Nguyễn Thị Đượm", "02/09/1995", "Nữ", "Việt Nam", expires="02/09/2035"),
        fingers=(image_of(2),),
        card_access=(si.numbered(si.TERMINAL_AUTHENTICATION, 1), CHIP_INFO, PACE_INFO),
        dg14=(PACE_INFO, CHIP_INFO, si.chip_authentication_key(key_info(CHIP_KEY.public_key())), signing),
        public_key=ACTIVE_KEY.public_key(),
    )


ZONE = AccessKey.of_zone(person().zone)


def files_of(contents: CardContents | None = None, profile: CardProfile = PROFILE) -> dict[str, bytes]:
    """Signed by the document signer of `signed_cards`."""
    certificate, key = signer_for()
    return card_files(profile, contents or person(), certificate, key, signed_at=NOW)


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


class IssuedCard:
    """The model, and how a reader speaks to it.

    tamper: is given the number of each command and what the card answers; returns what arrives.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.tamper: Callable[[int, bytes], bytes] = lambda _at, answer: answer
        self.wire = CardWire(self._exchange)

    def _exchange(self, octets: bytes) -> bytes:
        return self.tamper(len(self.wire.commands) - 1, self.card.transmit(octets))

    def verify(self, access: AccessKey = CAN, profile: CardProfile = PROFILE, **options: Any) -> VerificationReport:
        defaults: dict[str, Any] = {"now": NOW, "chance": secrets.token_bytes, "block": BLOCK, "trust": TRUST}
        given = defaults | options
        return verify_card(self.wire.transmit, profile, access, given.pop("trust"), **given)


def issued(files: Mapping[str, bytes] | None = None, *, model: Profile = VN_CCCD, **objects: bytes) -> IssuedCard:
    """A card in the field. objects: of PUT DATA by tag, such as x66, in place of the person's own."""
    profiled = {file.name: int(file.file_id, 16) for file in PROFILE.files}
    contents = person()
    put = {
        0x62: b"".join(
            tlv.encode(0x04, field.encode())
            for field in (contents.zone.document_number, contents.zone.birth, contents.zone.expiry)
        ),
        0x63: tlv.encode(0x04, private(CHIP_KEY)),
        0x65: tlv.encode(0x04, NUMBER[-6:].encode()),
        0x66: tlv.encode(0x04, private(ACTIVE_KEY)),
    }
    put |= {int(name[1:], 16): value for name, value in objects.items()}
    given = files_of() if files is None else files
    memory = Memory(
        life_cycle=LifeCycle.OPERATIONAL,
        files={profiled[name]: bytearray(octets) for name, octets in given.items()},
        objects=put,
    )
    return IssuedCard(Card(memory, model))
