"""What goes wrong with a reflex camera, over the real libgphoto2: a typed error on time, and a next open that works."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.camera.dslr.driver import Dslr
from drivers.errors import (
    CaptureCancelled,
    CardFull,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    PictureRefused,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.spi import CancelToken
from tests.faults.camera_bench import processes_of
from tests.processes import pause

if TYPE_CHECKING:
    from tests.contract.device_stubs import DslrStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left", "no_process_left")

NEVER = 1_000_000
STILL = (1152, 1728, 3)


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Fail where a test leaves a body's process or an open file behind, or takes one away, as libgphoto2 does."""
    gc.collect()  # or what an earlier test left open would go meanwhile
    files = len(os.listdir("/proc/self/fd"))
    standard_input = os.fstat(0)
    yield
    assert os.path.samestat(os.fstat(0), standard_input)
    assert processes_of(os.getpid()) == []
    assert len(os.listdir("/proc/self/fd")) <= files


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Taking:
    """A picture being taken on a thread of its own, and how it ended."""

    def __init__(self, camera: Dslr) -> None:
        self.cancel = CancelToken()
        self.raised: DriverError | None = None
        self._thread = threading.Thread(target=self._take, args=(camera,))
        self._thread.start()

    def _take(self, camera: Dslr) -> None:
        try:
            camera.take_still(timeout_s=60, cancel=self.cancel)
        except DriverError as error:
            self.raised = error

    def end(self, within_s: float) -> DriverError | None:
        self._thread.join(within_s)
        assert not self._thread.is_alive()
        return self.raised


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


def test_camera_that_leaves_the_network_before_its_picture_is_gone_and_not_one_that_refused(
    dslr_without_live_view: DslrStub,
) -> None:
    with contextlib.closing(Dslr(dslr_without_live_view.url)) as camera:
        camera.open()
        dslr_without_live_view.fail("disconnect")
        with pytest.raises(DeviceGone):
            camera.take_still(timeout_s=10, cancel=CancelToken())
        camera.close()
        dslr_without_live_view.heal()
        camera.open()
        assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_connection_that_is_cut_at_a_transfer_ends_the_live_view_there(dslr_stub: DslrStub, camera: Dslr) -> None:
    before = dslr_stub.state()["transfers"]
    told = dslr_stub.control("PUT", "/fault", b'{"kind": "disconnect", "after": 5}')["transfers"]  # live view goes on
    with pytest.raises(DeviceGone):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    transfers = dslr_stub.state()["transfers"]
    assert transfers - before >= 5
    assert transfers - told <= 6  # one may have been on its way


def test_camera_that_says_nothing_is_stalled_at_the_age_limit_and_still_calls_end_on_time(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    dslr_stub.fail("stall")
    with pytest.raises(DeviceStalled):  # the library itself is silent for 5 s
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    started = time.monotonic()
    with pytest.raises(DeviceStalled):
        camera.take_still(timeout_s=0.2, cancel=CancelToken())
    assert time.monotonic() - started < 4  # a limit, not a pace: the library would hold it for seconds
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
    with pytest.raises(PictureRefused, match="focus"):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    newest = camera.latest(timeout_s=5, cancel=CancelToken()).sequence
    assert camera.latest(newer_than=newest, timeout_s=5, cancel=CancelToken()).pixels.size
    dslr_stub.heal()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


@pytest.mark.parametrize(("kind", "error"), [("busy", PictureRefused), ("full", CardFull)])
def test_camera_that_can_take_no_picture_now_says_why_and_works_on(
    dslr_stub: DslrStub, camera: Dslr, kind: str, error: type[DriverError]
) -> None:
    taken = dslr_stub.state()["taken"]
    dslr_stub.fail(kind)
    with pytest.raises(error, match=kind):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    assert dslr_stub.state()["taken"] == taken
    dslr_stub.heal()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_camera_that_vanishes_on_the_way_of_its_picture_is_gone_and_the_next_picture_is_another(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    state = dslr_stub.state()
    dslr_stub.fail("cut")
    with pytest.raises(DeviceGone):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    with pytest.raises(DeviceGone):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    dslr_stub.heal()
    camera.close()
    camera.open()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL
    assert dslr_stub.state()["taken"] == state["taken"] + 2  # the one that was lost, which stays on the card, and this
    assert dslr_stub.state()["on_card"] == state["on_card"] + 1


def test_process_that_is_killed_in_the_middle_of_a_picture_is_a_typed_error_and_the_next_open_works(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    taken = dslr_stub.state()["taken"]
    dslr_stub.fail("late")
    taking = Taking(camera)
    wait_until(lambda: dslr_stub.state()["taken"] > taken)
    [process] = processes_of(os.getpid())
    os.kill(process, signal.SIGKILL)
    assert isinstance(taking.end(within_s=10), DeviceStalled)  # and not after the minute that it has
    with pytest.raises(DeviceStalled):
        camera.latest(newer_than=NEVER, timeout_s=10, cancel=CancelToken())
    dslr_stub.heal()
    camera.close()
    camera.open()
    assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


def test_process_that_hangs_is_ended_at_its_limit_and_the_next_open_works(dslr_stub: DslrStub) -> None:
    with contextlib.closing(Dslr(dslr_stub.url, call_limit_s=1.5)) as camera:
        camera.open()
        [process] = processes_of(os.getpid())
        pause(process)
        with pytest.raises(DeviceStalled, match="does not come back"):
            camera.take_still(timeout_s=60, cancel=CancelToken())
        wait_until(lambda: processes_of(os.getpid()) == [])  # it is not asked whether it wants to end
        camera.close()
        camera.open()
        assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == STILL


OPEN_AND_WAIT = """
import sys, time
from drivers.camera.dslr.driver import Dslr
camera = Dslr(sys.argv[1])
camera.open()
print("open", flush=True)
time.sleep(60)
"""


def test_process_ends_with_the_one_that_started_it_even_while_the_library_hangs(dslr_stub: DslrStub) -> None:
    command = [sys.executable, "-c", OPEN_AND_WAIT, dslr_stub.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "open\n"
        [process] = processes_of(parent.pid)
        dslr_stub.fail("stall")
        parent.kill()
    try:
        wait_until(lambda: not Path(f"/proc/{process}").exists())
    finally:
        dslr_stub.heal()


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
    taking = Taking(camera)
    taking.cancel.cancel()
    assert isinstance(taking.end(within_s=4), CaptureCancelled)  # and not when the library gives up, after 5 s
    dslr_stub.heal()
    assert camera.settings()  # asked for after the picture, and so done after it
    assert dslr_stub.state()["taken"] == taken


def test_picture_that_is_cancelled_after_the_shutter_is_still_fetched_and_deleted(
    dslr_stub: DslrStub, camera: Dslr
) -> None:
    state = dslr_stub.state()
    dslr_stub.fail("late")
    taking = Taking(camera)
    wait_until(lambda: dslr_stub.state()["taken"] > state["taken"])
    taking.cancel.cancel()
    assert isinstance(taking.end(within_s=10), CaptureCancelled)
    assert camera.settings()  # asked for after the picture, and so done after it
    dslr_stub.heal()
    assert dslr_stub.state()["on_card"] == state["on_card"]


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
