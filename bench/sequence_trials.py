"""Sessions of known order, and what the sequence check says of them.

A session is a print and a rolled print for each of ten positions. From each, wrong ones are made: two rolled prints
exchanged, one finger rolled at two positions, a hand of another person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.print_sets import PrintSet
from enrollment.core.fingerprint import (
    FingerprintImage,
    FingerprintTemplate,
    PositionCheck,
    PositionVerdict,
    SequenceReport,
    SlapKind,
    check_sequence,
    extract,
    segment_slap,
)
from enrollment.core.fingerprint.hand import FINGERS_OF
from firmware_stubs.fingers.hand import Hands
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.rolled import UnrolledFinger, make_rolled
from firmware_stubs.fingers.slap import make_slap

Templates = Mapping[int, FingerprintTemplate]
ALARMS: Final = frozenset({PositionVerdict.SWAPPED, PositionVerdict.REPEATED, PositionVerdict.OTHER_PERSON})
POSITIONS: Final = tuple(range(1, 11))


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Prints and rolled prints of one person.

    again: another rolled print of each finger. strangers: prints of other people, whose hands are laid in.
    """

    prints: Templates
    rolled: Templates
    again: Templates
    strangers: Sequence[Templates]


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


def try_session(session: Session, random: np.random.Generator, draws: int) -> Counter[str]:
    """Check a session as it is, and wrong ones made of it; each `x` stands beside the `x of` that it is a share of."""
    tally: Counter[str] = Counter()
    _count_in_order(check_sequence(session.prints, session.rolled), tally)
    held = [position for position in POSITIONS if position in session.prints]
    for _ in range(draws):
        first, second = (int(position) for position in random.choice(held, 2, replace=False))
        swapped = {**session.rolled, first: session.rolled[second], second: session.rolled[first]}
        checks = {check.position: check for check in check_sequence(session.prints, swapped).checks}
        found = [
            checks[a].verdict is PositionVerdict.SWAPPED and checks[a].other == b
            for a, b in ((first, second), (second, first))
        ]
        tally.update({"swapped of": 1, "swapped": any(found)})
        tally.update({"swapped, noticed of": 1, "swapped, noticed": _noticed(checks, (first, second))})
        others = [position for position in POSITIONS if position not in {first, second}]
        tally.update({"alarms beside of": len(others)})
        tally.update(
            {"alarms beside": sum(checks[position].verdict in ALARMS for position in others if position in checks)}
        )

        repeated = {**session.rolled, second: session.again[first]}
        checks = {check.position: check for check in check_sequence(session.prints, repeated).checks}
        found = [checks[a].verdict is PositionVerdict.REPEATED and checks[a].other == b for a, b in ((second, first),)]
        tally.update({"repeated of": 1, "repeated": any(found)})
        tally.update({"repeated, noticed of": 1, "repeated, noticed": _noticed(checks, (second,))})
    for stranger in session.strangers:
        for kind, group in FINGERS_OF.items():
            if not all(position in stranger for position in group):
                continue
            mixed = {**session.prints, **{position: stranger[position] for position in group}}
            _count_other_person(check_sequence(mixed, session.rolled), kind, tally)
    return tally


def _count_in_order(report: SequenceReport, tally: Counter[str]) -> None:
    for check in report.checks:
        if check.verdict is PositionVerdict.ONE_SIDE:
            continue
        tally.update({"alarms of": 1, "alarms": check.verdict in ALARMS})
        tally.update({"not sure of": 1, "not sure": check.verdict is PositionVerdict.NOT_SURE})
    for group in FINGERS_OF.values():
        verdicts = [check.verdict for check in report.checks if check.position in group]
        tally.update({"hands alarmed of": 1, "hands alarmed": PositionVerdict.OTHER_PERSON in verdicts})


def _count_other_person(report: SequenceReport, kind: SlapKind, tally: Counter[str]) -> None:
    """Count a report in which the prints of one slap are another person's."""
    checks, group = {check.position: check for check in report.checks}, FINGERS_OF[kind]
    name = "other thumbs" if kind is SlapKind.TWO_THUMBS else "other hand"
    wrong = all(checks[position].verdict is PositionVerdict.OTHER_PERSON for position in group)
    tally.update({f"{name} of": 1, name: wrong, f"{name}, noticed of": 1})
    tally.update({f"{name}, noticed": _noticed(checks, group)})


def _noticed(checks: Mapping[int, PositionCheck], positions: Sequence[int]) -> bool:
    """No position that is wrong was called a match."""
    return not any(checks[position].verdict is PositionVerdict.MATCHES for position in positions)


def public_sessions(prints: PrintSet, random: np.random.Generator, count: int) -> list[Session]:
    """Make people of a public set's ten fingers of eight impressions.

    The ten fingers, in an order drawn anew for each session, stand for the positions of one person; impressions a, b
    and c of each are its print, its rolled print and the rolled print once more.
    """
    numbers = [np.flatnonzero(prints.fingers == finger) for finger in np.unique(prints.fingers)]
    templates = [[extract(prints.image(int(number))) for number in finger] for finger in numbers]
    sessions = []
    for _ in range(count):
        fingers = dict(zip(POSITIONS, random.permutation(len(templates)), strict=True))
        a, b, c = random.choice(min(map(len, templates)), 3, replace=False)
        sessions.append(
            Session(
                prints={position: templates[finger][a] for position, finger in fingers.items()},
                rolled={position: templates[finger][b] for position, finger in fingers.items()},
                again={position: templates[finger][c] for position, finger in fingers.items()},
                strangers=(),
            )
        )
    return sessions


def public_strangers(sessions: Sequence[Session]) -> Counter[str]:
    """Check a hand's rolled prints against prints of as many of the set's other fingers: another person's."""
    tally: Counter[str] = Counter()
    for session in sessions:
        for kind, group in FINGERS_OF.items():
            outside = [position for position in POSITIONS if position not in group][: len(group)]
            prints = {position: session.prints[other] for position, other in zip(group, outside, strict=True)}
            rolled = {position: session.rolled[position] for position in group}
            _count_other_person(check_sequence(prints, rolled), kind, tally)
    return tally
