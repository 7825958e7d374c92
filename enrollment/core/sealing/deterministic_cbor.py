"""Deterministic CBOR, cut down to what the package format uses.

One value has one encoding, and only that encoding is read: RFC 8949 section 4.2.1 (definite lengths, shortest heads,
map keys in bytewise order). Allowed are integers, byte strings, text strings, null, arrays, and maps whose keys are
integers -24..23: such keys are one byte each, so that cbor2's order (length first, RFC 8949 section 4.2.3) and the
bytewise order are the same. Tags, floats, booleans and indefinite lengths are refused before cbor2 sees them: its tag
decoders build dates, big decimals and regular expressions from what a stranger sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import cbor2

from enrollment.core.errors import MalformedPackage

CborValue: TypeAlias = "int | bytes | str | Sequence[CborValue] | dict[int, CborValue] | None"

MAX_DEPTH: Final = 6  # containers within containers; the deepest document (a key file) uses 4
VERSION_KEY: Final = 1  # of every document's map
SMALLEST_KEY: Final = -24
LARGEST_KEY: Final = 23

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(2, 8)  # major types, RFC 8949 section 3.1
_NULL: Final = 0xF6


def encode(value: CborValue) -> bytes:
    """Encode in the one deterministic form; the value must be of the types above."""
    _check_keys(value, "a value to encode")
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, what: str, max_bytes: int) -> object:
    """Decode exactly one item that is in its deterministic form.

    what: names the thing in error texts, such as "a manifest".
    Raises MalformedPackage for anything longer than max_bytes, truncated, trailing, deeper than MAX_DEPTH, not
    deterministic, or of another type. Time and memory are linear in the length of the data.
    """
    if len(data) > max_bytes:
        raise MalformedPackage(f"{what} of {len(data)} bytes is longer than {max_bytes}", length=len(data))
    _check_heads(data, what)
    try:
        value: object = cbor2.loads(data, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise MalformedPackage(f"{what} is not well-formed CBOR") from error
    _check_keys(value, what)
    if cbor2.dumps(value, canonical=True) != data:
        raise MalformedPackage(f"{what} is not in deterministic CBOR")
    return value


def decode_fields(data: bytes, *, what: str, max_bytes: int, version: int, keys: int) -> dict[int, Any]:
    """Decode a map whose keys are 1 to `keys`, of which VERSION_KEY holds `version`. Raises MalformedPackage."""
    fields = decode(data, what=what, max_bytes=max_bytes)
    if not isinstance(fields, dict) or fields.get(VERSION_KEY) != version:
        raise MalformedPackage(f"{what} must be a map of version {version}")
    wanted = set(range(1, keys + 1))
    if fields.keys() != wanted:
        raise MalformedPackage(f"{what} has missing or unknown keys", missing=len(wanted - fields.keys()))
    return fields


def _check_heads(data: bytes, what: str) -> None:
    """Walk the item heads, so that cbor2 only ever meets plain, bounded data."""
    missing = [1]  # items still to come, one count a level
    at = 0
    while missing:
        if missing[-1] == 0:
            missing.pop()
            continue
        missing[-1] -= 1
        if at >= len(data):
            raise MalformedPackage(f"{what} is truncated", length=len(data))
        head = data[at]
        at += 1
        if head == _NULL:
            continue
        major, additional = head >> 5, head & 0x1F
        if major in (_TAG, _SIMPLE):
            raise MalformedPackage(f"{what} holds a CBOR type that is not allowed", head=head, offset=at - 1)
        if additional > 27:  # 28..30 are reserved, 31 is an indefinite length
            raise MalformedPackage(f"{what} holds an indefinite or reserved length", head=head, offset=at - 1)
        argument = additional
        if additional > 23:
            width = 1 << (additional - 24)
            argument = int.from_bytes(data[at : at + width], "big")
            at += width
        if major in (_BYTES, _TEXT):
            at += argument
        elif major in (_ARRAY, _MAP):
            items = argument * 2 if major == _MAP else argument
            if items > len(data) - at:  # every item takes a byte at least
                raise MalformedPackage(f"{what} is truncated", length=len(data))
            if len(missing) > MAX_DEPTH:
                raise MalformedPackage(f"{what} is nested deeper than {MAX_DEPTH}", offset=at)
            missing.append(items)
    if at != len(data):
        raise MalformedPackage(f"{what} ends at byte {at} of {len(data)}", length=len(data), end=at)


def _check_keys(value: object, what: str) -> None:
    """Refuse map keys whose order depends on which canonical form is meant. Recursion is bounded by MAX_DEPTH."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not int or not SMALLEST_KEY <= key <= LARGEST_KEY:
                raise MalformedPackage(f"{what} has a map key that is not an integer {SMALLEST_KEY}..{LARGEST_KEY}")
            _check_keys(item, what)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_keys(item, what)
