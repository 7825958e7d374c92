"""What comes before the camera's lens: aspect, formats, limits; and what a fault may be."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware_stubs.camera.faults import Fault, FaultKind, parse_fault
from firmware_stubs.camera.refusal import Refusal
from firmware_stubs.camera.scene import decode, expose, fit, wall


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Red on the left half, blue on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 2] = 255
    image[:, width // 2 :, 0] = 255
    return image


def png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize("size", [(1920, 1080), (512, 512), (3000, 500), (240, 320), (16, 4000), (4000, 16)])
def test_any_aspect_fills_the_height_and_stays_in_the_middle(size: tuple[int, int]) -> None:
    fitted = fit(picture(*size))
    assert fitted.shape == (1080, 1920, 3)
    middle = min(1920, round(size[0] * 1080 / size[1])) // 2
    if middle > 8:
        assert fitted[540, 960 - middle // 2].tolist() == [0, 0, 255]
        assert fitted[540, 960 + middle // 2].tolist() == [255, 0, 0]
    if middle < 940:
        assert np.array_equal(fitted[:, : 960 - middle - 2], wall()[:, : 960 - middle - 2])


def test_frames_of_a_scene_differ_a_little_and_warm_up_from_the_dark() -> None:
    exposures = expose(fit(picture(1920, 1080)), 4)
    decoded = [decode(frame) for frame in exposures.steady]
    for earlier, later in zip(decoded, decoded[1:] + decoded[:1], strict=True):
        difference = cv2.absdiff(earlier, later).mean()
        assert 0.1 < difference < 5.0
    brightness = [float(decode(frame).mean()) for frame in (*exposures.warm_up, exposures.steady[0])]
    assert len(brightness) == 5
    assert brightness == sorted(brightness)
    assert brightness[0] < 0.3 * brightness[-1]


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_png_and_jpeg_are_decoded(extension: str) -> None:
    body = cv2.imencode(extension, picture(64, 48))[1].tobytes()
    assert decode(body).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 415, "IMAGE_FORMAT_UNKNOWN"),
        (b"GIF89a", 415, "IMAGE_FORMAT_UNKNOWN"),
        (b"\x89PNG\r\n\x1a\n", 422, "IMAGE_BROKEN"),
        (png_header(640, 480), 422, "IMAGE_BROKEN"),
        (png_header(100_000, 100_000), 422, "IMAGE_TOO_LARGE"),
        (png_header(1, 1), 422, "IMAGE_TOO_SMALL"),
        (png_header(0, 0), 422, "IMAGE_TOO_SMALL"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", 422, "IMAGE_BROKEN"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03", 422, "IMAGE_TOO_LARGE"),
    ],
)
def test_image_that_cannot_be_shown_is_refused_with_its_reason(body: bytes, status: int, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        decode(body)
    assert (refused.value.status, refused.value.reason) == (status, reason)


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 900),
    at=st.integers(0, 899),
    octet=st.integers(0, 255),
    extension=st.sampled_from([".png", ".jpg"]),
)
def test_damaged_image_is_refused_or_shown_never_a_crash(cut: int, at: int, octet: int, extension: str) -> None:
    body = bytearray(cv2.imencode(extension, picture(64, 48))[1].tobytes()[:cut])
    if body:
        body[at % len(body)] = octet
    with contextlib.suppress(Refusal):
        assert decode(bytes(body)).ndim == 3


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_fault_can_be_asked_for(kind: FaultKind) -> None:
    assert parse_fault(json.dumps({"kind": kind.value}).encode()) == Fault(kind)
    assert parse_fault(json.dumps({"kind": kind.value, "seconds": 2}).encode()) == Fault(kind, 2.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "NOT_JSON"),
        (b"\xff\xfe{", "NOT_JSON"),
        (b"[" * 4000, "NOT_JSON"),
        (b'["stall"]', "FAULT_INVALID"),
        (b"{}", "FAULT_UNKNOWN"),
        (b'{"kind": ["stall"]}', "FAULT_UNKNOWN"),
        (b'{"kind": "explode"}', "FAULT_UNKNOWN"),
        (b'{"kind": "stall", "colour": 1}', "FAULT_INVALID"),
        (b'{"kind": "stall", "seconds": 0}', "FAULT_INVALID"),
        (b'{"kind": "stall", "seconds": true}', "FAULT_INVALID"),
        (b'{"kind": "stall", "seconds": NaN}', "FAULT_INVALID"),
        (b'{"kind": "stall", "seconds": 1e999}', "FAULT_INVALID"),
        (b'{"kind": "stall", "seconds": "3"}', "FAULT_INVALID"),
    ],
)
def test_fault_that_is_none_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_fault(body)
    assert refused.value.reason == reason
