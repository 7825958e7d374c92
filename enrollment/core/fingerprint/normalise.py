"""Bring an impression to the work scale, and its ridges to zero mean and unit deviation.

Mean and deviation are taken over windows of whole tiles and interpolated between tile centres: they vary over ridges,
and a window sum for each pixel would cost three times as much and change nothing. Tiles where nothing was sensed (an
even ground, a saturated border) are left out of the sums, so that they do not dim the ridges beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.errors import ImageTooSmall
from enrollment.core.fingerprint.image import CANON_PPI, FingerprintImage
from enrollment.core.fingerprint.parameters import NormaliseParameters, WorkParameters
from enrollment.core.fingerprint.tiles import FloatArray, enlarge, interpolate, percentile, tile_means

_MIDDLE_GREY = np.float32(128.0)  # taken off first: keeps float32 sums of squares exact enough


@dataclass(frozen=True, slots=True, eq=False)
class WorkImage:
    """An impression at the work scale, padded to whole tiles.

    grey: (H, W) float32, grey levels about zero.
    canon_scale: pixels at 500 ppi in a work px, x then y; near, but by rounding not exactly, 500 / work ppi.
    size: width and height of the impression, pixels at 500 ppi.
    """

    grey: FloatArray
    canon_scale: tuple[float, float]
    size: tuple[int, int]

    def to_canon(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Turn work positions into pixels at 500 ppi: (N,) and (N,) to (N, 2) float32."""
        points = np.stack([x, y], axis=-1) + np.float32(0.5)  # pixel centres are whole numbers at both scales
        points *= np.array(self.canon_scale, np.float32)
        points -= np.float32(0.5)
        return points


@dataclass(frozen=True, slots=True, eq=False)
class NormalisedImage:
    """Ridges of one strength.

    ridges: (H, W) float32, deviations from the local mean, negative on ridges; 0 where nothing was sensed.
    deviation: (rows, cols) float32, local deviation of each tile, grey levels.
    dead: (rows, cols) bool, True where nothing was sensed.
    active: (rows, cols) bool, True where ridges are worth looking for.
    relief: (rows, cols) float32, deviation within each tile alone, grey levels.
    """

    ridges: FloatArray
    deviation: FloatArray
    dead: NDArray[np.bool_]
    active: NDArray[np.bool_]
    relief: FloatArray


def to_work_scale(image: FingerprintImage, parameters: WorkParameters) -> WorkImage:
    """Resample an impression to the work resolution.

    Raises ImageTooSmall by what its size is at 500 ppi.
    """
    height, width = image.pixels.shape
    to_canon = CANON_PPI / image.resolution_ppi
    canon_width, canon_height = width * to_canon, height * to_canon
    if min(canon_width, canon_height) < parameters.least_side_px:
        raise ImageTooSmall(
            f"a fingerprint of {canon_width:.0f} x {canon_height:.0f} pixels at {CANON_PPI:.0f} ppi is less than "
            f"{parameters.least_side_px:.0f} a side",
            width=width,
            height=height,
            resolution_ppi=float(image.resolution_ppi),
        )
    ratio = parameters.resolution_ppi / image.resolution_ppi
    work_width, work_height = round(width * ratio), round(height * ratio)
    interpolation = cv2.INTER_AREA if ratio < 1.0 else cv2.INTER_LINEAR
    grey = image.pixels.astype(np.float32)
    grey -= _MIDDLE_GREY
    grey = np.asarray(cv2.resize(grey, (work_width, work_height), interpolation=interpolation), np.float32)
    right, bottom = -work_width % parameters.tile_work_px, -work_height % parameters.tile_work_px
    padded = np.asarray(cv2.copyMakeBorder(grey, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.float32)
    return WorkImage(
        grey=padded,
        canon_scale=(canon_width / work_width, canon_height / work_height),
        size=(round(canon_width), round(canon_height)),
    )


def normalise(grey: FloatArray, work: WorkParameters, parameters: NormaliseParameters) -> NormalisedImage:
    """Take off the local mean and divide by the local deviation.

    grey: (H, W) float32, whole tiles.
    """
    tile = work.tile_work_px
    mean = tile_means(grey, tile)
    power = tile_means(np.square(grey), tile)
    variance = power - np.square(mean)
    dead = _opened(variance < parameters.dead_variance, parameters.dead_opening_tiles)
    sensed = np.asarray(cv2.erode((~dead).astype(np.uint8), np.ones((3, 3), np.uint8)))

    side = 2 * round(parameters.radius_px / work.tile_px - 0.5) + 1
    weight = sensed.astype(np.float32)
    sums = np.stack([weight, mean * weight, power * weight], axis=-1)
    sums = np.asarray(
        cv2.boxFilter(sums, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT), np.float32
    )
    per_tile = 1.0 / np.maximum(sums[:, :, 0], 1.0)
    local_mean = sums[:, :, 1] * per_tile
    # Rounding leaves small negative variances on even ground, and a root of one is a NaN over the whole window.
    deviation = np.sqrt(np.maximum(sums[:, :, 2] * per_tile - np.square(local_mean), 0.0))

    gain = 1.0 / (deviation + np.float32(parameters.deviation_floor))
    ridges = grey * interpolate(gain, tile)
    ridges -= interpolate(local_mean * gain, tile)
    np.clip(ridges, -parameters.clip, parameters.clip, out=ridges)
    if not sensed.all():
        ridges *= enlarge(sensed, tile)

    level = percentile(np.minimum(deviation, parameters.active_cap), parameters.active_percentile)
    active = (deviation > parameters.active_share * level) & ~dead
    active = np.asarray(cv2.dilate(active.astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    relief = np.sqrt(np.maximum(variance, 0.0))
    return NormalisedImage(ridges=ridges, deviation=deviation, dead=dead, active=active, relief=relief)


def _opened(flags: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    kernel = np.ones((side, side), np.uint8)
    return np.asarray(cv2.morphologyEx(flags.astype(np.uint8), cv2.MORPH_OPEN, kernel)) > 0
