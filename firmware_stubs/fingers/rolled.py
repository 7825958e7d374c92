"""Rolled prints: a finger from nail to nail, with the ridges of its master in the middle.

A master is as wide as a flat touch. Its flow is carried on to both sides and above, and ridges are grown there while
those of the master stay what they are, so that flat and rolled prints of a finger agree to the pore.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.contact import Contact, carry
from firmware_stubs.fingers.growth import Quadrature, SteeredFilter, gabor_weights
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.minutiae import Minutiae, find_minutiae
from firmware_stubs.fingers.noise import smooth_noise, smoothstep, stream
from firmware_stubs.fingers.patterns import CENTRE_X_PX, CENTRE_Y_PX
from firmware_stubs.fingers.platen import see
from firmware_stubs.fingers.press import Touch, draw_touch, press
from firmware_stubs.fingers.skin import Skin

ROLLED_SIZE: Final = (800, 750)
SIDE_PX: Final = 172  # grown on each side of the master; even, as growth is at half size
ABOVE_PX: Final = 64
PERIOD_CORRECTION: Final = 1.08  # ridges that the steered filter alone grows settle 2 to 11 % coarser than it
_ITERATIONS: Final = 26
_SEAM_PX: Final = 12.0  # over which the master's ridges give way to the grown ones
_STEADY_PX: Final = 40.0  # the flow beside the master is its own, averaged over so much


@dataclass(frozen=True, slots=True, eq=False)
class UnrolledFinger:
    """A finger from nail to nail.

    skin: (H, W) float32 fields, the master's (0, 0) at (SIDE_PX, ABOVE_PX). minutiae: all of them, in its pixels.
    """

    seed: int
    skin: Skin
    minutiae: Minutiae


@dataclass(frozen=True, slots=True, eq=False)
class RolledPrint:
    """One rolled print and the truth about it.

    pixels: (H, W) uint8, 500 ppi, ridges dark on light.
    minutiae: those that touch, in the image's pixels. contact: (H, W) bool, where skin met the glass.
    """

    pixels: NDArray[np.uint8]
    minutiae: Minutiae
    contact: NDArray[np.bool_]


def unroll(master: Master) -> UnrolledFinger:
    """Grow the sides of a finger. The same master gives the same finger."""
    random = stream(master.seed, "unrolled")
    cosine = _padded(master.cosine)
    known = _seam(cosine.shape)
    orientation, period = _carried_on(master.orientation), _steady(master.period)
    quadrature = _grow_around(random, cosine, known, orientation, period)
    amplitude = np.maximum(np.hypot(quadrature.even, quadrature.odd), 1e-6)
    sides = find_minutiae(quadrature, orientation, np.zeros((0, 2), np.float32))
    columns, rows = np.rint(sides.positions).astype(np.intp).T
    sides = sides.where(known[rows, columns] < 0.5)
    offset = np.array([SIDE_PX, ABOVE_PX], np.float32)
    inner = Minutiae(master.minutiae.positions + offset, master.minutiae.directions, master.minutiae.bifurcations)
    columns, rows = np.rint(inner.positions).astype(np.intp).T
    inner = inner.where(known[rows, columns] >= 0.5)
    grown = (quadrature.even / amplitude).astype(np.float32, copy=False)
    units = smooth_noise(random, known.shape, 1.6)
    skin = Skin(
        relief=known * _padded(master.skin.relief) + (1.0 - known) * grown,
        units=known * _padded(master.skin.units) + (1.0 - known) * np.tanh(units),
        pores=known * _padded(master.skin.pores),
    )
    return UnrolledFinger(
        master.seed,
        skin,
        Minutiae(*(np.concatenate(pair) for pair in zip(_fields(inner), _fields(sides), strict=True))),
    )


def make_rolled(
    finger: UnrolledFinger,
    seed: int,
    *,
    size: tuple[int, int] = ROLLED_SIZE,
    scale: float = 1.0,
    touch: Touch | None = None,
) -> RolledPrint:
    """Roll a finger from nail to nail.

    seed: not negative; another seed is another rolling. size: width and height in pixels.
    scale: size of the finger, 0.4..1.5 of its master's; a child's are smaller, ridges and all.
    touch: by default drawn from the natural mixture.
    Raises ValueError for a negative seed or a scale out of range.
    """
    if not 0.4 <= scale <= 1.5:
        raise ValueError(f"the scale of a finger is 0.4..1.5, not {scale}")
    random = stream(finger.seed, "rolled", seed)
    touch = draw_touch(random) if touch is None else touch
    contact = _roll(random, (size[1], size[0]), scale)
    ink = press(random, finger.skin, contact.to_master, contact.radius, touch)
    return RolledPrint(see(random, ink), carry(finger.minutiae, contact), contact.touching)


def _roll(random: np.random.Generator, shape: tuple[int, int], scale: float) -> Contact:
    """Lay one side down, roll to the other: the skin is stretched as it goes, and climbs or sinks a little."""
    height, width = shape
    rotation = math.radians(float(np.clip(random.normal(0.0, 4.0), -12.0, 12.0)))
    y, x = np.indices(shape, dtype=np.float32)
    x -= np.float32(width / 2 + random.normal(0.0, 12.0))
    y -= np.float32(height / 2 - 30.0 * scale + random.normal(0.0, 15.0))
    cosine, sine = math.cos(rotation), math.sin(rotation)
    along_x, along_y = (cosine * x + sine * y) / np.float32(scale), (cosine * y - sine * x) / np.float32(scale)
    half_width, half_height = random.uniform(265, 335), random.uniform(225, 262)
    pad_x, pad_y = along_x / np.float32(half_width), (along_y - np.float32(20.0)) / np.float32(half_height)
    radius = (np.abs(pad_x) ** 3.5 + np.abs(pad_y) ** np.where(pad_y < 0, np.float32(2.4), np.float32(3.5))) ** 0.5
    radius += smooth_noise(random, shape, 20.0, 0.02) + smooth_noise(random, shape, 3.0, 0.012)
    stretch = np.float32(1.0 + random.normal(0.01, 0.015))
    climb = np.float32(random.normal(0.0, 7.0))
    rolled_x = along_x * stretch + np.float32(random.normal(0.0, 4.0)) * np.square(pad_x)
    rolled_y = along_y + climb * pad_x + np.float32(random.normal(0.0, 7.0)) * np.square(pad_x)
    bulge_x, bulge_y = (smooth_noise(random, shape, 110.0, 2.0) for _ in range(2))
    to_skin = np.stack(
        [
            rolled_x + bulge_x + np.float32(CENTRE_X_PX + SIDE_PX),
            rolled_y + bulge_y + np.float32(CENTRE_Y_PX + ABOVE_PX),
        ],
        axis=2,
    )
    return Contact(to_skin.astype(np.float32, copy=False), radius.astype(np.float32, copy=False), rotation)


def _fields(minutiae: Minutiae) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    return minutiae.positions, minutiae.directions, minutiae.bifurcations


def _padded(field: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.copyMakeBorder(field, ABOVE_PX, 0, SIDE_PX, SIDE_PX, cv2.BORDER_REPLICATE), np.float32)


def _seam(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """1 on the master, 0 off it, smooth between."""
    height, width = shape
    y, x = np.indices((height, width), dtype=np.float32)
    inside = np.minimum(np.minimum(x - SIDE_PX, width - 1 - SIDE_PX - x), y - ABOVE_PX)
    return smoothstep(inside, 0.0, _SEAM_PX)


def _steady(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Carry a field on beyond the master, smoother the further away."""
    padded = _padded(field)
    averaged = cv2.GaussianBlur(padded, (0, 0), _STEADY_PX).astype(np.float32)
    weight = cv2.GaussianBlur(_seam(padded.shape), (0, 0), 8.0).astype(np.float32)
    steady: NDArray[np.float32] = weight * padded + (1.0 - weight) * averaged
    return steady


def _carried_on(orientation: NDArray[np.float32]) -> NDArray[np.float32]:
    double = 2.0 * orientation
    angle = np.arctan2(_steady(np.sin(double)), _steady(np.cos(double)))
    return np.mod(0.5 * angle, np.float32(np.pi)).astype(np.float32, copy=False)


def _grow_around(
    random: np.random.Generator,
    cosine: NDArray[np.float32],
    known: NDArray[np.float32],
    orientation: NDArray[np.float32],
    period: NDArray[np.float32],
) -> Quadrature:
    """Grow ridges where they are not known, from those that are and from noise."""
    height, width = cosine.shape
    along, across = gabor_weights()
    filter_period = period / np.float32(PERIOD_CORRECTION)
    half = SteeredFilter(orientation[::2, ::2], filter_period[::2, ::2] * np.float32(0.5))
    fixed, weight = cosine[::2, ::2], known[::2, ::2]
    pattern = np.float32(0.05) * random.standard_normal(fixed.shape, dtype=np.float32)
    for _ in range(_ITERATIONS):
        pattern = weight * fixed + (1.0 - weight) * pattern
        pattern = np.tanh(6.0 * half.apply(pattern, along, across[:1])[0])
    to_half = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(pattern, to_half, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    steered = SteeredFilter(orientation, filter_period)
    mixed = known * cosine + (1.0 - known) * enlarged.astype(np.float32, copy=False)
    full = np.tanh(3.0 * steered.apply(mixed, along, across[:1])[0])
    even, odd = steered.apply(full, along, across)
    return Quadrature(even, odd)
