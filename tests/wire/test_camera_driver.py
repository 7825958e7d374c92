"""The OpenCV camera driver against a camera that streams over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from drivers.camera.opencv import OpenCvCamera
from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    DeviceNotFound,
    DeviceNotReady,
    DriverError,
    UnsupportedDevice,
)
from drivers.spi import CancelToken

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

LIMIT_S = 20.0


@pytest.fixture
def camera(camera_stub: CameraStub) -> Iterator[OpenCvCamera]:
    driver = OpenCvCamera(camera_stub.url)
    driver.open()
    yield driver
    driver.close()


def test_open_camera_tells_its_size(camera: OpenCvCamera) -> None:
    assert (camera.capabilities.width, camera.capabilities.height) == (1920, 1080)
    assert camera.identity.model == "127.0.0.1"


def test_frame_shows_the_scene(camera_stub: CameraStub, camera: OpenCvCamera) -> None:
    scene = np.zeros((1080, 1920, 3), np.uint8)
    scene[:, :960] = (40, 160, 220)
    scene[:, 960:] = (200, 80, 30)
    camera_stub.control("PUT", "/scene", cv2.imencode(".png", scene)[1].tobytes())
    left, right = (slice(200, 800), slice(100, 800)), (slice(200, 800), slice(1100, 1800))
    try:
        frame = camera.latest(timeout_s=LIMIT_S, cancel=CancelToken())
        for _ in range(300):  # frames that were on their way show what was before the lens until then
            if np.abs(frame.pixels[left].mean(axis=(0, 1)) - (40, 160, 220)).max() < 25:
                break
            frame = camera.latest(newer_than=frame.sequence, timeout_s=LIMIT_S, cancel=CancelToken())
    finally:
        camera_stub.control("DELETE", "/scene")
    assert frame.pixels.shape == (1080, 1920, 3)
    assert frame.resolution_ppi is None
    assert np.abs(frame.pixels[left].mean(axis=(0, 1)) - (40, 160, 220)).max() < 25
    assert np.abs(frame.pixels[right].mean(axis=(0, 1)) - (200, 80, 30)).max() < 25


def test_frames_count_up_and_are_young(camera: OpenCvCamera) -> None:
    sequence = 0
    for _ in range(5):
        frame = camera.latest(newer_than=sequence, timeout_s=LIMIT_S, cancel=CancelToken())
        assert frame.sequence > sequence
        assert time.monotonic() - frame.captured_monotonic_s < 2
        sequence = frame.sequence


def test_first_frame_is_fully_exposed(camera: OpenCvCamera) -> None:
    first = camera.latest(timeout_s=LIMIT_S, cancel=CancelToken())
    later = camera.latest(newer_than=first.sequence + 20, timeout_s=LIMIT_S, cancel=CancelToken())
    assert float(first.pixels.mean()) == pytest.approx(float(later.pixels.mean()), rel=0.02)


def test_slow_reader_gets_the_newest_frame_not_the_next(camera: OpenCvCamera) -> None:
    first = camera.latest(timeout_s=LIMIT_S, cancel=CancelToken())
    camera.latest(newer_than=first.sequence + 9, timeout_s=LIMIT_S, cancel=CancelToken())  # ten frames go by unread
    assert (
        camera.latest(newer_than=first.sequence, timeout_s=LIMIT_S, cancel=CancelToken()).sequence
        >= first.sequence + 10
    )


def test_same_frame_is_given_without_a_copy(camera_stub: CameraStub, camera: OpenCvCamera) -> None:
    camera_stub.fail("stall")
    frames = [camera.latest(timeout_s=LIMIT_S, cancel=CancelToken()) for _ in range(2)]
    while frames[0].sequence != frames[1].sequence:  # the last frames before the stall were still on their way
        frames = [frames[1], camera.latest(timeout_s=LIMIT_S, cancel=CancelToken())]
    assert frames[0].pixels is frames[1].pixels


def test_frame_from_the_future_times_out(camera: OpenCvCamera) -> None:
    with pytest.raises(CaptureTimedOut):
        camera.latest(newer_than=1_000_000, timeout_s=0.1, cancel=CancelToken())


def test_cancel_ends_a_waiting_call(camera: OpenCvCamera) -> None:
    cancel = CancelToken()
    raised: list[DriverError] = []

    def wait() -> None:
        try:
            camera.latest(newer_than=1_000_000, timeout_s=60, cancel=cancel)
        except DriverError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    cancel.cancel()
    thread.join(LIMIT_S)
    assert [type(error) for error in raised] == [CaptureCancelled]


def test_camera_opened_again_counts_from_one(camera: OpenCvCamera) -> None:
    before = camera.latest(newer_than=40, timeout_s=LIMIT_S, cancel=CancelToken())
    camera.close()
    camera.open()
    assert camera.latest(timeout_s=LIMIT_S, cancel=CancelToken()).sequence < before.sequence


def test_camera_that_is_not_there_is_not_found() -> None:
    with pytest.raises(DeviceNotFound):
        OpenCvCamera("http://127.0.0.1:1/stream").open()


def test_video_device_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound):
        OpenCvCamera(f"video:{tmp_path}/video0").open()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "/dev/video0", "", "usb:", "http://[::1"])
def test_address_of_another_kind_is_unsupported(address: str) -> None:
    with pytest.raises(UnsupportedDevice):
        OpenCvCamera(address)


def test_camera_that_is_not_open_gives_no_frame() -> None:
    with pytest.raises(DeviceNotReady):
        OpenCvCamera("http://127.0.0.1:1/stream").latest(timeout_s=1, cancel=CancelToken())
