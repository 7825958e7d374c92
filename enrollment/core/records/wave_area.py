"""The ridges between the minutiae (`WaveMap`), as extended data of a finger minutiae record: a vendor's own type.

    offset  octets
    0       8       "EWSWAVE1"; other content of this type is another vendor's and means nothing here
    8       2       rows
    10      2       columns
    12      4       x of the first cell's centre, 4 y; signed, 1/256 pixel at 500 ppi
    20      4       x from cell to cell, 4 y; 1/65536 pixel
    28      4 each  cells, row by row: phase, direction, period, weight

Readers that do not know it skip it, as the standard has it. Comparing with it is what halves the errors of comparing
by minutiae alone; it says no more of a person than the image that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from enrollment.core.errors import InvalidImage, MalformedRecord
from enrollment.core.fingerprint import WaveMap
from enrollment.core.records.extended_data import AREA_HEADER_OCTETS, ExtendedArea
from enrollment.core.records.octets import OctetReader, OctetWriter

WAVE_AREA_TYPE: Final = 0x5741

_NAME: Final = "ridge waves"
_MAGIC: Final = b"EWSWAVE1"
_HEADER_OCTETS: Final = 28
_ORIGIN_STEPS: Final = 256
_PITCH_STEPS: Final = 65_536
_MOST_CELLS: Final = (0xFFFF - AREA_HEADER_OCTETS - _HEADER_OCTETS) // 4


def wave_areas(waves: WaveMap | None) -> tuple[ExtendedArea, ...]:
    """Write a map as one area; none where there is no map, or one larger than an area may be (a whole slap)."""
    if waves is None or waves.cells[:, :, 0].size > _MOST_CELLS:
        return ()
    rows, cols, _ = waves.cells.shape
    out = OctetWriter(_NAME)
    out.raw(_MAGIC)
    out.unsigned(rows, 2, "rows")
    out.unsigned(cols, 2, "columns")
    for place in waves.origin:
        out.unsigned(round(place * _ORIGIN_STEPS) & 0xFFFF_FFFF, 4, "origin")
    for side in waves.pitch:
        out.unsigned(round(side * _PITCH_STEPS), 4, "pitch")
    out.raw(waves.cells.tobytes())
    return (ExtendedArea(WAVE_AREA_TYPE, out.encoded()),)


def waves_among(areas: Iterable[ExtendedArea]) -> WaveMap | None:
    """Read the map that one of the areas holds; None where none does.

    Raises MalformedRecord where an area begins as a map and is none.
    """
    ours = (area.content for area in areas if area.type_code == WAVE_AREA_TYPE and area.content[:8] == _MAGIC)
    content = next(ours, None)
    return None if content is None else _decode(content)


def _decode(content: bytes) -> WaveMap:
    reader = OctetReader(content, _NAME)
    reader.expect(_MAGIC, "identifier")
    rows, cols = reader.unsigned(2, "rows"), reader.unsigned(2, "columns")
    x, y = (_signed(reader.unsigned(4, "origin")) / _ORIGIN_STEPS for _ in range(2))
    wide, high = (reader.unsigned(4, "pitch") / _PITCH_STEPS for _ in range(2))
    cells = reader.take(4 * rows * cols, "cells")
    reader.expect_end()
    try:
        return WaveMap(np.frombuffer(cells, np.uint8).reshape(rows, cols, 4), (x, y), (wide, high))
    except InvalidImage as error:
        raise MalformedRecord(f"{_NAME}: {error}") from None


def _signed(value: int) -> int:
    return value - 0x1_0000_0000 if value >= 0x8000_0000 else value
