"""Finger image records, ISO/IEC 19794-4:2005.

    general header, 32 octets         finger image header, 14 octets, and the image; repeated
      "FIR" 0                           length with this header        4
      "010" 0                           finger or palm position        1
      length of the record     6        count of views of this finger  1
      capture device           2        view number, from 1            1
      acquisition level        2        quality, 254 undefined         1
      fingers or palms         1        impression type                1
      scale units              1        width                          2
      scan resolution, x, y    2 + 2    height                         2
      image resolution, x, y   2 + 2    0                              1
      pixel depth, bits        1
      compression algorithm    1
      0                        2

All numbers are big endian. Lengths, counts, sizes and resolutions are checked; codes and octets that the standard
reserves are kept as read. Images are kept as octets, whatever their compression.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records.compressed_image import ImageForm, decode_pixels, encode_pixels
from enrollment.core.records.finger_codes import IMAGE_IMPRESSIONS_2005, IMAGES_2005, check_codes
from enrollment.core.records.octets import OctetReader, OctetWriter, check_member, check_range
from enrollment.core.records.resolution import ScaleUnits, ppcm_from_ppi, record_ppi

FORMAT_IDENTIFIER: Final = b"FIR\0"
VERSION: Final = b"010\0"
QUALITIES: Final = frozenset({*range(101), 254})
UNDEFINED_QUALITY: Final = 254
# Table 1: least scan resolution, ppi, of the levels that ask for no optical certificate (31 and 41 do).
UNCERTIFIED_LEVELS: Final = ((125, 10), (250, 20), (500, 30), (1000, 40))
MAX_RESOLUTION: Final = 1000
MAX_PIXEL_DEPTH: Final = 16

_NAME: Final = "finger image record"
_HEADER_OCTETS: Final = 32
_VIEW_HEADER_OCTETS: Final = 14


class Compression(IntEnum):
    """Image compression algorithm codes."""

    UNCOMPRESSED = 0
    UNCOMPRESSED_BIT_PACKED = 1
    WSQ = 2
    JPEG = 3
    JPEG_2000 = 4
    PNG = 5


_FORMS: Final = {
    Compression.UNCOMPRESSED: ImageForm.RAW,
    Compression.JPEG_2000: ImageForm.JPEG_2000,
    Compression.PNG: ImageForm.PNG,
}


@dataclass(frozen=True, slots=True)
class FingerImageView:
    """One image of one finger, several or a palm.

    position: finger_codes.IMAGES_2005. impression: finger_codes.IMAGE_IMPRESSIONS_2005. quality: 0..100, or
    UNDEFINED_QUALITY. All three may be reserved codes where they were read. width, height: pixels. image: octets as the
    record's compression says. reserved: the header's last octet, 0 by the standard, kept as read.
    Raises MalformedRecord for what does not fit its field.
    """

    position: int
    impression: int
    quality: int
    width: int
    height: int
    image: bytes = field(repr=False)
    reserved: int = 0

    def __post_init__(self) -> None:
        check_range(self.position, 0, 0xFF, "finger position", _NAME)
        check_range(self.impression, 0, 0xFF, "impression type", _NAME)
        check_range(self.quality, 0, 0xFF, "image quality", _NAME)
        check_range(self.reserved, 0, 0xFF, "reserved", _NAME)
        check_range(self.width, 1, 0xFFFF, "image width", _NAME)
        check_range(self.height, 1, 0xFFFF, "image height", _NAME)
        check_range(len(self.image), 1, 0xFFFFFFFF - _VIEW_HEADER_OCTETS, "image length", _NAME)


@dataclass(frozen=True, slots=True)
class FingerImageRecord:
    """A whole record.

    scan_resolution, image_resolution: x then y, in scale_units; the image's may not exceed the scan's.
    views: those of one finger stand together, numbered from 1 as they stand.
    compression: Compression. acquisition_level: 10, 20, 30, 31, 40 or 41. Both may be reserved codes where they were
    read. reserved: the header's last two octets, 0 by the standard, kept as read.
    Raises MalformedRecord for what does not fit its field, and for uncompressed images that are not of their size.
    """

    scale_units: int
    scan_resolution: tuple[int, int]
    image_resolution: tuple[int, int]
    views: tuple[FingerImageView, ...]
    compression: int = Compression.UNCOMPRESSED
    pixel_depth: int = 8
    acquisition_level: int = 30
    capture_device: int = 0
    reserved: int = 0

    def __post_init__(self) -> None:
        check_range(self.scale_units, ScaleUnits.PER_INCH, ScaleUnits.PER_CM, "scale units", _NAME)
        for scanned, kept in zip(self.scan_resolution, self.image_resolution, strict=True):
            check_range(scanned, 1, MAX_RESOLUTION, "scan resolution", _NAME)
            check_range(kept, 1, scanned, "image resolution", _NAME)
        check_range(self.compression, 0, 0xFF, "compression algorithm", _NAME)
        check_range(self.pixel_depth, 1, MAX_PIXEL_DEPTH, "pixel depth", _NAME)
        check_range(self.acquisition_level, 0, 0xFFFF, "acquisition level", _NAME)
        check_range(self.reserved, 0, 0xFFFF, "reserved", _NAME)
        check_range(self.capture_device, 0, 0xFFFF, "capture device", _NAME)
        fingers = self._fingers()
        check_range(len(fingers), 1, 0xFF, "number of fingers", _NAME)
        if len({finger[0].position for finger in fingers}) != len(fingers):
            raise MalformedRecord(f"{_NAME}: the views of one finger stand apart", fingers=len(fingers))
        for finger in fingers:
            check_range(len(finger), 1, 0xFF, "count of views", _NAME)
        if self.compression == Compression.UNCOMPRESSED:
            octets_a_pixel = 1 if self.pixel_depth <= 8 else 2
            for view in self.views:
                wanted = view.width * view.height * octets_a_pixel
                check_range(len(view.image), wanted, wanted, "image length", _NAME)

    def encode(self) -> bytes:
        """The record's octets."""
        out = OctetWriter(_NAME)
        fingers = self._fingers()
        out.raw(FORMAT_IDENTIFIER + VERSION)
        octets = _HEADER_OCTETS + sum(_VIEW_HEADER_OCTETS + len(view.image) for view in self.views)
        out.unsigned(octets, 6, "record length")
        out.unsigned(self.capture_device, 2, "capture device")
        out.unsigned(self.acquisition_level, 2, "acquisition level")
        out.unsigned(len(fingers), 1, "number of fingers")
        out.unsigned(self.scale_units, 1, "scale units")
        for resolution in (*self.scan_resolution, *self.image_resolution):
            out.unsigned(resolution, 2, "resolution")
        out.unsigned(self.pixel_depth, 1, "pixel depth")
        out.unsigned(self.compression, 1, "compression algorithm")
        out.unsigned(self.reserved, 2, "reserved")
        for finger in fingers:
            for number, view in enumerate(finger, start=1):
                out.unsigned(_VIEW_HEADER_OCTETS + len(view.image), 4, "finger data length")
                for value in (view.position, len(finger), number, view.quality, view.impression):
                    out.unsigned(value, 1, "finger image header")
                out.unsigned(view.width, 2, "image width")
                out.unsigned(view.height, 2, "image height")
                out.unsigned(view.reserved, 1, "reserved")
                out.raw(view.image)
        return out.encoded()

    @classmethod
    def decode(cls, data: bytes) -> FingerImageRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        reader.expect(FORMAT_IDENTIFIER, "format identifier")
        reader.expect(VERSION, "version")
        reader.expect_length(reader.unsigned(6, "record length"))
        capture_device = reader.unsigned(2, "capture device")
        acquisition_level = reader.unsigned(2, "acquisition level")
        fingers = reader.unsigned(1, "number of fingers")
        scale_units = reader.unsigned(1, "scale units")
        scan_x, scan_y, image_x, image_y = (reader.unsigned(2, "resolution") for _ in range(4))
        pixel_depth = reader.unsigned(1, "pixel depth")
        compression = reader.unsigned(1, "compression algorithm")
        reserved = reader.unsigned(2, "reserved")
        views = tuple(view for _ in range(fingers) for view in _read_finger(reader))
        reader.expect_end()
        with reader.locating():
            record = cls(
                scale_units=scale_units,
                scan_resolution=(scan_x, scan_y),
                image_resolution=(image_x, image_y),
                views=views,
                compression=compression,
                pixel_depth=pixel_depth,
                acquisition_level=acquisition_level,
                capture_device=capture_device,
                reserved=reserved,
            )
            check_range(fingers, len(record._fingers()), len(record._fingers()), "number of fingers", _NAME)
        return record

    def _fingers(self) -> list[list[FingerImageView]]:
        """Views that stand together and share a position."""
        return [list(views) for _, views in groupby(self.views, key=lambda view: view.position)]


def record_from_image(
    image: FingerprintImage,
    *,
    position: int,
    impression: int,
    quality: int,
    capture_device: int = 0,
    compression: int = Compression.UNCOMPRESSED,
) -> FingerImageRecord:
    """Write an image as a record of one view, its resolution in whole pixels a centimetre.

    quality: 0..100, or UNDEFINED_QUALITY. compression: UNCOMPRESSED, PNG or JPEG_2000, all of them lossless.
    Raises MalformedRecord for what the standard does not allow or is not written here, also for an image of more than
    65535 pixels a side.
    """
    check_codes(position, impression, IMAGES_2005, IMAGE_IMPRESSIONS_2005, _NAME)
    check_member(quality, QUALITIES, "image quality", _NAME)
    height, width = image.pixels.shape
    ppcm = ppcm_from_ppi(image.resolution_ppi)
    octets = encode_pixels(image.pixels, _form(compression))
    view = FingerImageView(position, impression, quality, width, height, octets)
    return FingerImageRecord(
        scale_units=ScaleUnits.PER_CM,
        scan_resolution=(ppcm, ppcm),
        image_resolution=(ppcm, ppcm),
        views=(view,),
        compression=compression,
        acquisition_level=_acquisition_level(image.resolution_ppi),
        capture_device=capture_device,
    )


def image_from_record(record: FingerImageRecord, view: int = 0) -> FingerprintImage:
    """The image of the record's view at index `view`; uncompressed, PNG or JPEG 2000.

    Raises MalformedRecord where there is no such view, or where it is of another compression, does not decode, is not
    of 8 bits, or of two resolutions; InvalidImage where it is too small, too large or too coarse to be a fingerprint.
    """
    check_range(view, 0, len(record.views) - 1, "view index", _NAME)
    form = _form(record.compression)
    check_range(record.pixel_depth, 8, 8, "pixel depth", _NAME)
    ppi = record_ppi(record.scale_units, record.image_resolution)
    found = record.views[view]
    return FingerprintImage(decode_pixels(found.image, found.width, found.height, form), ppi)


def _form(compression: int) -> ImageForm:
    form = _FORMS.get(Compression(compression)) if 0 <= compression <= max(Compression) else None
    if form is None:
        raise MalformedRecord(f"{_NAME}: compression {compression} is not read", field="compression", value=compression)
    return form


def _acquisition_level(ppi: float) -> int:
    """The highest level without a certificate that `ppi` reaches to one percent; the lowest below all."""
    reached = [level for least, level in UNCERTIFIED_LEVELS if ppi >= 0.99 * least]
    return max(reached, default=UNCERTIFIED_LEVELS[0][1])


def _read_finger(reader: OctetReader) -> list[FingerImageView]:
    """All views of one finger; the first says how many there are."""
    views: list[FingerImageView] = []
    count = 1
    while len(views) < count:
        with reader.locating():
            octets = reader.unsigned(4, "finger data length")
            check_range(octets, _VIEW_HEADER_OCTETS + 1, 0xFFFFFFFF, "finger data length", _NAME)
            position, declared, number, quality, impression = reader.take(5, "finger image header")
            width = reader.unsigned(2, "image width")
            height = reader.unsigned(2, "image height")
            reserved = reader.unsigned(1, "reserved")
            image = reader.take(octets - _VIEW_HEADER_OCTETS, "image")
            if views:
                check_range(declared, count, count, "count of views", _NAME)
                check_range(position, views[0].position, views[0].position, "finger position", _NAME)
            else:
                check_range(declared, 1, 0xFF, "count of views", _NAME)
                count = declared
            check_range(number, len(views) + 1, len(views) + 1, "view number", _NAME)
            views.append(FingerImageView(position, impression, quality, width, height, image, reserved))
    return views
