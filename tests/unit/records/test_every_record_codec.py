"""What holds for every record format: nothing is lost either way, and no octets do harm."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from tests.unit.records.record_strategies import CODECS, Codec

LENGTHS = {name: codec for name, codec in CODECS.items() if codec.header_octets > 8}  # the others' are nested

every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())


@every_codec
@settings(max_examples=60)
@given(data=st.data())
def test_value_comes_back_as_written(codec: Codec, data: st.DataObject) -> None:
    value = data.draw(codec.values)
    octets = codec.encode(value)
    back = codec.decode(octets)
    assert back == value
    assert codec.encode(back) == octets


def read_or_refused(codec: Codec, data: bytes) -> Any:
    """The record; None where it is refused, with facts."""
    try:
        return codec.decode(data)
    except MalformedRecord as error:
        refusal = error
    assert refusal.facts
    return None


def changed(octets: bytes, choice: random.Random) -> bytes:
    """With a few octets overwritten, put in, taken out or doubled."""
    mutable = bytearray(octets)
    for _ in range(choice.randint(1, 4)):
        at, length = choice.randrange(len(mutable) + 1), choice.randrange(1, 5)
        match choice.randrange(4):
            case 0:
                mutable[at : at + length] = choice.randbytes(min(length, len(mutable) - at))
            case 1:
                mutable[at:at] = choice.randbytes(length)
            case 2:
                del mutable[at : at + length]
            case _:
                mutable[at:at] = mutable[at : at + length]
    return bytes(mutable)


@every_codec
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), honest=st.booleans())
def test_mutated_octets_are_read_whole_or_refused(codec: Codec, seed: int, honest: bool) -> None:
    choice = random.Random(seed)  # noqa: S311  (the seed is hypothesis's, so that it shrinks)
    octets = changed(codec.encode(codec.example), choice)
    if honest and codec.header_octets > 8:  # the length that a record declares is put right: the rest must be judged
        length = len(octets).to_bytes(codec.header_octets - 8, "big")
        octets = octets[:8] + length + octets[codec.header_octets :]
    record = read_or_refused(codec, octets)
    assert record is None or codec.encode(record) == octets


@every_codec
def test_every_truncation_is_refused(codec: Codec) -> None:
    octets = codec.encode(codec.example)
    for length in range(len(octets)):
        with pytest.raises(MalformedRecord):
            codec.decode(octets[:length])


@pytest.mark.parametrize("codec", LENGTHS.values(), ids=LENGTHS.keys())
def test_every_truncation_with_an_honest_length_is_refused(codec: Codec) -> None:
    octets = codec.encode(codec.example)
    for length in range(codec.header_octets, len(octets)):
        declared = length.to_bytes(codec.header_octets - 8, "big")
        with pytest.raises(MalformedRecord):
            codec.decode(octets[:8] + declared + octets[codec.header_octets : length])


@every_codec
def test_trailing_octets_are_refused(codec: Codec) -> None:
    octets = codec.encode(codec.example)
    for extra in (b"\0", octets):
        with pytest.raises(MalformedRecord):
            codec.decode(octets + extra)


@every_codec
def test_every_single_octet_change_is_read_whole_or_refused(codec: Codec) -> None:
    octets = codec.encode(codec.example)
    refused = 0
    for at in range(len(octets)):
        was = octets[at]
        for value in {*(was ^ 1 << bit for bit in range(8)), (was + 1) % 256, (was - 1) % 256, 0, 1, 0x7F, 0xFE, 0xFF}:
            data = octets[:at] + bytes((value,)) + octets[at + 1 :]
            record = read_or_refused(codec, data)
            refused += record is None
            assert record is None or codec.encode(record) == data
    assert refused > 0


@every_codec
def test_octets_that_promise_gigabytes_are_refused_in_little_memory(codec: Codec) -> None:
    octets = codec.encode(codec.example)
    tracemalloc.start()
    try:
        for at in range(codec.header_octets, len(octets) - 4):
            data = octets[:at] + b"\xff\xff\xff\xff" + octets[at + 4 :]
            record = read_or_refused(codec, data)
            assert record is None or codec.encode(record) == data
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@every_codec
def test_empty_and_foreign_octets_are_refused(codec: Codec) -> None:
    for data in (b"", b"\0" * 100, b"\xff" * 100, b"%PDF-1.7\n" * 10):
        with pytest.raises(MalformedRecord):
            codec.decode(data)


@every_codec
def test_repr_shows_no_pixel_and_no_minutia(codec: Codec) -> None:
    shown = repr(codec.example)
    assert "Minutia(" not in shown
    assert "abcdef" not in shown
    assert "vendor'" not in shown
