"""The slap scanner protocol's messages: the document's example, and bytes that are no message."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.fingerprint.tenprint import wire
from drivers.fingerprint.tenprint.wire import Code, Colour, FrameFlag, Status
from firmware_stubs.tenprint import layout, sensor

DOCUMENT = Path(__file__).parents[2] / "docs" / "slap-scanner-protocol.md"
EXAMPLE = {
    name: bytes.fromhex(digits)
    for name, digits in re.findall(r"```hex (\S+)\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
}
SESSION = 0x2A5C01F3


def example_frame() -> NDArray[np.uint8]:
    """The example's frame as the document describes it, built from its bytes."""
    pixels = np.full((1500, 1600), 244, np.uint8)
    pixels[600:800, 400:600:2] = 40
    rows = b"".join(EXAMPLE["frame-map-row-30"] if 30 <= row < 40 else bytes(10) for row in range(75))
    head = (EXAMPLE["frame-head"] + rows).ljust(1024, b"\0")
    whole = head + pixels.tobytes() + EXAMPLE["frame-end"].ljust(256, b"\0")
    return np.frombuffer(bytearray(whole), np.uint8)


WHOLE = example_frame()


def with_byte(at: int, value: int) -> NDArray[np.uint8]:
    changed = WHOLE.copy()
    changed[at] = value
    return changed


def sealed_head(description: bytes) -> NDArray[np.uint8]:
    """The example's frame with another description and right checksums."""
    changed = WHOLE.copy()
    head = bytearray(changed[:1024].tobytes())
    head[32 : 32 + len(description)] = description
    head[20:24] = zlib.crc32(head[32:1024]).to_bytes(4, "little")
    head[28:32] = zlib.crc32(head[:28]).to_bytes(4, "little")
    changed[:1024] = np.frombuffer(head, np.uint8)
    return changed


def test_examples_commands_are_what_the_driver_sends() -> None:
    assert wire.encode_command(Code.HELLO, SESSION, 1, wire.encode_hello()) == EXAMPLE["hello"]
    assert wire.encode_command(Code.START, SESSION, 2, wire.encode_start(1, 1)) == EXAMPLE["start"]


def test_examples_answers_are_read_by_the_driver() -> None:
    answer = wire.decode_answer(EXAMPLE["hello-answer"])
    assert (answer.code, answer.status, answer.session, answer.sequence) == (Code.HELLO, Status.OK, SESSION, 1)
    greeting = wire.decode_greeting(answer.payload)
    assert greeting == wire.Greeting((1, 0), 0b111, 0b11, 15.0)
    assert wire.decode_answer(EXAMPLE["start-answer"]).payload == b""
    assert wire.ends_with_mark(np.frombuffer(EXAMPLE["mark"], np.uint8))


def test_examples_frame_is_read_by_the_driver() -> None:
    message = wire.decode_frame(WHOLE)
    assert (message.session, message.sequence, message.stream, message.impression) == (SESSION, 7, 1, 1)
    assert (message.status, message.flags, message.lost) == (Status.OK, FrameFlag(0), 2)
    assert message.device_time_us == 1_234_567
    assert np.argwhere(message.presence).min(axis=0).tolist() == [30, 20]
    assert np.argwhere(message.presence).max(axis=0).tolist() == [39, 29]
    assert np.count_nonzero(message.presence) == 100
    assert message.pixels.shape == (1500, 1600)
    assert message.pixels[600, 400:404].tolist() == [40, 244, 40, 244]


def test_examples_messages_are_what_the_model_sends() -> None:
    hello, start = layout.read_order(EXAMPLE["hello"]), layout.read_order(EXAMPLE["start"])
    assert layout.answer(hello, 0, layout.greeting(15.0)) == EXAMPLE["hello-answer"]
    assert layout.answer(start, 0) == EXAMPLE["start-answer"]
    assert layout.mark(SESSION, 1) == EXAMPLE["mark"]
    pixels = wire.decode_frame(WHOLE).pixels
    facts = layout.FrameFacts(
        session=SESSION,
        sequence=7,
        outcome=0,
        stream=1,
        impression=1,
        dirty=False,
        roll_complete=False,
        time_us=1_234_567,
        lost=2,
    )
    assert layout.frame(facts, sensor.presence_of(pixels), pixels) == WHOLE.tobytes()


def test_crc_is_the_documents() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926


def test_pixels_of_a_frame_stay_where_they_arrived() -> None:
    assert np.shares_memory(wire.decode_frame(WHOLE).pixels, WHOLE)


def test_statuses_and_flags_that_are_not_known_are_kept() -> None:
    answer = layout.answer(layout.read_order(EXAMPLE["hello"]), 77)
    assert wire.decode_answer(answer).status == 77
    description = bytearray(WHOLE[32:814].tobytes())
    description[3] = 0x83
    flags = wire.decode_frame(sealed_head(bytes(description))).flags
    assert int(flags) == 0x83
    assert FrameFlag.DIRTY in flags
    assert FrameFlag.ROLL_COMPLETE in flags


def test_answers_of_later_versions_may_be_longer() -> None:
    status = layout.status(state=1, dirty=True, skin_cells=7, stream=3, sent=4, lost=5, uptime_ms=6, tenths_c=-12)
    assert wire.decode_status(status + b"more") == wire.DeviceStatus(1, FrameFlag.DIRTY, 7, 3, 4, 5, 6, -1.2)
    calibration = layout.calibration(9, 500.25, 499.5, 21, 2, 244, due=True)
    assert wire.decode_calibration(calibration + b"more") == wire.Calibration(9, 500.25, 499.5, 21, 2, 244, due=True)
    assert wire.decode_texts(layout.identity("Ä", "m", "", "f") + b"more") == wire.Texts("Ä", "m", "", "f")


def test_lights_are_ten_bytes_by_position() -> None:
    assert wire.encode_lights({1: Colour.GREEN, 10: Colour.RED, 3: Colour.AMBER}).hex() == "01000200000000000003"


def test_beep_is_six_bytes() -> None:
    assert wire.encode_beep(1000, 80, 2, 100) == struct.pack("<HHBB", 1000, 80, 2, 10)


@pytest.mark.parametrize(
    "broken",
    [
        WHOLE[:0],
        WHOLE[:31],
        WHOLE[:1024],
        WHOLE[:-1],
        np.roll(WHOLE, 512),
        with_byte(0, 0x55),
        with_byte(9, 0),
        with_byte(28, 0),
        with_byte(100, 1),
        with_byte(1024 + 1_000_000, 0),
        with_byte(2_401_024 + 12, 8),
        with_byte(2_401_024 + 4, 4),
        sealed_head(struct.pack("<HBBHH", 1, 1, 0, 1601, 1500)),
        sealed_head(WHOLE[32:60].tobytes() + b"\x65\0"),
    ],
    ids=[
        "empty",
        "half a header",
        "no pixels",
        "one byte short",
        "shifted",
        "magic",
        "session",
        "checksum",
        "map",
        "pixel",
        "sequence of the end",
        "kind of the end",
        "width",
        "count of cells",
    ],
)
def test_frame_that_is_not_whole_is_refused(broken: NDArray[np.uint8]) -> None:
    with pytest.raises(ProtocolViolation):
        wire.decode_frame(broken)


def test_end_of_another_frame_is_refused() -> None:
    torn = WHOLE.copy()
    end = bytearray(EXAMPLE["frame-end"])
    end[12] = 8
    end[28:32] = zlib.crc32(end[:28]).to_bytes(4, "little")
    torn[2_401_024 : 2_401_024 + 32] = np.frombuffer(end, np.uint8)
    with pytest.raises(ProtocolViolation, match="another frame's end"):
        wire.decode_frame(torn)


@pytest.mark.parametrize("length", [0, 5, 31, 32, 40, 55])
def test_answer_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ProtocolViolation):
        wire.decode_answer(EXAMPLE["hello-answer"][:length])


def test_answer_with_a_damaged_payload_is_refused() -> None:
    broken = bytearray(EXAMPLE["hello-answer"])
    broken[40] ^= 1
    with pytest.raises(ProtocolViolation, match="payload"):
        wire.decode_answer(bytes(broken))


def test_image_of_another_size_is_refused_at_once() -> None:
    payload = bytearray(EXAMPLE["hello-answer"][32:])
    payload[4:6] = (1601).to_bytes(2, "little")
    with pytest.raises(ProtocolViolation, match="another size"):
        wire.decode_greeting(bytes(payload))


DECODERS: tuple[Callable[[bytes], object], ...] = (
    wire.decode_answer,
    wire.decode_greeting,
    wire.decode_texts,
    wire.decode_status,
    wire.decode_calibration,
    lambda data: wire.decode_frame(np.frombuffer(data, np.uint8)),
    lambda data: wire.ends_with_mark(np.frombuffer(data, np.uint8)),
)


@given(data=st.binary(max_size=600))
def test_arbitrary_bytes_are_read_or_a_violation(data: bytes) -> None:
    for decode in DECODERS:
        with contextlib.suppress(ProtocolViolation):
            decode(data)


@given(payload=st.binary(max_size=480), session=st.integers(1, 2**32 - 1), sequence=st.integers(0, 2**32 - 1))
def test_any_answer_is_read_back(payload: bytes, session: int, sequence: int) -> None:
    command = wire.encode_command(Code.STATUS, session, sequence, payload)
    order = layout.read_order(command)
    assert order == layout.Order(Code.STATUS, session, sequence, payload)
    answer = wire.decode_answer(layout.answer(order, 0, payload))
    assert answer == wire.Answer(Code.STATUS, Status.OK, session, sequence, payload)


@given(payload=st.binary(min_size=1, max_size=64), bit=st.integers(min_value=0))
def test_any_wrong_bit_of_an_answer_is_noticed(payload: bytes, bit: int) -> None:
    answer = bytearray(layout.answer(layout.Order(4, 5, 6, b""), 0, payload))
    bit %= 8 * len(answer)
    answer[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolViolation):
        wire.decode_answer(bytes(answer))


@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_any_wrong_bit_of_a_frame_is_noticed_or_stands_in_reserved_bytes(at: int, bit: int) -> None:
    before = int(WHOLE[at])
    WHOLE[at] ^= 1 << bit
    try:
        if at < 2_401_056:
            with pytest.raises(ProtocolViolation):
                wire.decode_frame(WHOLE)
        else:
            assert wire.decode_frame(WHOLE).sequence == 7
    finally:
        WHOLE[at] = before
