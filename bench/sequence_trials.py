"""Sessions of known order, and what the sequence check says of them.

A session is a print and a rolled print for each of ten positions. From each, wrong ones are made: two rolled prints
exchanged, one finger rolled at two positions, a hand of another person. All templates are compared with each other
once; a trial then only puts the scores of its session together, so that there can be many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.finger_bootstrap import Interval, draw_fingers, interval
from bench.print_sets import PrintSet
from enrollment.core.fingerprint import (
    FingerprintImage,
    FingerprintTemplate,
    PositionCheck,
    PositionVerdict,
    SequenceReport,
    SlapKind,
    extract,
    segment_slap,
)
from enrollment.core.fingerprint.hand import FINGERS_OF
from enrollment.core.fingerprint.sequence import SessionScores, judge_session, score_each_other
from firmware_stubs.fingers.hand import Hands
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.rolled import UnrolledFinger, make_rolled
from firmware_stubs.fingers.slap import make_slap

Rows = Mapping[int, int]  # by position, the template's number in a table
ALARMS: Final = frozenset({PositionVerdict.SWAPPED, PositionVerdict.REPEATED, PositionVerdict.OTHER_PERSON})
POSITIONS: Final = tuple(range(1, 11))
REPLICATES: Final = 400


@dataclass(frozen=True, slots=True, eq=False)
class PrintTable:
    """N templates compared with each other.

    fingers: (N,) intp, number of the finger of each. scores: (N, N) float32. reliabilities: (N,) float32.
    """

    fingers: NDArray[np.intp]
    scores: NDArray[np.float32]
    reliabilities: NDArray[np.float32]

    @classmethod
    def of(cls, templates: Sequence[FingerprintTemplate], fingers: Sequence[int]) -> PrintTable:
        reliabilities = np.array([template.reliabilities.sum() for template in templates], np.float32)
        return cls(np.array(fingers, np.intp), score_each_other(templates), reliabilities)

    def check(self, prints: Rows, rolled: Rows) -> SequenceReport:
        """Check a session as `check_sequence` would."""
        positions = tuple(sorted({*prints, *rolled}))
        rows = np.array([[side.get(position, -1) for position in positions] for side in (prints, rolled)], np.intp)
        present, flat = rows >= 0, rows.ravel()
        both = present.ravel()[:, None] & present.ravel()
        scores = np.where(both, self.scores[np.ix_(flat, flat)], np.float32(0.0))
        reliabilities = np.where(present, self.reliabilities[rows], np.float32(0.0))
        return judge_session(SessionScores(positions, present, scores.reshape(rows.shape * 2), reliabilities))


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Prints and rolled prints of one person.

    again: another rolled print of each finger. strangers: prints of other people, whose hands are laid in.
    """

    prints: Rows
    rolled: Rows
    again: Rows
    strangers: Sequence[Rows]


@dataclass(slots=True, eq=False)
class Outcomes:
    """What came of each trial, by its name: whether it happened, and numbers of the fingers that decided it."""

    happened: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    fingers: dict[str, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, happened: bool, fingers: Sequence[int]) -> None:
        self.happened[name].append(happened)
        self.fingers[name].append(tuple(fingers))

    def extend(self, other: Outcomes, first_finger: int) -> None:
        """Add another's, of other fingers: they are numbered from `first_finger`."""
        for name, happened in other.happened.items():
            self.happened[name] += happened
            self.fingers[name] += [tuple(one + first_finger for one in fingers) for fingers in other.fingers[name]]

    def count(self, name: str) -> tuple[int, int]:
        """How often it happened, of how many trials."""
        return sum(self.happened[name]), len(self.happened[name])

    def interval(self, name: str, rng: np.random.Generator) -> Interval:
        """Share of the trials with its 95 % interval over fingers: a trial counts as often as all its fingers came."""
        happened = np.array(self.happened[name], np.float64)
        fingers = np.unique(np.array(self.fingers[name]), return_inverse=True)[1].reshape(len(happened), -1)
        shares = np.full(REPLICATES, np.nan)
        for number, drawn in enumerate(draw_fingers(int(fingers.max()) + 1, REPLICATES, rng)):
            weights = drawn[fingers].prod(axis=1)
            if weights.any():
                shares[number] = (weights @ happened) / weights.sum()
        return interval(float(happened.mean()), shares)


def session_prints(masters: Mapping[int, Master], hands: Hands, seed: int) -> dict[int, FingerprintTemplate]:
    """Take the three slaps of one person and extract each finger that the segmentation finds."""
    templates = {}
    for kind in SlapKind:
        slap = make_slap(masters, hands, DrawnKind(int(kind)), seed)
        found = segment_slap(FingerprintImage(slap.pixels), kind)
        for finger, image in zip(found.fingers, found.images, strict=True):
            templates[finger.position] = extract(image)
    return templates


def session_rolled(fingers: Mapping[int, UnrolledFinger], hands: Hands, seed: int) -> dict[int, FingerprintTemplate]:
    """Roll ten fingers."""
    return {
        position: extract(
            FingerprintImage(make_rolled(finger, seed, scale=hands.fingers[position].master_scale).pixels)
        )
        for position, finger in fingers.items()
    }


def try_session(table: PrintTable, session: Session, random: np.random.Generator, draws: int) -> Outcomes:
    """Check a session as it is, and wrong ones made of it."""
    outcomes = Outcomes()
    fingers = {position: int(table.fingers[row]) for position, row in session.prints.items()}
    _count_in_order(table.check(session.prints, session.rolled), fingers, outcomes)
    held = [position for position in POSITIONS if position in session.prints]
    for _ in range(draws):
        first, second = (int(position) for position in random.choice(held, 2, replace=False))
        swapped = {**session.rolled, first: session.rolled[second], second: session.rolled[first]}
        checks = {check.position: check for check in table.check(session.prints, swapped).checks}
        found = any(
            checks[a].verdict is PositionVerdict.SWAPPED and checks[a].other == b
            for a, b in ((first, second), (second, first))
        )
        pair = (fingers[first], fingers[second])
        outcomes.add("swapped", found, pair)
        outcomes.add("swapped, noticed", _noticed(checks, (first, second)), pair)
        for position in held:
            if position not in {first, second}:
                outcomes.add("alarms beside", checks[position].verdict in ALARMS, (fingers[position],))

        repeated = {**session.rolled, second: session.again[first]}
        checks = {check.position: check for check in table.check(session.prints, repeated).checks}
        named = checks[second].other == first
        outcomes.add("repeated", named and checks[second].verdict is PositionVerdict.REPEATED, pair[:1])
        outcomes.add("repeated, alarm", named and checks[second].verdict in ALARMS, pair[:1])
        outcomes.add("repeated, noticed", _noticed(checks, (second,)), pair[:1])
    for stranger in session.strangers:
        for kind, group in FINGERS_OF.items():
            if all(position in stranger and position in fingers for position in group):
                mixed = {**session.prints, **{position: stranger[position] for position in group}}
                report = table.check(mixed, session.rolled)
                _count_other_person(report, kind, [fingers[position] for position in group], outcomes)
    return outcomes


def _count_in_order(report: SequenceReport, fingers: Mapping[int, int], outcomes: Outcomes) -> None:
    for check in report.checks:
        if check.verdict is PositionVerdict.ONE_SIDE:
            continue
        finger = (fingers[check.position],)
        outcomes.add("alarms", check.verdict in ALARMS, finger)
        outcomes.add("matches", check.verdict is PositionVerdict.MATCHES, finger)
        outcomes.add("not sure", check.verdict is PositionVerdict.NOT_SURE, finger)
    for kind, group in FINGERS_OF.items():
        held = [check for check in report.checks if check.position in group and check.position in fingers]
        if len(held) == len(group):
            alarmed = any(check.verdict is PositionVerdict.OTHER_PERSON for check in held)
            name = "thumbs alarmed" if kind is SlapKind.TWO_THUMBS else "hands alarmed"
            outcomes.add(name, alarmed, [fingers[position] for position in group])


def _count_other_person(report: SequenceReport, kind: SlapKind, fingers: Sequence[int], outcomes: Outcomes) -> None:
    """Count a report in which the prints of one slap are another person's. fingers: the owner's, of the rolled ones."""
    checks, group = {check.position: check for check in report.checks}, FINGERS_OF[kind]
    name = "other thumbs" if kind is SlapKind.TWO_THUMBS else "other hand"
    named = all(checks[position].verdict is PositionVerdict.OTHER_PERSON for position in group)
    outcomes.add(name, named, fingers)
    outcomes.add(f"{name}, noticed", _noticed(checks, group), fingers)


def _noticed(checks: Mapping[int, PositionCheck], positions: Sequence[int]) -> bool:
    """No position that is wrong was called a match."""
    return not any(checks[position].verdict is PositionVerdict.MATCHES for position in positions)


def try_public(prints: PrintSet, random: np.random.Generator, sessions: int, draws: int) -> Outcomes:
    """Make people of a public set's ten fingers, and check their sessions.

    The ten fingers, in an order drawn anew for each session, stand for the positions of one person; two impressions of
    each, drawn anew, are its print and its rolled print, and a third the rolled print once more.
    """
    table = PrintTable.of([extract(prints.image(row)) for row in range(len(prints.paths))], prints.fingers.tolist())
    rows_of = [np.flatnonzero(table.fingers == finger) for finger in np.unique(table.fingers)]
    outcomes = Outcomes()
    for _ in range(sessions):
        order = random.permutation(len(rows_of))
        chosen = {
            position: [int(row) for row in random.choice(rows_of[finger], 3, replace=False)]
            for position, finger in zip(POSITIONS, order, strict=True)
        }
        first, second, third = ({position: rows[side] for position, rows in chosen.items()} for side in range(3))
        session = Session(first, second, third, ())
        outcomes.extend(try_session(table, session, random, draws), 0)
        _try_strangers(table, session, random, outcomes)
    return outcomes


def _try_strangers(table: PrintTable, session: Session, random: np.random.Generator, outcomes: Outcomes) -> None:
    """Lay as many of the set's other fingers in the place of a hand: another person's. Those left are in order."""
    for kind, group in FINGERS_OF.items():
        others = [int(one) for one in random.permutation([position for position in POSITIONS if position not in group])]
        strangers, kept = others[: len(group)], others[len(group) :]
        prints = {position: session.prints[other] for position, other in zip(group, strangers, strict=True)}
        prints |= {position: session.prints[position] for position in kept}
        rolled = {position: session.rolled[position] for position in (*group, *kept)}
        owners = [int(table.fingers[session.rolled[position]]) for position in group]
        _count_other_person(table.check(prints, rolled), kind, owners, outcomes)


def synthetic_sessions(prints: Sequence[Sequence[Rows]], rolled: Sequence[Sequence[Rows]]) -> Iterator[Session]:
    """Combine what people took: by person, prints of each session, and rolled ones, one more than sessions."""
    for person, taken in enumerate(prints):
        for number, one in enumerate(taken):
            strangers = [other[number] for index, other in enumerate(prints) if index != person]
            yield Session(one, rolled[person][number], rolled[person][-1], strangers)
