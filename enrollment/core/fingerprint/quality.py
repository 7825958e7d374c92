"""A score that orders errors, and hints that a person can act on, from what extraction has computed anyway.

    shared_minutiae    minutiae by reliability and by the chance that another touch covers their spot
    shared_ridges_mm2  area of the ridges, by the strength of their wave and by the same chance
    purity             strengths of the minutiae over strengths of all residues well inside the mask

    logit = bias + sum of weight * log(measure + floor)     score = 7 log2(odds), 0..100

The first two are what the matcher lives on, minutiae and overlaid ridges, as far as another impression will have them
too: a touch lies about the core (`PadParameters`), and what is far from there it rarely covers.

The score has a meaning: at 0 points the impression and another of the same finger, no worse than it, match as often as
they do not, at a threshold that accepts one impostor in a thousand; every 7 points more double the odds of a match, so
that at 49 one pair in 129 is missed. The odds are those of synthetic impressions of the hard mixture,
with the ridges compared: `bench.learn_quality` fits the numbers.

The score carries a name of its own: it is not NFIQ 2 and not on its scale. An impression without ridges scores 0, and
so do nine in ten latents that were left on an empty platen; a failure to judge is an error and never a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from enrollment.core.fingerprint.hints import Place, QualityHint, find_hints
from enrollment.core.fingerprint.quality_measures import (
    Evidence,
    Texture,
    background_grey,
    grade,
    look_at,
    match_log_odds,
    mean_over,
)
from enrollment.core.fingerprint.quality_parameters import QualityParameters, ScoreParameters

ALGORITHM: Final = "enrollment.fingerprint.quality"
VERSION: Final = "4"  # goes up with every change of a score: scores of two versions are not compared


@dataclass(frozen=True, slots=True)
class FingerprintQuality:
    """How well an impression will compare.

    score: 0..100, higher is better. algorithm, version: what made the score.
    measures: by name, those of the module's head, and
        match_log_odds: natural logarithm of the odds that the score stands for;
        area_mm2: of the ridges; contrast: mean local deviation, grey levels; minutiae: their count;
        core_x_px, core_y_px: the middle of the pattern, pixels at 500 ppi;
        bright_share: share of pixels above the local mean, low when wet, high when dry;
        gradient_coherence: 0..1, low when ridges are broken;
        sharpness: rms curvature over rms gradient, low when blurred;
        local_quality: 0..1, mean over the print;
        background: how much lighter the ground is than the print, in deviations of it; 0 where no ground is seen.
        Without ridges all of them are 0 but the odds and the core.
    hints: most pressing first; empty when the score is good enough.
    places: for each hint, the box of the image that it is about.
    """

    score: int
    algorithm: str
    version: str
    measures: Mapping[str, float]
    hints: tuple[QualityHint, ...]
    places: Mapping[QualityHint, Place] = field(default_factory=dict)


def judge(
    evidence: Evidence,
    parameters: QualityParameters,
    show: Callable[[str, NDArray[Any]], None] | None = None,
) -> FingerprintQuality:
    """Judge an impression from the results of extraction.

    show: called with the map of local quality, (rows, cols) float32, 0..1.
    """
    measures, core = grade(evidence, parameters)
    log_odds = match_log_odds(measures, parameters.score)
    score = _score(log_odds, measures, parameters.score)
    texture = look_at(evidence, parameters.hints)
    if show is not None:
        show("local quality", texture.local_quality)
    measures |= {"match_log_odds": log_odds, "core_x_px": core.x, "core_y_px": core.y}
    measures |= _looks(texture, evidence.mask)
    measures["background"] = background_grey(evidence, texture, measures["contrast"], parameters.hints)
    places = find_hints(evidence, texture, core, measures, score, parameters.hints, parameters.score)
    if math.isnan(measures["background"]):
        measures["background"] = 0.0
    return FingerprintQuality(score, ALGORITHM, VERSION, measures, tuple(places), places)


def _score(log_odds: float, measures: Mapping[str, float], p: ScoreParameters) -> int:
    if measures["area_mm2"] < p.nothing_area_mm2 or measures["contrast"] < p.least_contrast:
        return 0
    points = p.points_a_doubling * log_odds / math.log(2.0)
    return round(min(max(points, 0.0), 100.0))


def _looks(texture: Texture, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Average the looks of the ridges over the print."""
    maps = {
        "bright_share": texture.bright,
        "gradient_coherence": texture.coherence,
        "sharpness": texture.sharpness,
        "local_quality": texture.local_quality,
    }
    return {name: mean_over(values, mask) for name, values in maps.items()}
