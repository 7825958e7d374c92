"""Hands, slaps and rolled prints: determinism, ranges, and truth that the pixels bear out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from firmware_stubs.fingers.hand import POSITIONS_OF, SlapKind, draw_hands
from firmware_stubs.fingers.master import Master, make_master, person_finger_seed
from firmware_stubs.fingers.noise import stream
from firmware_stubs.fingers.platen import Platen, draw_platen, see
from firmware_stubs.fingers.press import Touch, draw_touch
from firmware_stubs.fingers.rolled import ABOVE_PX, ROLLED_SIZE, SIDE_PX, UnrolledFinger, make_rolled, unroll
from firmware_stubs.fingers.slap import SLAP_SIZE, Slap, SlapCondition, draw_slap_condition, make_slap

PRESSED = Touch(pressure=0.2)


@pytest.fixture(scope="module")
def fingers() -> Mapping[int, Master]:
    """Give the positions of a right hand and of both thumbs three masters between them."""
    grown = [make_master(person_finger_seed(9, position)) for position in (1, 2, 3)]
    return {position: grown[position % 3] for position in range(1, 11)}


@pytest.fixture(scope="module")
def unrolled(fingers: Mapping[int, Master]) -> UnrolledFinger:
    return unroll(fingers[2])


def slap_of(fingers: Mapping[int, Master], seed: int = 0, **condition: object) -> Slap:
    laid = SlapCondition(**condition)  # type: ignore[arg-type]  # the tests name its fields
    kind = SlapKind.RIGHT_FOUR
    return make_slap(fingers, draw_hands(1), kind, seed, condition=laid, platen=Platen(), touch=PRESSED)


def test_hands_are_drawn_again_by_seed_and_grow_with_age() -> None:
    assert draw_hands(4) == draw_hands(4)
    assert draw_hands(4) != draw_hands(5)
    sizes = [np.mean([draw_hands(seed, age_years=age).scale for seed in range(20)]) for age in (5.0, 9.0, 14.0, 40.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.75


@pytest.mark.parametrize("age", [1.0, 200.0])
def test_age_out_of_range_is_refused(age: float) -> None:
    with pytest.raises(ValueError, match="an age is"):
        draw_hands(1, age_years=age)


def test_hands_of_many_people_have_the_shape_of_hands() -> None:
    drawn = [draw_hands(seed) for seed in range(100)]

    for thumb, index, middle, ring, little in ((1, 2, 3, 4, 5), (6, 7, 8, 9, 10)):
        breadths = np.array([[one.fingers[digit].contact_mm for digit in (thumb, middle, little)] for one in drawn])
        below = np.array([[one.fingers[digit].below_mm for digit in (index, middle, ring, little)] for one in drawn])
        assert (breadths.argmax(axis=1) == 0).all()
        assert (breadths[:, 1] > breadths[:, 2]).mean() > 0.9
        assert (below.argmax(axis=1) == 3).mean() > 0.97
        assert (below.argmin(axis=1) == 1).mean() > 0.9
    lengths = [finger.pad_mm / finger.contact_mm for hands in drawn for finger in hands.fingers.values()]
    assert min(lengths) > 1.0
    assert max(lengths) < 2.5


def test_same_seeds_give_the_same_slap_and_another_seed_another(fingers: Mapping[int, Master]) -> None:
    hands = draw_hands(1)
    first, second, other = (make_slap(fingers, hands, SlapKind.RIGHT_FOUR, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.pixels, second.pixels)
    assert first.fingers == second.fingers
    assert first.pixels.shape == SLAP_SIZE[::-1]
    assert first.pixels.dtype == np.uint8
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("rotation", [-30.0, 0.0, 30.0])
def test_ink_lies_in_the_boxes_and_hardly_elsewhere(fingers: Mapping[int, Master], rotation: float) -> None:
    slap = slap_of(fingers, rotation_deg=rotation, phalanx=0.0)
    assert [finger.position for finger in slap.fingers] == list(POSITIONS_OF[SlapKind.RIGHT_FOUR])
    y, x = np.indices(slap.pixels.shape, dtype=np.float32)
    inside = np.zeros(slap.pixels.shape, bool)
    for finger in slap.fingers:
        turn = math.radians(finger.rotation_deg)
        right, below = x - finger.centre[0], y - finger.centre[1]
        across, down = math.cos(turn) * right + math.sin(turn) * below, math.cos(turn) * below - math.sin(turn) * right
        box = (np.abs(across) < finger.size[0] / 2 + 12) & (np.abs(down) < finger.size[1] / 2 + 12)
        inside |= box
        assert (slap.positions[box] == finger.position).mean() > 0.6
        assert finger.rotation_deg == pytest.approx(rotation, abs=12.0)
    dark = slap.pixels < 150
    assert dark[inside].mean() > 0.2
    assert dark[~inside].mean() < 0.002
    assert (slap.positions[~inside] > 0).mean() < 0.004  # where a pad leaves no ink


def test_second_phalanx_leaves_ink_below_the_crease(fingers: Mapping[int, Master]) -> None:
    without, with_phalanx = (slap_of(fingers, phalanx=share) for share in (0.0, 0.8))
    below = without.fingers[1].centre[1] + without.fingers[1].size[1] / 2 + 60
    window = (slice(round(below), round(below) + 150), slice(round(without.fingers[1].centre[0]) - 60, None))
    columns = slice(0, 120)
    assert (without.pixels[window][:, columns] < 150).mean() < 0.01
    assert (with_phalanx.pixels[window][:, columns] < 150).mean() > 0.1
    assert not with_phalanx.positions[window][:, columns].any()


def test_missing_finger_leaves_nothing(fingers: Mapping[int, Master]) -> None:
    slap = slap_of(fingers, missing=frozenset({3}))
    assert [finger.position for finger in slap.fingers] == [2, 4, 5]
    assert 3 not in slap.positions


def test_fingers_apart_stay_apart_and_pressed_together_they_touch(fingers: Mapping[int, Master]) -> None:
    def gap_px(slap: Slap) -> int:
        """Narrowest gap between the pads of middle and ring finger along a row."""
        gaps = []
        for row in slap.positions:
            middle, ring = np.flatnonzero(row == 3), np.flatnonzero(row == 4)
            if len(middle) and len(ring):
                gaps.append(int(ring.min() - middle.max()))
        return min(gaps)

    assert gap_px(slap_of(fingers, gap_mm=2.0)) > 30
    assert gap_px(slap_of(fingers, gap_mm=-1.5)) <= 3


def test_finger_beyond_the_glass_is_visible_in_part(fingers: Mapping[int, Master]) -> None:
    slap = slap_of(fingers, displacement_mm=(-18.0, 0.0))
    index, *others = slap.fingers
    assert index.visible < 0.9
    assert all(finger.visible == pytest.approx(1.0) for finger in others)
    assert slap.positions[:, 0].any()


def test_hand_turned_too_far_is_refused(fingers: Mapping[int, Master]) -> None:
    with pytest.raises(ValueError, match="turned by at most"):
        slap_of(fingers, rotation_deg=60.0)


def test_drawn_conditions_stay_in_range() -> None:
    for seed in range(300):
        for kind in SlapKind:
            condition = draw_slap_condition(stream(seed, "condition"), kind)
            assert abs(condition.rotation_deg) <= 30.0
            assert condition.gap_mm > 0.0
    touches = [draw_touch(stream(seed, "touch")) for seed in range(500)]
    assert np.mean([touch.dryness > 0 for touch in touches]) == pytest.approx(0.36, abs=0.07)
    assert np.mean([touch.wetness > 0 for touch in touches]) == pytest.approx(0.20, abs=0.06)


def test_bare_platen_shows_its_light_dirt_and_noise_only() -> None:
    bare = np.zeros((300, 400), np.float32)
    clean = see(stream(1, "clean"), bare, Platen(noise=1.0, paper=240.0))
    assert clean.mean() == pytest.approx(240.0, abs=1.0)
    assert clean.std() < 2.0
    dirty = see(stream(1, "dirty"), bare, Platen(noise=1.0, paper=240.0, dirt=10))
    assert dirty.min() < 200
    uneven = see(stream(1, "uneven"), bare, Platen(noise=1.0, paper=200.0, uneven=14.0))
    assert uneven.std() > clean.std() + 1.0
    assert {draw_platen(stream(seed, "platen")).dirt > 0 for seed in range(30)} == {True, False}


def test_unrolled_finger_holds_its_master_to_the_pixel(fingers: Mapping[int, Master], unrolled: UnrolledFinger) -> None:
    master = fingers[2]
    height, width = master.cosine.shape
    inner = unrolled.skin.relief[ABOVE_PX + 20 : ABOVE_PX + height, SIDE_PX + 20 : SIDE_PX + width - 20]
    assert np.allclose(inner, master.skin.relief[20:, 20:-20], atol=1e-5)
    offset = np.array([SIDE_PX, ABOVE_PX], np.float32)
    gaps = np.linalg.norm(unrolled.minutiae.positions[:, None] - (master.minutiae.positions + offset)[None], axis=2)
    assert (gaps.min(axis=0) < 0.01).mean() > 0.9
    assert len(unrolled.minutiae) > 1.4 * len(master.minutiae)


def test_sides_of_an_unrolled_finger_are_ridges(unrolled: UnrolledFinger) -> None:
    for side in (unrolled.skin.relief[120:560, 10:150], unrolled.skin.relief[120:560, -150:-10]):
        assert (np.abs(side) > 0.5).mean() > 0.5  # crests and valleys, few flanks
        assert abs((side > 0).mean() - 0.5) < 0.08


def test_rolled_print_is_as_wide_as_nail_to_nail_and_its_truth_lies_in_the_ink(unrolled: UnrolledFinger) -> None:
    rolled = make_rolled(unrolled, 0, touch=PRESSED)
    assert rolled.pixels.shape == ROLLED_SIZE[::-1]
    columns = np.flatnonzero(rolled.contact.any(axis=0))
    assert 500 < np.ptp(columns) < 720
    x, y = np.rint(rolled.minutiae.positions).astype(int).T
    assert rolled.contact[y, x].all()
    assert len(rolled.minutiae) > 60
    assert (rolled.pixels[rolled.contact] < 150).mean() > 0.25
    assert (rolled.pixels[~rolled.contact] < 150).mean() < 0.01


def test_same_seed_rolls_the_same_print_and_another_seed_another(unrolled: UnrolledFinger) -> None:
    first, second, other = (make_rolled(unrolled, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_childs_rolled_print_is_smaller(unrolled: UnrolledFinger) -> None:
    small, large = (make_rolled(unrolled, 0, scale=scale, touch=PRESSED).contact.sum() for scale in (0.7, 1.0))
    assert small == pytest.approx(0.49 * large, rel=0.15)


def test_scale_out_of_range_is_refused(unrolled: UnrolledFinger) -> None:
    with pytest.raises(ValueError, match="scale of a finger"):
        make_rolled(unrolled, 0, scale=2.0)


def test_many_slaps_have_boxes_no_longer_than_their_pads(fingers: Mapping[int, Master]) -> None:
    for seed in range(12):
        hands, kind = draw_hands(seed), SlapKind(13 + seed % 3)
        for finger in make_slap(fingers, hands, kind, seed).fingers:
            whole_px = hands.fingers[finger.position].pad_mm * 500.0 / 25.4
            assert 0.3 * whole_px < finger.size[1] < 1.15 * whole_px
            assert 0.0 <= finger.visible <= 1.001
