"""Orientation and period of ridges as they have grown, from cos of their phase.

Both are exact for any wave, whatever the sign of its phase: grad cos p = -sin p grad p, so the gradient points along
the normal, and its square over that of the sine is the square of the angular frequency.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_PX: Final = 4
LEAST_PX: Final = 5.0  # at cores and deltas a period means nothing; these keep it in reason
MOST_PX: Final = 16.0
SIGMA_PX: Final = 6.0  # a ridge and a half of every place speak for it
_FIVE_POINTS: Final = np.array([1.0, -8.0, 0.0, 8.0, -1.0], np.float32) / 12  # derivative: 1 % short at period 8


def measure_ridges(cosine: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure ridges of unit amplitude, (H, W) float32.

    Returns orientation in radians, [0, pi), y down, and period in pixels, (H, W) float32 each.
    """
    unit = np.ones(1, np.float32)
    by_x = cv2.sepFilter2D(cosine, cv2.CV_32F, _FIVE_POINTS, unit)
    by_y = cv2.sepFilter2D(cosine, cv2.CV_32F, unit, _FIVE_POINTS)
    height, width = cosine.shape
    xx, yy, xy, sine = (
        _steady(field, (width // CELL_PX, height // CELL_PX))
        for field in (by_x * by_x, by_y * by_y, by_x * by_y, 1.0 - cosine * cosine)
    )
    period = np.float32(math.tau) * np.sqrt(sine / np.maximum(xx + yy, np.float32(1e-9)))
    period = np.clip(period, LEAST_PX, MOST_PX)
    # The orientation of the ridge is normal to the gradient: its doubled angle is turned by half a circle.
    doubled = np.stack([yy - xx, -2.0 * xy], axis=2) / np.maximum(xx + yy, np.float32(1e-9))[..., None]
    smooth = cv2.resize(doubled, (width, height), interpolation=cv2.INTER_LINEAR)
    orientation = np.mod(np.arctan2(smooth[..., 1], smooth[..., 0]) / 2, np.float32(np.pi))
    orientation[orientation >= np.float32(np.pi)] = 0.0  # a tiny negative angle rounds up to pi
    return (
        orientation.astype(np.float32, copy=False),
        cv2.resize(period, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False),
    )


def _steady(field: NDArray[np.float32], cells: tuple[int, int]) -> NDArray[np.float32]:
    coarse = cv2.resize(field, cells, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(coarse, (0, 0), SIGMA_PX / CELL_PX).astype(np.float32, copy=False)
