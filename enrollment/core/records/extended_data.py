"""Extended data areas of finger records: type 2 octets, length 2 octets, content. Unknown ones are kept as they are.

A length counts its area's header of 4 octets too: so do ISO/IEC 19794-2:2011, 19794-4:2011, and NIST's readers of
19794-2:2005. Others write 19794-2:2005 with lengths of the content alone. Such a block is told by its end, for its
areas fill it in one way of counting only, and it is written back as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.octets import OctetReader, OctetWriter, check_range

AREA_HEADER_OCTETS: Final = 4
_NAME: Final = "extended data area"


@dataclass(frozen=True, slots=True)
class ExtendedArea:
    """One area. In minutiae records: 1 ridge counts, 2 cores and deltas, 3 zonal quality (minutiae_extended.py); in
    image records: 1 segmentation, 2 annotation, 3 comment (image_extended.py); from 256 on a vendor's own.
    """

    type_code: int
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_range(self.type_code, 0, 0xFFFF, "extended data type", _NAME)
        check_range(self.octets, 0, 0xFFFF, "extended data area length", _NAME)

    @property
    def octets(self) -> int:
        """Length with its type and length fields."""
        return AREA_HEADER_OCTETS + len(self.content)


def areas_octets(areas: Iterable[ExtendedArea]) -> int:
    """Length of areas one after the other."""
    return sum(area.octets for area in areas)


def write_areas(out: OctetWriter, areas: Iterable[ExtendedArea], *, content_only_lengths: bool = False) -> None:
    """Append areas. content_only_lengths: lengths do not count the header."""
    for area in areas:
        out.unsigned(area.type_code, 2, "extended data type")
        out.unsigned(len(area.content) if content_only_lengths else area.octets, 2, "extended data area length")
        out.raw(area.content)


def read_areas(block: OctetReader, *, content_only_lengths: bool = False) -> tuple[ExtendedArea, ...]:
    """Areas to the block's end. Raises MalformedRecord where they do not fill it exactly."""
    areas: list[ExtendedArea] = []
    header = 0 if content_only_lengths else AREA_HEADER_OCTETS
    while block.remaining:
        with block.locating():
            type_code = block.unsigned(2, "extended data type")
            octets = block.unsigned(2, "extended data area length")
            check_range(octets, header, 0xFFFF, "extended data area length", _NAME)
            areas.append(ExtendedArea(type_code, block.take(octets - header, "extended data area")))
    return tuple(areas)


def read_areas_either_way(block: OctetReader) -> tuple[tuple[ExtendedArea, ...], bool]:
    """The areas of the block, and whether their lengths count the content alone.

    Raises MalformedRecord where they fill the block in neither way; the error is that of lengths with the header.
    """
    again = block.copy()
    try:
        return read_areas(block), False
    except MalformedRecord as error:
        try:
            return read_areas(again, content_only_lengths=True), True
        except MalformedRecord:
            raise error from None
