"""Slaps with known truth, case by case, and the judgement of a segmentation against it.

A finger counts as segmented, in the manner of NIST's SlapSeg, where its position is right and, in the frame of the true
box, both sides and the tip lie within 64 pixels and the base within 128. Truth ends at the crease of the last joint.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint import SlapFindingKind, SlapKind, SlapSegmentation
from enrollment.core.fingerprint import SlapFinger as FoundFinger
from firmware_stubs.fingers.hand import POSITIONS_OF, draw_hands
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.noise import stream
from firmware_stubs.fingers.slap import Slap, SlapCondition, SlapFinger, draw_slap_condition, make_slap

CASES: Final = ("usual", "child", "rotated", "merged", "missing", "outside", "thumbs")
SIDE_PX: Final = 64.0
BASE_PX: Final = 128.0
WHOLE: Final = 0.95  # a pad of which less lies on the glass is judged by its position and finding, not by its box
THERE: Final = 0.6
TOUCH_PX: Final = 5  # pads nearer than this touch


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One slap of a case."""

    name: str
    slap: Slap

    @property
    def kind(self) -> SlapKind:
        return SlapKind(int(self.slap.kind))


def draw_cases(people: Sequence[Mapping[int, Master]], count: int, seed: int) -> Iterator[Case]:
    """Draw `count` slaps, the cases in turn; hands are drawn anew for each, fingers from the people."""
    for number in range(count):
        random = stream(seed, "case", number)
        name = CASES[number % len(CASES)]
        kind = DrawnKind.TWO_THUMBS if name == "thumbs" else DrawnKind(13 + int(random.integers(2)))
        hands = draw_hands(
            1_000_000 * seed + number, age_years=float(random.uniform(6, 14)) if name == "child" else None
        )
        condition = _condition(random, name, kind, draw_slap_condition(random, kind))
        people_at = number // len(CASES) % len(people)
        yield Case(name, make_slap(people[people_at], hands, kind, 1000 * seed + number, condition=condition))


def _condition(random: np.random.Generator, name: str, kind: DrawnKind, usual: SlapCondition) -> SlapCondition:
    match name:
        case "rotated":
            return replace(usual, rotation_deg=float(random.choice([-1, 1]) * random.uniform(18, 30)))
        case "merged":
            return replace(usual, gap_mm=float(random.uniform(-1.2, -0.1)))
        case "missing":
            return replace(usual, missing=frozenset({int(random.choice(POSITIONS_OF[kind]))}))
        case "outside":
            moves = ((-18.0, 0.0), (18.0, 0.0), (0.0, -27.0))
            return replace(usual, displacement_mm=moves[int(random.integers(3))])
        case _:
            return usual


def is_segmented(truth: SlapFinger, found: FoundFinger) -> bool:
    """Judge one box."""
    corners = cv2.boxPoints((found.centre, found.size, found.rotation_deg))
    turn = math.radians(truth.rotation_deg)
    right, down = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    off = corners - np.array(truth.centre)
    across, along = np.sort(off @ right), np.sort(off @ down)
    half_breadth, half_length = truth.size[0] / 2, truth.size[1] / 2
    sides = max(abs(across[:2].mean() + half_breadth), abs(across[2:].mean() - half_breadth))
    tip, base = abs(along[:2].mean() + half_length), abs(along[2:].mean() - half_length)
    return bool(sides <= SIDE_PX and tip <= SIDE_PX and base <= BASE_PX)


def touching(positions: NDArray[np.uint8]) -> bool:
    """Tell whether any two pads of the truth touch."""
    near = np.ones((TOUCH_PX, TOUCH_PX), np.uint8)
    highest = cv2.dilate(positions, near)
    lowest = cv2.erode(np.where(positions > 0, positions, np.uint8(255)).astype(np.uint8), near)
    return bool(((highest > 0) & (lowest < 255) & (highest != lowest)).any())


def judge(case: Case, found: SlapSegmentation) -> Counter[str]:
    """Count what was found and what was not; each `x` stands beside the `x of` that it is a share of."""
    truth = {finger.position: finger for finger in case.slap.fingers}
    boxes = {finger.position: finger for finger in found.fingers}
    tally: Counter[str] = Counter({"slaps of": 1})
    judged = [finger for finger in truth.values() if finger.visible >= THERE]
    right = sum(
        finger.position in boxes and (finger.visible < WHOLE or is_segmented(finger, boxes[finger.position]))
        for finger in judged
    )
    tally.update({"fingers of": len(judged), "fingers": right, "slaps": right == len(judged)})
    tally.update({"hand of": 1, "hand": found.hand is case.kind})
    kinds = {finding.kind for finding in found.findings}
    tally.update({"hand doubted of": 1, "hand doubted": SlapFindingKind.HAND_UNCERTAIN in kinds})
    tally.update({"extra of": 1, "extra": SlapFindingKind.TOO_MANY_FINGERS in kinds})

    told = _positions(found, SlapFindingKind.MISSING_FINGER)
    for position in POSITIONS_OF[case.slap.kind]:
        visible = truth[position].visible if position in truth else 0.0
        if visible < 0.05:
            tally.update({"missing of": 1, "missing": position in told})
        elif visible >= THERE:
            tally.update({"missing falsely of": 1, "missing falsely": position in told})
    told = _positions(found, SlapFindingKind.OUTSIDE_PLATEN)
    for finger in truth.values():
        if 0.3 <= finger.visible < 0.93:
            tally.update({"outside of": 1, "outside": finger.position in told})
        elif finger.visible > 0.999:
            tally.update({"outside falsely of": 1, "outside falsely": finger.position in told})
    touch = "touching" if touching(case.slap.positions) else "touching falsely"
    tally.update({f"{touch} of": 1, touch: SlapFindingKind.TOUCHING_FINGERS in kinds})
    return tally


def _positions(found: SlapSegmentation, kind: SlapFindingKind) -> set[int]:
    return {position for finding in found.findings if finding.kind is kind for position in finding.positions}
