"""From skin on the grid to fingers, and from each finger to its pad: the tip down to the crease of the last joint.

turn the grid so that fingers stand upright -> pieces of skin -> part those that touch (skin_pieces.py)
-> the axis of each -> what lies below another's pad is its next phalanx -> the pad ends at the crease (strands.py)
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.ridge_map import RidgeMap
from enrollment.core.fingerprint.skin_pieces import (
    AT_BOTTOM,
    AT_LEFT,
    AT_RIGHT,
    AT_TOP,
    part_all,
    pieces_of,
    rows_of,
)
from enrollment.core.fingerprint.slap_parameters import PadParameters
from enrollment.core.fingerprint.strands import Strand, crease_of, follows, joined, on_grid, strand_of
from enrollment.core.fingerprint.tiles import percentile


class Edge(Enum):
    """A side of the glass, as seen in the image; the values are stable."""

    LEFT = "LEFT"
    TOP = "TOP"
    RIGHT = "RIGHT"
    BOTTOM = "BOTTOM"


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


def find_pads(ridges: RidgeMap, direction: float, usual_mm: float, p: PadParameters) -> list[Pad]:
    """Find the fingers' pads, from left to right across the hand.

    direction: of the hand, radians clockwise. usual_mm: breadth of a large finger of those that were asked for.
    """
    pieces = part_all(pieces_of(ridges, direction, p), usual_mm, ridges.cell_mm, p)
    strands = sorted((strand_of(piece) for piece in pieces), key=lambda strand: strand.top)
    usual = usual_mm / ridges.cell_mm
    fingers: list[Strand] = []
    for strand in strands:
        above = next((number for number, finger in enumerate(fingers) if follows(strand, finger, usual, p)), None)
        if above is None:
            fingers.append(strand)
        else:
            fingers[above] = joined(fingers[above], strand)
    fingers = _as_broad_as_the_others(fingers, p)
    pads = [_pad(finger, direction, ridges, p) for finger in sorted(fingers, key=lambda finger: finger.middle)]
    return [pad for pad in pads if pad is not None]


def _as_broad_as_the_others(fingers: list[Strand], p: PadParameters) -> list[Strand]:
    """Give fingers that the side of the glass cuts the breadth of the others: lengths are measured by it."""
    cut = [bool(set(_edges(finger, finger.down >= 0.0, False, p)) & {Edge.LEFT, Edge.RIGHT}) for finger in fingers]
    whole = [finger.breadth for finger, is_cut in zip(fingers, cut, strict=True) if not is_cut]
    if not whole:
        return fingers
    usual = statistics.median(whole)
    return [
        replace(finger, breadth=max(finger.breadth, usual)) if is_cut else finger
        for finger, is_cut in zip(fingers, cut, strict=True)
    ]


def _pad(strand: Strand, direction: float, ridges: RidgeMap, p: PadParameters) -> Pad | None:
    """Cut a finger at its crease and put a box around what is above."""
    cell_mm = ridges.cell_mm
    length, crease = crease_of(strand, p)
    inside = strand.down < length
    across, down = strand.across[inside], strand.down[inside]
    if len(across) < p.least_area_mm2 / cell_mm**2:
        return None
    left, right, counts = rows_of(across, down)
    wide = counts > 0.5 * counts.max()
    low, high = percentile(left[wide], 15.0), percentile(right[wide], 85.0)
    breadth = high - low
    edges = _edges(strand, inside, not crease and length < p.whole_share * breadth, p)
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


def _edges(strand: Strand, inside: NDArray[np.bool_], open_below: bool, p: PadParameters) -> tuple[Edge, ...]:
    """Tell which sides of the glass a pad runs over; over the bottom only where its crease may lie beyond."""
    at = strand.piece.edges[inside]
    sides = {Edge.LEFT: AT_LEFT, Edge.TOP: AT_TOP, Edge.RIGHT: AT_RIGHT, Edge.BOTTOM: AT_BOTTOM if open_below else 0}
    return tuple(edge for edge, side in sides.items() if np.count_nonzero(at & side) >= p.edge_cells)


def _out(strand: Strand, direction: float, across: float, down: float, cell_mm: float) -> tuple[float, float]:
    """Turn a spot of a strand's frame into mm from the image's top left corner."""
    x, y = on_grid(strand, across, down, direction)
    return (x + 0.5) * cell_mm, (y + 0.5) * cell_mm
