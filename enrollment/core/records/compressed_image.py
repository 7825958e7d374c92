"""Pixels of one image in the forms that records carry: raw, PNG, JPEG 2000 and, of a portrait, JPEG.

Fingers are grey, lossless both ways; portraits are colour, and only read here. A stranger's image is walked first,
without decoding: its own size must be the record's, and within what such an image may have. The decoder is then given
only what carries pixels, with none of the optional chunks, boxes and header options whose cost does not show in the
size.
Sources: PNG, ISO/IEC 15948:2004; JPEG 2000, ISO/IEC 15444-1:2019, annexes A (codestream) and I (boxes).
"""

from __future__ import annotations

import io
import struct
import zlib
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import MAX_PIXELS
from enrollment.core.records.octets import OctetReader, check_range

MAX_TILES: Final = 64  # JPEG 2000; encoders of fingerprints write one
MAX_LAYERS: Final = 64  # JPEG 2000; the 1000 ppi profile of NIST has 9
MIN_CODE_BLOCK, MAX_CODE_BLOCK = 2, 8  # JPEG 2000, exponents less 2: 16 samples a side, where blocks of 4 cost 500 MB
MAX_LEVELS: Final = 32  # JPEG 2000, table A.15
MAX_PACKETS: Final = 1 << 16  # JPEG 2000, of all tiles' precincts and layers; without precincts there are some 50

MAX_SCANS: Final = 32  # JPEG; a progressive one of a camera has some 10, and each costs a pass over all pixels

_NAME: Final = "image"
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_GREYSCALE: Final = (8, 0, 0, 0, 0)  # depth; colour type; compression, filter and interlace methods
_PNG_FILTERS: Final = 5
_CRITICAL_UNLESS: Final = 0x20  # in the first octet of a chunk's type
_JP2_SIGNATURE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_SOC, _SIZ, _COD, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF52, 0xFF90, 0xFF93, 0xFFD9
_REFUSED_MARKERS: Final = {0xFF53: "COC", 0xFF5F: "POC", 0xFF60: "PPM", 0xFF61: "PPT", 0xFF5E: "RGN"}
_SOT_OCTETS: Final = 12
_REVERSIBLE: Final = 1
_GREY, _COLOURS = 1, 3
_JPEG_START: Final = b"\xff\xd8"
_JPEG_FRAMES: Final = {0xFFC0, 0xFFC1, 0xFFC2}  # baseline, extended, progressive; all of Huffman
_JPEG_SCAN: Final = 0xFFDA
_JPEG_ADDED: Final = {*range(0xFFE0, 0xFFEE), 0xFFEF, 0xFFFE}  # all but Adobe's, which says how colours are coded


class ImageForm(Enum):
    """How the octets of an image hold its pixels."""

    RAW = "raw"
    PNG = "PNG"
    JPEG_2000 = "JPEG 2000"
    JPEG_2000_LOSSLESS = "lossless JPEG 2000"
    JPEG = "JPEG"


def encode_pixels(pixels: NDArray[np.uint8], form: ImageForm) -> bytes:
    """pixels: (H, W) uint8. JPEG 2000 is written lossless, whichever of the two is asked for. form: but JPEG."""
    if form is ImageForm.RAW:
        return pixels.tobytes()
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if form is ImageForm.PNG:
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG2000", irreversible=False)  # the reversible transform, all bits kept
    return out.getvalue()


def decode_pixels(octets: bytes, width: int, height: int, form: ImageForm) -> NDArray[np.uint8]:
    """The (height, width) uint8 pixels.

    Raises MalformedRecord where the octets are not such an image of 8-bit grey, or are one of another size, or would
    cost more than an image of that size may.
    """
    check_range(width * height, 1, MAX_PIXELS, "pixels", _NAME)
    if form is ImageForm.RAW:
        check_range(len(octets), width * height, width * height, "image length", _NAME)
        return np.frombuffer(octets, np.uint8).reshape(height, width)
    if form is ImageForm.PNG:
        return _decoded(_plain_png(octets, width, height), "PNG", (height, width))
    codestream = _codestream(octets)
    _check_codestream(codestream, width, height, _GREY, lossless=form is ImageForm.JPEG_2000_LOSSLESS)
    return _decoded(codestream, "JPEG2000", (height, width))


def decode_colours(octets: bytes, width: int, height: int, form: ImageForm) -> NDArray[np.uint8]:
    """The (height, width, 3) uint8 pixels, RGB. form: JPEG or JPEG_2000.

    The caller bounds width and height. Raises MalformedRecord where the octets are not such an image of three
    components of 8 bits, or are one of another size, or would cost more than an image of that size may.
    """
    if form is ImageForm.JPEG_2000:
        codestream = _codestream(octets)
        _check_codestream(codestream, width, height, _COLOURS, lossless=False)
        return _decoded(codestream, "JPEG2000", (height, width, _COLOURS))
    return _decoded(_plain_jpeg(octets, width, height), "JPEG", (height, width, _COLOURS))


def _decoded(octets: bytes, decoder: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(octets), formats=[decoder]) as image:
            pixels: NDArray[np.uint8] = np.asarray(image)
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise MalformedRecord(f"{_NAME}: the {decoder} does not decode", cause=type(error).__name__) from None
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise MalformedRecord(f"{_NAME}: the {decoder} does not have the record's colours of 8 bits")
    return pixels


def _plain_jpeg(octets: bytes, width: int, height: int) -> bytes:
    """The same image without what applications and people have added, which decoders parse.

    It is of three components of 8 bits and this size, and few scans follow.
    """
    reader = OctetReader(octets, _NAME)
    reader.expect(_JPEG_START, "start of JPEG")
    kept, frames = [_JPEG_START], 0
    while (marker := reader.unsigned(2, "marker")) != _JPEG_SCAN:
        if not 0xFFC0 <= marker <= 0xFFFE:
            raise MalformedRecord(f"{_NAME}: the JPEG's marker {marker:04X} is not read", field="marker", value=marker)
        segment = _segment(reader)
        if marker in _JPEG_FRAMES:
            frames += 1
            _check_jpeg_frame(segment.copy(), width, height)
        if marker not in _JPEG_ADDED:
            content = segment.take(segment.remaining, "marker segment")
            kept.append(marker.to_bytes(2, "big") + (len(content) + 2).to_bytes(2, "big") + content)
    check_range(frames, 1, 1, "JPEG frames", _NAME)
    scan = _JPEG_SCAN.to_bytes(2, "big")
    rest = scan + reader.take(reader.remaining, "scans")
    check_range(rest.count(scan), 1, MAX_SCANS, "JPEG scans", _NAME)
    return b"".join(kept) + rest


def _check_jpeg_frame(frame: OctetReader, width: int, height: int) -> None:
    frame.expect(b"\x08", "bits of a sample")
    found_height, found_width = (frame.unsigned(2, "JPEG side") for _ in range(2))
    check_range(found_height, height, height, "JPEG height", _NAME)
    check_range(found_width, width, width, "JPEG width", _NAME)
    check_range(frame.unsigned(1, "components"), _COLOURS, _COLOURS, "JPEG components", _NAME)


def _plain_png(octets: bytes, width: int, height: int) -> bytes:
    """The same image of three chunks; what it inflates to is exactly its lines."""
    reader = OctetReader(octets, _NAME)
    reader.expect(_PNG_SIGNATURE, "PNG signature")
    header, data, kind = b"", [], b""
    while kind != b"IEND":
        with reader.locating():
            kind, content = _read_chunk(reader)
            if kind == b"IDAT" and header:
                data.append(content)
            elif kind == b"IHDR" and not header:
                header = content
                _check_png_header(header, width, height)
            elif kind != b"IEND" and not kind[0] & _CRITICAL_UNLESS:
                raise MalformedRecord(f"{_NAME}: a PNG chunk stands where it must not", field="PNG chunk")
    reader.expect_end()
    joined = b"".join(data)
    _check_lines(joined, width, height)
    chunks = ((b"IHDR", header), (b"IDAT", joined), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _read_chunk(reader: OctetReader) -> tuple[bytes, bytes]:
    octets = reader.unsigned(4, "PNG chunk length")
    kind = reader.take(4, "PNG chunk type")
    content = reader.take(octets, "PNG chunk")
    reader.expect(struct.pack(">I", zlib.crc32(kind + content)), "PNG checksum")
    return kind, content


def _check_png_header(header: bytes, width: int, height: int) -> None:
    check_range(len(header), 13, 13, "PNG header octets", _NAME)
    found_width, found_height, *kind = struct.unpack(">IIBBBBB", header)
    check_range(found_width, width, width, "PNG width", _NAME)
    check_range(found_height, height, height, "PNG height", _NAME)
    if tuple(kind) != _PNG_GREYSCALE:
        raise MalformedRecord(f"{_NAME}: the PNG is not 8-bit grey without interlace", field="PNG header")


def _check_lines(data: bytes, width: int, height: int) -> None:
    wanted = height * (1 + width)
    inflater = zlib.decompressobj()
    try:
        lines = inflater.decompress(data, wanted + 1)
    except zlib.error:
        lines = b""
    whole = len(lines) == wanted and inflater.eof and not inflater.unused_data
    if not whole or np.frombuffer(lines, np.uint8)[:: 1 + width].max() >= _PNG_FILTERS:
        raise MalformedRecord(f"{_NAME}: the PNG does not inflate to its {height} lines", field="PNG data")


def _codestream(octets: bytes) -> bytes:
    """The codestream of a JP2 file, or the codestream that `octets` are."""
    reader = OctetReader(octets, _NAME)
    if not octets.startswith(_JP2_SIGNATURE):
        return octets
    reader.take(len(_JP2_SIGNATURE), "JP2 signature")
    kind, content = b"", b""
    while kind != b"jp2c":
        kind, content = _read_box(reader)
    return content


def _read_box(reader: OctetReader) -> tuple[bytes, bytes]:
    with reader.locating():
        start = reader.position
        length, kind = reader.unsigned(4, "JP2 box length"), reader.take(4, "JP2 box type")
        if length == 1:
            length = reader.unsigned(8, "JP2 box length")
        header = reader.position - start
        length = header + reader.remaining if length == 0 else length
        check_range(length, header, header + reader.remaining, "JP2 box length", _NAME)
        return kind, reader.take(length - header, "JP2 box")


def _check_codestream(octets: bytes, width: int, height: int, components: int, *, lossless: bool) -> None:
    """Walk the main header and the tile-parts. Every option that is let through has a cost that the size bounds."""
    reader = OctetReader(octets, _NAME)
    reader.expect(_SOC.to_bytes(2, "big"), "start of codestream")
    reader.expect(_SIZ.to_bytes(2, "big"), "image and tile size")
    tiles = _check_size(_segment(reader), width, height, components)
    coded = False
    while (marker := reader.unsigned(2, "marker")) != _SOT:
        _refuse(marker)
        segment = _segment(reader)
        if marker == _COD:
            _check_coding_style(segment, width, height, tiles * components, lossless=lossless)
            coded = True
    if not coded:
        raise MalformedRecord(f"{_NAME}: the codestream has no coding style", field="marker", value=_COD)
    parts = 0
    while marker == _SOT:
        parts += 1
        check_range(parts, 1, MAX_TILES * MAX_LAYERS, "tile-parts", _NAME)
        _check_tile_part(reader, tiles)
        marker = reader.unsigned(2, "marker")
    check_range(marker, _EOC, _EOC, "end of codestream", _NAME)
    reader.expect_end()


def _segment(reader: OctetReader) -> OctetReader:
    """What follows a marker: its length, with these two octets, and content."""
    with reader.locating():
        octets = reader.unsigned(2, "marker segment length")
        check_range(octets, 2, 0xFFFF, "marker segment length", _NAME)
        return reader.block(octets - 2, "marker segment")


def _refuse(marker: int) -> None:
    if marker in _REFUSED_MARKERS or not 0xFF50 <= marker <= 0xFF6F:
        name = _REFUSED_MARKERS.get(marker, f"{marker:04X}")
        raise MalformedRecord(f"{_NAME}: the codestream's marker {name} is not read", field="marker", value=marker)


def _check_size(segment: OctetReader, width: int, height: int, components: int) -> int:
    """Returns the number of tiles."""
    with segment.locating():
        segment.take(2, "capabilities")
        x, y, x_offset, y_offset, tile_x, tile_y, tile_x_offset, tile_y_offset = (
            segment.unsigned(4, "image or tile size") for _ in range(8)
        )
        segment.expect(components.to_bytes(2, "big") + b"\x07\1\1" * components, "components of 8 bits")
        segment.expect_end()
        check_range(x - x_offset, width, width, "JPEG 2000 width", _NAME)
        check_range(y - y_offset, height, height, "JPEG 2000 height", _NAME)
        for offset, tile_offset, tile in ((x_offset, tile_x_offset, tile_x), (y_offset, tile_y_offset, tile_y)):
            check_range(tile_offset, 0, offset, "tile offset", _NAME)
            check_range(tile, offset - tile_offset + 1, 0xFFFFFFFF, "tile size", _NAME)
        tiles = -((tile_x_offset - x) // tile_x) * -((tile_y_offset - y) // tile_y)
        check_range(tiles, 1, MAX_TILES, "tiles", _NAME)
        return tiles


def _check_coding_style(segment: OctetReader, width: int, height: int, tiles: int, *, lossless: bool) -> None:
    with segment.locating():
        style = segment.unsigned(1, "coding style")
        segment.take(1, "progression order")
        layers = segment.unsigned(2, "layers")
        check_range(layers, 1, MAX_LAYERS, "layers", _NAME)
        segment.take(1, "component transform")
        levels = segment.unsigned(1, "decomposition levels")
        check_range(levels, 0, MAX_LEVELS, "decomposition levels", _NAME)
        for side in segment.take(2, "code-block size"):
            check_range(side, MIN_CODE_BLOCK, MAX_CODE_BLOCK, "code-block size", _NAME)
        segment.take(1, "code-block style")
        transform = segment.unsigned(1, "transform")
        if lossless:
            check_range(transform, _REVERSIBLE, _REVERSIBLE, "transform of a lossless image", _NAME)
        packets = tiles * (levels + 1) * layers
        if style & 1:
            for level, exponents in enumerate(segment.take(levels + 1, "precincts")):
                across = -(-width >> levels - level + (exponents & 0xF))
                down = -(-height >> levels - level + (exponents >> 4))
                packets += across * down * layers
        check_range(packets, 1, MAX_PACKETS, "packets", _NAME)
        segment.expect_end()


def _check_tile_part(reader: OctetReader, tiles: int) -> None:
    """From after its marker to the next one."""
    with reader.locating():
        segment = _segment(reader)
        tile, octets = segment.unsigned(2, "tile"), segment.unsigned(4, "tile-part length")
        segment.take(2, "tile-part number and count")
        segment.expect_end()
        check_range(tile, 0, tiles - 1, "tile", _NAME)
        rest = reader.remaining - 2  # the end of the codestream
        octets = rest if octets == 0 else octets - _SOT_OCTETS
        check_range(octets, 2, max(2, rest), "tile-part length", _NAME)
        part = reader.block(octets, "tile-part")
        while (marker := part.unsigned(2, "marker")) != _SOD:
            _refuse(marker)
            check_range(int(marker == _COD), 0, 0, "coding style of a tile", _NAME)
            _segment(part)
