"""The one encoding of a value, and everything else refused in bounded time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing import deterministic_cbor as cbor

LEAVES = (
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40) | st.none()
)  # every type the format uses
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(-24, 23), inner, max_size=5)
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(VALUES.filter(lambda value: depth(value) <= cbor.MAX_DEPTH))
def test_any_allowed_value_comes_back_from_its_encoding(value: Any) -> None:
    assert cbor.decode(cbor.encode(value), what="a value", max_bytes=1 << 20) == value


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_their_only_encoding_or_are_malformed(data: bytes) -> None:
    try:
        value = cbor.decode(data, what="a value", max_bytes=100)
    except MalformedPackage:
        return
    assert cbor.encode(value) == data  # type: ignore[arg-type]


def test_map_keys_are_written_in_bytewise_order() -> None:
    keys = range(cbor.SMALLEST_KEY, cbor.LARGEST_KEY + 1)
    encoded_keys = [cbor.encode(key) for key in sorted(keys, key=cbor.encode)]
    assert cbor.encode(dict.fromkeys(keys)) == b"\xb8\x30" + b"".join(key + b"\xf6" for key in encoded_keys)


@pytest.mark.parametrize(
    ("name", "hexadecimal"),
    [
        ("empty", ""),
        ("truncated head", "19"),
        ("truncated bytes", "43ab"),
        ("truncated map", "a201"),
        ("second item after the first", "0102"),
        ("integer not in its shortest form", "1801"),
        ("length not in its shortest form", "580100"),
        ("map keys out of order", "a202010102"),
        ("duplicate keys", "a201010102"),
        ("indefinite array", "9f01ff"),
        ("indefinite map", "bf0101ff"),
        ("indefinite bytes", "5f4101ff"),
        ("indefinite text", "7f6161ff"),
        ("lonely break", "ff"),
        ("reserved length", "1c"),
        ("array of 2**64 - 1", "9bffffffffffffffff"),
        ("map of 2**63", "bb8000000000000000"),
        ("bytes of 2**64 - 1", "5bffffffffffffffff"),
        ("text of 4 GB", "7affffffff"),
        ("array of 4 billion, nested", "9affffffff9affffffff"),
        ("half NaN", "f97e00"),
        ("double NaN", "fb7ff8000000000000"),
        ("float", "fb3ff8000000000000"),
        ("true", "f5"),
        ("undefined", "f7"),
        ("simple value", "f820"),
        ("date tag", "c11a00000000"),
        ("big number tag", "c249010000000000000000"),
        ("decimal with a giant exponent", "c4821a7fffffff01"),
        ("big float with a giant exponent", "c5821a7fffffff01"),
        ("regular expression tag", "d82364282b2b29"),
        ("shared value tag", "d81c81d81d00"),
        ("self-describe tag", "d9d9f701"),
        ("text that is not UTF-8", "61ff"),
        ("text with a surrogate", "63eda080"),
        ("text key", "a1616101"),
        ("null key", "a1f601"),
        ("array key", "a18001"),
        ("key beyond one byte", "a1181801"),
        ("100 levels", "81" * 100 + "01"),
        ("100,000 levels", "81" * 100_000 + "01"),
        ("100,000 levels of maps", "a101" * 100_000),
    ],
)
def test_hostile_encodings_are_malformed(name: str, hexadecimal: str) -> None:
    with pytest.raises(MalformedPackage):
        cbor.decode(bytes.fromhex(hexadecimal), what=name, max_bytes=1 << 20)


def test_nesting_is_allowed_up_to_its_limit_and_no_further() -> None:
    deepest = b"\x81" * cbor.MAX_DEPTH + b"\x01"
    assert depth(cbor.decode(deepest, what="a value", max_bytes=100)) == cbor.MAX_DEPTH
    with pytest.raises(MalformedPackage, match="deeper"):
        cbor.decode(b"\x81" + deepest, what="a value", max_bytes=100)


def test_longer_than_allowed_is_malformed_before_it_is_read() -> None:
    with pytest.raises(MalformedPackage, match="longer than 4"):
        cbor.decode(b"\x44abcd", what="a value", max_bytes=4)


def test_keys_whose_order_would_be_ambiguous_are_not_encoded() -> None:
    with pytest.raises(MalformedPackage):
        cbor.encode({100: 1, -1: 2})
