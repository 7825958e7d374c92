"""The driver against the firmware model over USB/IP: pixels, events, cancelling, waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.discovery import build, discover
from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceBusy, DeviceNotReady, UnsupportedDevice
from drivers.fingerprint.uru4000.driver import Uru4000
from drivers.frame import Frame
from drivers.spi import CancelToken, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

BOTH_MODELS = pytest.mark.parametrize("scanner_stub", ["4500", "msv2"], indirect=True)
# Each of the scrambled blocks loses its last pixel, and one row is a copy of its neighbour.
LOST_PIXELS = 4 + 384
PLACEMENT = 4  # pixels by which the model may move the finger on the platen


@pytest.fixture
def scanner(scanner_stub: ScannerStub) -> Iterator[Uru4000]:
    driver = Uru4000(scanner_stub.url)
    driver.open()
    yield driver
    driver.close()


def ignore(_: ScanEvent) -> None:
    pass


def in_background(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Start a call, and note what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def capture_once(stub: ScannerStub) -> Frame:
    scanner = Uru4000(stub.url)
    scanner.open()
    try:
        return scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore)
    finally:
        scanner.close()


@pytest.mark.parametrize("noiseless_stub", ["4500", "msv2"], indirect=True)
def test_capture_equals_the_laid_finger_pixel_for_pixel(
    noiseless_stub: ScannerStub, print_like: NDArray[np.uint8]
) -> None:
    noiseless_stub.lay(print_like)
    frame = capture_once(noiseless_stub)
    assert frame.pixels.shape == (290, 384)
    margin = 2 * PLACEMENT
    middle = print_like[margin:-margin, margin:-margin]
    match = cv2.minMaxLoc(cv2.matchTemplate(frame.pixels, middle, cv2.TM_CCOEFF_NORMED))[3]
    column, row = match
    assert max(abs(column - margin), abs(row - margin)) <= PLACEMENT
    there = frame.pixels[row : row + middle.shape[0], column : column + middle.shape[1]]
    assert np.count_nonzero(there != middle) <= LOST_PIXELS


@BOTH_MODELS
def test_each_scanner_tells_who_it_is(scanner_stub: ScannerStub, scanner: Uru4000) -> None:
    vendor = {"4500": "DigitalPersona, Inc.", "msv2": "Microsoft"}[scanner_stub.model]
    assert scanner.identity.vendor == vendor
    assert scanner.identity.serial.startswith("{")
    assert scanner.identity.firmware != ""


def test_finger_laid_during_the_wait_is_captured(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    events: list[ScanEvent] = []

    def lay_when_waiting(event: ScanEvent) -> None:
        events.append(event)
        if event is ScanEvent.WAITING:
            scanner_stub.lay(print_like)

    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lay_when_waiting)
    assert events == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]


def test_frames_are_numbered_from_one_in_order_of_time(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    scanner_stub.lay(print_like)
    before = time.monotonic()
    frames = [scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore) for _ in range(2)]
    assert [frame.sequence for frame in frames] == [1, 2]
    assert before < frames[0].captured_monotonic_s < frames[1].captured_monotonic_s < time.monotonic()


def test_pixels_do_not_depend_on_the_random_seed_of_a_capture(
    noiseless_stub: ScannerStub, print_like: NDArray[np.uint8]
) -> None:
    noiseless_stub.lay(print_like)
    first, second = (capture_once(noiseless_stub) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)


def test_nobody_comes_and_the_capture_times_out_with_the_lamp_off(scanner_stub: ScannerStub, scanner: Uru4000) -> None:
    with pytest.raises(CaptureTimedOut):
        scanner.capture(timeout_s=0.1, cancel=CancelToken(), on_event=ignore)
    scanner_stub.await_state("off")


def test_capture_after_a_timed_out_one_works(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    with pytest.raises(CaptureTimedOut):
        scanner.capture(timeout_s=0.05, cancel=CancelToken(), on_event=ignore)
    scanner_stub.lay(print_like)
    assert scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore).sequence == 1


def test_cancel_during_the_wait_ends_the_capture_with_the_lamp_off(scanner_stub: ScannerStub, scanner: Uru4000) -> None:
    cancel = CancelToken()
    thread, raised = in_background(lambda: scanner.capture(timeout_s=60, cancel=cancel, on_event=ignore))
    scanner_stub.await_state("wait_finger_on")
    cancel.cancel()
    thread.join(5)
    assert [type(error) for error in raised] == [CaptureCancelled]
    scanner_stub.await_state("off")


def test_cancel_during_a_stalled_image_ends_the_capture_long_before_its_limit(
    scanner_stub: ScannerStub, print_like: NDArray[np.uint8]
) -> None:
    scanner = Uru4000(scanner_stub.url, transfer_timeout_s=60)
    scanner.open()
    scanner_stub.fail("stall", times=1)
    scanner_stub.lay(print_like)
    cancel = CancelToken()
    thread, raised = in_background(lambda: scanner.capture(timeout_s=60, cancel=cancel, on_event=ignore))
    until = time.monotonic() + 20
    while scanner_stub.control("GET", "/state")["faults"] and time.monotonic() < until:
        time.sleep(0.01)
    cancel.cancel()
    thread.join(20)
    assert [type(error) for error in raised] == [CaptureCancelled]
    assert scanner.capture(timeout_s=20, cancel=CancelToken(), on_event=ignore).sequence == 1
    scanner.close()


def test_token_that_is_already_cancelled_ends_the_capture_at_once(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    scanner_stub.lay(print_like)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CaptureCancelled):
        scanner.capture(timeout_s=5, cancel=cancel, on_event=ignore)


def test_wait_finger_off_returns_when_the_finger_is_lifted(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    scanner_stub.lay(print_like)
    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore)
    thread, raised = in_background(lambda: scanner.wait_finger_off(timeout_s=10, cancel=CancelToken()))
    scanner_stub.await_state("wait_finger_off")
    assert thread.is_alive()
    scanner_stub.lift()
    thread.join(5)
    assert not thread.is_alive()
    assert raised == []


def test_wait_finger_off_times_out_while_the_finger_stays_and_can_be_repeated(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    scanner_stub.lay(print_like)
    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore)
    with pytest.raises(CaptureTimedOut):
        scanner.wait_finger_off(timeout_s=0.1, cancel=CancelToken())
    scanner_stub.lift()
    scanner.wait_finger_off(timeout_s=5, cancel=CancelToken())


def test_blank_image_of_a_lifted_finger_means_waiting_again(
    scanner_stub: ScannerStub, scanner: Uru4000, print_like: NDArray[np.uint8]
) -> None:
    events: list[ScanEvent] = []

    def blank_first(event: ScanEvent) -> None:
        events.append(event)
        if events == [ScanEvent.WAITING]:
            scanner_stub.lay(np.full((290, 384), 235, np.uint8))
        elif events.count(ScanEvent.WAITING) == 2:
            scanner_stub.lay(print_like)

    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=blank_first)
    assert events[:3] == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.WAITING]
    assert events[-1] is ScanEvent.IMAGE


def test_second_program_finds_the_scanner_busy(scanner_stub: ScannerStub, scanner: Uru4000) -> None:
    assert scanner.identity.serial
    other = Uru4000(scanner_stub.url)
    with pytest.raises(DeviceBusy):
        other.open()


def test_scanner_in_use_is_still_found_under_the_same_id(scanner_stub: ScannerStub) -> None:
    before = discover([scanner_stub.url]).devices
    driver = build(before[0])
    driver.open()
    assert discover([scanner_stub.url]).devices == before
    driver.close()


def test_scanner_that_is_not_open_refuses_to_capture() -> None:
    scanner = Uru4000("usbip://127.0.0.1:1/1-1")
    with pytest.raises(DeviceNotReady):
        scanner.capture(timeout_s=1, cancel=CancelToken(), on_event=ignore)


def test_host_seed_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnsupportedDevice):
        Uru4000("usb:", host_seed=1 << 32)
