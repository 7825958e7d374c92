"""An extractor's minutiae beside the true ones of synthetic prints.

A found minutia and a true one are mates where each is the other's nearest and they lie within 10 pixels: one to one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers import Minutiae

REACH_PX: Final = 10.0  # about one ridge period


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """positions (N, 2) pixels, directions (N,) radians y down, bifurcations (N,) bool."""

    positions: NDArray[np.float32]
    directions: NDArray[np.float32]
    bifurcations: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TruthErrors:
    """Shares over all minutiae of a set; angle and distance errors of mates in degrees and pixels."""

    precision: float
    recall: float
    angle_median: float
    angle_90: float
    distance_median: float
    type_agreement: float

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.3f}, recall {self.recall:.3f}, angle error {self.angle_median:.1f} deg "
            f"(90 %: {self.angle_90:.1f}), distance {self.distance_median:.1f} px, type right {self.type_agreement:.3f}"
        )


def truth_errors(prints: Sequence[tuple[Found, Minutiae]]) -> TruthErrors | None:
    """Compare a set of prints; None where nothing is to be compared or nothing has a mate."""
    angles, distances, types = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, bool)]
    found_count, true_count = 0, 0
    for found, truth in prints:
        found_count += len(found.positions)
        true_count += len(truth)
        at, mate = mates(found.positions, truth.positions)
        turn = found.directions[at] - truth.directions[mate]
        angles.append(np.abs(np.angle(np.exp(1j * turn))))
        distances.append(np.linalg.norm(found.positions[at] - truth.positions[mate], axis=1))
        types.append(found.bifurcations[at] == truth.bifurcations[mate])
    angle, distance, agree = np.concatenate(angles), np.concatenate(distances), np.concatenate(types)
    if not len(agree):
        return None
    return TruthErrors(
        precision=len(agree) / found_count,
        recall=len(agree) / true_count,
        angle_median=math.degrees(float(np.median(angle))),
        angle_90=math.degrees(float(np.quantile(angle, 0.9))),
        distance_median=float(np.median(distance)),
        type_agreement=float(agree.mean()),
    )


def mates(found: NDArray[np.float32], truth: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices into both, pair by pair, of those that are each other's nearest within reach."""
    if not len(found) or not len(truth):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    gaps = np.linalg.norm(found[:, None] - truth[None], axis=2)
    nearest = gaps.argmin(axis=1)
    at = np.arange(len(found))
    mutual = (gaps.argmin(axis=0)[nearest] == at) & (gaps[at, nearest] <= REACH_PX)
    return at[mutual], nearest[mutual]
