"""Request fields: what is within bounds comes back, all else is refused with the field's name and not its value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from enrollment.service.rpc import requests
from enrollment.service.rpc.errors import MalformedRequest

SECRET = "Nguyễn Văn Bí Mật"


@pytest.mark.parametrize(
    "read",
    [
        lambda: requests.uuid_id("", "f"),
        lambda: requests.uuid_id(SECRET, "f"),
        lambda: requests.uuid_id("0" * 32, "f"),
        lambda: requests.uuid_id("{01890000-0000-7000-8000-0000000000}", "f"),
        lambda: requests.uuid_id("x" * 1_000_000, "f"),
        lambda: requests.name("", "f"),
        lambda: requests.name("a\nb", "f"),
        lambda: requests.name("a\0b", "f"),
        lambda: requests.name("x" * 201, "f"),
        lambda: requests.words("", "f", required=True),
        lambda: requests.words(" \n ", "f", required=True),
        lambda: requests.words("x" * 201, "f"),
        lambda: requests.words("a\x1b[31m", "f"),
        lambda: requests.whole(1, "f", low=64, high=1920, default=480),
        lambda: requests.whole(1921, "f", low=64, high=1920, default=480),
        lambda: requests.seconds(Duration(seconds=-1), "f", low=0, high=9),
        lambda: requests.seconds(Duration(nanos=-1), "f", low=0, high=9),
        lambda: requests.seconds(Duration(seconds=10), "f", low=0, high=9),
        lambda: requests.seconds(Duration(seconds=2**62), "f", low=0, high=9),
        lambda: requests.seconds(Duration(seconds=1, nanos=-500_000_000), "f", low=0, high=9),
        lambda: requests.seconds(Duration(nanos=2_000_000_000), "f", low=0, high=9),
        lambda: requests.choice(99, "f", {1: "a"}),
    ],
)
def test_a_field_out_of_bounds_is_refused_by_its_name(read: Callable[[], object]) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read()
    assert refused.value.facts["field"] == "f"
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("number", [0, -1, 11, 12, 16, 2**31 - 1])
def test_a_number_that_is_no_position_is_refused(number: int) -> None:
    with pytest.raises(MalformedRequest):
        requests.position(number)


@pytest.mark.parametrize("number", [0, 13, 14, 15, -5])
def test_a_group_of_fingers_is_no_single_finger(number: int) -> None:
    with pytest.raises(MalformedRequest):
        requests.single_finger(number)


@pytest.mark.parametrize("read", [requests.impression, requests.absence])
def test_an_unknown_enum_value_is_refused(read: Callable[[int], object]) -> None:
    with pytest.raises(MalformedRequest):
        read(77)


def test_fields_within_bounds_come_back_as_they_are_meant() -> None:
    wanted = "01890000-0000-7000-8000-00000000000a"
    assert requests.uuid_id(wanted.upper(), "f") == wanted
    assert requests.name("uru4000-{45000000}", "f") == "uru4000-{45000000}"
    assert requests.name("", "f", required=False) == ""
    assert requests.words("  bàn tay bó bột\n", "f") == "bàn tay bó bột"
    assert requests.whole(0, "f", low=64, high=1920, default=480) == 480
    assert requests.whole(64, "f", low=64, high=1920, default=480) == 64
    assert requests.page_size(0, 50) == 50
    assert requests.page_size(500, 50) == 500
    assert requests.seconds(Duration(seconds=1, nanos=500_000_000), "f", low=0, high=9) == 1.5
    assert requests.position(15) == 15
    assert requests.impression(0) is None
    assert requests.impression(2) == "rolled"
    assert requests.choice(0, "f", {1: "a"}) is None
    assert requests.choice(1, "f", {1: "a"}) == "a"


def test_a_missing_request_id_is_made_up_anew_each_time() -> None:
    assert requests.request_id("") != requests.request_id("")


def test_demographics_are_bounded_in_number_and_length() -> None:
    assert requests.demographics({"full_name": SECRET}) == {"full_name": SECRET}
    for too_much in ({f"f{number}": "" for number in range(65)}, {"full_name": "x" * 2001}, {"x" * 201: ""}):
        with pytest.raises(MalformedRequest) as refused:
            requests.demographics(too_much)
        assert refused.value.facts["field"] == "demographics"


def test_a_page_that_is_too_large_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        requests.page_size(501, 50)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_duration_is_either_within_bounds_or_refused(seconds: int, nanos: int) -> None:
    duration = Duration(seconds=seconds, nanos=nanos)
    try:
        read = requests.seconds(duration, "f", low=0.1, high=600)
    except MalformedRequest:
        return
    assert 0.1 <= read <= 600


@given(st.text(max_size=300))
def test_any_text_is_either_a_canonical_uuid_or_refused(text: str) -> None:
    try:
        read = requests.uuid_id(text, "f")
    except MalformedRequest:
        return
    assert len(read) == 36
    assert read == read.lower()
