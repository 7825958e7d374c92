"""Reduce the response to a wave map: one wave for each cell of a few tiles.

The response is smooth over a tile, so the pixel in a tile's middle stands for it. The tiles of a cell are brought to
the cell's own wave (its direction, then its phase) and averaged: where they do not agree, the wave comes out weak.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.frequency import RidgeFlow
from enrollment.core.fingerprint.parameters import WaveMapParameters
from enrollment.core.fingerprint.wave_map import WaveMap, encode

_Value = TypeVar("_Value", np.float32, np.complex64)

_LEAST_AMPLITUDE = np.float32(1e-6)


def map_waves(
    response: NDArray[np.complex64],
    steering: NDArray[np.int16],
    orientations: int,
    flow: RidgeFlow,
    mask: NDArray[np.bool_],
    canon_scale: tuple[float, float],
    parameters: WaveMapParameters,
) -> WaveMap | None:
    """Map the waves in the mask; None where it is empty.

    response: (H, W) complex64. steering: (rows, cols) int16, as the tiles were filtered. mask: (rows, cols) bool.
    canon_scale: pixels at 500 ppi in a work px, x then y.
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    side, tile = parameters.tiles_a_cell, response.shape[0] // mask.shape[0]
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1))
    middle = (tile - 1) // 2
    orientation = flow.orientation[window]
    own = _unit(orientation)
    seen = np.where(mask[window], response[middle::tile, middle::tile][window], np.complex64(0.0))
    # The filter may have looked along the wave's other direction, and then answered its conjugate.
    against = np.cos(orientation - steering[window] * np.float32(math.pi / orientations)) < 0.0
    seen = _by_cell(np.where(against, seen.conj(), seen), side)
    own = _by_cell(own, side)
    frequencies = _by_cell(np.float32(math.tau) / flow.period_px[window], side)

    amplitude = np.abs(seen) + _LEAST_AMPLITUDE
    direction = np.angle((amplitude * own * own).sum(axis=-1)) / np.float32(2.0)
    direction = np.where(direction < 0.0, direction + np.float32(math.pi), direction)
    frequency = np.maximum((amplitude * frequencies).sum(axis=-1) / amplitude.sum(axis=-1), _LEAST_AMPLITUDE)
    along = _unit(direction)[:, :, None]
    seen = np.where((own * along.conj()).real < 0.0, seen.conj(), seen)
    # So far, in px at 500 ppi, the pixels that stand for the tiles lie from the centre of the cell.
    steps = (np.arange(side) - (side - 1) / 2.0) * tile + middle - (tile - 1) / 2.0
    away = (np.tile(steps, side) * canon_scale[0] + 1j * np.repeat(steps, side) * canon_scale[1]).astype(np.complex64)
    ahead = (away * along.conj()).real * frequency[:, :, None]
    wave = (seen * _unit(-ahead)).mean(axis=-1)

    weight = np.sqrt(np.abs(wave) / np.float32(parameters.full_amplitude))
    weight = np.where(weight < parameters.least_weight, np.float32(0.0), weight)
    return WaveMap(
        cells=encode(np.angle(wave), direction, np.float32(math.tau) / frequency, weight),
        origin=(
            (window[1].start + side / 2.0) * tile * canon_scale[0] - 0.5,
            (window[0].start + side / 2.0) * tile * canon_scale[1] - 0.5,
        ),
        pitch=(side * tile * canon_scale[0], side * tile * canon_scale[1]),
    )


def _unit(angles: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return exp(i angle); numpy's complex exponential takes ten times as long."""
    units = np.empty(angles.shape, np.complex64)
    np.cos(angles, out=units.real)
    np.sin(angles, out=units.imag)
    return units


def _by_cell(field: NDArray[_Value], side: int) -> NDArray[_Value]:
    """Bring the tiles of each cell together: (rows, cols) to (high, wide, side^2), 0 beyond the field."""
    high, wide = -(-field.shape[0] // side), -(-field.shape[1] // side)
    framed = np.zeros((high * side, wide * side), field.dtype)
    framed[: field.shape[0], : field.shape[1]] = field
    return framed.reshape(high, side, wide, side).transpose(0, 2, 1, 3).reshape(high, wide, side * side)
