"""The area that a template was looked for in, as a convex polygon with sixteen fixed normals.

A polygon is the distances of its sides from the origin. Testing points, growing by a margin and doing so for a thousand
templates at once are then each one array operation, and coordinates may be of any size: no raster is needed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDES: Final = 16  # the polygon reaches at most 2 % of its radius beyond the hull

_ANGLES = np.arange(SIDES) * (2.0 * np.pi / SIDES)
NORMALS: Final = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)]).astype(np.float32)


def reaches(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far points reach in the direction of each side.

    points: (2, ...) float32, x and y.
    Returns (..., SIDES) float32.
    """
    x, y = points
    reached: NDArray[np.float32] = x[..., None] * NORMALS[0]
    reached += y[..., None] * NORMALS[1]
    return reached


def supports(points: NDArray[np.float32], counts: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the least polygon of the fixed normals around the points of each of C templates.

    points: (2, C, M) float32, x and y. counts: (C,) >= 1, points that are real.
    Returns (C, SIDES) float32, the distance of each side from the origin.
    """
    reached = reaches(points)
    real = np.arange(points.shape[2]) < counts[:, None]
    furthest: NDArray[np.float32] = reached.max(axis=1, where=real[:, :, None], initial=-np.inf)
    return furthest
