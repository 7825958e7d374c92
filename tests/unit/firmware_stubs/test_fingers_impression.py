"""What the platen sees: determinism, ranges, truth inside the contact, and conditions that can be told apart."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_stubs.fingers import (
    DRY,
    GOOD,
    PARTIAL,
    WET,
    Condition,
    Impression,
    Master,
    Pattern,
    finger_image,
    make_impression,
    make_master,
)
from firmware_stubs.fingers.condition import draw_condition
from firmware_stubs.fingers.noise import stream

MM_PER_PIXEL = 25.4 / 500


def ridge_share(impression: Impression) -> float:
    """Share of the contact that is darker than halfway between its paper and its ink."""
    pixels = impression.pixels
    halfway = (float(np.percentile(pixels, 2)) + float(np.percentile(pixels, 98))) / 2
    return float((pixels[impression.contact] < halfway).mean())


def sampled(field: NDArray[np.float32], positions: NDArray[np.float32]) -> NDArray[np.float32]:
    taken = cv2.remap(field, positions[:, 0], positions[:, 1], cv2.INTER_LINEAR)
    return taken.reshape(len(positions), -1).astype(np.float32)


def test_twenty_seeds_give_prints_in_range_without_a_numpy_warning() -> None:
    with np.errstate(all="raise", under="ignore"):
        for seed in range(20):
            impression = make_impression(make_master(seed), seed)
            assert impression.pixels.shape == (374, 388)
            assert impression.pixels.dtype == np.uint8
            paper, ink = np.percentile(impression.pixels, [98, 2])
            assert paper - ink > 60
            assert 0.10 < ridge_share(impression) < 0.95


def test_same_seeds_give_the_same_pixels_and_truth(masters: dict[Pattern, Master]) -> None:
    first, second = (make_impression(masters[Pattern.WHORL], 5) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.minutiae.positions, second.minutiae.positions)
    assert first.condition == second.condition


def test_another_impression_of_the_finger_differs(masters: dict[Pattern, Master]) -> None:
    first, second = (make_impression(masters[Pattern.WHORL], number) for number in (0, 1))
    assert np.mean(first.pixels != second.pixels) > 0.3


@pytest.mark.parametrize("pattern", list(Pattern))
def test_truth_lies_inside_the_contact_and_the_image(masters: dict[Pattern, Master], pattern: Pattern) -> None:
    count, area = 0, 0.0
    for seed in range(5):
        impression = make_impression(masters[pattern], seed)
        columns, rows = np.rint(impression.minutiae.positions).astype(int).T
        assert impression.contact[rows, columns].all()
        count += len(impression.minutiae)
        area += float(impression.contact.sum()) * MM_PER_PIXEL**2
    assert 0.10 < count / area < 0.40


def test_truth_is_where_the_master_says(masters: dict[Pattern, Master]) -> None:
    master = masters[Pattern.LEFT_LOOP]
    impression = make_impression(master, 2, condition=Condition(rotation_deg=18.0, displacement_px=(-20.0, 30.0)))
    carried = sampled(impression.to_master, impression.minutiae.positions)
    gaps = np.linalg.norm(carried[:, None] - master.minutiae.positions[None], axis=2)
    assert gaps.min(axis=1).max() < 0.1
    assert len(set(gaps.argmin(axis=1))) == len(impression.minutiae) > 20
    matched = gaps.argmin(axis=1)
    assert np.array_equal(impression.minutiae.bifurcations, master.minutiae.bifurcations[matched])
    # Four pixels ahead in the image is four ahead on the master, distortion included; remap rounds to 1/32 pixel.
    directions = impression.minutiae.directions
    ahead = impression.minutiae.positions + 4 * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    moved = sampled(impression.to_master, ahead.astype(np.float32)) - carried
    turned = np.arctan2(moved[:, 1], moved[:, 0]) - master.minutiae.directions[matched]
    assert np.abs(np.angle(np.exp(1j * turned))).max() < math.radians(2)


def test_rotation_and_displacement_move_the_print(masters: dict[Pattern, Master]) -> None:
    master = masters[Pattern.ARCH]
    straight = make_impression(master, 4, condition=GOOD)
    moved = make_impression(master, 4, condition=Condition(displacement_px=(40.0, -25.0)))
    assert np.abs(moved.to_master[175:225, 200:250] - straight.to_master[200:250, 160:210]).max() < 5.0
    turned = make_impression(master, 4, condition=Condition(rotation_deg=15.0))
    # Walking right in the image of a finger that was turned clockwise is walking right and up on the finger.
    middle = turned.to_master[187, 244] - turned.to_master[187, 144]
    assert math.degrees(math.atan2(middle[1], middle[0])) == pytest.approx(-15.0, abs=6.0)


def test_conditions_show_in_the_print(masters: dict[Pattern, Master]) -> None:
    shares = {
        name: np.median([ridge_share(make_impression(m, 1, condition=c)) for m in masters.values()])
        for name, c in (("dry", DRY), ("good", GOOD), ("wet", WET))
    }
    assert shares["dry"] + 0.1 < shares["good"] < shares["wet"] - 0.1
    areas = {
        name: np.median([make_impression(m, 1, condition=c).contact.sum() for m in masters.values()])
        for name, c in (("good", GOOD), ("partial", PARTIAL))
    }
    assert areas["partial"] < 0.7 * areas["good"]


def test_drops_are_black_cover_their_share_and_spare_the_rest(masters: dict[Pattern, Master]) -> None:
    master = masters[Pattern.LEFT_LOOP]
    clean, wet = (make_impression(master, 2, condition=Condition(dryness=0.5, drops=share)) for share in (0.0, 0.25))
    darker = wet.contact & (clean.pixels.astype(int) - wet.pixels > 90)
    covered = cv2.morphologyEx(darker.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0
    assert covered[wet.contact].mean() == pytest.approx(0.25, abs=0.1)
    assert np.median(wet.pixels[darker]) < 70
    beyond = wet.contact & ~cv2.dilate(covered.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert np.median(np.abs(clean.pixels[beyond].astype(int) - wet.pixels[beyond])) < 10


def test_a_finger_on_its_tip_shows_what_lies_above_its_core(masters: dict[Pattern, Master]) -> None:
    master = masters[Pattern.RIGHT_LOOP]
    flat, on_tip = (make_impression(master, 3, condition=Condition(tilt_px=tilt)) for tilt in (0.0, 90.0))
    flat_y, tip_y = (np.median(one.to_master[one.contact][:, 1]) for one in (flat, on_tip))
    assert flat_y - tip_y > 45.0


def test_driest_and_lightest_touch_still_leaves_ridges(masters: dict[Pattern, Master]) -> None:
    faint = Condition(dryness=2.0, pressure=-0.8)
    for master in masters.values():
        assert ridge_share(make_impression(master, 9, condition=faint)) > 0.08


def test_natural_mixture_holds_all_conditions() -> None:
    drawn = [draw_condition(stream(seed, "condition")) for seed in range(1000)]
    assert np.mean([c.dryness > 0 for c in drawn]) == pytest.approx(0.45, abs=0.05)
    assert np.mean([c.wetness > 0 for c in drawn]) == pytest.approx(0.24, abs=0.05)
    assert np.mean([c.coverage < 1 for c in drawn]) == pytest.approx(0.15, abs=0.04)
    assert max(abs(c.rotation_deg) for c in drawn) <= 20.0


@pytest.mark.parametrize("size", [(384, 289), (64, 64), (800, 750)])
def test_any_sensor_size_is_served(masters: dict[Pattern, Master], size: tuple[int, int]) -> None:
    impression = make_impression(masters[Pattern.RIGHT_LOOP], 0, size=size)
    assert impression.pixels.shape == size[::-1]
    assert impression.contact.shape == size[::-1]


@pytest.mark.parametrize("size", [(63, 374), (388, 2049), (0, 0)])
def test_size_out_of_range_is_refused(masters: dict[Pattern, Master], size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="pixels wide"):
        make_impression(masters[Pattern.ARCH], 0, size=size)


def test_contact_that_misses_the_sensor_is_an_empty_image(masters: dict[Pattern, Master]) -> None:
    missed = make_impression(masters[Pattern.ARCH], 0, condition=Condition(displacement_px=(2000.0, 0.0)))
    assert not missed.contact.any()
    assert len(missed.minutiae) == 0
    assert missed.pixels.min() > 150


def test_finger_image_is_the_pixels_of_the_impression() -> None:
    expected = make_impression(make_master(3), 6).pixels
    assert np.array_equal(finger_image(3, 6), expected)
    assert finger_image(3, 6, size=(384, 289)).shape == (289, 384)
