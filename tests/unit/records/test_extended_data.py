"""Extended data: what areas mean comes back as written, and what they cannot mean is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.image_extended import Annotations, Comment, Segment, Segmentation
from enrollment.core.records.minutiae_extended import CoresAndDeltas, RidgeCount, RidgeCounts, Singularity, ZonalQuality

octet = st.integers(0, 255)
number = st.integers(0, 0xFFFF)
WIDTH, HEIGHT = 300, 200
xs, ys = st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)


def singularities(angles: int) -> st.SearchStrategy[tuple[Singularity, ...]]:
    drawn = st.just(()) | st.tuples(*[octet] * angles)
    return st.lists(st.builds(Singularity, xs, ys, drawn), max_size=15).map(tuple)


@given(octet, st.lists(st.builds(RidgeCount, st.integers(0, 9), st.integers(0, 9), octet), max_size=9).map(tuple))
def test_ridge_counts_come_back_as_written(method: int, counts: tuple[RidgeCount, ...]) -> None:
    written = RidgeCounts(method, counts)
    assert RidgeCounts.decode(written.area().content, minutiae=10) == written


def test_ridge_count_that_was_not_found_needs_no_second_minutia() -> None:
    written = RidgeCounts(1, (RidgeCount(0, 255, 255),))
    assert RidgeCounts.decode(written.area().content, minutiae=1) == written


@given(singularities(1), singularities(3))
def test_cores_and_deltas_come_back_as_written(cores: tuple[Singularity, ...], deltas: tuple[Singularity, ...]) -> None:
    written = CoresAndDeltas(cores, deltas)
    assert CoresAndDeltas.decode(written.area().content, WIDTH, HEIGHT) == written


@given(
    st.integers(1, 8),
    st.integers(20, 255),
    st.integers(20, 255),
    st.none() | st.tuples(number, number),
    st.integers(0, 2**32 - 1),
)
def test_zonal_quality_comes_back_as_written(
    bits: int, zone_width: int, zone_height: int, algorithm: tuple[int, int] | None, seed: int
) -> None:
    shape = -(-HEIGHT // zone_height), -(-WIDTH // zone_width)
    zones = np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=np.uint8)
    written = ZonalQuality(zones, zone_width, zone_height, bits, algorithm)
    content = written.area().content
    back = ZonalQuality.decode(content, WIDTH, HEIGHT, with_algorithm=algorithm is not None)
    assert np.array_equal(back.zones, zones)
    assert (back.zone_width, back.zone_height, back.bits, back.algorithm) == (zone_width, zone_height, bits, algorithm)
    assert back.area().content == content


segments = st.builds(
    Segment,
    position=octet,
    corners=st.lists(st.tuples(xs, ys), min_size=2, max_size=5).map(tuple),
    confidence=octet,
    orientation=octet,
)


@given(
    st.builds(
        Segmentation,
        st.lists(segments, max_size=4).map(tuple),
        st.tuples(number, number),
        octet,
        st.tuples(number, number),
    )
)
def test_segmentation_comes_back_as_written(written: Segmentation) -> None:
    assert Segmentation.decode(written.area().content, WIDTH, HEIGHT) == written


@given(st.lists(st.tuples(octet, octet), max_size=5).map(tuple))
def test_annotations_come_back_as_written(absent: tuple[tuple[int, int], ...]) -> None:
    assert Annotations.decode(Annotations(absent).area().content) == Annotations(absent)


def test_comment_comes_back_as_written_and_is_not_shown() -> None:
    written = Comment("mờ, khô")
    assert Comment.decode(written.area().content) == written
    assert "khô" not in repr(written)


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "ridge counts": lambda content: RidgeCounts.decode(content, minutiae=3),
    "cores and deltas": lambda content: CoresAndDeltas.decode(content, WIDTH, HEIGHT),
    "zonal quality of 2005": lambda content: ZonalQuality.decode(content, WIDTH, HEIGHT, with_algorithm=False),
    "zonal quality of 2011": lambda content: ZonalQuality.decode(content, WIDTH, HEIGHT, with_algorithm=True),
    "segmentation": lambda content: Segmentation.decode(content, WIDTH, HEIGHT),
    "annotation": Annotations.decode,
    "comment": Comment.decode,
}


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS.keys())
@given(content=st.binary(max_size=60))
def test_any_content_is_read_whole_or_refused(decode: Callable[[bytes], Any], content: bytes) -> None:
    try:
        found = decode(content)
    except MalformedRecord as error:
        facts = error.facts
    else:
        facts = {"read": 1}
        assert found.area().content == content
    assert facts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ridge counts", ""),
        ("ridge counts", "00 0001"),  # a pair without its count
        ("ridge counts", "00 000301"),  # minutia 3 of three
        ("ridge counts", "00 ff0101"),
        ("cores and deltas", "10" + "00000000" * 16 + "00"),  # sixteen cores
        ("cores and deltas", "01 012c0000 00"),  # x = 300 of 300
        ("cores and deltas", "01 80000000 00"),  # a reserved form
        ("cores and deltas", "01 00000000"),  # no word of deltas
        ("cores and deltas", "00 01 40000000 0000"),  # a delta with two angles
        ("zonal quality of 2005", "00 20 08"),  # zones of no width
        ("zonal quality of 2005", "ff ff 09" + "00" * 3),  # nine bits
        ("zonal quality of 2005", "ff ff 01 30"),  # of two zones, three are set
        ("zonal quality of 2005", "01 01 08"),  # 60,000 zones that are not there
        ("segmentation", "0000 0000 fe 0000 0000 01 02 50 01 0000 0000 00"),  # one corner
        ("segmentation", "0000 0000 fe 0000 0000 01 02 50 02 0000 0000 012d 0000 00"),  # x = 301 of 300
        ("segmentation", "0000 0000 fe 0000 0000 ff"),  # segments that are not there
        ("annotation", "02 0501"),
        ("comment", "ff"),
    ],
)
def test_content_that_lies_is_refused(name: str, content: str) -> None:
    with pytest.raises(MalformedRecord) as caught:
        DECODERS[name](bytes.fromhex(content))
    assert caught.value.facts


def test_comment_that_is_no_text_is_refused() -> None:
    with pytest.raises(MalformedRecord):
        Comment("\ud800").area()
    with pytest.raises(MalformedRecord):
        Comment("a" * 65_532).area()
