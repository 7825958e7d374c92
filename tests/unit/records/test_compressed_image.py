"""Compressed images: lossless both ways, and refused before a decoder meets what the record does not allow."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.errors import MalformedRecord
from enrollment.core.records.compressed_image import ImageForm, decode_pixels, encode_pixels

LOSSLESS = (ImageForm.PNG, ImageForm.JPEG_2000, ImageForm.JPEG_2000_LOSSLESS)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """What no lossy coder keeps."""
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, data: bytes, kind: bytes = b"\x08\0\0\0\0", before_data: bytes = b"") -> bytes:
    """A PNG put together by hand, so that it can lie."""
    header = struct.pack(">II", width, height) + kind
    return PNG_SIGNATURE + chunk(b"IHDR", header) + before_data + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def lines(pixels: NDArray[np.uint8]) -> bytes:
    return b"".join(b"\0" + line.tobytes() for line in pixels)


def saved(pixels: NDArray[np.uint8], **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG2000", **options)
    return out.getvalue()


@pytest.mark.parametrize("form", LOSSLESS)
@settings(max_examples=25)
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
def test_noise_of_any_size_comes_back_bit_for_bit(form: ImageForm, height: int, width: int, seed: int) -> None:
    pixels = noise(height, width, seed)
    assert np.array_equal(decode_pixels(encode_pixels(pixels, form), width, height, form), pixels)


def test_cut_out_of_a_larger_image_comes_back() -> None:
    pixels = noise(60, 90)[5:50:2, 7:70]
    for form in (*LOSSLESS, ImageForm.RAW):
        back = decode_pixels(encode_pixels(pixels, form), pixels.shape[1], pixels.shape[0], form)
        assert np.array_equal(back, pixels)


def test_codestream_without_its_file_format_is_read() -> None:
    pixels = noise(40, 50)
    codestream = saved(pixels, no_jp2=True)
    assert codestream.startswith(b"\xff\x4f")
    assert np.array_equal(decode_pixels(codestream, 50, 40, ImageForm.JPEG_2000_LOSSLESS), pixels)


def test_tiled_and_layered_codestream_is_read() -> None:
    pixels = noise(100, 120)
    data = saved(pixels, tile_size=(64, 64), quality_mode="rates", quality_layers=[20, 5, 0])
    assert np.array_equal(decode_pixels(data, 120, 100, ImageForm.JPEG_2000_LOSSLESS), pixels)


def test_lossy_transform_is_not_lossless() -> None:
    data = saved(noise(40, 50), irreversible=True)
    assert decode_pixels(data, 50, 40, ImageForm.JPEG_2000).shape == (40, 50)
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(data, 50, 40, ImageForm.JPEG_2000_LOSSLESS)
    assert caught.value.facts["field"] == "transform of a lossless image"


@pytest.mark.parametrize("form", LOSSLESS)
def test_image_of_another_size_than_the_records_is_refused(form: ImageForm) -> None:
    data = encode_pixels(noise(40, 50), form)
    for width, height in ((50, 41), (51, 40), (40, 50), (2000, 1)):
        with pytest.raises(MalformedRecord) as caught:
            decode_pixels(data, width, height, form)
        assert caught.value.facts["value"] in (40, 50)


@pytest.mark.parametrize("form", LOSSLESS)
def test_every_truncation_is_refused(form: ImageForm) -> None:
    data = encode_pixels(noise(9, 8), form)
    for length in range(len(data)):
        with pytest.raises(MalformedRecord):
            decode_pixels(data[:length], 8, 9, form)
    if form is ImageForm.PNG:
        with pytest.raises(MalformedRecord):
            decode_pixels(data + b"\0", 8, 9, form)


@pytest.mark.parametrize("form", LOSSLESS)
def test_every_single_octet_change_gives_pixels_or_is_refused(form: ImageForm) -> None:
    data = encode_pixels(noise(9, 8), form)
    refused = 0
    for at in range(len(data)):
        for value in {data[at] ^ flip for flip in (1, 2, 16, 128, 255)}:
            try:
                pixels = decode_pixels(data[:at] + bytes((value,)) + data[at + 1 :], 8, 9, form)
            except MalformedRecord:
                refused += 1
            else:
                assert pixels.shape == (9, 8)
                assert pixels.dtype == np.uint8
    assert refused > 0


@pytest.mark.parametrize("side", [5000, 60_000])
@pytest.mark.parametrize("form", [*LOSSLESS, ImageForm.RAW])
def test_image_larger_than_any_fingerprint_is_refused_unread(form: ImageForm, side: int) -> None:
    data = png(side, side, data=zlib.compress(b"\0" * 10_000)) if form is ImageForm.PNG else b"\xff\x4f\xff\x51" * 9
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(data, side, side, form)
    assert caught.value.facts["field"] == "pixels"


def test_png_whose_header_promises_more_than_the_record_is_refused_in_little_memory() -> None:
    bomb = png(60_000, 60_000, data=zlib.compress(bytes(4_000_000)))
    inflated = png(100, 100, data=zlib.compress(bytes(100_000_000)))
    tracemalloc.start()
    try:
        for data in (bomb, inflated):
            with pytest.raises(MalformedRecord):
                decode_pixels(data, 100, 100, ImageForm.PNG)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_codestream_whose_header_promises_more_than_the_record_is_refused() -> None:
    data = bytearray(saved(noise(40, 50), no_jp2=True))
    data[8:16] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(bytes(data), 50, 40, ImageForm.JPEG_2000)
    assert caught.value.facts["field"] == "JPEG 2000 width"


def test_a_million_tiles_are_refused() -> None:
    data = bytearray(saved(noise(40, 50), no_jp2=True))
    data[24:32] = struct.pack(">II", 1, 1)  # of one pixel each
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(bytes(data), 50, 40, ImageForm.JPEG_2000)
    assert caught.value.facts["field"] == "tiles"


def test_precincts_are_read_and_a_million_of_them_refused() -> None:
    data = saved(noise(1000, 1100), no_jp2=True, precinct_size=(64, 64))
    assert decode_pixels(data, 1100, 1000, ImageForm.JPEG_2000).shape == (1000, 1100)
    at = data.index(b"\xff\x52") + 14  # the precinct sizes of the coding style, one each of six resolutions
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(data[:at] + bytes(6) + data[at + 6 :], 1100, 1000, ImageForm.JPEG_2000)
    assert caught.value.facts["field"] == "packets"


def test_code_blocks_of_four_samples_are_refused() -> None:
    data = saved(noise(40, 50), codeblock_size=(4, 4))
    with pytest.raises(MalformedRecord) as caught:
        decode_pixels(data, 50, 40, ImageForm.JPEG_2000)
    assert caught.value.facts["field"] == "code-block size"
    assert decode_pixels(saved(noise(40, 50), codeblock_size=(16, 16)), 50, 40, ImageForm.JPEG_2000).any()


@pytest.mark.parametrize(
    "data",
    [
        png(50, 40, data=zlib.compress(lines(noise(40, 50))), kind=b"\x10\0\0\0\0"),  # 16 bits
        png(50, 40, data=zlib.compress(lines(noise(40, 50))), kind=b"\x08\2\0\0\0"),  # colours
        png(50, 40, data=zlib.compress(lines(noise(40, 50))), kind=b"\x08\0\0\0\1"),  # interlaced
        png(50, 40, data=zlib.compress(lines(noise(39, 50)))),  # a line too few
        png(50, 40, data=zlib.compress(lines(noise(41, 50)))),  # a line too many
        png(50, 40, data=zlib.compress(lines(noise(40, 50))) + b"more"),
        png(50, 40, data=zlib.compress(lines(noise(40, 50)))[:-1]),
        png(50, 40, data=zlib.compress(b"\5" + lines(noise(40, 50))[1:])),  # a filter that there is not
        png(50, 40, data=zlib.compress(lines(noise(40, 50))), before_data=chunk(b"PLTE", bytes(3))),
        png(50, 40, data=b""),
    ],
)
def test_png_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_pixels(data, 50, 40, ImageForm.PNG)


def test_png_with_a_bomb_of_text_is_read_without_it() -> None:
    pixels = noise(40, 50)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000)))
    data = png(50, 40, data=zlib.compress(lines(pixels)), before_data=text)
    tracemalloc.start()
    try:
        assert np.array_equal(decode_pixels(data, 50, 40, ImageForm.PNG), pixels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
