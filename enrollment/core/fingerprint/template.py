"""A template: the minutiae of one impression at 500 ppi, and the area they were looked for in.

Directions are in image coordinates, y down: a minutia at (x, y) points along (cos a, sin a), along the ridge for an
ending and along the valley for a bifurcation, the way ISO/IEC 19794-2 means it (which counts counterclockwise with y
up: its angle is -a).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage
from enrollment.core.fingerprint.wave_map import WaveMap

MAX_MINUTIAE: Final = 255  # what one ISO/IEC 19794-2 view can hold


class MinutiaKind(IntEnum):
    """Codes of ISO/IEC 19794-2:2005, 6.6.2.1 (00 other, 01 ridge ending, 10 ridge bifurcation)."""

    OTHER = 0
    ENDING = 1
    BIFURCATION = 2


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FingerprintTemplate:
    """Minutiae, most reliable first. The arrays are not changed afterwards.

    positions: (N, 2) float32, x then y, pixels at 500 ppi.
    directions: (N,) float32 radians, [0, 2 pi), y down.
    kinds: (N,) uint8, MinutiaKind.
    reliabilities: (N,) float32, 0..1, monotone in the chance that the minutia is real. Those of `extract` are squares
        of its strengths (`reliability.reliability`), spread so that a matcher may weigh minutiae by them as they are.
    size: width and height of the image, pixels at 500 ppi.
    mask: (h, w) bool, True on the finger, one cell each `mask_cell_px` pixels from the top left corner; None when
        unknown (a template that was read from a record).
    waves: the ridges between the minutiae; None when unknown (likewise).
    Raises InvalidImage where the shapes disagree.
    """

    positions: NDArray[np.float32]
    directions: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    reliabilities: NDArray[np.float32]
    size: tuple[int, int]
    mask: NDArray[np.bool_] | None = None
    mask_cell_px: float = 8.0
    waves: WaveMap | None = None

    def __post_init__(self) -> None:
        count = len(self.positions)
        if count > MAX_MINUTIAE or self.positions.shape != (count, 2):
            raise InvalidImage(f"{count} minutiae of shape {self.positions.shape}", minutiae=count)
        if not self.directions.shape == self.kinds.shape == self.reliabilities.shape == (count,):
            raise InvalidImage("directions, kinds and reliabilities must be one for each position", minutiae=count)

    def __len__(self) -> int:
        return len(self.positions)
