"""Verification of whole cards: each way to be wrong fails the check that is named for it, and hides no other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from enrollment.cli.check_words import FACTS, REASONS, found_words
from enrollment.core.chip import security_infos as si
from enrollment.core.chip.access.password import AccessKey
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.consistency import ExpectedCard
from enrollment.core.chip.ef_com import CommonData
from enrollment.core.chip.passive_authentication import Outcome
from enrollment.core.chip.verification_report import NAMES, Check, VerificationReport
from enrollment.core.records.iso19794_5_2005 import FaceImage
from enrollment.service.rpc.card_encoding_messages import check_message
from enrollment.v1 import card_pb2
from firmware_stubs.card import tlv
from firmware_stubs.card.profile import VN_CCCD, Access
from tests.unit.chip.issued_cards import (
    CAN,
    CHIP_INFO,
    CHIP_KEY,
    NUMBER,
    PACE_INFO,
    PROFILE,
    TABLE,
    TRUST,
    ZONE,
    IssuedCard,
    files_of,
    issued,
    key_info,
    person,
    portrait,
    private,
    profile_with,
)
from tests.unit.chip.signed_cards import NOW, authority_for, signer_for

NEVER_GIVEN = {"revocation": "NOT_GIVEN", "dossier": "NOT_GIVEN", "data-group-3": "NEEDS_TERMINAL_AUTHENTICATION"}
SECRETS = (NUMBER, NUMBER[-6:], NUMBER[-9:], "950902", "350902", "02/09/1995", "NGUYEN", "Nguyễn", "DUOM")
OTHER_KEY = ec.generate_private_key(ec.BrainpoolP256R1())


def verified(
    card: IssuedCard, access: AccessKey = CAN, profile: CardProfile = PROFILE, **options: Any
) -> VerificationReport:
    """The report, of which nothing tells who the person is."""
    report = card.verify(access, profile, **options)
    told = json.dumps(report.to_json(), ensure_ascii=False) + repr(report)
    in_words(report)
    assert not [secret for secret in SECRETS if secret in told]
    groups = {f"data-group-{number}" for number in profile.data_groups}
    assert [check.name for check in report.checks] == [
        name for number, name in sorted(NAMES.items()) if number < 20 or name in groups
    ]
    return report


def in_words(report: VerificationReport) -> None:
    """Every check has words in both languages, of which none is the technician's English detail."""
    for check in map(check_message, report.checks):
        english, vietnamese = found_words(check, "en"), found_words(check, "vi")
        assert bool(english) is bool(vietnamese) is bool(check.detail)
        if check.result != card_pb2.CHECK_RESULT_PASSED:
            assert check.reason in REASONS, check.reason
            assert set(check.facts) <= set(FACTS), check
            assert check.detail not in vietnamese
            assert english != vietnamese


def of(report: VerificationReport, outcome: Outcome) -> dict[str, str]:
    """Names and reasons of the checks that ended so."""
    return {check.name: check.reason for check in report.checks if check.outcome is outcome}


def failed(report: VerificationReport) -> dict[str, str]:
    return of(report, Outcome.FAILED)


def only_failed(report: VerificationReport, *names: str) -> None:
    """These checks failed; all others passed that can."""
    assert set(failed(report)) == set(names)
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN
    assert not report.is_verified


def changed(octets: bytes, at: int = -1) -> bytes:
    found = bytearray(octets)
    found[at] ^= 1
    return bytes(found)


@pytest.mark.parametrize("access", [CAN, ZONE], ids=["can", "zone"])
def test_genuine_card_is_verified(access: AccessKey) -> None:
    told: list[Check] = []
    progress: list[tuple[str, int, int]] = []
    report = verified(issued(), access, on_check=told.append, on_progress=lambda *step: progress.append(step))
    assert failed(report) == {}
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN
    assert report.is_verified
    assert report.way == "PACE-ECDH-GM, AES-128, brainpoolP256r1"
    assert sorted(told, key=lambda check: check.number) == list(report.checks)
    files = files_of()
    assert set(report.files) == set(files) - {"EF.DG3"}
    assert all(report.files[name] == files[name] for name in report.files if name not in ("EF.SOD",))
    assert [done for _, done, _ in progress] == list(range(progress[-1][2] + 1))
    assert progress[-1][1] == progress[-1][2] == 12


def test_card_is_opened_by_bac_where_its_profile_says_so() -> None:
    report = verified(issued(), ZONE, profile_with(access={"protocols": ["bac"]}))
    assert report.is_verified
    assert report.way == "BAC, 3DES"


def test_reader_of_short_lengths_reads_the_same() -> None:
    card = issued(model=replace(VN_CCCD, extended=False))
    report = verified(card, block=256)
    assert report.is_verified
    assert card.wire.fetched == 0
    assert max(map(len, card.wire.commands)) <= 261


def test_card_with_an_rsa_key_is_verified() -> None:
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    card = issued(
        files_of(replace(person(), public_key=key.public_key())),
        x60=tlv.encode(0x04, numbers.public_numbers.n.to_bytes(256, "big")),
        x61=tlv.encode(0x04, numbers.d.to_bytes(256, "big")),
    )
    report = verified(card)
    assert report.is_verified
    assert report.check(14).detail == "RSA, 2048 bits"


def test_wrong_can_ends_it_after_one_try() -> None:
    card = issued()
    report = verified(card, AccessKey.of_access_number("111111"))
    assert failed(report) == {"access": "WRONG_CARD_PASSWORD"}
    assert set(of(report, Outcome.PASSED)) == {"card-access"}
    assert sum(command[:2] == b"\0\x86" for command in card.wire.commands) == 1
    assert sum(command[1] == 0x22 for command in card.wire.commands) == 1
    assert report.way == ""


def test_can_that_opens_but_is_not_the_zones_is_told() -> None:
    other = AccessKey.of_access_number("111111")
    report = verified(issued(x65=tlv.encode(0x04, b"111111")), other)
    only_failed(report, "access-number")


def test_zone_that_opens_but_is_not_the_files_is_told() -> None:
    fields = ("195000017", "950902", "350903")
    put = b"".join(tlv.encode(0x04, field.encode()) for field in fields)
    report = verified(issued(x62=put), AccessKey.of_fields(*fields))
    only_failed(report, "access-number")


def test_card_of_another_profile_is_told_and_nothing_is_read() -> None:
    report = verified(issued(model=replace(VN_CCCD, aid=bytes.fromhex("A000000247100199"))), profile=other_aid())
    assert failed(report) == {"application": "CARD_BELONGS_ELSEWHERE"}
    assert set(of(report, Outcome.PASSED)) == {"card-access", "access"}
    assert set(report.files) == {"EF.CardAccess"}


def other_aid() -> CardProfile:
    return card_profile_from_table(TABLE | {"aid": "A0000002471002"})


def test_expired_signer_is_told_and_the_rest_is_checked() -> None:
    only_failed(verified(issued(), now=NOW + timedelta(days=26 * 365)), "certificate-validity")


@pytest.mark.parametrize("trust", [(), (authority_for(number=1).certificate,)], ids=["none", "same-name"])
def test_signer_of_another_chain_is_told_and_the_rest_is_checked(trust: tuple[x509.Certificate, ...]) -> None:
    report = verified(issued(), trust=trust)
    assert failed(report) == {"signer-chain": "UNTRUSTED_CHAIN"}
    waiting = {"certificate-validity": "NEEDS_CHECK", "revocation": "NEEDS_CHECK"}
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | waiting
    assert not report.is_verified


def revocations(
    *serials: int, days: int = 30, number: int = 0, ago: int = 1, owner: str = "Bo Cong an"
) -> x509.CertificateRevocationList:
    """Of an authority of this owner and key, made `ago` days before and good for `days` more."""
    made, lasts = NOW - timedelta(days=ago), timedelta(days=ago + days)
    return authority_for(owner=owner, number=number).list_revoked(serials, 1, made, lasts=lasts)


def test_revoked_signer_is_told() -> None:
    serial = signer_for()[0].serial_number
    assert of(verified(issued(), revocations=[revocations(serial + 1)]), Outcome.PASSED)["revocation"] == ""
    newer = [revocations(ago=2), revocations(serial), revocations(ago=3)]
    assert failed(verified(issued(), revocations=newer)) == {"revocation": "CERTIFICATE_REVOKED"}


def test_list_is_good_by_any_key_of_the_authoritys_name() -> None:
    """A country that has changed its key goes on with one list, which names signers of the old key too."""
    serial = signer_for()[0].serial_number
    trust = (*TRUST, authority_for(number=1).certificate)
    newer = [revocations(), revocations(serial, number=1, ago=0)]
    assert failed(verified(issued(), trust=trust, revocations=newer)) == {"revocation": "CERTIFICATE_REVOKED"}


@pytest.mark.parametrize("when", [{"days": -1, "ago": 9}, {"ago": -1}])
def test_list_that_does_not_hold_now_still_says_who_was_revoked_but_not_who_was_not(when: dict[str, Any]) -> None:
    serial = signer_for()[0].serial_number
    silent = verified(issued(), revocations=[revocations(serial + 1, **when)])
    assert of(silent, Outcome.NOT_POSSIBLE)["revocation"] == "REVOCATION_LIST_NOT_CURRENT"
    named = verified(issued(), revocations=[revocations(serial, **when)])
    assert failed(named) == {"revocation": "CERTIFICATE_REVOKED"}
    holding = [revocations(ago=2), revocations(serial, **when)]
    assert of(verified(issued(), revocations=holding), Outcome.PASSED)["revocation"] == ""


@pytest.mark.parametrize(
    ("useless", "reason"),
    [
        (lambda serial: revocations(serial, number=1), "REVOCATION_LIST_NOT_GENUINE"),  # of a key that is not trusted
        (lambda serial: revocations(serial, owner="Another"), "NOT_GIVEN"),
    ],
)
def test_list_that_is_not_the_authoritys_says_nothing(
    useless: Callable[[int], x509.CertificateRevocationList], reason: str
) -> None:
    report = verified(issued(), revocations=[useless(signer_for()[0].serial_number)])
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | {"revocation": reason}
    assert report.is_verified


@pytest.mark.parametrize(
    ("name", "at", "names"),
    [
        ("EF.DG1", 65, {"group-digests"}),  # in the name: its check digits hold
        ("EF.DG1", 20, {"group-digests", "data-group-1"}),
        ("EF.DG2", -50, {"group-digests"}),
        ("EF.DG13", -3, {"group-digests", "zone-agrees"}),
        ("EF.DG14", 3, {"group-digests", "data-group-14"}),
        ("EF.DG15", -1, {"group-digests", "data-group-15"}),
        ("EF.SOD", 60, None),
        ("EF.SOD", -1, {"signature"}),
        ("EF.COM", -1, {"common-data"}),
        ("EF.CardAccess", -1, {"access-confirmed"}),
    ],
)
def test_changed_octet_is_told_by_the_check_of_its_file(name: str, at: int, names: set[str] | None) -> None:
    files = files_of()
    report = verified(issued(files | {name: changed(files[name], at)}), ZONE)
    assert not report.is_verified
    if names is not None:
        assert names <= set(failed(report)) | ({"zone-agrees"} if name == "EF.DG13" else set())
        assert set(failed(report)) - names <= {"portrait", "profile-files"}


def test_data_groups_of_another_signed_card_are_told() -> None:
    other = files_of(replace(person(), face=replace(portrait(), quality=7)))
    report = verified(issued(files_of() | {"EF.DG2": other["EF.DG2"]}))
    only_failed(report, "group-digests")
    assert report.check(11).facts == {"data_group": 2}
    assert failed(verified(issued(files_of() | {"EF.SOD": other["EF.SOD"]}))) == {"group-digests": "DIGEST_MISMATCH"}


def test_copy_without_the_active_key_is_told() -> None:
    only_failed(verified(issued(x66=tlv.encode(0x04, private(OTHER_KEY)))), "active-authentication")


def test_copy_without_the_chips_key_is_told() -> None:
    report = verified(issued(x63=tlv.encode(0x04, private(OTHER_KEY))))
    assert failed(report) == {"chip-authentication": "CARD_NOT_GENUINE"}
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | {"data-group-3": "SESSION_OVER"}


def test_keys_that_nobody_signed_prove_nothing() -> None:
    """A copy with keys of its own in EF.DG14 and EF.DG15: its proofs are not even asked for."""
    keys = (si.chip_authentication_key(key_info(OTHER_KEY.public_key())), PACE_INFO, CHIP_INFO)
    forged = files_of(replace(person(), dg14=keys, public_key=OTHER_KEY.public_key()))
    card = issued(
        files_of() | {name: forged[name] for name in ("EF.DG14", "EF.DG15")},
        x63=tlv.encode(0x04, private(OTHER_KEY)),
        x66=tlv.encode(0x04, private(OTHER_KEY)),
    )
    report = verified(card)
    assert failed(report) == {"group-digests": "DIGEST_MISMATCH"}
    for name in ("access-confirmed", "active-authentication", "chip-authentication"):
        assert of(report, Outcome.NOT_POSSIBLE)[name] == "NEEDS_CHECK"


def access_of(*infos: si.SecurityInfo) -> bytes:
    return si.encode_card_access(infos)


@pytest.mark.parametrize(
    ("offer", "access"),
    [
        (access_of(CHIP_INFO), ZONE),  # PACE left out: BAC opens
        (access_of(si.numbered(f"{si.PACE_ECDH_GM}.2", 2, 12)), CAN),  # another curve
        (access_of(PACE_INFO, si.numbered(f"{si.PACE_ECDH_GM}.4", 2, 13)), CAN),  # more than was signed
    ],
)
def test_other_ways_in_than_were_signed_are_told(offer: bytes, access: AccessKey) -> None:
    only_failed(verified(issued(files_of() | {"EF.CardAccess": offer}), access), "access-confirmed")


def test_weaker_way_than_was_signed_is_told() -> None:
    strong = si.numbered(f"{si.PACE_ECDH_GM}.4", 2, 13)
    contents = replace(person(), dg14=(*person().dg14, strong))
    assert failed(verified(issued(files_of(contents)))) == {"access-confirmed": "DIGEST_MISMATCH"}
    both = replace(contents, card_access=(*person().card_access, strong))
    report = verified(issued(files_of(both)))
    assert report.is_verified
    assert report.way == "PACE-ECDH-GM, AES-256, brainpoolP256r1"


def test_card_without_ef_card_access_is_opened_by_bac_and_told() -> None:
    files = files_of()
    del files["EF.CardAccess"]
    report = verified(issued(files), ZONE)
    assert failed(report) == {"card-access": "CARD_REFUSED", "access-confirmed": "DIGEST_MISMATCH"}
    report = verified(issued(files), CAN)
    assert of(report, Outcome.NOT_POSSIBLE)["access"] == "NOT_SPOKEN"
    assert set(of(report, Outcome.PASSED)) == {"application"}


def test_master_file_is_selected_first_where_the_profile_says_so() -> None:
    card = issued()
    report = verified(card, ZONE, profile_with(access={"selects_master_file": True}))
    assert card.wire.commands[0] == bytes.fromhex("00A4000C023F00")
    assert failed(report) == {"card-access": "CARD_REFUSED", "access-confirmed": "DIGEST_MISMATCH"}  # it has none


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("personal_number", "001195000018"),
        ("date_of_birth", "03/09/1995"),
        ("date_of_birth", "1995"),
        ("sex", "Nam"),
        ("expires", "02/09/2036"),
    ],
)
def test_zone_and_printed_identity_that_disagree_are_told(field: str, value: str) -> None:
    contents = replace(person(), identity=replace(person().identity, **{field: value}))
    report = verified(issued(files_of(contents)))
    only_failed(report, "zone-agrees")
    assert report.check(16).facts == {"field": field}


def test_birth_known_in_part_agrees_with_what_is_printed_of_it() -> None:
    for birth, printed in (("95<<<<", "1995"), ("9509<<", "09/1995"), ("95<<<<", "00/00/1995")):
        contents = replace(
            person(),
            zone=replace(person().zone, birth=birth),
            identity=replace(person().identity, date_of_birth=printed),
        )
        assert of(verified(issued(files_of(contents))), Outcome.PASSED)["zone-agrees"] == ""


@pytest.mark.parametrize(
    "face",
    [
        replace(portrait(), width=481),
        replace(portrait(), image=portrait().image[:200]),
        replace(portrait(), image=b"\xff\xd8\xff", image_data_type=0),
        replace(portrait(), image_data_type=9),
        replace(portrait(), width=65_535, height=65_535),
        FaceImage(3, 4, b"no image"),
    ],
)
def test_portrait_that_does_not_decode_to_its_sides_is_told(face: FaceImage) -> None:
    only_failed(verified(issued(files_of(replace(person(), face=face)))), "portrait")


LYING = {
    "longer than the card has": lambda octets: b"\x6d\x82\x0f\x00" + octets[2:],
    "longer than the profile allows": lambda octets: octets[:1] + b"\x83\xff\xff\xff" + octets[2:],
    "of another tag": lambda octets: b"\x61" + octets[1:],
    "cut": lambda octets: octets[:-20],
    "empty": lambda _octets: b"\x6d",
}


@pytest.mark.parametrize("lie", LYING.values(), ids=LYING)
def test_length_that_lies_is_told_and_the_rest_is_checked(lie: Callable[[bytes], bytes]) -> None:
    files = files_of()
    report = verified(issued(files | {"EF.DG13": lie(files["EF.DG13"])}))
    assert failed(report) == {"data-group-13": "MALFORMED_CARD_ANSWER", "profile-files": "MALFORMED_RECORD"}
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | {"zone-agrees": "NEEDS_CHECK"}


def test_file_that_the_card_lacks_is_told() -> None:
    files = files_of()
    del files["EF.DG15"]
    report = verified(issued(files))
    assert failed(report) == {"data-group-15": "CARD_REFUSED", "profile-files": "MALFORMED_RECORD"}
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | {"active-authentication": "NEEDS_CHECK"}


def test_card_without_a_security_object_is_told() -> None:
    files = files_of()
    del files["EF.SOD"]
    report = verified(issued(files))
    assert failed(report) == {"security-object": "CARD_REFUSED", "profile-files": "MALFORMED_RECORD"}
    waiting = of(report, Outcome.NOT_POSSIBLE)
    assert {name for name, reason in waiting.items() if reason == "NEEDS_CHECK"} == {
        "signer-chain",
        "certificate-validity",
        "revocation",
        "signature",
        "groups-signed",
        "group-digests",
        "access-confirmed",
        "active-authentication",
        "chip-authentication",
    }


def test_data_groups_other_than_the_profiles_are_told() -> None:
    report = verified(issued(files_of() | {"EF.COM": CommonData((1, 2, 3, 11, 13, 14, 15)).encode()}))
    only_failed(report, "profile-files")
    assert report.check(12).facts == {"file": "EF.COM", "data_group": 11}


def test_fingers_that_anybody_reads_are_told() -> None:
    model = replace(VN_CCCD, read=dict(VN_CCCD.read) | {0x0103: Access.READER})
    report = verified(issued(model=model))
    assert failed(report) == {"data-group-3": "CARD_BELONGS_ELSEWHERE"}


@pytest.mark.parametrize(
    ("infos", "name"),
    [
        ((si.numbered(f"{si.CHIP_AUTHENTICATION_ECDH}.1", 1),), "chip-authentication"),
        ((), "chip-authentication"),
        ((CHIP_INFO, si.active_authentication("1.2.840.10045.4.3.2")), "active-authentication"),
    ],
)
def test_what_is_not_spoken_here_is_not_possible(infos: tuple[si.SecurityInfo, ...], name: str) -> None:
    key = si.chip_authentication_key(key_info(CHIP_KEY.public_key()))
    report = verified(issued(files_of(replace(person(), dg14=(PACE_INFO, key, *infos)))))
    assert of(report, Outcome.NOT_POSSIBLE) == NEVER_GIVEN | {name: "NOT_SPOKEN"}
    assert report.is_verified  # by the other of the two


def expected(**changes: Any) -> ExpectedCard:
    digests = {name: hashlib.sha256(octets).digest() for name, octets in files_of().items() if name != "EF.SOD"}
    return ExpectedCard(**{"personal_number": NUMBER, "digests": digests} | changes)


def test_card_of_the_dossier_is_told_from_that_of_another() -> None:
    passed = verified(issued(), expected=expected())
    assert passed.check(19).outcome is Outcome.PASSED
    assert passed.check(19).detail == "8 compared"
    only = NEVER_GIVEN | {"dossier": ""}
    for other in (
        expected(personal_number="001195000018"),
        expected(digests={"EF.DG2": hashlib.sha256(b"another").digest()}),
    ):
        report = verified(issued(), expected=other)
        assert failed(report) == {"dossier": "CARD_BELONGS_ELSEWHERE"}
        assert not report.is_verified
        assert set(of(report, Outcome.NOT_POSSIBLE)) == set(only) - {"dossier"}


def test_dossier_of_which_nothing_was_read_says_nothing() -> None:
    nothing = ExpectedCard(digests={"EF.DG3": bytes(32)})
    assert of(verified(issued(), expected=nothing), Outcome.NOT_POSSIBLE)["dossier"] == "NEEDS_CHECK"


def test_profile_without_optional_files_checks_what_there_is() -> None:
    table = TABLE | {"files": [row for row in TABLE["files"] if row["name"] not in ("EF.DG3", "EF.DG13", "EF.DG15")]}
    report = verified(issued(), profile=card_profile_from_table(table))
    reasons = of(report, Outcome.NOT_POSSIBLE)
    assert reasons["zone-agrees"] == reasons["active-authentication"] == "NOT_ON_CARD"
    assert failed(report) == {"profile-files": "CARD_BELONGS_ELSEWHERE"}


def test_no_changed_answer_of_a_whole_run_is_believed() -> None:
    """One octet of one answer is another: at every command, in the first, the middle and the last octet."""
    plain = issued()
    assert plain.verify().is_verified
    first = next(at for at, command in enumerate(plain.wire.commands) if command[1] == 0x22)  # PACE
    for at in range(first, len(plain.wire.commands)):
        card = issued()
        card.tamper = lambda found, answer, at=at: (  # type: ignore[misc]
            changed(answer, len(answer) * (at % 3) // 2 - (at % 3 == 2)) if found == at else answer
        )
        assert not verified(card).is_verified, plain.wire.commands[at].hex()


class ReaderGone(Exception):
    """As a driver would raise it."""


@pytest.mark.parametrize("at", [0, 2, 6, 9, 14, 30, 38])
def test_what_the_reader_raises_goes_through_and_it_may_be_done_again(at: int) -> None:
    card = issued()

    def tamper(found: int, answer: bytes) -> bytes:
        if found == at:
            raise ReaderGone
        return answer

    card.tamper = tamper
    with pytest.raises(ReaderGone):
        card.verify()
    card.card.power_off()
    assert card.verify().is_verified


def test_report_reads_as_json() -> None:
    told = json.loads(json.dumps(verified(issued()).to_json()))
    assert told["verified"] is True
    assert told["access"] == "PACE-ECDH-GM, AES-128, brainpoolP256r1"
    assert told["checks"][0] == {
        "number": 1,
        "name": "application",
        "result": "passed",
        "reason": "",
        "detail": "",
        "facts": {},
    }
    assert told["checks"][7]["result"] == "not_possible"
    assert told["files"]["EF.DG1"] == 95
