"""Which hand and which fingers a slap shows, from how the tips lie.

Every reading of the pads (a hand, and which of its fingers are there) is a hypothesis with a likelihood: heights of the
tips beside each other, their distances, breadths and directions are normal about those of a hand, for the right hand
and its mirror image. How far the whole is turned and how large the hand is are not known and cost nothing. So one sum
tells right from left, finds the gap of a missing finger, and knows thumbs from fingers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.pads import Edge, Pad
from enrollment.core.fingerprint.slap_parameters import HandParameters


class SlapKind(IntEnum):
    """ISO/IEC 19794-4 codes of plain impressions of several fingers."""

    RIGHT_FOUR = 13
    LEFT_FOUR = 14
    TWO_THUMBS = 15


FINGERS_OF: Final[Mapping[SlapKind, tuple[int, ...]]] = {
    SlapKind.RIGHT_FOUR: (2, 3, 4, 5),
    SlapKind.LEFT_FOUR: (10, 9, 8, 7),
    SlapKind.TWO_THUMBS: (6, 1),
}
"""ISO/IEC 19794 finger positions as they lie in a print, from left to right."""

_LIMIT_OF_PADS: Final = 7  # more are dirt: the largest are looked at
_UNASSIGNED: Final = -25.0  # log density that a pad costs which is no finger of the hypothesis: that of a very bad fit
_LEAST_SCALE: Final = 0.5
_MOST_SCALE: Final = 1.35
_FAR_OFF: Final = 14.0  # squared deviations
_ANY_OFFSET_MM2: Final = 1e4
_CUTTING: Final = frozenset({Edge.LEFT, Edge.TOP, Edge.RIGHT})


@dataclass(frozen=True, slots=True)
class Reading:
    """The most likely reading of the pads.

    kind: the hand. fingers: for each pad its position, 0 where it is no finger.
    hand_confidence, fingers_confidence: posteriors of the hand, and of the hand with these fingers, 0..1.
    """

    kind: SlapKind
    fingers: tuple[int, ...]
    hand_confidence: float
    fingers_confidence: float


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    kind: SlapKind
    pads: tuple[int, ...]
    positions: tuple[int, ...]


def read_hand(pads: Sequence[Pad], kind: SlapKind, missing: Collection[int], p: HandParameters) -> Reading | None:
    """Read pads, from left to right, as a hand.

    kind: what was asked for. missing: positions that the person does not have.
    Returns None without pads.
    """
    if not pads:
        return None
    largest = sorted(range(len(pads)), key=lambda index: -pads[index].breadth * pads[index].length)[:_LIMIT_OF_PADS]
    hypotheses = list(_hypotheses(sorted(largest)))
    scores = np.array([_likelihood(one, pads, p) + _prior(one, kind, missing, p) for one in hypotheses])
    posterior = np.exp(scores - scores.max())
    posterior /= posterior.sum()
    best = int(posterior.argmax())
    chosen = hypotheses[best]
    of_hand = sum(float(one) for one, each in zip(posterior, hypotheses, strict=True) if each.kind is chosen.kind)
    fingers = [0] * len(pads)
    for pad, position in zip(chosen.pads, chosen.positions, strict=True):
        fingers[pad] = position
    return Reading(chosen.kind, tuple(fingers), of_hand, float(posterior[best]))


def _hypotheses(pads: Sequence[int]) -> Iterator[_Hypothesis]:
    """Every hand, with as many of its fingers as there are pads."""
    for kind, positions in FINGERS_OF.items():
        count = min(len(pads), len(positions))
        for chosen in itertools.combinations(pads, count):
            for fingers in itertools.combinations(positions, count):
                yield _Hypothesis(kind, chosen, fingers)


def _prior(one: _Hypothesis, kind: SlapKind, missing: Collection[int], p: HandParameters) -> float:
    """Log prior: mostly the hand that was asked for, with the fingers that the person has."""
    wrong = one.kind is not kind
    surprises = sum((position in missing) == (position in one.positions) for position in FINGERS_OF[one.kind])
    log_wrong = math.log(p.wrong_hand_prior / (len(FINGERS_OF) - 1)) if wrong else math.log(1.0 - p.wrong_hand_prior)
    return log_wrong + surprises * math.log(p.unexpected_prior)


def _likelihood(one: _Hypothesis, pads: Sequence[Pad], p: HandParameters) -> float:
    shown = [pads[index] for index in one.pads]
    unassigned = _UNASSIGNED * (len(pads) - len(shown))
    if one.kind is SlapKind.TWO_THUMBS:
        return unassigned + _thumbs(shown, p)
    digits = [position if position <= 5 else position - 5 for position in one.positions]
    return unassigned + _four(shown, digits, -1.0 if one.kind is SlapKind.LEFT_FOUR else 1.0, p)


def _four(pads: Sequence[Pad], digits: Sequence[int], side: float, p: HandParameters) -> float:
    """Log likelihood of pads, from left to right, as these digits; side: 1 right hand, -1 left hand."""
    cut = np.array([bool(set(pad.edges) & _CUTTING) for pad in pads])
    usual = np.array([p.contact_mm[digit] for digit in digits])
    ratios = np.log(np.array([pad.breadth for pad in pads]) / usual)
    size = float(np.median(ratios if cut.all() else ratios[~cut]))
    scale = min(max(math.exp(size), _LEAST_SCALE), _MOST_SCALE)
    total = _normal(np.array([size]), p.size_deviation)
    total += _normal(ratios - size, p.contact_share_deviation + p.cut_share * cut)

    turn, across, below = _frame(pads)
    means, deviations = np.array([p.below_mm[digit] for digit in digits]).T
    lever = across - across.mean()
    covariance = np.diag(np.square(scale * (deviations + p.cut_tip_mm * cut))) + _ANY_OFFSET_MM2
    covariance += math.radians(p.turn_deviation_deg) ** 2 * np.outer(lever, lever)
    off = below - scale * means
    off -= off.mean()
    squares = min(float(off @ np.linalg.solve(covariance, off)), _FAR_OFF * len(pads))
    total -= 0.5 * squares + 0.5 * float(np.linalg.slogdet(covariance)[1])

    splay = np.array([side * p.splay_deg[digit] for digit in digits])
    found = np.degrees([pad.rotation - turn for pad in pads])
    unsure = p.splay_deviation_deg + p.cut_splay_deg * cut
    total += _normal((found - found.mean()) - (splay - splay.mean()), unsure)
    if len(pads) > 1:
        steps = scale * np.array([_distance(one, other, p) for one, other in itertools.pairwise(digits)])
        unsure = scale * p.gap_mm[1] * np.sqrt(np.abs(np.diff(digits))) + p.place_deviation_mm
        unsure += p.cut_place_mm * (cut[:-1] | cut[1:])
        total += _normal(np.diff(across) - steps, unsure)
    return total


def _distance(digit: int, other: int, p: HandParameters) -> float:
    """Distance across from one digit's middle to another's, mm, of a hand of middling size."""
    low, high = min(digit, other), max(digit, other)
    bodies = sum(p.body_mm[between] for between in range(low, high + 1)) - 0.5 * (p.body_mm[low] + p.body_mm[high])
    return bodies + (high - low) * p.gap_mm[0]


def _thumbs(pads: Sequence[Pad], p: HandParameters) -> float:
    breadths = np.array([pad.breadth for pad in pads])
    size = math.log(float(breadths.mean() / p.thumb_mm))
    scale = min(max(math.exp(size), _LEAST_SCALE), _MOST_SCALE)
    total = _normal(np.array([size]), p.size_deviation)
    if len(pads) == 1:
        return total + _normal(np.zeros(1), p.contact_share_deviation) + _normal(np.zeros(1), p.splay_deviation_deg)
    total += _normal(np.log(breadths) - np.log(breadths).mean(), p.contact_share_deviation)
    _, across, below = _frame(pads)
    apart = float(across[1] - across[0]) - scale * (p.thumb_mm * p.thumb_body_share + p.thumb_gap_mm[0])
    total += _normal(np.array([apart]), p.thumb_gap_mm[1])
    total += _normal(np.array([below[1] - below[0]]), p.thumb_level_mm)
    lean = 0.5 * math.degrees(pads[0].rotation - pads[1].rotation)
    return total + _normal(np.array([lean - p.thumb_lean_deg[0]]), p.thumb_lean_deg[1])


def _frame(pads: Sequence[Pad]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Turn of the hand, and its tips across it and down, mm."""
    turn = float(np.mean([pad.rotation for pad in pads]))
    x, y = np.array([pad.tip for pad in pads]).T
    return turn, math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x


def _normal(off: NDArray[np.float64], deviation: NDArray[np.float64] | float) -> float:
    """Sum of log densities of a normal distribution of zero mean; far off, the badly found is not unlikelier still."""
    squares = np.minimum(np.square(off / deviation), _FAR_OFF)
    return float((-0.5 * squares - np.log(deviation) - 0.5 * math.log(math.tau)).sum())
