"""Targets: finger records, what lies in them, and their CBEFF header."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bench.fuzzing.target import Target, require
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records import iso19785_3_tlv as cbeff
from enrollment.core.records import iso19794_2_2005, iso19794_2_2011, iso19794_4_2005, iso19794_4_2011
from enrollment.core.records.compressed_image import ImageForm, decode_pixels, encode_pixels
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.extended_data import ExtendedArea
from enrollment.core.records.image_extended import Annotations, Comment, ImageArea, Segmentation
from enrollment.core.records.minutiae_extended import CoresAndDeltas, MinutiaeArea, RidgeCounts, ZonalQuality
from enrollment.core.records.reading import read_image, read_template

GOLDEN: Final = Path(__file__).parents[2] / "tests" / "golden" / "records"
LENGTH_FIELDS: Final = {b"FMR\0": 4, b"FIR\x00010\0": 6, b"FIR\x00020\0": 4}  # by how a record begins
SIDE: Final = 40  # of the images that seeds hold, pixels


def golden(name: str) -> bytes:
    """The octets of a commented hexadecimal file."""
    lines = (GOLDEN / f"{name}.hex").read_text("ascii").splitlines()
    return bytes.fromhex("".join(line.partition("#")[0] for line in lines))


def with_honest_length(data: bytes) -> bytes:
    """The record with the length that it has: else the one field would hide the rest of the reader."""
    for start, octets in LENGTH_FIELDS.items():
        if data.startswith(start) and len(data) >= 8 + octets:
            return data[:8] + len(data).to_bytes(octets, "big") + data[8 + octets :]
    return data


def refused(read: Callable[[], object]) -> bool:
    """Whether it was refused; what was read is looked at in full."""
    try:
        read()
    except EnrollmentError:
        return True
    return False


def read_area(area: ExtendedArea, width: int, height: int, minutiae: int | None, *, of_2011: bool) -> None:
    """Read what an area means, if it is one that is known; it must be written again as it was."""
    decoders: dict[
        int, Callable[[], RidgeCounts | CoresAndDeltas | ZonalQuality | Segmentation | Annotations | Comment]
    ]
    if minutiae is not None:
        decoders = {
            MinutiaeArea.RIDGE_COUNTS: lambda: RidgeCounts.decode(area.content, minutiae),
            MinutiaeArea.CORES_AND_DELTAS: lambda: CoresAndDeltas.decode(area.content, width, height),
            MinutiaeArea.ZONAL_QUALITY: lambda: ZonalQuality.decode(
                area.content, width, height, with_algorithm=of_2011
            ),
        }
    else:
        decoders = {
            ImageArea.SEGMENTATION: lambda: Segmentation.decode(area.content, width, height),
            ImageArea.ANNOTATION: lambda: Annotations.decode(area.content),
            ImageArea.COMMENT: lambda: Comment.decode(area.content),
        }
    if decode := decoders.get(area.type_code):
        refused(lambda: require(decode().area() == area, "an area does not come back"))


def minutiae_2005(data: bytes) -> None:
    octets = with_honest_length(data)
    record = iso19794_2_2005.FingerMinutiaeRecord.decode(octets)
    require(record.encode() == octets, "the record does not come back")
    for index, view in enumerate(record.views):
        for area in view.extended:
            read_area(area, record.width, record.height, len(view.minutiae), of_2011=False)
        check_template(octets, index, len(view.minutiae))


def minutiae_2011(data: bytes) -> None:
    octets = with_honest_length(data)
    record = iso19794_2_2011.FingerMinutiaeRecord.decode(octets)
    require(record.encode() == octets, "the record does not come back")
    for index, found in enumerate(record.representations):
        _ = found.capture.time.moment
        for area in found.extended:
            read_area(area, found.width, found.height, len(found.minutiae), of_2011=True)
        check_template(octets, index, len(found.minutiae))


def check_template(octets: bytes, index: int, minutiae: int) -> None:
    def check() -> None:
        template = read_template(octets, index)
        require(len(template) == minutiae, "a template has lost minutiae")
        require(np.isfinite(template.positions).all(), "a minutia lies nowhere")
        require((np.diff(template.reliabilities) <= 0).all(), "the most reliable minutiae do not come first")

    refused(check)


def images_2005(data: bytes) -> None:
    octets = with_honest_length(data)
    record = iso19794_4_2005.FingerImageRecord.decode(octets)
    require(record.encode() == octets, "the record does not come back")
    for index in range(len(record.views)):
        refused(lambda index=index: read_image(octets, index))  # type: ignore[misc]


def images_2011(data: bytes) -> None:
    octets = with_honest_length(data)
    record = iso19794_4_2011.FingerImageRecord.decode(octets)
    require(record.encode() == octets, "the record does not come back")
    for index, found in enumerate(record.representations):
        for area in found.extended:
            read_area(area, found.width, found.height, None, of_2011=True)
        refused(lambda index=index: read_image(octets, index))  # type: ignore[misc]


def compressed(form: ImageForm) -> Callable[[bytes], None]:
    """The first two octets are the record's width and height, the rest is the image."""

    def run(data: bytes) -> None:
        width, height = data[:1], data[1:2]
        if not height:
            return
        pixels = decode_pixels(data[2:], width[0], height[0], form)
        require(pixels.shape == (height[0], width[0]) and pixels.dtype == np.uint8, "pixels of another shape")

    return run


def png_lines(data: bytes) -> None:
    """As `compressed`, of the lines that a PNG deflates: its checksums and sizes hold, whatever the lines are."""
    if len(data) < 2 or not (data[0] and data[1]):
        return
    width, height = data[0], data[1]
    octets = height * (1 + width)
    lines = data[2 : 2 + octets].ljust(octets, b"\0")
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 1)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    pixels = decode_pixels(png, width, height, ImageForm.PNG)
    require(pixels.shape == (height, width), "pixels of another shape")


def template_of_cbeff(data: bytes) -> None:
    template = cbeff.BiometricInformationTemplate.decode(data)
    require(template.encode() == data, "the template does not come back")
    _ = template.record, template.format, template.biometric_type, template.subtype, template.field(cbeff.CREATED)


def content_of_cbeff(data: bytes) -> None:
    """The octets inside a template: the length around them would hide what they do."""
    template_of_cbeff(DataObject(cbeff.TEMPLATE, data).encode())


def header_of_cbeff(data: bytes) -> None:
    """The octets inside a header, before a record of one octet."""
    content_of_cbeff(DataObject(cbeff.HEADER, data).encode() + DataObject(cbeff.DATA, b"x").encode())


def group_of_cbeff(data: bytes) -> None:
    require(cbeff.encode_group(cbeff.decode_group(data)) == data, "the group does not come back")


def anything(data: bytes) -> None:
    """The calls that callers use, which tell by the octets what these are."""
    octets = with_honest_length(data)
    if refused(lambda: read_template(octets)):
        read_image(octets)


def ridges() -> FingerprintImage:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return FingerprintImage((128 + 100 * np.sin(rows * 0.5 + columns * 0.3)).astype(np.uint8))


def image_seeds_2005() -> Iterator[bytes]:
    yield golden("finger_image")
    for form in (0, 4, 5):
        yield iso19794_4_2005.record_from_image(
            ridges(), position=13, impression=0, quality=70, compression=form
        ).encode()


def image_seeds_2011() -> Iterator[bytes]:
    yield golden("finger_image_2011")
    for form in (0, 5, 6):
        yield iso19794_4_2011.record_from_image(ridges(), position=13, impression=0, compression=form).encode()


def compressed_seeds(form: ImageForm) -> Iterator[bytes]:
    for side in (1, 7, SIDE):
        yield bytes((side, side)) + encode_pixels(ridges().pixels[:side, :side], form)


def line_seeds() -> Iterator[bytes]:
    for kind in range(5):
        yield bytes((4, 3)) + 3 * (bytes((kind,)) + b"abcd")


def cbeff_seeds() -> Iterator[bytes]:
    yield golden("cbeff_group")[6:]  # the one template of the group
    record = golden("finger_minutiae")
    yield cbeff.wrap_finger(record, cbeff.FINGER_MINUTIAE_X, position=2).encode()


def record_seeds() -> Iterator[bytes]:
    """Without the golden images, which are too small for fingerprints, and the golden header of no record."""
    yield golden("finger_minutiae")
    yield golden("finger_minutiae_2011")
    yield from (*image_seeds_2005(),)[1:]
    yield from (*image_seeds_2011(),)[1:]
    yield from (*cbeff_seeds(),)[1:]


RECORD_TARGETS: Final = (
    Target("19794-2:2005", minutiae_2005, lambda: [golden("finger_minutiae")]),
    Target("19794-2:2011", minutiae_2011, lambda: [golden("finger_minutiae_2011")]),
    Target("19794-4:2005", images_2005, image_seeds_2005),
    Target("19794-4:2011", images_2011, image_seeds_2011),
    Target("PNG", compressed(ImageForm.PNG), lambda: compressed_seeds(ImageForm.PNG)),
    Target("PNG-lines", png_lines, line_seeds, 1024),
    Target("JPEG-2000", compressed(ImageForm.JPEG_2000), lambda: compressed_seeds(ImageForm.JPEG_2000)),
    Target("CBEFF", template_of_cbeff, cbeff_seeds, 1024),
    Target("CBEFF-content", content_of_cbeff, lambda: [seed[3:] for seed in cbeff_seeds()], 1024),
    Target("CBEFF-header", header_of_cbeff, lambda: [next(cbeff_seeds())[5:38]], 1024),
    Target("CBEFF-group", group_of_cbeff, lambda: [golden("cbeff_group")], 1024),
    Target("any-record", anything, record_seeds),
)
