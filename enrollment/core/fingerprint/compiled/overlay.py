"""Lay one print over another ridge on ridge, and measure how well the ridges agree.

Where a motion of minutiae has brought the probe, the phases of both waves should be the same. What they differ by tells
how far the skin has still to be moved across the ridges; a smooth displacement that explains the differences around
each cell is taken off, from coarse to fine. Ridges of one finger then fall on each other over the whole common area;
those of two fingers cannot, because each minutia that only one of them has shifts the phase behind it by a full turn.

    agreement = sum w cos(2 pi d) / (sum w + little_overlap)

d: what the phases still differ by, turns; w: weight of both cells.

The probe's cells stand column by column in flat arrays, (cols * rows,): whatever is done cell by cell is one long loop.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import HALF, ONE, ZERO, cos_of_turns
from enrollment.core.fingerprint.compiled.arrays import FloatArray, Minutiae, Motion, Print
from enrollment.core.fingerprint.compiled.bending import PRIOR, pull
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.matching_parameters import WAVES
from enrollment.core.fingerprint.wave_map import DIRECTION_STEPS, PERIOD_STEPS_A_PX, PHASE_STEPS, WEIGHT_STEPS

_STEPS: Final = len(WAVES.sigmas_cells)
_REACH: Final = tuple(math.ceil(4.0 * sigma) for sigma in WAVES.sigmas_cells)  # cells; what is further weighs < 4e-4
_FALLOFF: Final = np.zeros((_STEPS, max(_REACH) + 1), np.float32)
for _step, _sigma in enumerate(WAVES.sigmas_cells):
    _FALLOFF[_step] = np.exp(-0.5 * np.square(np.arange(max(_REACH) + 1) / _sigma))
_STIFFNESS: Final = np.float32(WAVES.stiffness)
_LITTLE: Final = np.float32(WAVES.little_overlap)
_GROWTH: Final = np.float32(WAVES.most_growth)
_LEAST_DETERMINANT: Final = np.float32(1e-20)
_TERMS: Final = 5

_PERIOD_STEPS: Final = np.float32(PERIOD_STEPS_A_PX)
_HALF_TURNS: Final = np.float32(0.5 / DIRECTION_STEPS)
_QUARTER: Final = np.float32(0.25)
_BYTE: Final = np.uint32(255)
_TURNS: Final = np.float32(1.0 / PHASE_STEPS)
_WEIGHT: Final = np.float32(1.0 / WEIGHT_STEPS)


class LaidOut(NamedTuple):
    """The probe's side of an overlay, N = cols * rows cells about its centre of mass.

    rows, cols: of the map. x, y: (N,) float32 pixels. waves_x, waves_y: turns a pixel. phases: turns. weights: 0..1.
    pulls: (M, N) float32, share of the displacement of each of the probe's minutiae in that of each cell.
    """

    rows: int
    cols: int
    x: FloatArray
    y: FloatArray
    waves_x: FloatArray
    waves_y: FloatArray
    phases: FloatArray
    weights: FloatArray
    pulls: FloatArray


@kernel
def read(cells: NDArray[np.uint8], place: int) -> np.uint32:
    """Read the four bytes of a cell of `wave_map.WaveMap` as one number."""
    low = np.uint32(cells[place, 0]) | np.uint32(cells[place, 1]) << np.uint32(8)
    return low | np.uint32(cells[place, 2]) << np.uint32(16) | np.uint32(cells[place, 3]) << np.uint32(24)


@kernel
def phase(cell: np.uint32) -> np.float32:
    """Return the phase of a cell, turns."""
    return _TURNS * np.float32(np.int32(cell & _BYTE))


@kernel
def wave(cell: np.uint32) -> tuple[np.float32, np.float32]:
    """Return the wave vector of a cell, turns a pixel."""
    turns = _HALF_TURNS * np.float32(np.int32(cell >> np.uint32(8) & _BYTE))
    frequency = _PERIOD_STEPS / max(np.float32(np.int32(cell >> np.uint32(16) & _BYTE)), ONE)
    return frequency * cos_of_turns(turns), frequency * cos_of_turns(turns - _QUARTER)


@kernel
def weight(cell: np.uint32) -> np.float32:
    """Return the weight of a cell, 0..1."""
    return _WEIGHT * np.float32(np.int32(cell >> np.uint32(24)))


@kernel
def lay_out(probe: Print) -> LaidOut:
    """Prepare the probe."""
    rows, cols = probe.rows, probe.cols
    fields, pulls = np.empty((6, cols * rows), np.float32), np.empty((probe.size, cols * rows), np.float32)
    x, y, waves_x, waves_y, phases, weights = fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
    for col in range(cols):
        for row in range(rows):
            n = col * rows + row
            x[n] = probe.left + probe.wide * np.float32(col)
            y[n] = probe.top + probe.high * np.float32(row)
            cell = read(probe.cells, row * cols + col)
            waves_x[n], waves_y[n] = wave(cell)
            phases[n], weights[n] = phase(cell), weight(cell)
    total = np.full(cols * rows, PRIOR, np.float32)
    for k in range(probe.size):
        for n in range(cols * rows):
            near = pull(x[n], y[n], probe.minutiae.x[k], probe.minutiae.y[k])
            pulls[k, n] = near
            total[n] += near
    for k in range(probe.size):
        for n in range(cols * rows):
            pulls[k, n] /= total[n]
    return LaidOut(rows, cols, x, y, waves_x, waves_y, phases, weights, pulls)


@kernel
def nothing_laid_out() -> LaidOut:
    """Return what stands for a probe that is not prepared yet."""
    fields = np.empty((6, 0), np.float32)
    return LaidOut(0, 0, fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], np.empty((0, 0), np.float32))


@kernel
def agreement(
    probe: LaidOut, other: Print, motion: Motion, moved: Minutiae, bent: Minutiae, least: np.float32
) -> np.float32:
    """Overlay the probe on another print.

    moved, bent: where the motion puts the probe's minutiae, and where they end. least: what is of interest; an overlay
    that will not reach it is given up after the first step, with what was found by then.
    Returns at most 1: above 0.6 for most prints of one finger, 0.1..0.3 for strangers.
    """
    cells = len(probe.x)
    fields = np.empty((8, cells), np.float32)
    x, y, ours_x, ours_y = fields[0], fields[1], fields[2], fields[3]
    theirs_x, theirs_y, differences, weights = fields[4], fields[5], fields[6], fields[7]
    for n in range(cells):
        x[n] = motion.cos * probe.x[n] - motion.sin * probe.y[n] + motion.east
        y[n] = motion.sin * probe.x[n] + motion.cos * probe.y[n] + motion.south
        ours_x[n] = motion.cos * probe.waves_x[n] - motion.sin * probe.waves_y[n]
        ours_y[n] = motion.sin * probe.waves_x[n] + motion.cos * probe.waves_y[n]
    for k in range(len(probe.pulls)):
        east, south = bent.x[k] - moved.x[k], bent.y[k] - moved.y[k]
        for n in range(cells):
            x[n] += east * probe.pulls[k, n]
            y[n] += south * probe.pulls[k, n]
    terms, spare = np.empty((probe.cols, _TERMS, probe.rows), np.float32), np.empty(_TERMS * cells, np.float32)
    found_cells = np.empty(cells, np.uint32)
    found = ZERO
    for step in range(_STEPS + 1):
        compare_phases(probe, other, fields, found_cells)
        if step == 1 or step == _STEPS:
            found = mean_agreement(differences, weights)
        if step == _STEPS or (step == 1 and found < least - _GROWTH):
            break
        for n in range(cells):
            weights[n] *= alignment(ours_x[n], ours_y[n], theirs_x[n], theirs_y[n])
        displace(probe, step, fields, terms, spare)
    return found


@kernel
def compare_phases(probe: LaidOut, other: Print, fields: FloatArray, cells: NDArray[np.uint32]) -> None:
    """Compare phases where the probe's cells have come to lie.

    fields: (8, N): x, y in pixels and ours_x, ours_y, the probe's waves turned, are read; theirs_x, theirs_y, their
    waves turned to the side of ours; differences, theirs minus ours in turns, -0.5..0.5; and weights, 0 off their map,
    are written. cells: (N,) room.
    """
    x, y, ours_x, ours_y = fields[0], fields[1], fields[2], fields[3]
    theirs_x, theirs_y, differences, weights = fields[4], fields[5], fields[6], fields[7]
    last_row, last_col = np.float32(other.rows - 1), np.float32(other.cols - 1)
    across, down = ONE / other.wide, ONE / other.high
    for n in range(len(x)):  # in three loops: what looks up a cell is done one by one, the rest many at a time
        column, line = (x[n] - other.left) * across, (y[n] - other.top) * down
        col, row = min(max(np.rint(column), ZERO), last_col), min(max(np.rint(line), ZERO), last_row)
        theirs_x[n], theirs_y[n] = (column - col) * other.wide, (line - row) * other.high
        cells[n] = np.uint32(np.int32(row) * np.int32(other.cols) + np.int32(col))
    for n in range(len(x)):
        cells[n] = read(other.cells, cells[n])
    far_x, far_y = HALF * other.wide, HALF * other.high
    for n in range(len(x)):
        east, south = theirs_x[n], theirs_y[n]
        wave_x, wave_y = wave(cells[n])
        side = ONE if ours_x[n] * wave_x + ours_y[n] * wave_y >= ZERO else -ONE
        difference = side * (phase(cells[n]) + wave_x * east + wave_y * south) - probe.phases[n]
        theirs_x[n], theirs_y[n] = side * wave_x, side * wave_y
        differences[n] = difference - np.rint(difference)
        inside = (abs(east) <= far_x) & (abs(south) <= far_y)
        weights[n] = probe.weights[n] * weight(cells[n]) if inside else ZERO


@kernel
def mean_agreement(differences: FloatArray, weights: FloatArray) -> np.float32:
    """Return the agreement, as the module says."""
    agreed = total = ZERO
    for n in range(len(weights)):
        agreed += weights[n] * cos_of_turns(differences[n])
        total += weights[n]
    return agreed / (total + _LITTLE)


@kernel
def alignment(ours_x: np.float32, ours_y: np.float32, theirs_x: np.float32, theirs_y: np.float32) -> np.float32:
    """Weigh a cell by how well the ridges' directions agree: the square of cos(2 turn), 0 from 45 degrees on."""
    dot = ours_x * theirs_x + ours_y * theirs_y
    squares = (ours_x * ours_x + ours_y * ours_y) * (theirs_x * theirs_x + theirs_y * theirs_y)
    cosine = max((dot + dot) * dot / max(squares, _LEAST_DETERMINANT) - ONE, ZERO)
    return cosine * cosine


@kernel
def displace(probe: LaidOut, step: int, fields: FloatArray, terms: FloatArray, spare: FloatArray) -> None:
    """Move the probe's cells by the smooth displacement that explains the phase differences around each.

    Weighted least squares of waves . displacement = difference, with a prior for none. fields: as in `compare_phases`;
    x and y are changed. terms: (cols, _TERMS, rows), spare: (_TERMS * N,), room for what is smoothed.
    """
    x, y, ours_x, ours_y = fields[0], fields[1], fields[2], fields[3]
    theirs_x, theirs_y, differences, weights = fields[4], fields[5], fields[6], fields[7]
    rows, cols = probe.rows, probe.cols
    for col in range(cols):
        for row in range(rows):
            n = col * rows + row
            wave_x, wave_y = HALF * (ours_x[n] + theirs_x[n]), HALF * (ours_y[n] + theirs_y[n])
            heavy_x, heavy_y = weights[n] * wave_x, weights[n] * wave_y
            terms[col, 0, row] = heavy_x * wave_x
            terms[col, 1, row] = heavy_x * wave_y
            terms[col, 2, row] = heavy_y * wave_y
            terms[col, 3, row] = heavy_x * differences[n]
            terms[col, 4, row] = heavy_y * differences[n]
    by_col = spare.reshape(cols, _TERMS * rows)
    smooth(terms.reshape(cols, _TERMS * rows), step, by_col)
    by_row = terms.reshape(rows, _TERMS * cols)
    for row in range(rows):
        for col in range(cols):
            for term in range(_TERMS):
                by_row[row, term * cols + col] = by_col[col, term * rows + row]
    smoothed = spare.reshape(rows, _TERMS * cols)
    smooth(by_row, step, smoothed)
    for row in range(rows):
        for col in range(cols):
            n = col * rows + row
            xx, yy = smoothed[row, col] + _STIFFNESS, smoothed[row, 2 * cols + col] + _STIFFNESS
            xy, dx, dy = smoothed[row, cols + col], smoothed[row, 3 * cols + col], smoothed[row, 4 * cols + col]
            scale = ONE / max(xx * yy - xy * xy, _LEAST_DETERMINANT)
            x[n] -= scale * (yy * dx - xy * dy)
            y[n] -= scale * (xx * dy - xy * dx)


@kernel
def smooth(lines: FloatArray, step: int, smoothed: FloatArray) -> None:
    """Add to each line its neighbours, by how far they are: (L, T) to smoothed (L, T)."""
    count, length = lines.shape
    reach = _REACH[step]
    for line in range(count):
        for k in range(length):
            smoothed[line, k] = lines[line, k]
        for other in range(max(line - reach, 0), min(line + reach + 1, count)):
            if other != line:
                weight = _FALLOFF[step, abs(other - line)]
                for k in range(length):
                    smoothed[line, k] += weight * lines[other, k]
