"""Sessions of known order, and what the sequence check says of them.

A session is a print and a rolled print for each of ten positions. From each, wrong ones are made: two rolled prints
exchanged, one finger rolled at two positions, a hand of another person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from enrollment.core.fingerprint import (
    FingerprintImage,
    FingerprintTemplate,
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
            checks = {check.position: check for check in check_sequence(mixed, session.rolled).checks}
            name = "other thumbs" if kind is SlapKind.TWO_THUMBS else "other hand"
            wrong = all(checks[position].verdict is PositionVerdict.OTHER_PERSON for position in group)
            tally.update({f"{name} of": 1, name: wrong, f"{name}, noticed of": 1})
            tally.update({f"{name}, noticed": _noticed(checks, group)})
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


def _noticed(checks: Mapping[int, object], positions: Sequence[int]) -> bool:
    """No position that is wrong was called a match."""
    return not any(getattr(checks[position], "verdict", None) is PositionVerdict.MATCHES for position in positions)


def public_sessions(
    folder: Path, random: np.random.Generator, count: int, read: Callable[[Path], FingerprintTemplate]
) -> list[Session]:
    """Make people of a public set's ten fingers of eight impressions.

    The ten fingers, in an order drawn anew for each session, stand for the positions of one person; impressions a, b
    and c of each are its print, its rolled print and the rolled print once more.
    """
    names = sorted({path.stem.rsplit("_", 1)[0] for path in folder.glob("*_*.tif")})
    impressions = sorted({int(path.stem.rsplit("_", 1)[1]) for path in folder.glob("*_*.tif")})
    templates = {name: {number: read(folder / f"{name}_{number}.tif") for number in impressions} for name in names}
    sessions = []
    for _ in range(count):
        order = [names[index] for index in random.permutation(len(names))]
        a, b, c = (int(number) for number in random.choice(impressions, 3, replace=False))
        fingers = dict(zip(POSITIONS, order, strict=True))
        sessions.append(
            Session(
                prints={position: templates[name][a] for position, name in fingers.items()},
                rolled={position: templates[name][b] for position, name in fingers.items()},
                again={position: templates[name][c] for position, name in fingers.items()},
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
            checks = {
                check.position: check
                for check in check_sequence(prints, {position: session.rolled[position] for position in group}).checks
            }
            name = "other thumbs" if kind is SlapKind.TWO_THUMBS else "other hand"
            wrong = all(checks[position].verdict is PositionVerdict.OTHER_PERSON for position in group)
            tally.update({f"{name} of": 1, name: wrong, f"{name}, noticed of": 1})
            tally.update({f"{name}, noticed": _noticed(checks, group)})
    return tally


def read_print(path: Path, ppi: float) -> FingerprintTemplate:
    """Extract one image file."""
    with Image.open(path) as opened:
        return extract(FingerprintImage(np.asarray(opened.convert("L")), ppi))
