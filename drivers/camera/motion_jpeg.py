"""What a frame of Motion JPEG says of itself before it is decoded (ITU-T T.81, annex B).

    SOI  segments ...  SOF (size)  segments ...  SOS scans ...  EOI, fill

A frame is taken for whole by its beginning and its end: a decoder paints what is missing grey and says nothing.
"""

from __future__ import annotations

from typing import Final

from drivers.errors import ProtocolViolation
from drivers.frame import Jpeg

MOST_PIXELS: Final = 36_000_000  # 8K has 33; one that is decoded takes three octets for each, and some are at a time

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FILL: Final = b"\0"
_SIZES: Final = frozenset({0xC0, 0xC1, 0xC2})  # SOF of what decoders read: sequential and progressive, Huffman
_OTHER_SIZES: Final = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SIZE_BYTES: Final = 6  # and three for each component
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_HUFFMAN_TABLES, _SCAN, _MORE_FILL = 0xC4, 0xDA, 0xFF


def read_jpeg(content: bytes) -> Jpeg:
    """Take one frame from a camera for a JPEG. Raises ProtocolViolation for what is none, or is cut short."""
    whole = content.rstrip(_FILL)
    if not whole.endswith(_END):
        raise ProtocolViolation("the camera sends what is no whole JPEG", octets=len(content))
    size, has_tables = read_header(whole, MOST_PIXELS)
    return Jpeg(whole, *size, complete=has_tables)


def read_header(content: bytes | bytearray, most_pixels: int) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether all tables come with it. Raises ProtocolViolation for none, or too many pixels."""
    if not content.startswith(_START):
        raise ProtocolViolation("the camera sends what is no whole JPEG", octets=len(content))
    size: tuple[int, int] | None = None
    has_tables = False
    at = len(_START)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == _MORE_FILL:
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker == _SCAN:
            if size is None:
                break
            return size, has_tables
        if marker in _OTHER_SIZES:
            raise ProtocolViolation("the camera sends a kind of JPEG that is not read", marker=marker)
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in _SIZES:
            size = _size_of(content[at + 4 : end], most_pixels)
        has_tables |= marker == _HUFFMAN_TABLES
        at = end
    raise ProtocolViolation("the camera sends a JPEG without a picture", octets=len(content))


def _size_of(segment: bytes | bytearray, most_pixels: int) -> tuple[int, int]:
    precision, height, width = (int.from_bytes(segment[start:stop], "big") for start, stop in ((0, 1), (1, 3), (3, 5)))
    if len(segment) < _SIZE_BYTES or precision != 8 or not 0 < height * width <= most_pixels:
        raise ProtocolViolation("the camera sends a JPEG of a size that is not read", width=width, height=height)
    return width, height
