"""Minutiae as what they are in the phase: points round which a ridge or a valley begins.

Directions follow ISO/IEC 19794-2 clause 6.4: from an ending into its ridge, from a bifurcation into the valley between
its branches; so both point to the side that has one cycle more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.growth import Quadrature

SINGULARITY_RADIUS_PX: Final = 9.0  # next to a core or delta the phase turns with the flow, not with a minutia
PAIR_RADIUS_PX: Final = 5.0  # opposed residues this close undo each other: no eye sees a minutia
BORDER_PX: Final = 8
PROBES_PX: Final = (3.0, 5.0, 7.0)  # how far along its direction a minutia is asked: ridge or valley?


@dataclass(frozen=True, slots=True, eq=False)
class Minutiae:
    """Where ridges end and fork, exactly.

    positions: (N, 2) float32, x and y in pixels at 500 ppi, (0, 0) at the middle of the top left pixel.
    directions: (N,) float32 radians, [0, 2 pi), y down.
    bifurcations: (N,) bool, False for a ridge ending.
    """

    positions: NDArray[np.float32]
    directions: NDArray[np.float32]
    bifurcations: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.positions)

    def where(self, keep: NDArray[np.bool_]) -> Minutiae:
        """Take those that `keep` (N,) marks."""
        return Minutiae(self.positions[keep], self.directions[keep], self.bifurcations[keep])


def find_minutiae(
    quadrature: Quadrature, orientation: NDArray[np.float32], singularities: NDArray[np.float32]
) -> Minutiae:
    """Find the residues of the phase and read each as a minutia.

    orientation: (H, W) float32 radians, that the quadrature was filtered with.
    singularities: (S, 2) float32, cores and deltas, whose surroundings hold no minutia.
    """
    charge = _residues(quadrature, orientation)
    rows, columns = np.nonzero(charge)
    angle = orientation[rows, columns]
    # The normal is (-sin, cos); turned back by a quarter it is (cos, sin): the side with the extra cycle.
    sign = charge[rows, columns].astype(np.float32)
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1) * sign[:, None]
    positions = _zeros(quadrature, orientation, rows, columns)
    keep = _apart(positions, ahead) & _clear(positions, singularities, orientation.shape)
    positions, ahead = positions[keep], ahead[keep]
    probes = np.rint(positions + np.array(PROBES_PX)[:, None, None] * ahead).astype(np.intp)
    begins = quadrature.even[probes[..., 1], probes[..., 0]].sum(axis=0)
    directions = np.mod(np.arctan2(ahead[:, 1], ahead[:, 0]), np.float32(math.tau))
    return Minutiae(positions, np.where(directions < math.tau, directions, 0), begins <= 0)


def _residues(quadrature: Quadrature, orientation: NDArray[np.float32]) -> NDArray[np.int8]:
    """Turns of the phase round each 2 x 2 pixels: (H-1, W-1), -1, 0 or +1.

    An orientation has no sign, so that of the normal may jump between neighbours, and the phase with it: the four
    corners are brought to the normal of the first.
    """
    phase = np.arctan2(quadrature.odd, quadrature.even)
    normal_x, normal_y = -np.sin(orientation), np.cos(orientation)
    height, width = phase.shape
    first = (slice(0, height - 1), slice(0, width - 1))
    corners = []
    for down, right in ((0, 0), (0, 1), (1, 1), (1, 0)):
        here = (slice(down, height - 1 + down), slice(right, width - 1 + right))
        agree = normal_x[here] * normal_x[first] + normal_y[here] * normal_y[first] >= 0
        corners.append(np.where(agree, phase[here], -phase[here]))
    turns = np.zeros(corners[0].shape, np.float32)
    for before, after in zip(corners, corners[1:] + corners[:1], strict=True):
        step = after - before
        turns += step - np.float32(math.tau) * np.rint(step / np.float32(math.tau))
    charge: NDArray[np.int8] = np.rint(turns / np.float32(math.tau)).astype(np.int8)
    return charge


def _zeros(
    quadrature: Quadrature, orientation: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Where the response is 0 between the 2 x 2 pixels that each residue was found on: (N, 2) float32, x and y.

    The plane through the four corners is solved; the answer stays on their square.
    """
    first_x, first_y = -np.sin(orientation[rows, columns]), np.cos(orientation[rows, columns])
    corners = []
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        at = (rows + down, columns + right)
        agree = first_y * np.cos(orientation[at]) - first_x * np.sin(orientation[at]) >= 0
        corners.append(quadrature.even[at] + 1j * np.where(agree, quadrature.odd[at], -quadrature.odd[at]))
    top_left, top_right, bottom_left, bottom_right = corners
    middle = (top_left + top_right + bottom_left + bottom_right) / 4
    by_x = (top_right - top_left + bottom_right - bottom_left) / 2
    by_y = (bottom_left - top_left + bottom_right - top_right) / 2
    determinant = by_x.real * by_y.imag - by_y.real * by_x.imag
    determinant = np.where(np.abs(determinant) < 1e-9, 1e-9, determinant)
    x = (by_y.real * middle.imag - middle.real * by_y.imag) / determinant
    y = (middle.real * by_x.imag - by_x.real * middle.imag) / determinant
    offset = np.clip(np.stack([x, y], axis=1), -0.5, 0.5)
    return (np.stack([columns, rows], axis=1) + 0.5 + offset).astype(np.float32)


def _apart(positions: NDArray[np.float32], ahead: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Drop residues that have an opposed one at once beside them."""
    offsets = positions[:, None] - positions[None]
    close = np.einsum("ijk,ijk->ij", offsets, offsets) < PAIR_RADIUS_PX**2
    undone: NDArray[np.bool_] = (close & (ahead @ ahead.T < 0)).any(axis=1)
    return ~undone


def _clear(
    positions: NDArray[np.float32], singularities: NDArray[np.float32], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Keep what lies neither at a singularity nor at the border."""
    height, width = shape
    limits = np.array([width - 1, height - 1], np.float32)
    inside = ((positions >= BORDER_PX) & (positions <= limits - BORDER_PX)).all(axis=1)
    distances = np.linalg.norm(positions[:, None] - singularities[None], axis=2)
    clear: NDArray[np.bool_] = inside & (distances > SINGULARITY_RADIUS_PX).all(axis=1)
    return clear
