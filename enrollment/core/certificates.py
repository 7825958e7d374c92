"""TLS certificates of one authority for its server and its clients: a registry's, or a station's that shares devices.

A client is named by one URI in the subject alternative name of its certificate; the common name is for people. Times
are passed in. ECDSA on P-256 throughout.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from enrollment.core.errors import AuthorityUnusable, CertificateRefused

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
CERTIFICATE_LIFETIME: Final = timedelta(days=730)
BACKDATING: Final = timedelta(days=2)  # clocks in the field are wrong
MAX_REQUEST_BYTES: Final = 16 * 1024


class CertificateAuthority:
    """Issues certificates; its key is private."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, owner: str, now: datetime) -> CertificateAuthority:
        """Make a new authority with a self-signed certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{owner} CA")
        builder = _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        return cls(builder.add_extension(key_usage(authority=True), critical=True).sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> CertificateAuthority:
        """Read a stored authority. Raises AuthorityUnusable."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise AuthorityUnusable("the certificate authority cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AuthorityUnusable("the certificate authority's key is of another kind")
        return cls(certificate, key)

    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8."""
        return private_key_pem(self._key)

    def issue_server_certificate(
        self,
        key: ec.EllipticCurvePublicKey,
        names: Sequence[str],
        now: datetime,
        lifetime: timedelta = CERTIFICATE_LIFETIME,
    ) -> x509.Certificate:
        """Certify a server under these host names and IP addresses. Raises CertificateRefused for a name."""
        uses = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(key, names[0], [_general_name(name) for name in names], uses, now, lifetime)

    def issue_client_certificate(
        self, request_pem: bytes, common_name: str, uri: str, now: datetime, lifetime: timedelta = CERTIFICATE_LIFETIME
    ) -> x509.Certificate:
        """Certify the key of a client's signing request; whatever name it asks for does not count.

        Raises CertificateRefused for anything that is no PKCS #10 request, signed, for a key on P-256 or P-384.
        """
        if len(request_pem) > MAX_REQUEST_BYTES:
            raise CertificateRefused("the certificate signing request is too long", length=len(request_pem))
        try:
            request = x509.load_pem_x509_csr(request_pem)
            key = request.public_key()
            signed = request.is_signature_valid
        except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature) as error:
            raise CertificateRefused("the certificate signing request cannot be read") from error
        if not signed or not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in (256, 384):
            raise CertificateRefused("the certificate signing request must be signed by a key on P-256 or P-384")
        name = x509.UniformResourceIdentifier(uri)
        return self._issue(key, common_name, [name], ExtendedKeyUsageOID.CLIENT_AUTH, now, lifetime)

    def _issue(
        self,
        key: CertificatePublicKeyTypes,
        common_name: str,
        alternative_names: Iterable[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: datetime,
        lifetime: timedelta,
    ) -> x509.Certificate:
        builder = _builder(_name(common_name), self.certificate.subject, key, now, lifetime)
        return (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def signing_request(key: ec.EllipticCurvePrivateKey, common_name: str) -> bytes:
    """A PKCS #10 request for this key, PEM. The authority decides what it is certified as."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not name.isascii():
            raise CertificateRefused("a host name must be in ASCII (punycode)", field="name") from None
        return x509.DNSName(name)


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """What a key may do: an authority's signs certificates and revocations, any other's signs what is not either."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
