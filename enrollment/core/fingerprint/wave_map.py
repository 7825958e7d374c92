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
from enrollment.core.fingerprint.frequency import RidgeFlow
from enrollment.core.fingerprint.parameters import WaveMapParameters

PHASE_STEPS: Final = 256  # of a full turn
DIRECTION_STEPS: Final = 256  # of half a turn
PERIOD_STEPS_A_PX: Final = 12
WEIGHT_STEPS: Final = 255  # of a weight of 1
MAX_CELLS: Final = 65_536  # 60 MB of image; a rolled print has 3,400

_LEAST_AMPLITUDE = np.float32(1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class WaveMap:
    """Waves on a grid, of the part of an impression where ridges were found.

    cells: (rows, cols, 4) uint8: phase at the centre of the cell (256 steps a turn; 0 on the middle of a valley, a
        quarter turn further on along the wave vector the flank down to the next ridge); direction of the wave vector,
        y down (256 steps in [0, pi)); period (steps of 1/12 px); weight (255 for the strongest; 0: no ridge is known).
    origin: x and y of the centre of cell (0, 0), pixels at 500 ppi. pitch: x and y from cell to cell, the same unit.
    Raises InvalidImage where the shape is none of these.
    """

    cells: NDArray[np.uint8]
    origin: tuple[float, float]
    pitch: tuple[float, float]

    def __post_init__(self) -> None:
        cells = self.cells
        if cells.dtype != np.uint8 or cells.ndim != 3 or cells.shape[2] != 4 or cells.size > 4 * MAX_CELLS:
            raise InvalidImage(f"a wave map of {cells.dtype} {cells.shape}", found=str(cells.shape))
        if not all(map(math.isfinite, (*self.origin, *self.pitch))) or min(self.pitch) < 1.0:
            raise InvalidImage(f"a wave map with cells of {self.pitch} px", found=str(self.pitch))


def draw_wave_map(
    response: NDArray[np.complex64],
    steering: NDArray[np.int16],
    orientations: int,
    flow: RidgeFlow,
    mask: NDArray[np.bool_],
    canon_scale: tuple[float, float],
    parameters: WaveMapParameters,
) -> WaveMap | None:
    """Reduce the response to a map; None where the mask is empty.

    response: (H, W) complex64. steering: (rows, cols) int16, as the tiles were filtered. mask: (rows, cols) bool.
    canon_scale: pixels at 500 ppi in a work px, x then y.
    """
    side = parameters.tiles_a_cell
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(cols[0])
    high, wide = -(-(int(rows[-1]) + 1 - top) // side), -(-(int(cols[-1]) + 1 - left) // side)
    tile = response.shape[0] // mask.shape[0]
    pitch = (side * tile * canon_scale[0], side * tile * canon_scale[1])

    def by_cell(field: NDArray[np.generic]) -> NDArray[np.generic]:
        """Bring the tiles of each cell together: (rows, cols) to (high, wide, side^2), 0 beyond the grid."""
        part = field[top : top + high * side, left : left + wide * side]
        framed = np.zeros((high * side, wide * side), field.dtype)
        framed[: part.shape[0], : part.shape[1]] = part
        return framed.reshape(high, side, wide, side).transpose(0, 2, 1, 3).reshape(high, wide, side * side)

    middle = (tile - 1) // 2
    seen = by_cell(np.where(mask, response[middle::tile, middle::tile], np.complex64(0.0)))
    steered = steering * np.float32(math.pi / orientations)
    turned = np.cos(flow.orientation - steered) < 0.0  # the filter looked along the wave's other direction
    seen = np.where(by_cell(turned), seen.conj(), seen)
    waves = by_cell(np.exp(2j * flow.orientation).astype(np.complex64))
    frequencies = by_cell(np.float32(2.0 * math.pi) / flow.period_px)

    amplitude = np.abs(seen)
    total = amplitude.sum(axis=-1) + _LEAST_AMPLITUDE
    direction = np.angle((amplitude * waves).sum(axis=-1)) / np.float32(2.0)
    direction = np.where(direction < 0.0, direction + np.float32(math.pi), direction)
    frequency = (amplitude * frequencies).sum(axis=-1) / total
    mean_wave = np.exp(1j * direction)[:, :, None]
    own_wave = by_cell(np.exp(1j * flow.orientation).astype(np.complex64))
    seen = np.where((own_wave * mean_wave.conj()).real < 0.0, seen.conj(), seen)
    # Pixels that stand for their tiles lie so far, in px at 500 ppi, from the centre of the cell.
    steps = (np.arange(side) - (side - 1) / 2.0) * tile + middle - (tile - 1) / 2.0
    away = (np.tile(steps, side) * canon_scale[0] + 1j * np.repeat(steps, side) * canon_scale[1]).astype(np.complex64)
    ahead = (away * mean_wave.conj()).real * frequency[:, :, None]
    wave = (seen * np.exp(-1j * ahead)).sum(axis=-1) / np.float32(side * side)

    strength = np.abs(wave)
    weight = np.sqrt(
        np.minimum(strength, np.float32(parameters.full_amplitude)) / np.float32(parameters.full_amplitude)
    )
    weight = np.where(weight < parameters.least_weight, np.float32(0.0), weight)
    cells = np.stack(
        [
            np.rint(np.angle(wave) * np.float32(PHASE_STEPS / math.tau)).astype(np.int16) & (PHASE_STEPS - 1),
            np.rint(direction * np.float32(DIRECTION_STEPS / math.pi)).astype(np.int16),
            np.clip(
                np.rint(np.float32(math.tau * PERIOD_STEPS_A_PX) / np.maximum(frequency, _LEAST_AMPLITUDE)), 1, 255
            ),
            np.rint(weight * np.float32(WEIGHT_STEPS)),
        ],
        axis=-1,
    )
    over = cells[:, :, 1] >= DIRECTION_STEPS  # rounding up to half a turn is the same wave seen from behind
    cells[:, :, 1] = np.where(over, 0, cells[:, :, 1])
    cells[:, :, 0] = np.where(over, (PHASE_STEPS - cells[:, :, 0]) % PHASE_STEPS, cells[:, :, 0])
    origin = tuple(
        ((first + side / 2.0) * tile) * scale - 0.5 for first, scale in zip((left, top), canon_scale, strict=True)
    )
    return WaveMap(cells.astype(np.uint8), (origin[0], origin[1]), pitch)
