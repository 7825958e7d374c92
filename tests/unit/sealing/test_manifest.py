"""The manifest's rules, alike for who builds one and who decodes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields as fields_of
from typing import Any
from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedPackage
from enrollment.core.sealing.field_rules import IDENTIFIER, MAX_SEQUENCE, MAX_TIME_MS
from enrollment.core.sealing.manifest import (
    MAX_CLOCK_OFFSET_MS,
    MAX_MANIFEST_BYTES,
    MAX_OPERATORS,
    MAX_PART_BYTES,
    MAX_PARTS,
    MEDIA_TYPE,
    PART_NAME,
    Manifest,
    ManifestFields,
    Part,
)

MakeFields = Callable[..., ManifestFields]
DIGEST = bytes(range(32))
PART = Part(name="portrait", media_type="image/jpeg", length=7, sha256=DIGEST)

UUID7 = st.binary(min_size=16, max_size=16).map(
    lambda raw: UUID(bytes=raw[:6] + bytes([0x70 | raw[6] & 15, raw[7], 0x80 | raw[8] & 63]) + raw[9:])
)
IDENTIFIERS = st.from_regex(IDENTIFIER, fullmatch=True)
TIMES = st.integers(0, MAX_TIME_MS)
PARTS = st.builds(
    Part,
    name=st.from_regex(PART_NAME, fullmatch=True).filter(lambda text: len(text) <= 96),
    media_type=st.from_regex(MEDIA_TYPE, fullmatch=True).filter(lambda text: len(text) <= 127),
    length=st.integers(1, MAX_PART_BYTES),
    sha256=st.binary(min_size=32, max_size=32),
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    sequence = draw(st.just(1) | st.integers(1, MAX_SEQUENCE))
    return Manifest(
        package_id=draw(UUID7),
        dossier_id=draw(UUID7),
        station_id=draw(IDENTIFIERS),
        sequence=sequence,
        previous_digest=None if sequence == 1 else draw(st.binary(min_size=32, max_size=32)),
        procedure_id=draw(IDENTIFIERS),
        procedure_version=draw(IDENTIFIERS),
        operators=tuple(draw(st.lists(IDENTIFIERS, min_size=1, max_size=4, unique=True))),
        opened_at_ms=draw(TIMES),
        completed_at_ms=draw(TIMES),
        created_at_ms=draw(TIMES),
        clock_offset_ms=draw(st.none() | st.integers(-MAX_CLOCK_OFFSET_MS, MAX_CLOCK_OFFSET_MS)),
        recipient_key_id=draw(st.binary(min_size=32, max_size=32)),
        parts=tuple(draw(st.lists(PARTS, min_size=1, max_size=3, unique_by=lambda part: part.name))),
    )


def make_manifest(make_fields: MakeFields, **changes: Any) -> Manifest:
    plain = make_fields()
    values: dict[str, Any] = {field.name: getattr(plain, field.name) for field in fields_of(plain)}
    return Manifest(**(values | {"recipient_key_id": DIGEST, "parts": (PART,)} | changes))


@given(manifests())
def test_any_manifest_comes_back_from_its_bytes(manifest: Manifest) -> None:
    assert Manifest.decode(manifest.encode()) == manifest


@given(manifests(), st.data())
def test_a_changed_byte_gives_another_manifest_or_none(manifest: Manifest, data: st.DataObject) -> None:
    encoded = bytearray(manifest.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = Manifest.decode(bytes(encoded))
    except MalformedPackage:
        return
    assert changed != manifest
    assert changed.encode() == bytes(encoded)


@given(st.binary(max_size=300))
def test_random_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedPackage):
        Manifest.decode(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("package_id", UUID("01980000-0000-4000-8000-000000000001")),  # version 4
        ("package_id", UUID("01980000-0000-7000-0000-000000000001")),  # not the RFC's variant
        ("package_id", "01980000-0000-7000-8000-000000000001"),
        ("dossier_id", None),
        ("station_id", ""),
        ("station_id", "-leading"),
        ("station_id", "two words"),
        ("station_id", "line\n"),
        ("station_id", "Hà-Nội"),
        ("station_id", "x" * 65),
        ("station_id", b"HN-07"),
        ("sequence", 0),
        ("sequence", 1),  # the first package has no previous digest
        ("sequence", -1),
        ("sequence", True),
        ("sequence", 2.0),
        ("sequence", MAX_SEQUENCE + 1),
        ("previous_digest", None),  # only the first package has none
        ("previous_digest", b""),
        ("previous_digest", bytes(31)),
        ("previous_digest", "0" * 32),
        ("procedure_id", ""),
        ("procedure_version", 3),
        ("operators", ()),
        ("operators", ["op-17"]),
        ("operators", ("op-17", "op-17")),
        ("operators", ("op-17", ["op-3"])),
        ("operators", tuple(f"op-{number}" for number in range(MAX_OPERATORS + 1))),
        ("opened_at_ms", -1),
        ("opened_at_ms", MAX_TIME_MS + 1),
        ("completed_at_ms", None),
        ("created_at_ms", 1.5),
        ("clock_offset_ms", MAX_CLOCK_OFFSET_MS + 1),
        ("clock_offset_ms", -MAX_CLOCK_OFFSET_MS - 1),
        ("recipient_key_id", bytes(33)),
        ("parts", ()),
        ("parts", (PART, PART)),
        ("parts", [PART]),
    ],
)
def test_a_field_outside_its_rule_is_refused_by_name(make_fields: MakeFields, field: str, value: object) -> None:
    with pytest.raises(MalformedPackage) as caught:
        make_manifest(make_fields, **{field: value})
    assert caught.value.reason == "MALFORMED_PACKAGE"


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "Upper", "a b", ".hidden", "a/.hidden", "é", "x" * 97, "a\n"],
)
def test_a_part_name_that_is_no_safe_path_is_refused(name: str) -> None:
    with pytest.raises(MalformedPackage):
        Part(name=name, media_type="image/png", length=1, sha256=DIGEST)


@pytest.mark.parametrize("media_type", ["", "image", "image/", "/png", "Image/PNG", "image/png;", "a/b" + "c" * 125])
def test_a_media_type_of_another_form_is_refused(media_type: str) -> None:
    with pytest.raises(MalformedPackage):
        Part(name="portrait", media_type=media_type, length=1, sha256=DIGEST)


@pytest.mark.parametrize("length", [0, -1, MAX_PART_BYTES + 1])
def test_an_empty_or_oversized_part_is_refused(length: int) -> None:
    with pytest.raises(MalformedPackage):
        Part(name="portrait", media_type="image/png", length=length, sha256=DIGEST)


def test_the_most_parts_fit_into_a_manifest(make_fields: MakeFields) -> None:
    parts = tuple(
        Part(name=f"{number:096d}", media_type="a/" + "b" * 125, length=MAX_PART_BYTES, sha256=DIGEST)
        for number in range(MAX_PARTS)
    )
    manifest = make_manifest(make_fields, parts=parts)
    assert len(manifest.encode()) <= MAX_MANIFEST_BYTES
    assert Manifest.decode(manifest.encode()) == manifest
    one_more = Part(name="one-more", media_type="a/b", length=1, sha256=DIGEST)
    with pytest.raises(MalformedPackage):
        make_manifest(make_fields, parts=(*parts, one_more))


@pytest.mark.parametrize("key", range(1, 15))
def test_a_missing_key_is_malformed(make_fields: MakeFields, key: int) -> None:
    fields = cbor2.loads(make_manifest(make_fields).encode())
    del fields[key]
    with pytest.raises(MalformedPackage):
        Manifest.decode(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize("key", [0, 15, -1])
def test_an_unknown_key_is_malformed(make_fields: MakeFields, key: int) -> None:
    fields = cbor2.loads(make_manifest(make_fields).encode()) | {key: 1}
    with pytest.raises(MalformedPackage, match="unknown"):
        Manifest.decode(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_version_is_malformed(make_fields: MakeFields, version: object) -> None:
    fields = cbor2.loads(make_manifest(make_fields).encode()) | {1: version}
    with pytest.raises(MalformedPackage, match="version"):
        Manifest.decode(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize("key", range(1, 15))
@pytest.mark.parametrize("value", [None, -1, b"x", "é", [], [[]], [[1, 2, 3, 4]], {}, {1: 1}])
def test_a_key_of_another_type_is_malformed(make_fields: MakeFields, key: int, value: object) -> None:
    encoded = make_manifest(make_fields).encode()
    changed = cbor2.dumps(cbor2.loads(encoded) | {key: value}, canonical=True)
    if key == 12 and value in (None, -1):  # a clock offset may be both
        assert Manifest.decode(changed).clock_offset_ms == value
        return
    with pytest.raises(MalformedPackage):
        Manifest.decode(changed)
