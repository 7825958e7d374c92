"""Ridges grown from noise by Gabor filters that follow the flow at every pixel.

A pattern that is filtered, saturated and filtered again settles into ridges of the asked orientation and period, and
its minutiae come where the flow forces them or the noise left them, as in the embryo (Cappelli, Maltoni et al. 2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.noise import smooth_noise, smoothstep

ITERATIONS: Final = 32
PERIOD_CORRECTION: Final = 1.08  # ridges settle 8 % coarser than the filter
ALONG_TAPS: Final = np.arange(-3, 4) / 3.0  # in periods
ALONG_SIGMA: Final = 0.8
ACROSS_TAPS: Final = np.arange(-5, 6) / 6.0
ACROSS_SIGMA: Final = 0.42


@dataclass(frozen=True, slots=True, eq=False)
class Quadrature:
    """A full-size ridge pattern as an even and an odd response: even + i odd = amplitude exp(i phase).

    The phase rises along (-sin, cos) of the orientation, y down; a ridge is where the phase is 0.
    """

    even: NDArray[np.float32]
    odd: NDArray[np.float32]


class SteeredFilter:
    """A separable filter whose taps lie along and across the ridge at each pixel, in units of the local period."""

    def __init__(
        self,
        orientation: NDArray[np.float32],
        period: NDArray[np.float32],
        along_taps: NDArray[np.float64] = ALONG_TAPS,
        across_taps: NDArray[np.float64] = ACROSS_TAPS,
    ) -> None:
        self._shape = orientation.shape
        cosine, sine = np.cos(orientation) * period, np.sin(orientation) * period
        self._along = self._maps(cosine, sine, along_taps)
        self._across = self._maps(-sine, cosine, across_taps)

    def _maps(
        self, step_x: NDArray[np.float32], step_y: NDArray[np.float32], taps: NDArray[np.float64]
    ) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
        """Fixed-point sampling positions of all taps, one image below the other, so that one remap takes them all."""
        y, x = np.indices(self._shape, dtype=np.float32)
        offsets = taps.astype(np.float32)[:, None, None]
        width = self._shape[1]
        map_x = (x + offsets * step_x).reshape(-1, width)
        map_y = (y + offsets * step_y).reshape(-1, width)
        first, second = cv2.convertMaps(map_x, map_y, cv2.CV_16SC2)
        return first.astype(np.int16, copy=False), second.astype(np.uint16, copy=False)

    def apply(
        self, image: NDArray[np.float32], along: NDArray[np.float32], across: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Weigh the taps: `along` (A,), then each of `across` (K, C). Returns (K, H, W) float32."""
        taken = cv2.remap(image, *self._along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        smooth = (along @ taken.reshape(len(along), -1)).reshape(self._shape)
        taken = cv2.remap(smooth, *self._across, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return (across @ taken.reshape(across.shape[1], -1)).reshape(-1, *self._shape)


def gabor_weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights along (7,), and across (2, 11) even then odd: a matching wave cos(phase) gives cos(phase), sin(phase)."""
    along = np.exp(-0.5 * (ALONG_TAPS / ALONG_SIGMA) ** 2)
    envelope = np.exp(-0.5 * (ACROSS_TAPS / ACROSS_SIGMA) ** 2)
    cosine, sine = np.cos(math.tau * ACROSS_TAPS), np.sin(math.tau * ACROSS_TAPS)
    even = envelope * (cosine - (envelope @ cosine) / envelope.sum())  # no answer to a constant
    odd = -envelope * sine  # sampled ahead along the normal, the wave is cos(phase + tap): its sine part is negative
    return (
        (along / along.sum()).astype(np.float32),
        np.stack([even / (even @ cosine), odd / -(odd @ sine)]).astype(np.float32),
    )


def grow(random: np.random.Generator, orientation: NDArray[np.float32], period: NDArray[np.float32]) -> Quadrature:
    """Grow the ridges of one flow. orientation, period: (H, W) float32 at full size, H and W even."""
    height, width = orientation.shape
    along, across = gabor_weights()
    filter_period = period / np.float32(PERIOD_CORRECTION)
    half = SteeredFilter(orientation[::2, ::2], filter_period[::2, ::2] * np.float32(0.5))
    pattern = _start(random, (height // 2, width // 2))
    for _ in range(ITERATIONS):
        pattern = np.tanh(6.0 * half.apply(pattern, along, across[:1])[0])
    # Sample (x, y) of the half-size grid stands for (2x, 2y) here: a resize would shift it by half a pixel.
    enlarge = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(pattern, enlarge, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    steered = SteeredFilter(orientation, filter_period)
    full = np.tanh(3.0 * steered.apply(enlarged.astype(np.float32, copy=False), along, across[:1])[0])
    even, odd = steered.apply(full, along, across)
    return Quadrature(even, odd)


def _start(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """White noise that is strong in patches: ridges spread in order from them, so minutiae come in clusters."""
    patches = smoothstep(smooth_noise(random, shape, 18.0), -0.6, 1.0)
    return random.standard_normal(shape, dtype=np.float32) * (0.003 + patches**2)
