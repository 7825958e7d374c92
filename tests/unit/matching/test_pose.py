from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.distortion import bend
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.misfit import our_terms, pair_up, their_terms
from enrollment.core.fingerprint.pose import Motion, best_motion, fit_motions, move_rigidly

Bare = Callable[[NDArray[np.float32], NDArray[np.float32]], DescribedTemplates]
RNG_SEED = 21
ONLY = np.arange(1)  # the row of a gallery of one


def motion_of(angle: float, east: float, south: float) -> Motion:
    """One motion for one gallery template."""
    rows = [np.array([value], np.float32) for value in (math.cos(angle), math.sin(angle), east, south)]
    return Motion(*rows)


def strewn(count: int = 25) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points and headings, (2, N), at least 15 px apart."""
    rng = np.random.default_rng(RNG_SEED)
    grid = np.stack(np.meshgrid(np.arange(-100, 101, 50), np.arange(-100, 101, 50))).reshape(2, -1)[:, :count]
    points = grid + rng.uniform(-15, 15, grid.shape)
    angles = rng.uniform(0, math.tau, grid.shape[1])
    return points.astype(np.float32), np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_least_squares_finds_the_motion_of_exact_pairs() -> None:
    points, _ = strewn()
    theirs = motion_of(0.7, 12.0, -5.0).move(points)
    weights = np.random.default_rng(1).random((1, 3, 25), np.float32)
    found = fit_motions(weights, points[:, None], theirs, np.zeros((2, 1, 3), np.float32))
    assert found.cos == pytest.approx(math.cos(0.7), abs=1e-4)
    assert found.sin == pytest.approx(math.sin(0.7), abs=1e-4)
    assert found.east == pytest.approx(12.0, abs=0.01)
    assert found.south == pytest.approx(-5.0, abs=0.01)


def test_pairs_without_weight_do_not_pull() -> None:
    points, _ = strewn()
    theirs = motion_of(-0.3, 0.0, 40.0).move(points)
    theirs[:, :, 0] += 200.0
    weights = np.ones((1, 1, 25), np.float32)
    weights[..., 0] = 0.0
    found = fit_motions(weights, points[:, None], theirs, np.zeros((2, 1, 1), np.float32))
    assert found.sin == pytest.approx(math.sin(-0.3), abs=1e-4)


def test_a_single_pair_takes_the_rotation_it_was_given() -> None:
    weights = np.zeros((1, 1, 4), np.float32)
    weights[0, 0, 2] = 1.0
    points, _ = strewn(4)
    turned = np.array([0.6, 0.8], np.float32).reshape(2, 1, 1)
    found = fit_motions(weights, points[:, None], points[:, None] + np.float32(3), turned)
    assert (found.cos.item(), found.sin.item()) == pytest.approx((0.6, 0.8))
    landed = found.move(points)[:, 0, 0, 2]
    assert landed == pytest.approx(points[:, 2] + 3, abs=1e-3)


def test_undoing_a_motion_brings_points_back() -> None:
    points, _ = strewn()
    motion = motion_of(2.0, 30.0, 4.0)
    assert motion.undo(motion.move(points))[:, 0] == pytest.approx(points, abs=1e-3)


def test_misfit_is_the_distance_and_turn_of_its_definition(bare: Bare) -> None:
    ours = our_terms(np.array([[[10.0]], [[20.0]]], np.float32), np.array([[[1.0]], [[0.0]]], np.float32), 5.0)
    turn = 0.2
    gallery = bare(
        np.array([[[13.0]], [[24.0]]], np.float32), np.array([[[math.cos(turn)]], [[math.sin(turn)]]], np.float32)
    )
    expected = 25.0 / (2 * 5.0**2) + (1 - math.cos(turn)) / MATCHING.direction_tolerance**2
    assert pair_up(ours, their_terms(gallery, ONLY), ONLY).misfits.item() == pytest.approx(expected, rel=1e-3)


def test_only_nearest_neighbours_of_each_other_are_mutual(bare: Bare) -> None:
    along = np.ones((1, 3), np.float32)
    ahead = np.stack([along, 0 * along])
    ours = our_terms(np.array([[[0.0, 4.0, 50.0]], [[0.0, 0.0, 0.0]]], np.float32), ahead, 5.0)
    gallery = bare(np.array([[[1.0, 51.0, 90.0]], [[0.0, 0.0, 0.0]]], np.float32), ahead)
    pairing = pair_up(ours, their_terms(gallery, ONLY), ONLY)
    assert pairing.theirs.tolist() == [[0, 0, 1]]
    assert pairing.mutual.tolist() == [[True, False, True]]


def test_the_hypothesis_that_places_most_minutiae_is_kept(bare: Bare) -> None:
    points, headings = strewn()
    true = motion_of(0.4, 10.0, 20.0)
    gallery = bare(true.move(points), true.turn(headings))
    wrong = motion_of(-1.0, 0.0, 0.0)
    both = Motion(
        *(np.stack([getattr(wrong, name), getattr(true, name)], axis=1) for name in ("cos", "sin", "east", "south"))
    )
    probe = bare(points[:, None], headings[:, None])
    kept = best_motion(probe, their_terms(gallery, ONLY), both, np.array([[0.5, 0.4]], np.float32))
    assert kept.sin.item() == pytest.approx(math.sin(0.4), abs=1e-6)


def test_a_smoothly_stretched_finger_fits_better_once_bent(bare: Bare) -> None:
    points, headings = strewn()
    stretched = points + np.stack([7.0 * np.sin(points[1] / 90.0), 5.0 * np.cos(points[0] / 80.0)]).astype(np.float32)
    gallery = bare(stretched[:, None].astype(np.float32), headings[:, None])
    probe = bare(points[:, None], headings[:, None])
    still = motion_of(0.0, 0.0, 0.0)
    terms = their_terms(gallery, ONLY)
    rigid = pair_up(our_terms(points[:, None], headings[:, None], MATCHING.final_tolerance_px), terms, ONLY)
    theirs = gallery.points.reshape(2, -1)
    bent, pairing = bend(points, move_rigidly(probe, terms, still, ONLY), theirs, terms, ONLY)
    assert pairing.theirs.tolist() == [list(range(25))]
    assert pairing.misfits.mean() < 0.4 * rigid.misfits.mean()
    assert np.abs(bent[:, 0] - stretched).mean() < np.abs(points - stretched).mean()
