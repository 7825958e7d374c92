"""A dossier and what it holds, as values; personal fields and pixels are never part of a repr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from enrollment.core.dossier.plan import Plan


class DossierState(Enum):
    """How far a dossier is."""

    OPEN = "open"
    COMPLETE = "complete"
    SEALED = "sealed"
    ACKNOWLEDGED = "acknowledged"
    ABANDONED = "abandoned"
    PURGED = "purged"


class FingerAbsence(Enum):
    """Why a finger is not captured (field words: MISSING or BANDAGED or unreadable)."""

    AMPUTATED = "amputated"
    BANDAGED = "bandaged"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """A score with what made it. score: 0..100; measures: named, for one algorithm version; hints: stable names."""

    score: int
    algorithm: str
    version: str
    measures: Mapping[str, float] = field(default_factory=dict)
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One stored piece. length in bytes; sha256: 32 bytes, of the content before encryption."""

    name: str
    media_type: str
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class CapturedFinger:
    """One finger of a stored slap, its best try. accepted: False when no try of it was good. parts: names."""

    position: int
    quality: QualityRecord
    accepted: bool
    kept_attempt: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """One stored capture. position: ISO number, None for the portrait. accepted: False when the best try was kept.

    fingers: of a slap, by position; its quality is that of the finger that is least good.
    """

    capture_id: str
    position: int | None
    impression: str
    quality: QualityRecord
    accepted: bool
    attempts: int
    kept_attempt: int
    operator_id: str
    device_id: str
    captured_at: datetime
    parts: tuple[PartRecord, ...]
    fingers: tuple[CapturedFinger, ...] = ()

    @property
    def shown(self) -> frozenset[int]:
        """ISO numbers of the single fingers that it holds a print of."""
        if self.fingers:
            return frozenset(finger.position for finger in self.fingers)
        return frozenset() if self.position is None else frozenset({self.position})


@dataclass(frozen=True, slots=True)
class AbsentFinger:
    """A single finger that cannot be captured, with the operator's words."""

    position: int
    absence: FingerAbsence
    description: str = field(repr=False)
    operator_id: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """One person's visit. demographics: empty in lists and after a purge. package_sha256: once sealed."""

    dossier_id: str
    state: DossierState
    plan: Plan
    operator_id: str
    created_at: datetime
    completed_at: datetime | None = None
    package_sha256: bytes | None = None
    demographics: Mapping[str, str] = field(default_factory=dict, repr=False)
    captures: tuple[Capture, ...] = ()
    absent_fingers: tuple[AbsentFinger, ...] = ()

    def capture_of(self, position: int | None) -> Capture | None:
        """What is stored for a position (None: the portrait), or None."""
        return next((capture for capture in self.captures if capture.position == position), None)
