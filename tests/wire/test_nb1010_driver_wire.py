"""Messages of the NB-1010-U: golden bytes of the recording, and every malformed answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolViolation
from drivers.fingerprint.nb1010 import wire
from drivers.fingerprint.nb1010.wire import Code, Message

PRESENCE_ANSWER = bytes.fromhex("803701001000000000000000f7000000")
ACCEPTED_ANSWER = bytes.fromhex("80200400100000000000000003000000")


def rows_message(number: int = 1, pixels: bytes = bytes(range(256)) * 2) -> bytes:
    head = (
        bytes.fromhex("802100001c0200000000000000000000") + number.to_bytes(4, "little") + bytes.fromhex("0001000001")
    )
    return head + pixels + bytes(3)


def test_commands_are_the_recorded_bytes() -> None:
    assert wire.encode(wire.ASK_PRESENCE).hex() == "8038010008000000"
    assert wire.encode(wire.PREPARE).hex() == "800d03000c00000000040000"
    assert wire.encode(wire.CAPTURE).hex() == "8012040020000000" + "02" + "00" * 19 + "20000000"


def test_encoded_message_decodes_to_itself() -> None:
    message = wire.decode(wire.encode(wire.CAPTURE))
    assert (message.code, message.sequence, bytes(message.body)) == (Code.CAPTURE, 4, wire.CAPTURE.body)


def test_recorded_presence_is_247() -> None:
    answer = wire.decode_answer(PRESENCE_ANSWER, wire.ASK_PRESENCE, Code.PRESENCE)
    assert wire.decode_presence(answer) == 247


def test_unknown_code_is_kept_as_a_number() -> None:
    assert wire.decode(bytes.fromhex("8099010008000000")) == Message(0x99, 1, memoryview(b""))


def test_rows_are_two_of_256_pixels_as_they_came() -> None:
    rows = wire.decode_rows(rows_message(number=179), 178)
    assert rows.dtype == np.uint8
    assert np.array_equal(rows, np.tile(np.arange(256), (2, 1)))


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        (b"", "shorter than its header"),
        (PRESENCE_ANSWER[:7], "shorter than its header"),
        (b"\x00" + PRESENCE_ANSWER[1:], "does not start"),
        (PRESENCE_ANSWER[:-1], "another length"),
        (PRESENCE_ANSWER + b"\x00", "another length"),
        (ACCEPTED_ANSWER, "something else"),
        (PRESENCE_ANSWER[:2] + b"\x02" + PRESENCE_ANSWER[3:], "something else"),
        (rows_message(), "something else"),
    ],
)
def test_malformed_answer_is_a_protocol_violation(transfer: bytes, said: str) -> None:
    with pytest.raises(ProtocolViolation, match=said):
        wire.decode_answer(transfer, wire.ASK_PRESENCE, Code.PRESENCE)


def test_answer_too_short_for_a_presence_is_a_protocol_violation() -> None:
    answer = wire.decode(bytes.fromhex("803701000c00000000000000"))
    with pytest.raises(ProtocolViolation, match="without the presence"):
        wire.decode_presence(answer)


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        (ACCEPTED_ANSWER, "another message"),
        (rows_message()[:300], "another length"),
        (rows_message()[:4] + b"\x20\x00\x00\x00" + rows_message()[8:32], "not whole"),
        (rows_message(number=3), "out of order"),
        (rows_message(number=0), "out of order"),
    ],
)
def test_malformed_rows_are_a_protocol_violation(transfer: bytes, said: str) -> None:
    with pytest.raises(ProtocolViolation, match=said):
        wire.decode_rows(transfer, 0)


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_are_a_protocol_violation(transfer: bytes) -> None:
    for decode in (
        lambda: wire.decode_rows(transfer, 0),
        lambda: wire.decode_presence(wire.decode_answer(transfer, wire.ASK_PRESENCE, Code.PRESENCE)),
    ):
        try:
            decode()
        except ProtocolViolation:
            continue


@given(st.integers(0, len(rows_message()) - 1), st.integers(0, 255))
def test_rows_with_one_wrong_byte_decode_or_are_a_protocol_violation(place: int, value: int) -> None:
    transfer = bytearray(rows_message())
    transfer[place] = value
    try:
        rows = wire.decode_rows(bytes(transfer), 0)
    except ProtocolViolation:
        assert place < 20
    else:
        assert rows.shape == (2, 256)
