"""The arrays that kernels work on. Kernels take named tuples where Python takes dataclasses: numba knows only those.

Loops of a constant length over whole rows are what a processor does fastest: rows have room for MOST minutiae, and what
is behind the last one is far away and of no weight.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.matching_parameters import MATCHING

FloatArray = NDArray[np.float32]

MOST: Final = 64  # minutiae that a row has room for: MATCHING.most_minutiae or more, and a power of two
NAMES: Final = np.int32(MOST - 1)  # the bits that hold the number of a minutia in what is compared as a whole number
CANDIDATES: Final = MATCHING.candidates


class Minutiae(NamedTuple):
    """Where minutiae lie, in rows of MOST. x, y: float32 pixels. cos, sin: of the headings."""

    x: FloatArray
    y: FloatArray
    cos: FloatArray
    sin: FloatArray


class Print(NamedTuple):
    """One described template: rows of `described.DescribedTemplates`.

    size: N, minutiae that are real. reliabilities: (MOST,) float32. kinds: (N,) uint8.
    descriptors: (N, DIMENSIONS) int8. polygon: (SIDES,) float32.
    cells: (rows * cols, 4) uint8, the waves row by row; no rows where there are none.
    left, top, wide, high: pixels, of the first cell of the waves and from cell to cell.
    """

    size: int
    minutiae: Minutiae
    reliabilities: FloatArray
    kinds: NDArray[np.uint8]
    descriptors: NDArray[np.int8]
    polygon: FloatArray
    cells: NDArray[np.uint8]
    rows: int
    cols: int
    left: np.float32
    top: np.float32
    wide: np.float32
    high: np.float32


class Motion(NamedTuple):
    """A rotation about the origin followed by a shift. cos, sin: of the angle. east, south: pixels."""

    cos: np.float32
    sin: np.float32
    east: np.float32
    south: np.float32


class Candidates(NamedTuple):
    """CANDIDATES pairs of a minutia of the probe and one of the other, most alike.

    ax, ay: float32 pixels, where ours is; bx, by: theirs. cos, sin: of the turn from our heading to theirs.
    theirs: int32, which of their minutiae. weights: 0..1, how much each counts at first; 0 where there is none.
    """

    ax: FloatArray
    ay: FloatArray
    bx: FloatArray
    by: FloatArray
    cos: FloatArray
    sin: FloatArray
    weights: FloatArray
    theirs: NDArray[np.int32]


class Pairing(NamedTuple):
    """The nearest of their minutiae for each of ours.

    theirs: (MOST,) int32. misfits: (MOST,) float32, 0..MOST_MISFIT. mutual: (MOST,) bool, True where each is the
    nearest of the other. nearest: (MOST,) int32, room for the search.
    """

    theirs: NDArray[np.int32]
    misfits: FloatArray
    mutual: NDArray[np.bool_]
    nearest: NDArray[np.int32]


class Room(NamedTuple):
    """Where one comparison after the other puts what it works out.

    alike: (MOST, MOST) int32, of `candidates.products`. best, ours: (2 MOST,) int32, of `candidates.choose`. order:
    (MOST,) int32. agreement: (CANDIDATES, CANDIDATES). support: (2, CANDIDATES). weights: (CANDIDATES,). motions:
    (MATCHING.poses, 4). moved, bent: of the probe. spare: (MOST,) float32. rigid_scores, met: (MATCHING.poses,) of each
    motion, of `comparison.score_rigid`.
    """

    alike: NDArray[np.int32]
    best: NDArray[np.int32]
    ours: NDArray[np.int32]
    order: NDArray[np.int32]
    candidates: Candidates
    agreement: FloatArray
    support: FloatArray
    weights: FloatArray
    motions: FloatArray
    moved: Minutiae
    bent: Minutiae
    pairing: Pairing
    spare: FloatArray
    rigid_scores: FloatArray
    met: FloatArray
