"""Ridge flow of the six classes: where the cores and deltas lie, and the orientation and period that follow.

Zero-pole orientation (Sherlock and Monro 1993) with the angle of each singularity bent by a short Fourier series
(Vizcaya and Gerhardt 1996), hairpins instead of pointed fans at the cores, and a dome over the tip of the finger.
Inside this module X runs right and Y up from the middle of the pattern; what it returns is in pixels, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.accommodation import accommodate
from firmware_stubs.fingers.noise import smooth_noise, smoothstep

MASTER_WIDTH_PX: Final = 416  # what a plain touch can show: 21 x 28 mm
MASTER_HEIGHT_PX: Final = 560
CENTRE_X_PX: Final = MASTER_WIDTH_PX / 2  # the middle of the pattern, where the core tends to be
CENTRE_Y_PX: Final = 0.44 * MASTER_HEIGHT_PX
PLAIN_SIZE: Final = (MASTER_WIDTH_PX, MASTER_HEIGHT_PX)
ROLLED_SIZE: Final = (640, 656)  # from nail to nail: 32 x 33 mm
ARCH_WAVE_PX: Final = 191.0  # an arch rises over half of it and falls over the other
PERIOD_NOISE_PX: Final = 0.4  # a guess
PROPORTIONS: Final = 0.10
LEAN: Final = 0.12
FLOW_NOISE: Final = 0.09
HAIRPIN: Final = (0.55, 0.72)  # radians; 2 / pi = 0.64 keeps all ridges round a core equally far apart
TENT: Final = 0.75  # of a hairpin: ridges rise to a tented arch's core in a sheaf, not side by side
PERIOD_PX: Final = (9.0, 0.6)  # of fingers, mean and deviation: 0.457 and 0.03 mm; published means are 0.4 to 0.5
COARSER_BELOW_PX: Final = 1.3  # ridges are fewer in the proximal part (Gutierrez-Redomero et al. 2008); a guess
MIN_PERIOD_PX: Final = 6.5
MAX_PERIOD_PX: Final = 12.5


class Pattern(Enum):
    """Class of the ridge flow, as seen in the image (a left loop opens to the left)."""

    ARCH = "arch"
    TENTED_ARCH = "tented arch"
    LEFT_LOOP = "left loop"
    RIGHT_LOOP = "right loop"
    WHORL = "whorl"
    DOUBLE_LOOP = "double loop"


# Natural frequencies (Wilson, Candela and Watson 1993); a quarter of their whorls are double loops.
FREQUENCIES: Final = {
    Pattern.ARCH: 0.037,
    Pattern.TENTED_ARCH: 0.029,
    Pattern.LEFT_LOOP: 0.338,
    Pattern.RIGHT_LOOP: 0.317,
    Pattern.WHORL: 0.209,
    Pattern.DOUBLE_LOOP: 0.070,
}


@dataclass(frozen=True, slots=True, eq=False)
class RidgeFlow:
    """Orientation and period that a finger's ridges are grown to.

    orientation: (H, W) float32, angle of the ridge in radians, [0, pi), y down.
    period: (H, W) float32, pixels from ridge to ridge.
    cores, deltas: (N, 2) float32, x and y in pixels. An arch has none.
    """

    orientation: NDArray[np.float32]
    period: NDArray[np.float32]
    cores: NDArray[np.float32]
    deltas: NDArray[np.float32]


def draw_pattern(random: np.random.Generator) -> Pattern:
    """Draw a class as often as it occurs in nature."""
    return list(FREQUENCIES)[int(random.choice(len(FREQUENCIES), p=list(FREQUENCIES.values())))]


def centre_of(size: tuple[int, int]) -> tuple[float, float]:
    """Give x and y of the middle of the pattern on a master of that width and height."""
    return size[0] / 2, size[1] * CENTRE_Y_PX / MASTER_HEIGHT_PX


def draw_flow(random: np.random.Generator, pattern: Pattern, size: tuple[int, int] = PLAIN_SIZE) -> RidgeFlow:
    """Draw the orientation and period of one finger of a class. size: width and height in pixels."""
    shape = (size[1], size[0])
    centre_x, centre_y = centre_of(size)
    y, x = np.indices(shape, dtype=np.float32)
    broad, long = np.exp(random.normal(0.0, PROPORTIONS, 2))
    lean = random.normal(0.0, LEAN)
    Y = (np.float32(centre_y) - y) / np.float32(long)
    X = (x - np.float32(centre_x)) / np.float32(broad) + np.float32(lean) * Y
    cores, deltas = _draw_singularities(random, pattern)
    if pattern is Pattern.ARCH:
        theta = _arch(random, X, Y)
    else:
        theta = _zero_pole(random, pattern, X + 1j * Y, cores, deltas)
        theta -= random.uniform(0.25, 0.55) * np.tanh(X / 130) * smoothstep(Y, -60, 150)
        theta -= random.uniform(0.12, 0.32) * np.tanh(X / 120) * smoothstep(Y, 60, 220)
    up = np.float32(long) * np.sin(theta)
    theta = np.arctan2(up, np.float32(broad) * (np.cos(theta) - np.float32(lean / long) * up))
    period = accommodate(np.asarray(-theta, np.float32), _period(random, Y))
    # What follows is this finger's alone: minutiae that it forces are in no other.
    period += smooth_noise(random, shape, 60.0, PERIOD_NOISE_PX) + smooth_noise(random, shape, 25.0, PERIOD_NOISE_PX)
    bends = smooth_noise(random, shape, 60.0, 0.075)
    bends += smooth_noise(random, shape, 26.0, 0.05)
    for singularity in (*cores, *deltas):
        bends *= smoothstep(np.hypot(X - singularity.real, Y - singularity.imag), 10.0, 60.0)
    theta += bends + smooth_noise(random, shape, 130.0, FLOW_NOISE)
    orientation = np.mod(-theta, np.float32(np.pi))
    orientation[orientation >= np.float32(np.pi)] = 0.0  # a tiny negative angle rounds up to pi

    def place(points: list[complex]) -> NDArray[np.float32]:
        at = [(centre_x + broad * (z.real - lean * z.imag), centre_y - long * z.imag) for z in points]
        return np.array(at, np.float32).reshape(-1, 2)

    return RidgeFlow(
        orientation,
        np.clip(period, MIN_PERIOD_PX, MAX_PERIOD_PX).astype(np.float32),
        place(cores),
        place(deltas),
    )


def _draw_singularities(random: np.random.Generator, pattern: Pattern) -> tuple[list[complex], list[complex]]:
    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    side = 1 if pattern is Pattern.LEFT_LOOP else -1
    match pattern:
        case Pattern.ARCH:
            return [], []
        case Pattern.TENTED_ARCH:
            x0 = between(-8, 8)
            return [complex(x0, between(-4, 14))], [complex(x0 + between(-20, 20), -between(80, 115))]
        case Pattern.LEFT_LOOP | Pattern.RIGHT_LOOP:
            core = complex(between(-12, 12), between(-8, 14))
            return [core], [complex(side * between(50, 135), -between(60, 165))]
        case Pattern.WHORL:
            tilt = between(-8, 8)
            cores = [complex(tilt, between(9, 26)), complex(-tilt, -between(9, 26))]
        case _:  # double loop
            turn = 1 if random.random() < 0.5 else -1
            cores = [
                complex(turn * between(18, 32), between(26, 44)),
                complex(-turn * between(18, 32), -between(26, 44)),
            ]
    return cores, [complex(-between(95, 140), -between(105, 165)), complex(between(95, 140), -between(105, 165))]


def _zero_pole(
    random: np.random.Generator, pattern: Pattern, z: NDArray[np.complex64], cores: list[complex], deltas: list[complex]
) -> NDArray[np.float32]:
    """Half the sum of the bent angles from the cores, less those from the deltas, with hairpins at the cores."""
    singularities = [(core, 1) for core in cores] + [(delta, -1) for delta in deltas]
    series = random.normal(0.0, 0.10, (len(singularities), 4))

    def bent_angle(at: NDArray[np.complex64], index: int) -> NDArray[np.float32]:
        offset = at - np.complex64(singularities[index][0])
        a = np.arctan2(offset.imag, offset.real)
        c1, s1, c2, s2 = series[index].astype(np.float32)
        bent: NDArray[np.float32] = (
            a + c1 * np.cos(a) + s1 * np.sin(a) + 0.5 * (c2 * np.cos(2 * a) + s2 * np.sin(2 * a))
        )
        return bent

    theta = np.zeros(z.shape, np.float32)
    for index, (_, charge) in enumerate(singularities):
        theta += np.float32(0.5 * charge) * bent_angle(z, index)
    turned = _drawn_axis(random, pattern)
    spiral = _spiral(random, pattern, cores)
    for index, core in enumerate(cores):
        offset = z - np.complex64(core)
        r2 = offset.real**2 + offset.imag**2
        here = np.array([core], np.complex64)
        others = [(other, charge) for other, (_, charge) in enumerate(singularities) if other != index]
        axis = float(sum(charge * bent_angle(here, other)[0] for other, charge in others))
        if turned is not None:
            turn = float(np.clip(math.remainder(turned - axis, math.tau) / 2, -0.6, 0.6))
            theta += np.float32(turn) * np.exp(-r2 / np.float32(2 * 70.0**2))
            axis += 2 * turn
        bend = random.uniform(*HAIRPIN) * (TENT if pattern is Pattern.TENTED_ARCH else 1.0)
        radius = random.uniform(45, 85)
        phi = np.arctan2(offset.imag, offset.real) - np.float32(axis + math.pi)
        theta += np.float32(bend) * _hairpin(phi) * np.exp(-r2 / np.float32(2 * radius**2))
    if spiral:
        middle = sum(cores) / len(cores)
        theta += np.float32(spiral) * np.exp(-(np.abs(z - np.complex64(middle)) ** 2) / np.float32(2 * 90.0**2))
    return theta


def _hairpin(phi: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the fan of a core, whose angle is phi / 2 all round, into half circles over straight legs.

    Half circles turn by phi where |phi| < pi / 2, legs not at all. The difference is a triangle wave of which two terms
    are taken. The ridges of a fan spread: each finger would have a crowd of the same minutiae round its core.
    """
    return np.asarray(np.sin(phi) - np.sin(3 * phi) / np.float32(9), np.float32)


def _spiral(random: np.random.Generator, pattern: Pattern, cores: list[complex]) -> float:
    """Turn of the flow round two cores, radians: a whorl becomes a spiral, a double loop an S or its mirror image."""
    if pattern is Pattern.WHORL:
        return float(random.normal(0.0, 0.17))
    if pattern is Pattern.DOUBLE_LOOP:
        return math.copysign(random.uniform(0.35, 0.65), (cores[0] - cores[1]).real)
    return 0.0


def _drawn_axis(random: np.random.Generator, pattern: Pattern) -> float | None:
    """Direction in which a single loop opens, radians; None where two cores decide it between them."""
    mean = {Pattern.LEFT_LOOP: -118.0, Pattern.RIGHT_LOOP: -62.0, Pattern.TENTED_ARCH: -90.0}.get(pattern)
    return None if mean is None else math.radians(random.normal(mean, 13.0))


def _arch(random: np.random.Generator, X: NDArray[np.float32], Y: NDArray[np.float32]) -> NDArray[np.float32]:
    height = random.uniform(0.55, 1.0) * smoothstep(Y, -230, -20) * (1 - 0.35 * smoothstep(Y, 20, 200))
    q = smoothstep(Y, -30, 110)
    wave = np.sin(np.float32(math.pi / ARCH_WAVE_PX) * np.clip(X, -ARCH_WAVE_PX, ARCH_WAVE_PX))
    slope = -(1 - q) * wave - q * np.tanh(X / 110)
    theta: NDArray[np.float32] = np.arctan(1.1 * height * slope)
    return theta


def _period(random: np.random.Generator, Y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finer at the tip, coarser towards the crease of the joint."""
    period = np.float32(random.normal(*PERIOD_PX))
    below, above = smoothstep(-Y, 30, 190), smoothstep(Y, 60, 200)
    return np.asarray(period + np.float32(COARSER_BELOW_PX) * below - np.float32(0.3) * above, np.float32)
