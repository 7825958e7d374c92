"""How a finger was laid down: what differs between two impressions of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

MAX_ROTATION_DEG: Final = 20.0


@dataclass(frozen=True, slots=True)
class Condition:
    """State of the skin and the way the finger was put on the platen. The defaults are a good impression.

    pressure: 0 is usual, +0.5 heavy (broad ridges), -0.5 light.
    dryness: 0 none, 1 broken ridges, 2 hardly any contact.
    wetness: 0 none, 1 narrow valleys with flooded patches, 2 mostly flooded.
    coverage: 1 the whole pad; less, the linear share of it that touches.
    rotation_deg: clockwise in the image.
    displacement_px: how far right and down of the middle the finger lies.
    """

    pressure: float = 0.0
    dryness: float = 0.0
    wetness: float = 0.0
    coverage: float = 1.0
    rotation_deg: float = 0.0
    displacement_px: tuple[float, float] = (0.0, 0.0)


GOOD: Final = Condition()
DRY: Final = Condition(dryness=1.2, pressure=-0.1)
WET: Final = Condition(wetness=1.2, pressure=0.2)
PARTIAL: Final = Condition(coverage=0.75, displacement_px=(45.0, 95.0))


def draw_condition(random: np.random.Generator) -> Condition:
    """Draw from the mixture met in the field: about a third dry, a fifth wet, an eighth partial."""
    skin = random.random()
    partial = random.random() < 0.12
    aside = 1.6 if partial else 1.0
    return Condition(
        pressure=float(random.normal(0.0, 0.28)),
        dryness=float(random.uniform(0.35, 1.75)) if skin < 0.36 else 0.0,
        wetness=float(random.uniform(0.3, 1.6)) if skin > 0.80 else 0.0,
        coverage=float(random.uniform(0.55, 0.85)) if partial else 1.0,
        rotation_deg=float(np.clip(random.normal(0.0, 9.0), -MAX_ROTATION_DEG, MAX_ROTATION_DEG)),
        displacement_px=(float(random.normal(0.0, 22.0 * aside)), float(random.normal(0.0, 32.0 * aside))),
    )
