"""What is measured of an impression, from what extraction has found: numbers for the score, maps for the hints.

`grade` is all that the score needs and costs a tenth of a millisecond; `look_at` makes the maps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.core_point import CorePoint, find_core, wave_weights
from enrollment.core.fingerprint.orientation import StructureTensor
from enrollment.core.fingerprint.quality_parameters import HintParameters, QualityParameters, ScoreParameters
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.fingerprint.tiles import FloatArray, smooth

MM_IN_A_PIXEL = 25.4 / 500.0
_LEAST_ENERGY = np.float32(1e-6)
_LEAST_WEIGHT = np.float32(1e-3)
_MOST_ODDS_LOG = 50.0  # keeps the odds of the best and the worst finite


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What extraction found, as far as quality looks at it.

    grey: (H, W) float32, work image, grey levels. ridges: (H, W) float32, normalised. tensor: of the ridges.
    deviation: (rows, cols) float32, grey levels.
    coherence: (rows, cols) float32, 0..1, of the flow.
    template: with its mask of (rows, cols). kept_strengths: (N,) float32, of its minutiae, largest first.
    all_strengths: (M,) float32, of all residues well inside the mask.
    """

    grey: FloatArray
    ridges: FloatArray
    tensor: StructureTensor
    deviation: FloatArray
    coherence: FloatArray
    template: FingerprintTemplate
    kept_strengths: FloatArray
    all_strengths: FloatArray

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(rows, cols) bool, True on the print."""
        if self.template.mask is None:
            raise TypeError("a template is judged with its mask")
        return self.template.mask


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """What the ridges look like about each tile: (rows, cols) float32 each, averaged over the print near by.

    bright: 0..1, share of pixels above the local mean, low where wet, high where dry.
    coherence: 0..1, of the gradients, low where ridges are broken.
    sharpness: rms curvature over rms gradient, low where blurred.
    local_quality: 0..1, clear and unbroken ridges; 0 off the print.
    grey: mean grey levels of the tile alone, of the ground as well.
    """

    bright: FloatArray
    coherence: FloatArray
    sharpness: FloatArray
    local_quality: FloatArray
    grey: FloatArray


def grade(evidence: Evidence, parameters: QualityParameters) -> tuple[dict[str, float], CorePoint]:
    """Measure what the score is made of."""
    mask, template = evidence.mask, evidence.template
    total = float(evidence.all_strengths.sum())
    core, minutiae, ridges_mm2 = _shared(template, parameters)
    measures = {
        "shared_minutiae": minutiae,
        "shared_ridges_mm2": ridges_mm2,
        "purity": float(evidence.kept_strengths.sum()) / total if total > 0.0 else 0.0,
        "area_mm2": cv2.countNonZero(mask.view(np.uint8)) * (template.mask_cell_px * MM_IN_A_PIXEL) ** 2,
        "contrast": mean_over(evidence.deviation, mask),
        "minutiae": float(len(template)),
    }
    return measures, core


def _shared(template: FingerprintTemplate, parameters: QualityParameters) -> tuple[CorePoint, float, float]:
    """Find the core, and how many sure minutiae and mm2 of clear ridges another touch may be expected to share."""
    waves, pad = template.waves, parameters.pad
    if waves is None:
        width, height = template.size
        return CorePoint(width / 2.0, height / 2.0), 0.0, 0.0
    weights = wave_weights(waves)
    core = find_core(waves, weights, parameters.core)
    middle = np.array([core.x, core.y + pad.below_core_px], np.float32)
    reach = np.array([pad.across_px, pad.along_px], np.float32)
    away = (template.positions - middle) / reach
    # Sums and no dot products: those of BLAS depend on where in memory an array lies.
    minutiae = float((np.exp(-np.square(away).sum(axis=1)) * template.reliabilities).sum())
    (rows, cols), (left, top), (wide, high) = weights.shape, waves.origin, waves.pitch
    across = _bell(cols, (left - core.x) / pad.across_px, wide / pad.across_px)
    down = _bell(rows, (top - core.y - pad.below_core_px) / pad.along_px, high / pad.along_px)
    cell_mm2 = waves.pitch[0] * waves.pitch[1] * MM_IN_A_PIXEL**2
    weights *= across
    weights *= down[:, None]
    return core, minutiae, float(weights.sum()) * cell_mm2


def _bell(count: int, start: float, step: float) -> FloatArray:
    """Give exp(-x^2) at x = start, start + step...: (count,) float32."""
    x = np.arange(start, start + (count - 0.5) * step, step, dtype=np.float32)
    bell: FloatArray = np.exp(-x * x)
    return bell


def match_log_odds(measures: Mapping[str, float], p: ScoreParameters) -> float:
    """Natural logarithm of the odds that the impression matches another one of its finger."""
    logit = (
        p.bias
        + p.shared_minutiae_weight * math.log(measures["shared_minutiae"] + p.shared_minutiae_floor)
        + p.shared_ridges_weight * math.log(measures["shared_ridges_mm2"] + p.shared_ridges_floor_mm2)
        + p.purity_weight * math.log(measures["purity"] + p.purity_floor)
    )
    return min(max(logit, -_MOST_ODDS_LOG), _MOST_ODDS_LOG)


def look_at(evidence: Evidence, p: HintParameters) -> Texture:
    """Average the looks of the ridges about each tile. Of each tile one row of pixels is looked at."""
    ridges, tensor = evidence.ridges, evidence.tensor
    weight = evidence.mask.astype(np.float32)
    tile = ridges.shape[0] // weight.shape[0]
    looked_at = _sampled_rows(len(weight), tile)
    rows = ridges.take(looked_at, axis=0, mode="clip")
    bright = np.asarray(cv2.threshold(rows, 0.0, 1.0, cv2.THRESH_BINARY)[1], np.float32)
    curvature = np.zeros_like(rows)
    within = curvature[:, 1:-1]
    np.add(rows[:, :-2], rows[:, 2:], out=within)
    rows *= np.float32(-4.0)
    rows += ridges.take(looked_at - 1, axis=0, mode="clip")
    rows += ridges.take(looked_at + 1, axis=0, mode="clip")
    within += rows[:, 1:-1]
    np.square(curvature, out=curvature)
    cosine, sine = _planes(tensor.double_angle)
    fields = (_means(bright, tile), _means(curvature, tile), tensor.energy, cosine, sine)
    # Planes and not a last axis: numpy's arithmetic on them is several times as fast.
    merged = np.asarray(cv2.merge([weight, *(field * weight for field in fields)]), np.float32)
    near, bright, curvature, energy, cosine, sine = _planes(smooth(merged, p.smoothing_tiles))
    # Not cv2.magnitude: what that gives depends on where in memory an array lies.
    coherence = np.sqrt(np.square(cosine) + np.square(sine))
    coherence /= energy + _LEAST_ENERGY
    share = np.reciprocal(np.maximum(near, _LEAST_WEIGHT))
    bright *= share
    curvature *= share
    energy *= share
    sharpness = np.sqrt(curvature)
    sharpness /= np.sqrt(energy) + np.float32(p.gradient_floor)
    local_quality = np.minimum(energy * np.float32(1.0 / p.full_energy), np.float32(1.0))
    local_quality *= coherence
    local_quality *= evidence.coherence
    return Texture(
        bright=bright,
        coherence=coherence,
        sharpness=sharpness,
        local_quality=np.minimum(local_quality, weight),
        grey=_means(evidence.grey.take(looked_at, axis=0, mode="clip"), tile),
    )


@functools.lru_cache(maxsize=64)
def _sampled_rows(tiles: int, tile: int) -> NDArray[np.intp]:
    """One row of each tile, above and below the middle by turns: a period of just one tile must not look even."""
    rows: NDArray[np.intp] = np.arange(tiles) * tile + tile // 2 + np.where(np.arange(tiles) % 2, 1, -1)
    rows.flags.writeable = False
    return rows


def _means(rows: FloatArray, tile: int) -> FloatArray:
    """Average along each tile: (rows, cols * tile) to (rows, cols)."""
    size = rows.shape[1] // tile, rows.shape[0]
    return np.asarray(cv2.resize(rows, size, interpolation=cv2.INTER_AREA), np.float32)


def _planes(values: FloatArray) -> list[FloatArray]:
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def background_grey(evidence: Evidence, texture: Texture, contrast: float, p: HintParameters) -> float:
    """How much lighter the ground about the print is than the print's mean, in its deviations; NaN without a ground.

    contrast: the print's mean deviation, grey levels.

    About 1 where ridges are dark on light, negative where they are light on dark.
    """
    mask = evidence.mask
    side = 2 * p.background_tiles + 1
    near = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))) > 0
    if near.size - np.count_nonzero(near) < p.least_background_tiles or not mask.any():
        return math.nan
    return (mean_over(texture.grey, ~near) - mean_over(texture.grey, mask)) / max(contrast, 1.0)


def mean_over(values: FloatArray, mask: NDArray[np.bool_]) -> float:
    """Mean of the tiles in a mask; 0 where it is empty."""
    return cv2.mean(values, mask.view(np.uint8))[0]
