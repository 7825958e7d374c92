"""A whole card of the built-in profile: every file is read back, and what the country signed is what lies there."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from enrollment.core.chip import security_infos as si
from enrollment.core.chip.card_files import CardContents, card_files
from enrollment.core.chip.card_profile import CardProfile, card_profile_from_table
from enrollment.core.chip.dg2_face import decode_dg2
from enrollment.core.chip.dg3_fingers import decode_dg3
from enrollment.core.chip.dg13_identity import PrintedIdentity
from enrollment.core.chip.dg15_public_key import decode_dg15
from enrollment.core.chip.ef_com import DATA_GROUP_TAGS, CommonData
from enrollment.core.chip.elementary_file import HEADER_OCTETS, declared_octets
from enrollment.core.chip.mrz import MachineReadableZone
from enrollment.core.chip.passive_authentication import Outcome, examine
from enrollment.core.errors import InvalidCardProfile, MalformedRecord, SignatureInvalid
from tests.unit.chip.issued_cards import PROFILE, TABLE, person
from tests.unit.chip.signed_cards import NOW, authority_for, signer_for
from tests.unit.chip.test_dg3_fingers import image_of, minutiae_of


def contents() -> CardContents:
    return replace(person(), fingers=(image_of(2), minutiae_of(7)))


def made(profile: CardProfile = PROFILE, algorithm: str = "ecdsa-sha256") -> dict[str, bytes]:
    certificate, key = signer_for(algorithm)
    return card_files(profile, contents(), certificate, key, signed_at=NOW)


def changed(**by_file: dict[str, Any]) -> CardProfile:
    """The profile with keys of its files changed, or files added."""
    table = copy.deepcopy(TABLE)
    for name, keys in by_file.items():
        found = next((row for row in table["files"] if row["name"] == f"EF.{name}"), None)
        if found is None:
            table["files"].append({"name": f"EF.{name}", **keys})
        else:
            found.update(keys)
    return card_profile_from_table(table)


def test_card_of_the_profile_passes_passive_authentication_and_reads_back() -> None:
    files, written = made(), contents()
    assert list(files) == [found.name for found in PROFILE.files]
    groups = {number: files[f"EF.DG{number}"] for number in CommonData.decode(files["EF.COM"]).data_groups}
    checks = examine(files["EF.SOD"], groups, [authority_for().certificate], NOW)
    assert {check.outcome for check in checks} == {Outcome.PASSED}
    assert MachineReadableZone.decode(groups[1]) == written.zone
    assert decode_dg2(groups[2]) == written.face
    assert decode_dg3(groups[3]) == written.fingers
    assert PrintedIdentity.decode(groups[13]) == written.identity
    assert set(si.decode_dg14(groups[14])) == set(written.dg14)
    assert decode_dg15(groups[15]) == written.public_key
    assert si.decode_card_access(files["EF.CardAccess"]) == written.card_access
    for number, octets in groups.items():
        assert declared_octets(octets[:HEADER_OCTETS], DATA_GROUP_TAGS[number], f"EF.DG{number}") == len(octets)


def test_card_of_another_algorithm_is_signed_by_it() -> None:
    table = copy.deepcopy(TABLE)
    table["document_signer"]["signature"] = "rsa-pss-sha256"
    profile = card_profile_from_table(table)
    files = made(profile, "rsa-pss-sha256")
    groups = {number: files[f"EF.DG{number}"] for number in profile.data_groups}
    checks = examine(files["EF.SOD"], groups, [authority_for("rsa-pss-sha256").certificate], NOW)
    assert {check.outcome for check in checks} == {Outcome.PASSED}
    with pytest.raises(SignatureInvalid):
        made(profile, "ecdsa-sha256")


def test_card_without_prints_is_made_with_salt() -> None:
    certificate, key = signer_for()
    person = replace(contents(), fingers=(), salt=bytes(range(16)))
    assert decode_dg3(card_files(PROFILE, person, certificate, key)["EF.DG3"]) == ()


def test_file_over_its_room_is_named() -> None:
    with pytest.raises(MalformedRecord, match=r"EF\.DG13"):
        made(changed(DG13={"max_octets": 40}))


@pytest.mark.parametrize("name", ["DG11", "CardSecurity"])
def test_file_that_is_not_made_here_is_named(name: str) -> None:
    with pytest.raises(InvalidCardProfile) as caught:
        made(changed(**{name: {"file_id": "010B", "read": "access", "max_octets": 100}}))
    assert caught.value.facts["found"] == f"EF.{name}"
