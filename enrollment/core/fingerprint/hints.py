"""Hints: what a person can change about a poor impression, and at which place of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.core_point import CorePoint
from enrollment.core.fingerprint.quality_measures import Evidence, Texture
from enrollment.core.fingerprint.quality_parameters import HintParameters, ScoreParameters


class QualityHint(Enum):
    """What a person can change; the values are stable."""

    NOTHING_THERE = "NOTHING_THERE"  # no finger, or no ridge of it
    OFF_CENTRE = "OFF_CENTRE"  # the pattern's middle is cut by the image's border: move the finger
    MORE_FINGER = "MORE_FINGER"  # little of the finger, or only its tip or side
    TOO_WET = "TOO_WET"  # ridges run together: dry the finger, press less
    TOO_DRY = "TOO_DRY"  # ridges are thin and broken: moisten the finger, press more
    BLURRED = "BLURRED"  # moved, or out of focus: hold still
    CLEAN_SENSOR = "CLEAN_SENSOR"  # none of these explains the low score: clean the finger and the sensor
    PRESS_HARDER = "PRESS_HARDER"  # ridges are thin but whole
    PRESS_LESS = "PRESS_LESS"  # ridges are broad but whole
    SMUDGED = "SMUDGED"  # a part of the print is smeared: lay the finger down again, without sliding
    LATENT_PRINT = "LATENT_PRINT"  # grease of an earlier finger: wipe the sensor
    INVERTED = "INVERTED"  # ridges are light on dark: the device gives negatives, no person can change it


@dataclass(frozen=True, slots=True)
class Place:
    """A box of the image. x, y: its top left corner; all four are pixels at 500 ppi."""

    x: float
    y: float
    width: float
    height: float


def find_hints(
    evidence: Evidence,
    texture: Texture,
    core: CorePoint,
    measures: Mapping[str, float],
    score: int,
    hints: HintParameters,
    scores: ScoreParameters,
) -> dict[QualityHint, Place]:
    """Explain a low score: hints, most pressing first, each with its place. Empty where the score is good enough.

    A negative, and a latent in place of a finger, are told whatever the score is.
    """
    if measures["area_mm2"] < scores.nothing_area_mm2:
        width, height = evidence.template.size
        return {QualityHint.NOTHING_THERE: Place(0.0, 0.0, float(width), float(height))}
    mask = evidence.mask
    faint = mask & (evidence.deviation < hints.faint_contrast * _strong(evidence.deviation[mask], hints))
    found: dict[QualityHint, NDArray[np.bool_]] = {}
    if measures["background"] < hints.inverted_background and measures["bright_share"] < hints.inverted_share:
        found[QualityHint.INVERTED] = mask
    if measures["contrast"] < scores.least_contrast:
        found[QualityHint.LATENT_PRINT] = mask
    places = {hint: _place(tiles, mask, evidence, hints) for hint, tiles in found.items()}
    if score >= hints.below_score or found:
        return places

    soft = mask & (texture.sharpness < hints.blurred_sharpness)
    if measures["sharpness"] < hints.blurred_sharpness:
        found[QualityHint.BLURRED] = soft  # what else such a print shows is not to be trusted
    else:
        if measures["core_depth_px"] < hints.shallow_core_px:
            place, cut = _about(core, evidence, hints)
            places[QualityHint.OFF_CENTRE if cut else QualityHint.MORE_FINGER] = place
        elif measures["area_mm2"] < hints.small_area_mm2:
            found[QualityHint.MORE_FINGER] = mask
        if np.count_nonzero(faint) > hints.latent_share * np.count_nonzero(mask):
            found[QualityHint.LATENT_PRINT] = faint
        else:
            found |= _pressed(texture, mask, measures, hints)
        if np.count_nonzero(soft) > hints.smudged_share * np.count_nonzero(mask):
            found[QualityHint.SMUDGED] = soft
    if not found and not places and score < hints.unexplained_below_score:
        found[QualityHint.CLEAN_SENSOR] = mask & (texture.local_quality < hints.unclear)
    return places | {hint: _place(tiles, mask, evidence, hints) for hint, tiles in found.items()}


def _pressed(
    texture: Texture, mask: NDArray[np.bool_], measures: Mapping[str, float], p: HintParameters
) -> dict[QualityHint, NDArray[np.bool_]]:
    """Tell wet from pressed hard, and dry from pressed lightly: wet and dry ridges are not whole."""
    bright, coherence = measures["bright_share"], measures["gradient_coherence"]
    ground = measures["background"]
    if bright < p.wet_share and (math.isnan(ground) or ground > p.wet_background):
        whole = coherence > p.whole_coherence
        return {QualityHint.PRESS_LESS if whole else QualityHint.TOO_WET: mask & (texture.bright < p.wet_share)}
    if bright > p.dry_share:
        whole = coherence > p.broken_coherence
        return {QualityHint.PRESS_HARDER if whole else QualityHint.TOO_DRY: mask & (texture.bright > p.dry_share)}
    return {}


def _strong(deviation: NDArray[np.float32], p: HintParameters) -> float:
    rank = int(len(deviation) * p.strong_percentile / 100.0)
    return float(np.partition(deviation, min(rank, len(deviation) - 1))[min(rank, len(deviation) - 1)])


def _about(core: CorePoint, evidence: Evidence, p: HintParameters) -> tuple[Place, bool]:
    """Give the place about the core, and whether the image's border cuts it."""
    width, height = evidence.template.size
    left, top = max(0.0, core.x - p.core_reach_px), max(0.0, core.y - p.core_reach_px)
    right, bottom = min(float(width), core.x + p.core_reach_px), min(float(height), core.y + p.core_reach_px)
    border = min(core.x, core.y, width - core.x, height - core.y)
    return Place(left, top, max(0.0, right - left), max(0.0, bottom - top)), border < p.shallow_core_px


def _place(tiles: NDArray[np.bool_], mask: NDArray[np.bool_], evidence: Evidence, p: HintParameters) -> Place:
    """Box most of the tiles; the whole print where there are none."""
    rows, cols = np.nonzero(tiles if tiles.any() else mask)
    left, right = _middle(cols, p)
    top, bottom = _middle(rows, p)
    cell = evidence.template.mask_cell_px
    return Place(left * cell, top * cell, (right - left + 1) * cell, (bottom - top + 1) * cell)


def _middle(values: NDArray[np.intp], p: HintParameters) -> tuple[float, float]:
    """Least and largest value without the outliers."""
    ordered = np.sort(values)
    out = int(len(ordered) * p.outlier_share)
    return float(ordered[out]), float(ordered[-1 - out])
