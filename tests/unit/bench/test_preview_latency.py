"""Frames are told apart by the number that they show, and one frame's times at two readers are brought together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.preview_latency import ROUND, ROUND_S, Sight, added_ms, number_of
from firmware_stubs.camera.scene import expose, fit
from firmware_stubs.portrait import schematic_portrait


@pytest.mark.parametrize("width", [1920, 640, 480, 128])
def test_the_number_of_each_frame_is_read_at_any_size(width: int) -> None:
    frames = expose(fit(schematic_portrait(1)), 0, numbered=True).steady
    numbers = []
    for jpeg in frames:
        whole = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert whole is not None
        small = cv2.resize(whole, (width, width * 9 // 16), interpolation=cv2.INTER_AREA)
        numbers.append(number_of(np.asarray(small, np.uint8)))
    assert numbers == list(range(1, ROUND + 1))


@pytest.mark.parametrize("late_s", [-0.005, 0.0, 0.004, 0.12])
def test_a_frame_is_compared_with_itself_and_not_with_its_number_in_another_round(late_s: float) -> None:
    times = [1.0 + frame * ROUND_S / ROUND for frame in range(4 * ROUND)]
    direct = [Sight(1 + frame % ROUND, at, at) for frame, at in enumerate(times)]
    preview = [Sight(one.number, one.decoded_s + late_s - 0.001, one.decoded_s + late_s) for one in direct[::2]]
    added = added_ms(direct, preview)
    assert len(added) == len(preview)
    assert [decoded for _, decoded in added] == pytest.approx([1000 * late_s] * len(added))
    assert [arrived for arrived, _ in added] == pytest.approx([1000 * late_s - 1] * len(added))


def test_a_frame_that_the_direct_reader_missed_is_not_counted() -> None:
    assert added_ms([Sight(1, 1.0, 1.0)], [Sight(2, 1.04, 1.04)]) == []
