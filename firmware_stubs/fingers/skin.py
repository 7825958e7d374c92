"""What the skin of one finger carries besides its ridges: ridge units with their pores, creases, incipient ridges.

All of it belongs to the finger and comes back in each of its impressions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.growth import SteeredFilter, doubled
from firmware_stubs.fingers.noise import smooth_noise, smoothstep
from firmware_stubs.fingers.patterns import CENTRE_Y_PX, MASTER_HEIGHT_PX, MASTER_WIDTH_PX, centre_of

UNIT_ALONG_TAPS: Final = np.arange(-5, 6) / 6.0  # in periods: a ridge unit is about as long as a ridge is wide
UNIT_ALONG_SIGMA: Final = 0.55
UNIT_ACROSS_TAPS: Final = np.arange(-2, 3) / 6.0
UNIT_ACROSS_SIGMA: Final = 0.20  # so narrow that neighbouring ridges do not agree
ROUGHNESS: Final = 0.11  # deviation of the relief that is neither ridge nor pore: the edges' own shape
WORN_SHARE: Final = 0.1  # of fingers
WORN_OFF: Final = 0.6  # of the relief, in patches of such fingers; by eye
WRINKLED_SHARE: Final = 0.12
PORE_SIGMA_PX: Final = 0.9
JOINT_CREASE_Y_PX: Final = CENTRE_Y_PX + 232.0
_SUBPIXEL_BITS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """The finger's surface, (H, W) float32 each.

    relief: height of the skin, +1 on a crest, -1 in a valley, lower in creases.
    units: +1 in the middle of a ridge unit, -1 between two: where a dry ridge breaks.
    pores: depth of the pores, 0..1.
    """

    relief: NDArray[np.float32]
    units: NDArray[np.float32]
    pores: NDArray[np.float32]


def draw_skin(
    random: np.random.Generator,
    cosine: NDArray[np.float32],
    orientation: NDArray[np.float32],
    period: NDArray[np.float32],
) -> Skin:
    """Draw the skin over the ridges `cosine` (cos of their phase) of the given flow, all (H, W) float32."""
    units = _ridge_units(random, orientation, period)
    relief = cosine - 2.5 * _creases(random, cosine.shape)
    relief += smooth_noise(random, cosine.shape, 1.0, ROUGHNESS) + smooth_noise(random, cosine.shape, 2.6, ROUGHNESS)
    if random.random() < 0.15:  # some fingers show thin broken ridges in the valleys, here and there
        where = smoothstep(smooth_noise(random, cosine.shape, 40.0), 0.7, 1.5)
        relief += where * (1.0 + 0.5 * units) * np.maximum(-cosine, 0.0) ** 6
    pores = _pores(random, cosine, units)
    if random.random() < WORN_SHARE:  # by work or eczema: no ridge there is like itself in another touch
        relief *= np.float32(1.0) - np.float32(WORN_OFF) * smoothstep(
            smooth_noise(random, cosine.shape, 38.0), 0.3, 1.1
        )
    return Skin(relief, units, pores)


def _ridge_units(
    random: np.random.Generator, orientation: NDArray[np.float32], period: NDArray[np.float32]
) -> NDArray[np.float32]:
    # At half size: what is as long as a ridge is wide needs no more.
    half = np.ascontiguousarray(orientation[::2, ::2]), np.ascontiguousarray(period[::2, ::2]) * np.float32(0.5)
    steered = SteeredFilter(*half, UNIT_ALONG_TAPS, UNIT_ACROSS_TAPS)
    envelope = np.exp(-0.5 * (UNIT_ALONG_TAPS / UNIT_ALONG_SIGMA) ** 2)
    cosine = np.cos(math.tau * UNIT_ALONG_TAPS)
    along = envelope * (cosine - (envelope @ cosine) / envelope.sum())
    along = (along / (along @ cosine)).astype(np.float32)
    across = np.exp(-0.5 * (UNIT_ACROSS_TAPS / UNIT_ACROSS_SIGMA) ** 2)
    across = (across / across.sum()).astype(np.float32)[None]
    units = smooth_noise(random, half[0].shape, 1.0)  # blurred: taps that far apart would alias the finest noise
    for gain in (3.0, 1.6):  # little saturation: real units are uneven in length and in depth
        units = np.tanh(np.float32(gain) * steered.apply(units, along, across)[0])
    return np.clip(doubled(units, orientation.shape), -1.0, 1.0)


def _pores(random: np.random.Generator, cosine: NDArray[np.float32], units: NDArray[np.float32]) -> NDArray[np.float32]:
    """One pore in the middle of most ridge units, a little off the crest."""
    highest = cv2.dilate(units, np.ones((5, 5), np.uint8))
    middles = (units >= highest) & (units > 0.3) & (cosine > 0.55)
    depth = np.zeros(cosine.shape, np.float32)
    rows, columns = np.nonzero(middles)
    depth[rows, columns] = random.uniform(0.0, 1.0, len(rows)) ** 1.5
    depth *= np.float32(math.tau * PORE_SIGMA_PX**2)  # so that the blur leaves each its depth
    return cv2.GaussianBlur(depth, (0, 0), PORE_SIGMA_PX).astype(np.float32, copy=False)


def draw_cuts(random: np.random.Generator, shape: tuple[int, int], count: int) -> NDArray[np.float32]:
    """Fresh scratches, anywhere and in any direction: (H, W) float32, 0..1."""
    lines = np.zeros(shape, np.uint8)
    for _ in range(count):
        middle = random.uniform((0.2 * shape[1], 0.2 * shape[0]), (0.8 * shape[1], 0.8 * shape[0]))
        _draw_crease(random, lines, middle, random.uniform(25, 110), random.uniform(0, math.pi), random.uniform(1, 3))
    drawn: NDArray[np.float32] = cv2.GaussianBlur(lines, (0, 0), 0.7).astype(np.float32) / np.float32(255)
    return drawn


def _creases(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """White lines that cross the ridges, 0..1: a few in most fingers, many fine ones in old ones, and the joint's."""
    height, width = shape
    lines = np.zeros((height, width), np.uint8)
    share = height * width / (MASTER_HEIGHT_PX * MASTER_WIDTH_PX)
    wrinkled = random.random() < WRINKLED_SHARE
    for _ in range(int(random.poisson((26.0 if wrinkled else 1.2) * share))):
        middle = random.uniform((0.1 * width, 0.12 * height), (0.9 * width, 0.8 * height))
        length = random.uniform(20, 110) if wrinkled else random.uniform(25, 130)
        # Most creases lie across the finger; those of an old one along it as well.
        angle = random.normal(1.5, 0.35) if wrinkled and random.random() < 0.5 else random.normal(0.15, 0.4)
        breadth = random.uniform(0.7, 2.2) if wrinkled else random.uniform(0.9, 3.4)
        _draw_crease(random, lines, middle, length, angle, breadth)
    joint = centre_of((width, height))[1] + JOINT_CREASE_Y_PX - CENTRE_Y_PX
    for _ in range(int(random.integers(2, 5))):
        middle = np.array([width / 2, joint + random.uniform(-22, 22)])
        _draw_crease(random, lines, middle, random.uniform(150, 420), random.normal(0.0, 0.07), random.uniform(2, 7))
    drawn = cv2.GaussianBlur(lines, (0, 0), 0.7).astype(np.float32) / np.float32(255)
    worn = 0.85 + smooth_noise(random, (height, width), 7.0, 0.35)
    creases: NDArray[np.float32] = drawn * np.clip(worn, 0.0, 1.0)
    return creases


def _draw_crease(
    random: np.random.Generator,
    lines: NDArray[np.uint8],
    middle: NDArray[np.float64],
    length: float,
    angle: float,
    breadth: float,
) -> None:
    """Draw one crease, bent and wavy, ragged in breadth and thin at its ends."""
    steps = max(8, int(length / 4))
    t = np.linspace(-0.5, 0.5, steps)
    sag = random.normal(0.0, 0.09) * length * (t * t - 0.08)
    sag += np.cumsum(random.normal(0.0, 0.5, steps))
    cosine, sine = math.cos(angle), math.sin(angle)
    points = middle + np.stack([cosine * length * t - sine * sag, sine * length * t + cosine * sag], axis=1)
    radii = 0.5 * breadth * np.sqrt(np.clip(1.0 - (2 * np.abs(t)) ** 4, 0.05, None)) * random.uniform(0.6, 1.3, steps)
    normal = np.array([-sine, cosine])
    outline = np.concatenate([points + radii[:, None] * normal, (points - radii[:, None] * normal)[::-1]])
    fixed = np.rint(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(lines, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
