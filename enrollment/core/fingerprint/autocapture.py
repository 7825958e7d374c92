"""When what lies on a live platen is taken: it is good and lies still for some frames in a row.

What is right but not good, as a dry hand is, is taken too once it has lain long enough: then its tries count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from enrollment.core.fingerprint.slap_parameters import SLAP, PreviewParameters


class AutocaptureRule(Protocol):
    """The part of a plan that decides: PlannedFingerprint has it."""

    @property
    def steady_frames(self) -> int: ...

    @property
    def patience_s(self) -> int:
        """0: for ever."""
        ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What one frame shows.

    places: middle of each finger, x and y in mm, by position. laid: they are the fingers that were asked for, and no
    others. good: and worth taking. at_s: of the frame, on any clock that does not go back.
    """

    places: Mapping[int, tuple[float, float]]
    laid: bool
    good: bool
    at_s: float


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What the frames so far amount to.

    good_frames: in a row. laid_since_s: when the fingers came that lie there, None without. moving: beside the frame
    before.
    """

    good_frames: int = 0
    laid_since_s: float | None = None
    moving: bool = False
    before: Sight | None = None

    def after(self, sight: Sight, *, parameters: PreviewParameters = SLAP.preview) -> Steadiness:
        """With one more frame."""
        moving = self.before is not None and _most_moved(self.before.places, sight.places) > parameters.most_moved_mm
        good_frames = (0 if moving else self.good_frames) + 1 if sight.good else 0
        since_s = self.laid_since_s if self.laid_since_s is not None else sight.at_s
        return Steadiness(good_frames, since_s if sight.laid else None, moving, sight)

    def is_enough(self, rule: AutocaptureRule) -> bool:
        """Whether the last frame is to be taken."""
        if self.good_frames >= rule.steady_frames:
            return True
        if not rule.patience_s or self.laid_since_s is None or self.before is None:
            return False
        return self.before.at_s - self.laid_since_s >= rule.patience_s


def _most_moved(before: Mapping[int, tuple[float, float]], now: Mapping[int, tuple[float, float]]) -> float:
    return max((math.dist(before[position], now[position]) for position in before.keys() & now.keys()), default=0.0)
