"""BER-TLV: one encoding of each value, and no length that lies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, content_of, encode_objects, only, read_objects

TAGS = st.one_of(
    st.integers(1, 0xFF).filter(lambda tag: tag & 0x1F != 0x1F),
    st.builds(
        lambda first, second: first << 8 | second, st.sampled_from((0x1F, 0x5F, 0x7F, 0xBF)), st.integers(0, 127)
    ),
)
OBJECTS = st.lists(st.builds(DataObject, TAGS, st.binary(max_size=300)), max_size=6)


@given(OBJECTS)
def test_objects_come_back_as_written(objects: list[DataObject]) -> None:
    assert list(read_objects(encode_objects(objects), "file")) == objects


@given(st.binary(max_size=64))
def test_any_octets_are_read_and_written_alike_or_refused(octets: bytes) -> None:
    try:
        objects = read_objects(octets, "file")
    except MalformedRecord:
        return
    assert encode_objects(objects) == octets


@given(st.builds(DataObject, TAGS, st.binary(max_size=300)), st.data())
def test_object_cut_anywhere_is_refused(written: DataObject, data: st.DataObject) -> None:
    octets = written.encode()
    with pytest.raises(MalformedRecord):
        content_of(octets[: data.draw(st.integers(0, len(octets) - 1))], written.tag, "file")


@pytest.mark.parametrize("octets", ["5380", "538100", "53817f", "5384ffffffff", "53850000000001", "1f8001", "", "53"])
def test_indefinite_long_and_lying_lengths_are_refused(octets: str) -> None:
    with pytest.raises(MalformedRecord):
        content_of(bytes.fromhex(octets), 0x53, "file")


def test_an_object_that_must_be_alone_is_refused_twice() -> None:
    once = DataObject(0x53, b"a")
    assert only((once, DataObject(0x54, b"")), (0x53,), "data", "file") is once
    with pytest.raises(MalformedRecord) as caught:
        only((once, once), (0x53,), "data", "file")
    assert caught.value.facts == {"field": "data", "found": 2}
