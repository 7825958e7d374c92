"""EF.COM: written as the standard draws it, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.chip.ef_com import DATA_GROUP_TAGS, CommonData
from enrollment.core.errors import MalformedRecord


def test_files_of_the_card_have_the_tags_of_the_standard() -> None:
    assert [DATA_GROUP_TAGS[number] for number in (1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16)] == [
        *(0x61, 0x75, 0x63, 0x76, 0x65, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70),
    ]


def test_card_of_six_data_groups_is_written_octet_for_octet() -> None:
    octets = CommonData((1, 2, 3, 13, 14, 15)).encode()
    assert octets.hex() == "60185f0104303130375f36063034303030305c066175636d6e6f"


@given(st.lists(st.integers(1, 16), unique=True))
def test_any_data_groups_come_back_in_their_order(numbers: list[int]) -> None:
    common = CommonData(tuple(numbers))
    assert CommonData.decode(common.encode()) == common


@given(st.binary(max_size=40))
def test_any_octets_are_read_and_written_alike_or_refused(content: bytes) -> None:
    octets = b"\x60" + bytes((len(content),)) + content
    try:
        common = CommonData.decode(octets)
    except MalformedRecord:
        return
    assert common.encode() == octets


@pytest.mark.parametrize(
    "octets",
    [
        "60145f0104303130375f36063034303030305c0161",  # cut
        "60135f0104303130375f36063034303030305c0162",  # no data group has this tag
        "60145f0104303130375f36063034303030305c026161",  # one twice
        "60135f0104303130fe5f36063034303030305c0161",  # no digit
        "600d5f0104303130375c046175636d",  # one version only
    ],
)
def test_file_that_lies_is_refused(octets: str) -> None:
    with pytest.raises(MalformedRecord):
        CommonData.decode(bytes.fromhex(octets))
