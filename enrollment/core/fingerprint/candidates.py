"""Candidate pairs: each probe minutia with the gallery minutia whose neighbourhood looks most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING

_NAMES: Final = 64  # gallery minutiae that a likeness can name: its lowest six bits; a power of two
_WORSE_THAN_ANY: Final = np.float32(2**22)  # taken from the likeness of padding; sums stay whole numbers below 2^24


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """K pairs for each of C gallery templates.

    ours: (C, K) intp, minutia of the probe.
    theirs: (C, K) intp, minutia of the gallery, counted through all C * M of them.
    similarities: (C, K) float32, about -1..1.
    """

    ours: NDArray[np.intp]
    theirs: NDArray[np.intp]
    similarities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where K candidates lie: (2, C, K) float32 each.

    ours, theirs: x and y in pixels. turns: cosine and sine of the angle from our heading to theirs.
    """

    ours: NDArray[np.float32]
    theirs: NDArray[np.float32]
    turns: NDArray[np.float32]


def likeness(probe: NDArray[np.int8], gallery: NDArray[np.int8], counts: NDArray[np.intp]) -> NDArray[np.float32]:
    """Compare all descriptors of a probe with all of C templates.

    probe: (N, D) int8. gallery: (C, M, D) int8, M <= 64. counts: (C,), minutiae that are real.
    Returns (M, C, N) float32, whole numbers: 64 times the dot product and, below that, a number that names the gallery
    minutia. The greatest of a column thus says how alike and which, without an argmax (numpy has no quick one); M comes
    first so that it is found along long rows.
    """
    count, most, dimensions = gallery.shape
    ours = np.float32(_NAMES) * probe.T
    theirs = gallery.transpose(1, 0, 2).astype(np.float32, order="C").reshape(most * count, dimensions)
    alike: NDArray[np.float32] = (theirs @ ours).reshape(most, count, len(probe))  # integers: exact in any order
    names = np.arange(most)[:, None]
    tags = np.where(names < counts, np.float32(0.0), -_WORSE_THAN_ANY) + (_NAMES - 1 - names)
    alike += tags[:, :, None].astype(np.float32)
    return alike


def similarity(alike: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the similarity, about -1..1, that a likeness holds."""
    products: NDArray[np.float32] = np.floor(alike * np.float32(1.0 / _NAMES))
    products *= np.float32(MATCHING.descriptor_scale**-2)
    return products


def best_candidates(alike: NDArray[np.float32], kept: int, row_length: int) -> Candidates:
    """Pair each probe minutia with its most similar one, and keep the most similar pairs.

    alike: (M, C, N) of `likeness`. kept: K is this or N, whichever is less. row_length: M of the gallery itself, of
    which `likeness` may have been given only the first.
    """
    _, count, ours = alike.shape
    best = alike.max(axis=0)
    if kept < ours:
        chosen = np.argpartition(-best, kept - 1, axis=1)[:, :kept]
        best = best.take(chosen + ours * np.arange(count)[:, None])
    else:
        chosen = np.broadcast_to(np.arange(ours), best.shape)
    names = _NAMES - 1 - (best.astype(np.int32) & (_NAMES - 1))
    return Candidates(chosen, names + row_length * np.arange(count)[:, None], similarity(best))


def place(candidates: Candidates, probe: DescribedTemplates, gallery: DescribedTemplates) -> Placed:
    """Look up where the candidates of one probe (C = 1) lie in it and in C gallery templates."""
    ax, ay = probe.headings[:, 0].take(candidates.ours, axis=1)
    bx, by = gallery.headings.reshape(2, -1).take(candidates.theirs, axis=1)
    turns = np.empty((2, *candidates.ours.shape), np.float32)
    np.add(bx * ax, by * ay, out=turns[0])
    np.subtract(by * ax, bx * ay, out=turns[1])
    return Placed(
        probe.points[:, 0].take(candidates.ours, axis=1),
        gallery.points.reshape(2, -1).take(candidates.theirs, axis=1),
        turns,
    )
