"""Whether a document signer's certificate was revoked, by the lists of its country.

A country keeps one list under one name, signed by its newest key: any trusted authority (CSCA) of the issuer's name may
have signed it, also when another of its keys issued the signer. A list that has expired still says who was revoked; it
only no longer says who was not. One of changes alone (a delta), or of some certificates alone, is refused.

    X509 CRL, PEM or DER    thisUpdate, nextUpdate, serial numbers; the authority's signature

Source: ICAO Doc 9303-12, 8th edition, 7.1.4; RFC 5280, 5 and 6.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from enrollment.core.chip.public_keys import key_of
from enrollment.core.errors import CertificateRevoked, MalformedRecord

LONGEST_WITHOUT_NEXT: Final = timedelta(days=90)  # a country issues one at least so often (9303-12, 7.1.4)
_KNOWN_CRITICAL: Final = frozenset({ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_NUMBER})


def decode_revocation_list(der: bytes) -> x509.CertificateRevocationList:
    """A complete list. Raises MalformedRecord for anything else."""
    try:
        found = x509.load_der_x509_crl(der)
        critical = [extension.oid for extension in found.extensions if extension.critical]
        _ = found.issuer, found.last_update_utc, found.next_update_utc  # parsed only when they are asked for
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise MalformedRecord("no list of revoked certificates", cause=type(error).__name__) from None
    unknown = [oid for oid in critical if oid not in _KNOWN_CRITICAL]
    if unknown:
        raise MalformedRecord(
            "a list of some certificates or changes alone, not the whole one", extension=unknown[0].dotted_string
        )
    return found


def newest_list(
    issuer: x509.Name,
    authorities: Iterable[x509.Certificate],
    lists: Iterable[x509.CertificateRevocationList],
    at: datetime,
) -> x509.CertificateRevocationList | None:
    """The newest list of this name that a trusted authority signed: of those that hold at `at` (aware), if any does."""
    signers = [authority for authority in authorities if authority.subject == issuer and _may_sign_lists(authority)]
    genuine = [
        found for found in lists if found.issuer == issuer and any(_is_signed(found, signer) for signer in signers)
    ]
    return max(genuine, key=lambda found: (is_current(found, at), found.last_update_utc, _number(found)), default=None)


def holds_until(found: x509.CertificateRevocationList) -> datetime:
    """When the next one is due at the latest."""
    return found.next_update_utc or found.last_update_utc + LONGEST_WITHOUT_NEXT


def is_current(found: x509.CertificateRevocationList, at: datetime) -> bool:
    """Whether it says at `at` (aware) who is not revoked."""
    return found.last_update_utc <= at <= holds_until(found)


def check_not_revoked(signer: x509.Certificate, found: x509.CertificateRevocationList) -> None:
    """Raise CertificateRevoked where the list names the signer; facts: since which day."""
    entry = found.get_revoked_certificate_by_serial_number(signer.serial_number)
    if entry is not None:
        day = f"{entry.revocation_date_utc:%Y-%m-%d}"
        raise CertificateRevoked("the signer's certificate was revoked", whose="signer", revoked=day)


def _number(found: x509.CertificateRevocationList) -> int:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _may_sign_lists(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _is_signed(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return found.is_signature_valid(key_of(authority))
    except (ValueError, TypeError, UnsupportedAlgorithm, MalformedRecord):
        return False
