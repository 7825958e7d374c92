"""What goes wrong on a scanner's wire: a typed error, and a next capture that works."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.errors import (
    DeviceError,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
)
from drivers.fingerprint.uru4000.driver import Uru4000
from drivers.spi import CancelToken, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

MANY = 1000


@pytest.fixture
def scanner(scanner_stub: ScannerStub, print_like: NDArray[np.uint8]) -> Iterator[Uru4000]:
    """An open scanner with a finger on it."""
    driver = Uru4000(scanner_stub.url, transfer_timeout_s=1.0)
    driver.open()
    scanner_stub.lay(print_like)
    yield driver
    driver.close()


def capture(scanner: Uru4000) -> NDArray[np.uint8]:
    return scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lambda _: None).pixels


def assert_same_finger(pixels: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """But for the sensor's noise."""
    assert np.abs(pixels.astype(np.int16) - expected).mean() < 3


@pytest.mark.parametrize("kind", ["short_image", "zero_image", "bad_header", "wrong_key"])
def test_one_bad_image_is_taken_again_unnoticed(scanner_stub: ScannerStub, scanner: Uru4000, kind: str) -> None:
    expected = capture(scanner)
    scanner_stub.fail(kind, times=1)
    assert_same_finger(capture(scanner), expected)
    assert scanner_stub.control("GET", "/state")["faults"] == {}  # it did happen


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("short_image", ProtocolViolation),
        ("zero_image", ProtocolViolation),
        ("bad_header", ProtocolViolation),
        ("wrong_key", ProtocolViolation),
        ("stall", DeviceStalled),
    ],
)
def test_lasting_fault_is_a_typed_error_and_the_next_capture_works(
    scanner_stub: ScannerStub, scanner: Uru4000, kind: str, error: type[DeviceError]
) -> None:
    expected = capture(scanner)
    scanner_stub.fail(kind, times=MANY)
    with pytest.raises(error):
        capture(scanner)
    scanner_stub.heal()
    assert_same_finger(capture(scanner), expected)


def test_missing_power_interrupt_is_tried_again(scanner_stub: ScannerStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.fingerprint.uru4000.registers._POWER_INTERRUPT_S", 1.0)  # for the one that comes
    scanner_stub.fail("no_power_interrupt", times=2)
    with contextlib.closing(Uru4000(scanner_stub.url)) as scanner:
        scanner.open()


def test_scanner_that_never_powers_up_is_not_ready_and_opens_later(scanner_stub: ScannerStub) -> None:
    scanner_stub.fail("no_power_interrupt", times=MANY)
    with contextlib.closing(Uru4000(scanner_stub.url)) as scanner:
        with pytest.raises(DeviceNotReady):
            scanner.open()
        scanner_stub.heal()
        scanner.open()


def test_slow_wire_within_the_limit_only_takes_longer(scanner_stub: ScannerStub, print_like: NDArray[np.uint8]) -> None:
    with contextlib.closing(Uru4000(scanner_stub.url)) as scanner:
        scanner.open()
        scanner_stub.lay(print_like)
        expected = capture(scanner)
        scanner_stub.fail("slow_wire", times=1)
        assert_same_finger(capture(scanner), expected)


@pytest.mark.parametrize("moment", [ScanEvent.WAITING, ScanEvent.FINGER_ON])
def test_unplug_in_a_capture_is_gone_at_once_and_for_ever(
    scanner_stub: ScannerStub, scanner: Uru4000, moment: ScanEvent
) -> None:
    if moment is ScanEvent.WAITING:
        scanner_stub.lift()
    raised: list[DriverError] = []
    reached = threading.Event()

    def note(event: ScanEvent) -> None:
        if event is moment:
            reached.set()

    def run() -> None:
        try:
            scanner.capture(timeout_s=60, cancel=CancelToken(), on_event=note)
        except DriverError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert reached.wait(5)
    scanner_stub.unplug()
    thread.join(5)
    assert [type(error) for error in raised] == [DeviceGone]
    scanner_stub.plug()
    with pytest.raises(DeviceGone):  # the old handle stays dead, though a scanner is there again
        capture(scanner)
    with pytest.raises(DeviceGone):
        scanner.capture(timeout_s=0, cancel=CancelToken(), on_event=lambda _: None)
    scanner.close()
    scanner.open()
    scanner_stub.lay(np.tile(np.array([40, 200], np.uint8).repeat(4), (290, 48)))
    assert capture(scanner).shape == (290, 384)


def test_unplug_while_the_finger_lies_ends_the_wait_for_its_lifting(
    scanner_stub: ScannerStub, scanner: Uru4000
) -> None:
    capture(scanner)
    scanner_stub.unplug()
    with pytest.raises(DeviceGone):
        scanner.wait_finger_off(timeout_s=60, cancel=CancelToken())


def test_scanner_opened_while_unplugged_is_not_found(scanner_stub: ScannerStub) -> None:
    scanner_stub.unplug()
    with pytest.raises(DeviceNotFound):
        Uru4000(scanner_stub.url).open()


def test_scanner_that_a_killed_program_left_in_a_capture_opens(
    scanner_stub: ScannerStub, print_like: NDArray[np.uint8]
) -> None:
    command = [sys.executable, "-m", "drivers", "capture", "--address", scanner_stub.url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        scanner_stub.await_state("wait_finger_on")
        program.kill()
    scanner_stub.await_state("off")  # its server has noticed
    with contextlib.closing(Uru4000(scanner_stub.url)) as scanner:
        scanner.open()
        scanner_stub.lay(print_like)
        assert capture(scanner).std() > 20
