"""The NB-1010-U's driver and firmware model together over USB/IP, the model a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.discovery import build, discover
from drivers.errors import CaptureTimedOut, DeviceGone, DeviceNotReady
from drivers.fingerprint.nb1010.driver import Nb1010
from drivers.spi import CancelToken, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import Nb1010Stub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

NOISE = 8  # grey levels that a pixel may differ from what lies there
DEAD_SHARE = 0.01  # of pixels that see nothing at all


@pytest.fixture
def scanner(nb1010_stub: Nb1010Stub) -> Iterator[Nb1010]:
    driver = Nb1010(nb1010_stub.url)
    driver.open()
    yield driver
    driver.close()


def capture(scanner: Nb1010, timeout_s: float = 5.0) -> NDArray[np.uint8]:
    return scanner.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=lambda _: None).pixels


def test_picture_is_what_lies_on_the_sensor_but_for_noise_and_dead_pixels(
    nb1010_stub: Nb1010Stub, scanner: Nb1010, print_like: NDArray[np.uint8]
) -> None:
    nb1010_stub.lay(print_like)
    pixels = capture(scanner)
    lying = nb1010_stub.picture()
    assert pixels.shape == lying.shape == (180, 256)
    off = np.abs(pixels.astype(np.int16) - lying) > NOISE
    assert off.mean() < DEAD_SHARE
    assert lying.std() > 20


def test_scanner_tells_who_it_is_and_has_no_serial(scanner: Nb1010) -> None:
    identity = scanner.identity
    assert (identity.vendor, identity.model, identity.serial) == ("NEXT Biometrics", "NB-1010-U", "")


def test_scanner_without_a_serial_is_found_by_its_socket(nb1010_stub: Nb1010Stub) -> None:
    (found,) = discover([nb1010_stub.url]).devices
    assert found.driver == "nb1010"
    assert found.device_id.startswith("nb1010-127.0.0.1-")
    assert found.device_id.endswith("-1-1")


def test_finger_that_is_laid_during_the_wait_is_captured(
    nb1010_stub: Nb1010Stub, scanner: Nb1010, print_like: NDArray[np.uint8]
) -> None:
    def lay_when_waiting(event: ScanEvent) -> None:
        if event is ScanEvent.WAITING:
            nb1010_stub.lay(print_like)

    frame = scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lay_when_waiting)
    assert frame.resolution_ppi == 385.0


def test_wait_for_lifting_ends_when_the_finger_goes(
    nb1010_stub: Nb1010Stub, scanner: Nb1010, print_like: NDArray[np.uint8]
) -> None:
    nb1010_stub.lay(print_like)
    capture(scanner)
    waiting = threading.Thread(target=lambda: scanner.wait_finger_off(timeout_s=10, cancel=CancelToken()))
    waiting.start()
    nb1010_stub.await_state("wait_finger_off")
    assert waiting.is_alive()
    nb1010_stub.lift()
    waiting.join(5)
    assert not waiting.is_alive()


def test_finger_too_light_to_be_felt_times_out_and_says_how_light(nb1010_stub: Nb1010Stub, scanner: Nb1010) -> None:
    light = np.full((290, 384), 240, np.uint8)
    light[140:150, 180:200] = 90
    nb1010_stub.lay(light)
    with pytest.raises(CaptureTimedOut) as raised:
        capture(scanner, timeout_s=1.0)
    assert 0 < int(raised.value.facts["strongest_presence"]) < int(raised.value.facts["needed"])


def test_scanner_that_a_killed_program_left_in_an_image_opens_and_captures(
    nb1010_stub: Nb1010Stub, print_like: NDArray[np.uint8]
) -> None:
    nb1010_stub.fail("slow_wire", times=1000)  # 0.2 s for an image, so that the program is killed within one
    nb1010_stub.lay(print_like)
    sent = nb1010_stub.control("GET", "/state")["images_sent"]
    command = [sys.executable, "-m", "drivers", "capture", "--address", nb1010_stub.url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        nb1010_stub.control("GET", f"/state?until=images:{sent + 1}&timeout_s=10")
        program.kill()
    nb1010_stub.control("GET", "/state?until=released&timeout_s=10")
    nb1010_stub.heal()
    scanner = Nb1010(nb1010_stub.url)
    scanner.open()
    assert capture(scanner).std() > 20
    scanner.close()


def test_handle_of_an_unplugged_scanner_stays_dead(
    nb1010_stub: Nb1010Stub, scanner: Nb1010, print_like: NDArray[np.uint8]
) -> None:
    nb1010_stub.unplug()
    nb1010_stub.plug()
    nb1010_stub.lay(print_like)
    with pytest.raises(DeviceGone):
        capture(scanner)
    with pytest.raises(DeviceGone):
        scanner.wait_finger_off(timeout_s=1, cancel=CancelToken())


def test_scanner_that_is_not_open_refuses() -> None:
    scanner = Nb1010("usbip://127.0.0.1:1/1-1")
    with pytest.raises(DeviceNotReady):
        capture(scanner)
    with pytest.raises(DeviceNotReady):
        scanner.wait_finger_off(timeout_s=1, cancel=CancelToken())


def test_driver_found_by_the_catalogue_takes_its_options(nb1010_stub: Nb1010Stub) -> None:
    driver = build(discover([nb1010_stub.url]).devices[0], resolution_ppi=500.0)
    assert isinstance(driver, Nb1010)
    assert driver.capabilities.resolution_ppi == 500.0


@pytest.mark.parametrize("condition", ["polls:x", "polls:", "images:-1", "capture", "polls:1234567890"])
def test_state_that_the_model_does_not_have_is_refused(nb1010_stub: Nb1010Stub, condition: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        nb1010_stub.control("GET", f"/state?until={condition}")
    assert b"BAD_QUERY" in refused.value.read()


def test_wait_for_a_state_that_does_not_come_ends(nb1010_stub: Nb1010Stub) -> None:
    nb1010_stub.control("GET", "/state?until=released&timeout_s=10")
    with pytest.raises(urllib.error.HTTPError) as refused:
        nb1010_stub.control("GET", "/state?until=imported&timeout_s=0.05")
    assert b"NOT_REACHED" in refused.value.read()
