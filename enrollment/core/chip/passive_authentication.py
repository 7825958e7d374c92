"""Passive authentication: the card's data are those that the country signed. It does not tell a card from its copy.

 1  the security object is read, and names its signer's certificate, which it holds
 2  the signer's certificate was issued by a trusted authority (CSCA), and may sign
 3  authority and signer are within their time
 4  the signature over the security object holds
 5  each data group is named in the security object
 6  each data group's digest is the signed one

`verify` raises at the first check that fails; `examine` makes every check that can be made and reports each. Whether a
certificate was revoked is not looked at: that needs the country's list.
Source: ICAO Doc 9303-11, 8th edition, 5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from enrollment.core.chip.public_keys import key_of
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.errors import CertificateNotValid, DigestMismatch, EnrollmentError, MalformedRecord, UntrustedChain

CHECKS: Final[Mapping[int, str]] = {
    1: "security object",
    2: "chain to the signing authority",
    3: "validity of the certificates",
    4: "signature",
    5: "data groups are named",
    6: "digests of the data groups",
}


class Outcome(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_POSSIBLE = "not possible"


@dataclass(frozen=True, slots=True)
class Check:
    """number, name: as in CHECKS. error: why it failed. because: for NOT_POSSIBLE, the check that it waits for."""

    number: int
    outcome: Outcome
    error: EnrollmentError | None = None
    because: int | None = None

    @property
    def name(self) -> str:
        """What was checked."""
        return CHECKS[self.number]


def examine(
    sod: bytes, data_groups: Mapping[int, bytes], authorities: Iterable[x509.Certificate], at: datetime
) -> tuple[Check, ...]:
    """All checks, in their order.

    sod: EF.SOD. data_groups: files that were read from the card, by number; those that could not be read are left out.
    authorities: trusted CSCA certificates. at: aware.
    """
    checks: dict[int, Check] = {}

    def make(number: int, check: Callable[[], object], needs: int | None = None) -> None:
        if needs is not None and checks[needs].outcome is not Outcome.PASSED:
            checks[number] = Check(number, Outcome.NOT_POSSIBLE, because=needs)
            return
        try:
            check()
        except EnrollmentError as error:
            checks[number] = Check(number, Outcome.FAILED, error)
        else:
            checks[number] = Check(number, Outcome.PASSED)

    read: list[tuple[SecurityObject, x509.Certificate]] = []
    chain: list[x509.Certificate] = []

    def read_security_object() -> None:
        found = SecurityObject.decode(sod)
        read.append((found, found.signer_certificate))

    make(1, read_security_object)
    make(2, lambda: chain.append(issuer_of(read[0][1], authorities)), needs=1)
    make(3, lambda: check_validity(read[0][1], chain[0], at), needs=2)
    make(4, lambda: read[0][0].verify_signature(read[0][1]), needs=1)
    make(5, lambda: _check_named(read[0][0], data_groups), needs=1)
    make(6, lambda: _check_digests(read[0][0], data_groups), needs=1)
    return tuple(checks[number] for number in CHECKS)


def verify(sod: bytes, data_groups: Mapping[int, bytes], authorities: Iterable[x509.Certificate], at: datetime) -> None:
    """Raise the error of the first check that fails: MalformedRecord, UnknownSigner, UntrustedChain,
    CertificateNotValid, SignatureInvalid or DigestMismatch."""
    for check in examine(sod, data_groups, authorities, at):
        if check.error is not None:
            raise check.error


def issuer_of(signer: x509.Certificate, authorities: Iterable[x509.Certificate]) -> x509.Certificate:
    """The trusted authority that issued a signer's certificate. Raises UntrustedChain."""
    named = False
    for authority in authorities:
        if authority.subject != signer.issuer or not _may(authority, as_authority=True):
            continue
        named = True
        if not is_issued_by(signer, authority):
            continue
        if not _may(signer, as_authority=False):
            raise UntrustedChain("the signer's certificate is not one that may sign documents")
        return authority
    if named:
        raise UntrustedChain("the authority of that name did not sign the signer's certificate")
    raise UntrustedChain("no trusted authority has the name of the signer's issuer")


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's name and key are those of the certificate's issuer."""
    try:
        try:
            certificate.verify_directly_issued_by(authority)
        except UnsupportedAlgorithm:  # of a curve with its parameters written out
            key, digest = key_of(authority), certificate.signature_hash_algorithm
            if certificate.issuer != authority.subject or digest is None or isinstance(key, rsa.RSAPublicKey):
                return False
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(digest))
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm, MalformedRecord):
        return False
    return True


def check_validity(signer: x509.Certificate, authority: x509.Certificate, at: datetime) -> None:
    """Raise CertificateNotValid unless both are valid at `at`; facts: whose, from and until which day."""
    for whose, certificate in (("authority", authority), ("signer", signer)):
        starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not starts <= at <= ends:
            raise CertificateNotValid(
                f"the {whose}'s certificate {'has expired' if at > ends else 'is not valid yet'}",
                whose=whose,
                not_before=f"{starts:%Y-%m-%d}",
                not_after=f"{ends:%Y-%m-%d}",
            )


def _may(certificate: x509.Certificate, *, as_authority: bool) -> bool:
    """Whether it may issue certificates, or sign documents."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not as_authority:
            return usage.digital_signature
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return constraints.ca and usage.key_cert_sign


def _check_named(found: SecurityObject, data_groups: Mapping[int, bytes]) -> None:
    for number in sorted(data_groups):
        if number not in found.digests:
            raise DigestMismatch(f"data group {number} is not in the security object", data_group=number)


def _check_digests(found: SecurityObject, data_groups: Mapping[int, bytes]) -> None:
    for number in sorted(data_groups.keys() & found.digests.keys()):
        found.verify_data_group(number, data_groups[number])
