"""The FDU2000's messages against the public description, and a whole visit byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.fingerprint.fdu2000 import wire
from drivers.fingerprint.fdu2000.driver import Fdu2000
from drivers.fingerprint.fdu2000.wire import Command
from drivers.spi import CancelToken, ScanEvent
from tests.contract.scripted_usbip import Server, device_record, import_answer
from tests.contract.transcript import In, Out, Silence, Step, Transcript

FRAME = bytes.fromhex("0f0f0f0f00000c07")
LINE = bytes.fromhex("0f0f0f0f00000b06")


def frame(deviation: float, seed: int) -> NDArray[np.uint8]:
    grey = np.random.default_rng(seed).normal(150, deviation, (301, 398))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def stream(pixels: NDArray[np.uint8], *, before: bytes = b"", gap: bytes = b"", lines: int = 301) -> bytes:
    """What the device sends for an upright picture with dark ridges, pixel for pixel as it is described."""
    sensed = [[255 - int(grey) for grey in row[::-1]] for row in pixels[::-1]]
    message = before + FRAME
    for number, row in enumerate(sensed[:lines]):
        message += gap + LINE + bytes([0, number >> 8, number >> 4 & 15, number & 15])
        message += bytes(nibble for grey in row for nibble in (grey >> 4, grey & 15))
    return message


@pytest.fixture(scope="module")
def finger() -> NDArray[np.uint8]:
    return frame(40, 1)


def test_commands_are_the_described_ones() -> None:
    assert {command.name: command.code.hex() for command in Command} == {
        "READY": "0004",
        "READ": "0001",
        "END": "0005",
        "LAMP_OFF": "0500",
        "LAMP_ON": "0501",
    }


@pytest.mark.parametrize("answer", ["", "00", "000401", "00040100", "00010101"])
def test_acknowledgement_of_another_command_is_refused(answer: str) -> None:
    with pytest.raises(ProtocolViolation):
        wire.check_acknowledgement(Command.READY, bytes.fromhex(answer))


@pytest.mark.parametrize(
    ("before", "gap"), [(b"", b""), (LINE + bytes(50), b""), (b"", b"\x03\x0f\x0f")], ids=["whole", "late", "gaps"]
)
def test_stream_is_joined_inverted_and_turned(finger: NDArray[np.uint8], before: bytes, gap: bytes) -> None:
    pixels = wire.decode_picture(stream(finger, before=before, gap=gap))
    assert np.array_equal(pixels, finger)
    assert pixels.flags.c_contiguous


def test_pixels_that_look_like_the_start_of_a_line_are_pixels(finger: NDArray[np.uint8]) -> None:
    pixels = finger.copy()
    pixels[120, 200:204] = 255 - np.frombuffer(bytes.fromhex("ffff00b6"), np.uint8)[::-1]
    sent = stream(pixels)
    assert sent.count(LINE) == 302
    assert np.array_equal(wire.decode_picture(sent), pixels)


def test_upper_halves_of_bytes_are_not_looked_at(finger: NDArray[np.uint8]) -> None:
    sent = bytearray(stream(finger))
    sent[8 + 12] |= 0xA0
    assert np.array_equal(wire.decode_picture(bytes(sent)), finger)


@pytest.mark.parametrize("lines", [0, 1, 300])
def test_picture_with_too_few_lines_is_refused(finger: NDArray[np.uint8], lines: int) -> None:
    with pytest.raises(ProtocolViolation, match="too few lines"):
        wire.decode_picture(stream(finger, lines=lines))


def test_picture_that_lacks_its_last_byte_is_refused(finger: NDArray[np.uint8]) -> None:
    with pytest.raises(ProtocolViolation):
        wire.decode_picture(stream(finger)[:-1])


@given(
    pieces=st.lists(st.one_of(st.binary(max_size=64), st.sampled_from([FRAME, LINE, bytes(796)])), max_size=40),
)
def test_arbitrary_bytes_are_a_violation(pieces: list[bytes]) -> None:
    with pytest.raises(ProtocolViolation):  # nothing so short is a picture
        wire.decode_picture(b"".join(pieces))


SENT = stream(frame(40, 1))


@given(position=st.integers(0, len(SENT) - 1), value=st.integers(0, 255))
def test_any_single_changed_byte_gives_a_picture_or_a_violation(position: int, value: int) -> None:
    sent = bytearray(SENT)
    sent[position] = value
    try:
        pixels = wire.decode_picture(bytes(sent))
    except ProtocolViolation:
        return
    assert pixels.shape == (301, 398)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.import_answer = import_answer(record=device_record(vendor=0x1162, product=0x0300))
    running.device_ids = (0x1162, 0x0300)
    yield running
    running.stop()


READY: list[Step] = [Out(1, b"\0\4"), In(0x81, 512, b"\0\4\1\1")]
READ: list[Step] = [Out(1, b"\0\1"), In(0x81, 512, b"\0\1\1\1")]
END: list[Step] = [Out(1, b"\0\5"), In(0x81, 512, b"\0\5\1\1\1\1\1\1")]
LAMP_ON, LAMP_OFF = Out(1, b"\5\1"), Out(1, b"\5\0")


def picture(pixels: NDArray[np.uint8]) -> list[Step]:
    return [*READY, *READ, In(0x82, 718_848, stream(pixels)), *END]


def test_visit_is_the_described_sequence_byte_for_byte(server: Server, finger: NDArray[np.uint8]) -> None:
    rest = stream(finger)[-700:]
    transcript = Transcript(
        [
            Out(1, b"\0\5"),
            In(0x82, 512, rest[:512]),
            In(0x82, 512, rest[512:]),
            Silence(0x82),
            In(0x81, 512, b"\0\1\1\1"),
            In(0x81, 512, b"\0\5\1\1\1\1\1\1"),
            Silence(0x81),
            *END,
            LAMP_OFF,
            LAMP_ON,
            *picture(frame(6, 2)),
            *picture(frame(25, 3)),
            *picture(finger),
            LAMP_OFF,
            LAMP_ON,
            *picture(frame(6, 4)),
            LAMP_OFF,
            LAMP_OFF,
        ]
    )
    server.urbs = transcript.serve
    scanner = Fdu2000(f"{server.url}/1-1")
    scanner.open()
    events: list[ScanEvent] = []
    taken = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=events.append)
    assert np.array_equal(taken.pixels, finger)
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    scanner.close()
    assert transcript.played.wait(5)
    assert transcript.surprises == []
