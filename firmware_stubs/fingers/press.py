"""Ink that skin leaves on the glass, from maps that say which spot of the finger each pixel sees.

As in a single impression, every defect acts on the height of the skin over the platen before the sigmoid that stands
for contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.noise import smooth_noise, smoothstep
from firmware_stubs.fingers.skin import Skin

LEAST_TOUCHING: Final = 0.16  # share of the contact that is ridge in the driest print
_NO_SKIN: Final = -3.0


@dataclass(frozen=True, slots=True)
class Touch:
    """State of the skin of one finger and how hard it was pressed; as in `Condition`."""

    pressure: float = 0.0
    dryness: float = 0.0
    wetness: float = 0.0


def draw_touch(random: np.random.Generator) -> Touch:
    """Draw from the mixture met in the field: about a third dry, a fifth wet."""
    skin = random.random()
    return Touch(
        pressure=float(random.normal(0.0, 0.28)),
        dryness=float(random.uniform(0.2, 1.2)) if skin < 0.36 else 0.0,
        wetness=float(random.uniform(0.2, 1.2)) if skin > 0.80 else 0.0,
    )


def press(
    random: np.random.Generator,
    skin: Skin,
    to_skin: NDArray[np.float32],
    radius: NDArray[np.float32],
    touch: Touch,
) -> NDArray[np.float32]:
    """Press skin on the glass.

    to_skin: (H, W, 2) float32, x and y on the skin's fields of each pixel.
    radius: (H, W) float32, 0 in the middle of the contact, 1 at its edge.
    Returns (H, W) float32 ink, 0 none, 1 black.
    """
    shape = radius.shape
    relief = _carried(skin.relief, to_skin, _NO_SKIN)
    units = _carried(skin.units, to_skin, 0.0)
    pores = _carried(skin.pores, to_skin, 0.0)
    texture = smooth_noise(random, shape, 1.1, 0.8) + smooth_noise(random, shape, 2.8, 0.6)
    height: NDArray[np.float32] = relief + np.float32(0.3) * texture
    height += np.float32(0.8 * touch.pressure + random.normal(0.0, 0.06))
    height += smooth_noise(random, shape, 55.0, 0.26)
    height -= np.float32(0.5) * smoothstep(radius, 0.6, 1.05)
    gap = (1.0 - units) * np.clip(0.5 + smooth_noise(random, shape, 5.0, 0.25), 0.08, 1.1)
    dry = np.float32(touch.dryness) * np.clip(1.0 + smooth_noise(random, shape, 40.0, 0.35), 0.2, 2.0)
    height -= gap * (np.float32(random.uniform(0.35, 0.95) / (1.0 + touch.wetness)) + np.float32(0.9) * dry)
    height -= dry * (0.18 + 0.45 * np.maximum(texture, 0.0))
    if touch.wetness > 0:
        patches = smoothstep(smooth_noise(random, shape, 38.0), 0.1, 1.3)
        flecks = np.maximum(-texture - 1.2, 0.0)
        height += np.float32(touch.wetness) * (0.42 + 0.75 * patches - 0.9 * flecks)
    height -= pores * np.float32(random.uniform(0.3, 1.2))
    touching = height[::3, ::3][radius[::3, ::3] < 1.0]
    if touching.size:
        height -= min(0.0, float(np.quantile(touching, 1.0 - LEAST_TOUCHING)))
    height -= 8.0 * smoothstep(radius, 0.97, 1.04)
    steepness = np.float32(np.clip(random.normal(5.4, 1.0), 3.2, 8.0))
    ink: NDArray[np.float32] = 1.0 / (1.0 + np.exp(np.clip(-steepness * height, -30.0, 30.0)))
    return ink


def _carried(field: NDArray[np.float32], to_skin: NDArray[np.float32], beyond: float) -> NDArray[np.float32]:
    x, y = to_skin[..., 0], to_skin[..., 1]
    taken = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond)
    return taken.astype(np.float32, copy=False)
