"""The verdict on live frames of a slap, and the lamps that follow it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.frame import Frame
from drivers.spi import Light, LiveFrame
from enrollment.core.dossier.plan import PlannedFingerprint
from enrollment.core.fingerprint import SlapKind
from enrollment.service.capture.lamps import lights_of
from enrollment.service.capture.live_scan import LiveOrder, SlapWatch
from firmware_stubs.tenprint.hands import slap_picture

PLANNED = PlannedFingerprint(15, "slap", steady_frames=2, live_quality=70)
THUMBS = (1, 6)
ORDER = LiveOrder(PLANNED, THUMBS, frozenset(THUMBS), (), 1)
SKIN = np.ones((75, 80), np.bool_)
PERSON = 3


@pytest.fixture(scope="module")
def thumbs() -> NDArray[np.uint8]:
    return slap_picture(PERSON, 15, 0)


@pytest.fixture(scope="module")
def with_a_faint_left_one(thumbs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    faint = thumbs.copy()
    left = faint[:, :800]
    left[...] = 240 - (240.0 - left) * 0.3
    return faint


def frame(pixels: NDArray[np.uint8], number: int, **facts: bool) -> LiveFrame:
    return LiveFrame(Frame(pixels, number, number / 15, 500.0), SKIN, **facts)


def test_a_faint_finger_holds_the_picture_up_only_while_it_is_wanted(with_a_faint_left_one: NDArray[np.uint8]) -> None:
    for wanted, taken in (({1, 6}, False), ({6}, False), ({1}, True)):
        watch = SlapWatch(replace(ORDER, wanted=frozenset(wanted)))
        verdicts = [watch.look(frame(with_a_faint_left_one, number)) for number in (1, 2)]
        live, enough = verdicts[-1]
        assert enough is taken, wanted
        assert {finger.position: finger.good for finger in live.fingers} == {6: False, 1: True}
        assert "PRESS_HARDER" in live.hints


def test_a_hand_that_is_right_but_faint_is_taken_after_the_plans_patience(
    with_a_faint_left_one: NDArray[np.uint8],
) -> None:
    watch = SlapWatch(replace(ORDER, planned=replace(PLANNED, patience_s=2)))
    taken = [watch.look(frame(with_a_faint_left_one, number))[1] for number in (1, 16, 30, 31)]
    assert taken == [False, False, False, True]


def test_a_moving_hand_is_told_to_hold_still_and_a_dirty_platen_to_be_cleaned(thumbs: NDArray[np.uint8]) -> None:
    watch = SlapWatch(ORDER)
    watch.look(frame(thumbs, 1))
    live, enough = watch.look(frame(np.roll(thumbs, 40, axis=1), 2, dirty=True))
    assert live.hints == ("HOLD_STILL", "CLEAN_PLATEN")
    assert not enough


def test_wrong_fingers_that_lie_still_are_judged_every_second_time_and_at_once_when_they_move(
    thumbs: NDArray[np.uint8],
) -> None:
    hand = (2, 3, 4, 5)
    watch = SlapWatch(LiveOrder(PlannedFingerprint(13, "slap"), hand, frozenset(hand), (), 1))
    nothing = np.full_like(thumbs, 240)
    still = SKIN.copy()
    still[:3] = False  # of 75 rows: 4 %
    moved = SKIN.copy()
    moved[:10] = False
    looks = [(thumbs, SKIN), (nothing, still), (nothing, still), (thumbs, still), (nothing, moved)]
    told = [
        watch.look(LiveFrame(Frame(pixels, number, number / 15, 500.0), presence))[0]
        for number, (pixels, presence) in enumerate(looks, start=1)
    ]
    assert [live.hand for live in told] == [SlapKind.TWO_THUMBS, SlapKind.TWO_THUMBS, None, None, None]
    assert [live.sequence for live in told] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("last_is_good", [True, False])
def test_a_hand_that_lies_well_is_judged_every_second_time_and_when_it_is_taken(
    thumbs: NDArray[np.uint8], last_is_good: bool
) -> None:
    watch = SlapWatch(replace(ORDER, planned=replace(PLANNED, steady_frames=4)))
    nothing = np.full_like(thumbs, 240)
    looks = (thumbs, nothing, thumbs, thumbs if last_is_good else nothing)
    verdicts = [watch.look(frame(pixels, number)) for number, pixels in enumerate(looks, start=1)]
    assert [live.steady_frames for live, _ in verdicts] == [1, 2, 3, 4 if last_is_good else 0]
    assert [live.sequence for live, _ in verdicts] == [1, 2, 3, 4]
    assert [enough for _, enough in verdicts] == [False, False, False, last_is_good]
    assert bool(verdicts[-1][0].fingers) == last_is_good


def test_a_hand_that_moved_meanwhile_is_not_steady(thumbs: NDArray[np.uint8]) -> None:
    watch = SlapWatch(replace(ORDER, planned=replace(PLANNED, steady_frames=4)))
    looks = (thumbs, thumbs, np.roll(thumbs, 40, axis=1))
    assert [watch.look(frame(pixels, number))[0].steady_frames for number, pixels in enumerate(looks, 1)] == [1, 2, 1]


def test_the_right_hand_is_judged_frame_by_frame_until_it_lies_well(with_a_faint_left_one: NDArray[np.uint8]) -> None:
    watch = SlapWatch(ORDER)
    assert not watch.look(frame(with_a_faint_left_one, 1))[0].fingers[0].good
    assert watch.look(frame(np.full_like(with_a_faint_left_one, 240), 2))[0].fingers == ()


def test_a_platen_that_the_scanner_says_is_bare_waits_for_all_fingers(thumbs: NDArray[np.uint8]) -> None:
    bare = LiveFrame(Frame(thumbs, 2, 0.1, 500.0), np.zeros((75, 80), np.bool_))
    watch = SlapWatch(ORDER)
    looks = [(watch.look(one)[0], watch.seen is not None) for one in (frame(thumbs, 1), bare)]
    assert [seen for _, seen in looks] == [True, False]
    live, _ = looks[-1]
    assert (live.fingers, live.missing, live.hints) == ((), THUMBS, ("PLACE_FINGERS",))
    assert lights_of(live, THUMBS) == dict.fromkeys(THUMBS, Light.AMBER)


def test_lamps_are_green_for_good_red_for_weak_and_all_red_for_another_hand(
    with_a_faint_left_one: NDArray[np.uint8],
) -> None:
    live, _ = SlapWatch(ORDER).look(frame(with_a_faint_left_one, 1))
    assert lights_of(live, THUMBS) == {1: Light.GREEN, 6: Light.RED}
    hand = (2, 3, 4, 5)
    right = LiveOrder(PlannedFingerprint(13, "slap"), hand, frozenset(hand), (), 1)
    wrong, _ = SlapWatch(right).look(frame(with_a_faint_left_one, 1))
    assert wrong.hand is SlapKind.TWO_THUMBS
    assert wrong.hints[0] == "OTHER_HAND"
    assert lights_of(wrong, hand) == dict.fromkeys(hand, Light.RED)
