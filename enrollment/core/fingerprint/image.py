"""The image canon: (H, W) uint8, ridges dark, with the resolution it really has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import ImageTooLarge, InvalidImage

CANON_PPI: Final = 500.0
MIN_SIDE_PX: Final = 32  # below this not even one ridge period fits; 64 at 500 ppi is the least that extracts
MAX_PIXELS: Final = 16_000_000
MIN_PPI: Final = 100.0
MAX_PPI: Final = 1000.0
MAX_SIDE_INCH: Final = 5.5  # no platen is larger, a palm's is 5 x 5: at 500 ppi that bounds time and memory
_MOST_SHOWN: Final = 10**9


@dataclass(frozen=True, slots=True, eq=False)
class FingerprintImage:
    """One impression as it was captured.

    pixels: (H, W) uint8, ridges dark on light; kept by reference, never written. A subclass of array is taken as the
        plain array that it is.
    resolution_ppi: pixels an inch, 100..1000.
    Raises ImageTooLarge for what would be larger than any platen at its resolution, and InvalidImage for any other
    type, shape, size or resolution.
    """

    pixels: NDArray[np.uint8]
    resolution_ppi: float = CANON_PPI

    def __post_init__(self) -> None:
        pixels: object = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2:
            described = type(pixels).__name__
            if isinstance(pixels, np.ndarray):
                described = f"{pixels.dtype.name} {pixels.shape}"
            raise InvalidImage(f"a fingerprint image must be a (H, W) array of uint8, not {described}", found=described)
        height, width = pixels.shape
        if min(height, width) < MIN_SIDE_PX or height * width > MAX_PIXELS:
            raise InvalidImage(
                f"a fingerprint image of {width} x {height} pixels is outside {MIN_SIDE_PX} a side .. {MAX_PIXELS}",
                width=int(width),
                height=int(height),
            )
        ppi: object = self.resolution_ppi
        # Compared before it is turned into a float: an integer may be too large for one.
        if not isinstance(ppi, (int, float, np.integer, np.floating)) or not MIN_PPI <= ppi <= MAX_PPI:
            shown = _shown(ppi)
            raise InvalidImage(
                f"a resolution of {shown} ppi is outside {MIN_PPI:.0f}..{MAX_PPI:.0f}", resolution_ppi=shown
            )
        if max(height, width) > MAX_SIDE_INCH * float(ppi):
            raise ImageTooLarge(
                f"an image of {width} x {height} pixels at {float(ppi):g} ppi is {width / float(ppi):.1f} x "
                f"{height / float(ppi):.1f} inch, and no platen is larger than {MAX_SIDE_INCH} a side: its resolution "
                "may be wrong",
                width=int(width),
                height=int(height),
                resolution_ppi=float(ppi),
            )
        object.__setattr__(self, "pixels", np.asarray(pixels))
        object.__setattr__(self, "resolution_ppi", float(ppi))


def _shown(value: object) -> str:
    """A number as far as it is one of a sensible length; else its type."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) and abs(value) < _MOST_SHOWN else type(value).__name__
