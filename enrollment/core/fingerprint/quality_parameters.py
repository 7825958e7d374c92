"""Every tuned number of the quality score and its hints, with its unit, its range and where it comes from.

"Learned" marks what `bench.learn_quality` fits on synthetic fingers of our own; "defects" what was set between
synthetic impressions that have a defect and those that do not (`bench.hint_rates`), and then checked on four public
sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CoreParameters:
    """Where the core of the pattern is looked for."""

    sigma_cells: float = 2.0  # 2..4.5, here: how far around a point its flow must turn, cells of the wave map


@dataclass(frozen=True, slots=True)
class PadParameters:
    """Which spots another touch of the finger covers: exp(-(x / across)^2 - ((y - below) / along)^2) about the core."""

    across_px: float = 120.0
    along_px: float = 170.0
    below_core_px: float = 22.0  # as far as the middle of a pad lies below its core in synthetic fingers


@dataclass(frozen=True, slots=True)
class ScoreParameters:
    """What the score is made of.

    The logarithms of the three measures, each with its floor added, are weighed and added up to the logit of a match.
    """

    shared_minutiae_floor: float = 0.13  # here: of each floor a fiftieth of the measure's middle
    shared_ridges_floor_mm2: float = 1.4
    purity_floor: float = 0.016
    shared_minutiae_weight: float = 1.713  # learned, all three weights and the bias
    shared_ridges_weight: float = 2.962
    purity_weight: float = 3.657
    bias: float = -8.172
    points_a_doubling: float = 7.0  # of the odds of a match, here: the best of synthetic and real prints reach 90..100
    nothing_area_mm2: float = 12.0  # here: large letters reach 8; of four public sets 99 % lie above 120
    least_contrast: float = (
        10.0  # grey levels, mean local deviation, defects: nine latents of ten below, prints above 11
    )


@dataclass(frozen=True, slots=True)
class HintParameters:
    """When which hint is given, and where it points."""

    below_score: int = 80  # 60..90: a better print needs no hint; a quarter of four public sets lie above 78
    unexplained_below_score: int = 50  # a print that is better, and shows no defect, gets no hint either
    smoothing_tiles: float = 1.5  # 1..2: of the textures
    gradient_floor: float = 0.3  # study: added to the rms gradient, deviations a work px
    full_energy: float = 0.35  # of the gradients, squared deviations a work px squared: of clear ridges
    small_area_mm2: float = 110.0  # defects: of the ridges, whole fingers 125 and more
    off_centre_px: float = 70.0  # 40..80, defects: from the core to the image's border; off centre 10...80, good 120
    shallow_core_px: float = 40.0  # defects: from the core to the print's outline; the core is as good as cut
    wet_share: float = 0.45  # defects: of pixels above the local mean; wet .32...42, heavy .40...48, good .47...61
    soaked_share: float = 0.395  # defects: the same; below it a print is wet even where its ridges are whole
    wet_background: float = 0.5  # deviations, defects: a good thermal print is as dark, its ground is no lighter
    whole_coherence: float = 0.72  # defects: of gradients; pressed hard .71...85, wet .68...81
    drop_tiles: int = 3  # that darkness and gradients are averaged over, a side
    drop_darkness: float = 0.75  # deviations, defects: of a drop, beyond the print's mean
    drop_energy: float = 0.1  # defects: of the gradients in a drop; ridges .3...45
    drop_share: float = 0.01  # defects: of such tiles, to the print's; drops .011...14, others 0, smudged 0....009
    dry_share: float = 0.60  # defects: of pixels above the local mean; dry .64...69, light .59...66, good .47...61
    broken_coherence: float = 0.60  # defects: of gradients; dry .37...57, light .61...78
    blurred_sharpness: float = 0.80  # defects: rms curvature over rms gradient; blurred .51...70, good .82...1.07
    smudged_sharpness: float = 0.70  # defects: of a part; all good prints .7 and more but for a twentieth of them
    smudged_share: float = 0.15  # defects: of the print's tiles that are so soft; moved .1...55, good 0...05
    smeared_darkness: tuple[float, float] = (-0.3, 0.7)  # deviations, defects: a smear's, beyond the print's mean
    smeared_share: float = (
        0.02  # defects: such tiles between ridges, to the print's; smudged 0...10, good 0, wet 0...02
    )
    faint_contrast: float = 0.35  # 0.2..0.45, defects: of the print's strong contrast; a latent lies below
    least_faint_contrast: float = 3.0  # 3..5, grey levels: below it flow is noise
    strong_percentile: float = 90.0
    latent_coherence: float = 0.95  # 0.8..0.97, defects: of the flow; stains and noise lie below
    latent_distance_tiles: int = 6  # 3..6, defects: nearer is the rim of the print itself
    rim_tiles: int = 3  # of the image: frames and edges of platens lie there
    latent_share: float = 0.20  # defects: of such tiles that pass for the print, to all of its; others below .2
    latent_area_mm2: float = 10.0  # 10..15, defects: of such tiles; good and dry prints 0
    inverted_background: float = -0.65  # deviations, defects: inverted -1.3...-.8, others above -.2
    inverted_share: float = 0.5  # defects: of pixels above the local mean; broad valleys of a negative .32....43
    background_tiles: int = 2  # a rim around the print that is left out of the background
    least_background_tiles: int = 30
    unclear: float = 0.25  # local quality of what CLEAN_SENSOR points at
    outlier_share: float = 0.05  # of the tiles a hint is about, left out at each side of its place
    core_reach_px: float = 40.0  # half a side of the place that OFF_CENTRE points at


@dataclass(frozen=True, slots=True)
class QualityParameters:
    """All together."""

    core: CoreParameters = field(default_factory=CoreParameters)
    pad: PadParameters = field(default_factory=PadParameters)
    score: ScoreParameters = field(default_factory=ScoreParameters)
    hints: HintParameters = field(default_factory=HintParameters)


QUALITY = QualityParameters()
