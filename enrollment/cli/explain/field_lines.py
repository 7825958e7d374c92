"""Short lines along a field of orientations, all traced at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def seeds(size: tuple[int, int], spacing_px: int) -> NDArray[np.float64]:
    """Points on a grid, every second row shifted by half: (N, 2) float64, x and y, of a picture of width and height."""
    rows = np.arange(spacing_px / 2.0, size[1], spacing_px)
    found = [
        np.stack(np.broadcast_arrays(np.arange(spacing_px * (0.25 + 0.5 * (n % 2)), size[0], spacing_px), y), axis=1)
        for n, y in enumerate(rows)
    ]
    return np.concatenate(found) if found else np.zeros((0, 2))


def trace(
    orientation: NDArray[np.floating], size: tuple[int, int], starts: NDArray[np.float64], length_px: float
) -> NDArray[np.float64]:
    """Follow the ridges from each start, half of the length either way.

    orientation: (rows, cols) radians across the ridges, modulo pi, over a picture of width and height.
    Returns (N, P, 2) float64, points of each line in order; a line keeps going straight beyond the picture's edge.
    """
    steps = max(1, round(length_px / 4.0))
    stride = length_px / 2.0 / steps
    rows, cols = orientation.shape
    scale = np.array([cols / size[0], rows / size[1]])

    def along(points: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
        tiles = np.clip(np.floor(points * scale).astype(np.intp), 0, [cols - 1, rows - 1])
        angle = orientation[tiles[:, 1], tiles[:, 0]].astype(np.float64)
        ridge = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
        back = (ridge * before).sum(axis=1) < 0.0
        return np.where(back[:, None], -ridge, ridge)

    halves = []
    first = along(starts, np.zeros_like(starts))
    for sign in (-1.0, 1.0):
        points, heading, half = starts, sign * first, []
        for _ in range(steps):
            heading = along(points + 0.5 * stride * heading, heading)
            points = points + stride * heading
            half.append(points)
        halves.append(half)
    return np.stack([*halves[0][::-1], starts, *halves[1]], axis=1)
