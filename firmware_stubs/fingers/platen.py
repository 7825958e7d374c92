"""The glass of a large scanner: its paper and ink, what was left on it, its light, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.noise import smooth_noise, smoothstep


@dataclass(frozen=True, slots=True)
class Platen:
    """State of the glass.

    contrast: of ink, 1 is a good scanner's. uneven: grey levels that the background varies by over the glass.
    noise: deviation, grey levels. latent: ink of the last hand that is still there, 0..0.3. dirt: specks and hairs.
    paper: grey of the bare glass.
    """

    contrast: float = 1.0
    uneven: float = 0.0
    noise: float = 1.5
    latent: float = 0.0
    dirt: int = 0
    paper: float = 250.0


def draw_platen(random: np.random.Generator) -> Platen:
    """Draw from what enrollment points have: most glasses are clean, some are not."""
    return Platen(
        contrast=float(random.uniform(0.55, 1.0)),
        uneven=float(random.uniform(2.0, 14.0)) if random.random() < 0.4 else 0.0,
        noise=float(random.uniform(0.6, 4.0)),
        latent=float(random.uniform(0.04, 0.16)) if random.random() < 0.3 else 0.0,
        dirt=int(random.integers(1, 12)) if random.random() < 0.4 else 0,
        paper=254.0 if random.random() < 0.5 else float(random.uniform(205, 248)),
    )


def see(random: np.random.Generator, ink: NDArray[np.float32], platen: Platen | None = None) -> NDArray[np.uint8]:
    """Turn ink into grey.

    ink: (H, W) float32, 0..1. platen: a clean one by default.
    Returns (H, W) uint8, dark on light.
    """
    platen = Platen() if platen is None else platen
    shape = (ink.shape[0], ink.shape[1])
    ink = ink * np.clip(0.9 - smooth_noise(random, shape, 45.0, 0.06), 0.5, 1.0)
    if platen.latent > 0:
        ink = np.maximum(ink, _latent(random, ink, platen.latent))
    if platen.dirt:
        ink = np.maximum(ink, _dirt(random, shape, platen.dirt))
    black = random.uniform(5, 40)
    grey = np.float32(platen.paper) - np.float32((platen.paper - black) * platen.contrast) * ink
    if platen.uneven > 0:
        grey += smooth_noise(random, shape, 220.0, platen.uneven)
    blurred = cv2.GaussianBlur(grey, (0, 0), random.uniform(0.45, 0.75))
    noise = random.standard_normal(shape, dtype=np.float32) * np.float32(platen.noise)
    pixels: NDArray[np.uint8] = np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)
    return pixels


def _latent(random: np.random.Generator, ink: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Grease of an earlier hand; this one's print, mirrored, turned and worn, stands for it."""
    height, width = ink.shape
    angle, zoom = random.normal(0.0, 0.25), random.uniform(0.85, 1.1)
    turn = zoom * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    offset = middle - turn @ (middle + random.normal(0.0, 90.0, 2))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    left = cv2.warpAffine(ink, np.column_stack([turn, offset]), (width, height), flags=flags, borderValue=0.0)
    worn = np.clip(0.6 + smooth_noise(random, (height, width), 40.0, 0.4), 0.0, 1.2)
    latent: NDArray[np.float32] = np.float32(strength) * worn * left.astype(np.float32, copy=False)
    return latent


def _dirt(random: np.random.Generator, shape: tuple[int, int], count: int) -> NDArray[np.float32]:
    """Specks, hairs and a smear."""
    height, width = shape
    drawn = np.zeros(shape, np.uint8)
    for _ in range(count):
        x, y = (int(value) for value in random.uniform((0, 0), (width, height)))
        grey = int(random.uniform(60, 230))
        if random.random() < 0.6:
            axes = tuple(int(value) for value in random.uniform(2, 22, 2))
            cv2.ellipse(drawn, (x, y), axes, random.uniform(0, 180), 0, 360, grey, -1, cv2.LINE_AA)
        else:
            steps = np.cumsum(random.normal(0, 9, (40, 2)) + random.normal(0, 6, 2), axis=0) + np.array([x, y])
            cv2.polylines(
                drawn, [np.rint(steps).astype(np.int32)], False, grey, int(random.integers(1, 4)), cv2.LINE_AA
            )
    dirt = drawn.astype(np.float32) / np.float32(255)
    if random.random() < 0.5:
        x, y = random.uniform((0, 0), (width, height))
        rows, columns = np.indices(shape, dtype=np.float32)
        far = np.hypot(
            (columns - np.float32(x)) / random.uniform(60, 200), (rows - np.float32(y)) / random.uniform(40, 90)
        )
        dirt = np.maximum(dirt, np.float32(random.uniform(0.05, 0.25)) * (1.0 - smoothstep(far, 0.3, 1.0)))
    return dirt
