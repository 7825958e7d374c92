"""The hand that ten fingers belong to: how long and wide they are, and where their tips lie beside each other.

Lengths are millimetres. In the frame of a hand u runs across the fingers to the right of the print and v towards the
tips, from the tip of the middle finger. Means are those of adults' hands in tables of anthropometry (fingertip breadths
15..18 mm, distal phalanx 23..28 mm, middle finger 8 mm beyond the index and the ring, 25 mm beyond the little finger),
less what does not touch the glass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from firmware_stubs.fingers.noise import stream

PX_PER_MM: Final = 500.0 / 25.4
ADULT_FROM_YEARS: Final = 17.0
SMALLEST_AGE_YEARS: Final = 4.0
OLDEST_AGE_YEARS: Final = 110.0
_MASTER_PAD_PX: Final = 455.0  # of a master, from the tip to the crease
_RIDGE_POWER: Final = 0.9
_GROWTH_A_YEAR: Final = 0.028  # of an adult's size: a child of six has hands of 69 %


class SlapKind(IntEnum):
    """ISO/IEC 19794 codes of plain impressions of several fingers."""

    RIGHT_FOUR = 13
    LEFT_FOUR = 14
    TWO_THUMBS = 15


POSITIONS_OF: Final[Mapping[SlapKind, tuple[int, ...]]] = {
    SlapKind.RIGHT_FOUR: (2, 3, 4, 5),
    SlapKind.LEFT_FOUR: (10, 9, 8, 7),
    SlapKind.TWO_THUMBS: (6, 1),
}
"""Finger positions as they lie in a print, from left to right."""

# Digit 1 thumb .. 5 little: breadth that touches, tip to crease, of the second phalanx, and the finger's own breadth.
_CONTACT_MM: Final = {1: 18.5, 2: 14.2, 3: 14.6, 4: 13.8, 5: 12.2}
_PAD_MM: Final = {1: 26.5, 2: 23.5, 3: 24.5, 4: 24.0, 5: 21.0}
_PHALANX_MM: Final = {1: 26.0, 2: 20.0, 3: 23.0, 4: 22.0, 5: 17.0}
_BODY_MM: Final = {1: 22.0, 2: 17.2, 3: 17.8, 4: 16.6, 5: 14.8}
_TIP_BELOW_MIDDLE_MM: Final = {2: (9.0, 3.0), 3: (0.0, 0.0), 4: (7.5, 3.0), 5: (26.0, 4.0)}  # mean, deviation
_SPLAY_DEG: Final = {2: -3.5, 3: -1.0, 4: 1.5, 5: 5.0}  # of a right hand's fingers, clockwise


@dataclass(frozen=True, slots=True)
class FingerShape:
    """One finger on the glass.

    contact_mm: breadth that touches. pad_mm: from the tip to the crease of the last joint. phalanx_mm: of the second.
    body_mm: breadth of the finger itself, which keeps its neighbours away.
    below_mm: how far the tip stays below the middle finger's; 0 for thumbs.
    splay_deg: direction of the finger in the hand, clockwise in the print.
    """

    contact_mm: float
    pad_mm: float
    phalanx_mm: float
    body_mm: float
    below_mm: float
    splay_deg: float

    @property
    def master_scale(self) -> float:
        """Size of the finger beside its master, ridges and all: ridges differ less than fingers do."""
        return float((self.pad_mm * PX_PER_MM / _MASTER_PAD_PX) ** _RIDGE_POWER)


@dataclass(frozen=True, slots=True)
class Hands:
    """Both hands of a person. scale: size beside a middling adult's. fingers: by ISO position, 1..10."""

    scale: float
    fingers: Mapping[int, FingerShape]


def draw_hands(seed: int, *, age_years: float | None = None) -> Hands:
    """Draw a person's hands.

    age_years: 4..110; by default a grown person's.
    Raises ValueError for a negative seed or another age.
    """
    random = stream(seed, "hands")
    if age_years is not None and not SMALLEST_AGE_YEARS <= age_years <= OLDEST_AGE_YEARS:
        raise ValueError(f"an age is {SMALLEST_AGE_YEARS:.0f}..{OLDEST_AGE_YEARS:.0f} years, not {age_years}")
    missing_years = 0.0 if age_years is None else max(0.0, ADULT_FROM_YEARS - age_years)
    scale = float(np.clip(random.normal(1.0, 0.07), 0.84, 1.16)) * (1.0 - _GROWTH_A_YEAR * missing_years)
    slender = float(random.normal(1.0, 0.05))
    both = {digit: _draw_digit(random, digit, scale, slender) for digit in range(1, 6)}
    fingers = {}
    for position in range(1, 11):
        digit = position if position <= 5 else position - 5
        shape = both[digit]
        alike = random.normal(1.0, 0.02, 2)  # the two hands of a person differ little
        splay = shape.splay_deg if position <= 5 else -shape.splay_deg
        fingers[position] = FingerShape(
            contact_mm=shape.contact_mm * float(alike[0]),
            pad_mm=shape.pad_mm * float(alike[1]),
            phalanx_mm=shape.phalanx_mm,
            body_mm=shape.body_mm,
            below_mm=shape.below_mm + (0.0 if digit in {1, 3} else float(random.normal(0.0, 1.0)) * scale),
            splay_deg=splay,
        )
    return Hands(scale, fingers)


def _draw_digit(random: np.random.Generator, digit: int, scale: float, slender: float) -> FingerShape:
    below, deviation = _TIP_BELOW_MIDDLE_MM.get(digit, (0.0, 0.0))
    width = scale * slender * float(random.normal(1.0, 0.04))
    length = scale / slender * float(random.normal(1.0, 0.04))
    return FingerShape(
        contact_mm=_CONTACT_MM[digit] * width,
        pad_mm=_PAD_MM[digit] * length,
        phalanx_mm=_PHALANX_MM[digit] * length,
        body_mm=_BODY_MM[digit] * width,
        below_mm=float(random.normal(below, deviation)) * scale,
        splay_deg=float(_SPLAY_DEG.get(digit, 0.0) + (random.normal(0.0, 1.5) if digit > 1 else 0.0)),
    )
