"""How the bench judges: what counts as segmented, as touching, and as found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.slap import share
from bench.slap_cases import Case, is_segmented, judge, touching
from enrollment.core.fingerprint import FingerprintImage, SlapFinger, segment_slap
from firmware_stubs.fingers.hand import SlapKind as DrawnKind
from firmware_stubs.fingers.slap import SlapFinger as TrueFinger
from tests.unit.slap.conftest import Taken

TRUTH = TrueFinger(2, (500.0, 600.0), (280.0, 460.0), 20.0, 1.0)
FOUND = SlapFinger(2, TRUTH.centre, TRUTH.size, 20.0, (), touching=False, strength=40.0, filled=0.8)


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (FOUND, True),
        (replace(FOUND, size=(380.0, 460.0)), True),  # both sides 50 px out
        (replace(FOUND, size=(420.0, 460.0)), False),  # 70 px
        (replace(FOUND, centre=(580.0, 600.0)), False),
        (replace(FOUND, size=(280.0, 560.0), centre=(517.0, 553.0)), False),  # the tip 100 px out
        (replace(FOUND, size=(280.0, 560.0), centre=(483.0, 647.0)), True),  # the base 100 px out
        (replace(FOUND, rotation_deg=65.0), False),
    ],
)
def test_box_counts_by_its_sides(found: SlapFinger, counts: bool) -> None:
    assert is_segmented(TRUTH, found) is counts


def test_pads_touch_where_their_labels_meet() -> None:
    positions = np.zeros((60, 80), np.uint8)
    positions[10:50, 10:30] = 2
    positions[10:50, 40:60] = 3
    assert not touching(positions)
    positions[10:50, 31:60] = 3
    assert touching(positions)


def test_segmentation_of_a_slap_with_a_finger_missing_is_tallied(taken: Taken) -> None:
    case = Case("missing", taken(DrawnKind.RIGHT_FOUR, missing=frozenset({4})))
    tally = judge(case, segment_slap(FingerprintImage(case.slap.pixels), case.kind))
    assert (tally["fingers"], tally["fingers of"]) == (3, 3)
    assert (tally["missing"], tally["missing of"]) == (1, 1)
    assert (tally["missing falsely"], tally["missing falsely of"]) == (0, 3)
    assert tally["hand"] == tally["slaps"] == 1
    blind = judge(case, segment_slap(FingerprintImage(np.full((1500, 1600), 240, np.uint8)), case.kind))
    assert (blind["fingers"], blind["fingers of"]) == (0, 3)
    assert blind["hand"] == blind["slaps"] == blind["missing"] == 0


def test_share_bounds_what_never_and_what_always_happened() -> None:
    tally = Counter({"a": 0, "a of": 300, "b": 300, "b of": 300, "c": 3, "c of": 300, "none of": 0})
    assert share(tally, "a") == "0.00 % (0/300), < 1.00 %"
    assert share(tally, "b") == "100.00 % (300/300), > 99.00 %"
    assert share(tally, "c") == "1.00 % (3/300)"
    assert share(tally, "none") == "-"
    assert share({"d": 0, "d of": 60_000}, "d") == "0.00 % (0/60000), < 0.0050 %"
