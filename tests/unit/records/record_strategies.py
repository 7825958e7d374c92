"""Values of every record format, drawn by hypothesis, and one small example of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from enrollment.core.records import iso19785_3_tlv as cbeff
from enrollment.core.records import iso19794_2_2005, iso19794_2_2011, iso19794_4_2005, iso19794_4_2011, iso19794_5_2005
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.image_extended import Annotations, Segment, Segmentation
from enrollment.core.records.iso19794_1_2011 import CaptureBlock, CaptureTime, Certification, QualityBlock
from enrollment.core.records.minutia import Minutia
from enrollment.core.records.minutiae_extended import CoresAndDeltas, RidgeCount, RidgeCounts, Singularity, ZonalQuality
from enrollment.core.records.resolution import ScaleUnits

SIDE = 64  # of the images that minutiae are drawn in

octet = st.integers(0, 0xFF)
number = st.integers(0, 0xFFFF)
minutiae = st.builds(
    Minutia,
    kind=st.integers(0, 3),
    x=st.integers(0, SIDE - 1),
    y=st.integers(0, SIDE - 1),
    angle=octet,
    quality=octet,
    reserved=st.integers(0, 3),
)
faces = st.builds(
    iso19794_5_2005.FaceImage,
    width=st.integers(1, 0xFFFF),
    height=st.integers(1, 0xFFFF),
    image=st.binary(min_size=1, max_size=9),
    image_data_type=octet,
    gender=octet,
    eye_colour=octet,
    properties=st.integers(0, 0xFFFFFF),
    expression=number,
    quality=number,
    pose=st.binary(min_size=6, max_size=6),
    feature_points=st.integers(0, 3).map(lambda count: bytes(range(8 * count))),
)
areas = st.lists(st.builds(ExtendedArea, number, st.binary(max_size=9)), max_size=3).map(tuple)


def captures(*, certified: bool) -> st.SearchStrategy[CaptureBlock]:
    certifications = st.lists(st.builds(Certification, number, octet), max_size=3).map(tuple)
    return st.builds(
        CaptureBlock,
        time=st.binary(min_size=9, max_size=9).map(CaptureTime),
        technology=octet,
        device_vendor=number,
        device_type=number,
        qualities=st.lists(st.builds(QualityBlock, octet, number, number), max_size=3).map(tuple),
        certifications=certifications if certified else st.none(),
    )


def identity(found: Any) -> tuple[int, int]:
    """What no two representations of one record may share."""
    return found.position, found.number


@st.composite
def minutiae_representations(draw: st.DrawFn, certified: bool) -> iso19794_2_2011.MinutiaeRepresentation:
    with_quality = draw(st.booleans())
    drawn = draw(st.lists(minutiae, max_size=5))
    if not with_quality:
        drawn = [Minutia(found.kind, found.x, found.y, found.angle, 254, found.reserved) for found in drawn]
    return iso19794_2_2011.MinutiaeRepresentation(
        position=draw(octet),
        number=draw(octet),
        impression=draw(octet),
        width=draw(st.integers(SIDE, 0xFFFF)),
        height=draw(st.integers(SIDE, 0xFFFF)),
        resolution_ppcm=(draw(st.integers(1, 0xFFFF)), draw(st.integers(1, 0xFFFF))),
        minutiae=tuple(drawn),
        capture=draw(captures(certified=certified)),
        extended=draw(areas),
        ridge_ending_type=draw(st.integers(0, 15)),
        with_quality=with_quality,
    )


@st.composite
def image_representations(draw: st.DrawFn, certified: bool) -> iso19794_4_2011.FingerImageRepresentation:
    compression = draw(st.sampled_from([*iso19794_4_2011.Compression, 200]))
    depth, width, height = draw(st.integers(1, 16)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    octets = width * height * (1 if depth <= 8 else 2)
    exact = compression == iso19794_4_2011.Compression.UNCOMPRESSED
    scan = draw(st.integers(1, 0xFFFF)), draw(st.integers(1, 0xFFFF))
    return iso19794_4_2011.FingerImageRepresentation(
        position=draw(octet),
        number=draw(octet),
        impression=draw(octet),
        scale_units=draw(st.sampled_from(ScaleUnits)),
        scan_resolution=scan,
        image_resolution=(draw(st.integers(1, scan[0])), draw(st.integers(1, scan[1]))),
        width=width,
        height=height,
        image=draw(st.binary(min_size=octets if exact else 1, max_size=octets)),
        compression=compression,
        pixel_depth=depth,
        capture=draw(captures(certified=certified)),
        extended=draw(areas),
    )


minutiae_records_2011 = st.booleans().flatmap(
    lambda certified: st.lists(minutiae_representations(certified), min_size=1, max_size=3, unique_by=identity).map(
        lambda found: iso19794_2_2011.FingerMinutiaeRecord(tuple(found))
    )
)
image_records_2011 = st.booleans().flatmap(
    lambda certified: st.lists(image_representations(certified), min_size=1, max_size=3, unique_by=identity).map(
        lambda found: iso19794_4_2011.FingerImageRecord(tuple(found))
    )
)
views_2005 = st.builds(
    iso19794_2_2005.FingerView,
    position=octet,
    view=st.integers(0, 15),
    impression=st.integers(0, 15),
    quality=octet,
    minutiae=st.lists(minutiae, max_size=5).map(tuple),
    extended=areas,
)
minutiae_records_2005 = st.builds(
    iso19794_2_2005.FingerMinutiaeRecord,
    width=st.integers(SIDE, 0xFFFF),
    height=st.integers(SIDE, 0xFFFF),
    resolution_x_ppcm=st.integers(1, 0xFFFF),
    resolution_y_ppcm=st.integers(1, 0xFFFF),
    views=st.lists(views_2005, min_size=1, max_size=3, unique_by=lambda view: (view.position, view.view)).map(tuple),
    capture_device_type=st.integers(0, 0xFFF),
    certification=st.integers(0, 15),
    reserved=octet,
)


@st.composite
def image_records_2005(draw: st.DrawFn) -> iso19794_4_2005.FingerImageRecord:
    views = []
    for position in draw(st.lists(octet, min_size=1, max_size=2, unique=True)):
        for _ in range(draw(st.integers(1, 2))):
            width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            image = draw(st.binary(min_size=width * height, max_size=width * height))
            views.append(
                iso19794_4_2005.FingerImageView(position, draw(octet), draw(octet), width, height, image, draw(octet))
            )
    return iso19794_4_2005.FingerImageRecord(
        scale_units=draw(st.sampled_from(ScaleUnits)),
        scan_resolution=(500, 500),
        image_resolution=(draw(st.integers(1, 500)), draw(st.integers(1, 500))),
        views=tuple(views),
        compression=draw(octet),
        acquisition_level=draw(number),
        capture_device=draw(number),
        reserved=draw(number),
    )


templates = st.builds(
    cbeff.wrap_finger,
    st.binary(max_size=300),
    number,
    position=st.integers(0, 15),
    created=st.none() | st.datetimes(timezones=st.timezones()),
    product=st.none() | st.tuples(number, number),
)


@dataclass(frozen=True)
class Codec:
    """One record format: its reader and writer, drawn values, and a small example with all that the format has."""

    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    values: st.SearchStrategy[Any]
    example: Any
    header_octets: int  # of the part in front that tells the format and the length


def encoded(record: Any) -> bytes:
    octets: bytes = record.encode()
    return octets


CERTIFIED = CaptureBlock(
    CaptureTime(bytes(range(9))), 1, 2, 3, (QualityBlock(80, 4, 5),), (Certification(6, 1), Certification(7, 2))
)
SMALL_MINUTIAE = (Minutia(1, 10, 20, 30, 40), Minutia(2, 63, 0, 255, 254, 1))
SMALL_AREAS = (
    RidgeCounts(1, (RidgeCount(0, 1, 3),)).area(),
    CoresAndDeltas((Singularity(5, 6, (7,)),), (Singularity(8, 9),)).area(),
    ZonalQuality(np.array([[1, 2], [3, 0]], np.uint8), 40, 40, 2, (0, 0)).area(),
    ExtendedArea(0x100, b"vendor"),
)

CODECS = {
    "19794-2:2005": Codec(
        iso19794_2_2005.FingerMinutiaeRecord.decode,
        encoded,
        minutiae_records_2005,
        iso19794_2_2005.FingerMinutiaeRecord(
            SIDE, SIDE, 197, 197, (iso19794_2_2005.FingerView(1, 0, 0, 80, SMALL_MINUTIAE, SMALL_AREAS),), 0x123, 8, 9
        ),
        12,
    ),
    "19794-2:2011": Codec(
        iso19794_2_2011.FingerMinutiaeRecord.decode,
        encoded,
        minutiae_records_2011,
        iso19794_2_2011.FingerMinutiaeRecord(
            (
                iso19794_2_2011.MinutiaeRepresentation(
                    7, 0, 0, SIDE, SIDE, (197, 197), SMALL_MINUTIAE, CERTIFIED, SMALL_AREAS
                ),
            )
        ),
        12,
    ),
    "19794-4:2005": Codec(
        iso19794_4_2005.FingerImageRecord.decode,
        encoded,
        image_records_2005(),
        iso19794_4_2005.FingerImageRecord(
            ScaleUnits.PER_CM,
            (197, 197),
            (197, 197),
            (
                iso19794_4_2005.FingerImageView(1, 0, 80, 3, 2, b"abcdef"),
                iso19794_4_2005.FingerImageView(1, 0, 254, 2, 1, b"gh"),
                iso19794_4_2005.FingerImageView(13, 1, 0, 1, 1, b"i", 7),
            ),
        ),
        14,
    ),
    "19794-4:2011": Codec(
        iso19794_4_2011.FingerImageRecord.decode,
        encoded,
        image_records_2011,
        iso19794_4_2011.FingerImageRecord(
            (
                iso19794_4_2011.FingerImageRepresentation(
                    position=13,
                    number=0,
                    impression=0,
                    scale_units=ScaleUnits.PER_CM,
                    scan_resolution=(197, 197),
                    image_resolution=(197, 197),
                    width=3,
                    height=2,
                    image=b"abcdef",
                    capture=CERTIFIED,
                    extended=(
                        Segmentation((Segment(2, ((0, 0), (2, 2))),)).area(),
                        Annotations(((5, 1),)).area(),
                        ExtendedArea(0x100, b"vendor"),
                    ),
                ),
            )
        ),
        12,
    ),
    "19794-5:2005": Codec(
        iso19794_5_2005.FaceImageRecord.decode,
        encoded,
        st.lists(faces, min_size=1, max_size=3).map(tuple).map(iso19794_5_2005.FaceImageRecord),
        iso19794_5_2005.FaceImageRecord((iso19794_5_2005.FaceImage(3, 4, b"abcdef", feature_points=bytes(8)),)),
        12,
    ),
    "CBEFF": Codec(
        cbeff.BiometricInformationTemplate.decode,
        encoded,
        templates,
        cbeff.wrap_finger(b"record", cbeff.FINGER_IMAGE, position=7, product=(1, 2)),
        3,
    ),
    "CBEFF group": Codec(
        cbeff.decode_group,
        cbeff.encode_group,
        st.lists(templates, min_size=1, max_size=3).map(tuple),
        (cbeff.wrap_finger(b"record", cbeff.FINGER_IMAGE), cbeff.wrap_finger(b"other", 1, position=3)),
        3,
    ),
}
