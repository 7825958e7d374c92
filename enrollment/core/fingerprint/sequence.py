"""Do the rolled prints show the fingers that the slaps show, each in its place?

Every print is compared with every rolled one, and both sides with themselves. A position's own finger is taken for
matched at a score that strangers do not reach; another position's only at a higher one, since a false alarm calls a
person back, and at one higher still where the position's own finger matches as well. Where nothing matches, the fingers
of a hand are judged together: one print may fail to compare, a whole hand of good prints does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.hand import FINGERS_OF
from enrollment.core.fingerprint.slap_parameters import SEQUENCE, SequenceParameters
from enrollment.core.fingerprint.template import FingerprintTemplate

_POSITIONS: Final = range(1, 11)


class PositionVerdict(Enum):
    """What a position turned out to be; the values are stable."""

    MATCHES = "MATCHES"
    SWAPPED = "SWAPPED"  # its print is another position's finger, which is not in its place either
    REPEATED = "REPEATED"  # another position's finger was captured here once more
    OTHER_PERSON = "OTHER_PERSON"  # no finger of this hand matches
    NOT_SURE = "NOT_SURE"  # it does not match, and nothing tells why
    ONE_SIDE = "ONE_SIDE"  # there is only one print of it: nothing to compare


@dataclass(frozen=True, slots=True)
class PositionCheck:
    """One position.

    other: the position that it is swapped with or repeats, None else.
    score: of its two prints, as `compare` scores them; 0 where there is one only.
    other_score: the highest of its prints with another position's.
    """

    position: int
    verdict: PositionVerdict
    other: int | None
    score: float
    other_score: float


@dataclass(frozen=True, slots=True)
class SequenceReport:
    """All positions, in order. `other_person` holds the logarithm of the likelihood ratio of each hand that was judged
    together, by its positions: below 0 it is rather another person's."""

    checks: tuple[PositionCheck, ...]
    other_person: Mapping[tuple[int, ...], float]

    @property
    def in_order(self) -> bool:
        """True where every position that has two prints matches."""
        fine = {PositionVerdict.MATCHES, PositionVerdict.ONE_SIDE}
        return all(check.verdict in fine for check in self.checks)


def check_sequence(
    prints: Mapping[int, FingerprintTemplate],
    rolled: Mapping[int, FingerprintTemplate],
    *,
    parameters: SequenceParameters = SEQUENCE,
) -> SequenceReport:
    """Check the prints of a session against its rolled ones, finger by finger.

    prints: of slaps or flat fingers. rolled: to check against. Both by ISO/IEC 19794 position, 1..10; either may lack
    some.
    Raises InvalidInput for another position.
    """
    wrong = [position for position in (*prints, *rolled) if position not in _POSITIONS]
    if wrong:
        raise InvalidInput(f"{wrong[0]} is no finger position: 1 right thumb .. 10 left little finger")
    positions = sorted({*prints, *rolled})
    scores = _score(prints, rolled, positions)
    checks = [_check(index, positions, scores, parameters) for index in range(len(positions))]
    other_person = {}
    for group in FINGERS_OF.values():
        members = [index for index, position in enumerate(positions) if position in group]
        compared = [index for index in members if checks[index].verdict is not PositionVerdict.ONE_SIDE]
        if not compared or any(checks[index].verdict is not PositionVerdict.NOT_SURE for index in compared):
            continue
        held = tuple(positions[index] for index in compared)
        evidence = sum(_evidence(checks[index], prints, rolled, parameters) for index in compared)
        other_person[held] = evidence
        if evidence < parameters.other_person:
            for index in compared:
                old = checks[index]
                other = PositionVerdict.OTHER_PERSON
                checks[index] = PositionCheck(old.position, other, None, old.score, old.other_score)
    return SequenceReport(tuple(checks), other_person)


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """Of P positions, (P, P) float32 each, 0 where one is not there.

    across: of a print (row) with a rolled one (column).
    among: the highest of two positions on one side; 0 on the diagonal.
    any_pair: the highest of two positions, on one side or across; 0 on the diagonal.
    """

    across: NDArray[np.float32]
    among: NDArray[np.float32]
    any_pair: NDArray[np.float32]
    compared: NDArray[np.bool_]


def _score(
    prints: Mapping[int, FingerprintTemplate], rolled: Mapping[int, FingerprintTemplate], positions: list[int]
) -> _Scores:
    count = len(positions)
    across, among = np.zeros((count, count), np.float32), np.zeros((count, count), np.float32)
    have = [index for index, position in enumerate(positions) if position in prints]
    have_rolled = [index for index, position in enumerate(positions) if position in rolled]
    both = Gallery(
        [*(rolled[positions[index]] for index in have_rolled), *(prints[positions[index]] for index in have)]
    )
    for index in have:
        row = both.scores(prints[positions[index]])
        across[index, have_rolled] = row[: len(have_rolled)]
        among[index, have] = row[len(have_rolled) :]
    again = Gallery(rolled[positions[index]] for index in have_rolled)
    for index in have_rolled:
        among[index, have_rolled] = np.maximum(among[index, have_rolled], again.scores(rolled[positions[index]]))
    np.fill_diagonal(among, 0.0)
    among = np.maximum(among, among.T)
    pairs = np.maximum(among, np.maximum(across, across.T))
    np.fill_diagonal(pairs, 0.0)
    compared = np.array([position in prints and position in rolled for position in positions])
    return _Scores(across, among, pairs, compared)


def _check(index: int, positions: list[int], scores: _Scores, p: SequenceParameters) -> PositionCheck:
    own = float(scores.across[index, index])
    closest = int(scores.any_pair[index].argmax())
    highest = float(scores.any_pair[index, closest])

    def say(verdict: PositionVerdict, other: int | None = None) -> PositionCheck:
        return PositionCheck(positions[index], verdict, None if other is None else positions[other], own, highest)

    both, other_both = bool(scores.compared[index]), bool(scores.compared[closest])
    matched = own >= p.match_score
    other_matched = other_both and float(scores.across[closest, closest]) >= p.match_score
    if both and not matched and highest >= p.misplaced_score:
        # One finger twice on one side, or one that is in its own place too, was captured once more; else it only moved.
        twice = other_matched or float(scores.among[index, closest]) >= p.misplaced_score
        return say(PositionVerdict.REPEATED if twice else PositionVerdict.SWAPPED, closest)
    if highest >= p.same_score and (other_matched or not other_both):
        return say(PositionVerdict.REPEATED, closest)
    if not both:
        return say(PositionVerdict.ONE_SIDE)
    return say(PositionVerdict.MATCHES if matched else PositionVerdict.NOT_SURE)


def _evidence(
    check: PositionCheck,
    prints: Mapping[int, FingerprintTemplate],
    rolled: Mapping[int, FingerprintTemplate],
    p: SequenceParameters,
) -> float:
    """Logarithm of how much likelier the score is of one finger than of two."""
    sides = (prints[check.position], rolled[check.position])
    poorer = min(float(side.reliabilities.sum()) for side in sides)
    missed = float(np.interp(poorer, p.missed_reliabilities, p.missed_shares))
    stranger = math.exp(-check.score / p.stranger_scale) / p.stranger_scale
    logarithm = math.log(max(check.score, 1e-3) / p.mate_median) / p.mate_deviation
    mate = math.exp(-0.5 * logarithm**2) / (max(check.score, 1e-3) * p.mate_deviation * math.sqrt(math.tau))
    return math.log(missed + (1.0 - missed) * mate / stranger)
