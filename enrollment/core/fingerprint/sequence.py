"""Do the rolled prints show the fingers that the slaps show, each in its place?

Every print is compared with every other of the session, in full. Two are taken for one finger's at a
score that strangers hardly reach; where a position's own finger matches, another's must score higher still to be called
a repetition. Where a hand matches nowhere, neither at home nor clearly elsewhere, its fingers are judged together: one
print may fail to compare, a whole hand does not, if its best two prints are good ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidInput
from enrollment.core.fingerprint.compared_prints import ComparedPrints
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
    together, by its positions: how likely its two best prints miss if they are the owner's."""

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
    compared = ComparedPrints.none().with_((*prints.values(), *rolled.values()))
    sides = dict(zip(prints, itertools.count())), dict(zip(rolled, itertools.count(len(prints))))
    return check_compared(compared, *sides, parameters=parameters)


def check_compared(
    compared: ComparedPrints,
    prints: Mapping[int, int],
    rolled: Mapping[int, int],
    *,
    parameters: SequenceParameters = SEQUENCE,
) -> SequenceReport:
    """Do the same of prints that are compared already: by position, their indices in `compared`."""
    wrong = [position for position in (*prints, *rolled) if position not in _POSITIONS]
    if wrong:
        raise InvalidInput(f"{wrong[0]} is no finger position: 1 right thumb .. 10 left little finger")
    positions = tuple(sorted({*prints, *rolled}))
    present = np.array([[position in side for position in positions] for side in (prints, rolled)], np.bool_)
    chosen = [side[position] for side in (prints, rolled) for position in positions if position in side]
    flat = np.flatnonzero(present)
    scores, reliabilities = np.zeros((present.size,) * 2, np.float32), np.zeros(present.size, np.float32)
    scores[np.ix_(flat, flat)] = compared.scores[np.ix_(chosen, chosen)]
    reliabilities[flat] = [compared.templates[index].reliabilities.sum() for index in chosen]
    by_side = (2, len(positions))
    return judge_session(
        SessionScores(positions, present, scores.reshape(by_side * 2), reliabilities.reshape(by_side)),
        parameters=parameters,
    )


def score_each_other(templates: Sequence[FingerprintTemplate]) -> NDArray[np.float32]:
    """Compare N templates, each with each: (N, N) float32, symmetric; 0 on the diagonal."""
    return ComparedPrints.none().with_(templates).scores


@dataclass(frozen=True, slots=True, eq=False)
class SessionScores:
    """What the verdict on a session of P positions rests on. Side 0 is its prints, side 1 the rolled ones.

    present: (2, P) bool. scores: (2, P, 2, P) float32 as of `score_each_other`, 0 where one is not there.
    reliabilities: (2, P) float32, their sum in each template.
    """

    positions: tuple[int, ...]
    present: NDArray[np.bool_]
    scores: NDArray[np.float32]
    reliabilities: NDArray[np.float32]

    @property
    def own(self) -> NDArray[np.float32]:
        """(P,) of a position's print with its rolled one."""
        return self.scores[0, :, 1].diagonal()

    @property
    def compared(self) -> NDArray[np.bool_]:
        """(P,) True where there are both."""
        both: NDArray[np.bool_] = self.present[0] & self.present[1]
        return both


def judge_session(session: SessionScores, *, parameters: SequenceParameters = SEQUENCE) -> SequenceReport:
    """Tell from the scores of a session what each position turned out to be."""
    checks = _check_each(session, parameters)
    other_person = {}
    evidence = _evidence(session, parameters)
    for group in FINGERS_OF.values():
        members = [index for index, position in enumerate(session.positions) if position in group]
        compared = [index for index in members if session.compared[index]]
        explained = any(_is_explained(checks[index], parameters) for index in compared)
        if explained or len(compared) < parameters.judged_prints:
            continue
        held = tuple(session.positions[index] for index in compared)
        other_person[held] = float(np.sort(evidence[compared])[: parameters.judged_prints].sum())
        if other_person[held] < parameters.other_person:
            for index in compared:
                checks[index] = replace(checks[index], verdict=PositionVerdict.OTHER_PERSON, other=None)
    return SequenceReport(tuple(checks), other_person)


def _is_explained(check: PositionCheck, p: SequenceParameters) -> bool:
    """Tell whether a finger is where it belongs, or clearly elsewhere: a chance likeness explains no hand's."""
    return check.verdict is PositionVerdict.MATCHES or check.other_score >= p.same_score


def _check_each(session: SessionScores, p: SequenceParameters) -> list[PositionCheck]:
    """Judge each position for itself."""
    among = np.maximum(session.scores[0, :, 0], session.scores[1, :, 1])
    across = np.maximum(session.scores[0, :, 1], session.scores[1, :, 0])
    elsewhere = np.maximum(among, across)
    np.fill_diagonal(elsewhere, 0.0)
    return [_check(index, session, among[index], elsewhere[index], p) for index in range(len(session.positions))]


def _check(
    index: int,
    session: SessionScores,
    among: NDArray[np.float32],
    elsewhere: NDArray[np.float32],
    p: SequenceParameters,
) -> PositionCheck:
    """Judge one position, by the highest of its prints with each other position's: on one side, and on any."""
    positions, both, matches = session.positions, session.compared, session.own >= p.match_score
    closest = int(elsewhere.argmax())
    highest = float(elsewhere[closest])

    def say(verdict: PositionVerdict, other: int | None = None) -> PositionCheck:
        named = None if other is None else positions[other]
        return PositionCheck(positions[index], verdict, named, float(session.own[index]), highest)

    if both[index] and not matches[index] and highest >= p.match_score:
        # One finger twice on one side, or one that is in its own place too, was captured once more; else it only moved.
        twice = matches[closest] or among[closest] >= p.match_score
        return say(PositionVerdict.REPEATED if twice else PositionVerdict.SWAPPED, closest)
    if highest >= p.same_score and (matches[closest] or not both[closest]):
        return say(PositionVerdict.REPEATED, closest)
    if not both[index]:
        return say(PositionVerdict.ONE_SIDE)
    return say(PositionVerdict.MATCHES if matches[index] else PositionVerdict.NOT_SURE)


def _evidence(session: SessionScores, p: SequenceParameters) -> NDArray[np.float64]:
    """(P,) logarithm of how much likelier one finger is than two to miss `match_score`, which two all but always do."""
    poorer = session.reliabilities.min(axis=0)
    shares: NDArray[np.float64] = np.interp(poorer, p.missed_reliabilities, p.missed_shares)
    return np.log(shares)
