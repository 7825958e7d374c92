"""Every tuned number of the matcher, with its unit, its range and where it comes from.

Lengths are pixels at 500 ppi, angles radians. "Study" is the ablation behind docs: numbers there were tuned on public
sets; "here" is `python -m bench.fingerprint`. Changing a number of the cylinder part makes the stored projection stale:
learn it again (`python -m bench.learn_projection`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CylinderParameters:
    """The local neighbourhood of a minutia."""

    radius_px: float = 70.0  # disc that the grid is cut to; 60..85 measured alike
    grid: int = 8  # cells a side of the square around the disc: 17.5 px each
    slots: int = 6  # direction differences over the full turn
    position_sigma_px: float = 28.0 / 3.0  # spread of a neighbour over cells
    direction_sigma: float = 0.70  # spread of a neighbour over slots
    squash_gain: float = 20.0  # logistic: at most about one neighbour a cell counts
    squash_middle: float = 0.25
    area_margin_px: float = 25.0  # a cell further outside the finger than this is unknown, not empty


@dataclass(frozen=True, slots=True)
class MatchingParameters:
    """Everything after the cylinders."""

    most_minutiae: int = 60  # best by reliability; more only cost time
    least_minutiae: int = 3  # fewer say nothing: score 0
    descriptor_scale: float = 150.0  # int8 steps for a component of 1; components stay below 0.8
    candidates: int = 48  # most similar pairs that are looked at; 32..60 measured alike
    # candidates and relaxation
    similarity_middle: float = 0.45  # logistic on descriptor similarity
    similarity_width: float = 0.12
    pair_sigma_px: float = 6.0  # position error of one pair seen from another
    pair_sigma_slope: float = 0.10  # plus this part of their distance
    stretch_sigma_px: float = 5.0  # difference of lengths
    stretch_sigma_slope: float = 0.04
    rotation_sigma: float = 0.22  # difference of rotations
    relaxation_steps: int = 1
    # pose
    hypotheses: int = 4
    pose_tolerance_px: float = 8.4
    final_tolerance_px: float = 5.0
    direction_tolerance: float = 0.25
    # local distortion
    distortion_steps: int = 2
    distortion_reach_px: float = 130.0
    distortion_prior: float = 0.5  # weight of "no displacement"
    pull_limit: float = 1.5  # misfit beyond which a pair does not pull
    # score
    overlap_margin_px: float = 8.0
    kind_weight: float = 0.4


CYLINDER = CylinderParameters()
MATCHING = MatchingParameters()
