"""Resolutions as records carry them: whole pixels a centimetre.

197 pixels a centimetre is how 500 pixels an inch is written (196.85, rounded); read back literally it would be 500.38
and move a minutia at the far edge by a third of a pixel.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from enrollment.core.records.octets import check_range

CM_PER_INCH: Final = 2.54
_SCANNER_PPI: Final = (250.0, 500.0, 1000.0)  # the scan resolutions of ISO/IEC 19794-4:2005, table 1


class ScaleUnits(IntEnum):
    """What the resolutions of a finger image record count."""

    PER_INCH = 1
    PER_CM = 2


def ppcm_from_ppi(ppi: float) -> int:
    """Whole pixels a centimetre for pixels an inch."""
    return round(ppi / CM_PER_INCH)


def ppi_from_ppcm(ppcm: int) -> float:
    """Pixels an inch; the standard scan resolution where `ppcm` is how that is written."""
    return next((ppi for ppi in _SCANNER_PPI if ppcm_from_ppi(ppi) == ppcm), ppcm * CM_PER_INCH)


def record_ppi(scale_units: int, resolution: tuple[int, int]) -> float:
    """Pixels an inch of an image whose record says this. Raises MalformedRecord where x and y differ."""
    x_resolution, y_resolution = resolution
    check_range(y_resolution, x_resolution, x_resolution, "y resolution", "finger image record")
    return float(x_resolution) if scale_units == ScaleUnits.PER_INCH else ppi_from_ppcm(x_resolution)
