"""How a finger was laid down: what differs between two impressions of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np


class Severity(Enum):
    """Which impressions are drawn.

    NORMAL: a clean sensor and a person who minds it, most impressions good.
    MIXED: what comes in the field: nearly half more or less dry, a quarter wet, one in seven partial.
    HARD: dry, wet, pressed, dragged and twisted on purpose, low contrast.
    """

    NORMAL = "normal"
    MIXED = "mixed"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Condition:
    """State of the skin and the way the finger was put on the platen. The defaults are a good impression.

    pressure: 0 is usual, +0.5 heavy (broad ridges), -0.5 light; -2..2.
    dryness: 0 none, 1 broken ridges, 2 hardly any contact.
    wetness: 0 none, 1 narrow valleys with flooded patches, 2 mostly flooded.
    coverage: 1 the whole pad; less, the linear share of it that touches; 0.2..1.
    rotation_deg: clockwise in the image; any.
    displacement_px: how far right and down of the middle the finger lies, at 500 ppi.
    traction_px: how far right and down on the finger the skin about the middle was dragged, at 500 ppi.
    torsion_deg: how far it was twisted, clockwise.
    bulge_px: deviation of the uneven stretch that no press is without; 0..6.
    cuts: fresh scratches, 0..20.
    ghost: ink of what an earlier impression left on the platen, as a share of black; 0..0.5.
    noise: deviation, grey levels; 0..40.
    contrast: 1 the sensor's own; 0.1..1.
    tilt_px: how far towards the tip the part that touches is moved, at 500 ppi: a finger laid flat or on its tip;
        -120..120.
    drops: share of the pad under drops of water, black with sharp edges; 0..0.6.
    Raises ValueError out of these ranges.
    """

    pressure: float = 0.0
    dryness: float = 0.0
    wetness: float = 0.0
    coverage: float = 1.0
    rotation_deg: float = 0.0
    displacement_px: tuple[float, float] = (0.0, 0.0)
    traction_px: tuple[float, float] = (0.0, 0.0)
    torsion_deg: float = 0.0
    bulge_px: float = 1.5
    cuts: int = 0
    ghost: float = 0.0
    noise: float = 1.5
    contrast: float = 1.0
    drops: float = 0.0
    tilt_px: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} of an impression is {low}..{high}, not {getattr(self, name)}")


_RANGES: Final = {
    "pressure": (-2.0, 2.0),
    "dryness": (0.0, 2.0),
    "wetness": (0.0, 2.0),
    "coverage": (0.2, 1.0),
    "bulge_px": (0.0, 6.0),
    "cuts": (0, 20),
    "ghost": (0.0, 0.5),
    "noise": (0.0, 40.0),
    "contrast": (0.1, 1.0),
    "drops": (0.0, 0.6),
    "tilt_px": (-120.0, 120.0),
}

DROPS: Final = (0.04, 0.4)  # share of the pad where there are any

GOOD: Final = Condition()
DRY: Final = Condition(dryness=1.2, pressure=-0.1)
WET: Final = Condition(wetness=1.2, pressure=0.2)
PARTIAL: Final = Condition(coverage=0.75, displacement_px=(45.0, 95.0))


@dataclass(frozen=True, slots=True)
class _Mixture:
    """What a severity draws from. Shares of impressions; ranges of uniform and deviations of normal draws.

    The values are set so that `./run bench realism` finds NFIQ 2, mindtct and bozorth3 about as on real sets of the
    same kind: summary figures of FVC2002 DB1 for NORMAL, of FVC2004 DB2 for HARD.
    """

    pressure: float
    dry_share: float
    dryness: tuple[float, float]
    wet_share: float
    wetness: tuple[float, float]
    partial_share: float
    coverage: tuple[float, float]
    rotation_deg: float
    most_rotation_deg: float
    displacement_px: tuple[float, float]
    traction_px: tuple[float, float]
    torsion_deg: float
    bulge_px: tuple[float, float]
    cut_share: float
    ghost_share: float
    noise: tuple[float, float]
    contrast: tuple[float, float]
    drop_share: float
    tilt_px: float


_MIXTURES: Final = {
    Severity.NORMAL: _Mixture(
        pressure=0.22,
        dry_share=0.6,
        dryness=(0.1, 1.3),
        wet_share=0.22,
        wetness=(0.1, 1.6),
        partial_share=0.18,
        coverage=(0.55, 0.9),
        rotation_deg=11.0,
        most_rotation_deg=30.0,
        displacement_px=(36.0, 64.0),
        traction_px=(9.0, 11.0),
        torsion_deg=4.0,
        bulge_px=(1.0, 2.0),
        cut_share=0.05,
        ghost_share=0.06,
        noise=(0.4, 4.0),
        contrast=(0.85, 1.0),
        drop_share=0.0,
        tilt_px=0.0,
    ),
    Severity.MIXED: _Mixture(
        pressure=0.28,
        dry_share=0.45,
        dryness=(0.1, 1.8),
        wet_share=0.24,
        wetness=(0.1, 1.8),
        partial_share=0.15,
        coverage=(0.55, 0.85),
        rotation_deg=9.0,
        most_rotation_deg=20.0,
        displacement_px=(28.0, 50.0),
        traction_px=(12.0, 14.0),
        torsion_deg=5.0,
        bulge_px=(1.2, 2.2),
        cut_share=0.10,
        ghost_share=0.12,
        noise=(0.5, 6.0),
        contrast=(0.7, 1.0),
        drop_share=0.05,
        tilt_px=12.0,
    ),
    Severity.HARD: _Mixture(
        pressure=0.40,
        dry_share=0.5,
        dryness=(0.2, 2.0),
        wet_share=0.36,
        wetness=(0.3, 2.0),
        partial_share=0.05,
        coverage=(0.5, 0.85),
        rotation_deg=12.0,
        most_rotation_deg=40.0,
        displacement_px=(32.0, 66.0),
        traction_px=(24.0, 30.0),
        torsion_deg=9.0,
        bulge_px=(1.5, 3.0),
        cut_share=0.15,
        ghost_share=0.30,
        noise=(1.0, 8.0),
        contrast=(0.55, 0.95),
        drop_share=0.3,
        tilt_px=40.0,
    ),
}


def draw_condition(random: np.random.Generator, severity: Severity = Severity.MIXED) -> Condition:
    """Draw the state of one impression."""
    mixture = _MIXTURES[severity]
    skin = random.random()
    partial = random.random() < mixture.partial_share
    aside = 1.6 if partial else 1.0

    def normal(deviation: float) -> float:
        return float(np.clip(random.normal(0.0, deviation), -3 * deviation, 3 * deviation))

    most = mixture.most_rotation_deg
    return Condition(
        pressure=normal(mixture.pressure),
        dryness=float(random.uniform(*mixture.dryness)) if skin < mixture.dry_share else 0.0,
        wetness=float(random.uniform(*mixture.wetness)) if skin > 1.0 - mixture.wet_share else 0.0,
        coverage=float(random.uniform(*mixture.coverage)) if partial else 1.0,
        rotation_deg=float(np.clip(random.normal(0.0, mixture.rotation_deg), -most, most)),
        displacement_px=(normal(aside * mixture.displacement_px[0]), normal(aside * mixture.displacement_px[1])),
        traction_px=(normal(mixture.traction_px[0]), normal(mixture.traction_px[1])),
        torsion_deg=normal(mixture.torsion_deg),
        bulge_px=float(random.uniform(*mixture.bulge_px)),
        cuts=int(random.integers(1, 4)) if random.random() < mixture.cut_share else 0,
        ghost=float(random.uniform(0.04, 0.20)) if random.random() < mixture.ghost_share else 0.0,
        noise=float(random.uniform(*mixture.noise)),
        contrast=float(random.uniform(*mixture.contrast)),
        drops=float(random.uniform(*DROPS)) if random.random() < mixture.drop_share else 0.0,
        tilt_px=normal(mixture.tilt_px),
    )
