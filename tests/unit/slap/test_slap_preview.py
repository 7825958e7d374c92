"""The verdict on one frame: ready, or what to tell the person."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment.core.fingerprint import FingerprintImage, SlapHint, SlapKind, cut_slap, preview_slap, segment_slap
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.platen import Platen
from tests.unit.slap.conftest import Taken


@pytest.mark.parametrize("kind", list(SlapKind))
def test_good_slap_is_ready_and_shows_the_fingers_that_segmentation_finds(taken: Taken, kind: SlapKind) -> None:
    image = FingerprintImage(taken(DrawnKind(kind)).pixels)
    verdict, found = preview_slap(image, kind), segment_slap(image, kind)
    assert verdict.ready
    assert verdict.hints == ()
    assert [finger.centre for finger in verdict.fingers] == [finger.centre for finger in found.fingers]
    assert len(verdict.qualities) == len(verdict.fingers)
    assert all(50 < quality <= 100 for quality in verdict.qualities)


def test_cut_by_its_preview_a_slap_has_the_fingers_and_images_of_segmentation(taken: Taken) -> None:
    image = FingerprintImage(taken(DrawnKind.RIGHT_FOUR, missing=frozenset({4})).pixels)
    seen = preview_slap(image, SlapKind.RIGHT_FOUR, {4}).seen
    assert seen is not None
    cut, found = cut_slap(image, seen), segment_slap(image, SlapKind.RIGHT_FOUR, {4})
    assert (cut.fingers[0].centre, cut.findings) == (found.fingers[0].centre, found.findings)
    assert [one.position for one in cut.fingers] == [2, 3, 5]
    for one, other in zip(cut.images, found.images, strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_bare_glass_asks_for_fingers() -> None:
    verdict = preview_slap(FingerprintImage(np.full((1500, 1600), 240, np.uint8)), SlapKind.RIGHT_FOUR)
    assert not verdict.ready
    assert verdict.hints == (SlapHint.PLACE_FINGERS,)
    assert verdict.fingers == ()


@pytest.mark.parametrize(
    ("displacement", "hint"),
    [((-17.0, 0.0), SlapHint.MOVE_RIGHT), ((17.0, 0.0), SlapHint.MOVE_LEFT), ((0.0, -28.0), SlapHint.MOVE_DOWN)],
)
def test_hand_over_an_edge_is_told_to_move_away_from_it(
    taken: Taken, displacement: tuple[float, float], hint: SlapHint
) -> None:
    slap = taken(DrawnKind.RIGHT_FOUR, displacement_mm=displacement)
    verdict = preview_slap(FingerprintImage(slap.pixels), SlapKind.RIGHT_FOUR)
    assert (verdict.laid, verdict.whole, verdict.ready) == (True, False, False)
    assert hint in verdict.hints


def test_missing_finger_is_asked_for_until_it_is_told_missing(taken: Taken) -> None:
    image = FingerprintImage(taken(DrawnKind.RIGHT_FOUR, missing=frozenset({5})).pixels)
    verdict = preview_slap(image, SlapKind.RIGHT_FOUR)
    assert not verdict.ready
    assert SlapHint.MORE_FINGERS in verdict.hints
    told = preview_slap(image, SlapKind.RIGHT_FOUR, {5})
    assert told.ready
    assert told.hints == ()


def test_other_hand_is_told_first(taken: Taken) -> None:
    verdict = preview_slap(FingerprintImage(taken(DrawnKind.LEFT_FOUR).pixels), SlapKind.RIGHT_FOUR)
    assert not verdict.ready
    assert verdict.hints[0] is SlapHint.OTHER_HAND
    assert not verdict.laid
    assert verdict.hand is SlapKind.LEFT_FOUR


def test_touching_fingers_are_told_to_spread_but_do_not_wait(taken: Taken) -> None:
    slap = taken(DrawnKind.LEFT_FOUR, seed=3, gap_mm=-0.3)
    verdict = preview_slap(FingerprintImage(slap.pixels), SlapKind.LEFT_FOUR)
    assert SlapHint.SPREAD_FINGERS in verdict.hints
    assert verdict.ready


def test_hand_turned_too_far_is_told_which_way_to_turn(taken: Taken) -> None:
    slap = taken(DrawnKind.LEFT_FOUR, rotation_deg=40.0, phalanx=0.0)
    verdict = preview_slap(FingerprintImage(slap.pixels), SlapKind.LEFT_FOUR)
    assert SlapHint.TURN_COUNTERCLOCKWISE in verdict.hints


def test_faint_prints_are_told_to_press_harder(taken: Taken) -> None:
    faint = taken(DrawnKind.RIGHT_FOUR, platen=Platen(contrast=0.22, noise=1.0))
    verdict = preview_slap(FingerprintImage(faint.pixels), SlapKind.RIGHT_FOUR)
    assert len(verdict.fingers) == 4
    assert SlapHint.PRESS_HARDER in verdict.hints
    assert (verdict.laid, verdict.whole, verdict.ready) == (True, True, False)
    assert set(verdict.weak) <= {2, 3, 4, 5}
