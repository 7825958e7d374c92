"""A piece of skin in the frame of its finger: its axis, what of the finger follows below, and where the pad ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from enrollment.core.fingerprint.skin_pieces import Piece, rows_of
from enrollment.core.fingerprint.slap_parameters import PadParameters
from enrollment.core.fingerprint.tiles import FloatArray, percentile

_ROW_SIGMA = 0.7
_ROWS_OF_DOUBT = 8.0  # a short piece has the hand's direction
_MOST_TURN = 0.45  # radians, of a finger beside its hand


@dataclass(frozen=True, slots=True, eq=False)
class Strand:
    """A piece in its own frame: across and down in cells from the middle of its tip; turn from the upright frame."""

    piece: Piece
    across: FloatArray
    down: FloatArray
    tip: tuple[float, float]
    turn: float
    breadth: float
    top: float
    middle: float


def strand_of(piece: Piece) -> Strand:
    """Fit the axis through the middles of a piece's rows, below the round of the tip."""
    turn = 0.0
    across, down = piece.x, piece.y
    for _ in range(2):  # the second time the rows lie right across the finger
        left, right, counts = rows_of(across, down)
        breadth = percentile(counts, 75.0)
        rows = np.arange(len(counts))
        usable = (rows > 0.4 * breadth) & (rows < min(len(rows) - 3.0, 2.6 * breadth)) & (counts > 0.6 * breadth)
        if np.count_nonzero(usable) < 6:
            break
        along = rows[usable] - rows[usable].mean()
        slope = float(along @ (0.5 * (left + right)[usable]) / (along @ along))
        trust = len(along) / (len(along) + _ROWS_OF_DOUBT)
        turn = float(np.clip(turn - trust * math.atan(slope), -_MOST_TURN, _MOST_TURN))
        cosine, sine = math.cos(turn), math.sin(turn)
        across, down = cosine * piece.x + sine * piece.y, cosine * piece.y - sine * piece.x
    left, right, counts = rows_of(across, down)
    breadth = percentile(counts, 75.0)
    body = np.arange(len(counts)) < 2.0 * breadth
    middle = percentile(0.5 * (left + right)[body], 50.0)
    top = float(down.min()) + float((counts > 0.2 * breadth).argmax())
    cosine, sine = math.cos(turn), math.sin(turn)
    tip = (cosine * middle - sine * top, sine * middle + cosine * top)
    return Strand(piece, across - middle, down - top, tip, turn, breadth, tip[1], tip[0])


def joined(finger: Strand, below: Strand) -> Strand:
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
            edges=np.concatenate([finger.piece.edges, below.piece.edges]),
        ),
        across=np.concatenate([finger.across, cosine * x + sine * y]).astype(np.float32),
        down=np.concatenate([finger.down, cosine * y - sine * x]).astype(np.float32),
    )


def follows(strand: Strand, finger: Strand, usual_cells: float, p: PadParameters) -> bool:
    """Tell whether a piece lies below another's pad, along its axis: its next phalanx."""
    x, y = strand.tip[0] - finger.tip[0], strand.tip[1] - finger.tip[1]
    cosine, sine = math.cos(finger.turn), math.sin(finger.turn)
    across, down = cosine * x + sine * y, cosine * y - sine * x
    near = p.followed_share * min(max(finger.breadth, 0.7 * strand.breadth), usual_cells)
    return abs(across) < near and down > 0.7 * finger.breadth


def on_grid(strand: Strand, across: float, down: float, direction: float) -> tuple[float, float]:
    """Turn a spot of a strand's frame into column and row of the grid."""
    cosine, sine = math.cos(strand.turn), math.sin(strand.turn)
    x = strand.tip[0] + cosine * across - sine * down
    y = strand.tip[1] + sine * across + cosine * down
    cosine, sine = math.cos(direction), math.sin(direction)
    return cosine * x - sine * y, sine * x + cosine * y


def crease_of(strand: Strand, p: PadParameters) -> tuple[float, bool]:
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
