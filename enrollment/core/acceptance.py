"""Whether a try is good enough, what to ask for otherwise, and which try to keep.

A print may be objected to: it shows another finger, or another person. Such a try is never accepted, and never kept
before one that nothing speaks against. A slap is judged finger by finger, on the best try of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Objection(Enum):
    """What speaks against a print, whatever its quality; the values are hints' stable names."""

    SAME_FINGER = "SAME_FINGER"  # the dossier holds this finger under another position
    OTHER_PERSON = "OTHER_PERSON"  # no finger of its hand is that of the dossier's other prints
    OTHER_FINGER = "OTHER_FINGER"  # it is not like the dossier's other print of its position, and nothing tells why
    NOT_ROLLED = "ROLL_FURTHER"  # it is hardly broader than the finger's flat print

    @property
    def forbids(self) -> bool:
        """Whether such a print must not be stored, even when there is no better one."""
        return self in (Objection.SAME_FINGER, Objection.OTHER_PERSON)


class Rule(Protocol):
    """The part of a plan that decides: PlannedFingerprint and PlannedPortrait have it."""

    @property
    def accept_score(self) -> int: ...

    @property
    def max_attempts(self) -> int: ...

    @property
    def fallback_hint(self) -> str:
        """What to ask for when a try is not good and its quality does not say why."""
        ...


class Judgement(Protocol):
    """The part of a quality that decides."""

    @property
    def score(self) -> int: ...

    @property
    def hints(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """Good: keep this try."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not yet. hint: the most pressing one, by its stable name."""

    hint: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Not good, and the plan's tries are used: keep the best one. hint: what was wrong with the last."""

    hint: str


Decision = Accepted | TryAgain | Exhausted


def decide(rule: Rule, attempt: int, quality: Judgement, objection: Objection | None = None) -> Decision:
    """Decide on the attempt-th try (from 1)."""
    if objection is None and quality.score >= rule.accept_score:
        return Accepted()
    hint = next(iter(quality.hints), rule.fallback_hint) if objection is None else objection.value
    return Exhausted(hint) if attempt >= rule.max_attempts else TryAgain(hint)


def decide_on_all(decisions: Sequence[Decision]) -> Decision:
    """Decide on several fingers at once: accepted when each is, else what its first that is not asks for."""
    return next((decision for decision in decisions if not isinstance(decision, Accepted)), Accepted())


def better(
    candidate: Judgement,
    kept: Judgement,
    *,
    candidate_objection: Objection | None = None,
    kept_objection: Objection | None = None,
) -> bool:
    """Whether the candidate should be kept instead."""
    return rank(candidate, candidate_objection) > rank(kept, kept_objection)


def rank(quality: Judgement, objection: Objection | None = None) -> tuple[int, int]:
    """The higher, the better: what nothing speaks against, then the score."""
    return 2 if objection is None else 0 if objection.forbids else 1, quality.score
