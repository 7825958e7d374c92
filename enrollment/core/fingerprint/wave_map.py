"""The ridges themselves, in four bytes a cell: the wave that lies nearest to what each spot of the finger shows.

Minutiae are where the wave breaks; this is the wave between them. A cell of about 13 px holds the phase at its centre,
the direction and the period of the wave, and how strong it is: enough to say where every ridge of the cell runs to a
fraction of its width, so that two prints can be laid over each other ridge on ridge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import InvalidImage

PHASE_STEPS: Final = 256  # of a full turn
DIRECTION_STEPS: Final = 256  # of half a turn
PERIOD_STEPS_A_PX: Final = 12
WEIGHT_STEPS: Final = 255  # of a weight of 1
LEAST_PITCH: Final = 1.0  # pixels at 500 ppi
MOST_PITCH: Final = 1000.0
MAX_CELLS: Final = 65_536  # a rolled print has 3,400; the largest image that is taken has fewer


@dataclass(frozen=True, slots=True, eq=False)
class WaveMap:
    """Waves on a grid, of the part of an impression where ridges were found.

    cells: (rows, cols, 4) uint8: phase at the centre of the cell, growing along the wave vector (256 steps a turn; 0 on
        the middle of a valley); direction of the wave vector, y down (256 steps in [0, pi)); period (steps of 1/12 px);
        weight (255 for the strongest; 0 where no ridge is known).
    origin: x and y of the centre of cell (0, 0), pixels at 500 ppi. pitch: x and y from cell to cell, the same unit.
    Raises InvalidImage where the shape is none of these.
    """

    cells: NDArray[np.uint8]
    origin: tuple[float, float]
    pitch: tuple[float, float]

    def __post_init__(self) -> None:
        cells = self.cells
        if cells.dtype != np.uint8 or cells.ndim != 3 or cells.shape[2] != 4 or not 0 < cells.size <= 4 * MAX_CELLS:
            raise InvalidImage(f"a wave map of {cells.dtype} {cells.shape}", found=str(cells.shape))
        if not all(map(math.isfinite, self.origin)) or not all(
            LEAST_PITCH <= side <= MOST_PITCH for side in self.pitch
        ):
            raise InvalidImage(f"a wave map with cells of {self.pitch} px", found=str(self.pitch))


def encode(
    phases: NDArray[np.float32],
    directions: NDArray[np.float32],
    periods_px: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Write cells: phases and directions in radians, directions in [0, pi), weights 0..1; (...) each to (..., 4)."""
    steps = np.rint(directions * np.float32(DIRECTION_STEPS / math.pi)).astype(np.int16)
    behind = steps == DIRECTION_STEPS  # rounded up to half a turn: the same wave, seen from the other side
    turned = np.where(behind, -phases, phases)
    cells = np.empty((*phases.shape, 4), np.uint8)
    cells[..., 0] = np.rint(turned * np.float32(PHASE_STEPS / math.tau)).astype(np.int32) % PHASE_STEPS
    cells[..., 1] = np.where(behind, 0, steps)
    cells[..., 2] = np.clip(np.rint(periods_px * PERIOD_STEPS_A_PX), 1, 255)
    cells[..., 3] = np.rint(np.clip(weights, 0.0, 1.0) * WEIGHT_STEPS)
    return cells
