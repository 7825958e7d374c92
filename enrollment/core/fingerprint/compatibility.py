"""Which candidate pairs tell of the same rigid motion, and which of them are borne out by many others."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.candidates import Placed
from enrollment.core.fingerprint.matching_parameters import MATCHING

_MOST_DOUBT: Final = 80.0  # exp(-80) is still a normal float32
_LEAST_LENGTH: Final = 1e-12  # of a support vector: nothing supports anything


def compatibility(placed: Placed, partners: NDArray[np.intp], *, stretch: bool = True) -> NDArray[np.float32]:
    """Weigh how well any two of K candidates i and j agree on one motion, in C gallery templates.

    partners: (C, K) intp, their gallery minutiae: two candidates of one minutia exclude each other.
    stretch: compare their distances too (the first look does as well without).
    Returns (C, K, K) float32 in [0, 1], symmetric, 0 on the diagonal.

    With a = a_j - a_i on our side, b likewise on theirs and R_i the rotation of i, the motion of i alone misplaces j by
    |R_i a - b|. The sum of that square and of its mirror image is 2 (both - agreed), where both = |a|^2 + |b|^2 and
    agreed = (R_i a) . b + (R_j a) . b. Every such term is a sum of products of something of i and something of j, so
    each is one small matrix product: no K x K array of differences is ever built.
    """
    ax, ay = placed.ours
    bx, by = placed.theirs
    cos, sin = placed.turns
    one = np.ones_like(ax)
    square_a, square_b = ax * ax + ay * ay, bx * bx + by * by
    dot, cross = ax * bx + ay * by, ax * by - ay * bx
    squares = square_a + square_b
    left = [
        -cos,
        -sin,
        cos * bx + sin * by - ax,
        cos * by - sin * bx - ay,
        cos * ax - sin * ay - bx,
        cos * ay + sin * ax - by,
        squares - cos * dot - sin * cross,
    ]
    right = [dot, cross, ax, ay, bx, by, one]
    misplaced = _products(left + right, right + left)
    both = _products([-2 * ax, -2 * ay, -2 * bx, -2 * by, squares, one], [ax, ay, bx, by, one, squares])
    np.maximum(both, 0.0, out=both)  # minutiae metres apart leave rounding errors of either sign
    sharpness = np.float32(MATCHING.rotation_sigma**-2)
    doubt = _products([-sharpness * cos, -sharpness * sin, sharpness * one], [cos, sin, one])

    spare = np.empty_like(both)
    misplaced /= _variance(both, 2.0 * MATCHING.pair_sigma_px**2, MATCHING.pair_sigma_slope**2, spare)
    doubt += misplaced
    if stretch:
        # (|a| - |b|)^2 = longer^2 / (|a| + |b|)^2, and (|a| + |b|)^2 = 2 both wherever |a| is close to |b|
        change = square_a - square_b
        longer = _products([-2 * ax, -2 * ay, 2 * bx, 2 * by, change, one], [ax, ay, bx, by, one, change])
        longer *= longer
        longer /= _variance(both, 2.0 * MATCHING.stretch_sigma_px**2, MATCHING.stretch_sigma_slope**2, spare)
        longer /= _variance(both, 1.0, 2.0, spare)
        doubt += longer
    np.clip(doubt, 0.0, _MOST_DOUBT, out=doubt)
    agreement = np.exp(np.negative(doubt, out=doubt), out=doubt)
    names = partners.astype(np.uint8)
    agreement *= names[:, :, None] != names[:, None, :]
    return agreement


def _variance(
    square: NDArray[np.float32], constant: float, slope: float, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Write the variance at a square of a distance, constant + slope * square, to `out` and return it."""
    np.multiply(square, np.float32(slope), out=out)
    out += np.float32(constant)
    return out


def relax(
    agreement: NDArray[np.float32], similarities: NDArray[np.float32], steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Let candidates support each other: the first steps towards the leading eigenvector.

    agreement: (C, K, K) float32. similarities: (C, K) float32, of the descriptors. steps: 1 or more.
    Returns (C, K) float32 support, >= 0, each row of unit length or all 0, and the length that each row had before:
    (C,) float32, 0..K.
    """
    weights = 1.0 / (1.0 + np.exp((MATCHING.similarity_middle - similarities) / MATCHING.similarity_width))
    support: NDArray[np.float32] = weights
    length = np.zeros(len(weights), np.float32)
    for _ in range(steps):
        support = weights * (agreement @ support[:, :, None])[:, :, 0]
        length = np.sqrt(np.vecdot(support, support))
        support /= (length + _LEAST_LENGTH)[:, None]
    return support, length


def _products(left: list[NDArray[np.float32]], right: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Sum the products of the terms of i (left) and of j (right): (C, K) each, to (C, K, K)."""
    shape = (len(left), *left[0].shape)
    ours, theirs = np.concatenate(left).reshape(shape), np.concatenate(right).reshape(shape)
    summed: NDArray[np.float32] = ours.transpose(1, 2, 0) @ theirs.transpose(1, 0, 2)
    return summed
