"""Finger minutiae records, ISO/IEC 19794-2:2011, record format (clause 8).

    general header, 15 octets (iso19794_1_2011.py): "FMR" 0 "030" 0, length, representations, certification flag
    representation, repeated
      length of it, with these 4        4
      capture block                     15 and more (iso19794_1_2011.py)
      finger position                   1
      representation number             1
      x, y resolution, px/cm            2 + 2
      impression type                   1
      width, height                     2 + 2
      octets of a minutia | ridge ending type   4 + 4 bits
      number of minutiae                1
      minutiae, 5 or 6 octets each (minutia.py)
      length of the extended data       2, then areas (extended_data.py)

Sizes and resolutions stand with each representation, unlike 2005. On-card compact templates are another format.
Codes that the standard reserves are kept as read, and so is extended data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from enrollment.core.fingerprint.image import CANON_PPI
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.records.extended_data import ExtendedArea, areas_octets, read_areas, write_areas
from enrollment.core.records.finger_codes import FINGERS_2011, MINUTIAE_IMPRESSIONS_2011, check_codes
from enrollment.core.records.iso19794_1_2011 import (
    UNKNOWN_CAPTURE,
    CaptureBlock,
    check_representations,
    read_general_header,
    read_representation,
    record_octets,
    representation_octets,
)
from enrollment.core.records.minutia import (
    Minutia,
    check_inside,
    minutiae_from_template,
    read_minutiae,
    template_from_minutiae,
    write_minutiae,
)
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range
from enrollment.core.records.resolution import ppcm_from_ppi

FORMAT_IDENTIFIER: Final = b"FMR\0"
VERSION: Final = b"030\0"
UNREPORTED_QUALITY: Final = 254  # of a minutia
VALLEY_BIFURCATION: Final = 0  # where ridge endings lie: where the valley's skeleton forks; 1: where the ridge's ends

_NAME: Final = "finger minutiae record"
_OCTETS_WITH_QUALITY: Final = 6
_OCTETS_WITHOUT_QUALITY: Final = 5


@dataclass(frozen=True, slots=True)
class MinutiaeRepresentation:
    """One impression of one finger.

    position: finger_codes.FINGERS_2011. number: 0..255, which of several impressions. impression: one of
    finger_codes.MINUTIAE_IMPRESSIONS_2011. ridge_ending_type: VALLEY_BIFURCATION or 1. All but number may be reserved
    codes where they were read. width, height: pixels. resolution_ppcm: x and y, pixels a centimetre.
    with_quality: whether minutiae carry their quality; without, each has UNREPORTED_QUALITY.
    Raises MalformedRecord for what does not fit its field, and for a minutia outside the image.
    """

    position: int
    number: int
    impression: int
    width: int
    height: int
    resolution_ppcm: tuple[int, int]
    minutiae: tuple[Minutia, ...] = field(repr=False)
    capture: CaptureBlock = UNKNOWN_CAPTURE
    extended: tuple[ExtendedArea, ...] = field(default=(), repr=False)
    ridge_ending_type: int = VALLEY_BIFURCATION
    with_quality: bool = True

    def __post_init__(self) -> None:
        check_range(self.position, 0, 0xFF, "finger position", _NAME)
        check_range(self.number, 0, 0xFF, "representation number", _NAME)
        check_range(self.impression, 0, 0xFF, "impression type", _NAME)
        check_range(self.width, 1, 0xFFFF, "image width", _NAME)
        check_range(self.height, 1, 0xFFFF, "image height", _NAME)
        x_ppcm, y_ppcm = self.resolution_ppcm
        check_range(x_ppcm, 1, 0xFFFF, "x resolution", _NAME)
        check_range(y_ppcm, 1, 0xFFFF, "y resolution", _NAME)
        check_range(self.ridge_ending_type, 0, 0xF, "ridge ending type", _NAME)
        check_range(len(self.minutiae), 0, 0xFF, "number of minutiae", _NAME)
        check_range(areas_octets(self.extended), 0, 0xFFFF, "extended data length", _NAME)
        for minutia in self.minutiae:
            check_inside(minutia.x, minutia.y, self.width, self.height)
            if not self.with_quality:
                check_range(minutia.quality, UNREPORTED_QUALITY, UNREPORTED_QUALITY, "minutia quality", _NAME)


@dataclass(frozen=True, slots=True)
class FingerMinutiaeRecord:
    """A whole record. Raises MalformedRecord for the same representation of a finger twice."""

    representations: tuple[MinutiaeRepresentation, ...]

    def __post_init__(self) -> None:
        check_representations(self.representations, "finger", _NAME)

    def encode(self) -> bytes:
        """The record's octets."""
        written = [_encoded(found) for found in self.representations]
        return record_octets(self.representations, written, FORMAT_IDENTIFIER, VERSION, _NAME)

    @classmethod
    def decode(cls, data: bytes) -> FingerMinutiaeRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        count, certified = read_general_header(reader, FORMAT_IDENTIFIER, VERSION)
        representations = tuple(_read(read_representation(reader), certified=certified) for _ in range(count))
        reader.expect_end()
        with reader.locating():
            return cls(representations)


def record_from_template(
    template: FingerprintTemplate,
    *,
    position: int,
    impression: int,
    number: int = 0,
    capture: CaptureBlock = UNKNOWN_CAPTURE,
) -> FingerMinutiaeRecord:
    """Write a template as a record of one representation, at 500 ppi.

    Positions are rounded to whole pixels, directions to 360/256 degrees, reliabilities to 1..100.
    Raises MalformedRecord for codes or an image size that the standard does not allow.
    """
    check_codes(position, impression, FINGERS_2011, MINUTIAE_IMPRESSIONS_2011, _NAME)
    ppcm = ppcm_from_ppi(CANON_PPI)
    minutiae = minutiae_from_template(template)
    found = MinutiaeRepresentation(position, number, impression, *template.size, (ppcm, ppcm), minutiae, capture)
    return FingerMinutiaeRecord((found,))


def template_from_record(record: FingerMinutiaeRecord, view: int = 0) -> FingerprintTemplate:
    """The template of the record's representation at index `view`, as `iso19794_2_2005.template_from_record`."""
    check_range(view, 0, len(record.representations) - 1, "representation index", _NAME)
    found = record.representations[view]
    return template_from_minutiae(
        found.minutiae, (found.width, found.height), found.resolution_ppcm, zero_is_unreported=False
    )


def _encoded(found: MinutiaeRepresentation) -> bytes:
    out = OctetWriter(_NAME)
    found.capture.write(out)
    out.unsigned(found.position, 1, "finger position")
    out.unsigned(found.number, 1, "representation number")
    for ppcm in found.resolution_ppcm:
        out.unsigned(ppcm, 2, "resolution")
    out.unsigned(found.impression, 1, "impression type")
    out.unsigned(found.width, 2, "image width")
    out.unsigned(found.height, 2, "image height")
    octets_each = _OCTETS_WITH_QUALITY if found.with_quality else _OCTETS_WITHOUT_QUALITY
    out.unsigned(octets_each << 4 | found.ridge_ending_type, 1, "octets of a minutia")
    out.unsigned(len(found.minutiae), 1, "number of minutiae")
    write_minutiae(out, found.minutiae, with_quality=found.with_quality)
    out.unsigned(areas_octets(found.extended), 2, "extended data length")
    write_areas(out, found.extended)
    return representation_octets(out)


def _read(reader: OctetReader, *, certified: bool) -> MinutiaeRepresentation:
    with reader.locating():
        capture = CaptureBlock.read(reader, certified=certified)
        position = reader.unsigned(1, "finger position")
        number = reader.unsigned(1, "representation number")
        x_ppcm, y_ppcm = reader.unsigned(2, "x resolution"), reader.unsigned(2, "y resolution")
        impression = reader.unsigned(1, "impression type")
        width, height = reader.unsigned(2, "image width"), reader.unsigned(2, "image height")
        octets_and_type = reader.unsigned(1, "octets of a minutia")
        octets_each = octets_and_type >> 4
        check_range(octets_each, _OCTETS_WITHOUT_QUALITY, _OCTETS_WITH_QUALITY, "octets of a minutia", _NAME)
        with_quality = octets_each == _OCTETS_WITH_QUALITY
        count = reader.unsigned(1, "number of minutiae")
        minutiae = read_minutiae(
            reader, count, width, height, unreported_quality=None if with_quality else UNREPORTED_QUALITY
        )
        extended = read_areas(reader.block(reader.unsigned(2, "extended data length"), "extended data"))
        reader.expect_end()
        return MinutiaeRepresentation(
            position,
            number,
            impression,
            width,
            height,
            (x_ppcm, y_ppcm),
            minutiae,
            capture,
            extended,
            octets_and_type & 0xF,
            with_quality,
        )
