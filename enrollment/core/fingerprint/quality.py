"""A score that orders errors, and hints that a person can act on, from what extraction has computed anyway.

    T = mean of the 12 largest strengths, missing ones 0      A = ridge area, mm^2
    P = purity: strengths kept over strengths of all residues inside the mask
    Q = T^2 sqrt(A P)      score = min(100, round(100 Q / 15))

The score carries our own name and version: it is no NFIQ and is compared with nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.tiles import FloatArray, enlarge

ALGORITHM: Final = "enrollment.fingerprint.quality"
VERSION: Final = "1"
STRONGEST: Final = 12  # strengths that the mean takes
FULL_Q: Final = 15.0  # Q of a score of 100
LEAST_PURITY: Final = 0.001
LOW_Q: Final = 6.3  # below it a recapture is worth asking for, and hints are given
MM_PER_PX: Final = 25.4 / 500.0
LEAST_AREA_MM2: Final = 125.0
WET_SHARE: Final = 0.45  # share of pixels above the local mean
DRY_SHARE: Final = 0.615
DRY_SHARE_INCOHERENT: Final = 0.5
INCOHERENT: Final = 0.45
BLURRED: Final = 1.15  # rms Laplacian over rms gradient
GRADIENT_FLOOR: Final = 0.3
OFF_CENTRE_SHARE: Final = 0.22  # of the image's side, from its middle to the middle of the ridges
NOTHING_MM2: Final = 12.0


class QualityHint(Enum):
    """What to change, for a person."""

    NOTHING_THERE = "NOTHING_THERE"
    TOO_WET = "TOO_WET"
    TOO_DRY = "TOO_DRY"
    MORE_FINGER = "MORE_FINGER"
    OFF_CENTRE = "OFF_CENTRE"
    BLURRED = "BLURRED"
    CLEAN_SENSOR = "CLEAN_SENSOR"


@dataclass(frozen=True, slots=True)
class FingerprintQuality:
    """score: 0..100. measures: by name, with the unit in the name. hints: most pressing first, empty for a good print."""

    score: int
    algorithm: str
    version: str
    measures: Mapping[str, float]
    hints: tuple[QualityHint, ...]


def judge(
    ridges: FloatArray,
    mask: NDArray[np.bool_],
    coherence: FloatArray,
    cell_px: float,
    kept_strengths: FloatArray,
    all_strengths: FloatArray,
) -> FingerprintQuality:
    """Judge an impression from the stages' results.

    ridges: (H, W) float32 normalised image, negative on ridges. mask, coherence: (rows, cols) of tiles.
    cell_px: side of a tile, pixels at 500 ppi. kept_strengths: of the minutiae; all_strengths: of every residue well
    inside the mask.
    """
    area_mm2 = float(np.count_nonzero(mask)) * (cell_px * MM_PER_PX) ** 2
    strongest = np.sort(kept_strengths)[::-1][:STRONGEST]
    strength = float(strongest.sum()) / STRONGEST
    whole = float(all_strengths.sum())
    purity = max(float(kept_strengths.sum()) / whole if whole > 0.0 else 0.0, LEAST_PURITY)
    q = strength**2 * float(np.sqrt(area_mm2 * purity))
    measures = {
        "strength": strength,
        "area_mm2": area_mm2,
        "purity": purity,
        "q": q,
        "minutiae": float(len(kept_strengths)),
    }
    nothing = area_mm2 < NOTHING_MM2
    if not nothing:
        measures |= _texture(ridges, mask, coherence)
    score = 0 if nothing else min(100, round(100.0 * q / FULL_Q))
    return FingerprintQuality(score, ALGORITHM, VERSION, measures, _hints(measures, nothing, q))


def _texture(ridges: FloatArray, mask: NDArray[np.bool_], coherence: FloatArray) -> dict[str, float]:
    tile = ridges.shape[0] // mask.shape[0]
    inside = enlarge(mask.astype(np.uint8), tile).astype(bool)
    gradient = cv2.Sobel(ridges, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(ridges, cv2.CV_32F, 0, 1) ** 2
    curvature = cv2.Laplacian(ridges, cv2.CV_32F) ** 2
    rms_gradient = float(np.sqrt(np.mean(gradient[inside])))
    rows, columns = np.nonzero(mask)
    return {
        "bright_share": float(np.mean(ridges[inside] > 0.0)),
        "coherence": float(np.mean(coherence[mask])),
        "sharpness": float(np.sqrt(np.mean(curvature[inside]))) / (rms_gradient / 4.0 + GRADIENT_FLOOR),
        "off_centre_x_share": float(abs(columns.mean() + 0.5 - mask.shape[1] / 2) / mask.shape[1]),
        "off_centre_y_share": float(abs(rows.mean() + 0.5 - mask.shape[0] / 2) / mask.shape[0]),
    }


def _hints(measures: Mapping[str, float], nothing: bool, q: float) -> tuple[QualityHint, ...]:
    if nothing:
        return (QualityHint.NOTHING_THERE,)
    if q >= LOW_Q:
        return ()
    bright = measures["bright_share"]
    dry = bright > DRY_SHARE or (bright > DRY_SHARE_INCOHERENT and measures["coherence"] < INCOHERENT)
    off_centre = max(measures["off_centre_x_share"], measures["off_centre_y_share"]) > OFF_CENTRE_SHARE
    small = measures["area_mm2"] < LEAST_AREA_MM2
    found = [
        (QualityHint.OFF_CENTRE, small and off_centre),
        (QualityHint.MORE_FINGER, small and not off_centre),
        (QualityHint.TOO_WET, bright < WET_SHARE),
        (QualityHint.TOO_DRY, dry),
        (QualityHint.BLURRED, measures["sharpness"] < BLURRED),
    ]
    hints = tuple(hint for hint, holds in found if holds)
    return hints or (QualityHint.CLEAN_SENSOR,)
