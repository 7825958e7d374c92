"""Whether a document signer's certificate was revoked, by the lists of its country.

Source: ICAO Doc 9303-12, 8th edition, 7.1.4; RFC 5280, 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from enrollment.core.chip.public_keys import key_of
from enrollment.core.errors import CertificateNotValid, MalformedRecord


def list_of(
    authority: x509.Certificate, lists: Iterable[x509.CertificateRevocationList], at: datetime
) -> x509.CertificateRevocationList | None:
    """The newest list that this authority signed and that holds at `at` (aware); None where there is none."""
    holding = [found for found in lists if _is_signed(found, authority) and _holds(found, at)]
    return max(holding, key=lambda found: found.last_update_utc, default=None)


def check_not_revoked(signer: x509.Certificate, found: x509.CertificateRevocationList) -> None:
    """Raise CertificateNotValid where the list names the signer; facts: since which day."""
    entry = found.get_revoked_certificate_by_serial_number(signer.serial_number)
    if entry is not None:
        day = f"{entry.revocation_date_utc:%Y-%m-%d}"
        raise CertificateNotValid("the signer's certificate was revoked", whose="signer", revoked=day)


def _is_signed(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if found.issuer != authority.subject:
        return False
    try:
        return found.is_signature_valid(key_of(authority))
    except (ValueError, TypeError, UnsupportedAlgorithm, MalformedRecord):
        return False


def _holds(found: x509.CertificateRevocationList, at: datetime) -> bool:
    ends = found.next_update_utc
    return found.last_update_utc <= at and (ends is None or at <= ends)
