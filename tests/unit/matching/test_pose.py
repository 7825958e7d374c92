from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.compiled.arrays import CANDIDATES, MOST, Candidates, Minutiae, Motion, Pairing, Print
from enrollment.core.fingerprint.compiled.bending import bend
from enrollment.core.fingerprint.compiled.comparison import make_room
from enrollment.core.fingerprint.compiled.pairing import FINAL_TOLERANCE, POSE_TOLERANCE, pair_up
from enrollment.core.fingerprint.compiled.pose import best_motions, fit, move
from enrollment.core.fingerprint.compiled.scoring import move_back
from enrollment.core.fingerprint.matching_parameters import MATCHING

Rows = Callable[[NDArray[np.float32], NDArray[np.float32]], Minutiae]
Printed = Callable[..., Print]
RNG_SEED = 21


def motion_of(angle: float, east: float, south: float) -> Motion:
    return Motion(*(np.float32(value) for value in (math.cos(angle), math.sin(angle), east, south)))


def strewn(count: int = 25) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points and headings, (2, N), at least 15 px apart."""
    rng = np.random.default_rng(RNG_SEED)
    grid = np.stack(np.meshgrid(np.arange(-100, 101, 50), np.arange(-100, 101, 50))).reshape(2, -1)[:, :count]
    points = grid + rng.uniform(-15, 15, grid.shape)
    angles = rng.uniform(0, math.tau, grid.shape[1])
    return points.astype(np.float32), np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def moved(rows: Minutiae, motion: Motion) -> Minutiae:
    """The minutiae after a motion, those that are none far away as before."""
    there = Minutiae(*(row.copy() for row in rows))
    move(motion, rows, int(np.count_nonzero(np.abs(rows.x) < 1e6)), there)
    return there


def candidates_of(ours: Minutiae, theirs: Minutiae, turn: tuple[float, float] = (1.0, 0.0)) -> Candidates:
    """Minutia i with minutia i, for all that there is room for."""
    cos, sin = (np.full(CANDIDATES, value, np.float32) for value in turn)
    ax, ay, bx, by = (row[:CANDIDATES].copy() for row in (ours.x, ours.y, theirs.x, theirs.y))
    return Candidates(ax, ay, bx, by, cos, sin, np.ones(CANDIDATES, np.float32), np.arange(CANDIDATES, dtype=np.int32))


def weights_of(count: int) -> NDArray[np.float32]:
    weights = np.zeros(CANDIDATES, np.float32)
    weights[:count] = np.random.default_rng(1).uniform(0.2, 1.0, count)
    return weights


def pairing_of(ours: Minutiae, count: int, theirs: Minutiae, tolerance: np.float32) -> Pairing:
    found = Pairing(
        np.zeros(MOST, np.int32), np.zeros(MOST, np.float32), np.zeros(MOST, bool), np.zeros(MOST, np.int32)
    )
    pair_up(ours, count, theirs, tolerance, found)
    return found


def test_least_squares_finds_the_motion_of_exact_pairs(minutiae: Rows) -> None:
    ours = minutiae(*strewn())
    found = fit(candidates_of(ours, moved(ours, motion_of(0.7, 12.0, -5.0))), weights_of(25), 0)
    assert (found.cos, found.sin) == pytest.approx((math.cos(0.7), math.sin(0.7)), abs=1e-4)
    assert (found.east, found.south) == pytest.approx((12.0, -5.0), abs=0.01)


def test_pairs_without_weight_do_not_pull(minutiae: Rows) -> None:
    ours = minutiae(*strewn())
    candidates = candidates_of(ours, moved(ours, motion_of(-0.3, 0.0, 40.0)))
    candidates.bx[0] += 200.0
    weights = weights_of(25)
    weights[0] = 0.0
    assert fit(candidates, weights, 0).sin == pytest.approx(math.sin(-0.3), abs=1e-4)


def test_a_single_pair_takes_the_rotation_it_was_given(minutiae: Rows) -> None:
    ours = minutiae(*strewn(4))
    weights = np.zeros(CANDIDATES, np.float32)
    weights[2] = 1.0
    candidates = candidates_of(ours, moved(ours, motion_of(0.0, 3.0, 3.0)), turn=(0.6, 0.8))
    found = fit(candidates, weights, 2)
    assert (found.cos, found.sin) == pytest.approx((0.6, 0.8))
    landed = moved(ours, found)
    assert (landed.x[2], landed.y[2]) == pytest.approx((ours.x[2] + 3, ours.y[2] + 3), abs=1e-3)


def test_undoing_a_motion_brings_points_back(minutiae: Rows) -> None:
    ours, motion = minutiae(*strewn()), motion_of(2.0, 30.0, 4.0)
    x, y = np.zeros(MOST, np.float32), np.zeros(MOST, np.float32)
    move_back(motion, moved(ours, motion), x, y)
    assert x[:25] == pytest.approx(ours.x[:25], abs=1e-3)
    assert y[:25] == pytest.approx(ours.y[:25], abs=1e-3)


def test_misfit_is_the_distance_and_turn_of_its_definition(minutiae: Rows) -> None:
    turn = 0.2
    one = minutiae(np.array([[10.0], [20.0]], np.float32), np.array([[1.0], [0.0]], np.float32))
    ahead = np.array([[math.cos(turn)], [math.sin(turn)]], np.float32)
    other = minutiae(np.array([[13.0], [24.0]], np.float32), ahead)
    expected = 25.0 / (2 * 5.0**2) + (1 - math.cos(turn)) / MATCHING.direction_tolerance**2
    assert pairing_of(one, 1, other, np.float32(5.0)).misfits[0] == pytest.approx(expected, rel=1e-3)


def test_only_nearest_neighbours_of_each_other_are_mutual(minutiae: Rows) -> None:
    along = np.ones(3, np.float32)
    ahead = np.stack([along, 0 * along])
    ours = minutiae(np.array([[0.0, 4.0, 50.0], [0.0, 0.0, 0.0]], np.float32), ahead)
    theirs = minutiae(np.array([[1.0, 51.0, 90.0], [0.0, 0.0, 0.0]], np.float32), ahead)
    pairing = pairing_of(ours, 3, theirs, np.float32(5.0))
    assert pairing.theirs[:3].tolist() == [0, 0, 1]
    assert pairing.mutual[:3].tolist() == [True, False, True]


def tried(probe: Print, other: Print, once: Motion, often: Motion) -> NDArray[np.float32]:
    """Run `best_motions` on candidates of two motions: one hypothesis of the first, the others of the second."""
    room = make_room()
    share = CANDIDATES // 2
    for number, motion in enumerate((once, often)):
        members = slice(number * share, number * share + share)
        there = moved(probe.minutiae, motion)
        drawn = candidates_of(probe.minutiae, there, (float(motion.cos), float(motion.sin)))
        for field, values in zip(room.candidates, drawn, strict=True):
            field[members] = values[:share]
        room.agreement[members, members] = 1.0
        room.support[0, members] = 0.2
    room.support[0, 1:share] = 0.1
    return room.motions[: best_motions(room, probe, other)].copy()


def test_the_hypothesis_that_places_most_minutiae_comes_first(printed: Printed) -> None:
    points, headings = strewn()
    true, wrong = motion_of(0.4, 10.0, 20.0), motion_of(-1.0, 0.0, 0.0)
    probe = printed(points, headings)
    other = probe._replace(minutiae=moved(probe.minutiae, true))
    assert tried(probe, other, true, wrong)[:, 1] == pytest.approx([math.sin(0.4), math.sin(-1.0)], abs=1e-4)
    assert tried(probe, other, wrong, true)[0, 1] == pytest.approx(math.sin(0.4), abs=1e-4)


def test_hypotheses_that_are_alike_are_one_pose(printed: Printed) -> None:
    points, headings = strewn()
    true = motion_of(0.4, 10.0, 20.0)
    near, turned_over = motion_of(0.41, 11.0, 19.0), motion_of(0.4 + math.pi, 10.0, 20.0)
    probe = printed(points, headings)
    other = probe._replace(minutiae=moved(probe.minutiae, true))
    assert len(tried(probe, other, true, near)) == 1
    assert len(tried(probe, other, true, turned_over)) == 2


def test_a_smoothly_stretched_finger_fits_better_once_bent(minutiae: Rows) -> None:
    points, headings = strewn()
    stretched = points + np.stack([7.0 * np.sin(points[1] / 90.0), 5.0 * np.cos(points[0] / 80.0)]).astype(np.float32)
    ours, theirs = minutiae(points, headings), minutiae(stretched, headings)
    rigid = pairing_of(ours, 25, theirs, FINAL_TOLERANCE)
    pairing = pairing_of(ours, 25, theirs, POSE_TOLERANCE)
    bent = Minutiae(*(row.copy() for row in ours))
    bend(ours, 25, ours, theirs, pairing, bent, np.zeros(MOST, np.float32))
    assert pairing.theirs[:25].tolist() == list(range(25))
    assert pairing.misfits[:25].mean() < 0.4 * rigid.misfits[:25].mean()
    ended = np.stack([bent.x[:25], bent.y[:25]])
    assert np.abs(ended - stretched).mean() < np.abs(points - stretched).mean()
