"""How badly two minutiae miss each other: a squared distance and a difference of direction, in one number.

    misfit = d^2 / (2 tolerance^2) + (1 - cos(turn)) / direction_tolerance^2

It is a sum of six products of something of one minutia and something of the other, so that all pairs of two templates
are one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING

MOST_MISFIT: Final = 80.0  # exp(-80) is still a normal float32
_OUT_OF_REACH: Final = np.float32(1e9)  # squared pixels that keep padding from ever being the nearest


def their_terms(gallery: DescribedTemplates, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the six terms of each minutia of H rows of the gallery: (H, 6, M) float32."""
    x, y = points = gallery.points[:, rows]
    terms = np.empty((len(rows), 6, x.shape[1]), np.float32)
    terms[:, 0] = 1.0
    terms[:, 1] = x * x + y * y + _OUT_OF_REACH * gallery.padding[rows]
    terms[:, 2:4] = points.transpose(1, 0, 2)
    terms[:, 4:6] = gallery.headings[:, rows].transpose(1, 0, 2)
    return terms


def our_terms(points: NDArray[np.float32], headings: NDArray[np.float32], tolerance_px: float) -> NDArray[np.float32]:
    """Return the six terms of each probe minutia where a motion has put it.

    points, headings: (2, C, N) float32. Returns (C, 6, N) float32.
    """
    x, y = points
    nearness = 0.5 / tolerance_px**2
    sharpness = MATCHING.direction_tolerance**-2
    terms = np.empty((x.shape[0], 6, x.shape[1]), np.float32)
    terms[:, 0] = nearness * (x * x + y * y) + sharpness
    terms[:, 1] = nearness
    np.multiply(points.transpose(1, 0, 2), -2.0 * nearness, out=terms[:, 2:4])
    np.multiply(headings.transpose(1, 0, 2), -sharpness, out=terms[:, 4:6])
    return terms


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """The nearest gallery minutia of each of N probe minutiae, for C gallery templates.

    theirs: (C, N) intp, counted through all C * M minutiae.
    misfits: (C, N) float32, 0..MOST_MISFIT.
    mutual: (C, N) bool, True where each is the nearest of the other.
    """

    theirs: NDArray[np.intp]
    misfits: NDArray[np.float32]
    mutual: NDArray[np.bool_]

    def select(self, rows: NDArray[np.intp]) -> Pairing:
        """Copy those of some gallery templates; they count through all minutiae as before."""
        return Pairing(self.theirs[rows], self.misfits[rows], self.mutual[rows])


def pair_up(ours: NDArray[np.float32], theirs: NDArray[np.float32], rows: NDArray[np.intp]) -> Pairing:
    """Pair each probe minutia with its nearest; the terms are those of `our_terms` and `their_terms`.

    rows: (C,) which rows of the gallery the terms are of.
    """
    misfits = ours.transpose(0, 2, 1) @ theirs
    count, probe, most = misfits.shape
    nearest = misfits.argmin(axis=2)
    each = most * np.arange(count * probe).reshape(count, probe)
    least = misfits.ravel()[nearest + each]
    mutual = least <= misfits.min(axis=1).ravel()[nearest + most * np.arange(count)[:, None]]
    columns = nearest + most * rows[:, None]
    return Pairing(columns, np.minimum(np.maximum(least, 0.0), MOST_MISFIT), mutual)
