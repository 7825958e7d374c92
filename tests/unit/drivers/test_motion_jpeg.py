"""Frames of Motion JPEG, before and after they are decoded."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.camera.motion_jpeg import MOST_PIXELS, read_jpeg
from drivers.camera.newest_frame import NewestFrame
from drivers.errors import CaptureTimedOut, ProtocolViolation
from drivers.frame import Frame, Jpeg
from drivers.spi import CancelToken

HUFFMAN_TABLES, QUANTISATION_TABLES = b"\xff\xc4", b"\xff\xdb"


def scene() -> NDArray[np.uint8]:
    y, x = np.mgrid[:75, :101]
    return np.stack([2 * x, 3 * y, x + y], axis=-1).astype(np.uint8)


def jpeg(*options: int) -> bytes:
    return cv2.imencode(".jpg", scene(), options)[1].tobytes()


def without(content: bytes, marker: bytes) -> bytes:
    """Take all segments of a kind out."""
    while (at := content.find(marker)) >= 0:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        content = content[:at] + content[at + 2 + length :]
    return content


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_a_frame_tells_its_size_and_decodes_to_it(options: tuple[int, ...]) -> None:
    read = read_jpeg(jpeg(*options))
    assert (read.width, read.height, read.complete) == (101, 75, True)
    assert read.pixels.shape == (75, 101, 3)
    assert np.abs(read.pixels.astype(int) - scene()).mean() < 4
    assert read.pixels is read.pixels


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_a_reduced_picture_shows_the_same(reduction: int) -> None:
    reduced = read_jpeg(jpeg()).reduced(reduction)
    assert reduced.shape == (-(-75 // reduction), -(-101 // reduction), 3)
    whole = cv2.resize(scene()[:72, :96], (96 // reduction, 72 // reduction), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced[: 72 // reduction, : 96 // reduction].astype(int) - whole).mean() < 6


def test_fill_behind_the_end_is_no_part_of_a_frame() -> None:
    assert read_jpeg(jpeg() + bytes(500)).content == jpeg()


def test_a_frame_without_the_usual_tables_is_decoded_and_not_complete() -> None:
    read = read_jpeg(without(jpeg(), HUFFMAN_TABLES))
    assert not read.complete
    assert np.array_equal(read.pixels, read_jpeg(jpeg()).pixels)


def announcing(height: int, width: int) -> bytes:
    content = bytearray(jpeg())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


BROKEN = (
    b"",
    b"\xff\xd8\xff\xd9",
    b"no picture",
    jpeg()[:-2],
    jpeg()[: len(jpeg()) // 2],
    jpeg()[2:],
    jpeg()[:20] + b"\xff\xd9",
    b"\xff\xd8\xff\xc0\xff\xd9",
    b"\xff\xd8\xff\xc0\x00\x00\xff\xda\x00\x00\xff\xd9",
    without(jpeg(), b"\xff\xc0"),
    jpeg().replace(b"\xff\xc0", b"\xff\xc9"),  # arithmetic coding
    announcing(0, 16),
    announcing(65_500, MOST_PIXELS // 65_500 + 1),
)


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_whole_jpeg_is_a_violation(content: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read_jpeg(content)


def test_a_frame_that_does_not_decode_is_a_violation() -> None:
    frame = Frame(read_jpeg(without(jpeg(), QUANTISATION_TABLES)), 1, 0.0)
    assert frame.size == (101, 75)
    with pytest.raises(ProtocolViolation):
        _ = frame.pixels


def test_a_frame_of_the_same_octets_is_no_newer_one() -> None:
    frames = NewestFrame()
    frames.publish(read_jpeg(jpeg()))
    frames.publish(read_jpeg(jpeg()))
    assert frames.newer_than(0, 1, CancelToken()).sequence == 1
    with pytest.raises(CaptureTimedOut):
        frames.newer_than(1, 0.01, CancelToken())
    frames.publish(read_jpeg(jpeg(cv2.IMWRITE_JPEG_QUALITY, 60)))
    newest = frames.newer_than(1, 1, CancelToken())
    assert isinstance(newest.picture, Jpeg)
    assert newest.sequence == 2
