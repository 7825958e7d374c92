"""Candidate pairs: each minutia of either template with that of the other whose neighbourhood looks most alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arithmetic import ONE, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import MOST, NAMES, Candidates, Minutiae
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.matching_parameters import MATCHING

Int8Array = NDArray[np.int8]

_NAME_BITS: Final = np.int32(MOST.bit_length() - 1)
_SIMILARITY: Final = np.float32(MATCHING.descriptor_scale**-2)  # of a product of 1
_MIDDLE: Final = np.float32(MATCHING.similarity_middle)
_SHARPNESS: Final = np.float32(1.0 / MATCHING.similarity_width)
_NONE: Final = np.int32(-(2**31))


def products_of(dimensions: int) -> Callable[[NDArray[np.int16], Int8Array, int, int, NDArray[np.int32]], None]:
    """Return the kernel that multiplies descriptors of so many dimensions: a constant, for the loop over them."""

    @kernel
    def products(ours: NDArray[np.int16], theirs: Int8Array, count: int, others: int, found: NDArray[np.int32]) -> None:
        """Multiply all descriptors of both sides: (N, D) and (M, D) to found (MOST, MOST).

        ours: once widened, so that it need not be for each of the others.
        What is found holds the product and, below it, a number that names the other minutia: the greatest of a row says
        how alike and which.
        """
        for i in range(count):
            for j in range(others):
                product = np.int32(0)
                for k in range(dimensions):
                    product += np.int32(ours[i, k]) * np.int32(theirs[j, k])
                found[i, j] = product
            for j in range(others):  # in a loop of its own: above, it would keep the products from being vectorized
                found[i, j] = (found[i, j] << _NAME_BITS) + (NAMES - np.int32(j))
            for j in range(others, MOST):
                found[i, j] = _NONE

    return products


@kernel
def choose(found: NDArray[np.int32], count: int, others: int, best: NDArray[np.int32], ours: NDArray[np.int32]) -> int:
    """Find for each minutia of either side the one most like it: pairs of mutual choice once.

    Writes what was found for a pair to best, and the number of our minutia to ours: (2 MOST,) each.
    Returns how many pairs there are.
    """
    columns = best[MOST:]
    for j in range(MOST):
        columns[j] = _NONE
    for i in range(count):
        most = _NONE
        named = NAMES - np.int32(i)
        for j in range(MOST):
            most = max(most, found[i, j])
            columns[j] = max(columns[j], (found[i, j] & ~NAMES) + named)
        best[i] = most
        ours[i] = i
    pairs = count
    for j in range(others):
        one = name(columns[j])
        if name(best[one]) != j:
            best[pairs] = (columns[j] & ~NAMES) + (NAMES - np.int32(j))
            ours[pairs] = one
            pairs += 1
    return pairs


@kernel
def name(found: np.int32) -> np.int32:
    """Tell which minutia is meant."""
    return NAMES - (found & NAMES)


@kernel
def similarity(found: np.int32) -> np.float32:
    """Tell how alike two descriptors are, about -1..1."""
    return _SIMILARITY * np.float32(found >> _NAME_BITS)


@kernel
def leading(values: NDArray[Any], count: int, kept: int, order: NDArray[np.int32]) -> int:
    """Write the numbers of the greatest of `count` values to order, greatest first and the first of equals first.

    Returns how many there are: kept, or all.
    """
    found = 0
    for i in range(count):
        value = values[i]
        if found == kept and value <= values[order[found - 1]]:
            continue
        place = found if found < kept else kept - 1
        while place > 0 and values[order[place - 1]] < value:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i
        found = min(found + 1, kept)
    return found


@kernel
def place(
    probe: Minutiae,
    other: Minutiae,
    best: NDArray[np.int32],
    ours: NDArray[np.int32],
    order: NDArray[np.int32],
    count: int,
    placed: Candidates,
) -> None:
    """Look up where the chosen pairs lie, and weigh them by how alike they are."""
    for k in range(len(placed.ax)):
        pair = order[k] if k < count else np.int32(0)
        i, j = ours[pair], name(best[pair])
        placed.theirs[k] = j
        placed.ax[k], placed.ay[k] = probe.x[i], probe.y[i]
        placed.bx[k], placed.by[k] = other.x[j], other.y[j]
        placed.cos[k] = other.cos[j] * probe.cos[i] + other.sin[j] * probe.sin[i]
        placed.sin[k] = other.sin[j] * probe.cos[i] - other.cos[j] * probe.sin[i]
        weight = ONE / (ONE + exp((_MIDDLE - similarity(best[pair])) * _SHARPNESS))
        placed.weights[k] = weight if k < count else ZERO
