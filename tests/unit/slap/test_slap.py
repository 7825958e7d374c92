"""Slaps of grown fingers: boxes against truth, findings, crops that compare, and images that are no slap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.slap_cases import is_segmented
from enrollment.core.errors import EnrollmentError, InvalidInput
from enrollment.core.fingerprint import (
    SAME_FINGER_SCORE,
    Edge,
    FingerprintImage,
    SlapFindingKind,
    SlapKind,
    SlapSegmentation,
    compare,
    extract,
    segment_slap,
)
from firmware_stubs.fingers.hand import Hands
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.platen import Platen
from firmware_stubs.fingers.rolled import make_rolled, unroll
from firmware_stubs.fingers.slap import Slap
from tests.unit.slap.conftest import Drawn, Taken


def kinds_of(found: SlapSegmentation) -> set[SlapFindingKind]:
    return {finding.kind for finding in found.findings}


def assert_fingers_lie_as_in(slap: Slap, found: SlapSegmentation) -> None:
    assert [finger.position for finger in found.fingers] == [finger.position for finger in slap.fingers]
    for finger, truth in zip(found.fingers, slap.fingers, strict=True):
        assert is_segmented(truth, finger)
        assert finger.rotation_deg == pytest.approx(truth.rotation_deg, abs=6.0)
        assert math.dist(finger.centre, truth.centre) < 50.0


@pytest.mark.parametrize("kind", list(SlapKind))
@pytest.mark.parametrize("rotation", [-25.0, 0.0, 25.0])
def test_good_slap_is_segmented_and_has_no_finding(taken: Taken, kind: SlapKind, rotation: float) -> None:
    slap = taken(DrawnKind(kind), rotation_deg=rotation, phalanx=0.5)
    found = segment_slap(FingerprintImage(slap.pixels), kind)
    assert_fingers_lie_as_in(slap, found)
    assert found.findings == ()
    assert found.hand is kind
    assert found.hand_confidence > 0.95


def test_platen_with_dirt_old_grease_and_uneven_light_changes_nothing(taken: Taken) -> None:
    dirty = Platen(contrast=0.6, uneven=10.0, noise=4.0, latent=0.12, dirt=10, paper=225.0)
    slap = taken(DrawnKind.LEFT_FOUR, seed=2, platen=dirty)
    found = segment_slap(FingerprintImage(slap.pixels), SlapKind.LEFT_FOUR)
    assert_fingers_lie_as_in(slap, found)
    assert found.findings == ()


@pytest.mark.parametrize("position", [2, 3, 4, 5])
def test_missing_finger_is_named_unless_it_was_told(taken: Taken, position: int) -> None:
    image = FingerprintImage(taken(DrawnKind.RIGHT_FOUR, missing=frozenset({position})).pixels)
    found = segment_slap(image, SlapKind.RIGHT_FOUR)
    (finding,) = found.findings
    assert finding.kind is SlapFindingKind.MISSING_FINGER
    assert finding.positions == (position,)
    told = segment_slap(image, SlapKind.RIGHT_FOUR, {position})
    assert told.findings == ()
    assert [finger.position for finger in told.fingers] == [one for one in (2, 3, 4, 5) if one != position]


def test_finger_that_was_told_missing_and_is_there_is_named(taken: Taken) -> None:
    found = segment_slap(FingerprintImage(taken(DrawnKind.RIGHT_FOUR).pixels), SlapKind.RIGHT_FOUR, {4})
    (finding,) = found.findings
    assert (finding.kind, finding.positions) == (SlapFindingKind.UNEXPECTED_FINGER, (4,))


@pytest.mark.parametrize(("shown", "asked"), [(14, 13), (13, 14), (15, 13), (13, 15), (14, 15)])
def test_wrong_hand_is_named(taken: Taken, shown: int, asked: int) -> None:
    found = segment_slap(FingerprintImage(taken(DrawnKind(shown)).pixels), SlapKind(asked))
    assert found.findings[0].kind is SlapFindingKind.WRONG_HAND
    assert found.findings[0].confidence > 0.95
    assert found.hand is SlapKind(shown)
    assert found.kind is SlapKind(asked)


def test_touching_fingers_are_parted_and_named(taken: Taken) -> None:
    slap = taken(DrawnKind.LEFT_FOUR, seed=3, gap_mm=-0.3)
    found = segment_slap(FingerprintImage(slap.pixels), SlapKind.LEFT_FOUR)
    assert_fingers_lie_as_in(slap, found)
    assert kinds_of(found) == {SlapFindingKind.TOUCHING_FINGERS}


@pytest.mark.parametrize(
    ("displacement", "edge"), [((-17.0, 0.0), Edge.LEFT), ((17.0, 0.0), Edge.RIGHT), ((0.0, -28.0), Edge.TOP)]
)
def test_finger_over_the_edge_of_the_glass_is_named(
    taken: Taken, displacement: tuple[float, float], edge: Edge
) -> None:
    slap = taken(DrawnKind.RIGHT_FOUR, displacement_mm=displacement)
    found = segment_slap(FingerprintImage(slap.pixels), SlapKind.RIGHT_FOUR)
    outside = [finding for finding in found.findings if finding.kind is SlapFindingKind.OUTSIDE_PLATEN]
    cut = {finger.position for finger in slap.fingers if 0.3 < finger.visible < 0.9}
    assert cut
    assert {position for finding in outside for position in finding.positions} >= cut
    assert all(edge in finding.edges for finding in outside)


def test_nothing_on_the_glass_is_a_finding() -> None:
    found = segment_slap(FingerprintImage(np.full((1500, 1600), 240, np.uint8)), SlapKind.RIGHT_FOUR)
    assert kinds_of(found) == {SlapFindingKind.NOTHING_THERE}
    assert found.hand is None
    assert found.fingers == ()
    assert found.images == ()


def test_more_pads_than_a_hand_has_are_named(drawn: Drawn) -> None:
    ovals = [(10.0 + 12.5 * number, 20.0 + 2.0 * (number % 2), 10.0, 17.0, 0.0) for number in range(6)]
    found = segment_slap(drawn(ovals), SlapKind.RIGHT_FOUR)
    assert SlapFindingKind.TOO_MANY_FINGERS in kinds_of(found)
    assert len(found.fingers) <= 4


def test_slap_at_1000_ppi_gives_the_same_fingers_in_its_own_pixels(
    taken: Taken, at_1000_ppi: Callable[[FingerprintImage], FingerprintImage]
) -> None:
    image = FingerprintImage(taken(DrawnKind.RIGHT_FOUR).pixels)
    found, large = segment_slap(image, SlapKind.RIGHT_FOUR), segment_slap(at_1000_ppi(image), SlapKind.RIGHT_FOUR)
    assert large.findings == ()
    for one, two, crop, large_crop in zip(found.fingers, large.fingers, found.images, large.images, strict=True):
        assert two.centre == pytest.approx([2.0 * at for at in one.centre], abs=6.0)
        assert two.size == pytest.approx([2.0 * side for side in one.size], abs=20.0)
        assert large_crop.resolution_ppi == 1000.0
        assert large_crop.pixels.shape == pytest.approx([2 * side for side in crop.pixels.shape], abs=20)


def test_cropped_fingers_compare_with_rolled_prints_and_no_others(
    taken: Taken, person: Mapping[int, Master], hands: Hands
) -> None:
    slap = taken(DrawnKind.RIGHT_FOUR, rotation_deg=20.0)
    found = segment_slap(FingerprintImage(slap.pixels), SlapKind.RIGHT_FOUR)
    for position in (2, 5):
        rolled = make_rolled(unroll(person[position]), 0, scale=hands.fingers[position].master_scale)
        template = extract(FingerprintImage(rolled.pixels))
        for finger, image in zip(found.fingers, found.images, strict=True):
            score = compare(extract(image), template)
            assert (score >= SAME_FINGER_SCORE) == (finger.position == position)


def test_crops_stand_upright_and_hold_no_neighbour(taken: Taken) -> None:
    slap = taken(DrawnKind.LEFT_FOUR, seed=3, gap_mm=-0.3, rotation_deg=15.0)
    found = segment_slap(FingerprintImage(slap.pixels), SlapKind.LEFT_FOUR)
    for finger, image in zip(found.fingers, found.images, strict=True):
        height, width = image.pixels.shape
        assert width == pytest.approx(finger.size[0], abs=60)
        assert height == pytest.approx(finger.size[1], abs=60)
        paper = np.median(image.pixels[:, :4])
        assert paper > 200  # beside the finger there is bare glass, touching neighbours or not
        assert not image.pixels.flags.writeable


def test_image_is_not_written_and_the_answer_is_the_same_again(taken: Taken) -> None:
    pixels = taken(DrawnKind.RIGHT_FOUR).pixels.copy()
    pixels.flags.writeable = False
    first, second = (segment_slap(FingerprintImage(pixels), SlapKind.RIGHT_FOUR) for _ in range(2))
    assert first.fingers == second.fingers or [f.centre for f in first.fingers] == [f.centre for f in second.fingers]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first.images, second.images, strict=True))


def test_kind_and_positions_that_do_not_exist_are_refused() -> None:
    image = FingerprintImage(np.full((1500, 1600), 240, np.uint8))
    with pytest.raises(InvalidInput, match="kind of slap"):
        segment_slap(image, 12)  # type: ignore[arg-type]  # what a client may send
    with pytest.raises(InvalidInput, match="finger position"):
        segment_slap(image, SlapKind.RIGHT_FOUR, {11})


@pytest.mark.parametrize("pattern", ["noise", "stripes", "squares", "black", "white", "gradient"])
@pytest.mark.parametrize("size", [(1600, 1500), (300, 300), (2400, 320)])
def test_images_of_no_hand_give_findings_and_no_error(pattern: str, size: tuple[int, int]) -> None:
    width, height = size
    y, x = np.indices((height, width))
    pixels = {
        "noise": np.random.default_rng(1).integers(0, 256, (height, width)),
        "stripes": 128 + 100 * np.sin(x / 1.4),
        "squares": 255 * ((x // 40 + y // 40) % 2),
        "black": np.zeros((height, width)),
        "white": np.full((height, width), 255),
        "gradient": 255 * x / width,
    }[pattern].astype(np.uint8)
    for kind in SlapKind:
        found = segment_slap(FingerprintImage(pixels), kind)
        assert len(found.fingers) == len(found.images) <= 4
        if pattern in {"black", "white", "gradient"}:
            assert kinds_of(found) == {SlapFindingKind.NOTHING_THERE}


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(32, 1200),
    height=st.integers(32, 1200),
    ppi=st.floats(100.0, 1000.0),
    period=st.floats(2.0, 60.0),
    seed=st.integers(0, 99),
)
def test_any_image_gives_a_result_or_a_typed_error(
    width: int, height: int, ppi: float, period: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    y, x = np.indices((height, width))
    waves = np.sin(x / period + random.normal(0, 2)) * np.sin(y / (3.0 * period)) + 0.4 * random.normal(size=x.shape)
    pixels = np.clip(128 + 80 * waves * (random.random() < 0.9), 0, 255).astype(np.uint8)
    try:
        found = segment_slap(FingerprintImage(pixels, ppi), SlapKind(13 + seed % 3), {2, 7} if seed % 2 else ())
    except EnrollmentError:
        return
    assert all(finger.size[0] > 0 and finger.size[1] > 0 for finger in found.fingers)
