"""What a check found, in both languages, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Severity(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """check: stable name. remedy_*: empty when there is nothing to do."""

    check: str
    severity: Severity
    text_vi: str
    text_en: str
    remedy_vi: str = ""
    remedy_en: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"severity": self.severity.value}


_WORST = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.OK: 2}


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, warnings, then what is well; in the order of the checks among equals."""
    return sorted(findings, key=lambda finding: _WORST[finding.severity])
