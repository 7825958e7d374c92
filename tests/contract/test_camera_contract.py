"""What every camera's driver promises (drivers/spi.py), for each entry of the catalogue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from drivers import catalogue
from drivers.discovery import build, discover
from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceError, DriverError
from drivers.spi import Camera, CancelToken, DeviceKind

if TYPE_CHECKING:
    from tests.contract.device_stubs import DeviceStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

STANDS = {"camera": "camera_stub", "dslr": "dslr_stub"}
CAMERAS = sorted(e.name for e in catalogue.entries().values() if e.kind is DeviceKind.CAMERA)


@pytest.fixture(params=CAMERAS)
def stand(request: pytest.FixtureRequest) -> DeviceStub:
    name = request.param
    assert name in STANDS, f"the driver {name} has no stand: its contract is untested"
    return cast("DeviceStub", request.getfixturevalue(STANDS[name]))


@pytest.fixture
def camera(stand: DeviceStub) -> Iterator[Camera]:
    driver = build(discover([stand.url]).devices[0])
    assert isinstance(driver, Camera)
    yield driver
    driver.close()


def test_open_and_close_are_idempotent(camera: Camera) -> None:
    camera.close()
    camera.open()
    camera.open()
    assert camera.capabilities.width > 0
    camera.close()
    camera.close()


def test_latest_before_open_raises_a_device_error(camera: Camera) -> None:
    with pytest.raises(DeviceError):
        camera.latest(timeout_s=1, cancel=CancelToken())


def test_frame_is_colour_of_the_size_that_the_capabilities_say(camera: Camera) -> None:
    camera.open()
    frame = camera.latest(timeout_s=5, cancel=CancelToken())
    assert frame.pixels.shape == (camera.capabilities.height, camera.capabilities.width, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.resolution_ppi is None


def test_newer_frame_is_waited_for(camera: Camera) -> None:
    camera.open()
    first = camera.latest(timeout_s=5, cancel=CancelToken())
    second = camera.latest(newer_than=first.sequence, timeout_s=5, cancel=CancelToken())
    assert second.sequence > first.sequence
    assert second.captured_monotonic_s > first.captured_monotonic_s
    assert time.monotonic() - second.captured_monotonic_s < 2


def test_no_newer_frame_in_time_times_out(camera: Camera) -> None:
    camera.open()
    with pytest.raises(CaptureTimedOut):
        camera.latest(newer_than=1_000_000, timeout_s=0.05, cancel=CancelToken())


def test_cancel_from_another_thread_ends_a_wait(camera: Camera) -> None:
    camera.open()
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
    thread.join(10)
    assert [type(error) for error in raised] == [CaptureCancelled]


def test_lost_camera_raises_a_device_error_and_works_after_close_and_open(stand: DeviceStub, camera: Camera) -> None:
    camera.open()
    stand.fail("disconnect")
    with pytest.raises(DeviceError):
        camera.latest(newer_than=1_000_000, timeout_s=10, cancel=CancelToken())
    camera.close()
    stand.heal()
    camera.open()
    assert camera.latest(timeout_s=5, cancel=CancelToken()).pixels.size
