"""The fingers that a dossier holds prints of, to compare a live one with. Blocking; numeric work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from enrollment.core.dossier.model import Dossier
from enrollment.core.dossier.plan import SINGLE_FINGERS
from enrollment.core.fingerprint import SAME_FINGER_SCORE, FingerprintTemplate, compare
from enrollment.core.fingerprint.false_match import score_at
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.service.store.dossier_parts import StoredPrint

_HANDIEST: Final = (2, 7, 1, 6, 3, 8, 4, 9, 5, 10)  # index fingers first, as cards hold them


@dataclass(frozen=True, slots=True)
class Comparison:
    """score, threshold: of the matcher. same_as: another of the dossier's fingers that it resembles."""

    score: float
    threshold: float
    same_as: int | None

    @property
    def matches(self) -> bool:
        return self.score >= self.threshold


@dataclass(frozen=True, eq=False)
class HeldFingers:
    """templates: of each finger, one or, where a slap showed it too, two. positions: the best finger first."""

    templates: Mapping[int, Sequence[FingerprintTemplate]] = field(repr=False)
    positions: tuple[int, ...]

    @classmethod
    def read(cls, stored: Sequence[StoredPrint], dossier: Dossier) -> HeldFingers:
        """Raises MalformedRecord."""
        templates: dict[int, list[FingerprintTemplate]] = {}
        for one in stored:
            if one.position in SINGLE_FINGERS:
                record = minutiae_record.FingerMinutiaeRecord.decode(one.record)
                templates.setdefault(one.position, []).append(minutiae_record.template_from_record(record))
        scores = _quality_scores(dossier)
        ranked = sorted(templates, key=lambda position: (-scores.get(position, 0), _HANDIEST.index(position)))
        return cls(templates, tuple(ranked))

    def compare(self, live: FingerprintTemplate, position: int, false_match_rate: float) -> Comparison:
        """Compare a live finger with the dossier's of this position.

        Where there are two prints of it either may match, so each must match twice as rarely.
        """
        own = self.templates[position]
        score = max(compare(live, template) for template in own)
        threshold = score_at(false_match_rate / len(own))
        return Comparison(score, threshold, None if score >= threshold else self._resembled(live, position))

    def _resembled(self, live: FingerprintTemplate, position: int) -> int | None:
        others = {
            other: max(compare(live, template) for template in templates)
            for other, templates in self.templates.items()
            if other != position
        }
        nearest = max(others, key=lambda other: others[other], default=None)
        return nearest if nearest is not None and others[nearest] >= SAME_FINGER_SCORE else None


def _quality_scores(dossier: Dossier) -> dict[int, int]:
    scores: dict[int, int] = {}
    for capture in dossier.captures:
        shown = [(finger.position, finger.quality.score) for finger in capture.fingers]
        if not shown and capture.position is not None:
            shown = [(capture.position, capture.quality.score)]
        for position, score in shown:
            scores[position] = max(score, scores.get(position, 0))
    return scores
