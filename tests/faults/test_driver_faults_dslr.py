"""What goes wrong with a reflex camera, over the real libgphoto2: a typed error on time, and a next open that works."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from drivers.camera.dslr.driver import Dslr
from drivers.errors import (
    CaptureCancelled,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.spi import CancelToken

if TYPE_CHECKING:
    from tests.contract.device_stubs import DslrStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

NEVER = 1_000_000
STILL = (1152, 1728, 3)


@pytest.fixture
def camera(dslr_stub: DslrStub) -> Iterator[Dslr]:
    driver = Dslr(dslr_stub.url)
    driver.open()
    yield driver
    dslr_stub.heal()  # a call that hangs in the library ends
    driver.close()


def test_camera_that_leaves_the_network_is_gone_until_it_is_opened_again(dslr_stub: DslrStub, camera: Dslr) -> None:
    dslr_stub.fail("disconnect")
    with pytest.raises(DeviceGone):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    for _ in range(2):  # nothing reconnects by itself
        with pytest.raises(DeviceGone):
            camera.take_still(timeout_s=10, cancel=CancelToken())
    camera.close()
    with pytest.raises(DeviceNotFound):
        camera.open()
    dslr_stub.heal()
    camera.open()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_connection_that_is_cut_at_a_transfer_ends_the_live_view_there(dslr_stub: DslrStub, camera: Dslr) -> None:
    before = dslr_stub.state()["transfers"]
    dslr_stub.fail("disconnect", after=5)
    with pytest.raises(DeviceGone):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    assert 5 <= dslr_stub.state()["transfers"] - before <= 6  # one may have been on its way


def test_camera_that_says_nothing_is_stalled_at_the_age_limit_and_still_calls_end_on_time(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    dslr_stub.fail("stall")
    with pytest.raises(DeviceStalled):  # the library itself is silent for 5 s
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    started = time.monotonic()
    with pytest.raises(DeviceStalled):
        camera.take_still(timeout_s=0.2, cancel=CancelToken())
    assert time.monotonic() - started < 2  # a limit, not a pace: the library would hold it for seconds
    dslr_stub.heal()
    camera.close()
    camera.open()
    assert camera.latest(timeout_s=5, cancel=CancelToken()).pixels.size


def test_live_view_of_broken_pictures_alone_is_stalled_and_recovers_by_itself(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    newest = camera.latest(timeout_s=5, cancel=CancelToken()).sequence
    dslr_stub.fail("truncate")
    with pytest.raises(DeviceStalled):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    dslr_stub.heal()
    assert camera.settings()  # the pause for it is none of the live view's age
    assert camera.latest(newer_than=newest, timeout_s=5, cancel=CancelToken()).sequence > newest


def test_picture_that_is_cut_short_is_refused_and_not_left_on_the_card(dslr_stub: DslrStub, camera: Dslr) -> None:
    left = dslr_stub.state()["on_card"]
    dslr_stub.fail("truncate")
    with pytest.raises(ProtocolViolation):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    dslr_stub.heal()
    assert dslr_stub.state()["on_card"] == left
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_camera_that_refuses_a_picture_says_so_and_works_on(dslr_stub: DslrStub, camera: Dslr) -> None:
    dslr_stub.fail("refuse")
    with pytest.raises(DeviceNotReady, match="focus"):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    newest = camera.latest(timeout_s=5, cancel=CancelToken()).sequence
    assert camera.latest(newer_than=newest, timeout_s=5, cancel=CancelToken()).pixels.size
    dslr_stub.heal()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_camera_that_saves_raw_files_alone_says_what_to_set(dslr_stub: DslrStub, camera: Dslr) -> None:
    left = dslr_stub.state()["on_card"]
    dslr_stub.fail("raw")
    with pytest.raises(DeviceNotReady, match="JPEG"):
        camera.take_still(timeout_s=20, cancel=CancelToken())
    assert dslr_stub.state()["on_card"] == left
    dslr_stub.heal()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_picture_that_does_not_come_ends_the_connection_so_that_it_is_never_taken_for_the_next(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    dslr_stub.fail("silent")
    with pytest.raises(DeviceStalled):
        camera.take_still(timeout_s=0.5, cancel=CancelToken())
    dslr_stub.heal()
    with pytest.raises(DeviceStalled):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    left = dslr_stub.state()["on_card"]
    camera.close()
    camera.open()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL
    assert dslr_stub.state()["on_card"] == left  # the new picture was taken and deleted, not the late one


def test_cancelled_picture_returns_at_once_while_the_library_hangs_and_is_not_taken(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    taken = dslr_stub.state()["taken"]
    dslr_stub.fail("stall")
    with pytest.raises(DeviceStalled):  # the library hangs by now
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    cancel = CancelToken()
    raised: list[DriverError] = []

    def take() -> None:
        try:
            camera.take_still(timeout_s=60, cancel=cancel)
        except DriverError as error:
            raised.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    cancel.cancel()
    thread.join(2)
    assert [type(error) for error in raised] == [CaptureCancelled]
    dslr_stub.heal()
    assert camera.settings()  # asked for after the picture, and so done after it
    assert dslr_stub.state()["taken"] == taken


def test_nothing_at_the_address_is_not_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeviceNotFound):
        Dslr(f"ptpip://127.0.0.1:{port}").open()
    with pytest.raises(DeviceNotFound):
        Dslr("ptpip://camera.invalid").open()


@pytest.mark.parametrize("address", ["gphoto2:serial:NO-SUCH-BODY", "gphoto2:usb:250,250"])
def test_camera_that_is_not_on_usb_is_not_found(address: str) -> None:
    with pytest.raises(DeviceNotFound):
        Dslr(address).open()


@pytest.mark.parametrize(
    "address", ["ptpip://", "ptpip://host:port", "ptpip://[::1", "gphoto2:", "gphoto2:serial:", "gphoto2:usb:1", "usb:"]
)
def test_address_of_something_else_is_unsupported(address: str) -> None:
    with pytest.raises(UnsupportedDevice):
        Dslr(address)
