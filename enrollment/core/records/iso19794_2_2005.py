"""Finger minutiae records, ISO/IEC 19794-2:2005, record format (clause 7).

    record header, 24 octets          finger view, repeated
      "FMR" 0                           finger position        1
      " 20" 0                           view number | impression type   4 + 4 bits
      length of the record     4        finger quality         1
      certification | device   4 + 12 bits   number of minutiae    1
      image width              2        minutiae, 6 octets each
      image height             2          type | x             2 + 14 bits
      x resolution, px/cm      2          0 | y                2 + 14 bits
      y resolution, px/cm      2          angle                1, units of 360/256 degrees, counterclockwise, y up
      number of views          1          quality              1, 1..100, 0 where it was not reported
      0                        1        length of the extended data   2, then areas: type 2, length 2 (with these 4
                                        octets), content

All numbers are big endian. Extended data is kept as it is; nothing here reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import CANON_PPI
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.records.octets import OctetReader, OctetWriter, check_member, check_range
from enrollment.core.records.resolution import ppcm_from_ppi, ppi_from_ppcm

FORMAT_IDENTIFIER: Final = b"FMR\0"
VERSION: Final = b" 20\0"
MAX_FINGER_POSITION: Final = 10
MAX_VIEW_NUMBER: Final = 15
MAX_COORDINATE: Final = (1 << 14) - 1
MAX_QUALITY: Final = 100
IMPRESSION_TYPES: Final = frozenset({0, 1, 2, 3, 8, 9})  # live or not, plain or rolled; swipe; contactless
CERTIFICATIONS: Final = frozenset({0, 8})  # none, or the optical quality of a certified scanner; the rest is reserved
UNREPORTED_RELIABILITY: Final = 0.5  # of a minutia whose quality is 0: neither trusted nor dropped

_NAME: Final = "finger minutiae record"
_HEADER_OCTETS: Final = 24
_VIEW_HEADER_OCTETS: Final = 4
_MINUTIA_OCTETS: Final = 6
_AREA_HEADER_OCTETS: Final = 4
_ANGLE_UNITS: Final = 256


@dataclass(frozen=True, slots=True)
class Minutia:
    """x, y: pixels from the top left corner. angle: 0..255, units of 360/256 degrees, counterclockwise with y up.

    quality: 1..100, 0 where it was not reported. Raises MalformedRecord out of range.
    """

    kind: int
    x: int
    y: int
    angle: int
    quality: int

    def __post_init__(self) -> None:
        check_range(self.kind, 0, max(MinutiaKind), "minutia type", _NAME)
        check_range(self.x, 0, MAX_COORDINATE, "minutia x", _NAME)
        check_range(self.y, 0, MAX_COORDINATE, "minutia y", _NAME)
        check_range(self.angle, 0, _ANGLE_UNITS - 1, "minutia angle", _NAME)
        check_range(self.quality, 0, MAX_QUALITY, "minutia quality", _NAME)


@dataclass(frozen=True, slots=True)
class ExtendedArea:
    """One extended data area: 1 ridge counts, 2 cores and deltas, 3 zonal quality, from 256 on a vendor's own."""

    type_code: int
    content: bytes

    def __post_init__(self) -> None:
        check_range(self.type_code, 0, 0xFFFF, "extended data type", _NAME)
        check_range(self.octets, 0, 0xFFFF, "extended data area length", _NAME)

    @property
    def octets(self) -> int:
        """Length with its type and length fields."""
        return _AREA_HEADER_OCTETS + len(self.content)


@dataclass(frozen=True, slots=True)
class FingerView:
    """One impression of one finger.

    position: 0 unknown, 1 right thumb to 5 right little, 6 left thumb to 10 left little finger.
    view: 0..15, which of several impressions. impression: one of IMPRESSION_TYPES. quality: 0..100.
    Raises MalformedRecord out of range.
    """

    position: int
    view: int
    impression: int
    quality: int
    minutiae: tuple[Minutia, ...] = field(repr=False)
    extended: tuple[ExtendedArea, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        check_range(self.position, 0, MAX_FINGER_POSITION, "finger position", _NAME)
        check_range(self.view, 0, MAX_VIEW_NUMBER, "view number", _NAME)
        check_member(self.impression, IMPRESSION_TYPES, "impression type", _NAME)
        check_range(self.quality, 0, MAX_QUALITY, "finger quality", _NAME)
        check_range(len(self.minutiae), 0, 0xFF, "number of minutiae", _NAME)
        check_range(self.extended_octets, 0, 0xFFFF, "extended data length", _NAME)

    @property
    def extended_octets(self) -> int:
        """Length of the extended data block."""
        return sum(area.octets for area in self.extended)


@dataclass(frozen=True, slots=True)
class FingerMinutiaeRecord:
    """A whole record.

    width, height: pixels. resolution_x_ppcm, resolution_y_ppcm: pixels a centimetre.
    certification: one of CERTIFICATIONS. capture_device_type: 0 unspecified .. 4095, the vendor's number.
    Raises MalformedRecord for what the standard does not allow, also a minutia outside the image or the same view of
    a finger twice.
    """

    width: int
    height: int
    resolution_x_ppcm: int
    resolution_y_ppcm: int
    views: tuple[FingerView, ...]
    capture_device_type: int = 0
    certification: int = 0

    def __post_init__(self) -> None:
        check_range(self.width, 1, 0xFFFF, "image width", _NAME)
        check_range(self.height, 1, 0xFFFF, "image height", _NAME)
        check_range(self.resolution_x_ppcm, 1, 0xFFFF, "x resolution", _NAME)
        check_range(self.resolution_y_ppcm, 1, 0xFFFF, "y resolution", _NAME)
        check_range(self.capture_device_type, 0, 0xFFF, "capture device type", _NAME)
        check_member(self.certification, CERTIFICATIONS, "capture equipment certification", _NAME)
        check_range(len(self.views), 1, 0xFF, "number of views", _NAME)
        if len({(view.position, view.view) for view in self.views}) != len(self.views):
            raise MalformedRecord(f"{_NAME}: the same view of a finger twice", views=len(self.views))
        for view in self.views:
            for minutia in view.minutiae:
                check_range(minutia.x, 0, self.width - 1, "minutia x", _NAME)
                check_range(minutia.y, 0, self.height - 1, "minutia y", _NAME)

    def encode(self) -> bytes:
        """The record's octets."""
        octets = _HEADER_OCTETS + sum(
            _VIEW_HEADER_OCTETS + _MINUTIA_OCTETS * len(view.minutiae) + 2 + view.extended_octets for view in self.views
        )
        out = OctetWriter(_NAME)
        out.raw(FORMAT_IDENTIFIER + VERSION)
        out.unsigned(octets, 4, "record length")
        out.unsigned(self.certification << 12 | self.capture_device_type, 2, "capture device")
        out.unsigned(self.width, 2, "image width")
        out.unsigned(self.height, 2, "image height")
        out.unsigned(self.resolution_x_ppcm, 2, "x resolution")
        out.unsigned(self.resolution_y_ppcm, 2, "y resolution")
        out.unsigned(len(self.views), 1, "number of views")
        out.unsigned(0, 1, "reserved")
        for view in self.views:
            _write_view(out, view)
        return out.encoded()

    @classmethod
    def decode(cls, data: bytes) -> FingerMinutiaeRecord:
        """Read a record. Raises MalformedRecord for anything that `encode` would not have written."""
        reader = OctetReader(data, _NAME)
        reader.expect(FORMAT_IDENTIFIER, "format identifier")
        reader.expect(VERSION, "version")
        octets = reader.unsigned(4, "record length")
        if octets != len(data):
            raise MalformedRecord(
                f"{_NAME}: its length says {octets}, it has {len(data)} octets", declared=octets, found=len(data)
            )
        device = reader.unsigned(2, "capture device")
        width = reader.unsigned(2, "image width")
        height = reader.unsigned(2, "image height")
        x_ppcm = reader.unsigned(2, "x resolution")
        y_ppcm = reader.unsigned(2, "y resolution")
        count = reader.unsigned(1, "number of views")
        reader.expect(b"\0", "reserved")
        views = tuple(_read_view(reader) for _ in range(count))
        reader.expect_end()
        return cls(width, height, x_ppcm, y_ppcm, views, device & 0xFFF, device >> 12)


def record_from_template(
    template: FingerprintTemplate,
    *,
    position: int,
    impression: int,
    quality: int,
    view: int = 0,
    capture_device_type: int = 0,
) -> FingerMinutiaeRecord:
    """Write a template as a record of one view, at 500 ppi.

    Positions are rounded to whole pixels, directions to 360/256 degrees, reliabilities to 1..100.
    Raises MalformedRecord for codes or an image size that the standard does not allow.
    """
    width, height = template.size
    xs = np.clip(np.rint(template.positions[:, 0]), 0, max(0, width - 1)).astype(int)
    ys = np.clip(np.rint(template.positions[:, 1]), 0, max(0, height - 1)).astype(int)
    angles = np.rint(-template.directions.astype(np.float64) * (_ANGLE_UNITS / math.tau)).astype(int) % _ANGLE_UNITS
    qualities = np.clip(np.rint(template.reliabilities * MAX_QUALITY), 1, MAX_QUALITY).astype(int)
    columns = (template.kinds.tolist(), xs.tolist(), ys.tolist(), angles.tolist(), qualities.tolist())
    minutiae = tuple(Minutia(*fields) for fields in zip(*columns, strict=True))
    ppcm = ppcm_from_ppi(CANON_PPI)
    found = FingerView(position, view, impression, quality, minutiae)
    return FingerMinutiaeRecord(width, height, ppcm, ppcm, (found,), capture_device_type)


def template_from_record(record: FingerMinutiaeRecord, view: int = 0) -> FingerprintTemplate:
    """The template of the record's view at index `view`, brought to 500 ppi, most reliable first, without a mask.

    Raises MalformedRecord where there is no such view.
    """
    check_range(view, 0, len(record.views) - 1, "view index", _NAME)
    fields = np.array(
        [(found.kind, found.x, found.y, found.angle, found.quality) for found in record.views[view].minutiae],
        dtype=np.int64,
    ).reshape(-1, 5)
    fields = fields[np.argsort(-fields[:, 4], kind="stable")]
    scale = CANON_PPI / np.array([ppi_from_ppcm(record.resolution_x_ppcm), ppi_from_ppcm(record.resolution_y_ppcm)])
    quality = fields[:, 4]
    return FingerprintTemplate(
        positions=(fields[:, 1:3] * scale).astype(np.float32),
        directions=(-fields[:, 3] % _ANGLE_UNITS * (math.tau / _ANGLE_UNITS)).astype(np.float32),
        kinds=fields[:, 0].astype(np.uint8),
        reliabilities=np.where(quality > 0, quality / MAX_QUALITY, UNREPORTED_RELIABILITY).astype(np.float32),
        size=(max(1, round(record.width * scale[0])), max(1, round(record.height * scale[1]))),
    )


def _write_view(out: OctetWriter, view: FingerView) -> None:
    out.unsigned(view.position, 1, "finger position")
    out.unsigned(view.view << 4 | view.impression, 1, "view number and impression type")
    out.unsigned(view.quality, 1, "finger quality")
    out.unsigned(len(view.minutiae), 1, "number of minutiae")
    for minutia in view.minutiae:
        out.unsigned(minutia.kind << 14 | minutia.x, 2, "minutia x")
        out.unsigned(minutia.y, 2, "minutia y")
        out.unsigned(minutia.angle, 1, "minutia angle")
        out.unsigned(minutia.quality, 1, "minutia quality")
    out.unsigned(view.extended_octets, 2, "extended data length")
    for area in view.extended:
        out.unsigned(area.type_code, 2, "extended data type")
        out.unsigned(area.octets, 2, "extended data area length")
        out.raw(area.content)


def _read_view(reader: OctetReader) -> FingerView:
    position = reader.unsigned(1, "finger position")
    view_and_impression = reader.unsigned(1, "view number and impression type")
    quality = reader.unsigned(1, "finger quality")
    count = reader.unsigned(1, "number of minutiae")
    minutiae = tuple(_read_minutia(reader) for _ in range(count))
    extended = _read_extended(reader)
    return FingerView(position, view_and_impression >> 4, view_and_impression & 0x0F, quality, minutiae, extended)


def _read_minutia(reader: OctetReader) -> Minutia:
    kind_and_x = reader.unsigned(2, "minutia x")
    reserved_and_y = reader.unsigned(2, "minutia y")
    check_range(reserved_and_y >> 14, 0, 0, "minutia reserved bits", _NAME)
    return Minutia(
        kind=kind_and_x >> 14,
        x=kind_and_x & MAX_COORDINATE,
        y=reserved_and_y,
        angle=reader.unsigned(1, "minutia angle"),
        quality=reader.unsigned(1, "minutia quality"),
    )


def _read_extended(reader: OctetReader) -> tuple[ExtendedArea, ...]:
    block = OctetReader(reader.take(reader.unsigned(2, "extended data length"), "extended data"), _NAME)
    areas: list[ExtendedArea] = []
    while block.remaining:
        type_code = block.unsigned(2, "extended data type")
        octets = block.unsigned(2, "extended data area length")
        check_range(octets, _AREA_HEADER_OCTETS, 0xFFFF, "extended data area length", _NAME)
        areas.append(ExtendedArea(type_code, block.take(octets - _AREA_HEADER_OCTETS, "extended data area")))
    return tuple(areas)
