"""One call for every version: it tells them apart, takes off a CBEFF header, and gives templates and images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from enrollment.core.errors import InvalidImage, MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.records import iso19785_3_tlv as cbeff
from enrollment.core.records import iso19794_2_2005, iso19794_2_2011, iso19794_4_2005, iso19794_4_2011
from enrollment.core.records.iso19794_1_2011 import CaptureBlock, QualityBlock
from enrollment.core.records.minutia import Minutia
from enrollment.core.records.reading import (
    ImageRecord,
    MinutiaeRecord,
    read_image,
    read_images,
    read_minutiae,
    read_template,
)

TEMPLATE = FingerprintTemplate(
    positions=np.array([[100, 50], [200, 289]], np.float32),
    directions=np.array([1.5 * math.pi, 0.25 * math.pi], np.float32),
    kinds=np.array([1, 2], np.uint8),
    reliabilities=np.array([0.9, 0.3], np.float32),
    size=(384, 290),
)
IMAGE = FingerprintImage(np.random.default_rng(3).integers(0, 256, (80, 64), dtype=np.uint8))
MINUTIAE: dict[str, MinutiaeRecord] = {
    "2005": iso19794_2_2005.record_from_template(TEMPLATE, position=7, impression=0, quality=70),
    "2011": iso19794_2_2011.record_from_template(
        TEMPLATE, position=7, impression=0, capture=CaptureBlock(qualities=(QualityBlock(70),))
    ),
}
IMAGES: dict[str, ImageRecord] = {
    "2005": iso19794_4_2005.record_from_image(IMAGE, position=7, impression=0, quality=70),
    "2005 PNG": iso19794_4_2005.record_from_image(
        IMAGE, position=7, impression=0, quality=70, compression=iso19794_4_2005.Compression.PNG
    ),
    "2005 JPEG 2000": iso19794_4_2005.record_from_image(
        IMAGE, position=7, impression=0, quality=70, compression=iso19794_4_2005.Compression.JPEG_2000
    ),
    "2011": iso19794_4_2011.record_from_image(IMAGE, position=7, impression=0),
    "2011 PNG": iso19794_4_2011.record_from_image(
        IMAGE, position=7, impression=0, compression=iso19794_4_2011.Compression.PNG
    ),
    "2011 JPEG 2000": iso19794_4_2011.record_from_image(
        IMAGE, position=7, impression=0, compression=iso19794_4_2011.Compression.JPEG_2000_LOSSLESS
    ),
}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("record", MINUTIAE.values(), ids=MINUTIAE.keys())
def test_template_comes_back_from_either_version(record: MinutiaeRecord, wrapped: bool) -> None:
    data = record.encode()
    if wrapped:
        data = cbeff.wrap_finger(data, cbeff.FINGER_MINUTIAE_N, position=7).encode()
    assert read_minutiae(data) == record
    back = read_template(data)
    assert back.positions.tolist() == TEMPLATE.positions.tolist()
    assert back.directions.tolist() == pytest.approx(TEMPLATE.directions.tolist())
    assert back.kinds.tolist() == [1, 2]
    assert back.reliabilities.tolist() == pytest.approx([0.9, 0.3])
    assert back.size == TEMPLATE.size


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("record", IMAGES.values(), ids=IMAGES.keys())
def test_pixels_come_back_from_every_version(record: ImageRecord, wrapped: bool) -> None:
    data = record.encode()
    if wrapped:
        data = cbeff.wrap_finger(data, cbeff.FINGER_IMAGE, position=7).encode()
    assert read_images(data) == record
    back = read_image(data)
    assert np.array_equal(back.pixels, IMAGE.pixels)
    assert back.resolution_ppi == 500.0


@pytest.mark.parametrize("read", [read_minutiae, read_images])
@pytest.mark.parametrize(
    "data", [b"", b"FMR\0", b"FMR\x00040\0" + bytes(100), b"FIR\x00030\0" + bytes(100), b"\xff" * 99]
)
def test_octets_of_no_known_version_are_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(MalformedRecord) as caught:
        read(data)
    assert caught.value.facts["offset"] == 0


def test_record_under_a_header_that_says_something_else_is_refused() -> None:
    record = MINUTIAE["2011"].encode()
    with pytest.raises(MalformedRecord):
        read_minutiae(cbeff.wrap_finger(record, cbeff.FINGER_IMAGE).encode())
    with pytest.raises(MalformedRecord):
        read_images(cbeff.wrap_finger(record, cbeff.FINGER_IMAGE).encode())


@pytest.mark.parametrize("view", [-1, 1])
def test_view_that_is_not_there_is_refused(view: int) -> None:
    for record in MINUTIAE.values():
        with pytest.raises(MalformedRecord):
            read_template(record.encode(), view)
    for image in IMAGES.values():
        with pytest.raises(MalformedRecord):
            read_image(image.encode(), view)


def test_quality_of_0_is_the_worst_in_2011_and_not_reported_in_2005() -> None:
    minutiae = (Minutia(1, 1, 1, 0, 0), Minutia(1, 2, 2, 0, 254), Minutia(1, 3, 3, 0, 255), Minutia(1, 4, 4, 0, 60))
    view = iso19794_2_2005.FingerView(1, 0, 0, 50, minutiae)
    old = iso19794_2_2005.FingerMinutiaeRecord(99, 99, 197, 197, (view,))
    new = iso19794_2_2011.FingerMinutiaeRecord(
        (iso19794_2_2011.MinutiaeRepresentation(1, 0, 0, 99, 99, (197, 197), minutiae),)
    )
    assert read_template(old.encode()).reliabilities.tolist() == pytest.approx([0.6, 0.5, 0.5, 0.5])
    assert read_template(new.encode()).reliabilities.tolist() == pytest.approx([0.6, 0.5, 0.5, 0])


@pytest.mark.parametrize("position", [11, 12, 16, 51, 256])
def test_position_that_the_standard_reserves_is_not_written(position: int) -> None:
    with pytest.raises(MalformedRecord):
        iso19794_2_2011.record_from_template(TEMPLATE, position=position, impression=0)
    with pytest.raises(MalformedRecord):
        iso19794_4_2011.record_from_image(IMAGE, position=position, impression=0)


@pytest.mark.parametrize("position", [13, 14, 15])
def test_slap_has_images_of_both_versions_and_minutiae_of_2011_alone(position: int) -> None:
    for record in (
        iso19794_4_2005.record_from_image(IMAGE, position=position, impression=0, quality=70),
        iso19794_4_2011.record_from_image(IMAGE, position=position, impression=0),
    ):
        assert read_images(record.encode()) == record
    with pytest.raises(MalformedRecord):
        iso19794_2_2005.record_from_template(TEMPLATE, position=position, impression=0, quality=70)
    assert iso19794_2_2011.record_from_template(TEMPLATE, position=position, impression=0).representations


def test_rolled_print_keeps_its_impression_type() -> None:
    record = iso19794_4_2011.record_from_image(IMAGE, position=1, impression=1)
    assert isinstance(back := read_images(record.encode()), iso19794_4_2011.FingerImageRecord)
    assert back.representations[0].impression == 1


@pytest.mark.parametrize(
    "compression", [iso19794_4_2011.Compression.JPEG_2000_LOSSY, iso19794_4_2011.Compression.WSQ, 7, -1]
)
def test_compression_that_is_not_written_is_refused(compression: int) -> None:
    with pytest.raises(MalformedRecord):
        iso19794_4_2011.record_from_image(IMAGE, position=7, impression=0, compression=compression)


@pytest.mark.parametrize("compression", [1, 2, 3, 6, 99])
def test_image_of_a_compression_that_does_not_decode_is_refused(compression: int) -> None:
    found = IMAGES["2011"]
    assert isinstance(found, iso19794_4_2011.FingerImageRecord)
    data = bytearray(found.encode())
    at = 16 + 4 + 15 + 12  # after both headers: number, units, resolutions, depth
    assert data[at] == 0
    data[at] = compression
    with pytest.raises(MalformedRecord):
        read_image(bytes(data))


def test_images_that_are_bombs_are_refused() -> None:
    bomb = iso19794_4_2011.FingerImageRepresentation(
        position=1,
        number=0,
        impression=0,
        scale_units=2,
        scan_resolution=(197, 197),
        image_resolution=(197, 197),
        width=60_000,
        height=60_000,
        image=b"\x89PNG\r\n\x1a\n" + bytes(100),
        compression=iso19794_4_2011.Compression.PNG,
    )
    with pytest.raises(MalformedRecord) as caught:
        read_image(iso19794_4_2011.FingerImageRecord((bomb,)).encode())
    assert caught.value.facts["field"] == "pixels"


def test_image_too_small_for_a_fingerprint_is_refused() -> None:
    small = IMAGES["2005"].encode()[: -80 * 64] + b"\0"
    data = bytearray(small)
    data[8:14] = len(small).to_bytes(6, "big")
    data[32:36] = (15).to_bytes(4, "big")
    data[41:45] = bytes((0, 1, 0, 1))
    with pytest.raises(InvalidImage):
        read_image(bytes(data))


def test_some_representations_with_certification_and_some_without_are_refused() -> None:
    plain = iso19794_2_2011.MinutiaeRepresentation(1, 0, 0, 99, 99, (197, 197), ())
    certified = iso19794_2_2011.MinutiaeRepresentation(1, 1, 0, 99, 99, (197, 197), (), CaptureBlock(certifications=()))
    with pytest.raises(MalformedRecord):
        iso19794_2_2011.FingerMinutiaeRecord((plain, certified))
    with pytest.raises(MalformedRecord):
        iso19794_2_2011.FingerMinutiaeRecord((plain, plain))
