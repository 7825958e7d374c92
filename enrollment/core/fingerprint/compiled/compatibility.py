"""Which candidate pairs tell of the same rigid motion, and which of them are borne out by many others."""

from __future__ import annotations

from typing import Final

import numpy as np

from enrollment.core.fingerprint.compiled.arithmetic import ONE, TWO, ZERO, exp
from enrollment.core.fingerprint.compiled.arrays import Candidates, FloatArray
from enrollment.core.fingerprint.compiled.kernel import kernel
from enrollment.core.fingerprint.matching_parameters import MATCHING

_SHARPNESS: Final = np.float32(MATCHING.rotation_sigma**-2)
_PAIR: Final = np.float32(2.0 * MATCHING.pair_sigma_px**2)
_PAIR_SLOPE: Final = np.float32(MATCHING.pair_sigma_slope**2)
_STRETCH: Final = np.float32(2.0 * MATCHING.stretch_sigma_px**2)
_STRETCH_SLOPE: Final = np.float32(MATCHING.stretch_sigma_slope**2)
_LEAST_LENGTH: Final = np.float32(1e-12)  # of a support vector: nothing supports anything


@kernel
def weigh(candidates: Candidates, count: int, stretch: bool, agreement: FloatArray) -> None:
    """Weigh how well any two of K candidates agree on one motion: agreement (K, K), 0..1, symmetric, 0 on the diagonal.

    count: K, which the caller writes as a constant. stretch: compare their distances too (the first look does as well
    without).

    With a = a_j - a_i on our side, b likewise on theirs and R_i the rotation of i, the motion of i alone misplaces j by
    |R_i a - b|. The sum of that square and of its mirror image is 2 (both - agreed), where both = |a|^2 + |b|^2 and
    agreed = (R_i a) . b + (R_j a) . b. Two candidates of one minutia of theirs exclude each other.
    """
    ax, ay, bx, by = candidates.ax, candidates.ay, candidates.bx, candidates.by
    cos, sin, theirs = candidates.cos, candidates.sin, candidates.theirs
    for i in range(count):
        axi, ayi, bxi, byi = ax[i], ay[i], bx[i], by[i]
        cosi, sini, named = cos[i], sin[i], theirs[i]
        for j in range(count):
            a_x, a_y = ax[j] - axi, ay[j] - ayi
            b_x, b_y = bx[j] - bxi, by[j] - byi
            square_a, square_b = a_x * a_x + a_y * a_y, b_x * b_x + b_y * b_y
            both = square_a + square_b
            agreed = (cosi + cos[j]) * (a_x * b_x + a_y * b_y) + (sini + sin[j]) * (a_x * b_y - a_y * b_x)
            doubt = _SHARPNESS * (ONE - cosi * cos[j] - sini * sin[j])
            doubt += (both - agreed) / (_PAIR + _PAIR_SLOPE * both)
            if stretch:
                # (|a| - |b|)^2 = change^2 / (|a| + |b|)^2, and (|a| + |b|)^2 = 2 both wherever |a| is close to |b|
                change = square_a - square_b
                doubt += change * change / ((_STRETCH + _STRETCH_SLOPE * both) * (ONE + TWO * both))
            agreement[i, j] = exp(-max(doubt, ZERO)) if theirs[j] != named else ZERO


@kernel
def relax(agreement: FloatArray, weights: FloatArray, count: int, steps: int, support: FloatArray) -> np.float32:
    """Let K candidates support each other: the first steps towards the leading eigenvector.

    count: K, which the caller writes as a constant. Writes to support (2, K) float32; its first row is the result,
    >= 0, of unit length or all 0. Returns the length that it had before, 0..K.
    """
    given, taken = support[0], support[1]
    length = ZERO
    for i in range(count):
        given[i] = weights[i]
    for _ in range(steps):
        square = ZERO
        for i in range(count):
            summed = ZERO
            for j in range(count):
                summed += agreement[i, j] * given[j]
            summed *= weights[i]
            taken[i] = summed
            square += summed * summed
        length = np.float32(np.sqrt(square))
        scale = ONE / (length + _LEAST_LENGTH)
        for i in range(count):
            given[i] = scale * taken[i]
    return length
