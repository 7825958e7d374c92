"""Fingers on the card: images or minutiae of two index fingers, and none where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment.core.chip.dg3_fingers import LEFT_INDEX, RIGHT_INDEX, CardFinger, decode_dg3, encode_dg3
from enrollment.core.errors import MalformedRecord
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.core.records.data_object import DataObject
from enrollment.core.records.iso19785_3_tlv import (
    FACE_IMAGE,
    FINGER_IMAGE,
    FINGER_MINUTIAE_N,
    decode_group,
    encode_group,
    wrap_finger,
)
from enrollment.core.records.iso19794_4_2005 import Compression, image_from_record
from enrollment.core.records.minutia import Minutia

PIXELS = np.random.default_rng(3).integers(0, 256, (90, 70), np.uint8)


def image_of(position: int) -> CardFinger:
    record = iso19794_4_2005.record_from_image(
        FingerprintImage(PIXELS), position=position, impression=0, quality=80, compression=Compression.JPEG_2000
    )
    return CardFinger(position, record)


def minutiae_of(position: int) -> CardFinger:
    view = iso19794_2_2005.FingerView(position, 0, 0, 80, (Minutia(1, 20, 30, 64, 90), Minutia(2, 40, 5, 0, 50)))
    return CardFinger(position, iso19794_2_2005.FingerMinutiaeRecord(300, 400, 197, 197, (view,)))


def test_images_of_two_index_fingers_come_back_pixel_for_pixel() -> None:
    octets = encode_dg3((image_of(RIGHT_INDEX), image_of(LEFT_INDEX)))
    right, left = decode_dg3(octets)
    assert (right.position, left.position) == (2, 7)
    for finger in (right, left):
        assert isinstance(finger.record, iso19794_4_2005.FingerImageRecord)
        np.testing.assert_array_equal(image_from_record(finger.record).pixels, PIXELS)


def test_templates_of_two_index_fingers_come_back() -> None:
    fingers = (minutiae_of(RIGHT_INDEX), minutiae_of(LEFT_INDEX))
    assert decode_dg3(encode_dg3(fingers)) == fingers


def test_header_says_which_finger_and_what_kind_of_record() -> None:
    octets = encode_dg3((image_of(RIGHT_INDEX), minutiae_of(LEFT_INDEX)))
    right, left = decode_group(octets[octets.index(b"\x7f\x61") :])
    assert (right.subtype, right.format[1]) == (0b01001, FINGER_IMAGE)  # Doc 9303-10: right, pointer finger
    assert (left.subtype, left.format[1]) == (0b01010, FINGER_MINUTIAE_N)


def test_card_without_fingers_has_a_file_like_no_other() -> None:
    octets = encode_dg3((), salt=bytes(range(8)))
    assert octets.hex() == "63107f610d0201005308" + bytes(range(8)).hex()
    assert decode_dg3(octets) == ()
    with pytest.raises(MalformedRecord):
        encode_dg3(())


def test_finger_twice_and_record_of_another_finger_are_refused() -> None:
    with pytest.raises(MalformedRecord):
        encode_dg3((image_of(RIGHT_INDEX), minutiae_of(RIGHT_INDEX)))
    with pytest.raises(MalformedRecord):
        CardFinger(LEFT_INDEX, image_of(RIGHT_INDEX).record)
    with pytest.raises(MalformedRecord):
        image_of(13)


@pytest.mark.parametrize(
    "group",
    [
        b"",
        bytes.fromhex("7f6103020101"),
        bytes.fromhex("7f61050201005400"),
        encode_group([wrap_finger(image_of(2).record.encode(), FINGER_IMAGE, position=7)]),
        encode_group([wrap_finger(image_of(2).record.encode(), FINGER_IMAGE)]),
        encode_group([wrap_finger(image_of(2).record.encode(), FACE_IMAGE, position=2)]),
        encode_group([wrap_finger(image_of(2).record.encode(), FINGER_MINUTIAE_N, position=2)]),
        encode_group([wrap_finger(image_of(2).record.encode()[:-1], FINGER_IMAGE, position=2)]),
    ],
)
def test_group_whose_headers_lie_is_refused(group: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_dg3(DataObject(0x63, group).encode())
