"""What is measured of an impression, from what extraction has found: numbers for the score, maps for the hints.

`grade` is all that the score needs and costs a tenth of a millisecond; `look_at` makes the maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.core_point import CorePoint, find_core
from enrollment.core.fingerprint.orientation import StructureTensor
from enrollment.core.fingerprint.quality_parameters import HintParameters, QualityParameters, ScoreParameters
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.fingerprint.tiles import FloatArray, smooth, tile_means

MM_IN_A_PIXEL = 25.4 / 500.0
_LEAST_ENERGY = np.float32(1e-6)
_LEAST_WEIGHT = np.float32(1e-3)
_MOST_ODDS_LOG = 50.0  # keeps the odds of the best and the worst finite


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What extraction found, as far as quality looks at it.

    grey: (H, W) float32, work image, grey levels. ridges: (H, W) float32, normalised. tensor: of the ridges.
    deviation: (rows, cols) float32, grey levels. orientation: (rows, cols) float32 radians.
    coherence: (rows, cols) float32, 0..1, of the flow.
    template: with its mask of (rows, cols). kept_strengths: (N,) float32, of its minutiae, largest first.
    all_strengths: (M,) float32, of all residues well inside the mask.
    """

    grey: FloatArray
    ridges: FloatArray
    tensor: StructureTensor
    deviation: FloatArray
    orientation: FloatArray
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
    p = parameters.score
    mask, template, strengths = evidence.mask, evidence.template, evidence.kept_strengths
    tiles = int(np.count_nonzero(mask))
    core = find_core(evidence.orientation, evidence.coherence, mask, template.mask_cell_px, parameters.core)
    away = np.square(template.positions - np.array([core.x, core.y], np.float32)).sum(axis=1)
    near = np.exp(away * np.float32(-0.5 / parameters.core.neighbourhood_px**2))
    total = float(evidence.all_strengths.sum())
    measures = {
        "strength": float(strengths[: p.strongest].sum()) / p.strongest,
        "purity": float(strengths.sum()) / total if total > 0.0 else 0.0,
        "core_minutiae": float(near @ template.reliabilities),
        "core_depth_px": min(core.depth_px, parameters.core.deep_px),
        "ridge_energy": mean_over(evidence.tensor.energy, mask),
        "area_mm2": tiles * (template.mask_cell_px * MM_IN_A_PIXEL) ** 2,
        "contrast": mean_over(evidence.deviation, mask),
        "minutiae": float(len(template)),
    }
    return measures, core


def match_log_odds(measures: Mapping[str, float], p: ScoreParameters) -> float:
    """Natural logarithm of the odds that the impression matches another one of its finger."""
    logit = (
        p.bias
        + p.strength_weight * math.log(measures["strength"] + p.strength_floor)
        + p.purity_weight * math.log(measures["purity"] + p.purity_floor)
        + p.core_minutiae_weight * math.log(measures["core_minutiae"] + p.core_minutiae_floor)
        + p.core_depth_weight * math.log(measures["core_depth_px"] + p.core_depth_floor_px)
        + p.ridge_energy_weight * math.log(measures["ridge_energy"] + p.ridge_energy_floor)
    )
    return min(max(logit, -_MOST_ODDS_LOG), _MOST_ODDS_LOG)


def look_at(evidence: Evidence, p: HintParameters) -> Texture:
    """Average the looks of the ridges about each tile."""
    ridges, tensor = evidence.ridges, evidence.tensor
    weight = evidence.mask.astype(np.float32)
    tile = ridges.shape[0] // weight.shape[0]
    curvature = np.asarray(cv2.Laplacian(ridges, cv2.CV_32F), np.float32)
    np.square(curvature, out=curvature)
    bright = np.asarray(cv2.threshold(ridges, 0.0, 1.0, cv2.THRESH_BINARY)[1], np.float32)
    cosine, sine = _planes(tensor.double_angle)
    fields = (tile_means(bright, tile), tile_means(curvature, tile), tensor.energy, cosine, sine)
    # Planes and not a last axis: numpy's arithmetic on them is several times as fast.
    merged = np.asarray(cv2.merge([weight, *(field * weight for field in fields)]), np.float32)
    near, *averaged = _planes(smooth(merged, p.smoothing_tiles))
    near = np.maximum(near, _LEAST_WEIGHT)
    bright, curvature, energy, cosine, sine = (field / near for field in averaged)
    coherence = np.sqrt(np.square(cosine) + np.square(sine)) / (energy + _LEAST_ENERGY)
    sharpness = np.sqrt(curvature) / (np.sqrt(energy) + np.float32(p.gradient_floor))
    clear = np.minimum(energy * np.float32(1.0 / p.full_energy), np.float32(1.0))
    return Texture(
        bright=bright,
        coherence=coherence,
        sharpness=sharpness,
        local_quality=np.minimum(coherence * evidence.coherence * clear, np.float32(1.0)) * weight,
        grey=tile_means(evidence.grey, tile),
    )


def _planes(values: FloatArray) -> list[FloatArray]:
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def background_grey(evidence: Evidence, texture: Texture, p: HintParameters) -> float:
    """How much lighter the ground about the print is than the print's mean, in its deviations; NaN without a ground.

    About 1 where ridges are dark on light, negative where they are light on dark.
    """
    mask = evidence.mask
    side = 2 * p.background_tiles + 1
    near = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))) > 0
    if near.size - np.count_nonzero(near) < p.least_background_tiles or not mask.any():
        return math.nan
    deviation = max(mean_over(evidence.deviation, mask), 1.0)
    return (mean_over(texture.grey, ~near) - mean_over(texture.grey, mask)) / deviation


def mean_over(values: FloatArray, mask: NDArray[np.bool_]) -> float:
    """Mean of the tiles in a mask; 0 where it is empty."""
    return cv2.mean(values, mask.view(np.uint8))[0]
