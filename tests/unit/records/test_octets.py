"""Bounded octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.octets import OctetReader, OctetWriter
from enrollment.core.records.resolution import ppcm_from_ppi, ppi_from_ppcm


@given(st.lists(st.integers(1, 6).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, 256**width - 1)))))
def test_numbers_come_back_as_written(numbers: list[tuple[int, int]]) -> None:
    writer = OctetWriter("test")
    for width, value in numbers:
        writer.unsigned(value, width, "number")
    reader = OctetReader(writer.encoded(), "test")
    assert [reader.unsigned(width, "number") for width, _ in numbers] == [value for _, value in numbers]
    reader.expect_end()


@pytest.mark.parametrize("value", [-1, 256, 1 << 70])
def test_number_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(MalformedRecord) as caught:
        OctetWriter("test").unsigned(value, 1, "quality")
    assert caught.value.facts["field"] == "quality"


def test_reading_past_the_end_says_where_and_how_much() -> None:
    reader = OctetReader(b"abcde", "test")
    reader.take(3, "start")
    with pytest.raises(MalformedRecord) as caught:
        reader.unsigned(4, "length")
    assert caught.value.facts == {"field": "length", "offset": 3, "needed": 4, "remaining": 2}


def test_what_follows_the_end_is_refused() -> None:
    reader = OctetReader(b"abc", "test")
    reader.expect(b"ab", "start")
    with pytest.raises(MalformedRecord) as caught:
        reader.expect_end()
    assert caught.value.facts == {"offset": 2, "remaining": 1}


@pytest.mark.parametrize(("ppi", "ppcm"), [(500.0, 197), (1000.0, 394), (250.0, 98), (512.0, 202)])
def test_resolution_is_written_in_whole_pixels_a_centimetre(ppi: float, ppcm: int) -> None:
    assert ppcm_from_ppi(ppi) == ppcm
    assert ppi_from_ppcm(ppcm) == pytest.approx(ppi, abs=2.54 / 2)


def test_standard_resolution_comes_back_exactly() -> None:
    assert ppi_from_ppcm(197) == 500.0
    assert ppi_from_ppcm(202) == pytest.approx(202 * 2.54)
