"""Candidate pairs: each minutia of the probe with that of the other template whose neighbourhood looks most alike."""

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


def products_of(dimensions: int) -> Callable[[Int8Array, Int8Array, int, int, NDArray[np.int32]], None]:
    """Return the kernel that multiplies descriptors of so many dimensions: a constant, for the loop over them."""

    @kernel
    def products(ours: Int8Array, theirs: Int8Array, count: int, others: int, found: NDArray[np.int32]) -> None:
        """Multiply all descriptors of both sides: (N, D) and (M, D) to found (MOST, MOST).

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
def choose(found: NDArray[np.int32], count: int, best: NDArray[np.int32]) -> None:
    """Write the greatest of each row to best (MOST,)."""
    for i in range(count):
        most = _NONE
        for j in range(MOST):
            most = max(most, found[i, j])
        best[i] = most


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
    probe: Minutiae, other: Minutiae, best: NDArray[np.int32], order: NDArray[np.int32], count: int, placed: Candidates
) -> None:
    """Look up where the chosen pairs lie, and weigh them by how alike they are."""
    for k in range(len(placed.ax)):
        i = order[k] if k < count else np.int32(0)
        j = name(best[i])
        placed.theirs[k] = j
        placed.ax[k], placed.ay[k] = probe.x[i], probe.y[i]
        placed.bx[k], placed.by[k] = other.x[j], other.y[j]
        placed.cos[k] = other.cos[j] * probe.cos[i] + other.sin[j] * probe.sin[i]
        placed.sin[k] = other.sin[j] * probe.cos[i] - other.cos[j] * probe.sin[i]
        weight = ONE / (ONE + exp((_MIDDLE - similarity(best[i])) * _SHARPNESS))
        placed.weights[k] = weight if k < count else ZERO
