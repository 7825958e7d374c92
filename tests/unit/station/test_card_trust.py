"""Whom a station trusts of those who sign cards: certificates and lists as their owners send them, and damaged ones."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.core.errors import CertificateRevoked, EnrollmentError
from enrollment.service.keys.card_trust import CardTrust, load_card_trust, load_certificate
from enrollment.service.keys.errors import KeysUnusable, RevocationListUnusable
from tests.unit.chip.signed_cards import NOW, authority_for, signer_for

SIGNER = signer_for()[0]
FIRST, SECOND = authority_for(), authority_for(number=1)
NONE_REVOKED = FIRST.list_revoked((), 1, NOW - timedelta(days=1))
REVOKED = FIRST.list_revoked((SIGNER.serial_number,), 2, NOW)
PEM, DER = Encoding.PEM, Encoding.DER


def write(path: Path, *parts: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(parts))
    return path


def trusted(folder: Path) -> Path:
    return write(folder / "csca" / "first.pem", FIRST.certificate.public_bytes(PEM)).parent


def is_revoked(trust: CardTrust) -> bool:
    try:
        trust.require_not_revoked(SIGNER, NOW)
    except CertificateRevoked:
        return True
    return False


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "csca/both.pem",
            [b"the country's\n", FIRST.certificate.public_bytes(PEM), SECOND.certificate.public_bytes(PEM)],
        ),
        ("csca/list-too.pem", [REVOKED.public_bytes(PEM), FIRST.certificate.public_bytes(PEM)]),
        ("csca/DER.CER", [FIRST.certificate.public_bytes(DER)]),
    ],
)
def test_trust_is_a_file_or_a_folder_of_bundles(tmp_path: Path, name: str, parts: list[bytes]) -> None:
    path, none = write(tmp_path / name, *parts), tmp_path / "none"
    write(tmp_path / "csca" / "README", b"not read")
    assert load_card_trust(path, none) == load_card_trust(path.parent, none)
    found = load_card_trust(path, none)
    assert FIRST.certificate in found.authorities
    assert len(found.authorities) + len(found.revocations) == len([part for part in parts if b"country" not in part])
    assert is_revoked(found) is ("list" in name)


@pytest.mark.parametrize("encoding", [PEM, DER])
@pytest.mark.parametrize("name", ["crl/newest.crl", "crl/newest.der", "crl/newest.pem"])
def test_lists_are_a_file_or_a_folder_and_the_newest_counts(tmp_path: Path, name: str, encoding: Encoding) -> None:
    path = write(tmp_path / name, REVOKED.public_bytes(encoding))
    write(tmp_path / "crl" / "older.crl", NONE_REVOKED.public_bytes(encoding))
    assert is_revoked(load_card_trust(trusted(tmp_path), path))
    assert is_revoked(load_card_trust(tmp_path / "csca", path.parent))
    path.unlink()
    assert not is_revoked(load_card_trust(tmp_path / "csca", path.parent))


def test_list_whose_signature_was_touched_does_not_count(tmp_path: Path) -> None:
    octets = bytearray(REVOKED.public_bytes(DER))
    octets[-1] ^= 1
    trust = load_card_trust(trusted(tmp_path), write(tmp_path / "crl" / "a.crl", bytes(octets)))
    assert len(trust.revocations) == 1
    assert not is_revoked(trust)


def partial_list() -> bytes:
    """Of changes alone: says nothing of whom it does not name."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(FIRST.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=9))
    builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return builder.sign(FIRST.key, hashes.SHA256()).public_bytes(DER)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("csca/other.pem", b"", KeysUnusable),
        ("csca/other.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KeysUnusable),
        ("csca/other.pem", FIRST.certificate.public_bytes(PEM)[:-40], KeysUnusable),
        ("csca/other.der", FIRST.certificate.public_bytes(DER)[:-1], KeysUnusable),
        ("csca/other.crt", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeysUnusable),
        ("csca/other.crl", b"damaged", RevocationListUnusable),
        ("crl/other.crl", b"", RevocationListUnusable),
        ("crl/other.crl", REVOKED.public_bytes(DER)[:-1], RevocationListUnusable),
        ("crl/other.pem", REVOKED.public_bytes(PEM)[:-30], RevocationListUnusable),
        ("crl/other.pem", FIRST.certificate.public_bytes(PEM), RevocationListUnusable),
        ("crl/other.crl", bytes(4 * 1024 * 1024 + 1), RevocationListUnusable),
    ],
)
def test_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes, kind: type[EnrollmentError]
) -> None:
    trust = trusted(tmp_path)
    path = write(tmp_path / name, content)
    with pytest.raises(kind, match=r"other\.|crl holds a certificate") as refused:
        load_card_trust(trust, tmp_path / "crl")
    assert str(refused.value.facts["file"]).startswith(str(path.parent))


def test_list_of_changes_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RevocationListUnusable, match="changes alone"):
        load_card_trust(trusted(tmp_path), write(tmp_path / "crl" / "delta.crl", partial_list()))


def test_any_changed_octet_is_refused_with_a_type_or_silences_the_list(tmp_path: Path) -> None:
    for place, whole in (("crl/a.crl", REVOKED), ("csca/first.pem", FIRST.certificate)):
        trusted(tmp_path)
        write(tmp_path / "crl" / "a.crl", REVOKED.public_bytes(DER))
        octets = whole.public_bytes(DER)
        for at, bits in zip(range(len(octets)), cycle((0x01, 0x20, 0xFF)), strict=False):
            write(tmp_path / place, octets[:at] + bytes((octets[at] ^ bits,)) + octets[at + 1 :])
            try:
                trust = load_card_trust(tmp_path / "csca", tmp_path / "crl")
            except (KeysUnusable, RevocationListUnusable):
                continue
            # The number of unused bits of a BIT STRING may change and nothing that it says.
            same = any(found.tbs_certlist_bytes == REVOKED.tbs_certlist_bytes for found in trust.revocations)
            assert not is_revoked(trust) or same, at


def test_station_without_an_authority_trusts_nobody(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="0 certificates"):
        load_card_trust(tmp_path, tmp_path / "none")
    with pytest.raises(KeysUnusable, match="cannot be read"):
        load_card_trust(tmp_path / "none", tmp_path)


def test_certificate_with_its_chain_is_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "chain.pem", SIGNER.public_bytes(PEM), FIRST.certificate.public_bytes(PEM))
    assert load_certificate(path) == SIGNER
    with pytest.raises(KeysUnusable, match="holds no certificate"):
        load_certificate(write(tmp_path / "list.crl", REVOKED.public_bytes(DER)))


@pytest.mark.parametrize(("listed", "word"), [(NONE_REVOKED, "OK"), (REVOKED, "revoked")])
def test_openssl_judges_our_lists_alike(tmp_path: Path, listed: x509.CertificateRevocationList, word: str) -> None:
    signer = write(tmp_path / "signer.pem", SIGNER.public_bytes(PEM))
    authority = write(tmp_path / "csca.pem", FIRST.certificate.public_bytes(PEM))
    crl = write(tmp_path / "list.pem", listed.public_bytes(PEM))
    judged = subprocess.run(
        ["openssl", "verify", "-crl_check", "-CAfile", authority, "-CRLfile", crl, signer],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert word in judged.stdout + judged.stderr
    assert (judged.returncode == 0) is (word == "OK")
