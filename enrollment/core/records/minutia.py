"""Minutiae as finger minutiae records of 2005 and of 2011 hold them, and their bridge to templates.

    type | x       2 + 14 bits
    0 | y          2 + 14 bits
    angle          1 octet, units of 360/256 degrees, counterclockwise, y up
    quality        1 octet, 0..100; not reported: 0 in 2005, 254 (or no octet at all) in 2011; 255 in 2011: failed

Sources: ISO/IEC 19794-2:2005 7.4.2, ISO/IEC 19794-2:2011 8.4.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import CANON_PPI, MAX_PPI, MIN_PPI
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range
from enrollment.core.records.resolution import ppcm_from_ppi, ppi_from_ppcm

MAX_COORDINATE: Final = (1 << 14) - 1
MAX_QUALITY: Final = 100
ANGLE_UNITS: Final = 256
UNREPORTED_RELIABILITY: Final = 0.5  # of a minutia whose quality is not reported: neither trusted nor dropped

_NAME: Final = "finger minutiae record"
_WITH_QUALITY: Final = struct.Struct(">HHBB")
_WITHOUT_QUALITY: Final = struct.Struct(">HHB")


@dataclass(frozen=True, slots=True)
class Minutia:
    """x, y: pixels from the top left corner. angle: 0..255, units of 360/256 degrees, counterclockwise with y up.

    kind: MinutiaKind, or the reserved 3. quality: 1..100; what else it may be, the module says. reserved: the two bits
    before y, 0 by both standards, kept as read.
    Raises MalformedRecord out of range.
    """

    kind: int
    x: int
    y: int
    angle: int
    quality: int
    reserved: int = 0

    def __post_init__(self) -> None:
        check_range(self.kind, 0, 3, "minutia type", _NAME)
        check_range(self.x, 0, MAX_COORDINATE, "minutia x", _NAME)
        check_range(self.y, 0, MAX_COORDINATE, "minutia y", _NAME)
        check_range(self.angle, 0, ANGLE_UNITS - 1, "minutia angle", _NAME)
        check_range(self.quality, 0, 0xFF, "minutia quality", _NAME)
        check_range(self.reserved, 0, 3, "minutia reserved bits", _NAME)


def write_minutiae(out: OctetWriter, minutiae: Sequence[Minutia], *, with_quality: bool = True) -> None:
    """Append minutiae."""
    for minutia in minutiae:
        fields = minutia.kind << 14 | minutia.x, minutia.reserved << 14 | minutia.y, minutia.angle
        out.raw(_WITH_QUALITY.pack(*fields, minutia.quality) if with_quality else _WITHOUT_QUALITY.pack(*fields))


def read_minutiae(
    reader: OctetReader, count: int, width: int, height: int, *, unreported_quality: int | None = None
) -> tuple[Minutia, ...]:
    """The next `count` minutiae of an image of width x height pixels.

    unreported_quality: what stands for the quality of minutiae that have no octet of it; None where they have one.
    Raises MalformedRecord for a minutia outside the image.
    """
    check_range(width, 1, 0xFFFF, "image width", _NAME)
    check_range(height, 1, 0xFFFF, "image height", _NAME)
    layout = _WITH_QUALITY if unreported_quality is None else _WITHOUT_QUALITY
    start = reader.position
    octets = reader.take(layout.size * count, "minutiae")
    minutiae: list[Minutia] = []
    for kind_x, reserved_y, angle, *quality in layout.iter_unpack(octets):
        x, y = kind_x & MAX_COORDINATE, reserved_y & MAX_COORDINATE
        try:
            check_inside(x, y, width, height)
        except MalformedRecord as error:
            error.facts["offset"] = start + layout.size * len(minutiae)
            raise
        found = quality[0] if unreported_quality is None else unreported_quality
        minutiae.append(Minutia(kind_x >> 14, x, y, angle, found, reserved_y >> 14))
    return tuple(minutiae)


def check_inside(x: int, y: int, width: int, height: int) -> None:
    """Raise MalformedRecord for a minutia outside its image."""
    check_range(x, 0, width - 1, "minutia x", _NAME)
    check_range(y, 0, height - 1, "minutia y", _NAME)


def minutiae_from_template(template: FingerprintTemplate) -> tuple[Minutia, ...]:
    """Positions rounded to whole pixels at 500 ppi, directions to 360/256 degrees, reliabilities to 1..100.

    Raises MalformedRecord where the image is too large for the coordinates.
    """
    width, height = template.size
    xs = np.clip(np.rint(template.positions[:, 0]), 0, max(0, width - 1)).astype(int)
    ys = np.clip(np.rint(template.positions[:, 1]), 0, max(0, height - 1)).astype(int)
    angles = np.rint(-template.directions.astype(np.float64) * (ANGLE_UNITS / math.tau)).astype(int) % ANGLE_UNITS
    qualities = np.clip(np.rint(template.reliabilities * MAX_QUALITY), 1, MAX_QUALITY).astype(int)
    columns = (template.kinds.tolist(), xs.tolist(), ys.tolist(), angles.tolist(), qualities.tolist())
    return tuple(Minutia(*fields) for fields in zip(*columns, strict=True))


def template_from_minutiae(
    minutiae: Sequence[Minutia],
    size: tuple[int, int],
    resolution_ppcm: tuple[int, int],
    *,
    zero_is_unreported: bool,
) -> FingerprintTemplate:
    """The template at 500 ppi, most reliable first, without a mask.

    size: width and height, pixels. resolution_ppcm: x and y, pixels a centimetre. zero_is_unreported: what a quality
    of 0 means. A reserved type becomes OTHER.
    Raises MalformedRecord for a resolution that no fingerprint image has.
    """
    for ppcm in resolution_ppcm:
        check_range(ppcm, ppcm_from_ppi(MIN_PPI), ppcm_from_ppi(MAX_PPI), "resolution of a template", _NAME)
    fields = np.array([(m.kind, m.x, m.y, m.angle, m.quality) for m in minutiae], dtype=np.int64).reshape(-1, 5)
    kinds, quality = fields[:, 0], fields[:, 4]
    reported = (quality <= MAX_QUALITY) & (quality >= int(zero_is_unreported))
    reliabilities = np.where(reported, quality / MAX_QUALITY, UNREPORTED_RELIABILITY).astype(np.float32)
    order = np.argsort(-reliabilities, kind="stable")
    scale = CANON_PPI / np.array([ppi_from_ppcm(ppcm) for ppcm in resolution_ppcm])
    return FingerprintTemplate(
        positions=(fields[order, 1:3] * scale).astype(np.float32),
        directions=(-fields[order, 3] % ANGLE_UNITS * (math.tau / ANGLE_UNITS)).astype(np.float32),
        kinds=np.where(kinds <= max(MinutiaKind), kinds, MinutiaKind.OTHER)[order].astype(np.uint8),
        reliabilities=reliabilities[order],
        size=(max(1, round(size[0] * scale[0])), max(1, round(size[1] * scale[1]))),
    )
