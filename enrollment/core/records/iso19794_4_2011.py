"""Finger image records, ISO/IEC 19794-4:2011 (clause 8).

    general header, 16 octets: "FIR" 0 "020" 0, length, representations, certification flag (iso19794_1_2011.py), and
    the number of different finger or palm positions, 1
    representation, repeated
      length of it, with these 4        4
      capture block                     15 and more (iso19794_1_2011.py)
      finger or palm position           1
      representation number             1
      scale units                       1
      scan resolution, x, y             2 + 2
      image resolution, x, y            2 + 2
      pixel depth, bits                 1
      compression algorithm             1
      impression type                   1
      width, height                     2 + 2
      length of the image               4, then the image
      areas of extended data (extended_data.py, image_extended.py), to the end

Compression, depth and resolutions stand with each representation, unlike 2005, and the codes of compression differ.
Codes that the standard reserves are kept as read, and so is extended data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records.compressed_image import ImageForm, decode_pixels, encode_pixels
from enrollment.core.records.extended_data import ExtendedArea, read_areas, write_areas
from enrollment.core.records.finger_codes import IMAGE_IMPRESSIONS_2011, IMAGES_2011, check_codes
from enrollment.core.records.iso19794_1_2011 import (
    UNKNOWN_CAPTURE,
    CaptureBlock,
    check_representations,
    read_general_header,
    read_representation,
    record_octets,
    representation_octets,
)
from enrollment.core.records.octets import OctetReader, OctetWriter, check_member, check_range
from enrollment.core.records.resolution import ScaleUnits, ppcm_from_ppi, record_ppi

FORMAT_IDENTIFIER: Final = b"FIR\0"
VERSION: Final = b"020\0"
MAX_PIXEL_DEPTH: Final = 16

_NAME: Final = "finger image record"


class Compression(IntEnum):
    """Image compression algorithm codes, table 9."""

    UNCOMPRESSED = 0
    UNCOMPRESSED_BIT_PACKED = 1
    WSQ = 2
    JPEG = 3
    JPEG_2000_LOSSY = 4
    JPEG_2000_LOSSLESS = 5
    PNG = 6


_FORMS: Final = {
    Compression.UNCOMPRESSED: ImageForm.RAW,
    Compression.JPEG_2000_LOSSY: ImageForm.JPEG_2000,
    Compression.JPEG_2000_LOSSLESS: ImageForm.JPEG_2000_LOSSLESS,
    Compression.PNG: ImageForm.PNG,
}
_WRITTEN: Final[frozenset[int]] = frozenset(_FORMS) - {Compression.JPEG_2000_LOSSY}


@dataclass(frozen=True, slots=True)
class FingerImageRepresentation:
    """One image of one finger, several or a palm.

    position: finger_codes.IMAGES_2011. number: 0..255, which of several impressions. impression:
    finger_codes.IMAGE_IMPRESSIONS_2011. compression: Compression. All but number may be reserved codes where they were
    read. width, height: pixels. scan_resolution, image_resolution: x then y, in scale_units; the image's may not exceed
    the scan's. image: octets as the compression says.
    Raises MalformedRecord for what does not fit its field, and for an uncompressed image that is not of its size.
    """

    position: int
    number: int
    impression: int
    scale_units: int
    scan_resolution: tuple[int, int]
    image_resolution: tuple[int, int]
    width: int
    height: int
    image: bytes = field(repr=False)
    compression: int = Compression.UNCOMPRESSED
    pixel_depth: int = 8
    capture: CaptureBlock = UNKNOWN_CAPTURE
    extended: tuple[ExtendedArea, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        check_range(self.position, 0, 0xFF, "finger position", _NAME)
        check_range(self.number, 0, 0xFF, "representation number", _NAME)
        check_range(self.impression, 0, 0xFF, "impression type", _NAME)
        check_range(self.scale_units, ScaleUnits.PER_INCH, ScaleUnits.PER_CM, "scale units", _NAME)
        for scanned, kept in zip(self.scan_resolution, self.image_resolution, strict=True):
            check_range(scanned, 1, 0xFFFF, "scan resolution", _NAME)
            check_range(kept, 1, scanned, "image resolution", _NAME)
        check_range(self.width, 1, 0xFFFF, "image width", _NAME)
        check_range(self.height, 1, 0xFFFF, "image height", _NAME)
        check_range(self.compression, 0, 0xFF, "compression algorithm", _NAME)
        check_range(self.pixel_depth, 1, MAX_PIXEL_DEPTH, "pixel depth", _NAME)
        check_range(len(self.image), 1, 0xFFFFFFFF, "image length", _NAME)
        if self.compression == Compression.UNCOMPRESSED:
            wanted = self.width * self.height * (1 if self.pixel_depth <= 8 else 2)
            check_range(len(self.image), wanted, wanted, "image length", _NAME)


@dataclass(frozen=True, slots=True)
class FingerImageRecord:
    """A whole record. Raises MalformedRecord for the same representation of a position twice."""

    representations: tuple[FingerImageRepresentation, ...]

    def __post_init__(self) -> None:
        check_representations(self.representations, "position", _NAME)

    @property
    def positions(self) -> int:
        """How many different positions there are."""
        return len({found.position for found in self.representations})

    def encode(self) -> bytes:
        """The record's octets."""
        written = [_encoded(found) for found in self.representations]
        check_range(self.positions, 0, 0xFF, "number of positions", _NAME)
        return record_octets(
            self.representations, written, FORMAT_IDENTIFIER, VERSION, _NAME, header_end=bytes([self.positions])
        )

    @classmethod
    def decode(cls, data: bytes) -> FingerImageRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        count, certified = read_general_header(reader, FORMAT_IDENTIFIER, VERSION)
        positions = reader.unsigned(1, "number of positions")
        representations = tuple(_read(read_representation(reader), certified=certified) for _ in range(count))
        reader.expect_end()
        with reader.locating():
            record = cls(representations)
            check_range(positions, record.positions, record.positions, "number of positions", _NAME)
        return record


def record_from_image(
    image: FingerprintImage,
    *,
    position: int,
    impression: int,
    number: int = 0,
    capture: CaptureBlock = UNKNOWN_CAPTURE,
    compression: int = Compression.UNCOMPRESSED,
    extended: tuple[ExtendedArea, ...] = (),
) -> FingerImageRecord:
    """Write an image as a record of one representation, its resolution in whole pixels a centimetre.

    compression: UNCOMPRESSED, PNG or JPEG_2000_LOSSLESS. extended: such as where the fingers of a slap lie.
    Raises MalformedRecord for what the standard does not allow or is not written here, also for an image of more than
    65535 pixels a side.
    """
    check_codes(position, impression, IMAGES_2011, IMAGE_IMPRESSIONS_2011, _NAME)
    height, width = image.pixels.shape
    ppcm = ppcm_from_ppi(image.resolution_ppi)
    check_member(compression, _WRITTEN, "written compression", _NAME)
    found = FingerImageRepresentation(
        position=position,
        number=number,
        impression=impression,
        scale_units=ScaleUnits.PER_CM,
        scan_resolution=(ppcm, ppcm),
        image_resolution=(ppcm, ppcm),
        width=width,
        height=height,
        image=encode_pixels(image.pixels, _form(compression)),
        compression=compression,
        capture=capture,
        extended=extended,
    )
    return FingerImageRecord((found,))


def image_from_record(record: FingerImageRecord, view: int = 0) -> FingerprintImage:
    """The image of the record's representation at index `view`, as `iso19794_4_2005.image_from_record`."""
    check_range(view, 0, len(record.representations) - 1, "representation index", _NAME)
    found = record.representations[view]
    form = _form(found.compression)
    check_range(found.pixel_depth, 8, 8, "pixel depth", _NAME)
    ppi = record_ppi(found.scale_units, found.image_resolution)
    return FingerprintImage(decode_pixels(found.image, found.width, found.height, form), ppi)


def _form(compression: int) -> ImageForm:
    form = _FORMS.get(Compression(compression)) if 0 <= compression <= max(Compression) else None
    if form is None:
        raise MalformedRecord(f"{_NAME}: compression {compression} is not read", field="compression", value=compression)
    return form


def _encoded(found: FingerImageRepresentation) -> bytes:
    out = OctetWriter(_NAME)
    found.capture.write(out)
    out.unsigned(found.position, 1, "finger position")
    out.unsigned(found.number, 1, "representation number")
    out.unsigned(found.scale_units, 1, "scale units")
    for resolution in (*found.scan_resolution, *found.image_resolution):
        out.unsigned(resolution, 2, "resolution")
    out.unsigned(found.pixel_depth, 1, "pixel depth")
    out.unsigned(found.compression, 1, "compression algorithm")
    out.unsigned(found.impression, 1, "impression type")
    out.unsigned(found.width, 2, "image width")
    out.unsigned(found.height, 2, "image height")
    out.unsigned(len(found.image), 4, "image length")
    out.raw(found.image)
    write_areas(out, found.extended)
    return representation_octets(out)


def _read(reader: OctetReader, *, certified: bool) -> FingerImageRepresentation:
    with reader.locating():
        capture = CaptureBlock.read(reader, certified=certified)
        position, number, scale_units = reader.take(3, "position, number and scale units")
        scan_x, scan_y, image_x, image_y = (reader.unsigned(2, "resolution") for _ in range(4))
        pixel_depth, compression, impression = reader.take(3, "depth, compression and impression type")
        width, height = reader.unsigned(2, "image width"), reader.unsigned(2, "image height")
        image = reader.take(reader.unsigned(4, "image length"), "image")
        return FingerImageRepresentation(
            position=position,
            number=number,
            impression=impression,
            scale_units=scale_units,
            scan_resolution=(scan_x, scan_y),
            image_resolution=(image_x, image_y),
            width=width,
            height=height,
            image=image,
            compression=compression,
            pixel_depth=pixel_depth,
            capture=capture,
            extended=read_areas(reader),
        )
