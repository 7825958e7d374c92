"""Certificates of a development registry: a station is exactly one name."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from enrollment.core.certificates import (
    BACKDATING,
    CERTIFICATE_LIFETIME,
    MAX_REQUEST_BYTES,
    CertificateAuthority,
    certificate_pem,
)
from enrollment.core.errors import AuthorityUnusable, CertificateRefused
from enrollment.registry.certificates import issue_station_certificate, station_of
from enrollment.registry.errors import StationUnknown

NOW = datetime(2026, 3, 1, tzinfo=UTC)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("registry-test", NOW)


def request(key: PrivateKey, name: str = "whatever it asks for") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def armoured(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def test_a_station_certificate_names_the_station_and_not_what_was_asked_for(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_station_certificate(authority, request(key, "HN-08"), "HN-07", NOW)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("urn:enrollment:station:HN-07")]
    assert certificate.subject.rfc4514_string() == "CN=HN-07"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_before_utc == NOW - BACKDATING
    assert certificate.not_valid_after_utc == NOW + CERTIFICATE_LIFETIME


def test_certificates_chain_to_their_authority_only_and_for_their_time(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_station_certificate(authority, request(key), "HN-07", NOW)
    other = CertificateAuthority.create("registry-test", NOW)

    def verify(trusted: CertificateAuthority, at: datetime) -> None:
        PolicyBuilder().store(Store([trusted.certificate])).time(at).build_client_verifier().verify(certificate, [])

    verify(authority, NOW)
    for trusted, at in ((other, NOW), (authority, NOW - timedelta(days=3)), (authority, NOW + timedelta(days=731))):
        with pytest.raises(VerificationError):
            verify(trusted, at)


def test_a_server_certificate_covers_its_names(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    certificate = authority.issue_server_certificate(key, ["localhost", "127.0.0.1"], NOW)
    store = Store([authority.certificate])
    for subject in (x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))):
        PolicyBuilder().store(store).time(NOW).build_server_verifier(subject).verify(certificate, [])


@pytest.mark.parametrize(
    "csr",
    [
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        bytes(MAX_REQUEST_BYTES + 1),
        request(rsa.generate_private_key(65537, 2048)),
        request(ed25519.Ed25519PrivateKey.generate()),
        request(ec.generate_private_key(ec.SECP521R1())),
    ],
    ids=["empty", "no request", "too long", "RSA", "Ed25519", "P-521"],
)
def test_a_request_of_another_kind_is_refused(authority: CertificateAuthority, csr: bytes) -> None:
    with pytest.raises(CertificateRefused):
        issue_station_certificate(authority, csr, "HN-07", NOW)


def test_a_request_that_its_key_did_not_sign_is_refused(authority: CertificateAuthority) -> None:
    der = bytearray(x509.load_pem_x509_csr(request(ec.generate_private_key(ec.SECP256R1()))).public_bytes(Encoding.DER))
    der[der.index(b"whatever")] ^= 1
    changed = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(CertificateRefused):
        issue_station_certificate(authority, changed, "HN-07", NOW)


def test_a_request_of_a_version_that_there_is_not_is_refused(authority: CertificateAuthority) -> None:
    der = x509.load_pem_x509_csr(request(ec.generate_private_key(ec.SECP256R1()))).public_bytes(Encoding.DER)
    changed = der.replace(b"\x02\x01\x00", b"\x02\x01\x3f", 1)
    with pytest.raises(CertificateRefused):
        issue_station_certificate(authority, armoured("CERTIFICATE REQUEST", changed), "HN-07", NOW)


@pytest.mark.parametrize(
    "names",
    [[], [b"localhost"], [b"HN-07"], [b"urn:enrollment:station:A", b"urn:enrollment:station:B"], [b"\xff\xfe"]],
)
def test_a_certificate_that_names_no_station_or_two_is_no_station(names: list[bytes]) -> None:
    with pytest.raises(StationUnknown):
        station_of({"x509_subject_alternative_name": names})
    with pytest.raises(StationUnknown):
        station_of({})


def test_an_authority_comes_back_from_its_files(authority: CertificateAuthority) -> None:
    pem = certificate_pem(authority.certificate)
    assert CertificateAuthority.load(pem, authority.key_pem()).certificate == authority.certificate
    other_version = authority.certificate.public_bytes(Encoding.DER).replace(
        b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x3f", 1
    )
    for unreadable in (b"", armoured("CERTIFICATE", other_version)):
        with pytest.raises(AuthorityUnusable):
            CertificateAuthority.load(unreadable, authority.key_pem())
    with pytest.raises(AuthorityUnusable):
        CertificateAuthority.load(pem, b"")
