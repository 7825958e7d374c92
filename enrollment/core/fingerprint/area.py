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
_NORMALS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)]).astype(np.float32)


def supports(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the least polygon of the fixed normals around the points.

    points: (2, N) float32, x and y, N >= 1.
    Returns (SIDES,) float32, the distance of each side from the origin.
    """
    furthest: NDArray[np.float32] = (_NORMALS.T @ points).max(axis=1)
    return furthest


def inside(points: NDArray[np.float32], polygons: NDArray[np.float32], margin_px: float) -> NDArray[np.bool_]:
    """Tell which points lie in a polygon grown by a margin.

    points: (2, C, N) float32. polygons: (C, SIDES) or (1, SIDES) float32.
    Returns (C, N) bool.
    """
    x, y = points[:, :, None, :]
    reach = _NORMALS[0, :, None] * x
    reach += _NORMALS[1, :, None] * y
    within: NDArray[np.bool_] = (reach <= (polygons + np.float32(margin_px))[:, :, None]).all(axis=1)
    return within
