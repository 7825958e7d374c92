"""Where there are ridges: tiles that the filters explain, that agree with their neighbours, and that have contrast.

The edge of a platen answers the filters as ridges do, over as much as their windows reach. But it runs through one line
of tiles only, while every tile of a print holds part of a ridge: so a good share of the tiles near by must have relief.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.parameters import SegmentParameters
from enrollment.core.fingerprint.tiles import FloatArray, disc, percentile, smooth


def segment(
    response_power: FloatArray,
    ridge_power: FloatArray,
    coherence: FloatArray,
    deviation: FloatArray,
    dead: NDArray[np.bool_],
    relief: FloatArray,
    parameters: SegmentParameters,
) -> NDArray[np.bool_]:
    """Find the finger.

    response_power: (rows, cols) float32, mean |z|^2 of each tile, 0 where it was not filtered.
    ridge_power: (rows, cols) float32, mean square of the normalised ridges.
    coherence: (rows, cols) float32, 0..1. deviation: (rows, cols) float32, grey levels. dead: (rows, cols) bool.
    relief: (rows, cols) float32, grey levels, deviation within each tile alone.
    Returns (rows, cols) bool, False everywhere when nothing was found.
    """
    level = percentile(np.minimum(relief, parameters.relief_cap), parameters.contrast_percentile)
    rough = ((relief > parameters.least_relief * level) & ~dead).astype(np.float32)
    averaged = smooth(np.stack([response_power, ridge_power, deviation, rough], axis=-1), parameters.sigma_tiles)
    # A wave of amplitude A has |z|^2 = A^2 and a mean square of A^2 / 2: 1 means that the wave is all there is.
    explained = 0.5 * averaged[:, :, 0] / (averaged[:, :, 1] + np.float32(parameters.energy_floor))
    contrast = np.sqrt(averaged[:, :, 0]) * averaged[:, :, 2]
    level = percentile(contrast, parameters.contrast_percentile)
    found = explained * coherence > parameters.least_ridgeness
    found &= contrast > parameters.least_contrast * level
    found &= averaged[:, :, 3] > parameters.least_rough_share
    found &= ~dead
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc(parameters.opening_tiles))
    closed = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, disc(parameters.closing_tiles)), np.uint8)
    return _filled(_largest(closed, parameters), parameters.least_area_tiles)


def _largest(mask: NDArray[np.uint8], parameters: SegmentParameters) -> NDArray[np.bool_]:
    """Keep the components of a finger's size."""
    labels, areas = _components(mask)
    if len(areas) == 1:
        return np.zeros(mask.shape, np.bool_)
    keep = areas >= max(parameters.least_area_tiles, parameters.least_area_share * areas[1:].max())
    keep[0] = False
    return np.asarray(keep[labels])


def _filled(mask: NDArray[np.bool_], open_tiles: int) -> NDArray[np.bool_]:
    """Close the holes smaller than `open_tiles`."""
    labels, areas = _components((~mask).astype(np.uint8))
    small = areas < open_tiles
    small[0] = True  # label 0 is the mask itself
    return np.asarray(small[labels] & (mask | (labels > 0)))


def _components(mask: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Label 4-connected components: labels (rows, cols) with 0 off the mask, and the area of each label."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    return np.asarray(labels, np.int32), np.asarray(statistics, np.int32)[:, cv2.CC_STAT_AREA]
