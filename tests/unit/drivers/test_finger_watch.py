"""What the watch makes of a row of pictures: fingers, empty, soiled, black and frozen platens. No device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import CaptureTimedOut, DeviceNotReady, DeviceStalled
from drivers.fingerprint.finger_watch import FINGER_OFF, FINGER_ON, FingerWatch, block_contrast
from drivers.spi import ScanEvent
from firmware_stubs.scanner.picture import synthetic_finger

Pixels = NDArray[np.uint8]
SIZE = (120, 160)


def picture(deviation: float, seed: int, level: float = 200.0) -> Pixels:
    """Noise of this deviation everywhere: the contrast is about its square."""
    grey = np.random.default_rng(seed).normal(level, deviation, SIZE)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def empty(seed: int) -> Pixels:
    return picture(6.5, seed)


def finger(seed: int, deviation: float = 30.0) -> Pixels:
    return picture(deviation, seed, 120.0)


def shown(*pictures: Pixels) -> tuple[Callable[[], Pixels], list[int]]:
    """A `take` that gives these pictures and then times out, and the count of what was taken."""
    left = list(pictures)
    taken: list[int] = []

    def take() -> Pixels:
        if not left:
            raise CaptureTimedOut("no time left")
        taken.append(len(taken))
        return left.pop(0)

    return take, taken


def watch(*pictures: Pixels) -> FingerWatch:
    return FingerWatch(shown(*pictures)[0], lambda: None)


def ignore(_: ScanEvent) -> None:
    pass


def by_the_definition(pixels: Pixels) -> float:
    height, width = pixels.shape
    blocks = [
        pixels[y : y + 8, x : x + 8].astype(np.float64).var()
        for y in range(0, height - 7, 8)
        for x in range(0, width - 7, 8)
    ]
    least = int(len(blocks) * 0.75)
    return float(np.mean(sorted(blocks)[least:])) if blocks else 0.0


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_contrast_of_any_picture_is_that_of_its_definition(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    assert block_contrast(pixels) == pytest.approx(by_the_definition(pixels), rel=1e-3, abs=1e-2)


def test_contrast_of_the_strongest_stripes_is_the_upper_end() -> None:
    assert block_contrast(np.tile(np.array([0, 255], np.uint8), (64, 32))) == pytest.approx(255**2 / 4)


@pytest.mark.parametrize("size", [(320, 480), (640, 480), (398, 301)])
def test_nearly_every_synthetic_finger_is_one_on_each_size_of_platen(size: tuple[int, int]) -> None:
    seen = [block_contrast(synthetic_finger(seed, 1, size)) > FINGER_ON for seed in range(5)]
    assert sum(seen) >= 4


def test_better_of_two_pictures_in_a_row_is_taken() -> None:
    events: list[ScanEvent] = []
    strong = finger(4, 35.0)
    found = watch(empty(1), empty(2), finger(3), strong, finger(5, 60.0)).await_finger(events.append)
    assert found.pixels is strong
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON]


def test_first_of_two_is_taken_where_the_finger_is_leaving_in_the_second() -> None:
    strong = finger(4, 60.0)
    assert watch(strong, finger(5, 25.0)).await_finger(ignore).pixels is strong


def test_finger_that_only_brushes_the_platen_is_waited_for_again() -> None:
    events: list[ScanEvent] = []
    watch(finger(1), empty(2), finger(3), finger(4)).await_finger(events.append)
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON] * 2


def test_one_picture_sent_twice_is_not_taken_for_two() -> None:
    first, last = finger(1), finger(2, 25.0)
    take, taken = shown(first, first, first, last)
    assert FingerWatch(take, lambda: None).await_finger(ignore).pixels is first
    assert len(taken) == 4


@pytest.mark.parametrize("frozen", [finger(1), empty(1)], ids=["finger", "empty"])
def test_picture_that_comes_again_and_again_is_a_stalled_sensor(frozen: Pixels) -> None:
    with pytest.raises(DeviceStalled, match="again and again"):
        watch(*[frozen] * 9).await_finger(ignore)


def test_perfectly_even_pictures_are_no_proof_of_a_frozen_sensor() -> None:
    with pytest.raises(CaptureTimedOut, match="stayed empty"):
        watch(*[np.full(SIZE, 255, np.uint8)] * 9).await_finger(ignore)


def test_black_pictures_are_a_dead_lamp_after_the_third() -> None:
    take, taken = shown(*[picture(2.0, seed, 4.0) for seed in range(9)])
    with pytest.raises(DeviceNotReady, match="black"):
        FingerWatch(take, lambda: None).await_finger(ignore)
    assert len(taken) == 3


def test_single_black_picture_of_a_lamp_that_is_warming_up_is_passed_over() -> None:
    watch(picture(2.0, 1, 4.0), empty(2), picture(2.0, 3, 4.0), finger(4), finger(5)).await_finger(ignore)


@pytest.mark.parametrize(
    ("last", "said"),
    [(empty(9), "stayed empty"), (picture(15.0, 9), "clean it, or press harder"), (finger(9), "still on the platen")],
)
def test_time_out_tells_what_was_seen_last(last: Pixels, said: str) -> None:
    with pytest.raises(CaptureTimedOut, match=said) as raised:
        watch(empty(1), last).await_finger(ignore)
    assert raised.value.facts == {"contrast": round(block_contrast(last))}


def test_time_out_before_any_picture_is_passed_on() -> None:
    with pytest.raises(CaptureTimedOut, match="no time left"):
        watch().await_empty()


def test_finger_counts_as_gone_below_the_lower_limit_only() -> None:
    between = picture(15.0, 2)
    assert FINGER_OFF < block_contrast(between) < FINGER_ON
    take, taken = shown(finger(1), between, empty(3), empty(4))
    FingerWatch(take, lambda: None).await_empty()
    assert len(taken) == 3


def test_what_a_finger_leaves_on_the_glass_does_not_hold_up_the_next_one() -> None:
    seeds = iter(range(1_000_000))
    FingerWatch(lambda: picture(15.0, next(seeds)), lambda: None).await_empty()  # within about a second
    assert next(seeds) > 2
