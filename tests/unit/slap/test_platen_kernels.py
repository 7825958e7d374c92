"""Sums over a large glass, compiled: what OpenCV and numpy make of the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.platen import line_sums, row_ends, squared_gradients

CELL = 4


@pytest.mark.parametrize("shape", [(40, 48), (43, 50), (4, 4)])
def test_squared_gradients_are_those_of_sobel(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    rows, cols = shape[0] // CELL, shape[1] // CELL
    real, imaginary = np.empty((2, rows, cols), np.float32)
    squared_gradients(image, CELL, real, imaginary)
    dx, dy = (cv2.Sobel(image, cv2.CV_64F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    squares = ((dx + 1j * dy) ** 2)[: rows * CELL, : cols * CELL]
    means = squares.reshape(rows, CELL, cols, CELL).mean(axis=(1, 3))
    assert np.allclose(real, means.real, rtol=1e-6, atol=0.5)
    assert np.allclose(imaginary, means.imag, rtol=1e-6, atol=0.5)


@pytest.mark.parametrize(("slope", "expected"), [((1, 0), (64.0**2, 0.0)), ((0, 1), (-(64.0**2), 0.0))])
def test_ridges_across_and_along_have_opposite_squares(slope: tuple[int, int], expected: tuple[float, float]) -> None:
    y, x = np.mgrid[:16, :16]
    real, imaginary = np.empty((2, 4, 4), np.float32)
    squared_gradients((8 * (slope[0] * x + slope[1] * y)).astype(np.uint8), CELL, real, imaginary)
    assert (real[1:3, 1:3] == expected[0]).all()  # a step of 8 grey levels a pixel, by Sobel's weight of 8
    assert (imaginary[1:3, 1:3] == expected[1]).all()


def points(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    return random.uniform(-20, 30, 200).astype(np.float32), random.uniform(5, 60, 200).astype(np.float32)


def test_rows_end_at_their_outermost_points_and_are_zero_where_there_are_none() -> None:
    across, down = points(3)
    down[(down > 20) & (down < 30)] = 45.0
    top = down.min()
    ends = np.empty((3, int(down.max() - top) + 1), np.float32)
    row_ends(across, down, top, ends)
    rows = (down - top).astype(int)
    for row in range(ends.shape[1]):
        inside = across[rows == row]
        assert list(ends[:, row]) == ([inside.min(), inside.max(), len(inside)] if len(inside) else [0, 0, 0])
    assert (ends[2] == 0).any()


def test_lines_add_up_the_weights_of_the_points_on_them() -> None:
    across = np.stack(points(5)) + np.float32(20)
    weight = np.random.default_rng(6).uniform(0, 1, 200).astype(np.float32)
    sums = np.empty((2, int(across.max()) + 3))
    line_sums(across, weight, sums)
    for angle in range(2):
        bins = (across[angle] + np.float32(1.5)).astype(int)
        assert np.allclose(sums[angle], np.bincount(bins, weight, sums.shape[1]))
