"""EF.SOD: the digests of all data groups, signed by the document signer.

    77 { ContentInfo { signedData, [0] SignedData v3 {
           digestAlgorithms, { 2.23.136.1.1.1, LDSSecurityObject }, [0] { document signer's certificate },
           { SignerInfo v1 { issuer and serial number, digest, [0] { content type, message digest (, signing time) },
             signature algorithm, signature } } } } }

    LDSSecurityObject ::= SEQUENCE { version 0, digest, SEQUENCE OF { data group, digest } (, versions: version 1) }

DER throughout, and read as strictly. Sources: ICAO Doc 9303-10, 8th edition, 4.6.2; RFC 5652, 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier

from enrollment.core.chip.elementary_file import value_of
from enrollment.core.chip.public_keys import decode_certificate, key_of
from enrollment.core.chip.signature_algorithms import (
    ECDSA_SHA256,
    DigestIdentifier,
    KeptKey,
    SignatureAlgorithm,
    SignatureIdentifier,
    SigningKey,
    digest_identifier,
    digest_of,
    digested,
    signature_algorithm,
    signature_identifier,
)
from enrollment.core.errors import DigestMismatch, MalformedRecord, SignatureInvalid, UnknownSigner
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.octets import check_range

TAG: Final = 0x77
LDS_SECURITY_OBJECT: Final = "2.23.136.1.1.1"
LEAST_DATA_GROUPS, MOST_DATA_GROUPS = 2, 16

_NAME: Final = "EF.SOD"
_SEQUENCE, _INTEGER = 0x30, 0x02
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"

T = TypeVar("T")


@asn1.sequence
class _DataGroupHash:
    number: int
    digest: bytes


@asn1.sequence
class _LdsVersions:
    lds: asn1.PrintableString
    unicode: asn1.PrintableString


@asn1.sequence
class _LdsSecurityObject:
    version: int
    digest: DigestIdentifier
    hashes: list[_DataGroupHash]
    versions: _LdsVersions | None


@asn1.sequence
class _Attribute:
    kind: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _IssuerAndSerialNumber:
    issuer: asn1.TLV
    serial_number: int


@asn1.sequence
class _SignerInfo:
    version: int
    signer: _IssuerAndSerialNumber | Annotated[bytes, asn1.Implicit(0)]
    digest: DigestIdentifier
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]
    algorithm: SignatureIdentifier
    signature: bytes


@asn1.sequence
class _Content:
    kind: ObjectIdentifier
    octets: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class _SignedData:
    version: int
    digests: asn1.SetOf[DigestIdentifier]
    content: _Content
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[_SignerInfo]


@asn1.sequence
class _ContentInfo:
    kind: ObjectIdentifier
    signed: Annotated[_SignedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class SecurityObject:
    """What a document signer signed. Nothing is verified by reading it: `verify_signature` does.

    digest: over each data group. digests: by data group number.
    """

    digest: hashes.HashAlgorithm
    digests: Mapping[int, bytes]
    _content: bytes = field(repr=False)
    _signer: _SignerInfo = field(repr=False)
    _certificates: tuple[x509.Certificate, ...] = field(repr=False)

    @classmethod
    def decode(cls, octets: bytes) -> SecurityObject:
        """Read EF.SOD. Raises MalformedRecord, and SignatureInvalid for a digest that is not accepted."""
        whole = _read(_ContentInfo, value_of(octets, TAG, _NAME), "ContentInfo")
        signed = whole.signed
        kind = signed.content.kind.dotted_string
        if (whole.kind.dotted_string, kind) != (_SIGNED_DATA, LDS_SECURITY_OBJECT):
            raise MalformedRecord(f"{_NAME}: it signs something else than an LDS security object", kind=kind)
        check_range(signed.version, 3, 3, "version of SignedData", _NAME)
        signers = signed.signers.as_list()
        check_range(len(signers), 1, 1, "number of signers", _NAME)
        version = 1 if isinstance(signers[0].signer, _IssuerAndSerialNumber) else 3
        check_range(signers[0].version, version, version, "version of SignerInfo", _NAME)
        named = {found.algorithm for found in signed.digests.as_list()}
        if signers[0].digest.algorithm not in named:
            raise MalformedRecord(f"{_NAME}: the signer's digest is not among those of SignedData", field="digest")
        lds = _read(_LdsSecurityObject, signed.content.octets, "LDSSecurityObject")
        check_range(lds.version, 0, 1, "version of LDSSecurityObject", _NAME)
        check_range(len(lds.hashes), LEAST_DATA_GROUPS, MOST_DATA_GROUPS, "number of data groups", _NAME)
        digest = digest_of(lds.digest)
        digests: dict[int, bytes] = {}
        for found in lds.hashes:
            check_range(found.number, 1, MOST_DATA_GROUPS, "data group", _NAME)
            check_range(len(found.digest), digest.digest_size, digest.digest_size, "octets of a digest", _NAME)
            if found.number in digests:
                raise MalformedRecord(f"{_NAME}: a data group stands twice", data_group=found.number)
            digests[found.number] = found.digest
        return cls(digest, digests, signed.content.octets, signers[0], _certificates(signed))

    @property
    def signer_certificate(self) -> x509.Certificate:
        """The document signer's certificate, as the file itself names and holds it. Raises UnknownSigner."""
        for certificate in self._certificates:
            if _names(self._signer, certificate):
                return certificate
        raise UnknownSigner("the security object does not hold its signer's certificate", found=len(self._certificates))

    def verify_signature(self, certificate: x509.Certificate) -> None:
        """The content is what the holder of this certificate signed.

        Raises DigestMismatch where the content is not the signed one, SignatureInvalid where the signature does not
        hold, or is of an algorithm that is not accepted.
        """
        attributes = self._signer.attributes.as_list()
        values = {found.kind.dotted_string: found.values.as_list() for found in attributes}
        if len(values) != len(attributes) or any(len(found) != 1 for found in values.values()):
            raise MalformedRecord(f"{_NAME}: a signed attribute stands twice", attributes=len(attributes))
        kind, digest = values.get(_CONTENT_TYPE), values.get(_MESSAGE_DIGEST)
        if kind is None or digest is None:
            raise SignatureInvalid("the signature does not cover content type and digest")
        if asn1.encode_der(kind[0]) != asn1.encode_der(ObjectIdentifier(LDS_SECURITY_OBJECT)):
            raise SignatureInvalid("the signature is of another content type")
        algorithm = signature_algorithm(self._signer.algorithm)
        try:
            key = key_of(certificate)
        except MalformedRecord:
            raise SignatureInvalid("the signer's key cannot be read", algorithm=algorithm.name) from None
        algorithm.verify(key, self._signer.signature, asn1.encode_der(self._signer.attributes))
        if asn1.encode_der(digest[0]) != asn1.encode_der(digested(digest_of(self._signer.digest), self._content)):
            raise DigestMismatch("the security object is not the one that was signed")

    def verify_data_group(self, number: int, octets: bytes) -> None:
        """A data group's file is the one that was signed. Raises DigestMismatch, also where it is not named."""
        if number not in self.digests:
            raise DigestMismatch(f"data group {number} is not in the security object", data_group=number)
        if digested(self.digest, octets) != self.digests[number]:
            raise DigestMismatch(f"data group {number} is not the one that was signed", data_group=number)


def sign_security_object(
    data_groups: Mapping[int, bytes],
    certificate: x509.Certificate,
    key: SigningKey | KeptKey,
    *,
    algorithm: SignatureAlgorithm = ECDSA_SHA256,
    signed_at: datetime | None = None,
) -> bytes:
    """EF.SOD over these files, exactly as they will lie on the card.

    data_groups: by number. certificate: the document signer's, of `key`. signed_at: aware; left out where None.
    Raises MalformedRecord for fewer than 2 or other data groups, SignatureInvalid where key, certificate and algorithm
    do not go together.
    """
    check_range(len(data_groups), LEAST_DATA_GROUPS, MOST_DATA_GROUPS, "number of data groups", _NAME)
    for number in data_groups:
        check_range(number, 1, MOST_DATA_GROUPS, "data group", _NAME)
    if key_of(certificate) != key.public_key():
        raise SignatureInvalid("the certificate is of another key than the one that signs")
    digest = digest_identifier(algorithm.digest)
    hashed = [
        _DataGroupHash(number=number, digest=digested(algorithm.digest, data_groups[number]))
        for number in sorted(data_groups)
    ]
    content = asn1.encode_der(_LdsSecurityObject(version=0, digest=digest, hashes=hashed, versions=None))
    attributes = [
        _attribute(_CONTENT_TYPE, ObjectIdentifier(LDS_SECURITY_OBJECT)),
        _attribute(_MESSAGE_DIGEST, digested(algorithm.digest, content)),
    ]
    if signed_at is not None:
        attributes.append(_attribute(_SIGNING_TIME, asn1.UTCTime(signed_at.astimezone(UTC).replace(microsecond=0))))
    covered = asn1.SetOf(attributes)
    signer = _SignerInfo(
        version=1,
        signer=_IssuerAndSerialNumber(
            issuer=_tlv(certificate.issuer.public_bytes()), serial_number=certificate.serial_number
        ),
        digest=digest,
        attributes=covered,
        algorithm=signature_identifier(algorithm),
        signature=algorithm.sign(key, asn1.encode_der(covered)),
    )
    signed = _SignedData(
        version=3,
        digests=asn1.SetOf([digest]),
        content=_Content(kind=ObjectIdentifier(LDS_SECURITY_OBJECT), octets=content),
        certificates=asn1.SetOf([_tlv(certificate.public_bytes(Encoding.DER))]),
        signers=asn1.SetOf([signer]),
    )
    return DataObject(TAG, asn1.encode_der(_ContentInfo(kind=ObjectIdentifier(_SIGNED_DATA), signed=signed))).encode()


def cms_of(octets: bytes) -> bytes:
    """The SignedData alone, as other programs read it. Raises MalformedRecord."""
    return value_of(octets, TAG, _NAME)


def _read(kind: type[T], octets: bytes, what: str) -> T:
    try:
        return asn1.decode_der(kind, octets)
    except ValueError:
        raise MalformedRecord(f"{_NAME}: no {what} in DER", field=what) from None


def _certificates(signed: _SignedData) -> tuple[x509.Certificate, ...]:
    found = signed.certificates.as_list() if signed.certificates is not None else []
    return tuple(decode_certificate(asn1.encode_der(each)) for each in found)


def _names(signer: _SignerInfo, certificate: x509.Certificate) -> bool:
    named = signer.signer
    if isinstance(named, _IssuerAndSerialNumber):
        issuer = asn1.encode_der(named.issuer)
        return (issuer, named.serial_number) == (certificate.issuer.public_bytes(), certificate.serial_number)
    try:
        key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return key.value.digest == named


def _attribute(kind: str, value: Any) -> _Attribute:
    return _Attribute(kind=ObjectIdentifier(kind), values=asn1.SetOf([_tlv(asn1.encode_der(value))]))


def _tlv(octets: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, octets)
