"""Synthetic minutia templates: points and directions that lie as on a finger, without any image.

A finger is a zero-pole flow (Sherlock and Monro, "A model for interpreting fingerprint topology", Pattern Recognition
26(7), 1993) with smooth noise, and minutiae strewn over an ellipse with a least distance between them. An impression
shows part of it, stretched, jittered, with minutiae missed and invented. Real prints have more structure; for learning
which parts of a neighbourhood survive a second impression this is enough, and no person's data is in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

PIXELS_PER_MM: Final = 500.0 / 25.4
IMAGE_SIZE: Final = (400, 500)  # pixels; an impression lies about its middle


@dataclass(frozen=True, slots=True)
class ToyParameters:
    """Lengths in pixels at 500 ppi, angles in radians; half of it is measured on prints, half is a plain guess."""

    density_per_mm2: float = 0.23  # minutiae on real prints
    spacing_px: float = 8.0  # about one ridge period
    flow_noise: float = 0.1
    flow_noise_px: float = 80.0
    seen_part: tuple[float, float] = (0.65, 1.0)  # axes of an impression over those of the finger
    shift_px: tuple[float, float] = (22.0, 30.0)
    stretch_px: float = 2.2
    stretch_reach_px: float = 130.0
    position_px: float = 1.4
    direction: float = 0.1
    reversed_share: float = 0.02  # directions that come out the other way round
    missed_share: float = 0.15
    invented_share: float = 0.15
    invented_near_px: float = 25.0  # false minutiae come in clumps, near true ones
    confused_kinds: float = 0.2


TOY: Final = ToyParameters()


@dataclass(frozen=True, slots=True, eq=False)
class ToyFinger:
    """points: (N,) complex128, x + iy, y down. directions: (N,) radians. kinds: (N,) uint8. axes: half, pixels."""

    points: NDArray[np.complex128]
    directions: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    axes: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class ToyImpression:
    """A template, and for each of its minutiae the number of the finger's, or -1 where it was invented."""

    template: FingerprintTemplate
    identities: NDArray[np.intp]


def draw_finger(rng: np.random.Generator) -> ToyFinger:
    """Draw one finger."""
    axes = (rng.uniform(150.0, 190.0), rng.uniform(190.0, 240.0))
    wanted = TOY.density_per_mm2 / PIXELS_PER_MM**2 * math.pi * axes[0] * axes[1]
    strewn = rng.uniform(-1.0, 1.0, (round(5 * wanted), 2))
    strewn = strewn[(strewn**2).sum(axis=1) < 1.0] * axes
    kept = int(rng.poisson(wanted))
    strewn = strewn[: 2 * kept]  # about one in eight is crowded: the rest would be drawn in vain
    apart = np.subtract.outer(strewn[:, 0], strewn[:, 0]) ** 2 + np.subtract.outer(strewn[:, 1], strewn[:, 1]) ** 2
    crowded = np.tril(apart < TOY.spacing_px**2, -1).any(axis=1)
    points = (strewn[:, 0] + 1j * strewn[:, 1])[~crowded][:kept]
    flow = _ridge_angles(points, axes, rng)
    directions = flow + math.pi * rng.integers(0, 2, len(points))
    kinds = rng.choice([MinutiaKind.ENDING, MinutiaKind.BIFURCATION], len(points)).astype(np.uint8)
    return ToyFinger(points, directions, kinds, axes)


def draw_impression(finger: ToyFinger, rng: np.random.Generator, turn: float = math.pi) -> ToyImpression:
    """Draw one impression of a finger, turned by up to `turn` either way."""
    shown = rng.random(len(finger.points)) >= TOY.missed_share
    points, directions, kinds = finger.points[shown], finger.directions[shown], finger.kinds[shown]
    identities = np.flatnonzero(shown)
    if len(points):
        invented = rng.poisson(TOY.invented_share * len(points))
        near = rng.integers(0, len(points), invented)
        points = np.concatenate([points, points[near] + TOY.invented_near_px * _complex_normal(invented, rng)])
        flipped = math.pi * rng.integers(0, 2, invented)
        directions = np.concatenate([directions, directions[near] + rng.normal(0.0, 0.3, invented) + flipped])
        kinds = np.concatenate([kinds, kinds[near]])
        identities = np.concatenate([identities, np.full(invented, -1)])
    count = len(points)
    pressed = points + _stretch(points, rng) + TOY.position_px * _complex_normal(count, rng)
    directions = directions + rng.normal(0.0, TOY.direction, count) + math.pi * (rng.random(count) < TOY.reversed_share)
    kinds = np.where(rng.random(count) < TOY.confused_kinds, 3 - kinds, kinds).astype(np.uint8)

    middle = complex(rng.normal(0.0, TOY.shift_px[0]), rng.normal(0.0, TOY.shift_px[1]))
    wide, high = rng.uniform(*TOY.seen_part, 2) * finger.axes
    offsets = pressed - middle
    seen = np.flatnonzero((offsets.real / wide) ** 2 + (offsets.imag / high) ** 2 < 1.0)
    seen = rng.permutation(seen)[:255]
    angle = rng.uniform(-turn, turn)
    laid = offsets[seen] * np.exp(1j * angle) + complex(IMAGE_SIZE[0], IMAGE_SIZE[1]) / 2.0
    template = FingerprintTemplate(
        positions=np.stack([laid.real, laid.imag], axis=1).astype(np.float32),
        directions=np.mod(directions[seen] + angle, math.tau).astype(np.float32),
        kinds=kinds[seen],
        reliabilities=np.where(identities[seen] < 0, 0.4, 0.7).astype(np.float32),
        size=IMAGE_SIZE,
    )
    return ToyImpression(template, identities[seen])


def _ridge_angles(
    points: NDArray[np.complex128], axes: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Angle of the ridge at each point, y down: an arch, a loop to either side or a whorl, with smooth noise."""
    upward = points.conj()  # the model counts y up
    pattern = rng.choice(["arch", "right loop", "left loop", "whorl"], p=[0.06, 0.3, 0.3, 0.34])
    if pattern == "arch":
        lift = rng.uniform(0.6, 1.1) / (1.0 + np.exp(-upward.imag / 60.0))
        angles = np.arctan(-lift * np.sin(math.pi * upward.real / axes[0]))
    else:
        right = complex(rng.uniform(75.0, 140.0), -rng.uniform(95.0, 165.0))
        left = complex(-rng.uniform(75.0, 140.0), -rng.uniform(95.0, 165.0))
        apart = 1j * rng.uniform(8.0, 36.0)
        cores, deltas = {
            "right loop": ([0j], [left]),
            "left loop": ([0j], [right]),
            "whorl": ([apart, -apart], [left, right]),
        }[str(pattern)]
        centre = complex(rng.normal(0.0, 15.0), rng.normal(20.0, 20.0))
        angles = np.zeros(len(points))
        for core in cores:
            angles = angles + 0.5 * np.angle(upward - centre - core)
        for delta in deltas:
            angles = angles - 0.5 * np.angle(upward - centre - delta)
    return TOY.flow_noise * _waves(points, TOY.flow_noise_px, rng) - angles


def _stretch(points: NDArray[np.complex128], rng: np.random.Generator) -> NDArray[np.complex128]:
    reach = TOY.stretch_reach_px
    field: NDArray[np.complex128] = _waves(points, reach, rng) + 1j * _waves(points, reach, rng)
    return TOY.stretch_px * field


def _waves(points: NDArray[np.complex128], reach_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a smooth random field of unit variance at the points: six plane waves."""
    waves = _complex_normal(6, rng) / reach_px
    phases = rng.uniform(0.0, math.tau, 6)
    along = points.real[:, None] * waves.real + points.imag[:, None] * waves.imag
    field: NDArray[np.float64] = np.cos(along + phases).sum(axis=1) / math.sqrt(3.0)
    return field


def _complex_normal(count: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    return rng.normal(size=count) + 1j * rng.normal(size=count)
