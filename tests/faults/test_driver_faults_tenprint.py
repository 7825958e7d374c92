"""Every fault of the ten-print model, at opening, in a stream, in a capture and at the end: one table, one test.

Whatever happens: the outcome is the one of the table, the fault has really struck, the next capture works, and after
`close` no thread, no file and no claim on the device is left.
"""

from __future__ import annotations

import json
import os
import threading
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
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
    DeviceStalled,
    DriverError,
    ProtocolViolation,
)
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.spi import CancelToken, Impression, Light, LiveFrame, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs",)

MANY = 10_000
COMMAND_S = 0.4
FRAME_S = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """A fault's outcome by what is done meanwhile: once, and when it lasts; None where the picture is as good as ever.

    after: chances that pass before it strikes.
    """

    kind: str
    once: type[DriverError] | None
    lasting: type[DriverError] | None
    after: int = 0


BY_FRAME = (
    Row("stall", DeviceStalled, DeviceStalled),
    Row("stall", DeviceStalled, DeviceStalled, after=2),
    Row("halt", DeviceStalled, DeviceStalled),
    Row("short_packet", None, ProtocolViolation),
    Row("lost_packet", None, ProtocolViolation, after=1),
    Row("bad_header", None, ProtocolViolation),
    Row("bad_crc", None, ProtocolViolation, after=1),
    Row("torn_frame", None, ProtocolViolation),
    Row("unplug", DeviceGone, DeviceGone),
    Row("unplug", DeviceGone, DeviceGone, after=2),
    Row("frozen_frame", None, DeviceStalled, after=1),
    Row("black_frame", None, DeviceNotReady),
    Row("lamp_failed", DeviceNotReady, DeviceNotReady, after=1),
    Row("slow_wire", None, None),
    Row("dirty_platen", None, None),
    Row("ghost_print", None, None),
    Row("stale_bytes", None, None),
)
BY_COMMAND = (
    Row("mute", DeviceStalled, DeviceStalled),
    Row("refused", DeviceStalled, DeviceStalled),
    Row("bad_answer", None, ProtocolViolation),
    Row("stale_answer", None, None),
    Row("unplug_in_command", DeviceGone, DeviceGone),
)
AT_OPEN = (*BY_COMMAND, Row("not_ready", None, None), *(Row(row.kind, row.once, row.once, 1) for row in BY_COMMAND))
AT_CLOSE = ("mute", "refused", "bad_answer", "unplug_in_command")


@pytest.fixture
def nothing_left(tenprint_stub: TenPrintStub) -> Iterator[None]:
    """Fail where a thread, a file or a claim on the device outlives the test."""
    threads, files = set(threading.enumerate()), handles()
    yield
    assert tenprint_stub.control("GET", "/state?until=released&timeout_s=10")["imported"] is False
    assert set(threading.enumerate()) == threads
    assert handles() == files


@pytest.fixture
def scanner(tenprint_stub: TenPrintStub, nothing_left: None, print_like: NDArray[np.uint8]) -> Iterator[TenPrint]:
    """A scanner, not open yet, with a finger on it."""
    tenprint_stub.lay(print_like)
    driver = TenPrint(tenprint_stub.url, command_timeout_s=COMMAND_S, frame_timeout_s=FRAME_S)
    yield driver
    driver.close()


def handles() -> set[str]:
    """What this process holds open, by number."""
    return set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()


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


def assert_works(stub: TenPrintStub, scanner: TenPrint, last: type[DriverError] | None) -> None:
    """The next capture works; a handle whose device was gone is closed and opened first."""
    stub.heal()
    stub.plug()
    if last is DeviceGone:
        scanner.close()
    scanner.open()
    capture(scanner)


@pytest.mark.parametrize(
    ("act", "lasting"),
    [(stream, False), (stream, True), (capture, False)],
    ids=["stream-once", "stream-lasting", "capture-once"],
)
@pytest.mark.parametrize("row", BY_FRAME + BY_COMMAND, ids=lambda row: f"{row.kind}-{row.after}")
def test_fault_in_a_stream_or_capture_ends_as_the_table_says_and_the_next_capture_works(
    tenprint_stub: TenPrintStub, scanner: TenPrint, row: Row, act: Callable[[TenPrint], object], *, lasting: bool
) -> None:
    scanner.open()
    times = MANY if lasting else 1
    tenprint_stub.fail(row.kind, times=times, after=row.after)
    outcome = outcome_of(act, scanner)
    assert_struck(tenprint_stub, row.kind, times)
    assert outcome is (row.lasting if lasting else row.once)
    assert_works(tenprint_stub, scanner, outcome)


@pytest.mark.parametrize("row", AT_OPEN, ids=lambda row: f"{row.kind}-{row.after}")
def test_fault_at_opening_ends_as_the_table_says_and_the_next_opening_works(
    tenprint_stub: TenPrintStub, scanner: TenPrint, row: Row
) -> None:
    tenprint_stub.fail(row.kind, times=1, after=row.after)
    outcome = outcome_of(TenPrint.open, scanner)
    assert_struck(tenprint_stub, row.kind, 1)
    assert outcome is row.once
    assert_works(tenprint_stub, scanner, outcome)


@pytest.mark.parametrize("kind", AT_CLOSE)
def test_fault_at_closing_is_quiet_and_the_next_opening_works(
    tenprint_stub: TenPrintStub, scanner: TenPrint, kind: str
) -> None:
    scanner.open()
    tenprint_stub.fail(kind, times=1)
    scanner.close()
    tenprint_stub.control("GET", "/state?until=released&timeout_s=10")
    assert_struck(tenprint_stub, kind, 1)
    assert_works(tenprint_stub, scanner, None)


@pytest.mark.parametrize("kind", ["mute", "bad_answer", "unplug_in_command"])
def test_fault_while_the_finger_is_to_leave_is_typed_and_the_next_capture_works(
    tenprint_stub: TenPrintStub, scanner: TenPrint, kind: str
) -> None:
    expected = {"mute": DeviceStalled, "bad_answer": CaptureTimedOut, "unplug_in_command": DeviceGone}[kind]
    scanner.open()
    tenprint_stub.fail(kind, times=1, after=2)
    outcome = outcome_of(lambda one: one.wait_finger_off(timeout_s=0.5, cancel=CancelToken()), scanner)
    assert_struck(tenprint_stub, kind, 1)
    assert outcome is expected
    assert_works(tenprint_stub, scanner, outcome)


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
    patient = TenPrint(tenprint_stub.url, command_timeout_s=60, frame_timeout_s=60)
    patient.open()
    tenprint_stub.fail(kind, times=4 if kind == "bad_crc" else 1)
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(CaptureCancelled):
        patient.stream(impression=Impression.SLAP, timeout_s=60, cancel=cancel, on_frame=lambda _: False)
    timer.join()
    assert_struck(tenprint_stub, kind, 1)
    tenprint_stub.heal()
    capture(patient)
    patient.close()


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


def test_table_has_a_row_for_each_fault_of_the_model(tenprint_stub: TenPrintStub) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        tenprint_stub.fail("no_such_fault")
    known = set(json.loads(refused.value.read())["message"].removeprefix("kinds: ").split(", "))
    assert known == {row.kind for row in (*BY_FRAME, *AT_OPEN)}
