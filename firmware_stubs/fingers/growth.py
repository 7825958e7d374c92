"""Ridges grown from noise by Gabor filters that follow the flow.

A pattern that is filtered, saturated and filtered again settles into ridges of the asked orientation and period, and
its minutiae come where the flow forces them or the noise left them, as in the embryo (Cappelli, Maltoni et al. 2000).
Most of the growth runs at half resolution on tiles, each of one orientation and period, as matrix products; the last
steps are steered at every pixel.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.noise import smooth_noise, smoothstep

TILED_ITERATIONS: Final = 12  # more let opposed minutiae meet and vanish: those that the flow forces would be left
STEERED_ITERATIONS: Final = 2  # before and again after short ridges and lakes are put in
GAIN: Final = 6.0
ALONG_TAPS: Final = np.arange(-3, 4) / 3.0  # in periods
ALONG_SIGMA: Final = 0.8
ACROSS_TAPS: Final = np.arange(-5, 6) / 6.0
ACROSS_SIGMA: Final = 0.42

TILE: Final = 4  # half-size pixels: small products, which no BLAS spreads over threads
ORIENTATIONS: Final = 24
PERIOD_STEP: Final = 0.12  # of a period, between filters
_REACH: Final = 5  # half-size pixels that a filter reaches beyond its own

SHORT_RIDGES_PER_MM2: Final = 0.014  # islands, lakes and spurs; a guess: they are about a twentieth of the minutiae
SHORT_RIDGE_PERIODS: Final = (1.6, 4.0)  # their length
_NEAR_PX: Final = 26  # half-size pixels within which a short ridge bends its neighbours
MM_PER_PIXEL: Final = 25.4 / 500


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


class TiledFilter:
    """The even Gabor filter of each tile's orientation and period: one matrix product for all tiles of one filter."""

    def __init__(self, orientation: NDArray[np.float32], period: NDArray[np.float32]) -> None:
        """orientation, period: (H, W), both multiples of TILE."""
        self._rows, self._columns = orientation.shape[0] // TILE, orientation.shape[1] // TILE
        cells = (self._columns, self._rows)
        cosine, sine, mean = (
            cv2.resize(field, cells, interpolation=cv2.INTER_AREA)
            for field in (np.cos(2 * orientation), np.sin(2 * orientation), period)
        )
        turns = np.rint(np.arctan2(sine, cosine) / math.tau * ORIENTATIONS).astype(np.intp) % ORIENTATIONS
        steps = np.rint(np.log(mean) / PERIOD_STEP).astype(np.intp)
        names = (steps * ORIENTATIONS + turns).ravel()
        self._order = np.argsort(names, kind="stable")
        kinds, starts = np.unique(names[self._order], return_index=True)
        stops = [*starts[1:], len(names)]
        self._groups = [
            (slice(start, stop), _tile_kernel(int(kind % ORIENTATIONS), int(kind // ORIENTATIONS)))
            for kind, start, stop in zip(kinds, starts, stops, strict=True)
        ]

    def apply(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter (H, W) float32."""
        side = TILE + 2 * _REACH
        padded = cv2.copyMakeBorder(image, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REFLECT_101)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))[::TILE, ::TILE]
        taken = windows[self._order // self._columns, self._order % self._columns].reshape(-1, side * side)
        answers = np.empty((len(taken), TILE * TILE), np.float32)
        for tiles, kernel in self._groups:
            answers[self._order[tiles]] = taken[tiles] @ kernel
        tiled = answers.reshape(self._rows, self._columns, TILE, TILE).swapaxes(1, 2)
        return tiled.reshape(self._rows * TILE, self._columns * TILE)


@functools.lru_cache(maxsize=512)
def _tile_kernel(turn: int, step: int) -> NDArray[np.float32]:
    """Matrix from a window of (TILE + 2 _REACH)^2 pixels to the TILE^2 answers in its middle."""
    angle, period = math.pi * turn / ORIENTATIONS, math.exp(PERIOD_STEP * step)
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1] / period
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    envelope = np.exp(-0.5 * ((along / ALONG_SIGMA) ** 2 + (across / ACROSS_SIGMA) ** 2))
    wave = np.cos(math.tau * across)
    kernel = envelope * (wave - (envelope * wave).sum() / envelope.sum())  # no answer to a constant
    kernel /= (kernel * wave).sum()
    side = TILE + 2 * _REACH
    matrix = np.zeros((side, side, TILE, TILE), np.float32)
    for row in range(TILE):
        for column in range(TILE):
            matrix[row : row + 2 * _REACH + 1, column : column + 2 * _REACH + 1, row, column] = kernel
    return matrix.reshape(side * side, TILE * TILE)


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


def grow(
    random: np.random.Generator,
    orientation: NDArray[np.float32],
    period: NDArray[np.float32],
    singularities: NDArray[np.float32],
) -> Quadrature:
    """Grow the ridges of one flow.

    orientation, period: (H, W) float32 at full size, H and W multiples of 16.
    singularities: (S, 2) float32, cores and deltas: no short ridge is put in next to one.
    """
    half_orientation = np.ascontiguousarray(orientation[::2, ::2])
    half_period = np.ascontiguousarray(period[::2, ::2]) * np.float32(0.5)
    tiled = TiledFilter(half_orientation, half_period)
    pattern = _start(random, half_orientation.shape)
    for _ in range(TILED_ITERATIONS):
        pattern = np.tanh(np.float32(GAIN) * tiled.apply(pattern))
    along, across = gabor_weights()
    steered = SteeredFilter(half_orientation, half_period)
    for _ in range(STEERED_ITERATIONS):
        pattern = np.tanh(np.float32(GAIN) * steered.apply(pattern, along, across[:1])[0])
    even, odd = steered.apply(pattern, along, across)
    pattern = _with_short_ridges(
        random, Quadrature(even, odd), half_orientation, half_period, singularities / np.float32(2)
    )
    for _ in range(STEERED_ITERATIONS):
        pattern = np.tanh(np.float32(GAIN) * steered.apply(pattern, along, across[:1])[0])
    even, odd = steered.apply(pattern, along, across)
    return _enlarged(even, odd, orientation)


def _start(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """White noise that is strong in patches: ridges spread in order from them, so minutiae come in clusters."""
    patches = smoothstep(smooth_noise(random, shape, 18.0), -0.6, 1.0)
    noise: NDArray[np.float32] = random.standard_normal(shape, dtype=np.float32)
    return noise * (np.float32(0.003) + patches**2)


def _with_short_ridges(
    random: np.random.Generator,
    quadrature: Quadrature,
    orientation: NDArray[np.float32],
    period: NDArray[np.float32],
    singularities: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Put in pairs of opposed dislocations: an island where a ridge fits between them, a lake where a valley does.

    All at the grid of the quadrature. Returns cos of the changed phase, in [-1, 1].
    """
    amplitude = np.maximum(np.hypot(quadrature.even, quadrature.odd), np.float32(1e-6))
    cosine = np.asarray(quadrature.even / amplitude, np.float32)
    sine = np.asarray(quadrature.odd / amplitude, np.float32)
    height, width = cosine.shape
    area = 4 * MM_PER_PIXEL**2 * height * width
    for _ in range(int(random.poisson(SHORT_RIDGES_PER_MM2 * area))):
        at = np.array([random.integers(_NEAR_PX, width - _NEAR_PX), random.integers(_NEAR_PX, height - _NEAR_PX)])
        length, aside = random.uniform(*SHORT_RIDGE_PERIODS), random.normal(0.0, 0.3)
        if (np.linalg.norm(singularities - at, axis=1) < _NEAR_PX).any():
            continue
        window = tuple(slice(middle - _NEAR_PX, middle + _NEAR_PX + 1) for middle in at[::-1])
        angle = orientation[at[1], at[0]]
        tangent, normal = np.exp(1j * angle), 1j * np.exp(1j * angle)
        half = 0.5 * period[at[1], at[0]] * (length * tangent + aside * normal)
        y, x = np.mgrid[-_NEAR_PX : _NEAR_PX + 1, -_NEAR_PX : _NEAR_PX + 1]
        z = x + 1j * y
        bend = np.angle((z + half) / np.where(z == half, 1.0, z - half))
        bend *= np.clip(2.0 - 2.0 * np.abs(z) / _NEAR_PX, 0.0, 1.0)
        along_normal = np.cos(orientation[window] - angle) >= 0  # the sign of the normal may jump nearby
        bend = np.where(along_normal, bend, -bend).astype(np.float32)
        cosine[window], sine[window] = (
            cosine[window] * np.cos(bend) - sine[window] * np.sin(bend),
            sine[window] * np.cos(bend) + cosine[window] * np.sin(bend),
        )
    return cosine


def _enlarged(even: NDArray[np.float32], odd: NDArray[np.float32], orientation: NDArray[np.float32]) -> Quadrature:
    """Double the size. The odd part turns over where the normal does: its product with the normal is what is smooth."""
    normal_x, normal_y = -np.sin(orientation), np.cos(orientation)
    parts = np.stack([even, odd * normal_x[::2, ::2], odd * normal_y[::2, ::2]], axis=2)
    large = doubled(parts, orientation.shape)
    return Quadrature(
        np.ascontiguousarray(large[..., 0]),
        (large[..., 1] * normal_x + large[..., 2] * normal_y).astype(np.float32, copy=False),
    )


def doubled(field: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Carry a field of the half-size grid, (H/2, W/2) or (H/2, W/2, C), to the full one of `shape` (H, W)."""
    # Sample (x, y) of the half-size grid stands for (2x, 2y) here: a resize would shift it by half a pixel.
    enlarge = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(field, enlarge, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(large, np.float32)
