"""Minutia cylinders: what the neighbourhood of a minutia looks like from the minutia itself.

After Cappelli, Ferrara and Maltoni, "Minutia Cylinder-Code: a new representation and matching technique for fingerprint
recognition", IEEE TPAMI 32(12), 2010. Differences: neighbours are not cut off at three sigmas, which makes the spread
over cells a product of two short ones, and a cell is judged by the area of the finger alone.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import inside
from enrollment.core.fingerprint.matching_parameters import CYLINDER

_ANGLE_STEPS: Final = 1024  # 0.35 degrees: finer than any minutia's direction
_LEAST_EXPONENT: Final = -30.0  # keeps products out of the slow denormal floats


def _grid() -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the cell centres along one side, and which cells of the square lie in the disc."""
    side = CYLINDER.radius_px * ((2.0 * np.arange(CYLINDER.grid) + 1.0) / CYLINDER.grid - 1.0)
    ahead, aside = np.meshgrid(side, side, indexing="ij")
    return side.astype(np.float32), np.flatnonzero(np.hypot(ahead, aside) <= CYLINDER.radius_px)


def _slot_shares() -> NDArray[np.float32]:
    """Return the share of a neighbour that falls into each slot, (slots, steps + 1): the last step falls into none."""
    width = math.tau / CYLINDER.slots
    centres = -math.pi + (np.arange(CYLINDER.slots) + 0.5) * width
    differences = np.arange(_ANGLE_STEPS) * (math.tau / _ANGLE_STEPS)
    offsets = (centres - differences[:, None] + math.pi) % math.tau - math.pi
    edges = np.stack([offsets - width / 2.0, offsets + width / 2.0]) / (math.sqrt(2.0) * CYLINDER.direction_sigma)
    low, high = np.array([math.erf(edge) for edge in edges.ravel()]).reshape(edges.shape)
    return np.pad((high - low) / 2.0, ((0, 1), (0, 0))).T.astype(np.float32)


_SIDE, _DISC = _grid()
_SHARES = _slot_shares()
_CELLS = np.stack([_SIDE[_DISC // CYLINDER.grid], _SIDE[_DISC % CYLINDER.grid]])  # (2, CELL_COUNT): ahead, aside
CELL_COUNT: Final = len(_DISC)
CYLINDER_SIZE: Final = CELL_COUNT * CYLINDER.slots


def cylinders(points: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe each minutia by its neighbours, in its own frame.

    points: (2, N) float32, x and y in pixels. directions: (N,) radians, y down.
    Returns (N, CYLINDER_SIZE) float32 in [0, 1], cell by cell and in each slot by slot.
    """
    count = points.shape[1]
    cos, sin = np.cos(directions)[:, None], np.sin(directions)[:, None]
    east, south = points[:, None, :] - points[:, :, None]
    ahead = _spread(cos * east + sin * south)
    aside = _spread(cos * south - sin * east)
    steps = np.rint((directions[:, None] - directions) * (_ANGLE_STEPS / math.tau)).astype(np.int32) % _ANGLE_STEPS
    np.fill_diagonal(steps, _ANGLE_STEPS)  # a minutia is not its own neighbour: no share in any slot
    shares = np.take(_SHARES, steps, axis=1).transpose(1, 0, 2)
    columns = (aside[:, :, None, :] * shares[:, None, :, :]).reshape(count, -1, count)
    mass = ahead @ columns.transpose(0, 2, 1)
    mass = mass.reshape(count, CYLINDER.grid**2, CYLINDER.slots)[:, _DISC]
    values: NDArray[np.float32] = 1.0 / (1.0 + np.exp(CYLINDER.squash_gain * (CYLINDER.squash_middle - mass)))
    return values.reshape(count, CYLINDER_SIZE)


def cells_on_finger(
    points: NDArray[np.float32], directions: NDArray[np.float32], polygon: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell which cells of each cylinder the finger covers: the others are unknown, not empty.

    points, directions: as for `cylinders`. polygon: (area.SIDES,) float32.
    Returns (N, CELL_COUNT) bool.
    """
    cos, sin = np.cos(directions)[:, None], np.sin(directions)[:, None]
    ahead, aside = _CELLS
    x, y = points[:, :, None]
    cells = np.stack([x + cos * ahead - sin * aside, y + sin * ahead + cos * aside])
    return inside(cells, polygon[None], CYLINDER.area_margin_px)


def _spread(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread neighbours over the cell centres of one axis: (N, N) pixels to (N, grid, N) weights."""
    exponents = (offsets[:, None, :] - _SIDE[:, None]) ** 2 * (-0.5 / CYLINDER.position_sigma_px**2)
    weights: NDArray[np.float32] = np.exp(np.maximum(exponents, _LEAST_EXPONENT))
    return weights
