"""From skin on the grid to fingers, and from each finger to its pad: the tip down to the crease of the last joint.

    turn the grid so that fingers stand upright -> pieces of skin -> part those that touch -> the axis of each
    -> what lies below another's pad is its next phalanx -> the pad ends at the crease

Fingers of a hand are parallel but for a few degrees. Along their direction the sums of strength fall steeply between
them, even where they touch: skin turns away from the glass at the seam.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.ridge_map import RidgeMap
from enrollment.core.fingerprint.slap_parameters import PadParameters
from enrollment.core.fingerprint.tiles import FloatArray

_EQUAL_STRENGTH = 0.6  # a stronger cell counts no more: what matters is where there is skin
_DIRECTION_SIGMA = 1.0  # cells
_UPRIGHT_POWER = 2.0  # of the cosine: hands are turned little more often than much
_ROWS_TOGETHER = 2.0  # sums along the finger need no finer steps
_SEAM_SIGMA = 0.7
_ROW_SIGMA = 0.7
_ROWS_OF_DOUBT = 8.0  # a short piece has the hand's direction
_MOST_TURN = 0.45  # radians, of a finger beside its hand
_EDGE_SHARE = 0.15  # of the profile's height: what is lower is the flank of a tip


class Edge(Enum):
    """A side of the glass, as seen in the image; the values are stable."""

    LEFT = "LEFT"
    TOP = "TOP"
    RIGHT = "RIGHT"
    BOTTOM = "BOTTOM"


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One finger's skin.

    x, y: (N,) float32, its cells in the upright frame. weight: (N,) float32, their strength, capped. ink: (N,) float32.
    parted: it touched a neighbour.
    """

    x: FloatArray
    y: FloatArray
    weight: FloatArray
    ink: FloatArray
    parted: bool

    def where(self, cells: NDArray[np.bool_], parted: bool) -> Piece:
        """Take some of the cells."""
        return Piece(self.x[cells], self.y[cells], self.weight[cells], self.ink[cells], parted)


@dataclass(frozen=True, slots=True, eq=False)
class Pad:
    """One pad, in mm on the glass; y down.

    tip, centre: x and y from the image's top left corner. breadth, length: of its box.
    rotation: radians, clockwise in the image. strength: mean ridge strength, 0..1.25. filled: share of the box that is
    skin. parted: it touched a neighbour, and was parted from it. crease: the crease was seen.
    edges: of the glass, that cut it.
    """

    tip: tuple[float, float]
    centre: tuple[float, float]
    breadth: float
    length: float
    rotation: float
    strength: float
    filled: float
    parted: bool
    crease: bool
    edges: tuple[Edge, ...]


def hand_direction(ridges: RidgeMap, p: PadParameters) -> float:
    """Direction that the fingers point in: radians, clockwise from up; 0 without skin."""
    if not ridges.skin.any():
        return 0.0
    weights = np.where(ridges.skin > 0, np.minimum(ridges.strength, np.float32(1.0)), np.float32(0.0))
    count = round(p.widest_turn_deg / p.turn_step_deg)
    angles = np.radians(np.arange(-count, count + 1) * p.turn_step_deg)
    profiles = np.concatenate([_profile_of(weights, float(angle)) for angle in angles])
    profiles = np.asarray(cv2.GaussianBlur(profiles, (0, 0), sigmaX=_DIRECTION_SIGMA, sigmaY=0.01), np.float32)
    steepness = np.square(np.diff(profiles, axis=1)).sum(axis=1) * np.cos(angles) ** _UPRIGHT_POWER
    best = int(steepness.argmax())
    if not 0 < best < len(angles) - 1:
        return float(angles[best])
    before, at, after = steepness[best - 1 : best + 2]
    return float(angles[best] + 0.5 * (before - after) / (before - 2.0 * at + after) * (angles[1] - angles[0]))


def find_pads(ridges: RidgeMap, direction: float, usual_mm: float, p: PadParameters) -> list[Pad]:
    """Find the fingers' pads, from left to right across the hand.

    direction: of the hand, radians clockwise. usual_mm: breadth of a large finger of those that were asked for.
    """
    pieces = _part_all(_pieces(ridges, direction, p), usual_mm, ridges.cell_mm, p)
    strands = sorted((_strand(piece) for piece in pieces), key=lambda strand: strand.top)
    usual = usual_mm / ridges.cell_mm
    fingers: list[_Strand] = []
    for strand in strands:
        above = next((number for number, finger in enumerate(fingers) if _follows(strand, finger, usual, p)), None)
        if above is None:
            fingers.append(strand)
        else:
            fingers[above] = _joined(fingers[above], strand)
    fingers = _as_broad_as_the_others(fingers, direction, ridges, p)
    pads = [_pad(finger, direction, ridges, p) for finger in sorted(fingers, key=lambda finger: finger.middle)]
    return [pad for pad in pads if pad is not None]


def _as_broad_as_the_others(
    fingers: list[_Strand], direction: float, ridges: RidgeMap, p: PadParameters
) -> list[_Strand]:
    """Give fingers that the side of the glass cuts the breadth of the others: lengths are measured by it."""
    cut = [
        bool(set(_edges(finger, finger.down >= 0.0, direction, ridges.skin.shape, False, p)) & {Edge.LEFT, Edge.RIGHT})
        for finger in fingers
    ]
    whole = [finger.breadth for finger, is_cut in zip(fingers, cut, strict=True) if not is_cut]
    if not whole:
        return fingers
    usual = statistics.median(whole)
    return [
        replace(finger, breadth=max(finger.breadth, usual)) if is_cut else finger
        for finger, is_cut in zip(fingers, cut, strict=True)
    ]


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
    across = np.outer(np.cos(angles), x) + np.outer(np.sin(angles), y)
    across -= across.min()
    bins = int(across.max()) + 3
    index = (across + 1.5).astype(np.int64) + bins * np.arange(len(angles))[:, None]
    weights = np.broadcast_to(weight, index.shape).ravel()
    sums = np.bincount(index.ravel(), weights, bins * len(angles)).reshape(len(angles), bins)
    return np.asarray(cv2.GaussianBlur(sums.astype(np.float32), (0, 0), sigmaX=sigma, sigmaY=0.01), np.float32)


def _pieces(ridges: RidgeMap, direction: float, p: PadParameters) -> list[Piece]:
    """Cells of each connected piece of skin, in the upright frame."""
    count, labels = cv2.connectedComponents(ridges.skin, connectivity=4)
    rows, cols = np.nonzero(ridges.skin)
    order = np.argsort(labels[rows, cols], kind="stable")
    rows, cols = rows[order], cols[order]
    cosine, sine = math.cos(direction), math.sin(direction)
    x = (cosine * cols + sine * rows).astype(np.float32)
    y = (cosine * rows - sine * cols).astype(np.float32)
    weight = np.minimum(ridges.strength[rows, cols], np.float32(_EQUAL_STRENGTH))
    ink = ridges.ink[rows, cols]
    ends = np.searchsorted(labels[rows, cols], np.arange(1, count + 1))
    least = p.least_area_mm2 / ridges.cell_mm**2
    return [
        Piece(x[start:stop], y[start:stop], weight[start:stop], ink[start:stop], parted=False)
        for start, stop in itertools.pairwise(ends)
        if stop - start >= least
    ]


def _part_all(pieces: list[Piece], largest_mm: float, cell_mm: float, p: PadParameters) -> list[Piece]:
    """Part every piece that is two fingers, by a clear seam or because it is broader than one can be."""
    clear = [part for whole in pieces for part in _part(whole, largest_mm, cell_mm, p)]
    breadths = [_breadth(piece) * cell_mm for piece in clear]
    single = [breadth for breadth in breadths if p.narrowest_mm <= breadth <= p.broad_share * largest_mm]
    usual_mm = min(largest_mm, statistics.median_high(single)) if single else largest_mm
    return [part for whole in clear for part in _part(whole, usual_mm, cell_mm, p)]


def _breadth(piece: Piece) -> float:
    _, _, counts = _rows(piece.x, piece.y)
    return float(np.percentile(counts, 85.0))


def _part(piece: Piece, usual_mm: float, cell_mm: float, p: PadParameters) -> list[Piece]:
    """Part a piece along the line that crosses least skin, as long as there is a seam.

    usual_mm: breadth of one finger. The broader the piece, the fainter a seam is taken for one.
    """
    count = round(p.split_turn_deg / p.split_step_deg)
    angles = np.radians(np.arange(-count, count + 1) * p.split_step_deg)
    profiles = _profiles(piece.x, piece.y, piece.weight, angles, _SEAM_SIGMA)
    share = _dips(profiles)
    narrow = p.narrowest_mm / cell_mm
    skin = profiles > _EDGE_SHARE * profiles.max(axis=1, keepdims=True)
    first, last = skin.argmax(axis=1), skin.shape[1] - 1 - skin[:, ::-1].argmax(axis=1)
    bins = np.arange(profiles.shape[1])
    inner = (bins >= (first + narrow)[:, None]) & (bins <= (last - narrow)[:, None])
    breadths = float((last - first).min()) * cell_mm / usual_mm
    if breadths > p.broad_share:  # fingers of unequal length make a step, no valley: look at how strong the skin is
        counts = _profiles(piece.x, piece.y, np.ones_like(piece.weight), angles, _SEAM_SIGMA)
        faint = _dips(np.asarray(profiles / np.maximum(counts, 1.0), np.float32))
        np.minimum(share, faint, out=share)
    share[~inner] = 1.0
    at, cut = np.unravel_index(int(share.argmin()), share.shape)
    clear = float(np.interp(breadths, (p.single_share, p.broad_share), (p.valley_share, p.broad_valley_share)))
    if share[at, cut] >= clear:
        return [piece]
    across = float(np.cos(angles[at])) * piece.x + math.sin(angles[at]) * piece.y
    start = float((np.outer(np.cos(angles), piece.x) + np.outer(np.sin(angles), piece.y)).min())
    beside = across - start + 1.5 < cut + 0.5
    touched = piece.parted or bool(_dips(profiles[at])[cut] > p.bare_share)  # two cells of bare glass close in the map
    halves = [piece.where(side, touched) for side in (beside, ~beside)]
    if min(len(half.x) for half in halves) < p.least_area_mm2 / cell_mm**2:
        return [piece]
    return [part for half in halves for part in _part(half, usual_mm, cell_mm, p)]


def _dips(profiles: FloatArray) -> FloatArray:
    """Share of each value of the lower of the highest to its left and to its right, along the last axis."""
    left = np.maximum.accumulate(profiles, axis=-1)
    right = np.maximum.accumulate(profiles[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(profiles / np.maximum(np.minimum(left, right), 1e-6), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Strand:
    """A piece in its own frame: across and down in cells from the middle of its tip; turn from the upright frame."""

    piece: Piece
    across: FloatArray
    down: FloatArray
    tip: tuple[float, float]
    turn: float
    breadth: float
    top: float
    middle: float


def _strand(piece: Piece) -> _Strand:
    """Fit the axis through the middles of a piece's rows, below the round of the tip."""
    turn = 0.0
    across, down = piece.x, piece.y
    for _ in range(2):  # the second time the rows lie right across the finger
        left, right, counts = _rows(across, down)
        breadth = float(np.percentile(counts, 75.0))
        rows = np.arange(len(counts))
        usable = (rows > 0.4 * breadth) & (rows < min(len(rows) - 3.0, 2.6 * breadth)) & (counts > 0.6 * breadth)
        if np.count_nonzero(usable) < 6:
            break
        slope = float(np.polyfit(rows[usable], 0.5 * (left + right)[usable], 1)[0])
        trust = np.count_nonzero(usable) / (np.count_nonzero(usable) + _ROWS_OF_DOUBT)
        turn = float(np.clip(turn - trust * math.atan(slope), -_MOST_TURN, _MOST_TURN))
        cosine, sine = math.cos(turn), math.sin(turn)
        across, down = cosine * piece.x + sine * piece.y, cosine * piece.y - sine * piece.x
    left, right, counts = _rows(across, down)
    breadth = float(np.percentile(counts, 75.0))
    body = np.arange(len(counts)) < 2.0 * breadth
    middle = float(np.median(0.5 * (left + right)[body]))
    top = float(down.min()) + float((counts > 0.2 * breadth).argmax())
    cosine, sine = math.cos(turn), math.sin(turn)
    tip = (cosine * middle - sine * top, sine * middle + cosine * top)
    return _Strand(piece, across - middle, down - top, tip, turn, breadth, tip[1], tip[0])


def _joined(finger: _Strand, below: _Strand) -> _Strand:
    """Add what lies below a finger to it, in its frame."""
    x, y = below.piece.x, below.piece.y
    cosine, sine = math.cos(finger.turn), math.sin(finger.turn)
    x, y = x - np.float32(finger.tip[0]), y - np.float32(finger.tip[1])
    return replace(
        finger,
        piece=replace(
            finger.piece,
            weight=np.concatenate([finger.piece.weight, below.piece.weight]),
            ink=np.concatenate([finger.piece.ink, below.piece.ink]),
        ),
        across=np.concatenate([finger.across, cosine * x + sine * y]).astype(np.float32),
        down=np.concatenate([finger.down, cosine * y - sine * x]).astype(np.float32),
    )


def _rows(across: FloatArray, down: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Left end, right end and count of cells of each row of a piece, from its top."""
    row = (down - down.min()).astype(np.int64)
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row)
    present = counts > 0
    starts = (np.cumsum(counts) - counts)[present]
    left, right = np.zeros(len(counts), np.float32), np.zeros(len(counts), np.float32)
    left[present] = np.minimum.reduceat(across[order], starts)
    right[present] = np.maximum.reduceat(across[order], starts)
    return left, right, counts.astype(np.float32)


def _follows(strand: _Strand, finger: _Strand, usual_cells: float, p: PadParameters) -> bool:
    """Tell whether a piece lies below another's pad, along its axis: its next phalanx."""
    x, y = strand.tip[0] - finger.tip[0], strand.tip[1] - finger.tip[1]
    cosine, sine = math.cos(finger.turn), math.sin(finger.turn)
    across, down = cosine * x + sine * y, cosine * y - sine * x
    near = p.followed_share * min(max(finger.breadth, 0.7 * strand.breadth), usual_cells)
    return abs(across) < near and down > 0.7 * finger.breadth


def _pad(strand: _Strand, direction: float, ridges: RidgeMap, p: PadParameters) -> Pad | None:
    """Cut a finger at its crease and put a box around what is above."""
    cell_mm = ridges.cell_mm
    length, crease = _crease(strand, p)
    inside = strand.down < length
    across, down = strand.across[inside], strand.down[inside]
    if len(across) < p.least_area_mm2 / cell_mm**2:
        return None
    left, right, counts = _rows(across, down)
    wide = counts > 0.5 * counts.max()
    low, high = float(np.percentile(left[wide], 15.0)), float(np.percentile(right[wide], 85.0))
    breadth = high - low
    edges = _edges(strand, inside, direction, ridges.skin.shape, not crease and length < p.whole_share * breadth, p)
    narrowest_mm = p.narrowest_cut_mm if Edge.LEFT in edges or Edge.RIGHT in edges else p.narrowest_mm
    if not narrowest_mm <= breadth * cell_mm <= p.widest_mm:
        return None
    turn = direction + strand.turn
    middle = 0.5 * (low + high)
    tip = _out(strand, direction, middle, 0.0, cell_mm)
    centre = _out(strand, direction, middle, 0.5 * length, cell_mm)
    return Pad(
        tip=tip,
        centre=centre,
        breadth=breadth * cell_mm,
        length=length * cell_mm,
        rotation=turn,
        strength=float(strand.piece.weight[inside].mean()),
        filled=min(1.0, len(across) / (breadth * length)),
        parted=strand.piece.parted,
        crease=crease,
        edges=edges,
    )


def _edges(
    strand: _Strand,
    inside: NDArray[np.bool_],
    direction: float,
    shape: tuple[int, ...],
    open_below: bool,
    p: PadParameters,
) -> tuple[Edge, ...]:
    """Tell which sides of the glass a pad runs over; over the bottom only where its crease may lie beyond."""
    x, y = _on_grid(strand, strand.across[inside], strand.down[inside], direction)
    rows, cols = shape
    cut = {
        Edge.LEFT: x < 1.0,
        Edge.TOP: y < 1.0,
        Edge.RIGHT: x > cols - 2.0,
        Edge.BOTTOM: (y > rows - 2.0) & open_below,
    }
    return tuple(edge for edge, cells in cut.items() if np.count_nonzero(cells) >= p.edge_cells)


def _on_grid(strand: _Strand, across: FloatArray, down: FloatArray, direction: float) -> tuple[FloatArray, FloatArray]:
    """Turn spots of a strand's frame into column and row of the grid."""
    cosine, sine = math.cos(strand.turn), math.sin(strand.turn)
    x = strand.tip[0] + cosine * across - sine * down
    y = strand.tip[1] + sine * across + cosine * down
    cosine, sine = math.cos(direction), math.sin(direction)
    return np.asarray(cosine * x - sine * y, np.float32), np.asarray(sine * x + cosine * y, np.float32)


def _out(strand: _Strand, direction: float, across: float, down: float, cell_mm: float) -> tuple[float, float]:
    """Turn a spot of a strand's frame into mm from the image's top left corner."""
    x, y = _on_grid(strand, np.array([across], np.float32), np.array([down], np.float32), direction)
    return (float(x[0]) + 0.5) * cell_mm, (float(y[0]) + 0.5) * cell_mm


def _crease(strand: _Strand, p: PadParameters) -> tuple[float, bool]:
    """Length of the pad in cells, and whether a crease shows where it ends."""
    rows = np.maximum(strand.down, 0.0).astype(np.int64)
    sums = np.bincount(rows, strand.piece.ink).astype(np.float32)
    profile = cv2.GaussianBlur(sums[None], (0, 0), sigmaX=_ROW_SIGMA, sigmaY=0.01)[0].astype(np.float32)
    first = int(p.crease_from * strand.breadth)
    last = min(int(p.crease_to * strand.breadth), len(profile) - 2)
    if last > first:
        away = np.abs(np.arange(first, last + 1) / strand.breadth - p.crease_middle)
        window = _notches(profile, p.crease_rows)[first : last + 1] + p.crease_pull * np.square(away)
        at = int(window.argmin())
        if window[at] < p.crease_dip:
            return float(first + at), True
    whole = float(strand.down.max()) + 1.0
    if whole <= p.uncreased * strand.breadth:
        return whole, False
    return p.crease_middle * strand.breadth, False


def _notches(profile: FloatArray, reach: int) -> FloatArray:
    """Share of each value of the lower of the highest within `reach` before it and after it."""
    padded = np.pad(profile, reach)
    highest = np.lib.stride_tricks.sliding_window_view(padded, reach + 1).max(axis=1)
    before, after = highest[: len(profile)], highest[reach:]
    return np.asarray(profile / np.maximum(np.minimum(before, after), 1e-6), np.float32)
