from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arrays import Candidates
from enrollment.core.fingerprint.compiled.compatibility import relax, weigh
from enrollment.core.fingerprint.matching_parameters import MATCHING

ANGLE = 0.6


Placed = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def rigid_pairs(count: int = 12) -> Placed:
    """Candidates that all tell of one motion: points of both sides and turns, (2, K) each."""
    ours = np.random.default_rng(8).uniform(-150, 150, (2, count)).astype(np.float32)
    cos, sin = math.cos(ANGLE), math.sin(ANGLE)
    theirs = np.stack([cos * ours[0] - sin * ours[1] + 7, sin * ours[0] + cos * ours[1] - 30])
    turns = np.stack([np.full(count, cos, np.float32), np.full(count, sin, np.float32)])
    return ours, theirs.astype(np.float32), turns


def compatibility(
    placed: Placed, partners: NDArray[np.intp] | None = None, *, stretch: bool = True
) -> NDArray[np.float32]:
    count = placed[0].shape[1]
    named = np.arange(count) if partners is None else partners
    ax, ay, bx, by, cos, sin = (np.ascontiguousarray(row) for one in placed for row in one)
    agreement = np.full((count, count), np.nan, np.float32)
    candidates = Candidates(ax, ay, bx, by, cos, sin, np.ones(count, np.float32), named.astype(np.int32))
    weigh(candidates, count, stretch, agreement)
    return agreement


def relaxed(
    agreement: NDArray[np.floating], weights: NDArray[np.floating], steps: int
) -> tuple[NDArray[np.float32], float]:
    support = np.full((2, len(weights)), np.nan, np.float32)
    strength = relax(agreement.astype(np.float32), weights.astype(np.float32), len(weights), steps, support)
    return support[0], float(strength)


def test_pairs_of_one_motion_agree_and_none_with_itself() -> None:
    agreement = compatibility(rigid_pairs())
    off = ~np.eye(12, dtype=bool)
    assert agreement[off] == pytest.approx(1.0, abs=1e-3)
    assert not agreement[~off].any()


def test_pairs_of_one_gallery_minutia_exclude_each_other() -> None:
    partners = np.arange(12)
    partners[3] = partners[5]
    agreement = compatibility(rigid_pairs(), partners)
    assert agreement[3, 5] == agreement[5, 3] == 0.0
    assert agreement[3, 4] > 0.9


def test_agreement_is_that_of_the_formula_written_out() -> None:
    rng = np.random.default_rng(9)
    ours, theirs, _ = rigid_pairs()
    theirs = theirs + rng.normal(0, 8, theirs.shape).astype(np.float32)
    angles = ANGLE + rng.normal(0, 0.15, 12)
    agreement = compatibility((ours, theirs, np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)))
    a, b = ours[0] + 1j * ours[1], theirs[0] + 1j * theirs[1]
    turn = np.exp(1j * angles)
    for i, j in ((0, 1), (2, 9), (7, 4), (11, 3)):
        da, db = a[j] - a[i], b[j] - b[i]
        square = (abs(da) ** 2 + abs(db) ** 2) / 2
        misplaced = abs(turn[i] * da - db) ** 2 + abs(turn[j] * da - db) ** 2
        doubt = misplaced / (4 * (MATCHING.pair_sigma_px**2 + MATCHING.pair_sigma_slope**2 * square))
        stretch = MATCHING.stretch_sigma_px**2 + MATCHING.stretch_sigma_slope**2 * square
        doubt += (abs(da) - abs(db)) ** 2 / (2 * stretch)
        doubt += (1 - math.cos(angles[i] - angles[j])) / MATCHING.rotation_sigma**2
        assert agreement[i, j] == pytest.approx(math.exp(-doubt), rel=0.05, abs=1e-4)
        assert agreement[i, j] == pytest.approx(agreement[j, i], rel=1e-3, abs=1e-6)


def test_a_pair_that_went_elsewhere_is_left_without_support() -> None:
    ours, theirs, turns = rigid_pairs()
    theirs[:, 4] += 90.0
    support, _ = relaxed(compatibility((ours, theirs, turns)), np.full(12, 0.95), steps=1)
    assert support[4] < 0.01 * np.delete(support, 4).min()
    assert np.linalg.norm(support) == pytest.approx(1.0, abs=1e-5)


def test_where_nothing_agrees_nothing_is_supported() -> None:
    support, strength = relaxed(np.zeros((5, 5)), np.full(5, 0.97), steps=2)
    assert not support.any()
    assert strength == 0.0


def test_similar_pairs_have_more_support_than_doubtful_ones() -> None:
    support, _ = relaxed(1.0 - np.eye(6), np.array([0.97, 0.97, 0.97, 0.97, 0.2, 0.05]), steps=1)
    assert support[0] > support[4] > support[5] > 0.0


def test_strength_grows_with_the_number_that_agree() -> None:
    all_agree = 1.0 - np.eye(6)
    half_agree = all_agree.copy()
    half_agree[3:] = half_agree[:, 3:] = 0.0
    _, all_strength = relaxed(all_agree, np.full(6, 0.95), steps=2)
    _, half_strength = relaxed(half_agree, np.full(6, 0.95), steps=2)
    assert all_strength > 1.8 * half_strength > 0.0


def test_without_the_stretch_pairs_agree_no_less() -> None:
    ours, theirs, turns = rigid_pairs()
    theirs += np.random.default_rng(4).normal(0, 6, theirs.shape).astype(np.float32)
    with_stretch = compatibility((ours, theirs, turns))
    without = compatibility((ours, theirs, turns), stretch=False)
    assert (without >= with_stretch - 1e-6).all()
    assert without.sum() > 1.05 * with_stretch.sum()
