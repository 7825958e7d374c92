"""EF.SOD: openssl accepts it, and its reader takes no octet for another."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.chip.security_object import SecurityObject, cms_of, sign_security_object
from enrollment.core.chip.signature_algorithms import ALGORITHMS
from enrollment.core.errors import DigestMismatch, MalformedRecord, SignatureInvalid
from tests.unit.chip.signed_cards import FILES, MADE, NOW, authority_for, key_for, signed, signer_for

OPENSSL = shutil.which("openssl")

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl program")


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([OPENSSL or "", *arguments], capture_output=True, timeout=30, check=False)


@needs_openssl
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_verifies_the_signature_and_the_chain(algorithm: str, tmp_path: Path) -> None:
    cms, authority, content = tmp_path / "sod.cms", tmp_path / "csca.pem", tmp_path / "lds"
    cms.write_bytes(cms_of(signed(algorithm)))
    authority.write_bytes(authority_for(algorithm).certificate.public_bytes(Encoding.PEM))
    command = ("cms", "-verify", "-inform", "DER", "-in", cms, "-CAfile", authority, "-purpose", "any", "-out", content)
    done = openssl(*command)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Verification successful" in done.stderr or b"CMS Verification successful" in done.stderr
    assert content.read_bytes() in cms.read_bytes()
    other = authority_for(algorithm, number=1).certificate  # of the same name, with another key
    authority.write_bytes(other.public_bytes(Encoding.PEM))
    assert openssl(*command).returncode != 0


@needs_openssl
def test_openssl_sees_version_3_the_content_type_and_the_signed_attributes(tmp_path: Path) -> None:
    cms = tmp_path / "sod.cms"
    cms.write_bytes(cms_of(signed()))
    shown = openssl("cms", "-cmsout", "-print", "-inform", "DER", "-in", cms).stdout.decode()
    assert "version: 3" in shown
    assert "eContentType: undefined (2.23.136.1.1.1)" in shown
    for attribute in ("contentType", "messageDigest", "signingTime"):
        assert f"object: {attribute}" in shown


@needs_openssl
def test_openssl_refuses_changed_content(tmp_path: Path) -> None:
    cms, authority = tmp_path / "sod.cms", tmp_path / "csca.pem"
    octets = bytearray(cms_of(signed()))
    digest = next(iter(SecurityObject.decode(signed()).digests.values()))
    octets[octets.index(digest)] ^= 1
    cms.write_bytes(octets)
    authority.write_bytes(authority_for().certificate.public_bytes(Encoding.PEM))
    done = openssl("cms", "-verify", "-inform", "DER", "-in", cms, "-CAfile", authority, "-purpose", "any")
    assert done.returncode != 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_signed_is_read_and_holds(algorithm: str) -> None:
    found = SecurityObject.decode(signed(algorithm))
    assert found.digests.keys() == FILES.keys()
    assert found.signer_certificate == signer_for(algorithm)[0]
    found.verify_signature(found.signer_certificate)
    for number, octets in FILES.items():
        found.verify_data_group(number, octets)
        with pytest.raises(DigestMismatch):
            found.verify_data_group(number, octets + b"x")


def test_signature_of_another_key_or_kind_does_not_hold() -> None:
    found = SecurityObject.decode(signed())
    other = authority_for(number=1).certify_signer("Bo Cong an", key_for("ecdsa-sha256", 7).public_key(), MADE, ["ID"])
    with pytest.raises(SignatureInvalid):
        found.verify_signature(other)
    with pytest.raises(SignatureInvalid):
        found.verify_signature(signer_for("rsa-pss-sha256")[0])


@given(st.binary(max_size=80))
def test_any_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(MalformedRecord):
        SecurityObject.decode(octets)
    with pytest.raises(MalformedRecord):
        SecurityObject.decode(b"\x77" + bytes((len(octets),)) + octets)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_file_cut_anywhere_is_refused(data: st.DataObject) -> None:
    with pytest.raises(MalformedRecord):
        SecurityObject.decode(SIGNED[: data.draw(st.integers(0, len(SIGNED) - 1))])


@pytest.mark.parametrize("files", [{}, {1: b"a"}, {0: b"a", 1: b"b"}, {1: b"a", 17: b"b"}])
def test_too_few_and_unknown_data_groups_are_not_signed(files: dict[int, bytes]) -> None:
    with pytest.raises(MalformedRecord):
        sign_security_object(files, *signer_for())


def test_key_that_is_not_the_certificates_or_the_algorithms_does_not_sign() -> None:
    certificate, key = signer_for()
    with pytest.raises(SignatureInvalid):
        sign_security_object(FILES, certificate, key_for("ecdsa-sha256", 9))
    with pytest.raises(SignatureInvalid):
        sign_security_object(FILES, certificate, key, algorithm=ALGORITHMS["rsa-pss-sha256"])


def test_file_is_the_same_in_another_time_zone() -> None:
    certificate, key = signer_for("rsa-sha256")  # the one signature without a random part
    one, other = (
        sign_security_object(FILES, certificate, key, algorithm=ALGORITHMS["rsa-sha256"], signed_at=when)
        for when in (NOW, NOW.astimezone(timezone(timedelta(hours=7))))
    )
    assert one == other


SIGNED = signed()
