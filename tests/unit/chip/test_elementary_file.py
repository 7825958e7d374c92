"""A file's own header is believed within its bounds only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.elementary_file import HEADER_OCTETS, MAX_FILE_OCTETS, declared_octets, value_of
from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject


@given(st.integers(0, 40_000))
def test_length_is_told_by_the_first_octets(length: int) -> None:
    octets = DataObject(0x75, bytes(length)).encode()
    assert declared_octets(octets[:HEADER_OCTETS], 0x75, "EF.DG2") == len(octets)
    assert value_of(octets, 0x75, "EF.DG2") == bytes(length)


@pytest.mark.parametrize(
    "start", ["", "61", "6182", "618200", "7583000000", "6184ffffffff", "6183010000", "6180", "619f"]
)
def test_lying_header_is_refused_before_anything_is_read(start: str) -> None:
    with pytest.raises(MalformedRecord):
        declared_octets(bytes.fromhex(start), 0x61, "EF.DG1")


def test_file_over_its_bound_is_refused() -> None:
    octets = DataObject(0x61, bytes(93)).encode()
    assert declared_octets(octets, 0x61, "EF.DG1", most=95) == 95
    with pytest.raises(MalformedRecord) as caught:
        declared_octets(octets, 0x61, "EF.DG1", most=94)
    assert caught.value.facts["field"] == "file length"
    with pytest.raises(MalformedRecord):
        value_of(bytes(MAX_FILE_OCTETS + 1), 0x61, "EF.DG1")


@pytest.mark.parametrize("change", [b"\0", b""])
def test_file_with_an_octet_too_many_or_too_few_is_refused(change: bytes) -> None:
    octets = DataObject(0x61, b"abc").encode()
    with pytest.raises(MalformedRecord):
        value_of(octets + change if change else octets[:-1], 0x61, "EF.DG1")
