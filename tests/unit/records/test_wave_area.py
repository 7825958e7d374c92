"""The ridges between the minutiae, as a vendor's extended data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint import FingerprintTemplate, WaveMap, compare
from enrollment.core.records import iso19794_2_2005 as minutiae_record
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.wave_area import WAVE_AREA_TYPE, wave_areas, waves_among


def recorded(of: FingerprintTemplate, *, with_waves: bool) -> FingerprintTemplate:
    """The template after a record."""
    record = minutiae_record.record_from_template(of, position=2, impression=0, quality=80, with_waves=with_waves)
    return minutiae_record.template_from_record(minutiae_record.FingerMinutiaeRecord.decode(record.encode()))


def waves(rows: int = 6, cols: int = 5, seed: int = 1) -> WaveMap:
    cells = np.random.default_rng(seed).integers(0, 256, (rows, cols, 4)).astype(np.uint8)
    return WaveMap(cells, (31.25, -6.5), (13.25, 13.5))


def template(of: WaveMap | None) -> FingerprintTemplate:
    rng = np.random.default_rng(2)
    return FingerprintTemplate(
        positions=rng.integers(20, 280, (30, 2)).astype(np.float32),
        directions=rng.uniform(0.0, 6.28, 30).astype(np.float32),
        kinds=np.ones(30, np.uint8),
        reliabilities=np.full(30, 0.7, np.float32),
        size=(300, 400),
        waves=of,
    )


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(-8e6, 8e6),
    st.floats(1.0, 1000.0),
)
def test_a_map_reads_back_as_it_was_written(rows: int, cols: int, x: float, pitch: float) -> None:
    given_map = WaveMap(waves(rows, cols).cells, (x, -x), (pitch, 13.0))
    (area,) = wave_areas(given_map)
    read = waves_among([ExtendedArea(1, b"else"), area])
    assert read is not None
    assert np.array_equal(read.cells, given_map.cells)
    assert read.origin == pytest.approx(given_map.origin, abs=1 / 256)
    assert read.pitch == pytest.approx(given_map.pitch, abs=1 / 65_536)
    assert wave_areas(read) == (area,)


def test_the_octets_lie_where_the_format_says() -> None:
    (area,) = wave_areas(waves())
    assert area.type_code == WAVE_AREA_TYPE
    assert area.content[:12] == b"EWSWAVE1\x00\x06\x00\x05"
    assert area.content[12:20] == (31 * 256 + 64).to_bytes(4, "big") + (2**32 - 6 * 256 - 128).to_bytes(4, "big")
    assert area.content[20:24] == (13 * 65_536 + 16_384).to_bytes(4, "big")
    assert area.content[28:] == waves().cells.tobytes()


def test_a_record_keeps_the_ridges_and_they_raise_the_score_of_a_mate() -> None:
    flat = WaveMap(np.full((30, 22, 4), (0, 64, 108, 255), np.uint8), (6.0, 6.0), (13.25, 13.25))
    read, without = recorded(template(flat), with_waves=True), recorded(template(flat), with_waves=False)
    assert read.waves is not None
    assert np.array_equal(read.waves.cells, flat.cells)
    assert without.waves is None
    assert compare(read, read) > 2.0 * compare(without, without)


def test_a_map_too_large_for_an_area_is_left_out() -> None:
    assert wave_areas(waves(120, 150)) == ()
    assert wave_areas(None) == ()


def test_what_another_vendor_put_under_the_same_type_means_nothing() -> None:
    (area,) = wave_areas(waves())
    for content in (b"", b"EWSWAVE2" + area.content[8:], b"\xff" * 400):
        assert waves_among([ExtendedArea(WAVE_AREA_TYPE, content)]) is None
    assert waves_among([ExtendedArea(WAVE_AREA_TYPE + 1, area.content)]) is None


def test_an_area_that_breaks_off_or_lies_is_refused() -> None:
    content = wave_areas(waves())[0].content
    for length in range(8, len(content)):
        with pytest.raises(MalformedRecord):
            waves_among([ExtendedArea(WAVE_AREA_TYPE, content[:length])])
    lies = (
        content + b"\0",
        content[:8] + b"\x00\x00" + content[10:],
        content[:8] + b"\xff\xff\xff\xff" + content[12:],
        content[:8] + bytes(4) + content[12:28],  # no cells at all
        content[:20] + bytes(4) + content[24:],  # cells of no width
        content[:20] + b"\xff" * 4 + content[24:],
    )
    for lie in lies:
        with pytest.raises(MalformedRecord):
            waves_among([ExtendedArea(WAVE_AREA_TYPE, lie)])
