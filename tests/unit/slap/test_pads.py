"""Pads of drawn ovals, whose places, sizes and directions are known."""

from __future__ import annotations

import math

import pytest

from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.pads import Edge, Pad, find_pads
from enrollment.core.fingerprint.ridge_map import map_ridges
from enrollment.core.fingerprint.skin_pieces import hand_direction
from enrollment.core.fingerprint.slap_parameters import SLAP
from tests.unit.slap.conftest import Drawn

Oval = tuple[float, float, float, float, float]


def found(image: FingerprintImage) -> tuple[list[Pad], float]:
    ridges = map_ridges(image, SLAP.grid, SLAP.foreground)
    direction = hand_direction(ridges, SLAP.pad)
    return find_pads(ridges, direction, SLAP.pad.finger_mm, SLAP.pad), math.degrees(direction)


def turned(ovals: list[Oval], degrees: float) -> list[Oval]:
    """Turn a hand about the middle of the glass."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = []
    for x, y, breadth, length, turn in ovals:
        right, down = x - 40.6, y - 38.1
        turned.append(
            (40.6 + cosine * right - sine * down, 38.1 + sine * right + cosine * down, breadth, length, turn + degrees)
        )
    return turned


FOUR: list[Oval] = [(14.0, 24.0, 13.0, 23.0, 0.0), (31.0, 16.0, 14.0, 24.0, 0.0), (48.0, 22.0, 13.0, 23.0, 0.0)]
FOUR.append((65.0, 40.0, 11.0, 20.0, 0.0))


@pytest.mark.parametrize("degrees", [-28.0, -10.0, 0.0, 15.0, 28.0])
def test_pads_of_a_turned_hand_lie_where_they_were_drawn(drawn: Drawn, degrees: float) -> None:
    ovals = turned(FOUR, degrees)
    pads, direction = found(drawn(ovals))
    assert direction == pytest.approx(degrees, abs=4.0)
    assert len(pads) == 4
    for pad, (x, y, breadth, length, turn) in zip(pads, ovals, strict=True):
        assert math.dist(pad.tip, (x, y)) < 2.0
        assert pad.breadth == pytest.approx(breadth, abs=1.6)
        assert pad.length == pytest.approx(length, abs=2.0)
        assert math.degrees(pad.rotation) == pytest.approx(turn, abs=4.0)
        assert not pad.parted
        assert not pad.edges


@pytest.mark.parametrize("gap", [0.8, 1.5, 2.5])
def test_second_phalanx_is_no_finger_and_no_part_of_the_pad(drawn: Drawn, gap: float) -> None:
    below = [(x, y + length + gap, breadth * 0.9, 16.0, 0.0) for x, y, breadth, length, _ in FOUR]
    pads, _ = found(drawn([*FOUR, *below]))
    assert len(pads) == 4
    for pad, (_, _, _, length, _) in zip(pads, FOUR, strict=True):
        assert pad.crease
        assert pad.length == pytest.approx(length, abs=2.0)


def test_touching_pads_are_parted_and_said_so(drawn: Drawn) -> None:
    x = (14.0, 26.9, 40.2, 60.0)
    ovals = [(at, y, breadth, length, 0.0) for at, (_, y, breadth, length, _) in zip(x, FOUR, strict=True)]
    pads, _ = found(drawn(ovals))
    assert len(pads) == 4
    assert [pad.parted for pad in pads] == [True, True, True, False]
    assert [pad.tip[0] for pad in pads] == pytest.approx(x, abs=1.2)


@pytest.mark.parametrize(
    ("oval", "edges"),
    [
        ((4.0, 20.0, 14.0, 24.0, 0.0), (Edge.LEFT,)),
        ((78.0, 20.0, 14.0, 24.0, 0.0), (Edge.RIGHT,)),
        ((40.0, -6.0, 14.0, 24.0, 0.0), (Edge.TOP,)),
        ((40.0, 62.0, 14.0, 24.0, 0.0), (Edge.BOTTOM,)),
        ((3.0, -5.0, 14.0, 24.0, 0.0), (Edge.LEFT, Edge.TOP)),
        ((40.0, 30.0, 14.0, 24.0, 0.0), ()),
    ],
)
def test_pad_over_an_edge_names_it(drawn: Drawn, oval: Oval, edges: tuple[Edge, ...]) -> None:
    pads, _ = found(drawn([oval]))
    assert [pad.edges for pad in pads] == [edges]


def test_finger_that_runs_off_below_its_crease_is_whole(drawn: Drawn) -> None:
    pads, _ = found(drawn([(40.0, 40.0, 14.0, 24.0, 0.0), (40.0, 65.5, 12.5, 20.0, 0.0)]))
    assert [pad.edges for pad in pads] == [()]


def test_bare_glass_has_no_pads(drawn: Drawn) -> None:
    assert found(drawn([])) == ([], 0.0)
