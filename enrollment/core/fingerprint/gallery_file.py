"""A gallery as one piece of bytes: descriptors and geometry of its templates, and their ids.

    offset  bytes            little-endian
    0       8                "EFPGAL" CR LF
    8       2                version, 1
    10      2                minutiae a template has room for, M = MATCHING.most_minutiae
    12      2                dimensions of a descriptor, D = projection.DIMENSIONS
    14      2                0
    16      8                templates, G
    24      8                bytes of all ids, B
    32      32               SHA-256 of projection.npy: descriptors of another one mean something else
    64      64               0
    128     2 * G * M * 4    points, float32: all x, then all y
            2 * G * M * 4    headings, float32: all cosines, then all sines
            G * M * 4        reliabilities, float32
            G * M            kinds
            G * M * D        descriptors, int8
            G                minutiae of each template
            G                bytes of each id, 0 for none
            B                ids, UTF-8
            32               SHA-256 of all before

Arrays are read where they lie, so that a memory map of a large file is loaded without a copy. The digest finds damage,
not malice: whoever can write the file can write the digest. Every value is therefore checked as if it were hostile, and
what is read can be compared with anything without a crash or a number that is none. Whether the templates are the
right ones is for the caller to know: seal the file, or keep it where nobody else writes.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.area import SIDES, supports
from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.matching_parameters import MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS, RESOURCE_SHA256
from enrollment.core.fingerprint.template import MinutiaKind

VERSION: Final = 1
_MAGIC: Final = b"EFPGAL\r\n"
_HEADER: Final = struct.Struct("<8sHHHHQQ32s64s")
_DIGEST_BYTES: Final = 32
_HASHED_AT_ONCE: Final = 1 << 24  # bytes
_CHECKED_AT_ONCE: Final = 4096  # templates
_HEADING_SLACK: Final = 1e-3  # of the square of a heading's length
_MOST_SQUARE: Final = (MATCHING.descriptor_scale + math.sqrt(DIMENSIONS) / 2.0) ** 2  # of a rounded unit vector


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Described templates with room for MATCHING.most_minutiae each, and the id of each or None."""

    rows: DescribedTemplates
    ids: tuple[str | None, ...]


def pack(content: Content) -> Iterator[memoryview | bytes]:
    """Yield the file piece by piece; the arrays as views."""
    digest = hashlib.sha256()
    for piece in _pieces(content):
        digest.update(piece)
        yield piece
    yield digest.digest()


def unpack(content: bytes | memoryview) -> Content:
    """Read a file; the arrays are views of it.

    Nothing is allocated before the length is known to be that of the counts.
    Raises MalformedRecord for anything that `pack` does not make.
    """
    view = memoryview(content).cast("B").toreadonly()
    if len(view) < _HEADER.size + _DIGEST_BYTES:
        raise MalformedRecord(f"{len(view)} bytes are no gallery", bytes=len(view))
    count, id_bytes = _read_header(view)
    widths = _bytes_a_template()
    expected = _HEADER.size + count * sum(widths) + id_bytes + _DIGEST_BYTES
    if len(view) != expected:
        raise MalformedRecord(f"a gallery of {count} templates has {expected} bytes, not {len(view)}", bytes=len(view))
    digest = hashlib.sha256()
    for start in range(0, len(view) - _DIGEST_BYTES, _HASHED_AT_ONCE):
        digest.update(view[start : min(start + _HASHED_AT_ONCE, len(view) - _DIGEST_BYTES)])
    if digest.digest() != view[-_DIGEST_BYTES:]:
        raise MalformedRecord("the gallery is damaged: its digest is another", bytes=len(view))
    starts = np.cumsum([_HEADER.size, *(count * width for width in widths)]).tolist()
    most = MATCHING.most_minutiae

    def array(number: int, dtype: DTypeLike, *shape: int) -> NDArray[Any]:
        return np.frombuffer(view[starts[number] : starts[number + 1]], dtype).reshape(shape)

    rows = DescribedTemplates(
        polygons=np.zeros((count, SIDES), np.float32),
        points=array(0, "<f4", 2, count, most),
        headings=array(1, "<f4", 2, count, most),
        reliabilities=array(2, "<f4", count, most),
        kinds=array(3, np.uint8, count, most),
        descriptors=array(4, np.int8, count, most, DIMENSIONS),
        counts=array(5, np.uint8, count).astype(np.intp),
    )
    for start in range(0, count, _CHECKED_AT_ONCE):
        _check(rows.part(start, start + _CHECKED_AT_ONCE))
    return Content(rows, _read_ids(array(6, np.uint8, count), view[starts[7] : starts[7] + id_bytes]))


def _pieces(content: Content) -> Iterator[memoryview | bytes]:
    """Yield all but the digest."""
    rows = content.rows
    ids = [b"" if one is None else one.encode() for one in content.ids]
    yield _HEADER.pack(
        _MAGIC,
        VERSION,
        MATCHING.most_minutiae,
        DIMENSIONS,
        0,
        len(rows),
        sum(map(len, ids)),
        bytes.fromhex(RESOURCE_SHA256),
        bytes(64),
    )
    if len(rows):
        floats = (*rows.points, *rows.headings, rows.reliabilities)
        for array in (*(part.astype("<f4", copy=False) for part in floats), rows.kinds, rows.descriptors):
            yield np.ascontiguousarray(array).data.cast("B")
        yield rows.counts.astype(np.uint8).tobytes()
    yield bytes(map(len, ids))
    yield b"".join(ids)


def _bytes_a_template() -> tuple[int, ...]:
    """Bytes that a template takes in each of the sections, without its id."""
    most = MATCHING.most_minutiae
    return 8 * most, 8 * most, 4 * most, most, most * DIMENSIONS, 1, 1


def _read_header(view: memoryview) -> tuple[int, int]:
    """Return how many templates and bytes of ids there are said to be."""
    magic, version, most, dimensions, zero, count, id_bytes, projection, zeros = _HEADER.unpack_from(view)
    if magic != _MAGIC:
        raise MalformedRecord("these bytes are no gallery", bytes=len(view))
    if version != VERSION:
        raise MalformedRecord(f"a gallery of version {version}; known is {VERSION}", version=version)
    if (most, dimensions) != (MATCHING.most_minutiae, DIMENSIONS) or projection.hex() != RESOURCE_SHA256:
        raise MalformedRecord("the gallery was made by another matcher: build it again from its templates")
    if zero or any(zeros):
        raise MalformedRecord("the gallery's header has values where none may be", bytes=len(view))
    return count, id_bytes


def _check(rows: DescribedTemplates) -> None:
    """Refuse what `describe` does not make, and give each template its polygon."""
    real, padding = ~rows.padding, rows.padding
    whole = (rows.counts == 0) | (rows.counts >= MATCHING.least_minutiae) & (rows.counts <= MATCHING.most_minutiae)
    cos, sin = rows.headings
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = cos * cos + sin * sin
        allowed = {
            "counts": whole,
            "points": np.abs(rows.points) <= 2.0 * MATCHING.furthest_px,  # False for what is no number
            "headings": np.abs(lengths - real) <= _HEADING_SLACK,
            "reliabilities": (rows.reliabilities >= 0.0) & (rows.reliabilities <= 1.0),
            "kinds": rows.kinds < len(MinutiaKind),
            "descriptors": np.einsum("cmd,cmd->cm", rows.descriptors, rows.descriptors, dtype=np.float32)
            <= _MOST_SQUARE,
        }
        wrong = [name for name, values in allowed.items() if not values.all()]
        if (
            not wrong
            and any(values[..., padding].any() for values in (rows.points, rows.reliabilities, rows.kinds))
            | rows.descriptors[padding].any()
        ):
            wrong = ["padding"]
    if wrong:
        raise MalformedRecord(f"the gallery holds {wrong[0]} that no template has", section=wrong[0])
    rows.polygons[:] = np.where(rows.counts[:, None] > 0, supports(rows.points, rows.counts), 0.0)


def _read_ids(lengths: NDArray[np.uint8], content: memoryview) -> tuple[str | None, ...]:
    """Cut the ids apart; an empty one is none."""
    stops = np.cumsum(lengths, dtype=np.int64).tolist()
    if (stops[-1] if stops else 0) != len(content):
        raise MalformedRecord("the gallery's ids have another length than it says", bytes=len(content))
    try:
        texts = [str(content[start:stop], "utf-8") for start, stop in pairwise([0, *stops])]
    except UnicodeDecodeError:
        raise MalformedRecord("an id in the gallery is not UTF-8", bytes=len(content)) from None
    named = [text for text in texts if text]
    if len(set(named)) < len(named):
        raise MalformedRecord("two templates in the gallery have one id", templates=len(texts))
    return tuple(text or None for text in texts)
