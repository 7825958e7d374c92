"""Functions of one float32, of arithmetic alone, so that a loop over them is done many numbers at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

from enrollment.core.fingerprint.compiled.kernel import kernel

ZERO: Final = np.float32(0.0)
HALF: Final = np.float32(0.5)
ONE: Final = np.float32(1.0)
TWO: Final = np.float32(2.0)

_LEAST_EXPONENT: Final = np.float32(-30.0)  # products of a few smaller powers would be denormal floats, which are slow
_OCTAVES: Final = np.float32(1.4426950408889634)  # of exp(1)
_P1: Final = np.float32(0.69314718)  # 2^f over -0.5..0.5, to 5e-6 of it
_P2: Final = np.float32(0.24022651)
_P3: Final = np.float32(0.05550327)
_P4: Final = np.float32(0.009618352)
_P5: Final = np.float32(0.0013395279)
_BIAS: Final = np.int32(127)  # of the exponent of a float32, which stands above 23 bits
_EXPONENT_AT: Final = np.int32(23)

# cos(2 pi d) by powers of d^2, over -0.5..0.5
_C1: Final = np.float32(-19.739209)
_C2: Final = np.float32(64.939394)
_C3: Final = np.float32(-85.456817)
_C4: Final = np.float32(60.244641)
_C5: Final = np.float32(-26.426257)
_C6: Final = np.float32(7.9035364)
_C7: Final = np.float32(-1.7143907)


@kernel
def exp(x: np.float32) -> np.float32:
    """exp(x) for x below 80, to five digits; exp(-30), which is next to nothing, for less than -30."""
    octaves = max(x, _LEAST_EXPONENT) * _OCTAVES
    whole = np.rint(octaves)
    part = octaves - whole
    power: np.float32 = ONE + part * (_P1 + part * (_P2 + part * (_P3 + part * (_P4 + part * _P5))))
    scale: np.float32 = np.int32((np.int32(whole) + _BIAS) << _EXPONENT_AT).view(np.float32)
    return power * scale


@kernel
def cos_of_turns(d: np.float32) -> np.float32:
    """Return cos(2 pi d) for d in -0.5..0.5, to four digits."""
    z = d * d
    return ONE + z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * (_C6 + z * _C7))))))
