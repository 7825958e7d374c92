"""An elementary file of the card: one data object, whose first octets tell how long it is.

A card may lie about that. A reader asks `declared_octets` after its first READ BINARY, which refuses what is longer
than the file may be, and `value_of` once it has them all, which refuses any octet too few or too many.
"""

from __future__ import annotations

from typing import Final

from enrollment.core.records.data_object import MAX_LENGTH_OCTETS, content_of, read_header
from enrollment.core.records.octets import OctetReader, check_range

HEADER_OCTETS: Final = 2 + 1 + MAX_LENGTH_OCTETS  # enough for the header of any file
MAX_FILE_OCTETS: Final = 65_536  # of any file of a card; a READ BINARY with an even instruction reaches half


def declared_octets(start: bytes, tag: int, name: str, most: int = MAX_FILE_OCTETS) -> int:
    """How many octets a file has, header and all, by its first HEADER_OCTETS octets (fewer where it is shorter).

    name: the file's, for messages. most: octets that it may have.
    Raises MalformedRecord for another tag, a header that is cut or longer than it need be, and a longer file.
    """
    reader = OctetReader(start, name)
    found, length = read_header(reader, name)
    check_range(found, tag, tag, "tag", name)
    check_range(reader.position + length, 0, most, "file length", name)
    return reader.position + length


def value_of(octets: bytes, tag: int, name: str, most: int = MAX_FILE_OCTETS) -> bytes:
    """The value of a whole file. Raises MalformedRecord for another tag, another length, and a longer file."""
    check_range(len(octets), 0, most, "file length", name)
    return content_of(octets, tag, name)
