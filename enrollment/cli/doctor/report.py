"""The doctor's report: findings of any origin, what could not be seen, and the exit status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from enrollment.v1 import diagnostics_pb2


class Severity(IntEnum):
    """How bad a finding is. As an exit status it is what monitoring plugins use: 0 well, 1 warning, 2 error."""

    OK = 0
    WARNING = 1
    ERROR = 2


_OF_MESSAGE: Final = {
    diagnostics_pb2.SEVERITY_OK: Severity.OK,
    diagnostics_pb2.SEVERITY_WARNING: Severity.WARNING,
    diagnostics_pb2.SEVERITY_ERROR: Severity.ERROR,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, in both languages."""

    check: str
    severity: Severity
    text_vi: str
    text_en: str
    remedy_vi: str = ""
    remedy_en: str = ""

    @classmethod
    def of_message(cls, message: diagnostics_pb2.Finding) -> Finding:
        """As the daemon sends it; a severity that this version does not know counts as a warning."""
        severity = _OF_MESSAGE.get(message.severity, Severity.WARNING)
        return cls(message.check, severity, message.text_vi, message.text_en, message.remedy_vi, message.remedy_en)

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Finding:
        """As `python -m enrollment.service.diagnostics checks` prints it."""
        return cls(**{**found, "severity": Severity[str(found["severity"]).upper()]})

    def as_json(self) -> dict[str, str]:
        return {
            "check": self.check,
            "severity": self.severity.name.lower(),
            "text_vi": self.text_vi,
            "text_en": self.text_en,
            "remedy_vi": self.remedy_vi,
            "remedy_en": self.remedy_en,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """findings: worst first. asked: who made the inner checks. not_seen: names of the checks that nobody could make."""

    findings: tuple[Finding, ...]
    asked: str
    not_seen: tuple[str, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding], asked: str, not_seen: Iterable[str]) -> Report:
        return cls(tuple(sorted(findings, key=lambda finding: -finding.severity)), asked, tuple(not_seen))

    @property
    def worst(self) -> Severity:
        return max((finding.severity for finding in self.findings), default=Severity.OK)

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.worst.name.lower(),
            "asked": self.asked,
            "findings": [finding.as_json() for finding in self.findings],
            "not_seen": list(self.not_seen),
        }
