"""Ridges that widen where their flow spreads, as skin does, instead of letting a new ridge in at once.

Where ridges diverge, either their period grows along the way or minutiae appear. A period that ignores the flow puts
them all where it spreads most: in a row on the leg from core to delta. The change of period that takes up most of the
spread is the solution of a screened least-squares problem on a coarse grid.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_PX: Final = 8  # one ridge: a loop's core is only a few across
SMOOTHNESS: Final = 0.15  # weight of the change in any direction, beside 1 for that along the flow
SCREEN: Final = 0.006  # weight of the change itself: leaves the period as it was asked for beyond about 13 cells
MOST: Final = 0.30  # of the period either way; a guess
_STEPS: Final = 60


def accommodate(orientation: NDArray[np.float32], period: NDArray[np.float32]) -> NDArray[np.float32]:
    """Change a period as little as lets ridges of this orientation spread without new ones.

    orientation: (H, W) float32 radians. period: (H, W) float32 pixels. Returns (H, W) float32 pixels.
    """
    height, width = orientation.shape
    doubled = np.stack([np.cos(2 * orientation), np.sin(2 * orientation)], axis=2)
    coarse = cv2.resize(doubled, (width // CELL_PX, height // CELL_PX), interpolation=cv2.INTER_AREA)
    cosine, sine = coarse[..., 0].astype(np.float64), coarse[..., 1].astype(np.float64)
    angle = np.arctan2(sine, cosine) / 2
    along_x, along_y = np.cos(angle), np.sin(angle)
    steady = cosine**2 + sine**2  # a cell with a core or delta in it says nothing
    by_row, by_column = (np.asarray(np.gradient(np.eye(side), axis=0)) for side in coarse.shape[:2])

    def down(field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(by_row @ field)

    def right(field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(field @ by_column.T)

    def transposed(down_part: NDArray[np.float64], right_part: NDArray[np.float64]) -> NDArray[np.float64]:
        return by_row.T @ down_part + right_part @ by_column

    # div (cos a, sin a) = (-sin a, cos a) . grad a, and grad a = (cos 2a grad sin 2a - sin 2a grad cos 2a) / 2.
    turn_x, turn_y = ((cosine * by(sine) - sine * by(cosine)) / 2 for by in (right, down))
    logarithm = np.log(cv2.resize(period, (width // CELL_PX, height // CELL_PX), interpolation=cv2.INTER_AREA))
    widening = steady * (along_x * right(logarithm) + along_y * down(logarithm))
    spread = along_x * turn_y - along_y * turn_x - widening  # `steady` is in the first two: the length of the cell

    def normal_equation(field: NDArray[np.float64]) -> NDArray[np.float64]:
        field_right, field_down = right(field), down(field)
        flow = steady * (along_x * field_right + along_y * field_down)
        return (
            transposed(along_y * flow + SMOOTHNESS * field_down, along_x * flow + SMOOTHNESS * field_right)
            + SCREEN * field
        )

    rest = transposed(along_y * spread, along_x * spread)
    found, step, energy = np.zeros_like(rest), rest, float((rest * rest).sum())
    for _ in range(_STEPS):  # conjugate gradients
        image = normal_equation(step)
        length = energy / max(float((step * image).sum()), 1e-30)
        found, rest = found + length * step, rest - length * image
        before, energy = energy, float((rest * rest).sum())
        step = rest + energy / max(before, 1e-30) * step
    smooth = cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.0)  # central differences let neighbours alternate
    limited = np.float32(MOST) * np.tanh(smooth / np.float32(MOST))
    change = cv2.resize(limited, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(period * np.exp(change), np.float32)
