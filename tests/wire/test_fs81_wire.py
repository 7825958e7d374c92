"""The FS81's messages against the public description, and a whole visit byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.fingerprint.fs81 import wire
from drivers.fingerprint.fs81.driver import Fs81
from drivers.spi import CancelToken, ScanEvent
from tests.contract.scripted_usbip import Server, device_record, import_answer
from tests.contract.transcript import In, Out, Silence, Step, Transcript

WIDTH, HEIGHT = 320, 480
INFORMATION = bytes.fromhex("e0000000 0140 01e0").ljust(512, b"\0")


def frame(deviation: float, seed: int) -> NDArray[np.uint8]:
    grey = np.random.default_rng(seed).normal(150, deviation, (HEIGHT, WIDTH))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def test_lamp_is_switched_with_the_brightness_of_the_vendors_library() -> None:
    assert wire.encode_lamp(on=True).hex() == "dd3200"
    assert wire.encode_lamp(on=False).hex() == "dd0000"


def test_size_is_big_endian_at_four() -> None:
    assert wire.decode_size(INFORMATION) == wire.Size(320, 480)


def test_read_is_a_whole_number_of_packets() -> None:
    assert wire.Size(320, 480).read_bytes == 300 * 512
    assert wire.Size(3, 3).read_bytes == 512


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        INFORMATION[:-1],
        INFORMATION + b"\0",
        bytes(512),
        bytes.fromhex("e0000000 3745 5667").ljust(512, b"\0"),  # pixels, as they were met in a field
        bytes.fromhex("e0000000 1001 01e0").ljust(512, b"\0"),
    ],
    ids=["empty", "short", "long", "zero", "pixels", "too wide"],
)
def test_packet_that_is_no_information_is_refused(packet: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        wire.decode_size(packet)


@given(packet=st.binary(max_size=600))
def test_arbitrary_packet_is_a_size_or_a_violation(packet: bytes) -> None:
    try:
        size = wire.decode_size(packet)
    except ProtocolViolation:
        return
    assert 0 < size.width <= 4096
    assert 0 < size.height <= 4096


@given(width=st.integers(1, 40), height=st.integers(1, 40), length=st.integers(0, 1700))
def test_picture_of_any_length_is_turned_over_or_a_violation(width: int, height: int, length: int) -> None:
    transfer = bytes(range(256)) * 7
    size = wire.Size(width, height)
    try:
        pixels = wire.decode_picture(transfer[:length], size)
    except ProtocolViolation:
        assert length != width * height
        return
    assert pixels.shape == (height, width)
    assert pixels[::-1].tobytes() == transfer[:length]
    assert pixels.flags.c_contiguous


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.import_answer = import_answer(record=device_record(vendor=0x1491, product=0x0020))
    running.device_ids = (0x1491, 0x0020)
    yield running
    running.stop()


def opening(stale: list[bytes]) -> list[Step]:
    answers: list[Step] = [In(0x82, 512, packet) for packet in [*stale, INFORMATION]]
    return [
        Out(1, b"\xe0"),
        *answers,
        Silence(0x82),
        Out(1, b"\x6c"),
        In(0x82, 512, b"\x6c".ljust(512, b"\x11")),
        Out(1, b"\x50"),
        In(0x82, 512, b"\x50".ljust(512, b"\x22")),
    ]


def picture(pixels: NDArray[np.uint8]) -> list[Step]:
    return [Out(1, b"\xdd\x32\0"), Out(1, b"\x6e"), In(0x82, 153_600, pixels.tobytes())]


@pytest.mark.parametrize("stale", [0, 1, 299])
def test_visit_is_the_described_sequence_byte_for_byte(server: Server, stale: int) -> None:
    weak, strong = frame(25, 1), frame(40, 2)
    dark = np.full(512, 9, np.uint8).tobytes()  # reads as 2313 x 2313
    transcript = Transcript(
        [
            *opening([strong.tobytes()[:512], dark, *[weak.tobytes()[:512]] * stale][:stale]),
            *picture(frame(6, 3)),
            *picture(weak),
            *picture(strong),
            Out(1, b"\xdd\0\0"),
            *picture(frame(6, 4)),
            Out(1, b"\xdd\0\0"),
            Out(1, b"\xdd\0\0"),
        ]
    )
    server.urbs = transcript.serve
    scanner = Fs81(f"{server.url}/1-1")
    scanner.open()
    events: list[ScanEvent] = []
    taken = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=events.append)
    assert np.array_equal(taken.pixels, strong[::-1])
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    scanner.close()
    assert transcript.played.wait(5)
    assert transcript.surprises == []


def test_size_of_another_unit_is_taken_from_the_device(server: Server) -> None:
    steps = opening([])
    steps[1] = In(0x82, 512, bytes.fromhex("e0000000 0100 0100").ljust(512, b"\0"))
    server.urbs = Transcript(steps).serve
    scanner = Fs81(f"{server.url}/1-1")
    scanner.open()
    assert (scanner.capabilities.width, scanner.capabilities.height) == (256, 256)
    scanner.close()
