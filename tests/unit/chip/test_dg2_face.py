"""The portrait on the card: as good as its octets allow, in the record that border readers know."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.chip.dg2_face import (
    IMAGE_BUDGET_OCTETS,
    LEAST_PSNR_DB,
    compress_portrait,
    decode_dg2,
    encode_dg2,
    portrait_pixels,
)
from enrollment.core.errors import ImageOverBudget, InvalidImage, MalformedRecord
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.iso19785_3_tlv import FINGER_IMAGE, encode_group, wrap_face, wrap_finger
from enrollment.core.records.iso19794_5_2005 import FaceImage, FaceImageRecord

Pixels = NDArray[np.uint8]


def scene(grain: float, height: int = 800, width: int = 600) -> Pixels:
    """A head and shoulders of ellipses before a plain wall, BGR; grain: standard deviation of the noise on it."""
    image = np.full((height, width, 3), (210, 205, 200), np.uint8)
    cv2.ellipse(image, (width // 2, height), (width // 2, height // 3), 0, 0, 360, (90, 60, 40), -1)
    cv2.ellipse(image, (width // 2, height // 2), (width // 5, height // 4), 0, 0, 360, (140, 170, 210), -1)
    for side in (-1, 1):
        cv2.circle(image, (width // 2 + side * width // 12, height // 2 - 20), 12, (40, 40, 60), -1)
    noise = np.random.default_rng(5).normal(0, grain, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 2) + noise, 0, 255).astype(np.uint8)


def decoded(face: FaceImage) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(face.image), formats=["JPEG2000"]))


def psnr(face: FaceImage, bgr: Pixels) -> float:
    rgb = cv2.cvtColor(cv2.resize(bgr, (face.width, face.height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    return float(cv2.PSNR(decoded(face), rgb.astype(np.uint8)))


def test_portrait_fits_its_budget_and_shows_the_person() -> None:
    portrait = scene(grain=3)
    face = compress_portrait(portrait)
    assert (face.width, face.height) == (480, 640)
    assert decoded(face).shape == (640, 480, 3)
    assert len(face.image) <= IMAGE_BUDGET_OCTETS
    assert psnr(face, portrait) > 36


def test_larger_budget_is_used_for_a_better_picture() -> None:
    portrait = scene(grain=6)
    small, large = compress_portrait(portrait, 8_000), compress_portrait(portrait, 40_000)
    assert len(small.image) <= 8_000 < len(large.image) <= 40_000
    assert psnr(large, portrait) > psnr(small, portrait) + 1 > LEAST_PSNR_DB


def test_colours_are_not_exchanged() -> None:
    face = compress_portrait(np.full((200, 150, 3), (250, 120, 10), np.uint8))
    assert np.abs(decoded(face).astype(int) - (10, 120, 250)).max() <= 4


def test_small_portrait_is_not_made_larger() -> None:
    face = compress_portrait(scene(grain=1, height=320, width=240))
    assert (face.width, face.height) == (240, 320)


def test_portrait_that_cannot_fit_says_what_it_needs() -> None:
    with pytest.raises(ImageOverBudget) as caught:
        compress_portrait(np.random.default_rng(1).integers(0, 256, (640, 480, 3), np.uint8))
    assert caught.value.facts["budget"] == IMAGE_BUDGET_OCTETS < int(caught.value.facts["needed"])


@pytest.mark.parametrize("shape", [(640, 480), (640, 480, 4), (63, 480, 3), (0, 0, 3)])
def test_what_is_no_portrait_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidImage):
        compress_portrait(np.zeros(shape, np.uint8))


def test_data_group_is_laid_out_as_the_standard_draws_it() -> None:
    octets = encode_dg2(FaceImage(480, 640, b"\0\0\0\x0cjP  abc"))
    header = "a10f 8002 0101 810102 8702 0101 8802 0008"
    record = "46414300 30313000 00000039 0001 0000002b 0000 00 00 00 000000 0000" + "00" * 6
    image = "01 01 01e0 0280 01 02 0000 0000" + b"\0\0\0\x0cjP  abc".hex()
    template = bytes.fromhex(header) + b"\x5f\x2e\x39" + bytes.fromhex(record + image)
    group = b"\x02\x01\x01\x7f\x60" + bytes((len(template),)) + template
    assert octets == b"\x75" + bytes((len(group) + 3,)) + b"\x7f\x61" + bytes((len(group),)) + group
    assert decode_dg2(octets) == FaceImage(480, 640, b"\0\0\0\x0cjP  abc")


@pytest.mark.parametrize(
    "group",
    [
        b"",
        b"\x7f\x61\x03\x02\x01\x00",
        encode_group([wrap_finger(b"FIR\0", FINGER_IMAGE)]),
        encode_group([wrap_face(b"FAC\x00010\0")]),
        encode_group([wrap_face(FaceImageRecord((FaceImage(1, 1, b"x"),)).encode() + b"x")]),
    ],
)
def test_group_that_holds_no_face_is_refused(group: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_dg2(DataObject(0x75, group).encode())


def jpeg(pixels: Pixels, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return out.getvalue()


SMALL: Pixels = scene(3, 120, 90)


def as_jpeg(octets: bytes, width: int = 90, height: int = 120) -> FaceImage:
    return FaceImage(width, height, octets, image_data_type=0)


def test_portrait_of_either_kind_is_read() -> None:
    face = compress_portrait(scene(grain=2))
    np.testing.assert_array_equal(portrait_pixels(face), decoded(face))
    expected = np.asarray(Image.open(io.BytesIO(jpeg(SMALL))))
    broken = b"Exif\0\0MM\0*\0\0\0\x08"  # Pillow would warn of it: it is not given it
    for octets in (jpeg(SMALL), jpeg(SMALL, progressive=True), jpeg(SMALL, exif=broken, comment=b"c")):
        np.testing.assert_array_equal(portrait_pixels(as_jpeg(octets)), expected)


def taller(octets: bytes) -> bytes:
    """A JPEG that says of itself that it has the most lines that there are."""
    at = octets.index(b"\xff\xc0") + 5
    return octets[:at] + b"\xff\xff" + octets[at + 2 :]


@pytest.mark.parametrize(
    "face",
    [
        as_jpeg(jpeg(SMALL), width=91),
        as_jpeg(jpeg(SMALL), height=119),
        as_jpeg(taller(jpeg(SMALL))),
        as_jpeg(taller(jpeg(SMALL)), height=0xFFFF),
        as_jpeg(jpeg(SMALL[..., 0])),
        as_jpeg(jpeg(SMALL)[:300]),
        as_jpeg(jpeg(SMALL) + b"\xff\xda" * 40),  # as many passes over all pixels as scans
        as_jpeg(b"\xff\xd8"),
        as_jpeg(b"\xff\xd8\xff\xda\0\2"),
        as_jpeg(b"\xff\xd8\0\0\0\0"),
        as_jpeg(b"GIF89a"),
        FaceImage(1025, 10, b"x"),
        FaceImage(90, 120, jpeg(SMALL)),
    ],
)
def test_portrait_that_is_not_what_its_record_says_is_refused(face: FaceImage) -> None:
    with pytest.raises(MalformedRecord):
        portrait_pixels(face)


def test_grey_or_deep_jpeg_2000_is_refused() -> None:
    for pixels in (SMALL[..., 0], np.dstack([SMALL, SMALL[..., :1]])):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG2000")
        with pytest.raises(MalformedRecord, match="components"):
            portrait_pixels(FaceImage(90, 120, out.getvalue()))
