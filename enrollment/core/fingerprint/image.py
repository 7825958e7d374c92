"""The image canon: (H, W) uint8, ridges dark, with the resolution it really has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage

CANON_PPI: Final = 500.0
MIN_SIDE_PX: Final = 32  # below this not even one ridge period fits; 64 at 500 ppi is the least that extracts
MAX_PIXELS: Final = 16_000_000
MIN_PPI: Final = 100.0
MAX_PPI: Final = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class FingerprintImage:
    """One impression as it was captured.

    pixels: (H, W) uint8, ridges dark on light; kept by reference, never written.
    resolution_ppi: pixels an inch, 100..1000.
    Raises InvalidImage for any other type, shape, size or resolution.
    """

    pixels: NDArray[np.uint8]
    resolution_ppi: float = CANON_PPI

    def __post_init__(self) -> None:
        pixels: object = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2:
            described = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise InvalidImage(f"a fingerprint image must be a (H, W) array of uint8, not {described}", found=described)
        height, width = pixels.shape
        if min(height, width) < MIN_SIDE_PX or height * width > MAX_PIXELS:
            raise InvalidImage(
                f"a fingerprint image of {width} x {height} pixels is outside {MIN_SIDE_PX} a side .. {MAX_PIXELS}",
                width=int(width),
                height=int(height),
            )
        ppi: object = self.resolution_ppi
        if not isinstance(ppi, (int, float)) or not math.isfinite(ppi) or not MIN_PPI <= ppi <= MAX_PPI:
            raise InvalidImage(
                f"a resolution of {ppi} ppi is outside {MIN_PPI:.0f}..{MAX_PPI:.0f}", resolution_ppi=str(ppi)
            )
