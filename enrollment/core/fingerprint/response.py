"""The quadrature response: what a complex Gabor filter, steered tile by tile, answers at each pixel.

For a wave A cos(k x + phi) the answer is A exp(i (k x + phi)): its amplitude is the strength of the ridges and its
argument their phase, growing along the wave vector; the real part is negative on ridges. A filter pointing the other
way would answer the conjugate, so neighbouring tiles whose wave vectors differ by more than 90 degrees agree up to a
conjugation, which whoever crosses a tile border has to undo.

All pixels of a tile share one kernel, so filtering a tile is one product of its patch (tile and margin) with a matrix
that holds the kernel shifted to each pixel, and tiles of the same kernel go through one matrix product together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import FilterParameters, ResponseParameters, WorkParameters
from enrollment.core.fingerprint.tiles import FloatArray

_TILES_AT_ONCE: Final = 4096  # patches gathered together: a usual image in one go, any image in 6 MB


@dataclass(frozen=True, slots=True, eq=False)
class FilterBank:
    """Kernels as matrices.

    matrices: (orientations * periods, patch * patch, 2 * side * side) float32, orientation by orientation; the real and
        imaginary part of each output pixel lie side by side.
    margin: work px of a patch around its tile.
    side: output pixels a side, in the middle of the tile.
    """

    matrices: FloatArray
    margin: int
    side: int


@lru_cache(maxsize=8)
def filter_bank(
    window: FilterParameters,
    periods_px: tuple[float, ...],
    side: int,
    response: ResponseParameters,
    work: WorkParameters,
) -> FilterBank:
    """Build the bank of one window, of every orientation and the given periods."""
    larger = max(window.across_sigma_px, window.along_sigma_px)
    reach = math.ceil(response.reach_sigmas * larger * work.scale - response.reach_less_work_px)
    steps = np.arange(-reach, reach + 1) / work.scale  # pixels at 500 ppi
    angles = np.arange(response.orientations) * (math.pi / response.orientations)
    across = np.cos(angles)[:, None, None] * steps + np.sin(angles)[:, None, None] * steps[:, None]
    along = np.cos(angles)[:, None, None] * steps[:, None] - np.sin(angles)[:, None, None] * steps
    gauss = np.exp(-0.5 * ((across / window.across_sigma_px) ** 2 + (along / window.along_sigma_px) ** 2))[:, None]
    waves = np.exp(-2j * math.pi * across[:, None] / np.array(periods_px)[:, None, None])
    mass = gauss.sum(axis=(2, 3), keepdims=True)
    blind = (gauss * waves).sum(axis=(2, 3), keepdims=True) / mass  # taken off: an even ground answers 0
    kernels = (gauss * (waves - blind) / (mass / 2.0)).reshape(-1, len(steps), len(steps))

    first = (work.tile_work_px - side) // 2
    patch = work.tile_work_px + 2 * reach
    matrices = np.zeros((len(kernels), patch, patch, side, side), np.complex64)
    for row in range(side):
        for col in range(side):
            top, left = first + row, first + col
            matrices[:, top : top + len(steps), left : left + len(steps), row, col] = kernels
    flat = matrices.reshape(len(kernels), patch * patch, side * side).view(np.float32)
    return FilterBank(matrices=flat, margin=reach, side=side)


def respond(
    ridges: FloatArray, active: NDArray[np.bool_], kernels: NDArray[np.int16], bank: FilterBank
) -> NDArray[np.complex64]:
    """Filter the active tiles, each with its own kernel.

    ridges: (H, W) float32. active: (rows, cols) bool, N of them True. kernels: (N,) int16, rows of the bank.
    Returns (N, side, side) complex64, tiles in raster order.
    """
    tile = ridges.shape[0] // active.shape[0]
    patch = tile + 2 * bank.margin
    m = bank.margin
    padded = np.asarray(cv2.copyMakeBorder(ridges, m, m, m, m, cv2.BORDER_REFLECT_101), np.float32)
    windows = sliding_window_view(padded, (patch, patch))[::tile, ::tile]
    rows, cols = np.nonzero(active)
    order = np.argsort(kernels, kind="stable")
    answers = np.empty((len(order), 2 * bank.side**2), np.float32)
    for start in range(0, len(order), _TILES_AT_ONCE):
        chosen = order[start : start + _TILES_AT_ONCE]
        patches = windows[rows[chosen], cols[chosen]].reshape(len(chosen), patch * patch)
        answers[chosen] = _by_kernel(patches, kernels[chosen], bank.matrices)
    return answers.view(np.complex64).reshape(-1, bank.side, bank.side)


def _by_kernel(patches: FloatArray, kernels: NDArray[np.int16], matrices: FloatArray) -> FloatArray:
    """Multiply runs of patches that share a kernel; kernels ascend."""
    answers = np.empty((len(patches), matrices.shape[2]), np.float32)
    ends = [*(np.flatnonzero(np.diff(kernels)) + 1).tolist(), len(kernels)]
    start = 0
    for end in ends:
        np.matmul(patches[start:end], matrices[kernels[start]], out=answers[start:end])
        start = end
    return answers


def assemble(answers: NDArray[np.complex64], active: NDArray[np.bool_]) -> NDArray[np.complex64]:
    """Lay the answers of whole tiles out as an image, 0 where nothing was active.

    answers: (N, tile, tile) complex64. Returns (rows * tile, cols * tile) complex64.
    """
    rows, cols = active.shape
    tile = answers.shape[1]
    laid = np.zeros((rows, cols, tile, tile), np.complex64)
    laid[active] = answers
    return laid.transpose(0, 2, 1, 3).reshape(rows * tile, cols * tile)
