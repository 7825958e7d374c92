"""A score that orders errors, and hints that a person can act on, from what extraction has computed anyway.

    T  mean of the 12 largest strengths of minutiae, missing ones counting as 0
    A  area of the ridges, mm^2
    P  purity: strengths of the minutiae over strengths of all residues well inside the mask
    Q = T^2 sqrt(A P)        score = 100 Q / full_q, at most 100

The score carries a name of its own: it is not NFIQ 2 and not on its scale. An impression without ridges scores 0, which
is true; a failure to judge is an error and never a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.orientation import StructureTensor
from enrollment.core.fingerprint.parameters import QualityParameters
from enrollment.core.fingerprint.tiles import FloatArray, enlarge, tile_means

ALGORITHM: Final = "enrollment.fingerprint.quality"
VERSION: Final = "1"  # goes up with every change of a score: scores of two versions are not compared

_MM_IN_A_PIXEL: Final = 25.4 / 500.0
_LEAST_ENERGY = np.float32(1e-6)


class QualityHint(Enum):
    """What a person can change; the values are stable."""

    NOTHING_THERE = "NOTHING_THERE"  # no finger, or no ridge of it
    OFF_CENTRE = "OFF_CENTRE"  # little of the finger, at one side
    MORE_FINGER = "MORE_FINGER"  # little of the finger
    TOO_WET = "TOO_WET"  # ridges run together: dry the finger, press less
    TOO_DRY = "TOO_DRY"  # ridges are thin or broken: moisten the finger, press more
    BLURRED = "BLURRED"  # hold still
    CLEAN_SENSOR = "CLEAN_SENSOR"  # none of these explains the low score: clean the finger and the sensor


@dataclass(frozen=True, slots=True)
class FingerprintQuality:
    """How well an impression will compare.

    score: 0..100, higher is better. algorithm, version: what made the score.
    measures: by name:
        strength (T), area_mm2 (A), purity (P, 0..1), q (Q), minutiae (count);
        bright_share: share of ridge pixels above the local mean, low when wet, high when dry;
        gradient_coherence: 0..1, low when ridges are broken;
        sharpness: rms curvature over rms gradient, low when blurred;
        off_centre_x_share, off_centre_y_share: from the image's middle to that of the ridges, in parts of its side.
        Without ridges all of them are 0.
    hints: most pressing first; empty when the score is good enough.
    """

    score: int
    algorithm: str
    version: str
    measures: Mapping[str, float]
    hints: tuple[QualityHint, ...]


def judge(
    ridges: FloatArray,
    tensor: StructureTensor,
    mask: NDArray[np.bool_],
    cell_px: float,
    kept_strengths: FloatArray,
    all_strengths: FloatArray,
    parameters: QualityParameters,
) -> FingerprintQuality:
    """Judge an impression from the results of extraction.

    ridges: (H, W) float32, normalised. tensor: of the ridges. mask: (rows, cols) bool.
    cell_px: side of a tile, pixels at 500 ppi.
    kept_strengths: (N,) float32, of the minutiae, largest first. all_strengths: (M,) float32, of all residues well
    inside the mask.
    """
    area_mm2 = float(np.count_nonzero(mask)) * (cell_px * _MM_IN_A_PIXEL) ** 2
    strength = float(kept_strengths[: parameters.strongest].sum()) / parameters.strongest
    purity = float(kept_strengths.sum()) / max(float(all_strengths.sum()), parameters.least_purity)
    q = strength**2 * (area_mm2 * max(purity, parameters.least_purity)) ** 0.5
    nothing = area_mm2 < parameters.nothing_area_mm2
    measures = {
        "strength": strength,
        "area_mm2": area_mm2,
        "purity": purity,
        "q": q,
        "minutiae": float(len(kept_strengths)),
        **_texture(ridges, tensor, mask, parameters.gradient_floor),
        **_place(mask),
    }
    return FingerprintQuality(
        score=0 if nothing else min(100, round(100.0 * q / parameters.full_q)),
        algorithm=ALGORITHM,
        version=VERSION,
        measures=measures,
        hints=(QualityHint.NOTHING_THERE,) if nothing else _hints(measures, parameters),
    )


def _texture(
    ridges: FloatArray, tensor: StructureTensor, mask: NDArray[np.bool_], gradient_floor: float
) -> dict[str, float]:
    """Measure what the ridges look like, over the mask."""
    if not mask.any():
        return {"bright_share": 0.0, "gradient_coherence": 0.0, "sharpness": 0.0}
    tile = ridges.shape[0] // mask.shape[0]
    curvature = np.asarray(cv2.Laplacian(ridges, cv2.CV_32F), np.float32)
    sharpness = np.sqrt(tile_means(np.square(curvature), tile)[mask])
    sharpness /= np.sqrt(tensor.energy[mask]) + np.float32(gradient_floor)
    aligned = np.sqrt(np.square(tensor.double_angle[mask]).sum(axis=-1))
    bright = np.count_nonzero((ridges > 0.0) & (enlarge(mask.astype(np.uint8), tile) > 0))
    return {
        "bright_share": bright / float(np.count_nonzero(mask) * tile * tile),
        "gradient_coherence": float((aligned / (tensor.energy[mask] + _LEAST_ENERGY)).mean()),
        "sharpness": float(sharpness.mean()),
    }


def _place(mask: NDArray[np.bool_]) -> dict[str, float]:
    """Measure how far the middle of the ridges is from the image's."""
    rows, cols = np.nonzero(mask)
    if not len(rows):
        return {"off_centre_x_share": 0.0, "off_centre_y_share": 0.0}
    height, width = mask.shape
    return {
        "off_centre_x_share": abs((float(cols.mean()) + 0.5) / width - 0.5),
        "off_centre_y_share": abs((float(rows.mean()) + 0.5) / height - 0.5),
    }


def _hints(measures: Mapping[str, float], p: QualityParameters) -> tuple[QualityHint, ...]:
    """Explain a low score."""
    if measures["q"] >= p.low_q:
        return ()
    small = measures["area_mm2"] < p.least_area_mm2
    off_centre = max(measures["off_centre_x_share"], measures["off_centre_y_share"]) > p.off_centre_share
    bright = measures["bright_share"]
    broken = measures["gradient_coherence"] < p.broken_coherence
    causes = (
        (QualityHint.OFF_CENTRE, small and off_centre),
        (QualityHint.MORE_FINGER, small and not off_centre),
        (QualityHint.TOO_WET, bright < p.wet_share),
        (QualityHint.TOO_DRY, bright > p.dry_share or (bright > p.dry_share_broken and broken)),
        (QualityHint.BLURRED, measures["sharpness"] < p.blurred_sharpness),
    )
    return tuple(hint for hint, holds in causes if holds) or (QualityHint.CLEAN_SENSOR,)
