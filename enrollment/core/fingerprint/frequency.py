"""Period and orientation of the ridges, from the phase gradient of the first response.

The phase step from a pixel to the next, averaged over a tile with its conjugate products, is the wave vector itself: it
is free of the bias that a ratio of gradient energies has at this scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.orientation import half_angle
from enrollment.core.fingerprint.parameters import FrequencyParameters, ResponseParameters, WorkParameters
from enrollment.core.fingerprint.tiles import FloatArray, smooth

_LEAST_WEIGHT = np.float32(1e-6)  # of an average: below it nothing was measured near by


@dataclass(frozen=True, slots=True, eq=False)
class RidgeFlow:
    """The ridge pattern, slow part.

    period_px: (rows, cols) float32, pixels at 500 ppi.
    orientation: (rows, cols) float32 radians, [0, pi), across the ridges.
    coherence: (rows, cols) float32, 0..1, how well the tiles around agree on the orientation.
    """

    period_px: FloatArray
    orientation: FloatArray
    coherence: FloatArray


def measure_flow(
    answers: NDArray[np.complex64],
    active: NDArray[np.bool_],
    work: WorkParameters,
    parameters: FrequencyParameters,
    fallback_period_px: float,
) -> RidgeFlow:
    """Measure period, orientation and coherence.

    answers: (N, side, side) complex64, of the N active tiles in raster order; side >= 2.
    Where no tile near by has a ridge's period, the period is `fallback_period_px`, orientation and coherence are 0.
    """
    planes = np.ascontiguousarray(answers.transpose(1, 2, 0))
    step_x = (planes[:, 1:] * planes[:, :-1].conj()).sum(axis=(0, 1))
    step_y = (planes[1:] * planes[:-1].conj()).sum(axis=(0, 1))
    wx, wy = np.angle(step_x), np.angle(step_y)
    squared = np.square(wx) + np.square(wy)
    turn = np.float32(2.0 * np.pi / work.scale)  # work px to pixels at 500 ppi
    is_ridge = (squared > (turn / parameters.longest_px) ** 2) & (squared < (turn / parameters.shortest_px) ** 2)
    weight = np.where(is_ridge, np.sqrt(np.abs(step_x) + np.abs(step_y)), np.float32(0.0))
    per_squared = weight / np.maximum(squared, np.float32(1e-12))

    fields = np.zeros((*active.shape, 4), np.float32)
    fields[active] = np.stack(
        [
            per_squared * (np.square(wx) - np.square(wy)),
            per_squared * (2.0 * wx * wy),
            weight,
            weight * np.sqrt(squared),
        ],
        axis=-1,
    )
    vector = smooth(fields[:, :, :3], parameters.orientation_sigma_tiles)
    speed = smooth(fields[:, :, 2:], parameters.period_sigma_tiles)
    known = speed[:, :, 0] > _LEAST_WEIGHT
    frequency = np.where(known, speed[:, :, 1], turn / np.float32(fallback_period_px))
    frequency /= np.where(known, speed[:, :, 0], np.float32(1.0))
    period: FloatArray = (turn / frequency).astype(np.float32, copy=False)
    length = np.sqrt(np.square(vector[:, :, 0]) + np.square(vector[:, :, 1]))
    return RidgeFlow(
        period_px=period,
        orientation=half_angle(vector[:, :, :2]),
        coherence=length / np.maximum(vector[:, :, 2], _LEAST_WEIGHT),
    )


def nearest_orientation(orientation: FloatArray, orientations: int) -> NDArray[np.int16]:
    """Return the index of the nearest orientation of the bank, which divides [0, pi) evenly."""
    steps: NDArray[np.int16] = np.rint(orientation * np.float32(orientations / np.pi)).astype(np.int16)
    return steps % np.int16(orientations)


def nearest_period(
    period_px: FloatArray, response: ResponseParameters, parameters: FrequencyParameters
) -> NDArray[np.int16]:
    """Return the index of the bank's period that suits a measured one, bias and slope applied."""
    about = np.float32(np.log(response.first_period_px))
    measured = np.log(period_px)
    wanted = measured + np.float32(parameters.log_bias) + np.float32(parameters.log_slope) * (measured - about)
    grid = np.log(np.array(response.periods_px, np.float32))
    return np.searchsorted((grid[1:] + grid[:-1]) / 2.0, wanted).astype(np.int16)
