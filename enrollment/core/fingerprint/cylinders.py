"""Minutia cylinders: what the neighbourhood of a minutia looks like from the minutia itself.

After Cappelli, Ferrara and Maltoni, "Minutia Cylinder-Code: a new representation and matching technique for fingerprint
recognition", IEEE TPAMI 32(12), 2010. Differences: neighbours are not cut off at three sigmas, which makes the spread
over cells a product of two short ones, and a cell is judged by the area of the finger alone.

Templates come several at once, padded to the longest. Arrays have neighbours last, because numpy is quick along long
rows only.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.area import SIDES, reaches
from enrollment.core.fingerprint.matching_parameters import CYLINDER

_ANGLE_STEPS: Final = 1024  # 0.35 degrees: finer than any minutia's direction; a power of two
_LEAST_EXPONENT: Final = np.float32(-30.0)  # keeps products out of the slow denormal floats


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
_SIGMAS_A_PIXEL: Final = np.float32(1.0 / (math.sqrt(2.0) * CYLINDER.position_sigma_px))
_SIDE_SIGMAS = _SIDE[:, None] * _SIGMAS_A_PIXEL
_CELLS = np.stack([np.ones(len(_DISC), np.float32), _SIDE[_DISC // CYLINDER.grid], _SIDE[_DISC % CYLINDER.grid]])
CELL_COUNT: Final = len(_DISC)
CYLINDER_SIZE: Final = CELL_COUNT * CYLINDER.slots


def cylinders(
    points: NDArray[np.float32], directions: NDArray[np.float32], counts: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Describe each minutia of C templates by its neighbours, in its own frame.

    points: (2, C, M) float32, x and y in pixels. directions: (C, M) float32 radians, y down.
    counts: (C,) minutiae that are real; what comes of the others means nothing.
    Returns (C, M, CYLINDER_SIZE) float32 in [0, 1], cell by cell and in each slot by slot.
    """
    _, count, most = points.shape
    offsets = _offsets(points, directions).reshape(2, 1, -1)
    # Gaussian spread over the cells of each axis: (2, grid, C * M * M)
    spread = offsets - _SIDE_SIGMAS
    spread *= spread
    np.negative(spread, out=spread)
    np.maximum(spread, _LEAST_EXPONENT, out=spread)
    np.exp(spread, out=spread)
    shares = _SHARES.take(_turn_steps(directions, counts).ravel(), axis=1)
    ahead = spread[0].reshape(CYLINDER.grid, -1, most)
    columns = (spread[1][:, None] * shares).reshape(CYLINDER.grid * CYLINDER.slots, -1, most)
    mass = ahead.transpose(1, 0, 2) @ columns.transpose(1, 2, 0)
    values = mass.reshape(count * most, CYLINDER.grid**2, CYLINDER.slots).take(_DISC, axis=1)
    values -= np.float32(CYLINDER.squash_middle)
    values *= np.float32(-CYLINDER.squash_gain)
    np.exp(values, out=values)
    values += np.float32(1.0)
    squashed: NDArray[np.float32] = np.reciprocal(values, out=values).reshape(count, most, CYLINDER_SIZE)
    return squashed


def cells_on_finger(
    points: NDArray[np.float32], directions: NDArray[np.float32], polygons: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell which cells of each cylinder the finger covers: the others are unknown, not empty.

    points, directions: as for `cylinders`. polygons: (C, area.SIDES) float32.
    Returns (C, M, CELL_COUNT) bool.
    """
    cos, sin = np.cos(directions), np.sin(directions)
    # a cell (ahead, aside) reaches beyond a side of the polygon by a sum of three products
    terms = np.empty((*directions.shape, SIDES, 3), np.float32)
    np.subtract(reaches(points), (polygons + np.float32(CYLINDER.area_margin_px))[:, None], out=terms[..., 0])
    terms[..., 1] = reaches(np.stack([cos, sin]))
    terms[..., 2] = np.roll(terms[..., 1], SIDES // 4, axis=-1)  # aside is a quarter turn from ahead
    beyond = (terms.reshape(-1, 3) @ _CELLS).reshape(-1, SIDES, CELL_COUNT)
    furthest = np.maximum(beyond[:, : SIDES // 2], beyond[:, SIDES // 2 :]).max(axis=1)
    covered: NDArray[np.bool_] = furthest <= 0.0
    return covered.reshape(*directions.shape, CELL_COUNT)


def _offsets(points: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where each minutia sees each other one, ahead and aside, in sigmas times root two: (2, C, M, M) float32."""
    x, y = points
    cos = (np.cos(directions) * _SIGMAS_A_PIXEL)[:, :, None]
    sin = (np.sin(directions) * _SIGMAS_A_PIXEL)[:, :, None]
    east = x[:, None, :] - x[:, :, None]
    south = y[:, None, :] - y[:, :, None]
    offsets = np.empty((2, *east.shape), np.float32)
    np.multiply(cos, east, out=offsets[0])
    offsets[0] += sin * south
    np.multiply(cos, south, out=offsets[1])
    offsets[1] -= sin * east
    return offsets


def _turn_steps(directions: NDArray[np.float32], counts: NDArray[np.intp]) -> NDArray[np.int32]:
    """Steps from each other minutia's direction to one's own: (C, M, M) int32; the last step for what is none."""
    most = directions.shape[1]
    fine = directions * np.float32(_ANGLE_STEPS / math.tau)
    steps = np.rint(fine[:, :, None] - fine[:, None, :]).astype(np.int32)
    steps &= _ANGLE_STEPS - 1
    steps.reshape(len(steps), -1)[:, :: most + 1] = _ANGLE_STEPS  # a minutia is not its own neighbour
    if counts.min() < most:
        np.copyto(steps, _ANGLE_STEPS, where=(np.arange(most) >= counts[:, None])[:, None, :])
    return steps
