"""What goes wrong with a ten-print scanner beside the table in scanner_matrix.py: warm-up, cable, cancelling, lamps."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DriverError,
)
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.spi import CancelToken, Impression, Light, LiveFrame, ScanEvent
from tests.faults.scanner_bench import handles

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs",)

MANY = 10_000


@pytest.fixture
def nothing_left(tenprint_stub: TenPrintStub) -> Iterator[None]:
    """Fail where a thread, a file or a claim on the device outlives the test."""
    threads, files = set(threading.enumerate()), handles()
    yield
    assert tenprint_stub.control("GET", "/state?until=released&timeout_s=10")["imported"] is False
    assert set(threading.enumerate()) <= threads
    assert handles() <= files


@pytest.fixture
def scanner(tenprint_stub: TenPrintStub, nothing_left: None, print_like: NDArray[np.uint8]) -> Iterator[TenPrint]:
    """A scanner, not open yet, with a finger on it."""
    tenprint_stub.lay(print_like)
    driver = TenPrint(tenprint_stub.url)
    yield driver
    driver.close()


def capture(scanner: TenPrint) -> None:
    frame = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=lambda _: None)
    assert frame.pixels.mean() > 100
    assert frame.pixels[600:900, 650:950].std() > 20  # the finger, not what was there before it


def stream(scanner: TenPrint) -> None:
    seen: list[LiveFrame] = []

    def see(live: LiveFrame) -> bool:
        assert live.frame.pixels.mean() > 100
        seen.append(live)
        return len(seen) == 6

    scanner.stream(impression=Impression.SLAP, timeout_s=10, cancel=CancelToken(), on_frame=see)


def outcome_of(act: Callable[[TenPrint], object], scanner: TenPrint) -> type[DriverError] | None:
    try:
        act(scanner)
    except DriverError as error:
        return type(error)
    return None


def assert_struck(stub: TenPrintStub, kind: str, times: int) -> None:
    assert times - stub.control("GET", "/state")["faults"].get(kind, 0) > 0, f"{kind} did not strike"


def cancel_when_struck(stub: TenPrintStub, kind: str, cancel: CancelToken) -> None:
    """Cancel when a fault has struck as often as it was to, or never did in ten seconds."""
    deadline = time.monotonic() + 10
    while kind in stub.control("GET", "/state")["faults"] and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # for the driver to be waiting for what does not come
    cancel.cancel()


def assert_works(stub: TenPrintStub, scanner: TenPrint, last: type[DriverError] | None) -> None:
    """The next capture works; a handle whose device was gone is closed and opened first."""
    stub.heal()
    stub.plug()
    if last is DeviceGone:
        scanner.close()
    scanner.open()
    capture(scanner)


def test_scanner_that_never_gets_warm_is_not_ready(
    tenprint_stub: TenPrintStub, scanner: TenPrint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.fingerprint.tenprint.parameters.WARM_UP_S", 0.3)  # else the test waits 5 s
    tenprint_stub.fail("not_ready", times=MANY)
    assert outcome_of(TenPrint.open, scanner) is DeviceNotReady
    assert_works(tenprint_stub, scanner, None)


@pytest.mark.parametrize("kind", ["dirty_platen", "ghost_print"])
def test_dirt_is_told_and_is_no_finger(tenprint_stub: TenPrintStub, scanner: TenPrint, kind: str) -> None:
    scanner.open()
    tenprint_stub.lift()
    tenprint_stub.fail(kind, times=MANY)
    told: list[LiveFrame] = []

    def see(live: LiveFrame) -> bool:
        told.append(live)
        return True

    scanner.stream(
        impression=Impression.SLAP,
        timeout_s=10,
        cancel=CancelToken(),
        on_frame=see,
    )
    assert told[0].dirty
    assert (np.abs(told[0].frame.pixels.astype(int) - 244) > 12).any()
    events: list[ScanEvent] = []
    with pytest.raises(CaptureTimedOut):
        scanner.capture(timeout_s=0.4, cancel=CancelToken(), on_event=events.append)
    assert events == [ScanEvent.WAITING]


def test_old_handle_stays_dead_after_a_re_plug(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    scanner.open()
    tenprint_stub.unplug()
    assert outcome_of(capture, scanner) is DeviceGone
    tenprint_stub.plug()
    assert outcome_of(capture, scanner) is DeviceGone
    assert outcome_of(stream, scanner) is DeviceGone
    assert_works(tenprint_stub, scanner, DeviceGone)


def test_scanner_opened_while_unplugged_is_not_found(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    tenprint_stub.unplug()
    assert outcome_of(TenPrint.open, scanner) is DeviceNotFound


@pytest.mark.parametrize("kind", ["stall", "mute", "slow_wire", "bad_crc"])
def test_cancel_in_a_fault_ends_the_stream_and_the_next_capture_works(
    tenprint_stub: TenPrintStub, scanner: TenPrint, kind: str
) -> None:
    with contextlib.closing(TenPrint(tenprint_stub.url, command_timeout_s=60, frame_timeout_s=60)) as patient:
        patient.open()
        tenprint_stub.fail(kind, times=4 if kind == "bad_crc" else 1)
        cancel = CancelToken()
        cancelling = threading.Thread(target=lambda: cancel_when_struck(tenprint_stub, kind, cancel))
        cancelling.start()
        with pytest.raises(CaptureCancelled):
            patient.stream(impression=Impression.SLAP, timeout_s=60, cancel=cancel, on_frame=lambda _: False)
        cancelling.join()
        assert_struck(tenprint_stub, kind, 1)
        tenprint_stub.heal()
        capture(patient)


def test_stream_goes_on_after_a_damaged_answer_to_a_lamp_within_it(
    tenprint_stub: TenPrintStub, scanner: TenPrint
) -> None:
    scanner.open()
    seen: list[LiveFrame] = []

    def light(live: LiveFrame) -> bool:
        seen.append(live)
        if len(seen) == 2:
            tenprint_stub.fail("bad_answer", times=1)
        scanner.light({2: Light.GREEN})
        return len(seen) == 5

    scanner.stream(impression=Impression.SLAP, timeout_s=10, cancel=CancelToken(), on_frame=light)
    assert_struck(tenprint_stub, "bad_answer", 1)
    assert tenprint_stub.control("GET", "/state")["lights"][1] == 1
