"""Lay one print over another ridge on ridge, and measure how well the ridges agree.

Where a motion of minutiae has brought the probe, the phases of both waves should be the same. What they differ by tells
how far the skin has still to be moved across the ridges; a smooth displacement that explains the differences around
each cell is taken off, from coarse to fine. Ridges of one finger then fall on each other over the whole common area;
those of two fingers cannot, because each minutia that only one of them has shifts the phase behind it by a full turn.

    agreement = sum w cos(2 pi d) / (sum w + little_overlap)

d: what the phases still differ by, turns; w: weight of both cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.distortion import neighbourhood
from enrollment.core.fingerprint.matching_parameters import MATCHING, WAVES
from enrollment.core.fingerprint.packed_waves import PackedWaves
from enrollment.core.fingerprint.pose import Motion
from enrollment.core.fingerprint.wave_map import decode

FloatArray = NDArray[np.float32]

_LEAST_DETERMINANT = np.float32(1e-20)


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """The probe's side of an overlay: N = rows * cols cells about its centre of mass.

    points: (2, N) float32 pixels. waves: (2, N) float32 turns a pixel. phases: (N,) float32 turns.
    weights: (N,) float32, 0..1. spreads: for each step, smoothing along rows (rows, rows) and columns (cols, cols).
    pulls: (M, N) float32, share of the displacement of each of the probe's minutiae in that of each cell.
    """

    points: FloatArray
    waves: FloatArray
    phases: FloatArray
    weights: FloatArray
    spreads: tuple[tuple[FloatArray, FloatArray], ...]
    pulls: FloatArray


def lay_out(probe: PackedWaves, minutiae: FloatArray) -> LaidOut:
    """Prepare the probe. probe: of one template. minutiae: (2, M) float32 pixels from their centre of mass."""
    rows, cols = int(probe.rows[0]), int(probe.cols[0])
    x = probe.origins[0] + probe.pitches[0] * np.arange(cols, dtype=np.float32)
    y = probe.origins[1] + probe.pitches[1] * np.arange(rows, dtype=np.float32)
    points = np.stack([np.tile(x, rows), np.repeat(y, cols)])
    start = int(probe.starts[0])
    waves_x, waves_y, phases, weights = decode(probe.cells[start : start + rows * cols])
    spreads = tuple((_gauss(rows, sigma), _gauss(cols, sigma)) for sigma in WAVES.sigmas_cells)
    near = neighbourhood(minutiae, points)
    pulls = near / (near.sum(axis=0) + np.float32(MATCHING.distortion_prior))
    return LaidOut(points, np.stack([waves_x, waves_y]), phases, weights, spreads, pulls)


def agreement(
    probe: LaidOut,
    gallery: PackedWaves,
    rows: NDArray[np.intp],
    motions: Motion,
    displacements: FloatArray,
    least: FloatArray,
) -> FloatArray:
    """Overlay the probe on H gallery templates.

    rows: (H,) intp, which of the C templates. motions: shape (H,), of the probe onto each. displacements: (2, H, M)
    float32 pixels, where the minutiae of the probe end beyond those motions. least: (H,) float32, what is of interest:
    an overlay that will not reach it is given up after the first step, with what was found by then.
    Returns (H,) float32, at most 1: above 0.6 for most prints of one finger, 0.1..0.3 for strangers.
    """
    x, y = motions.move(probe.points) + displacements @ probe.pulls
    ours_x, ours_y = motions.turn(probe.waves)
    found = np.zeros(len(rows), np.float32)
    going_on = np.arange(len(rows))
    for step, spread in enumerate((*probe.spreads, None)):
        differences, weights, theirs_x, theirs_y = _differences(probe, gallery, rows, x, y, ours_x, ours_y)
        if step == 1 or spread is None:
            found[going_on] = _mean_agreement(differences, weights)
        if step == 1:
            hopeful = np.flatnonzero(found[going_on] >= least - np.float32(WAVES.most_growth))
            if len(hopeful) < len(rows):
                going_on, rows = going_on[hopeful], rows[hopeful]
                x, y, ours_x, ours_y = x[hopeful], y[hopeful], ours_x[hopeful], ours_y[hopeful]
                differences, weights = differences[hopeful], weights[hopeful]
                theirs_x, theirs_y = theirs_x[hopeful], theirs_y[hopeful]
        if spread is None or not len(rows):
            break
        weights *= _alignment(ours_x, ours_y, theirs_x, theirs_y)
        shift_x, shift_y = _displacement(
            0.5 * (ours_x + theirs_x), 0.5 * (ours_y + theirs_y), differences, weights, spread
        )
        x -= shift_x
        y -= shift_y
    return found


def _mean_agreement(differences: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the agreement of each row, as the module says: (H, N) to (H,)."""
    agreed = np.vecdot(weights, np.cos(np.float32(math.tau) * differences))
    means: FloatArray = agreed / (weights.sum(axis=1) + np.float32(WAVES.little_overlap))
    return means


def _differences(
    probe: LaidOut,
    gallery: PackedWaves,
    rows: NDArray[np.intp],
    x: FloatArray,
    y: FloatArray,
    ours_x: FloatArray,
    ours_y: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Compare phases where the probe's cells have come to lie.

    x, y: (H, N) pixels. ours_x, ours_y: (H, N) turns a pixel, the probe's waves turned.
    Returns, all (H, N) float32: theirs minus ours in turns, -0.5..0.5; weights, 0 off their map; their waves, turned to
    the side of ours.
    """
    (left, top), (wide, high) = gallery.origins[:, rows, None], gallery.pitches[:, rows, None]
    columns, lines = (x - left) / wide, (y - top) / high
    column, line = np.rint(columns), np.rint(lines)
    cols, most = gallery.cols[rows, None], gallery.rows[rows, None]
    inside = (column >= 0) & (column < cols) & (line >= 0) & (line < most)
    places = gallery.starts[rows, None] + line.astype(np.intp) * cols + column.astype(np.intp)
    places *= inside
    theirs_x, theirs_y, phases, weights = decode(gallery.cells.take(places, axis=0))
    phases += theirs_x * ((columns - column) * wide) + theirs_y * ((lines - line) * high)
    side = np.copysign(np.float32(1.0), ours_x * theirs_x + ours_y * theirs_y)
    differences = side * phases - probe.phases
    differences -= np.rint(differences)
    weights *= probe.weights
    weights *= inside
    return differences, weights, side * theirs_x, side * theirs_y


def _alignment(ours_x: FloatArray, ours_y: FloatArray, theirs_x: FloatArray, theirs_y: FloatArray) -> FloatArray:
    """Weigh cells by how well the ridges' directions agree: the square of cos(2 turn), 0 from 45 degrees on."""
    dot = ours_x * theirs_x + ours_y * theirs_y
    squares = (ours_x * ours_x + ours_y * ours_y) * (theirs_x * theirs_x + theirs_y * theirs_y)
    cosine = np.maximum(2.0 * dot * dot / np.maximum(squares, _LEAST_DETERMINANT) - 1.0, 0.0)
    weights: FloatArray = cosine * cosine
    return weights


def _displacement(
    waves_x: FloatArray,
    waves_y: FloatArray,
    differences: FloatArray,
    weights: FloatArray,
    spreads: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Find the smooth displacement, pixels, that explains the phase differences around each cell: two (H, N).

    Weighted least squares of waves . displacement = difference, with a prior for none.
    """
    terms = np.empty((5, *weights.shape), np.float32)
    heavy_x, heavy_y = weights * waves_x, weights * waves_y
    np.multiply(heavy_x, waves_x, out=terms[0])
    np.multiply(heavy_x, waves_y, out=terms[1])
    np.multiply(heavy_y, waves_y, out=terms[2])
    np.multiply(heavy_x, differences, out=terms[3])
    np.multiply(heavy_y, differences, out=terms[4])
    along_rows, along_cols = spreads
    grids = terms.reshape(-1, len(along_rows), len(along_cols)) @ along_cols
    xx, xy, yy, dx, dy = (along_rows @ grids).reshape(terms.shape)
    xx += np.float32(WAVES.stiffness)
    yy += np.float32(WAVES.stiffness)
    determinant = np.maximum(xx * yy - xy * xy, _LEAST_DETERMINANT)
    return (yy * dx - xy * dy) / determinant, (xx * dy - xy * dx) / determinant


@lru_cache(maxsize=512)  # rows and columns of maps: of single fingers and slaps, about a hundred lengths
def _gauss(count: int, sigma: float) -> FloatArray:
    apart = np.arange(count)[:, None] - np.arange(count)
    weights: FloatArray = np.exp(-0.5 * np.square(apart / sigma)).astype(np.float32)
    return weights
