"""Which hand and which fingers a slap shows, from how the tips lie.

Every reading of the pads (a hand, and which of its fingers are there) is a hypothesis with a likelihood: heights of the
tips beside each other, their distances, breadths and directions are normal about those of a hand, for the right hand
and its mirror image. How far the whole is turned and how large the hand is are not known and cost nothing. So one sum
tells right from left, finds the gap of a missing finger, and knows thumbs from fingers.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

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
_LOG_ROOT_TAU: Final = 0.5 * math.log(math.tau)
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
    cut = [not _CUTTING.isdisjoint(pad.edges) for pad in pads]
    ratios = [math.log(pad.breadth / p.contact_mm[digit]) for pad, digit in zip(pads, digits, strict=True)]
    whole = [ratio for ratio, is_cut in zip(ratios, cut, strict=True) if not is_cut]
    size = statistics.median(whole or ratios)
    scale = min(max(math.exp(size), _LEAST_SCALE), _MOST_SCALE)
    total = _normal(size, p.size_deviation)
    turn, across, below = _frame(pads)
    total += _tips(_centred(across), below, digits, cut, scale, p)
    found = _centred([math.degrees(pad.rotation - turn) for pad in pads])
    splay = _centred([side * p.splay_deg[digit] for digit in digits])
    for number, is_cut in enumerate(cut):
        total += _normal(ratios[number] - size, p.contact_share_deviation + p.cut_share * is_cut)
        total += _normal(found[number] - splay[number], p.splay_deviation_deg + p.cut_splay_deg * is_cut)
    for (x, digit, is_cut), (next_x, other, other_cut) in itertools.pairwise(zip(across, digits, cut, strict=True)):
        unsure = scale * p.gap_mm[1] * math.sqrt(abs(other - digit)) + p.place_deviation_mm
        unsure += p.cut_place_mm * (is_cut or other_cut)
        total += _normal(next_x - x - scale * _distance(digit, other, p), unsure)
    return total


def _tips(
    lever: Sequence[float],
    below: Sequence[float],
    digits: Sequence[int],
    cut: Sequence[bool],
    scale: float,
    p: HandParameters,
) -> float:
    """Log likelihood of how far the tips lie below each other; lever: of each, across from their middle.

    Their covariance is a diagonal, the same offset of all, and a turn about their middle: by the matrix inversion and
    determinant lemmas it needs no more than sums.
    """
    off = _centred([y - scale * p.below_mm[digit][0] for y, digit in zip(below, digits, strict=True)])
    offset, turned = _ANY_OFFSET_MM2, math.radians(p.turn_deviation_deg) ** 2
    log_determinant = squares = off_sum = off_turned = lever_sum = 0.0
    all_weights, all_levers = 1.0 / offset, 1.0 / turned
    for distance, x, digit, is_cut in zip(off, lever, digits, cut, strict=True):
        variance = (scale * (p.below_mm[digit][1] + p.cut_tip_mm * is_cut)) ** 2
        log_determinant += math.log(variance)
        squares += distance**2 / variance
        off_sum += distance / variance
        off_turned += distance * x / variance
        all_weights += 1.0 / variance
        lever_sum += x / variance
        all_levers += x**2 / variance
    determinant = all_weights * all_levers - lever_sum**2
    squares -= (
        all_levers * off_sum**2 - 2.0 * lever_sum * off_sum * off_turned + all_weights * off_turned**2
    ) / determinant
    log_determinant += math.log(offset * turned * determinant)
    return -0.5 * min(squares, _FAR_OFF * len(off)) - 0.5 * log_determinant


def _distance(digit: int, other: int, p: HandParameters) -> float:
    """Distance across from one digit's middle to another's, mm, of a hand of middling size."""
    low, high = min(digit, other), max(digit, other)
    bodies = sum(p.body_mm[between] for between in range(low, high + 1)) - 0.5 * (p.body_mm[low] + p.body_mm[high])
    return bodies + (high - low) * p.gap_mm[0]


def _thumbs(pads: Sequence[Pad], p: HandParameters) -> float:
    breadths = [pad.breadth for pad in pads]
    size = math.log(statistics.fmean(breadths) / p.thumb_mm)
    scale = min(max(math.exp(size), _LEAST_SCALE), _MOST_SCALE)
    total = _normal(size, p.size_deviation)
    if len(pads) == 1:
        return total + _normal(0.0, p.contact_share_deviation) + _normal(0.0, p.splay_deviation_deg)
    for ratio in _centred([math.log(breadth) for breadth in breadths]):
        total += _normal(ratio, p.contact_share_deviation)
    _, across, below = _frame(pads)
    apart = across[1] - across[0] - scale * (p.thumb_mm * p.thumb_body_share + p.thumb_gap_mm[0])
    total += _normal(apart, p.thumb_gap_mm[1])
    total += _normal(below[1] - below[0], p.thumb_level_mm)
    lean = 0.5 * math.degrees(pads[0].rotation - pads[1].rotation)
    return total + _normal(lean - p.thumb_lean_deg[0], p.thumb_lean_deg[1])


def _frame(pads: Sequence[Pad]) -> tuple[float, list[float], list[float]]:
    """Turn of the hand, and its tips across it and down, mm."""
    turn = statistics.fmean(pad.rotation for pad in pads)
    cosine, sine = math.cos(turn), math.sin(turn)
    tips = [pad.tip for pad in pads]
    return turn, [cosine * x + sine * y for x, y in tips], [cosine * y - sine * x for x, y in tips]


def _centred(values: Sequence[float]) -> list[float]:
    """Values less their mean."""
    mean = statistics.fmean(values)
    return [value - mean for value in values]


def _normal(off: float, deviation: float) -> float:
    """Log density of a normal distribution of zero mean; far off, the badly found is not unlikelier still."""
    return -0.5 * min((off / deviation) ** 2, _FAR_OFF) - math.log(deviation) - _LOG_ROOT_TAU
