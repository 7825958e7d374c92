from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.candidates import Placed
from enrollment.core.fingerprint.compatibility import compatibility, relax
from enrollment.core.fingerprint.matching_parameters import MATCHING

ANGLE = 0.6


def rigid_pairs(count: int = 12) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Candidates that all tell of one motion: points of both sides and turns, C = 1."""
    ours = np.random.default_rng(8).uniform(-150, 150, (2, 1, count)).astype(np.float32)
    cos, sin = math.cos(ANGLE), math.sin(ANGLE)
    theirs = np.stack([cos * ours[0] - sin * ours[1] + 7, sin * ours[0] + cos * ours[1] - 30])
    turns = np.stack([np.full((1, count), cos, np.float32), np.full((1, count), sin, np.float32)])
    return ours, theirs.astype(np.float32), turns


def test_pairs_of_one_motion_agree_and_none_with_itself() -> None:
    ours, theirs, turns = rigid_pairs()
    agreement = compatibility(Placed(ours, theirs, turns), np.arange(12)[None])[0]
    off = ~np.eye(12, dtype=bool)
    assert agreement[off] == pytest.approx(1.0, abs=1e-3)
    assert not agreement[~off].any()


def test_pairs_of_one_gallery_minutia_exclude_each_other() -> None:
    ours, theirs, turns = rigid_pairs()
    partners = np.arange(12)
    partners[3] = partners[5]
    agreement = compatibility(Placed(ours, theirs, turns), partners[None])[0]
    assert agreement[3, 5] == agreement[5, 3] == 0.0
    assert agreement[3, 4] > 0.9


def test_agreement_is_that_of_the_formula_written_out() -> None:
    rng = np.random.default_rng(9)
    ours, theirs, _ = rigid_pairs()
    theirs = theirs + rng.normal(0, 8, theirs.shape).astype(np.float32)
    angles = ANGLE + rng.normal(0, 0.15, (1, 12))
    turns = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    agreement = compatibility(Placed(ours, theirs, turns), np.arange(12)[None])[0]
    a, b = ours[0, 0] + 1j * ours[1, 0], theirs[0, 0] + 1j * theirs[1, 0]
    turn = np.exp(1j * angles[0])
    for i, j in ((0, 1), (2, 9), (7, 4), (11, 3)):
        da, db = a[j] - a[i], b[j] - b[i]
        square = (abs(da) ** 2 + abs(db) ** 2) / 2
        misplaced = abs(turn[i] * da - db) ** 2 + abs(turn[j] * da - db) ** 2
        doubt = misplaced / (4 * (MATCHING.pair_sigma_px**2 + MATCHING.pair_sigma_slope**2 * square))
        stretch = MATCHING.stretch_sigma_px**2 + MATCHING.stretch_sigma_slope**2 * square
        doubt += (abs(da) - abs(db)) ** 2 / (2 * stretch)
        doubt += (1 - math.cos(angles[0, i] - angles[0, j])) / MATCHING.rotation_sigma**2
        assert agreement[i, j] == pytest.approx(math.exp(-doubt), rel=0.05, abs=1e-4)
        assert agreement[i, j] == pytest.approx(agreement[j, i], rel=1e-3, abs=1e-6)


def test_a_pair_that_went_elsewhere_is_left_without_support() -> None:
    ours, theirs, turns = rigid_pairs()
    theirs[:, 0, 4] += 90.0
    agreement = compatibility(Placed(ours, theirs, turns), np.arange(12)[None])
    support = relax(agreement, np.full((1, 12), 0.8, np.float32), steps=1)[0][0]
    assert support[4] < 0.01 * np.delete(support, 4).min()
    assert np.linalg.norm(support) == pytest.approx(1.0, abs=1e-5)


def test_where_nothing_agrees_nothing_is_supported() -> None:
    support, strength = relax(np.zeros((2, 5, 5), np.float32), np.full((2, 5), 0.9, np.float32), steps=2)
    assert not support.any()
    assert not strength.any()


def test_similar_pairs_have_more_support_than_doubtful_ones() -> None:
    agreement = (1.0 - np.eye(6, dtype=np.float32))[None]
    alike = np.array([[0.9, 0.9, 0.9, 0.9, 0.3, 0.1]], np.float32)
    support = relax(agreement, alike, steps=1)[0][0]
    assert support[0] > support[4] > support[5] > 0.0


def test_strength_grows_with_the_number_that_agree() -> None:
    all_agree = (1.0 - np.eye(6, dtype=np.float32))[None]
    half_agree = all_agree.copy()
    half_agree[:, 3:] = half_agree[:, :, 3:] = 0.0
    alike = np.full((1, 6), 0.8, np.float32)
    _, all_strength = relax(all_agree, alike, steps=2)
    _, half_strength = relax(half_agree, alike, steps=2)
    assert all_strength[0] > 1.8 * half_strength[0] > 0.0


def test_without_the_stretch_pairs_agree_no_less() -> None:
    ours, theirs, turns = rigid_pairs()
    theirs += np.random.default_rng(4).normal(0, 6, theirs.shape).astype(np.float32)
    placed = Placed(ours, theirs, turns)
    with_stretch = compatibility(placed, np.arange(12)[None])
    without = compatibility(placed, np.arange(12)[None], stretch=False)
    assert (without >= with_stretch - 1e-6).all()
    assert without.sum() > 1.05 * with_stretch.sum()
