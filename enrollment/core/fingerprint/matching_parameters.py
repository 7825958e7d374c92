"""Every tuned number of the matcher, with its unit, its range and where it comes from.

Lengths are pixels at 500 ppi, angles radians. "Study" marks a number of the measured recipe that this matcher follows;
"here" one that was measured again with this code, on four public sets of ten fingers with the minutiae of three
extractors. A range is what measured alike: it is not enforced. Ten fingers a set are few: no number here is sharp.
A change to CylinderParameters makes the stored projection stale: learn it again (`python -m bench.learn_projection`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CylinderParameters:
    """The neighbourhood of a minutia."""

    radius_px: float = 70.0  # 70..85, study: disc that the grid is cut to
    grid: int = 8  # 8..10, study: cells a side of the square around the disc, 17.5 px each
    slots: int = 6  # study: direction differences over the full turn; 8 did not help
    position_sigma_px: float = 28.0 / 3.0  # study: spread of a neighbour over cells
    direction_sigma: float = 0.70  # study: spread of a neighbour over slots
    squash_gain: float = 20.0  # study: logistic, at most about one neighbour a cell counts
    squash_middle: float = 0.25  # study
    area_margin_px: float = 25.0  # study: a cell further than this outside the finger is unknown, not empty


@dataclass(frozen=True, slots=True)
class MatchingParameters:
    """Everything after the cylinders."""

    most_minutiae: int = 60  # 45..60, study: best by reliability; more only cost time; at most 64 (compiled/arrays.py)
    least_minutiae: int = 3  # by reason: two minutiae fit some other two of any finger
    least_distance_px: float = 1.0  # by reason: closer minutiae are one minutia, written twice
    furthest_px: float = 65_535.0  # by reason: 3 m; no record can say more, and squares stay exact enough in float32
    descriptor_scale: float = 150.0  # here: int8 steps for a component of 1; components stay below 0.85

    candidates: int = 40  # 36..60, here: most similar pairs, of both sides' choice, that are looked at; 32 misses more
    similarity_middle: float = 0.45  # 0.35..0.5, here: descriptor similarity that counts half
    similarity_width: float = 0.12  # 0.08..0.18, here
    pair_sigma_px: float = 6.0  # 5..8, here: position error of one pair seen from another
    pair_sigma_slope: float = 0.10  # 0.07..0.14, here: the same, for each pixel of their distance
    stretch_sigma_px: float = 5.0  # 4..7, here: difference of the two distances
    stretch_sigma_slope: float = 0.04  # 0.03..0.06, here: the same, for each pixel of their distance
    rotation_sigma: float = 0.22  # 0.16..0.4, here: difference of the two rotations
    relaxation_steps: int = 1  # here: 2 (study) and more cost 0.1..0.2 points of EER with all three extractors

    hypotheses: int = 8  # 4..24, here: poses that are tried; with ridges to tell them apart, 4 costs 0.2 points of EER
    poses: int = 4  # 4..8, here: of these, how many are scored as they are
    bent_poses: int = 2  # 1..2, here: of these, how many of the highest scores are bent and overlaid
    bent_share: float = 0.8  # 0.7..0.85, here: of the highest of these scores, what another must reach to be bent too
    same_turn: float = 0.05  # by reason, with the next: two poses nearer to each other than that end in the same one
    same_shift_px: float = 6.0
    pose_minutiae: int = 32  # 24..60, here: of the probe, the most reliable, that judge the poses; more do no better
    pose_tolerance_px: float = 8.4  # 7..10, here: a distance of so much is a misfit of 1/2
    final_tolerance_px: float = 5.0  # 4..6, here: the same, once the probe is bent
    direction_tolerance: float = 0.25  # 0.2..0.3, here: a turn of so much is a misfit of about 1/2

    bent_from_score: float = 0.2  # 0..0.25, here: of the rigid pose; a pair below it is not bent
    rigid_discount: float = 0.7  # here: final over rigid score of strangers; what the others get of their rigid score
    distortion_steps: int = 2  # 1..3, here; none costs 0.2..0.4 points of EER
    distortion_reach_px: float = 130.0  # 100..170, here: as far as one pair pulls
    distortion_prior: float = 0.5  # 0.25..1, here: pairs that pull back to the rigid pose
    pull_limit: float = 1.5  # 1..2.5, here (study 2.5): misfit beyond which a pair does not pull

    overlap_margin_px: float = 8.0  # 0..12, here: the area of a finger reaches so far beyond its outermost minutiae
    overlap_prior: float = (
        0.5  # 0.25..0.5, `bench.fingerprint_overlap`: with 1 more of the thin common bands are missed
    )
    kind_weight: float = 0.4  # 0..0.8, here: bonus where all kinds agree


@dataclass(frozen=True, slots=True)
class WaveParameters:
    """Overlaying ridges on ridges."""

    sigmas_cells: tuple[float, ...] = (2.0, 1.25, 1.0)  # here: of the smooth displacement, step by step
    stiffness: float = 2.5e-4  # turns a pixel squared: prior for no displacement
    from_score: float = 0.22  # 0..0.22, here: of the minutiae; a pair below it is not overlaid
    strangers_agreement: float = 0.2  # here: median of strangers'; what a pair that is not overlaid is taken to have
    even_agreement: float = 0.4  # here: neither for nor against; scores keep the scale that they have without ridges
    slope: float = 4.0  # 3..5, here
    least_score: float = 0.3  # 0.2..0.3, here: of a pair with ridges; a lower one is a stranger, however much lower
    most_growth: float = 0.25  # 0.25..0.5, here: of the agreement, after the first step
    little_overlap: float = 10.0  # 5..40, here: cells, added to the common area, so that a small one counts less


@dataclass(frozen=True, slots=True)
class FilterParameters:
    """The first look of a search."""

    dimensions: int = 64  # 48..128, here: of the descriptors, the first; 32 loses twice the mates
    probe_minutiae: int = 24  # 24..30, here: the most reliable
    gallery_minutiae: int = 32  # 32..40, here
    candidates: int = 16  # 16..24, here: most similar pairs that are looked at
    kept_share: float = 0.01  # 0.001..0.1, here: of the templates, those that a search compares in full
    least_kept: int = 64  # by reason: fewer are compared in less time than the probe takes to describe
    relaxation_steps: int = 2  # here: 1 loses a third more mates


CYLINDER = CylinderParameters()
MATCHING = MatchingParameters()
WAVES = WaveParameters()
FILTER = FilterParameters()
