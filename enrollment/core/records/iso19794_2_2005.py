"""Finger minutiae records, ISO/IEC 19794-2:2005, record format (clause 7).

    record header, 24 octets          finger view, repeated
      "FMR" 0                           finger position        1
      " 20" 0                           view number | impression type   4 + 4 bits
      length of the record     4        finger quality         1
      certification | device   4 + 12 bits   number of minutiae    1
      image width              2        minutiae, 6 octets each (minutia.py)
      image height             2        length of the extended data   2, then areas (extended_data.py)
      x resolution, px/cm      2
      y resolution, px/cm      2
      number of views          1
      0                        1

All numbers are big endian. Lengths, counts, sizes and coordinates are checked; codes that the standard reserves are
kept as read, and so is extended data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import CANON_PPI
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.records.extended_data import ExtendedArea, areas_octets, read_areas_either_way, write_areas
from enrollment.core.records.finger_codes import FINGERS_2005, MINUTIAE_IMPRESSIONS_2005, check_codes
from enrollment.core.records.minutia import (
    MAX_QUALITY,
    Minutia,
    check_inside,
    minutiae_from_template,
    read_minutiae,
    template_from_minutiae,
    write_minutiae,
)
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range
from enrollment.core.records.resolution import ppcm_from_ppi
from enrollment.core.records.wave_area import wave_areas, waves_among

FORMAT_IDENTIFIER: Final = b"FMR\0"
VERSION: Final = b" 20\0"
MAX_VIEW_NUMBER: Final = 15

_NAME: Final = "finger minutiae record"
_HEADER_OCTETS: Final = 24


@dataclass(frozen=True, slots=True)
class FingerView:
    """One impression of one finger.

    position: finger_codes.FINGERS_2005. view: 0..15, which of several impressions. impression: one of
    finger_codes.MINUTIAE_IMPRESSIONS_2005. quality: 0..100. All three may be reserved codes where they were read.
    content_only_lengths: how the lengths of the extended areas count (extended_data.py).
    Raises MalformedRecord for what does not fit its field.
    """

    position: int
    view: int
    impression: int
    quality: int
    minutiae: tuple[Minutia, ...] = field(repr=False)
    extended: tuple[ExtendedArea, ...] = field(default=(), repr=False)
    content_only_lengths: bool = False

    def __post_init__(self) -> None:
        check_range(self.position, 0, 0xFF, "finger position", _NAME)
        check_range(self.view, 0, MAX_VIEW_NUMBER, "view number", _NAME)
        check_range(self.impression, 0, 0x0F, "impression type", _NAME)
        check_range(self.quality, 0, 0xFF, "finger quality", _NAME)
        check_range(len(self.minutiae), 0, 0xFF, "number of minutiae", _NAME)
        check_range(areas_octets(self.extended), 0, 0xFFFF, "extended data length", _NAME)


@dataclass(frozen=True, slots=True)
class FingerMinutiaeRecord:
    """A whole record.

    width, height: pixels. resolution_x_ppcm, resolution_y_ppcm: pixels a centimetre.
    certification: 0 none, 8 the optical quality of a certified scanner, 4 bits. capture_device_type: 0 unspecified ..
    4095, the vendor's number. reserved: the header's last octet, 0 by the standard, kept as read.
    Raises MalformedRecord for what does not fit its field, for a minutia outside the image, and for the same view of
    a finger twice.
    """

    width: int
    height: int
    resolution_x_ppcm: int
    resolution_y_ppcm: int
    views: tuple[FingerView, ...]
    capture_device_type: int = 0
    certification: int = 0
    reserved: int = 0

    def __post_init__(self) -> None:
        check_range(self.width, 1, 0xFFFF, "image width", _NAME)
        check_range(self.height, 1, 0xFFFF, "image height", _NAME)
        check_range(self.resolution_x_ppcm, 1, 0xFFFF, "x resolution", _NAME)
        check_range(self.resolution_y_ppcm, 1, 0xFFFF, "y resolution", _NAME)
        check_range(self.capture_device_type, 0, 0xFFF, "capture device type", _NAME)
        check_range(self.certification, 0, 0xF, "capture equipment certification", _NAME)
        check_range(self.reserved, 0, 0xFF, "reserved", _NAME)
        check_range(len(self.views), 1, 0xFF, "number of views", _NAME)
        if len({(view.position, view.view) for view in self.views}) != len(self.views):
            raise MalformedRecord(f"{_NAME}: the same view of a finger twice", views=len(self.views))
        for view in self.views:
            for minutia in view.minutiae:
                check_inside(minutia.x, minutia.y, self.width, self.height)

    def encode(self) -> bytes:
        """The record's octets."""
        views = OctetWriter(_NAME)
        for view in self.views:
            _write_view(views, view)
        octets = views.encoded()
        out = OctetWriter(_NAME)
        out.raw(FORMAT_IDENTIFIER + VERSION)
        out.unsigned(_HEADER_OCTETS + len(octets), 4, "record length")
        out.unsigned(self.certification << 12 | self.capture_device_type, 2, "capture device")
        out.unsigned(self.width, 2, "image width")
        out.unsigned(self.height, 2, "image height")
        out.unsigned(self.resolution_x_ppcm, 2, "x resolution")
        out.unsigned(self.resolution_y_ppcm, 2, "y resolution")
        out.unsigned(len(self.views), 1, "number of views")
        out.unsigned(self.reserved, 1, "reserved")
        out.raw(octets)
        return out.encoded()

    @classmethod
    def decode(cls, data: bytes) -> FingerMinutiaeRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        reader.expect(FORMAT_IDENTIFIER, "format identifier")
        reader.expect(VERSION, "version")
        reader.expect_length(reader.unsigned(4, "record length"))
        device = reader.unsigned(2, "capture device")
        width = reader.unsigned(2, "image width")
        height = reader.unsigned(2, "image height")
        x_ppcm = reader.unsigned(2, "x resolution")
        y_ppcm = reader.unsigned(2, "y resolution")
        count = reader.unsigned(1, "number of views")
        reserved = reader.unsigned(1, "reserved")
        views = tuple(_read_view(reader, width, height) for _ in range(count))
        reader.expect_end()
        with reader.locating():
            return cls(width, height, x_ppcm, y_ppcm, views, device & 0xFFF, device >> 12, reserved)


def record_from_template(
    template: FingerprintTemplate,
    *,
    position: int,
    impression: int,
    quality: int,
    view: int = 0,
    capture_device_type: int = 0,
    with_waves: bool = False,
) -> FingerMinutiaeRecord:
    """Write a template as a record of one view, at 500 ppi.

    with_waves: with the ridges between the minutiae as extended data (wave_area.py), some 2,500 octets a finger.
    Positions are rounded to whole pixels, directions to 360/256 degrees, reliabilities to 1..100.
    Raises MalformedRecord for codes or an image size that the standard does not allow.
    """
    check_codes(position, impression, FINGERS_2005, MINUTIAE_IMPRESSIONS_2005, _NAME)
    check_range(quality, 0, MAX_QUALITY, "finger quality", _NAME)
    ppcm = ppcm_from_ppi(CANON_PPI)
    extended = wave_areas(template.waves) if with_waves else ()
    found = FingerView(position, view, impression, quality, minutiae_from_template(template), extended)
    return FingerMinutiaeRecord(*template.size, ppcm, ppcm, (found,), capture_device_type)


def template_from_record(record: FingerMinutiaeRecord, view: int = 0) -> FingerprintTemplate:
    """The template of the record's view at index `view`, brought to 500 ppi, most reliable first, without a mask.

    It has the ridges between the minutiae where the view holds them.
    Raises MalformedRecord where there is no such view, or its resolution is none of a fingerprint image.
    """
    check_range(view, 0, len(record.views) - 1, "view index", _NAME)
    template = template_from_minutiae(
        record.views[view].minutiae,
        (record.width, record.height),
        (record.resolution_x_ppcm, record.resolution_y_ppcm),
        zero_is_unreported=True,
    )
    return replace(template, waves=waves_among(record.views[view].extended))


def _write_view(out: OctetWriter, view: FingerView) -> None:
    out.unsigned(view.position, 1, "finger position")
    out.unsigned(view.view << 4 | view.impression, 1, "view number and impression type")
    out.unsigned(view.quality, 1, "finger quality")
    out.unsigned(len(view.minutiae), 1, "number of minutiae")
    write_minutiae(out, view.minutiae)
    out.unsigned(areas_octets(view.extended), 2, "extended data length")
    write_areas(out, view.extended, content_only_lengths=view.content_only_lengths)


def _read_view(reader: OctetReader, width: int, height: int) -> FingerView:
    with reader.locating():
        position = reader.unsigned(1, "finger position")
        view_and_impression = reader.unsigned(1, "view number and impression type")
        quality = reader.unsigned(1, "finger quality")
        count = reader.unsigned(1, "number of minutiae")
        minutiae = read_minutiae(reader, count, width, height)
        block = reader.block(reader.unsigned(2, "extended data length"), "extended data")
        areas, content_only = read_areas_either_way(block)
        return FingerView(
            position, view_and_impression >> 4, view_and_impression & 0x0F, quality, minutiae, areas, content_only
        )
