"""What a sensor sees of a finger that is laid on it: (H, W) uint8 at 500 ppi, ridges dark.

Every defect acts on the height of the skin over the platen, before the sigmoid that stands for contact: ridges break
and valleys flood as they do, and no grey disc lies on the print.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.condition import Condition, draw_condition
from firmware_stubs.fingers.contact import Contact, carry, lay_down
from firmware_stubs.fingers.master import Master, make_master
from firmware_stubs.fingers.minutiae import Minutiae
from firmware_stubs.fingers.noise import smooth_noise, smoothstep, stream
from firmware_stubs.fingers.patterns import MASTER_HEIGHT_PX, MASTER_WIDTH_PX

DEFAULT_SIZE: Final = (388, 374)
MIN_SIDE_PX: Final = 64
MAX_SIDE_PX: Final = 2048
LEAST_TOUCHING: Final = 0.16  # share of the contact that is ridge in the driest print: nobody presses less
GHOST_SHARE: Final = 0.12
_CACHED_MASTERS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Impression:
    """One image of a finger and the truth about it.

    pixels: (H, W) uint8, 500 ppi, ridges dark on light.
    minutiae: those that touch, in the image's pixels.
    contact: (H, W) bool, where skin met the platen.
    to_master: (H, W, 2) float32, x and y on the master of each pixel: carries any of its fields over.
    condition: how it was taken.
    """

    pixels: NDArray[np.uint8]
    minutiae: Minutiae
    contact: NDArray[np.bool_]
    to_master: NDArray[np.float32]
    condition: Condition


def make_impression(
    master: Master, seed: int, *, size: tuple[int, int] = DEFAULT_SIZE, condition: Condition | None = None
) -> Impression:
    """Take one impression of a finger.

    seed: not negative; another seed is another touch. size: width and height, 64..2048 pixels.
    condition: by default drawn from the natural mixture.
    Raises ValueError for a negative seed or a size out of range.
    """
    width, height = size
    if not (MIN_SIDE_PX <= width <= MAX_SIDE_PX and MIN_SIDE_PX <= height <= MAX_SIDE_PX):
        raise ValueError(f"an impression is {MIN_SIDE_PX}..{MAX_SIDE_PX} pixels wide and high, not {width} x {height}")
    touch = (master.seed, "impression", seed)
    drawn = draw_condition(stream(*touch, "condition"))
    condition = drawn if condition is None else condition
    contact = lay_down(stream(*touch, "contact"), condition, (height, width))
    height_over_platen = _skin_height(stream(*touch, "skin"), master, contact, condition)
    pixels = _see(stream(*touch, "sensor"), master, contact, height_over_platen)
    return Impression(pixels, carry(master.minutiae, contact), contact.touching, contact.to_master, condition)


def finger_image(finger_seed: int, impression: int, size: tuple[int, int] = DEFAULT_SIZE) -> NDArray[np.uint8]:
    """Give the pixels of a finger's n-th impression; the last dozen fingers stay in memory."""
    return make_impression(_cached_master(finger_seed), impression, size=size).pixels


@functools.lru_cache(maxsize=_CACHED_MASTERS)
def _cached_master(seed: int) -> Master:
    return make_master(seed)


def _skin_height(
    random: np.random.Generator, master: Master, contact: Contact, condition: Condition
) -> NDArray[np.float32]:
    """Height of the skin towards the platen: above 0 it touches."""
    shape = contact.radius.shape
    relief = _carried(master.skin.relief, contact, -3.0)
    units = _carried(master.skin.units, contact, 0.0)
    pores = _carried(master.skin.pores, contact, 0.0)
    texture = smooth_noise(random, shape, 1.1) * np.float32(0.8) + smooth_noise(random, shape, 2.8, 0.6)
    height: NDArray[np.float32] = relief + 0.30 * texture
    height += np.float32(0.8 * condition.pressure + random.normal(0.0, 0.06))
    height += smooth_noise(random, shape, 55.0, 0.26) + smooth_noise(random, shape, 17.0, 0.12)
    height -= 0.5 * smoothstep(contact.radius, 0.6, 1.05)
    uneven = np.clip(1.0 + smooth_noise(random, shape, 5.0, 0.5), 0.15, 2.2)  # some ridge units hold together
    gap = (1.0 - units) * uneven * np.float32(0.5)
    dry = np.float32(condition.dryness) * np.clip(1.0 + smooth_noise(random, shape, 40.0, 0.35), 0.2, 2.0)
    breaks = random.uniform(0.35, 0.95) / (1.0 + condition.wetness)  # sweat fills the gaps first
    height -= gap * (np.float32(breaks) + 0.9 * dry)
    height -= dry * (0.18 + 0.45 * np.maximum(texture, 0.0))
    if condition.wetness > 0:
        height += _flood(random, condition.wetness, texture, shape)
    height -= pores * np.float32(random.uniform(0.3, 1.2) + 1.2 * condition.wetness)
    touching = height[::3, ::3][contact.touching[::3, ::3]]
    if touching.size:
        height -= min(0.0, float(np.quantile(touching, 1.0 - LEAST_TOUCHING)))
    height -= 8.0 * smoothstep(contact.radius, 0.97, 1.04)
    return height


def _carried(field: NDArray[np.float32], contact: Contact, beyond: float) -> NDArray[np.float32]:
    """Give one of the master's fields in the image's pixels; `beyond` where the master ends."""
    x, y = contact.to_master[..., 0], contact.to_master[..., 1]
    taken = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
    return taken.astype(np.float32, copy=False)


def _flood(
    random: np.random.Generator, wetness: float, texture: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Sweat that fills valleys: everywhere a little, in patches wholly, with flecks that stay dry."""
    patches = smoothstep(smooth_noise(random, shape, 38.0), 0.1, 1.3)
    flecks = np.maximum(-texture - 1.2, 0.0)
    flood: NDArray[np.float32] = np.float32(wetness) * (0.42 + 0.75 * patches - 0.9 * flecks)
    return flood


def _see(
    random: np.random.Generator, master: Master, contact: Contact, height: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Turn contact into grey: the sensor's contrast, paper and ink, what the last finger left, blur and noise."""
    shape = height.shape
    steepness = float(np.clip(random.normal(5.4, 1.4), 2.8, 9.0))
    ink: NDArray[np.float32] = 1.0 / (1.0 + np.exp(np.clip(-np.float32(steepness) * height, -30.0, 30.0)))
    ink *= 1.0 - np.clip(
        0.10 + smooth_noise(random, shape, 2.0, 0.06) + smooth_noise(random, shape, 45.0, 0.07), 0, 0.6
    )
    if random.random() < GHOST_SHARE:
        ink = np.maximum(ink, _ghost(random, master, shape))
    style = random.random()
    paper = 254.0 if style < 0.60 else random.uniform(228, 246) if style < 0.82 else random.uniform(190, 222)
    black = random.uniform(5, 45)
    grey = np.float32(paper) - np.float32(paper - black) * ink
    if style >= 0.60:
        grey += smooth_noise(random, shape, 150.0, 4.0)
    blurred = cv2.GaussianBlur(grey, (0, 0), random.uniform(0.45, 0.75))
    noise = random.standard_normal(shape, dtype=np.float32) * np.float32(random.uniform(0.6, 3.0))
    pixels: NDArray[np.uint8] = np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)
    return pixels


def _ghost(random: np.random.Generator, master: Master, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Faint grease of an earlier finger; a mirrored part of this one's ridges stands for it."""
    height, width = shape
    angle = random.uniform(-0.5, 0.5)
    shift_x, shift_y = random.normal(0.0, 45.0, 2)
    turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = turn @ np.array([width / 2 + shift_x, height / 2 + shift_y])
    offset = np.array([MASTER_WIDTH_PX / 2, MASTER_HEIGHT_PX / 2]) - middle
    ridges = cv2.warpAffine(
        master.cosine,
        np.column_stack([turn, offset]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=-1.0,
    ).astype(np.float32, copy=False)
    y, x = np.indices(shape, dtype=np.float32)
    radius = np.hypot((x - width / 2 - shift_x) / 125, (y - height / 2 - shift_y) / 165)
    worn = np.clip(0.6 + smooth_noise(random, shape, 25.0, 0.4), 0.0, 1.2) * (1.0 - smoothstep(radius, 0.75, 1.05))
    ghost: NDArray[np.float32] = np.float32(random.uniform(0.05, 0.16)) * worn * smoothstep(ridges, -0.3, 0.6)
    return ghost
