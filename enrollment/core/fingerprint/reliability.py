"""How sure a residue is, and which ones are minutiae.

A residue of a clean dislocation has one vortex of phase around it and strong ridges all about; one of noise has
neither. Both are read from the response on three rings: turned back by what a perfect dislocation would show there, its
samples add up in phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import ReliabilityParameters, WorkParameters
from enrollment.core.fingerprint.residues import Residues
from enrollment.core.fingerprint.tiles import FloatArray, sample

_LEAST_SUM = np.float32(1e-9)
_FURTHEST_TILES = np.float32(1e4)
_RESIDUES_AT_ONCE: Final = 512  # bounds the table of distances; a usual finger is one block


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """What the rings around N residues say.

    vortex: (N,) float32, 0..1, share of the response that is in phase with a perfect dislocation.
    strength: (N,) float32, vortex times the root of the mean amplitude a period away; about 1 for a clear minutia.
    bright_ahead: (N,) bool, True where the extra cycle is a valley: a bifurcation.
    """

    vortex: FloatArray
    strength: FloatArray
    bright_ahead: NDArray[np.bool_]


def rate(
    residues: Residues,
    response: NDArray[np.complex64],
    steering: NDArray[np.int16],
    orientations: int,
    period_work_px: FloatArray,
    parameters: ReliabilityParameters,
) -> Ratings:
    """Rate residues by a vortex matched filter.

    response: (H, W) complex64. steering: (rows, cols) int16, as the tiles were filtered.
    period_work_px: (rows, cols) float32.
    """
    height, width = response.shape
    tile = height // steering.shape[0]
    rings = np.repeat(parameters.rings_periods, parameters.samples_a_ring)
    angles = np.tile(np.arange(parameters.samples_a_ring), len(parameters.rings_periods)) * (
        2.0 * np.pi / parameters.samples_a_ring
    )
    # In the frame of the minutia a charge of +1 shows exp(i (2 pi r sin a + a)), and one of -1 its conjugate.
    undo = np.exp(-1j * (2.0 * np.pi * rings * np.sin(angles) + angles)).astype(np.complex64)
    ring = (rings * np.exp(1j * angles)).astype(np.complex64)

    period = sample(period_work_px, residues.x, residues.y, tile)
    places = (period * np.exp(1j * residues.directions))[:, None] * ring
    x = np.rint(places.real + residues.x[:, None]).astype(np.int32)
    y = np.rint(places.imag + residues.y[:, None]).astype(np.int32)
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    np.clip(x, 0, width - 1, out=x)
    np.clip(y, 0, height - 1, out=y)
    seen = response[y, x] * within
    tile_waves = steering[y // tile, x // tile] * np.float32(np.pi / orientations)
    # A charge of -1 is one of +1 of the conjugate wave, so one sign stands for both kinds of turning over.
    turned = (np.cos(tile_waves - residues.waves[:, None]) < 0.0) ^ (residues.charges < 0.0)[:, None]
    np.negative(seen.imag, out=seen.imag, where=turned)
    total = seen @ undo
    amplitude = np.abs(seen)
    vortex = np.abs(total) / np.maximum(amplitude.sum(axis=1), _LEAST_SUM)
    first = parameters.amplitude_ring * parameters.samples_a_ring
    near = amplitude[:, first : first + parameters.samples_a_ring].mean(axis=1)
    return Ratings(vortex=vortex, strength=vortex * np.sqrt(near), bright_ahead=total.real > 0.0)


def depth(flags: NDArray[np.bool_], residues: Residues, work: WorkParameters, *, beyond: bool) -> FloatArray:
    """Measure how deep residues lie inside an area of tiles.

    flags: (rows, cols) bool, the area. beyond: whether it goes on beyond the image.
    Returns (N,) float32, pixels at 500 ppi to the nearest tile outside; not above 0 outside the area.
    """
    framed = cv2.copyMakeBorder(flags.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=int(beyond))
    distance = np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
    inner = np.minimum(distance[1:-1, 1:-1], _FURTHEST_TILES)  # there may be nothing outside
    # Distances run from tile centre to tile centre, and half a tile of that lies outside.
    tiles = sample(inner, residues.x, residues.y, work.tile_work_px) - np.float32(0.5)
    return tiles * np.float32(work.tile_px)


def facing_distance(residues: Residues, work: WorkParameters, parameters: ReliabilityParameters) -> FloatArray:
    """Measure how far the nearest residue of a roughly opposite direction is.

    Returns (N,) float32, pixels at 500 ppi; infinite where there is none within `dipole_distance_px`.
    """
    nearest = np.full(len(residues), np.inf, np.float32)
    points = ((residues.x + 1j * residues.y) / work.scale).astype(np.complex64)
    headings = np.exp(1j * residues.directions).astype(np.complex64)
    rows = np.floor(residues.y)  # ascends but for steps of 1, as residues come in raster order
    reach = math.ceil(parameters.dipole_distance_px * work.scale) + 2
    for start in range(0, len(residues), _RESIDUES_AT_ONCE):
        block = slice(start, start + _RESIDUES_AT_ONCE)
        first, last = np.searchsorted(rows, [rows[block][0] - reach, rows[block][-1] + reach + 1])
        apart = np.abs(points[first:last] - points[block, None])
        facing = (headings[first:last] * headings[block, None].conj()).real < parameters.dipole_cosine
        facing &= apart <= parameters.dipole_distance_px
        nearest[block] = np.where(facing, apart, np.float32(np.inf)).min(axis=1)
    return nearest


def select(
    ratings: Ratings, sensed_px: FloatArray, facing_px: FloatArray, parameters: ReliabilityParameters
) -> NDArray[np.intp]:
    """Choose the minutiae among rated residues: indices, strongest first."""
    good = ratings.vortex > parameters.least_vortex
    good &= ratings.strength > parameters.least_strength
    good &= sensed_px > parameters.dead_distance_px
    good &= facing_px > parameters.dipole_distance_px
    chosen = np.flatnonzero(good)
    return chosen[np.argsort(-ratings.strength[chosen], kind="stable")][: parameters.most]


def reliability(strength: FloatArray, parameters: ReliabilityParameters) -> FloatArray:
    """Turn strengths into reliabilities in 0..1: their square, in that of a perfect minutia.

    The square is what serves a matcher that weighs minutiae by it (here: a fifth fewer misses at low false match rates
    than with the strength itself; the cube measures alike).
    """
    squares: FloatArray = np.square(strength / np.float32(parameters.full_strength))
    return np.minimum(squares, np.float32(1.0))
