"""Smooth random fields and seeds: what every stage of a synthetic finger draws from.

Each stage draws from its own stream, named by a word, so that a change in one stage leaves the others as they were.
"""

from __future__ import annotations

import math
import zlib
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_WHITE_TO_UNIT: Final = 2.0 * math.sqrt(math.pi)  # white noise blurred at sigma 1 has a deviation of 1 / (2 sqrt(pi))


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Give the random stream of one stage: the same for the same seed and path, in every process.

    seed: not negative. path: words and not negative numbers that name the stage.
    Raises ValueError for a negative seed.
    """
    if seed < 0:
        raise ValueError(f"a seed is not negative: {seed}")
    return np.random.default_rng(
        [seed, *(zlib.crc32(step.encode()) if isinstance(step, str) else step for step in path)]
    )


def smooth_noise(
    random: np.random.Generator, shape: tuple[int, int], sigma_px: float, deviation: float = 1.0
) -> NDArray[np.float32]:
    """Draw a Gaussian field of zero mean whose values agree over about `sigma_px`.

    Returns (H, W) float32. Below two pixels the field is blurred white noise, above it is drawn coarse and enlarged.
    """
    cell = max(1.0, sigma_px)
    margin = 3
    rows, columns = (math.ceil(side / cell) + 2 * margin for side in shape)
    coarse = random.standard_normal((rows, columns), dtype=np.float32)
    sigma = sigma_px / cell
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigma) * np.float32(_WHITE_TO_UNIT * sigma * deviation)
    if cell == 1.0:
        return coarse[margin : margin + shape[0], margin : margin + shape[1]].copy()
    offset = random.uniform(0.0, 1.0, 2)
    to_coarse = np.array([[1 / cell, 0, margin - 1 + offset[0]], [0, 1 / cell, margin - 1 + offset[1]]])
    return cv2.warpAffine(coarse, to_coarse, (shape[1], shape[0]), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP).astype(
        np.float32, copy=False
    )


def smoothstep(x: NDArray[np.float32], start: float, end: float) -> NDArray[np.float32]:
    """Rise smoothly from 0 at `start` to 1 at `end`."""
    t = np.clip((x - np.float32(start)) / np.float32(end - start), 0.0, 1.0)
    smooth: NDArray[np.float32] = t * t * (3.0 - 2.0 * t)
    return smooth
