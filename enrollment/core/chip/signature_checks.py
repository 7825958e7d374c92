"""Passive authentication as checks of a verification's report, and whether the signer was revoked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from enrollment.core.chip import verification_report as report
from enrollment.core.chip.check_list import CheckList
from enrollment.core.chip.passive_authentication import examine
from enrollment.core.chip.revocation import check_not_revoked, holds_until, is_current, newest_list
from enrollment.core.chip.security_object import SecurityObject
from enrollment.core.chip.verification_report import Check, Found, NotPossible
from enrollment.core.errors import EnrollmentError

# Number of a check of passive authentication: number of the report's
_NUMBERS: Final = {
    1: report.SECURITY_OBJECT,
    2: report.SIGNER_CHAIN,
    3: report.VALIDITY,
    4: report.SIGNATURE,
    5: report.GROUPS_SIGNED,
    6: report.GROUP_DIGESTS,
}
_OF_GROUPS: Final = {report.GROUPS_SIGNED, report.GROUP_DIGESTS}


@dataclass(frozen=True, slots=True)
class Trust:
    """authorities: CSCA certificates. revocations: their lists. at: aware."""

    authorities: Sequence[x509.Certificate]
    revocations: Sequence[x509.CertificateRevocationList]
    at: datetime


def make_signature_checks(
    checks: CheckList, security_object: Callable[[], bytes], groups: Mapping[int, bytes], trust: Trust
) -> None:
    """security_object: EF.SOD, or raises why it was not read. groups: data groups that were read, by number."""
    sod = b""
    try:
        sod = security_object()
    except (NotPossible, EnrollmentError) as error:
        checks.end(report.SECURITY_OBJECT, error)
        for number in _NUMBERS.values():
            if number != report.SECURITY_OBJECT:
                checks.make(number, lambda: None, needs=report.SECURITY_OBJECT)
    else:
        _examine(checks, sod, groups, trust)
    checks.make(report.REVOCATION, lambda: _not_revoked(sod, trust), needs=report.SIGNER_CHAIN)


def _examine(checks: CheckList, sod: bytes, groups: Mapping[int, bytes], trust: Trust) -> None:
    for check in examine(sod, groups, trust.authorities, trust.at):
        number = _NUMBERS[check.number]
        if check.error is not None:
            checks.end(number, check.error)
        elif check.because is not None:
            checks.make(number, lambda: None, needs=_NUMBERS[check.because])
        elif number in _OF_GROUPS and not groups:
            checks.end(
                number, NotPossible(report.NEEDS_CHECK, "no data group could be read", check=report.FIRST_GROUP + 1)
            )
        else:
            checks.add(Check.passed(number))


def _not_revoked(sod: bytes, trust: Trust) -> Found:
    signer = SecurityObject.decode(sod).signer_certificate
    found = newest_list(signer.issuer, trust.authorities, trust.revocations, trust.at)
    if found is None:
        if any(one.issuer == signer.issuer for one in trust.revocations):
            raise NotPossible(report.LIST_NOT_GENUINE, "no trusted authority signed the list of its name")
        raise NotPossible(report.NOT_GIVEN, "no revocation list of the signer's authority was given")
    check_not_revoked(signer, found)
    listed, until = f"{found.last_update_utc:%Y-%m-%d}", f"{holds_until(found):%Y-%m-%d}"
    if not is_current(found, trust.at):
        detail = f"the newest list holds from {listed} until {until}"
        raise NotPossible(report.LIST_NOT_CURRENT, detail, not_before=listed, not_after=until)
    return Found(f"by the list of {listed}", listed=listed)
