"""How near the skin comes to the platen: pressure, sweat and dryness over the relief of one finger.

Every defect acts on this height, before the sigmoid that stands for contact: ridges break and valleys flood as they do,
and no grey disc lies on the print. Dryness only takes ridge away, sweat only fills.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.condition import Condition
from firmware_stubs.fingers.contact import Contact
from firmware_stubs.fingers.noise import smooth_noise, smoothstep
from firmware_stubs.fingers.skin import Skin, draw_cuts

LEAST_TOUCHING: Final = 0.16  # share of the contact that is ridge in the driest print: nobody presses less
BREAKS: Final = (0.3, 1.0)  # how deep a ridge is notched between its units when the skin is neither dry nor wet
HELD_BY_RIDGES: Final = 0.35  # of a drop's relief, how far a ridge draws its edge; by eye
VALLEY_HELD: Final = 0.6  # of the sweat that the middle of a valley is spared; by eye
ROUGHNESS: Final = 0.17  # of the skin's relief, anew in each touch


def height_over_platen(
    random: np.random.Generator, skin: Skin, contact: Contact, condition: Condition
) -> NDArray[np.float32]:
    """Height of the skin towards the platen, (H, W) float32: above 0 it touches."""
    shape = (contact.radius.shape[0], contact.radius.shape[1])
    relief = _carried(skin.relief, contact, -3.0)
    units = _carried(skin.units, contact, 0.0)
    pores = _carried(skin.pores, contact, 0.0)
    fine, coarse = smooth_noise(random, shape, 1.0), smooth_noise(random, shape, 2.6)
    height = relief + np.float32(ROUGHNESS) * (np.float32(0.8) * fine + np.float32(0.6) * coarse)
    height += np.float32(0.8 * condition.pressure + random.normal(0.0, 0.06))
    height += smooth_noise(random, shape, 55.0, 0.24) + smooth_noise(random, shape, 17.0, 0.10)
    height -= np.float32(0.45) * smoothstep(contact.radius, 0.6, 1.05)
    # A ridge breaks between two of its units first; some units hold together.
    uneven = np.clip(np.float32(0.5) + smooth_noise(random, shape, 5.0, 0.3), 0.05, 1.2)
    gap = (np.float32(1.0) - units) * uneven
    breaks = random.uniform(*BREAKS) / (1.0 + 2.0 * condition.wetness)  # sweat fills the gaps first
    height -= gap * np.float32(breaks)
    if condition.dryness > 0:
        patchy = np.clip(1.0 + smooth_noise(random, shape, 40.0, 0.4), 0.15, 2.0)
        dry = np.float32(condition.dryness) * patchy
        height -= dry * (np.float32(0.95) * gap + np.float32(0.16) + np.float32(0.35) * np.maximum(fine + coarse, 0))
    if condition.wetness > 0:
        height += _flood(random, condition.wetness, relief, coarse)
    height -= pores * np.float32(random.uniform(0.2, 1.0) + 0.8 * condition.wetness)
    if condition.cuts:
        height -= 3.0 * draw_cuts(random, shape, condition.cuts)
    touching = height[::3, ::3][contact.touching[::3, ::3]]
    if touching.size:
        height -= min(0.0, float(np.quantile(touching, 1.0 - LEAST_TOUCHING)))
    if condition.drops:
        height += _drops(random, condition.drops, relief, contact)
    height -= 8.0 * smoothstep(contact.radius, 0.97, 1.04)
    return np.asarray(height, np.float32)


def _drops(
    random: np.random.Generator, share: float, relief: NDArray[np.float32], contact: Contact
) -> NDArray[np.float32]:
    """Water that stands between skin and glass: it ends where a ridge holds it, so its edges run along ridges."""
    shape = (relief.shape[0], relief.shape[1])
    touching = contact.touching[::3, ::3]
    if not touching.any():
        return np.zeros(shape, np.float32)
    field = smooth_noise(random, shape, 11.0) + smooth_noise(random, shape, 55.0, 0.7)
    field += np.float32(HELD_BY_RIDGES) * np.clip(relief, -1.0, 1.0)
    edge = float(np.quantile(field[::3, ::3][touching], 1.0 - share))
    return np.float32(4.0) * smoothstep(field, edge, edge + 0.25)


def _carried(field: NDArray[np.float32], contact: Contact, beyond: float) -> NDArray[np.float32]:
    """Give one of the master's fields in the image's pixels; `beyond` where the master ends."""
    x, y = contact.to_master[..., 0], contact.to_master[..., 1]
    taken = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
    return taken.astype(np.float32, copy=False)


def _flood(
    random: np.random.Generator, wetness: float, relief: NDArray[np.float32], texture: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sweat that fills valleys: everywhere a little, in patches wholly, with flecks that stay dry.

    It creeps up from both ridges, so that the middle of a valley stays a white line the longest.
    """
    shape = (relief.shape[0], relief.shape[1])
    patches = smoothstep(smooth_noise(random, shape, 38.0), -0.2, 1.3)
    flood = np.float32(wetness) * (np.float32(0.32) + np.float32(0.85) * patches)
    clinging = np.clip(1.0 + np.float32(0.38) * texture, 0.0, 1.6)
    middle = np.clip(-relief, 0.0, 1.0) ** 6
    filled: NDArray[np.float32] = flood * clinging * (1.0 - np.float32(VALLEY_HELD) * middle)
    return filled
