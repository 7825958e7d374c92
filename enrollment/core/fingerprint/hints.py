"""Hints: what a person can change about a poor impression, and at which place of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.core_point import CorePoint
from enrollment.core.fingerprint.quality_measures import MM_IN_A_PIXEL, Evidence, Texture, mean_over
from enrollment.core.fingerprint.quality_parameters import HintParameters, ScoreParameters
from enrollment.core.fingerprint.tiles import percentile


class QualityHint(Enum):
    """What a person can change; the values are stable."""

    NOTHING_THERE = "NOTHING_THERE"  # no finger, or no ridge of it
    OFF_CENTRE = "OFF_CENTRE"  # the pattern's middle is at the image's border or cut by it: move the finger
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
    found: dict[QualityHint, NDArray[np.bool_]] = {}
    if measures["background"] < hints.inverted_background and measures["bright_share"] < hints.inverted_share:
        found[QualityHint.INVERTED] = mask
    if measures["contrast"] < scores.least_contrast:
        found[QualityHint.LATENT_PRINT] = mask
    places = {hint: _place(tiles, mask, evidence, hints) for hint, tiles in found.items()}
    if score >= hints.below_score or found:
        return places

    if measures["sharpness"] < hints.blurred_sharpness:
        # What else such a print shows is not to be trusted.
        found[QualityHint.BLURRED] = mask & (texture.sharpness < hints.blurred_sharpness)
    else:
        light_ground = math.isnan(measures["background"]) or measures["background"] > hints.wet_background
        hull = _hull(mask)
        between, darkness = _within_outline(texture, mask, hull, measures)
        flooded = measures["bright_share"] < hints.wet_share
        smeared = between & ~mask if light_ground and not flooded else None
        smudged = _smudged(texture, mask, smeared, darkness, hints)
        if (place := _off_centre(core, evidence, hints)) is not None:
            places[QualityHint.OFF_CENTRE] = place
        elif not smudged and _within(core, hull, evidence) < hints.shallow_core_px:  # a smear may have hidden the core
            places[QualityHint.MORE_FINGER] = _about(core, evidence, hints)
        elif measures["area_mm2"] < hints.small_area_mm2:
            found[QualityHint.MORE_FINGER] = mask
        if latent := _latent(evidence, hints) if light_ground else {}:
            found |= latent
        elif drops := _drops(evidence, between, darkness, hints) if light_ground else {}:
            found |= drops
        else:
            found |= _pressed(texture, mask, measures, light_ground, hints)
        found |= smudged
    if not found and not places and score < hints.unexplained_below_score:
        found[QualityHint.CLEAN_SENSOR] = mask & (texture.local_quality < hints.unclear)
    return places | {hint: _place(tiles, mask, evidence, hints) for hint, tiles in found.items()}


def _pressed(
    texture: Texture, mask: NDArray[np.bool_], measures: Mapping[str, float], light_ground: bool, p: HintParameters
) -> dict[QualityHint, NDArray[np.bool_]]:
    """Tell wet from pressed hard, and dry from pressed lightly: wet and dry ridges are not whole, wet ones broadest."""
    bright, coherence = measures["bright_share"], measures["gradient_coherence"]
    if bright < p.wet_share and light_ground:
        whole = bright > p.soaked_share and coherence > p.whole_coherence
        return {QualityHint.PRESS_LESS if whole else QualityHint.TOO_WET: mask & (texture.bright < p.wet_share)}
    if bright > p.dry_share:
        whole = coherence > p.broken_coherence
        return {QualityHint.PRESS_HARDER if whole else QualityHint.TOO_DRY: mask & (texture.bright > p.dry_share)}
    return {}


def _latent(evidence: Evidence, p: HintParameters) -> dict[QualityHint, NDArray[np.bool_]]:
    """Find flow that is faint: far from the print, where the next finger will lie on it, or taken for a part of it."""
    mask, deviation = evidence.mask, evidence.deviation
    side = 2 * p.latent_distance_tiles + 1
    far = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))) == 0
    far[: p.rim_tiles] = far[-p.rim_tiles :] = False
    far[:, : p.rim_tiles] = far[:, -p.rim_tiles :] = False
    strong = percentile(deviation[mask], p.strong_percentile)
    faint = deviation < p.faint_contrast * strong
    beside = far & faint & (evidence.coherence > p.latent_coherence) & (deviation > p.least_faint_contrast)
    beside = np.asarray(cv2.morphologyEx(beside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))) > 0
    within = mask & faint
    found = np.zeros_like(mask)
    if np.count_nonzero(beside) * (evidence.template.mask_cell_px * MM_IN_A_PIXEL) ** 2 > p.latent_area_mm2:
        found |= beside
    if np.count_nonzero(within) > p.latent_share * np.count_nonzero(mask):
        found |= within
    return {QualityHint.LATENT_PRINT: found} if found.any() else {}


def _within_outline(
    texture: Texture, mask: NDArray[np.bool_], hull: NDArray[Any], measures: Mapping[str, float]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Tiles within the print's outline, and how much darker each tile is than the print's mean, in its deviations."""
    between = cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), hull, (1.0,))
    darkness = np.float32(mean_over(texture.grey, mask)) - texture.grey
    darkness /= np.float32(max(measures["contrast"], 1.0))
    return np.asarray(between) > 0, darkness


def _drops(
    evidence: Evidence, between: NDArray[np.bool_], darkness: NDArray[np.float32], p: HintParameters
) -> dict[QualityHint, NDArray[np.bool_]]:
    """Find water: spots as dark as ridges, that have none."""
    side = (p.drop_tiles, p.drop_tiles)
    drops = between & (cv2.blur(darkness, side) > p.drop_darkness)
    drops &= cv2.blur(evidence.tensor.energy, side) < p.drop_energy
    enough = np.count_nonzero(drops) > p.drop_share * np.count_nonzero(evidence.mask)
    return {QualityHint.TOO_WET: drops} if enough else {}


def _smudged(
    texture: Texture,
    mask: NDArray[np.bool_],
    beside: NDArray[np.bool_] | None,
    darkness: NDArray[np.float32],
    p: HintParameters,
) -> dict[QualityHint, NDArray[np.bool_]]:
    """Find a part of the print that is soft, or has ink and no ridges. beside: where that ink may be, if it tells."""
    tiles = np.count_nonzero(mask)
    if beside is not None:
        least, most = p.smeared_darkness
        smeared = beside & (darkness > least) & (darkness < most)
        if np.count_nonzero(smeared) > p.smeared_share * tiles:
            return {QualityHint.SMUDGED: smeared}
    soft = mask & (texture.sharpness < p.smudged_sharpness)
    return {QualityHint.SMUDGED: soft} if np.count_nonzero(soft) > p.smudged_share * tiles else {}


def _hull(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Give the corners of the print's convex outline, tiles, x and y: those of the ends of its rows."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=1)
    return cv2.convexHull(ends.astype(np.int32))


def _within(core: CorePoint, hull: NDArray[Any], evidence: Evidence) -> float:
    """How far within the outline of the print the core lies, pixels at 500 ppi; less than 0 outside."""
    cell = evidence.template.mask_cell_px
    return cv2.pointPolygonTest(hull, (core.x / cell - 0.5, core.y / cell - 0.5), True) * cell


def _off_centre(core: CorePoint, evidence: Evidence, p: HintParameters) -> Place | None:
    """Give the place about a core that the image's border is near to."""
    width, height = evidence.template.size
    border = min(core.x, core.y, width - core.x, height - core.y)
    return _about(core, evidence, p) if border < p.off_centre_px else None


def _about(core: CorePoint, evidence: Evidence, p: HintParameters) -> Place:
    width, height = evidence.template.size
    left, top = max(0.0, core.x - p.core_reach_px), max(0.0, core.y - p.core_reach_px)
    right, bottom = min(float(width), core.x + p.core_reach_px), min(float(height), core.y + p.core_reach_px)
    return Place(left, top, max(0.0, right - left), max(0.0, bottom - top))


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
