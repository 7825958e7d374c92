"""Reading pads as a hand: right from left, thumbs from fingers, and which finger is not there."""

from __future__ import annotations

import math

import pytest

from enrollment.core.fingerprint.hand import FINGERS_OF, SlapKind, read_hand
from enrollment.core.fingerprint.pads import Pad
from enrollment.core.fingerprint.slap_parameters import SLAP

RIGHT = {2: (14.0, 20.0, 14.0), 3: (32.5, 12.0, 14.5), 4: (51.0, 19.0, 13.5), 5: (68.0, 37.0, 12.0)}


def pad(x: float, y: float, breadth: float, turn: float = 0.0) -> Pad:
    ahead = (math.sin(turn), -math.cos(turn))
    length = 1.65 * breadth
    centre = (x - ahead[0] * length / 2, y - ahead[1] * length / 2)
    return Pad((x, y), centre, breadth, length, turn, 1.0, 0.85, parted=False, crease=True, edges=())


def right_hand(turn_deg: float = 0.0, size: float = 1.0, without: tuple[int, ...] = ()) -> list[Pad]:
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return [
        pad(size * (cosine * x - sine * y), size * (sine * x + cosine * y), size * breadth, math.radians(turn_deg))
        for position, (x, y, breadth) in RIGHT.items()
        if position not in without
    ]


def mirrored(pads: list[Pad]) -> list[Pad]:
    return [pad(80.0 - one.tip[0], one.tip[1], one.breadth, -one.rotation) for one in reversed(pads)]


@pytest.mark.parametrize("turn", [-30.0, 0.0, 30.0])
@pytest.mark.parametrize("size", [0.65, 1.0, 1.15])
@pytest.mark.parametrize("asked", list(SlapKind))
def test_right_hand_and_its_mirror_image_are_told_whatever_was_asked_for(
    turn: float, size: float, asked: SlapKind
) -> None:
    pads = right_hand(turn, size)
    for shown, kind in ((pads, SlapKind.RIGHT_FOUR), (mirrored(pads), SlapKind.LEFT_FOUR)):
        reading = read_hand(shown, asked, (), SLAP.hand)
        assert reading is not None
        assert reading.kind is kind
        assert reading.fingers == FINGERS_OF[kind]
        assert reading.hand_confidence > 0.95


@pytest.mark.parametrize("position", [2, 3, 4, 5])
def test_gap_names_the_missing_finger(position: int) -> None:
    reading = read_hand(right_hand(without=(position,)), SlapKind.RIGHT_FOUR, (), SLAP.hand)
    assert reading is not None
    assert reading.fingers == tuple(finger for finger in (2, 3, 4, 5) if finger != position)
    assert reading.kind is SlapKind.RIGHT_FOUR


def test_fingers_told_missing_are_believed_where_the_pads_do_not_tell() -> None:
    one = read_hand(right_hand(without=(3, 4, 5)), SlapKind.RIGHT_FOUR, (2, 4, 5), SLAP.hand)
    assert one is not None
    assert one.fingers == (3,)
    assert one.fingers_confidence > 0.5


def test_two_thumbs_are_no_fingers() -> None:
    thumbs = [pad(22.0, 20.0, 18.5, math.radians(6.0)), pad(58.0, 21.0, 18.0, math.radians(-5.0))]
    for asked in SlapKind:
        reading = read_hand(thumbs, asked, (), SLAP.hand)
        assert reading is not None
        assert reading.kind is SlapKind.TWO_THUMBS
        assert reading.fingers == (6, 1)


def test_speck_beside_a_hand_is_no_finger() -> None:
    pads = sorted([*right_hand(), pad(4.0, 60.0, 7.0)], key=lambda one: one.tip[0])
    reading = read_hand(pads, SlapKind.RIGHT_FOUR, (), SLAP.hand)
    assert reading is not None
    assert reading.fingers == (0, 2, 3, 4, 5)


def test_no_pads_are_no_hand() -> None:
    assert read_hand([], SlapKind.LEFT_FOUR, (), SLAP.hand) is None
