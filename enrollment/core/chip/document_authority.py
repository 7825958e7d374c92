"""The country's signing authority (CSCA) and the document signers that it certifies.

    CSCA              self-signed; keyCertSign and cRLSign; a path of length 0; signs for years, is trusted for longer;
                      lists the signers that it has revoked
    document signer   digitalSignature; signs for months, is trusted as long as its documents are; which documents

The private key usage period says how long a key signs, the certificate's validity how long it is trusted. Times are
passed in. For development and tests: the real authority certifies requests of its own kind elsewhere.
Source: ICAO Doc 9303-12, 8th edition, 7.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from enrollment.core.certificates import key_usage
from enrollment.core.chip.signature_algorithms import ECDSA_SHA256, SignatureAlgorithm, SigningKey

AUTHORITY_SIGNS: Final = timedelta(days=5 * 365)
SIGNER_SIGNS: Final = timedelta(days=90)
LIST_LASTS: Final = timedelta(days=90)  # of revoked signers: the longest (9303-12, 7.1.4)
DOCUMENTS_LAST: Final = timedelta(days=25 * 365)  # a card of 2024 is changed at 14, 25, 40 and 60
DOCUMENT_TYPE_LIST: Final = x509.ObjectIdentifier("2.23.136.1.1.6.2")


@asn1.sequence
class _DocumentTypes:
    version: int
    types: asn1.SetOf[asn1.PrintableString]


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """The authority's certificate, its key, and the algorithm by which it signs certificates."""

    certificate: x509.Certificate
    key: SigningKey
    algorithm: SignatureAlgorithm = ECDSA_SHA256

    @classmethod
    def create(
        cls,
        country: str,
        owner: str,
        key: SigningKey,
        now: datetime,
        algorithm: SignatureAlgorithm = ECDSA_SHA256,
    ) -> SigningAuthority:
        """A new authority. country: two letters, ISO 3166-1."""
        name = _name(country, owner, "CSCA")
        ends = now + AUTHORITY_SIGNS + SIGNER_SIGNS + DOCUMENTS_LAST
        builder = _builder(name, name, key.public_key(), now, now + AUTHORITY_SIGNS, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(key_usage(authority=True), critical=True)
        builder = builder.add_extension(_issuer(key.public_key()), critical=False)
        return cls(_signed(builder, key, algorithm), key, algorithm)

    def certify_signer(
        self, owner: str, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, now: datetime, documents: Sequence[str]
    ) -> x509.Certificate:
        """A document signer's certificate. documents: the document codes that it signs, as in line 1 of their zone."""
        country = self.certificate.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)[0].value
        name = _name(str(country), owner, "document signer")
        ends = now + SIGNER_SIGNS + DOCUMENTS_LAST
        builder = _builder(name, self.certificate.subject, key, now, now + SIGNER_SIGNS, ends)
        types = _DocumentTypes(version=0, types=asn1.SetOf([asn1.PrintableString(code) for code in documents]))
        listed = x509.UnrecognizedExtension(DOCUMENT_TYPE_LIST, asn1.encode_der(types))
        builder = builder.add_extension(key_usage(authority=False), critical=True)
        builder = builder.add_extension(_issuer(self.key.public_key()), critical=False)
        return _signed(builder.add_extension(listed, critical=False), self.key, self.algorithm)

    def list_revoked(
        self, serials: Iterable[int], number: int, now: datetime, *, lasts: timedelta = LIST_LASTS
    ) -> x509.CertificateRevocationList:
        """The list of revoked signers, by their certificates' serial numbers. number: higher than the one before."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + lasts)
            .add_extension(_issuer(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, self.algorithm.digest, rsa_padding=_padding(self.algorithm))  # type: ignore[arg-type]


def _name(country: str, owner: str, role: str) -> x509.Name:
    attributes = ((NameOID.COUNTRY_NAME, country), (NameOID.ORGANIZATION_NAME, owner), (NameOID.COMMON_NAME, role))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: datetime,
    signs_until: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.PrivateKeyUsagePeriod(now, signs_until), critical=False)
    )


def _issuer(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _signed(builder: x509.CertificateBuilder, key: SigningKey, algorithm: SignatureAlgorithm) -> x509.Certificate:
    return builder.sign(key, algorithm.digest, rsa_padding=_padding(algorithm))  # type: ignore[arg-type]  # of X.509


def _padding(algorithm: SignatureAlgorithm) -> padding.PSS | padding.PKCS1v15 | None:
    return None if algorithm.is_for_curves else algorithm.rsa_padding
