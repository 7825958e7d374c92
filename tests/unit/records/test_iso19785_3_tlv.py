"""CBEFF headers: one encoding of each value, what is not known is kept, and nothing that lies is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.data_object import DataObject, read_objects
from enrollment.core.records.iso19785_3_tlv import (
    FINGER_IMAGE,
    SUBTYPES,
    BiometricInformationTemplate,
    decode_group,
    encode_group,
    wrap_finger,
)

OWNER_AND_TYPE = "8702 0101 8802 0007"


def template(header: str, *, rest: str = "5f2e 01 aa") -> bytes:
    """Put together by hand from the header's data objects and what follows it, all shorter than 128 octets."""
    fields, after = bytes.fromhex(header), bytes.fromhex(rest)
    body = bytes((0xA1, len(fields))) + fields + after
    return b"\x7f\x60" + bytes((len(body),)) + body


@pytest.mark.parametrize(
    ("position", "subtype"),
    [(1, 0x05), (2, 0x09), (3, 0x0D), (4, 0x11), (5, 0x15), (6, 0x06), (7, 0x0A), (8, 0x0E), (9, 0x12), (10, 0x16)],
)
def test_finger_has_the_subtype_of_its_hand_and_place(position: int, subtype: int) -> None:
    found = wrap_finger(b"x", FINGER_IMAGE, position=position)
    assert found.subtype == SUBTYPES[position] == subtype


@pytest.mark.parametrize("position", [0, 13, 14, 15])
def test_what_is_no_single_finger_has_no_subtype(position: int) -> None:
    assert wrap_finger(b"x", FINGER_IMAGE, position=position).subtype is None


@given(st.integers(0, 70_000))
def test_record_of_any_length_comes_back(length: int) -> None:
    written = wrap_finger(bytes(length), FINGER_IMAGE)
    assert BiometricInformationTemplate.decode(written.encode()).record == bytes(length)


@pytest.mark.parametrize(
    ("length", "octets"), [(127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65_536, "83010000")]
)
def test_length_takes_as_few_octets_as_it_can(length: int, octets: str) -> None:
    assert DataObject(0x53, bytes(length)).encode().startswith(bytes.fromhex("53" + octets))


def test_what_is_not_known_is_kept() -> None:
    data = template(OWNER_AND_TYPE + "90 02 abcd 9f22 01 ff", rest="5f2e 01 aa 53 01 bb")
    found = BiometricInformationTemplate.decode(data)
    assert (found.field(0x90), found.field(0x9F22), found.record) == (b"\xab\xcd", b"\xff", b"\xaa")
    assert (found.biometric_type, found.subtype) == (None, None)
    assert found.encode() == data


@pytest.mark.parametrize(
    "data",
    [
        template("8702 0101"),  # no type of the format
        template("8702 0101 8801 07"),  # of one octet
        template(OWNER_AND_TYPE + "8702 0101"),  # the owner twice
        template(OWNER_AND_TYPE + "8200"),  # a subtype of nothing
        template(OWNER_AND_TYPE + "8104 00000008"),  # a type of four octets
        template(OWNER_AND_TYPE, rest=""),  # no record
        template(OWNER_AND_TYPE, rest="5f2e 01 aa 7f2e 01 aa"),  # two
        template(OWNER_AND_TYPE, rest="a100 5f2e 01 aa"),  # two headers
        template(OWNER_AND_TYPE + "90 05 ab"),  # an object longer than the header
        template(OWNER_AND_TYPE, rest="5f2e 81 01 aa"),  # a length that is longer than it need be
        template(OWNER_AND_TYPE, rest="5f2e 80 aa 0000"),  # an indefinite one
        template(OWNER_AND_TYPE, rest="5f2e 85 0000000001 aa"),
        template(OWNER_AND_TYPE, rest="5f2e 84 ffffffff aa"),
        template(OWNER_AND_TYPE, rest="5f ae 81 01 aa"),  # a tag of three octets
        template(OWNER_AND_TYPE, rest="00 00 5f2e 01 aa"),  # a tag that is none
        b"\x7f\x61" + template(OWNER_AND_TYPE)[2:],  # a group
    ],
)
def test_template_that_lies_is_refused(data: bytes) -> None:
    assert BiometricInformationTemplate.decode(template(OWNER_AND_TYPE)).format == (0x0101, 7)
    with pytest.raises(MalformedRecord) as caught:
        BiometricInformationTemplate.decode(data)
    assert caught.value.facts


@pytest.mark.parametrize("count", ["", "020100", "020103", "02020002", "030102"])
def test_group_of_another_count_than_it_has_is_refused(count: str) -> None:
    one = wrap_finger(b"x", FINGER_IMAGE)
    assert decode_group(encode_group([one, one])) == (one, one)
    content = bytes.fromhex(count) + one.encode() * 2
    with pytest.raises(MalformedRecord):
        decode_group(DataObject(0x7F61, content).encode())


def test_group_of_something_else_is_refused() -> None:
    for inner in ("5301aa", "7f6000"):
        with pytest.raises(MalformedRecord):
            decode_group(DataObject(0x7F61, bytes.fromhex("020101" + inner)).encode())
    with pytest.raises(MalformedRecord):
        encode_group([])


@pytest.mark.parametrize("tag", [-1, 0, 0x1F, 0x5F, 0x100, 0x5FAE, 0x10000])
def test_tag_that_is_not_of_one_or_two_octets_is_not_written(tag: int) -> None:
    with pytest.raises(MalformedRecord):
        DataObject(tag, b"")


@given(st.binary(max_size=40))
def test_any_octets_are_data_objects_or_refused(data: bytes) -> None:
    try:
        objects = read_objects(data, "data objects")
    except MalformedRecord as error:
        facts = error.facts
    else:
        facts = {"read": 1}
        assert b"".join(found.encode() for found in objects) == data
    assert facts
