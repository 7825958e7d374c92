"""One finger on a large glass: found, judged, cut out, and told whether it was rolled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from enrollment.core.fingerprint import (
    Edge,
    FingerprintImage,
    FingerprintTemplate,
    SlapHint,
    SlapKind,
    compare,
    cut_print,
    examine,
    is_rolled,
    preview_print,
    segment_slap,
)
from firmware_stubs.fingers.hand import Hands
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.rolled import make_rolled, unroll
from tests.unit.slap.conftest import Drawn, Taken

PX_PER_MM = 500 / 25.4
PAD = (40.0, 25.0, 15.0, 24.0, 0.0)  # tip x and y, breadth, length, turn


def test_a_finger_is_found_where_it_lies_and_is_ready(drawn: Drawn) -> None:
    seen = preview_print(drawn([PAD]))
    assert seen.box is not None
    left, top, width, height = (side / PX_PER_MM for side in seen.box)
    assert abs(left - 32.5) < 1.0
    assert abs(top - 25.0) < 1.0
    assert abs(width - 15.0) < 2.0
    assert abs(height - 24.0) < 2.0
    assert seen.ready
    assert seen.hints == ()


def test_a_bare_glass_asks_for_the_finger() -> None:
    bare = FingerprintImage(np.full((1500, 1600), 240, np.uint8))
    assert preview_print(bare).hints == (SlapHint.PLACE_FINGER,)
    assert cut_print(bare, preview_print(bare)) is None


def test_a_second_finger_beside_it_is_too_many_and_a_phalanx_below_it_is_not(drawn: Drawn) -> None:
    beside = preview_print(drawn([PAD, (60.0, 27.0, 14.0, 22.0, 0.0)]))
    assert beside.hints == (SlapHint.FEWER_FINGERS,)
    assert not beside.laid
    below = preview_print(drawn([PAD, (40.0, 53.0, 14.0, 12.0, 0.0)]))
    assert below.ready
    assert below.box is not None
    assert below.box[1] < 26.0 * PX_PER_MM, "the pad, not the phalanx"


@pytest.mark.parametrize(
    ("pad", "edge", "hint"),
    [
        ((5.0, 25.0, 15.0, 24.0, 0.0), Edge.LEFT, SlapHint.MOVE_RIGHT),
        ((77.0, 25.0, 15.0, 24.0, 0.0), Edge.RIGHT, SlapHint.MOVE_LEFT),
        ((40.0, -6.0, 15.0, 24.0, 0.0), Edge.TOP, SlapHint.MOVE_DOWN),
    ],
)
def test_a_finger_over_an_edge_is_told_to_move_away_from_it(
    drawn: Drawn, pad: tuple[float, float, float, float, float], edge: Edge, hint: SlapHint
) -> None:
    seen = preview_print(drawn([pad]))
    assert seen.edges == (edge,)
    assert hint in seen.hints
    assert not seen.ready


def test_the_cut_is_the_print_with_a_margin_and_nothing_of_the_glass(drawn: Drawn) -> None:
    image = drawn([PAD])
    cut = cut_print(image, preview_print(image))
    assert cut is not None
    height, width = cut.pixels.shape
    assert abs(width / PX_PER_MM - 19.0) < 2.0
    assert abs(height / PX_PER_MM - 28.0) < 2.0
    assert not cut.pixels.flags.writeable


def test_a_rolled_print_is_told_from_a_flat_one_of_the_same_finger(
    person: Mapping[int, Master], hands: Hands, taken: Taken
) -> None:
    flat, again = (thumb_of(FingerprintImage(taken(DrawnKind.TWO_THUMBS, seed).pixels)) for seed in (0, 1))
    scale = hands.fingers[1].master_scale
    rolled = examine(FingerprintImage(make_rolled(unroll(person[1]), 0, scale=scale).pixels)).template
    assert compare(rolled, flat) > 1.5
    assert is_rolled(rolled, flat)
    assert not is_rolled(again, flat)


def thumb_of(slap: FingerprintImage) -> FingerprintTemplate:
    found = segment_slap(slap, SlapKind.TWO_THUMBS)
    return examine(
        next(image for finger, image in zip(found.fingers, found.images, strict=True) if finger.position == 1)
    ).template
