"""The ZK4500's messages against the public description, and a whole visit byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.fingerprint.zk4500 import wire
from drivers.fingerprint.zk4500.driver import Zk4500
from drivers.spi import CancelToken, ScanEvent
from tests.contract.scripted_usbip import Server, device_record, import_answer
from tests.contract.transcript import Control, In, Silence, Step, Transcript

LIGHT_ON: list[Step] = [Control(0xE1, 1, 3), Control(0xE1, 1, 0)]
LIGHT_OFF: list[Step] = [Control(0xE1, 0, 3), Control(0xE1, 0, 0)]


def frame(deviation: float, seed: int) -> NDArray[np.uint8]:
    grey = np.random.default_rng(seed).normal(150, deviation, (480, 640))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def picture(pixels: NDArray[np.uint8]) -> list[Step]:
    return [Control(0xE5, 0, 0), In(0x82, 307_200, pixels.tobytes())]


def test_picture_is_the_transfer_row_by_row() -> None:
    pixels = frame(30, 1)
    assert np.array_equal(wire.decode_picture(pixels.tobytes()), pixels)


@given(length=st.integers(0, 2 * 307_200))
def test_transfer_of_any_other_length_is_a_violation(length: int) -> None:
    if length == 307_200:
        return
    with pytest.raises(ProtocolViolation):
        wire.decode_picture(bytes(length))


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.import_answer = import_answer(record=device_record(vendor=0x1B55, product=0x0840))
    running.device_ids = (0x1B55, 0x0840)
    yield running
    running.stop()


@pytest.mark.parametrize("stale", [0, 1, 599])
def test_visit_is_the_described_sequence_byte_for_byte(server: Server, stale: int) -> None:
    old, weak, strong = frame(50, 1), frame(25, 2), frame(40, 3)
    left_over: list[Step] = [In(0x82, 512, old.tobytes()[:512])] * stale
    transcript = Transcript(
        [
            *left_over,
            Silence(0x82),
            *LIGHT_ON,
            *picture(old),  # of the finger before: it must not be taken, though it is the strongest
            *picture(weak),
            *picture(strong),
            *LIGHT_OFF,
            *LIGHT_ON,
            *picture(strong),
            *picture(frame(6, 4)),
            *LIGHT_OFF,
            *LIGHT_OFF,
        ]
    )
    server.urbs = transcript.serve
    scanner = Zk4500(f"{server.url}/1-1")
    scanner.open()
    events: list[ScanEvent] = []
    taken = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=events.append)
    assert np.array_equal(taken.pixels, strong)
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    scanner.close()
    assert transcript.played.wait(5)
    assert transcript.surprises == []
