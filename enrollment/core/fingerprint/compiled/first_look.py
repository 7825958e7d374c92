"""The first look of a search: the beginning of a comparison, with less of everything (see `filter`)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import float32, int8, intp
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import ZERO
from enrollment.core.fingerprint.compiled.arrays import MOST, Candidates, FloatArray, Minutiae
from enrollment.core.fingerprint.compiled.candidates import choose, leading, place, products_of
from enrollment.core.fingerprint.compiled.compatibility import relax, weigh
from enrollment.core.fingerprint.compiled.kernel import entry, read_only
from enrollment.core.fingerprint.matching_parameters import FILTER

_CANDIDATES: Final = FILTER.candidates
_STEPS: Final = FILTER.relaxation_steps
_LOOKED_AT: Final = FILTER.gallery_minutiae
_products: Final = products_of(FILTER.dimensions)


@entry(
    *read_only((int8, 2), (float32, 3), (float32, 3), (intp, 1), (int8, 3), (float32, 3), (float32, 3)), float32[::1]
)
def look(
    outlines: NDArray[np.int8],
    points: FloatArray,
    headings: FloatArray,
    their_counts: NDArray[np.intp],
    their_outlines: NDArray[np.int8],
    their_points: FloatArray,
    their_headings: FloatArray,
    promised: FloatArray,
) -> None:
    """Take the first look at the first P of a gallery's templates.

    outlines: (N, FILTER.dimensions) of the probe, and its points and headings, (2, 1, N or more).
    their_counts: (P or more,), and likewise their outlines (., FILTER.gallery_minutiae, FILTER.dimensions), points and
    headings. Writes to promised (P,).
    """
    ours, wide = len(outlines), outlines.astype(np.int16)
    found, order = np.empty((MOST, MOST), np.int32), np.empty(MOST, np.int32)
    best, chosen = np.empty(2 * MOST, np.int32), np.empty(2 * MOST, np.int32)
    rows, names = np.empty((7, _CANDIDATES), np.float32), np.empty(_CANDIDATES, np.int32)
    candidates = Candidates(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], names)
    agreement, support = np.empty((_CANDIDATES, _CANDIDATES), np.float32), np.empty((2, _CANDIDATES), np.float32)
    probe = Minutiae(points[0, 0], points[1, 0], headings[0, 0], headings[1, 0])
    for row in range(len(promised)):
        others = min(their_counts[row], _LOOKED_AT)
        if not ours or not others:
            promised[row] = ZERO
            continue
        _products(wide, their_outlines[row], ours, others, found)
        pairs = choose(found, ours, others, best, chosen)
        count = leading(best, pairs, _CANDIDATES, order)
        other = Minutiae(their_points[0, row], their_points[1, row], their_headings[0, row], their_headings[1, row])
        place(probe, other, best, chosen, order, count, candidates)
        weigh(candidates, _CANDIDATES, False, agreement)
        promised[row] = relax(agreement, candidates.weights, _CANDIDATES, _STEPS, support)
