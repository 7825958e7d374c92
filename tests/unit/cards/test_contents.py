"""A dossier's card: which prints it takes, until when it is good, and what refuses to go onto it."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from PIL import Image

from enrollment.core.chip.card_profile import CardProfile, birthday
from enrollment.core.chip.dg2_face import IMAGE_BUDGET_OCTETS, decode_dg2
from enrollment.core.chip.dg3_fingers import compress_finger, decode_dg3
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.dg15_public_key import decode_dg15
from enrollment.core.chip.document_authority import SigningAuthority
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.passive_authentication import Outcome, examine
from enrollment.core.chip.personalisation_plan import CardPlan
from enrollment.core.chip.security_infos import ACTIVE_AUTHENTICATION, PUBLIC_KEY_ECDH, decode_dg14
from enrollment.core.dossier.model import Capture, CapturedFinger, Dossier, DossierState, PartRecord, QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedPortrait
from enrollment.core.errors import (
    CertificateNotValid,
    CertificateRevoked,
    DossierIncomplete,
    EnrollmentError,
    ImageOverBudget,
    InvalidImage,
    UntrustedChain,
)
from enrollment.core.fingerprint import FingerprintImage, compare
from enrollment.core.fingerprint import examine as examine_print
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.service.cards.contents import CardMaterial, choose_fingers, gather, make_card
from enrollment.service.cards.kept_plan import decode_plan, encode_plan
from enrollment.service.config import StationConfig, load_card_profiles
from enrollment.service.keys.card_trust import CardTrust
from enrollment.service.keys.document_signer import DocumentSigner
from enrollment.service.store.errors import StoredDataDamaged
from firmware_stubs.fingers import make_impression, make_master

NOW = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)  # the second of March in Viet Nam
PERSON = {
    "full_name": "Nguyễn Thị Mẫu",
    "date_of_birth": "02/09/1995",
    "sex": "F",
    "personal_number": "001195000001",
    "place_of_residence": "Số 1, phố Mẫu, Hà Nội",
    "father": "Nguyễn Văn Mẫu",
}
PROFILE: CardProfile = load_card_profiles(StationConfig("HN-1", Path(), Path()))["vn-cccd"]
PLAN = Plan("card-issue", 1, "", "", portrait=PlannedPortrait())
AUTHORITY_KEY, SIGNER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
AUTHORITY = SigningAuthority.create("VN", "Test", AUTHORITY_KEY, NOW - timedelta(days=1))
SIGNER = DocumentSigner(
    AUTHORITY.certify_signer("Test", SIGNER_KEY.public_key(), NOW - timedelta(days=1), ["ID"]), SIGNER_KEY
)


@cache
def print_of(finger: int, touch: int = 0) -> FingerprintImage:
    return FingerprintImage(make_impression(make_master(900 + finger), touch).pixels)


@cache
def records_of(finger: int) -> dict[str, bytes]:
    """As a capture keeps them."""
    image, codes = print_of(finger), {"position": finger, "impression": 0, "quality": 77}
    template = examine_print(image).template
    return {
        ".fir": iso19794_4_2005.record_from_image(image, **codes).encode(),
        ".fmr": iso19794_2_2005.record_from_template(template, **codes, with_waves=True).encode(),
    }


@cache
def portrait() -> bytes:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 200, (20, 15, 3), np.uint8)
    picture = cv2.resize(coarse, (720, 960), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def read_part(name: str) -> bytes:
    if name == "portrait.jpg":
        return portrait()
    stem, suffix = os.path.splitext(name)
    return records_of(int(stem[-2:]))[suffix]


def capture(position: int | None, *, impression: str = "flat", accepted: bool = True, score: int = 80) -> Capture:
    names = ["portrait.jpg"] if position is None else [f"print-{position:02d}.fir", f"print-{position:02d}.fmr"]
    parts = tuple(PartRecord(name, "", 1, b"") for name in names)
    return Capture(
        "c", position, impression, QualityRecord(score, "ours", "1"), accepted, 1, 1, "op", "device", NOW, parts
    )


def slap(*fingers: int) -> Capture:
    cut = tuple(
        CapturedFinger(
            finger, QualityRecord(80, "ours", "1"), True, 1, (f"cut-{finger:02d}.fir", f"cut-{finger:02d}.fmr")
        )
        for finger in fingers
    )
    return replace(capture(13, impression="slap"), fingers=cut)


def dossier(*captures: Capture) -> Dossier:
    return Dossier("0190", DossierState.COMPLETE, PLAN, "op", NOW, demographics=PERSON, captures=captures)


def material(fingers: tuple[int, ...] = (), **other: str) -> CardMaterial:
    found = gather(dossier(*map(capture, fingers), capture(None)), read_part)
    return replace(found, demographics={**PERSON, **other})


def plan_of(found: CardMaterial, profile: CardProfile = PROFILE) -> CardPlan:
    return make_card(profile, found, SIGNER, key_version=1, now=NOW, chance=os.urandom)


def made(profile: CardProfile = PROFILE, *, fingers: tuple[int, ...] = (), **other: str) -> Mapping[str, bytes]:
    return plan_of(material(fingers, **other), profile).files


def test_card_of_a_whole_dossier_holds_what_the_dossier_says_and_verifies() -> None:
    card = plan_of(material((2, 7)))
    files = card.files
    zone = MachineReadableZone.decode(files["EF.DG1"])
    assert (zone.primary, zone.secondary) == (("NGUYEN",), ("THI", "MAU"))
    assert (zone.birth, zone.expiry, zone.document_number) == ("950902", "350902", "195000001")
    identity = PrintedIdentity.decode(files["EF.DG13"])
    assert (identity.residence, identity.father) == (PERSON["place_of_residence"], PERSON["father"])
    assert (identity.issued, identity.expires, identity.sex) == ("02/03/2026", "02/09/2035", "Nữ")
    assert len(decode_dg2(files["EF.DG2"]).image) <= IMAGE_BUDGET_OCTETS
    groups = {number: files[f"EF.DG{number}"] for number in PROFILE.data_groups}
    checks = examine(files["EF.SOD"], groups, [AUTHORITY.certificate], NOW)
    assert {check.outcome for check in checks} == {Outcome.PASSED}
    secrets = card.secrets
    assert (secrets.can, secrets.document_number, secrets.date_of_expiry) == ("000001", "195000001", "350902")
    assert decode_dg15(files["EF.DG15"]) == secrets.active_key.public_key()
    (public,) = [info for info in decode_dg14(files["EF.DG14"]) if info.protocol == PUBLIC_KEY_ECDH]
    assert load_der_public_key(public.required) == secrets.chip_key.public_key()


@pytest.mark.parametrize("curve", ["brainpoolP256r1", ""])  # "": a key of RSA
def test_kept_plan_is_the_same_again_and_damage_is_told(curve: str) -> None:
    profile = replace(PROFILE, active_authentication=replace(PROFILE.active_authentication, curve=curve))
    card = plan_of(material((2,)), profile)
    infos = {info.protocol for info in decode_dg14(card.files["EF.DG14"])}
    assert (ACTIVE_AUTHENTICATION in infos) == bool(curve)
    kept = encode_plan(card)
    again = decode_plan(kept, PROFILE)
    assert encode_plan(again) == kept
    assert again.files == card.files
    assert again.secrets.objects() == card.secrets.objects()
    for damaged in (b"", kept[:-1], kept[:40] + b"\xff" + kept[41:], b"\xa0", b"\x80"):
        with pytest.raises(StoredDataDamaged):
            decode_plan(damaged, PROFILE)


def test_prints_on_the_card_are_the_dossiers_and_match_as_the_raw_ones_do() -> None:
    right, left = decode_dg3(made(fingers=(2, 7))["EF.DG3"])
    assert (right.position, left.position) == (2, 7)
    assert isinstance(right.record, iso19794_4_2005.FingerImageRecord)
    again = examine_print(print_of(2, 1)).template
    raw = compare(examine_print(print_of(2)).template, again)
    kept = compare(examine_print(iso19794_4_2005.image_from_record(right.record)).template, again)
    assert kept > 0.8 * raw
    assert right.record.views[0].quality == 77


def test_print_that_is_too_large_for_the_card_goes_onto_it_as_minutiae() -> None:
    room = tuple(replace(file, max_octets=2048) if file.name == "EF.DG3" else file for file in PROFILE.files)
    (finger,) = decode_dg3(made(replace(PROFILE, files=room), fingers=(2,))["EF.DG3"])
    assert isinstance(finger.record, iso19794_2_2005.FingerMinutiaeRecord)
    assert finger.record.views[0].extended == ()
    with pytest.raises(ImageOverBudget):
        compress_finger(print_of(2), position=2, impression=0, quality=77, budget=1000)


def test_no_two_cards_without_prints_and_no_two_keys_are_alike() -> None:
    first, second = made(), made()
    assert decode_dg3(first["EF.DG3"]) == ()
    assert all(first[name] != second[name] for name in ("EF.DG3", "EF.DG14", "EF.DG15"))


@pytest.mark.parametrize(
    ("captures", "chosen"),
    [
        ([capture(finger) for finger in range(1, 11)], [2, 7]),
        ([capture(3), capture(4), capture(6)], [3, 6]),
        ([capture(2, accepted=False, score=20), capture(3), capture(7)], [3, 7]),
        ([capture(2, accepted=False, score=20), capture(7)], [2, 7]),
        ([capture(8), capture(9), capture(10)], [8, 9]),
        ([capture(1)], [1]),
        ([], []),
        ([slap(2, 3, 4, 5)], [2, 3]),
    ],
)
def test_index_fingers_are_taken_or_the_next_best(captures: list[Capture], chosen: list[int]) -> None:
    assert list(choose_fingers(dossier(*captures))) == chosen


def test_flat_print_is_taken_before_a_rolled_one_of_the_same_finger() -> None:
    rolled = capture(2, impression="rolled", score=95)
    assert choose_fingers(dossier(rolled, slap(2)))[2] == ("cut-02.fir", "cut-02.fmr")
    assert choose_fingers(dossier(rolled))[2] == ("print-02.fir", "print-02.fmr")


@pytest.mark.parametrize(
    ("born", "expiry"),
    [
        ("01/01/2020", "340101"),  # a child: until 14
        ("02/03/2014", "390302"),  # 12 today: the card of the two years before 14 holds until 25
        ("03/03/2014", "280303"),  # 12 tomorrow
        ("01/01/2003", "430101"),
        ("02/03/1968", "<<<<<<"),  # 58 today: without an end
        ("03/03/1968", "280303"),
        ("29/02/2004", "290228"),
    ],
)
def test_card_is_good_until_the_age_at_which_it_is_changed(born: str, expiry: str) -> None:
    century, year = int(born[6:8]) - 19, born[8:]
    number = f"0011{year}000001" if century == 0 else f"0013{year}000001"
    files = made(date_of_birth=born, personal_number=number)
    assert MachineReadableZone.decode(files["EF.DG1"]).expiry == expiry
    assert bool(PrintedIdentity.decode(files["EF.DG13"]).expires) == (expiry != "<<<<<<")


def test_birthday_of_a_leap_day_is_the_28th_elsewhere() -> None:
    assert [f"{birthday(datetime(2004, 2, 29).date(), age):%d/%m}" for age in (14, 40)] == ["28/02", "29/02"]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"full_name": "Nguyễn Ж"}, "full_name", "INVALID_DEMOGRAPHICS"),
        ({"full_name": "12"}, "full_name", "INVALID_DEMOGRAPHICS"),
        ({"full_name": ""}, "full_name", "INVALID_DEMOGRAPHICS"),
        ({"sex": "X"}, "sex", "INVALID_DEMOGRAPHICS"),
        ({"date_of_birth": "31/02/1995"}, "date_of_birth", "INVALID_DEMOGRAPHICS"),
        ({"date_of_birth": "03/03/2026", "personal_number": "001326000001"}, "date_of_birth", "INVALID_DEMOGRAPHICS"),
        ({"personal_number": "001295000001"}, "personal_number", "PERSONAL_NUMBER_MISMATCH"),
        ({"personal_number": "001095000001"}, "personal_number", "PERSONAL_NUMBER_MISMATCH"),
        ({"personal_number": "001194000001"}, "personal_number", "PERSONAL_NUMBER_MISMATCH"),
        ({"personal_number": "00119500000"}, "personal_number", "INVALID_DEMOGRAPHICS"),
    ],
)
def test_field_that_cannot_go_onto_a_card_is_named_and_never_shown(
    wrong: dict[str, str], field: str, reason: str
) -> None:
    with pytest.raises(EnrollmentError) as caught:
        plan_of(replace(material(), demographics=PERSON | wrong))
    assert (caught.value.reason, caught.value.facts["field"]) == (reason, field)
    told = f"{caught.value} {caught.value.facts}"
    assert not any(value and value in told for value in (wrong[field], "Mẫu", "1995"))


def test_dossier_without_a_portrait_has_no_card() -> None:
    with pytest.raises(DossierIncomplete):
        gather(dossier(capture(2)), read_part)


@pytest.mark.parametrize(
    ("frame", "size"), [((1920, 1080), (480, 640)), ((720, 960), (480, 640)), ((500, 900), (356, 640))]
)
def test_portrait_is_the_middle_of_the_cameras_frame(frame: tuple[int, int], size: tuple[int, int]) -> None:
    width, height = frame
    picture = np.full((height, width, 3), 200, np.uint8)
    cv2.circle(picture, (width // 2, height // 2), height // 8, (40, 60, 90), -1)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    face = decode_dg2(plan_of(replace(material(), portrait=jpeg)).files["EF.DG2"])
    assert (face.width, face.height) == size
    shown = np.asarray(Image.open(io.BytesIO(face.image)).convert("L"))
    columns = np.flatnonzero((shown < 120).any(axis=0))
    assert abs(columns.mean() - size[0] / 2) < 2


def test_portrait_that_does_not_decode_is_refused() -> None:
    with pytest.raises(InvalidImage):
        plan_of(replace(material(), portrait=b"no picture"))


def test_signer_signs_only_within_its_time_and_under_a_trusted_authority() -> None:
    trust = CardTrust((AUTHORITY.certificate,))
    SIGNER.require_usable(trust, NOW)
    with pytest.raises(CertificateNotValid, match="may not sign"):
        SIGNER.require_usable(trust, NOW + timedelta(days=120))
    with pytest.raises(CertificateNotValid, match="not valid yet"):
        SIGNER.require_usable(trust, NOW - timedelta(days=3))
    other = SigningAuthority.create("VN", "Test", ec.generate_private_key(ec.SECP256R1()), NOW)
    with pytest.raises(UntrustedChain):
        SIGNER.require_usable(CardTrust((other.certificate,)), NOW)
    revoked = CardTrust((AUTHORITY.certificate,), (AUTHORITY.list_revoked([SIGNER.certificate.serial_number], 1, NOW),))
    with pytest.raises(CertificateRevoked):
        SIGNER.require_usable(revoked, NOW)
