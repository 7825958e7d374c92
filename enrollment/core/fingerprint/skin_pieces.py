"""From skin on the grid to pieces of one finger each: the way that the hand points, and the seams between fingers.

Fingers of a hand are parallel but for a few degrees. Along their direction the sums of strength fall steeply between
them, even where they touch: skin turns away from the glass at the seam.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.ridge_map import RidgeMap
from enrollment.core.fingerprint.slap_parameters import PadParameters
from enrollment.core.fingerprint.tiles import FloatArray, percentile

_EQUAL_STRENGTH = 0.6  # a stronger cell counts no more: what matters is where there is skin
_DIRECTION_SIGMA = 1.0  # cells
_UPRIGHT_POWER = 2.0  # of the cosine: hands are turned little more often than much
_ROWS_TOGETHER = 3.0  # sums along the finger need no finer steps
_SEAM_SIGMA = 0.7
AT_LEFT, AT_TOP, AT_RIGHT, AT_BOTTOM = 1, 2, 4, 8
_EDGE_SHARE = 0.15  # of the profile's height: what is lower is the flank of a tip


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One finger's skin.

    x, y: (N,) float32, its cells in the upright frame. weight: (N,) float32, their strength, capped. ink: (N,) float32.
    edges: (N,) uint8, sides of the glass that the cells lie at, the sum of `AT_LEFT` and the others.
    parted: it touched a neighbour.
    """

    x: FloatArray
    y: FloatArray
    weight: FloatArray
    ink: FloatArray
    edges: NDArray[np.uint8]
    parted: bool

    def where(self, cells: NDArray[np.bool_], parted: bool) -> Piece:
        """Take some of the cells."""
        return Piece(self.x[cells], self.y[cells], self.weight[cells], self.ink[cells], self.edges[cells], parted)


def hand_direction(ridges: RidgeMap, p: PadParameters) -> float:
    """Direction that the fingers point in: radians, clockwise from up; 0 without skin."""
    left, top, width, height = cv2.boundingRect(ridges.skin)
    if not width:
        return 0.0
    box = np.s_[top : top + height, left : left + width]
    weights = np.where(ridges.skin[box] > 0, np.minimum(ridges.strength[box], np.float32(1.0)), np.float32(0.0))
    count = round(p.widest_turn_deg / p.turn_step_deg)
    angles = np.radians(np.arange(-count, count + 1) * p.turn_step_deg)
    steepness = np.zeros(len(angles))
    steepness[::2] = _steepness(weights, angles[::2])
    near = int(steepness.argmax())
    beside = [at for at in (near - 1, near + 1) if 0 <= at < len(angles)]
    steepness[beside] = _steepness(weights, angles[beside])
    best = int(steepness.argmax())
    if not 0 < best < len(angles) - 1:
        return float(angles[best])
    before, at, after = steepness[best - 1 : best + 2]
    return float(angles[best] + 0.5 * (before - after) / (before - 2.0 * at + after) * (angles[1] - angles[0]))


def pieces_of(ridges: RidgeMap, direction: float, p: PadParameters) -> list[Piece]:
    """Cells of each connected piece of skin, in the upright frame."""
    count, labels = cv2.connectedComponents(ridges.skin, connectivity=4, ltype=cv2.CV_16U)
    rows, cols = np.nonzero(ridges.skin)
    label = np.asarray(labels)[rows, cols]
    order = np.argsort(label, kind="stable")
    rows, cols = rows[order], cols[order]
    cosine, sine = math.cos(direction), math.sin(direction)
    x = (cosine * cols + sine * rows).astype(np.float32)
    y = (cosine * rows - sine * cols).astype(np.float32)
    weight = np.minimum(ridges.strength[rows, cols], np.float32(_EQUAL_STRENGTH))
    ink = ridges.ink[rows, cols]
    edges = np.zeros(ridges.skin.shape, np.uint8)
    edges[:, 0] |= AT_LEFT
    edges[0] |= AT_TOP
    edges[:, -1] |= AT_RIGHT
    edges[-1] |= AT_BOTTOM
    edge = edges[rows, cols]
    ends = np.searchsorted(label[order], np.arange(1, count + 1))
    least = p.least_area_mm2 / ridges.cell_mm**2
    return [
        Piece(x[start:stop], y[start:stop], weight[start:stop], ink[start:stop], edge[start:stop], parted=False)
        for start, stop in itertools.pairwise(ends)
        if stop - start >= least
    ]


def part_all(pieces: list[Piece], largest_mm: float, cell_mm: float, p: PadParameters) -> list[Piece]:
    """Part every piece that is two fingers, by a clear seam or because it is broader than one can be."""
    clear = [part for whole in pieces for part in _part(_seams_of(whole, cell_mm, p), largest_mm, cell_mm, p)]
    breadths = [_breadth(seams.piece) * cell_mm for seams in clear]
    single = [breadth for breadth in breadths if p.narrowest_mm <= breadth <= p.broad_share * largest_mm]
    usual_mm = min(largest_mm, statistics.median_high(single)) if single else largest_mm
    return [part.piece for whole in clear for part in _part(whole, usual_mm, cell_mm, p)]


def rows_of(across: FloatArray, down: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Left end, right end and count of cells of each row of a piece, from its top."""
    from enrollment.core.fingerprint.compiled.platen import row_ends

    top = down.min()
    ends = np.empty((3, int(down.max() - top) + 1), np.float32)
    row_ends(across, down, top, ends)
    return ends[0], ends[1], ends[2]


def _steepness(weights: FloatArray, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    profiles = np.concatenate([_profile_of(weights, float(angle)) for angle in angles])
    profiles = np.asarray(cv2.GaussianBlur(profiles, (0, 0), sigmaX=_DIRECTION_SIGMA, sigmaY=0.01), np.float32)
    return np.asarray(np.square(np.diff(profiles, axis=1)).sum(axis=1) * np.cos(angles) ** _UPRIGHT_POWER)


def _profile_of(weights: FloatArray, angle: float) -> FloatArray:
    """Sum a map along one direction: (1, B) float32."""
    height, width = weights.shape
    side = math.ceil(math.hypot(height, width))
    rows = math.ceil(side / _ROWS_TOGETHER)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine * _ROWS_TOGETHER], [sine, cosine * _ROWS_TOGETHER]])
    offset = np.array([width - 1, height - 1]) / 2 - turn @ (np.array([side - 1, rows - 1]) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    upright = cv2.warpAffine(weights, np.column_stack([turn, offset]), (side, rows), flags=flags)
    return np.asarray(cv2.reduce(upright, 0, cv2.REDUCE_SUM), np.float32)


def _profiles(
    x: FloatArray, y: FloatArray, weight: FloatArray, angles: NDArray[np.float64], sigma: float
) -> FloatArray:
    """Sum the weights along each direction: (A, B) float32, one bin a cell from the least of all distances across."""
    from enrollment.core.fingerprint.compiled.platen import line_sums

    across = _across(x, y, angles)
    across -= across.min()
    sums = np.empty((len(angles), int(across.max()) + 3))
    line_sums(across, weight, sums)
    return np.asarray(cv2.GaussianBlur(sums.astype(np.float32), (0, 0), sigmaX=sigma, sigmaY=0.01), np.float32)


def _across(x: FloatArray, y: FloatArray, angles: NDArray[np.float64]) -> FloatArray:
    cosines, sines = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    return np.asarray(np.outer(cosines, x) + np.outer(sines, y), np.float32)


def _breadth(piece: Piece) -> float:
    counts = np.bincount((piece.y - piece.y.min()).astype(np.intp))
    return percentile(counts.astype(np.float32), 85.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Seams:
    """A piece, and where it might be parted.

    angles: (A,) radians. profiles: (A, B) float32, strength summed along each. inner: (A, B) bool, lines that leave
    enough for a finger on both sides. share: (A, B) float32, of a line's strength of that on both its sides; 1 where it
    is not an inner one. breadth: of the piece, cells.
    """

    piece: Piece
    angles: NDArray[np.float64]
    profiles: FloatArray
    share: FloatArray
    inner: NDArray[np.bool_]
    breadth: float


def _seams_of(piece: Piece, cell_mm: float, p: PadParameters) -> _Seams:
    count = round(p.split_turn_deg / p.split_step_deg)
    angles = np.radians(np.arange(-count, count + 1) * p.split_step_deg)
    profiles = _profiles(piece.x, piece.y, piece.weight, angles, _SEAM_SIGMA)
    share = _dips(profiles)
    narrow = p.narrowest_mm / cell_mm
    skin = profiles > _EDGE_SHARE * profiles.max(axis=1, keepdims=True)
    first, last = skin.argmax(axis=1), skin.shape[1] - 1 - skin[:, ::-1].argmax(axis=1)
    bins = np.arange(profiles.shape[1])
    inner = (bins >= (first + narrow)[:, None]) & (bins <= (last - narrow)[:, None])
    share[~inner] = 1.0
    return _Seams(piece, angles, profiles, share, inner, float((last - first).min()))


def _part(seams: _Seams, usual_mm: float, cell_mm: float, p: PadParameters) -> list[_Seams]:
    """Part a piece along the line that crosses least skin, as long as there is a seam.

    usual_mm: breadth of one finger. The broader the piece, the fainter a seam is taken for one.
    """
    piece, angles, profiles, share = seams.piece, seams.angles, seams.profiles, seams.share
    breadths = seams.breadth * cell_mm / usual_mm
    if breadths > p.broad_share:  # fingers of unequal length make a step, no valley: look at how strong the skin is
        counts = _profiles(piece.x, piece.y, np.ones_like(piece.weight), angles, _SEAM_SIGMA)
        faint = _dips(np.asarray(profiles / np.maximum(counts, 1.0), np.float32))
        share = np.where(seams.inner, np.minimum(share, faint), np.float32(1.0))
    at, cut = np.unravel_index(int(share.argmin()), share.shape)
    clear = float(np.interp(breadths, (p.single_share, p.broad_share), (p.valley_share, p.broad_valley_share)))
    if share[at, cut] >= clear:
        return [seams]
    across = math.cos(angles[at]) * piece.x + math.sin(angles[at]) * piece.y
    start = float(_across(piece.x, piece.y, angles).min())
    beside = across - start + 1.5 < cut + 0.5
    touched = piece.parted or bool(_dips(profiles[at])[cut] > p.bare_share)  # two cells of bare glass close in the map
    halves = [piece.where(side, touched) for side in (beside, ~beside)]
    if min(len(half.x) for half in halves) < p.least_area_mm2 / cell_mm**2:
        return [seams]
    return [part for half in halves for part in _part(_seams_of(half, cell_mm, p), usual_mm, cell_mm, p)]


def _dips(profiles: FloatArray) -> FloatArray:
    """Share of each value of the lower of the highest to its left and to its right, along the last axis."""
    left = np.maximum.accumulate(profiles, axis=-1)
    right = np.maximum.accumulate(profiles[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(profiles / np.maximum(np.minimum(left, right), 1e-6), np.float32)
