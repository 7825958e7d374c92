from __future__ import annotations

import hashlib
import math
import mmap
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.gallery import Gallery
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS
from enrollment.core.fingerprint.template import FingerprintTemplate

Impressions = list[list[FingerprintTemplate]]
Laid = Callable[..., FingerprintTemplate]

HEADER_BYTES = 128
TEMPLATES = 4
ROOM = TEMPLATES * MATCHING.most_minutiae
SECTIONS = np.cumsum(
    [HEADER_BYTES, 8 * ROOM, 8 * ROOM, 4 * ROOM, ROOM, ROOM * DIMENSIONS, TEMPLATES, TEMPLATES]
).tolist()
POINTS, HEADINGS, RELIABILITIES, KINDS, DESCRIPTORS, COUNTS, ID_LENGTHS, IDS = SECTIONS


@pytest.fixture(scope="module")
def probe(impressions: Impressions) -> FingerprintTemplate:
    return impressions[0][1]


@pytest.fixture(scope="module")
def gallery(impressions: Impressions, laid: Laid) -> Gallery:
    return Gallery(
        [impressions[0][0], laid([]), impressions[1][0], impressions[2][0]], ["p-1", None, "th\u1ee9-3", "x"]
    )


@pytest.fixture(scope="module")
def content(gallery: Gallery) -> bytes:
    return gallery.to_bytes()


def resealed(content: bytes | bytearray) -> bytes:
    """The same with its digest made right, as a forger would."""
    return bytes(content[:-32]) + hashlib.sha256(content[:-32]).digest()


def changed(content: bytes, offset: int, value: bytes) -> bytes:
    """Overwritten at an offset, with a right digest."""
    assert offset + len(value) <= len(content) - 32
    return resealed(content[:offset] + value + content[offset + len(value) :])


def read_or_refused(content: bytes, probe: FingerprintTemplate) -> bool:
    """What a fuzzer calls: bytes are refused by their error, or all that is done with them is sound."""
    try:
        gallery = Gallery.from_bytes(content)
    except MalformedRecord:
        return False
    for scores in (gallery.scores(probe), gallery.search(probe, kept_share=1.0).scores):
        assert scores.shape == (len(gallery),)
        assert np.isfinite(scores).all()
        assert (scores >= 0.0).all()
    assert len(gallery.ids) == len(gallery)
    assert gallery.to_bytes() == content
    return True


def test_what_was_written_reads_as_the_same(gallery: Gallery, content: bytes, probe: FingerprintTemplate) -> None:
    read = Gallery.from_bytes(content)
    assert read.ids == gallery.ids
    assert read.index_of("x") == 3
    assert np.array_equal(read.scores(probe), gallery.scores(probe))
    assert gallery.scores(probe)[0] > 1.0
    assert read.to_bytes() == content
    assert read_or_refused(content, probe)


def test_the_sections_lie_where_the_format_says(gallery: Gallery, content: bytes) -> None:
    assert content[:8] == b"EFPGAL\r\n"
    assert struct.unpack_from("<HHHHQQ", content, 8) == (1, MATCHING.most_minutiae, DIMENSIONS, 0, 4, 11)
    assert content[IDS : IDS + 11] == "p-1th\u1ee9-3x".encode()
    assert len(content) == IDS + 11 + 32
    assert content[COUNTS + 1] == 0


def test_an_empty_gallery_is_kept_too(probe: FingerprintTemplate) -> None:
    content = Gallery().to_bytes()
    assert len(content) == HEADER_BYTES + 32
    read = Gallery.from_bytes(content)
    assert len(read) == 0
    assert read.add(probe) == 0


def test_a_read_gallery_can_be_changed_and_the_bytes_are_not(
    content: bytes, impressions: Impressions, probe: FingerprintTemplate
) -> None:
    original = bytearray(content)
    longer, shorter = Gallery.from_bytes(memoryview(original)), Gallery.from_bytes(memoryview(original))
    longer.add(impressions[3][0], "new")
    shorter.remove(0)
    assert original == content
    assert shorter.ids == ("x", None, "th\u1ee9-3")
    assert np.array_equal(longer.scores(probe)[1:3], shorter.scores(probe)[1:])


def test_a_memory_map_is_read_in_place(content: bytes, tmp_path: Path, probe: FingerprintTemplate) -> None:
    path = tmp_path / "gallery"
    path.write_bytes(content)
    with path.open("rb") as file:
        read = Gallery.from_bytes(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    assert np.array_equal(read.scores(probe), Gallery.from_bytes(content).scores(probe))


def test_pieces_are_the_same_bytes_and_none_is_a_copy_of_all(gallery: Gallery, content: bytes) -> None:
    pieces = [bytes(piece) for piece in gallery.pieces()]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) == ROOM * DIMENSIONS


def test_every_flipped_bit_and_every_length_is_noticed(content: bytes) -> None:
    rng = np.random.default_rng(1)
    offsets = [*range(HEADER_BYTES), *rng.integers(0, len(content), 300).tolist(), *range(COUNTS, len(content))]
    for offset in offsets:
        damaged = bytearray(content)
        damaged[offset] ^= 1 << int(rng.integers(8))
        with pytest.raises(MalformedRecord):
            Gallery.from_bytes(bytes(damaged))
    for length in (*range(HEADER_BYTES + 40), *rng.integers(0, len(content), 100).tolist(), len(content) - 1):
        with pytest.raises(MalformedRecord):
            Gallery.from_bytes(content[:length])
    for tail in (b"\0", content):
        with pytest.raises(MalformedRecord):
            Gallery.from_bytes(content + tail)


@pytest.mark.parametrize("count", [0, 3, 5, 2**32, 2**63, 2**64 - 1])
@pytest.mark.parametrize("id_bytes", [0, 10, 12, 2**64 - 1])
def test_counts_that_lie_are_refused_before_anything_is_allocated(content: bytes, count: int, id_bytes: int) -> None:
    with pytest.raises(MalformedRecord):
        Gallery.from_bytes(changed(content, 16, struct.pack("<QQ", count, id_bytes)))


FLOATS = [math.nan, math.inf, -math.inf, 3e38, -3e38, 2e5, -1e-3, 1.5, 1e-3]


@pytest.mark.parametrize("value", FLOATS)
@pytest.mark.parametrize("section", [POINTS, POINTS + 4 * ROOM, HEADINGS, HEADINGS + 4 * ROOM, RELIABILITIES])
def test_a_number_that_no_template_has_is_refused_or_does_no_harm(
    content: bytes, probe: FingerprintTemplate, section: int, value: float
) -> None:
    read = read_or_refused(changed(content, section, struct.pack("<f", value)), probe)
    harmless = section in (POINTS, POINTS + 4 * ROOM) and abs(value) < 1e5
    harmless |= section == RELIABILITIES and 0.0 <= value <= 1.0
    assert read == harmless


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (KINDS, b"\x03"),
        (KINDS, b"\xff"),
        (DESCRIPTORS, b"\x7f" * DIMENSIONS),
        (DESCRIPTORS, b"\x80" * DIMENSIONS),
        (COUNTS, b"\x00"),
        (COUNTS, b"\x01"),
        (COUNTS, bytes([MATCHING.most_minutiae])),
        (COUNTS, bytes([MATCHING.most_minutiae + 1])),
        (COUNTS, b"\xff"),
        (POINTS + 4 * MATCHING.most_minutiae, b"\x00\x00\x80\x3f"),  # of the template that has no minutiae
        (DESCRIPTORS + DIMENSIONS * MATCHING.most_minutiae, b"\x01"),
        (ID_LENGTHS, b"\x02"),
        (ID_LENGTHS, b"\x04\x00\x05"),  # cuts a letter in two
        (IDS, b"\xff"),
        (8, b"\x02"),
        (10, b"\x10"),
        (12, b"\x10"),
        (14, b"\x01"),
        (32, b"\x00"),
        (100, b"\x01"),
    ],
)
def test_a_forged_value_is_refused_though_the_digest_is_right(content: bytes, offset: int, value: bytes) -> None:
    with pytest.raises(MalformedRecord):
        Gallery.from_bytes(changed(content, offset, value))


def test_one_id_twice_is_refused(impressions: Impressions) -> None:
    content = Gallery(impressions[0][:2], ["a", "b"]).to_bytes()
    with pytest.raises(MalformedRecord):
        Gallery.from_bytes(changed(content, len(content) - 33, b"a"))


@settings(max_examples=150, deadline=None)
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=16)), min_size=1, max_size=4))
def test_any_forged_edit_is_refused_or_does_no_harm(
    content: bytes, probe: FingerprintTemplate, edits: list[tuple[float, bytes]]
) -> None:
    forged = bytearray(content)
    for place, value in edits:
        start = round(place * (len(content) - 32 - len(value)))
        forged[start : start + len(value)] = value
    read_or_refused(resealed(forged), probe)


@settings(max_examples=200, deadline=None)
@given(anything=st.binary(max_size=400))
def test_anything_else_is_refused(anything: bytes, probe: FingerprintTemplate) -> None:
    assert not read_or_refused(anything, probe)
