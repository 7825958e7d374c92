"""Finger image records: round trip, hostile octets, and the bridge to images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.core.errors import InvalidImage, MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records.iso19794_4_2005 import (
    Compression,
    FingerImageRecord,
    FingerImageView,
    image_from_record,
    record_from_image,
)
from enrollment.core.records.resolution import ScaleUnits


@st.composite
def records(draw: st.DrawFn) -> FingerImageRecord:
    compression = draw(st.sampled_from([*Compression, 99]))
    depth = draw(st.integers(1, 16))
    views = []
    for position in draw(st.lists(st.integers(0, 255), min_size=1, max_size=3, unique=True)):
        for _ in range(draw(st.integers(1, 3))):
            width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            octets = width * height * (1 if depth <= 8 else 2)
            exact = compression == Compression.UNCOMPRESSED
            image = draw(st.binary(min_size=octets if exact else 1, max_size=octets))
            impression, quality, reserved = (draw(st.integers(0, 255)) for _ in range(3))
            views.append(FingerImageView(position, impression, quality, width, height, image, reserved))
    scan = draw(st.tuples(st.integers(1, 1000), st.integers(1, 1000)))
    return FingerImageRecord(
        scale_units=draw(st.sampled_from(ScaleUnits)),
        scan_resolution=scan,
        image_resolution=(draw(st.integers(1, scan[0])), draw(st.integers(1, scan[1]))),
        views=tuple(views),
        compression=compression,
        pixel_depth=depth,
        acquisition_level=draw(st.integers(0, 0xFFFF)),
        capture_device=draw(st.integers(0, 0xFFFF)),
        reserved=draw(st.integers(0, 0xFFFF)),
    )


def small_record(**changes: Any) -> FingerImageRecord:
    """Two views of a thumb, one of an index finger."""
    thumbs = (FingerImageView(1, 0, 80, 3, 2, b"abcdef"), FingerImageView(1, 0, 254, 2, 1, b"gh"))
    index = FingerImageView(2, 1, 0, 1, 1, b"i")
    fields: dict[str, Any] = {
        "scale_units": ScaleUnits.PER_CM,
        "scan_resolution": (197, 197),
        "image_resolution": (197, 197),
        "views": (*thumbs, index),
    }
    return FingerImageRecord(**{**fields, **changes})


def gradient(height: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return (np.arange(height)[:, None] * 3 + np.arange(width)).astype(np.uint8)


@given(records())
def test_record_comes_back_as_written(record: FingerImageRecord) -> None:
    encoded = record.encode()
    assert FingerImageRecord.decode(encoded) == record
    assert int.from_bytes(encoded[8:14], "big") == len(encoded)


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_octets_are_a_record_or_malformed(tail: bytes) -> None:
    for data in (tail, b"FIR\x00010\0" + (len(tail) + 14).to_bytes(6, "big") + tail):
        try:
            record = FingerImageRecord.decode(data)
        except MalformedRecord:
            continue
        assert record.encode() == data


def test_every_truncation_is_refused() -> None:
    data = small_record().encode()
    for length in range(len(data)):
        with pytest.raises(MalformedRecord):
            FingerImageRecord.decode(data[:length])
        if length >= 14:
            with pytest.raises(MalformedRecord):
                FingerImageRecord.decode(data[:8] + length.to_bytes(6, "big") + data[14:length])


def test_trailing_octets_are_refused() -> None:
    data = small_record().encode() + b"\0"
    with pytest.raises(MalformedRecord) as caught:
        FingerImageRecord.decode(data)
    assert caught.value.facts == {"declared": len(data) - 1, "found": len(data), "offset": 0}
    with pytest.raises(MalformedRecord):
        FingerImageRecord.decode(data[:8] + len(data).to_bytes(6, "big") + data[14:])


@pytest.mark.parametrize(
    ("offset", "value", "field"),
    [
        (0, b"X", "format identifier"),
        (4, b"1", "version"),
        (18, b"\0", None),  # no finger: what follows is too much
        (18, b"\1", None),  # fewer fingers than there are
        (18, b"\3", "finger data length"),  # more fingers than there are
        (19, b"\3", "scale units"),
        (20, b"\0\0", "scan resolution"),
        (20, b"\x03\xe9", "scan resolution"),
        (24, b"\0\xc6", "image resolution"),  # finer than its scan
        (28, b"\0", "pixel depth"),
        (28, b"\x09", "image length"),  # two octets a pixel, which are not there
        (32, b"\0\0\0\x0d", "finger data length"),  # shorter than its header
        (32, b"\0\0\0\x0e", "finger data length"),  # an image of nothing
        (32, b"\xff\xff\xff\xff", "image"),  # longer than the record
        (36, b"\x0b", "finger position"),
        (36, b"\2", "finger position"),  # two views that are not of one finger
        (37, b"\0", "count of views"),
        (37, b"\3", "count of views"),
        (38, b"\2", "view number"),
        (41, b"\0\0", "image width"),
        (43, b"\0\0", "image height"),
        (43, b"\0\3", "image length"),
    ],
)
def test_what_does_not_fit_is_refused(offset: int, value: bytes, field: str | None) -> None:
    data = small_record().encode()
    with pytest.raises(MalformedRecord) as caught:
        FingerImageRecord.decode(data[:offset] + value + data[offset + len(value) :])
    assert caught.value.facts.get("field") == field
    assert "offset" in caught.value.facts


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (16, b"\x1f"),  # an acquisition level
        (29, b"\6"),  # a compression algorithm
        (30, b"\1"),  # the header's last octets
        (39, b"\x65"),  # an image quality of 101
        (40, b"\4"),  # an impression type: latent
        (45, b"\1"),  # a view header's last octet
    ],
)
def test_what_the_standard_reserves_is_kept(offset: int, value: bytes) -> None:
    data = small_record().encode()
    changed = data[:offset] + value + data[offset + len(value) :]
    record = FingerImageRecord.decode(changed)
    assert record.encode() == changed != data


def test_views_of_one_finger_that_stand_apart_are_refused() -> None:
    first, second, other = small_record().views
    with pytest.raises(MalformedRecord):
        small_record(views=(first, other, second))
    lying = small_record(views=(first, other)).encode()
    position_of_the_second = len(lying) - 1 - 14 + 4
    changed = lying[:position_of_the_second] + b"\1" + lying[position_of_the_second + 1 :]
    with pytest.raises(MalformedRecord):
        FingerImageRecord.decode(changed)


def test_repr_shows_no_pixels() -> None:
    assert "abcdef" not in repr(small_record())


@pytest.mark.parametrize("compression", [Compression.UNCOMPRESSED, Compression.PNG, Compression.JPEG_2000])
def test_compressed_image_comes_back_pixel_for_pixel(compression: Compression) -> None:
    image = FingerprintImage(gradient(70, 64))
    record = record_from_image(image, position=14, impression=0, quality=91, compression=compression)
    back = image_from_record(FingerImageRecord.decode(record.encode()))
    assert np.array_equal(back.pixels, image.pixels)


@pytest.mark.parametrize("compression", [Compression.WSQ, Compression.JPEG, Compression.UNCOMPRESSED_BIT_PACKED])
def test_compression_that_is_not_written_is_refused(compression: Compression) -> None:
    with pytest.raises(MalformedRecord):
        record_from_image(
            FingerprintImage(gradient(70, 64)), position=1, impression=0, quality=1, compression=compression
        )


@pytest.mark.parametrize(
    ("ppi", "ppcm", "level"), [(500.0, 197, 30), (512.0, 202, 30), (1000.0, 394, 40), (250, 98, 20)]
)
def test_image_comes_back_with_its_pixels_and_resolution(ppi: float, ppcm: int, level: int) -> None:
    image = FingerprintImage(gradient(70, 64), ppi)
    record = record_from_image(image, position=8, impression=0, quality=91)
    assert (record.image_resolution, record.scale_units, record.acquisition_level) == ((ppcm, ppcm), 2, level)
    assert (record.views[0].position, record.views[0].impression, record.views[0].quality) == (8, 0, 91)
    back = image_from_record(FingerImageRecord.decode(record.encode()))
    assert np.array_equal(back.pixels, image.pixels)
    assert back.resolution_ppi == pytest.approx(ppi, abs=1.27)


def test_image_that_is_a_cut_out_of_a_larger_one_is_written_whole() -> None:
    image = FingerprintImage(gradient(200, 300)[20:120:2, 30:130], 500)
    record = record_from_image(image, position=1, impression=0, quality=254)
    assert np.array_equal(image_from_record(record).pixels, image.pixels)


def test_resolution_an_inch_is_taken_as_it_is() -> None:
    view = FingerImageView(1, 0, 50, 64, 64, bytes(64 * 64))
    record = small_record(
        scale_units=ScaleUnits.PER_INCH, scan_resolution=(512, 512), image_resolution=(512, 512), views=(view,)
    )
    assert image_from_record(record).resolution_ppi == 512.0


@pytest.mark.parametrize(
    "changes",
    [
        {"compression": Compression.PNG},
        {"compression": Compression.JPEG_2000},
        {"compression": Compression.WSQ},
        {"compression": 99},
        {"pixel_depth": 7},
        {"image_resolution": (197, 196)},
    ],
)
def test_image_that_cannot_be_read_is_refused(changes: dict[str, Any]) -> None:
    view = FingerImageView(1, 0, 50, 64, 64, bytes(64 * 64))
    assert image_from_record(small_record(views=(view,))).pixels.shape == (64, 64)
    with pytest.raises(MalformedRecord):
        image_from_record(small_record(views=(view,), **changes))


def test_image_too_small_for_a_fingerprint_is_refused() -> None:
    with pytest.raises(InvalidImage):
        image_from_record(small_record())


def test_view_that_is_not_there_is_refused() -> None:
    for view in (-1, 3):
        with pytest.raises(MalformedRecord):
            image_from_record(small_record(), view)


@pytest.mark.parametrize("change", [{"position": 11}, {"impression": 4}, {"quality": 101}, {"capture_device": -1}])
def test_codes_out_of_range_are_refused_when_written(change: dict[str, int]) -> None:
    image = FingerprintImage(gradient(64, 64))
    with pytest.raises(MalformedRecord):
        record_from_image(image, **{"position": 1, "impression": 0, "quality": 1, **change})


def test_image_with_a_side_beyond_16_bits_is_refused() -> None:
    view = record_from_image(FingerprintImage(gradient(32, 64)), position=1, impression=0, quality=1).views[0]
    with pytest.raises(MalformedRecord):
        replace(view, width=65_536)
    with pytest.raises(MalformedRecord):
        replace(view, height=65_536)
