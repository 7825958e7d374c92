"""Minutiae as phase residues: points around which the phase of the ridges turns once more than it should.

Where a ridge ends or splits, the waves on one side have one cycle more than on the other, so the phase along a loop
around the point adds up to 2 pi times a charge of +1 or -1. No ridge is thinned and nothing is binarised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.tiles import FloatArray, enlarge, sample

# The corners of a cell of 2 x 2 pixels, (row, column), once around with the angle growing in y-down coordinates.
_CORNERS: Final = ((0, 0), (0, 1), (1, 1), (1, 0))
_LEAST_DETERMINANT = np.float32(1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Residues:
    """N residues, in raster order.

    x, y: (N,) float32 work px.
    charges: (N,) float32, +1 or -1, by the wave vector below.
    waves: (N,) float32 radians, the wave vector that the charge counts along.
    directions: (N,) float32 radians, toward the extra cycle: the direction of a minutia.
    """

    x: FloatArray
    y: FloatArray
    charges: FloatArray
    waves: FloatArray
    directions: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    def where(self, chosen: NDArray[np.bool_]) -> Residues:
        """Return those that are chosen, (N,) bool."""
        return Residues(
            x=self.x[chosen],
            y=self.y[chosen],
            charges=self.charges[chosen],
            waves=self.waves[chosen],
            directions=self.directions[chosen],
        )


def find_residues(
    response: NDArray[np.complex64],
    steering: NDArray[np.int16],
    orientations: int,
    orientation: FloatArray,
    mask: NDArray[np.bool_],
) -> Residues:
    """Find the residues in the mask.

    response: (H, W) complex64. steering: (rows, cols) int16, the orientation index, 0..orientations - 1, that each tile
    was filtered with. orientation: (rows, cols) float32 radians, across the ridges. mask: (rows, cols) bool.
    """
    tile = response.shape[0] // steering.shape[0]
    steered = enlarge(steering.astype(np.uint8), tile)
    signs = response.view(np.float32) > 0.0  # both parts in one run through memory
    bright, ahead = np.ascontiguousarray(signs[:, ::2]), np.ascontiguousarray(signs[:, 1::2])
    # Both signs of both parts are needed to wind once; conjugating across the wrap of the orientation may bring the
    # second sign in.
    wrapped = _mixed(steered >= orientations // 2)
    cells = _mixed(bright) & (_mixed(ahead) | wrapped)
    cells &= enlarge(mask.astype(np.uint8), tile)[:-1, :-1] > 0
    rows, cols = np.divmod(np.flatnonzero(cells), cells.shape[1])

    down, right = np.array(_CORNERS).T[:, :, None]
    corners = response[rows + down, cols + right]
    corner_steered = steered[rows + down, cols + right].astype(np.int16)
    opposed = np.abs(corner_steered - corner_steered[0]) > orientations // 2
    corners = np.where(opposed, corners.conj(), corners)
    steps = np.angle(np.concatenate([corners[1:], corners[:1]]) * corners.conj())
    charges = np.rint(steps.sum(axis=0) / np.float32(2.0 * np.pi))

    turning = charges != 0.0
    charges, corners = charges[turning], corners[:, turning]
    shift_x, shift_y = _zero_of_plane(corners)
    x = cols[turning].astype(np.float32) + np.float32(0.5) + shift_x
    y = rows[turning].astype(np.float32) + np.float32(0.5) + shift_y
    waves = _wave_at(x, y, orientation, corner_steered[0, turning] * np.float32(np.pi / orientations), tile)
    return Residues(x=x, y=y, charges=charges, waves=waves, directions=waves - charges * np.float32(np.pi / 2.0))


def _mixed(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which cells have both values at their corners: (H, W) to (H - 1, W - 1)."""
    across = flags[:, 1:] ^ flags[:, :-1]
    return across[1:] | across[:-1] | (flags[1:, 1:] ^ flags[:-1, 1:])


def _zero_of_plane(corners: NDArray[np.complex64]) -> tuple[FloatArray, FloatArray]:
    """Solve for the zero of the planes fitted to both parts, from the middle of the cell, at most to its rim."""
    middle = corners.mean(axis=0)
    dx = (corners[1] + corners[2] - corners[0] - corners[3]) / 2.0
    dy = (corners[2] + corners[3] - corners[0] - corners[1]) / 2.0
    determinant = dx.real * dy.imag - dx.imag * dy.real
    determinant = np.where(np.abs(determinant) < _LEAST_DETERMINANT, _LEAST_DETERMINANT, determinant)
    x = (middle.imag * dy.real - middle.real * dy.imag) / determinant
    y = (middle.real * dx.imag - middle.imag * dx.real) / determinant
    return np.clip(x, -0.5, 0.5), np.clip(y, -0.5, 0.5)


def _wave_at(x: FloatArray, y: FloatArray, orientation: FloatArray, about: FloatArray, tile: int) -> FloatArray:
    """Interpolate the orientation at points, and turn it to the side of `about`."""
    cosine, sine = sample(cv2.merge([np.cos(2.0 * orientation), np.sin(2.0 * orientation)]), x, y, tile).T
    waves = np.arctan2(sine, cosine) / np.float32(2.0)
    turned: FloatArray = waves + np.float32(np.pi) * (np.cos(waves - about) < 0.0)
    return turned
