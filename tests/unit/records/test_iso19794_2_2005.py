"""Finger minutiae records: round trip, hostile octets, and the bridge to templates."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.iso19794_2_2005 import (
    FingerMinutiaeRecord,
    FingerView,
    record_from_template,
    template_from_record,
)
from enrollment.core.records.minutia import Minutia

SIDE = 300

minutiae = st.builds(
    Minutia,
    kind=st.integers(0, 3),
    x=st.integers(0, SIDE - 1),
    y=st.integers(0, SIDE - 1),
    angle=st.integers(0, 255),
    quality=st.integers(0, 255),
    reserved=st.integers(0, 3),
)
views = st.builds(
    FingerView,
    position=st.integers(0, 255),
    view=st.integers(0, 15),
    impression=st.integers(0, 15),
    quality=st.integers(0, 255),
    minutiae=st.lists(minutiae, max_size=12).map(tuple),
    extended=st.lists(st.builds(ExtendedArea, st.integers(0, 0xFFFF), st.binary(max_size=9)), max_size=3).map(tuple),
)
records = st.builds(
    FingerMinutiaeRecord,
    width=st.integers(SIDE, 0xFFFF),
    height=st.integers(SIDE, 0xFFFF),
    resolution_x_ppcm=st.integers(1, 0xFFFF),
    resolution_y_ppcm=st.integers(1, 0xFFFF),
    views=st.lists(views, min_size=1, max_size=4, unique_by=lambda view: (view.position, view.view)).map(tuple),
    capture_device_type=st.integers(0, 0xFFF),
    certification=st.integers(0, 15),
    reserved=st.integers(0, 255),
)


@st.composite
def templates(draw: st.DrawFn) -> FingerprintTemplate:
    count = draw(st.integers(0, 255))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width, height = draw(st.integers(1, 2000)), draw(st.integers(1, 2000))
    return FingerprintTemplate(
        positions=(random.random((count, 2)) * (width - 1, height - 1)).astype(np.float32),
        directions=(random.random(count) * math.tau).astype(np.float32),
        kinds=random.integers(0, 3, count).astype(np.uint8),
        reliabilities=np.sort(random.random(count).astype(np.float32))[::-1],
        size=(width, height),
    )


def small_record() -> FingerMinutiaeRecord:
    """Two views, one with extended data."""
    first = FingerView(1, 0, 0, 80, (Minutia(1, 10, 20, 30, 40), Minutia(2, 99, 0, 255, 0)))
    second = FingerView(1, 1, 8, 60, (), (ExtendedArea(2, b"\x00\x00"), ExtendedArea(0x100, b"vendor")))
    return FingerMinutiaeRecord(100, 90, 197, 197, (first, second), 0x123, 8)


def template_of(*, positions: list[tuple[float, float]], directions: list[float]) -> FingerprintTemplate:
    count = len(positions)
    return FingerprintTemplate(
        positions=np.array(positions, np.float32).reshape(-1, 2),
        directions=np.array(directions, np.float32),
        kinds=np.full(count, MinutiaKind.ENDING, np.uint8),
        reliabilities=np.full(count, 0.5, np.float32),
        size=(400, 300),
    )


@given(records)
def test_record_comes_back_as_written(record: FingerMinutiaeRecord) -> None:
    encoded = record.encode()
    assert FingerMinutiaeRecord.decode(encoded) == record
    assert int.from_bytes(encoded[8:12], "big") == len(encoded)


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_octets_are_a_record_or_malformed(tail: bytes) -> None:
    for data in (tail, b"FMR\0 20\0" + (len(tail) + 12).to_bytes(4, "big") + tail):
        try:
            record = FingerMinutiaeRecord.decode(data)
        except MalformedRecord:
            continue
        assert record.encode() == data


def test_every_truncation_is_refused() -> None:
    data = small_record().encode()
    for length in range(len(data)):
        with pytest.raises(MalformedRecord):
            FingerMinutiaeRecord.decode(data[:length])


def test_every_truncation_with_an_honest_length_is_refused() -> None:
    data = small_record().encode()
    for length in range(12, len(data)):
        with pytest.raises(MalformedRecord):
            FingerMinutiaeRecord.decode(data[:8] + length.to_bytes(4, "big") + data[12:length])


@pytest.mark.parametrize("extra", [b"\0", b"FMR\0"])
def test_trailing_octets_are_refused(extra: bytes) -> None:
    data = small_record().encode() + extra
    with pytest.raises(MalformedRecord) as caught:
        FingerMinutiaeRecord.decode(data)
    assert caught.value.facts == {"declared": len(data) - len(extra), "found": len(data), "offset": 0}
    with pytest.raises(MalformedRecord):
        FingerMinutiaeRecord.decode(data[:8] + len(data).to_bytes(4, "big") + data[12:])


@pytest.mark.parametrize(
    ("offset", "value", "field"),
    [
        (0, b"X", "format identifier"),
        (5, b"3", "version"),
        (14, b"\0\0", "image width"),
        (14, b"\0\x63", "minutia x"),  # a minutia at x = 99 in 99 pixels
        (16, b"\0\x14", "minutia y"),  # a minutia at y = 20 in 20 pixels
        (18, b"\0\0", "x resolution"),
        (20, b"\0\0", "y resolution"),
        (22, b"\0", None),  # no view: the two that follow are too many
        (22, b"\3", "finger position"),  # more views than there are
        (27, b"\xff", "minutiae"),  # more minutiae than there are
        (43, b"\x08", None),  # the same view twice
        (46, b"\0\x0f", "extended data area"),  # a block shorter than its areas
        (46, b"\0\x11", "extended data"),  # a block longer than the record
        (50, b"\0\x03", "extended data area length"),  # an area shorter than its own header
    ],
)
def test_what_does_not_fit_is_refused(offset: int, value: bytes, field: str | None) -> None:
    data = small_record().encode()
    with pytest.raises(MalformedRecord) as caught:
        FingerMinutiaeRecord.decode(data[:offset] + value + data[offset + len(value) :])
    assert caught.value.facts.get("field") == field
    assert "offset" in caught.value.facts


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (12, b"\x41"),  # bits of the certification
        (23, b"\1"),  # the header's last octet
        (24, b"\x0b"),  # a position beyond the left little finger
        (25, b"\x04"),  # an impression type: latent
        (26, b"\x65"),  # a finger quality of 101
        (28, b"\xc0"),  # a minutia of type 11
        (30, b"\x80"),  # the bits before y
        (33, b"\xfe"),  # a minutia quality of 254
    ],
)
def test_what_the_standard_reserves_is_kept(offset: int, value: bytes) -> None:
    data = small_record().encode()
    changed = data[:offset] + value + data[offset + len(value) :]
    record = FingerMinutiaeRecord.decode(changed)
    assert record != small_record()
    assert record.encode() == changed
    assert len(template_from_record(record)) == 2


def test_reserved_minutia_type_and_quality_read_as_other_and_unreported() -> None:
    view = FingerView(1, 0, 0, 80, (Minutia(3, 1, 2, 3, 254),))
    template = template_from_record(FingerMinutiaeRecord(100, 90, 197, 197, (view,)))
    assert (template.kinds.tolist(), template.reliabilities.tolist()) == ([0], [0.5])


@pytest.mark.parametrize("ppcm", [1, 38, 395, 65_535])
def test_template_of_a_resolution_that_no_fingerprint_has_is_refused(ppcm: int) -> None:
    with pytest.raises(MalformedRecord):
        template_from_record(replace(small_record(), resolution_x_ppcm=ppcm))


def test_extended_data_whose_lengths_count_the_content_alone_is_read_and_written_as_it_came() -> None:
    view = FingerView(1, 0, 0, 80, (), (ExtendedArea(0x221, b"\x01\x44\xbc\x36\x21\x43"),), content_only_lengths=True)
    data = FingerMinutiaeRecord(100, 90, 197, 197, (view,)).encode()
    assert data[-12:] == bytes.fromhex("000a 0221 0006 0144bc362143")
    record = FingerMinutiaeRecord.decode(data)
    assert record.views == (view,)
    assert record.encode() == data


def test_unknown_extended_data_is_kept() -> None:
    record = FingerMinutiaeRecord.decode(small_record().encode())
    assert record.views[1].extended == (ExtendedArea(2, b"\x00\x00"), ExtendedArea(0x100, b"vendor"))


def test_repr_shows_no_minutia() -> None:
    assert "Minutia(" not in repr(small_record())


@pytest.mark.parametrize(
    ("direction", "angle"),
    [(0.0, 0), (-math.pi / 2 % math.tau, 64), (math.pi, 128), (math.pi / 2, 192), (math.tau - 1e-4, 0), (0.02, 255)],
)
def test_direction_with_y_down_becomes_a_counterclockwise_angle(direction: float, angle: int) -> None:
    template = template_of(positions=[(1, 1)], directions=[direction])
    record = record_from_template(template, position=1, impression=0, quality=50)
    assert record.views[0].minutiae[0].angle == angle
    back = float(template_from_record(record).directions[0])
    assert math.cos(back - direction) > math.cos(math.tau / 512 + 1e-6)
    assert 0 <= back < math.tau


@given(templates())
def test_template_comes_back_within_the_records_steps(template: FingerprintTemplate) -> None:
    record = record_from_template(template, position=7, impression=0, quality=66, view=2, capture_device_type=9)
    back = template_from_record(FingerMinutiaeRecord.decode(record.encode()))
    assert back.size == template.size
    assert back.mask is None
    assert np.abs(back.positions - template.positions).max(initial=0) <= 0.5 + 1e-3
    turned = np.angle(np.exp(1j * (back.directions - template.directions)))
    assert np.abs(turned).max(initial=0) <= math.tau / 512 + 1e-5
    assert np.abs(back.reliabilities - template.reliabilities).max(initial=0) <= 0.01 + 1e-6
    assert np.array_equal(back.kinds, template.kinds)
    for found, wanted in ((back.positions, template.positions), (back.directions, template.directions)):
        assert found.dtype == wanted.dtype
    assert (back.kinds.dtype, back.reliabilities.dtype) == (template.kinds.dtype, template.reliabilities.dtype)


def test_record_carries_position_impression_quality_and_device() -> None:
    template = template_of(positions=[(399.6, -0.4)], directions=[0])
    record = record_from_template(template, position=6, impression=1, quality=77, view=3, capture_device_type=0x45)
    assert (record.width, record.height, record.resolution_x_ppcm, record.resolution_y_ppcm) == (400, 300, 197, 197)
    assert record.capture_device_type == 0x45
    (view,) = record.views
    assert (view.position, view.view, view.impression, view.quality) == (6, 3, 1, 77)
    assert view.minutiae == (Minutia(1, 399, 0, 0, 50),)


def test_template_is_brought_to_500_ppi_with_the_most_reliable_first() -> None:
    view = FingerView(2, 0, 0, 50, (Minutia(1, 100, 50, 0, 20), Minutia(2, 40, 80, 64, 90), Minutia(0, 0, 0, 0, 0)))
    record = FingerMinutiaeRecord(394, 200, 394, 98, (view,))
    template = template_from_record(record)
    assert template.size == (197, 400)
    assert template.positions.tolist() == [[20, 160], [0, 0], [50, 100]]
    assert template.kinds.tolist() == [2, 0, 1]
    assert template.reliabilities.tolist() == pytest.approx([0.9, 0.5, 0.2])


def test_view_that_is_not_there_is_refused() -> None:
    record = small_record()
    assert len(template_from_record(record, 1)) == 0
    for view in (-1, 2):
        with pytest.raises(MalformedRecord):
            template_from_record(record, view)


@pytest.mark.parametrize("change", [{"position": 11}, {"impression": 5}, {"quality": 101}, {"view": 16}])
def test_codes_out_of_range_are_refused_when_written(change: dict[str, int]) -> None:
    template = template_of(positions=[], directions=[])
    with pytest.raises(MalformedRecord):
        record_from_template(
            template,
            position=change.get("position", 1),
            impression=change.get("impression", 0),
            quality=change.get("quality", 1),
            view=change.get("view", 0),
        )


def test_template_larger_than_a_record_can_hold_is_refused() -> None:
    template = template_of(positions=[(20_000, 0)], directions=[0])
    with pytest.raises(MalformedRecord):
        record_from_template(replace(template, size=(30_000, 300)), position=1, impression=0, quality=1)
