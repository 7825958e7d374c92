"""Whether a try is good enough, what to ask for otherwise, and which try to keep.

A try that resembles another finger of the same dossier is never accepted and never kept before one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

SAME_FINGER_HINT: Final = "SAME_FINGER"


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


def decide(rule: Rule, attempt: int, quality: Judgement, same_as: int | None = None) -> Decision:
    """Decide on the attempt-th try (from 1). same_as: the dossier's other position that it resembles, if any."""
    if same_as is None and quality.score >= rule.accept_score:
        return Accepted()
    hint = SAME_FINGER_HINT if same_as is not None else next(iter(quality.hints), rule.fallback_hint)
    return Exhausted(hint) if attempt >= rule.max_attempts else TryAgain(hint)


def better(
    candidate: Judgement, kept: Judgement, *, candidate_same_as: int | None = None, kept_same_as: int | None = None
) -> bool:
    """Whether the candidate should be kept instead: another finger's print never wins, then the higher score."""
    return (candidate_same_as is None, candidate.score) > (kept_same_as is None, kept.score)
