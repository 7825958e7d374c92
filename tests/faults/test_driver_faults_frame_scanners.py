"""What goes wrong with scanners that only send pictures: a typed error or a hint, and a next capture that works.

One row a scanner says what its wire can have and which error it is then; the optical faults are the same for all.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.catalogue import entry
from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    DeviceError,
    DeviceGone,
    DeviceNotFound,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
)
from drivers.spi import CancelToken, FingerprintScanner, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import FrameScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

MANY = 100_000
MALFORMED: dict[str, type[DeviceError]] = {"short_packet": ProtocolViolation}
LASTING: dict[str, type[DeviceError]] = MALFORMED | {
    "stall": DeviceStalled,
    "black_frame": DeviceNotReady,
    "frozen_frame": DeviceStalled,
}


@dataclass(frozen=True)
class Scanner:
    """A scanner of the table. malformed: faults of one picture. at_open: what an open with it raises."""

    name: str
    malformed: dict[str, type[DeviceError]]
    lasting: dict[str, type[DeviceError]]
    at_open: dict[str, type[DeviceError]]


UNSOUND: dict[str, type[DeviceError]] = {"bad_header": ProtocolViolation, "bad_answer": ProtocolViolation}
SCANNERS = [
    Scanner("fs81", MALFORMED, LASTING, {"bad_header": ProtocolViolation}),
    Scanner("zk4500", MALFORMED, LASTING | {"refused": DeviceStalled}, {}),
    Scanner("fdu2000", MALFORMED | UNSOUND, LASTING | UNSOUND, {"bad_answer": ProtocolViolation}),
]
EACH = pytest.mark.parametrize("stub", [s.name for s in SCANNERS], indirect=True)


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> FrameScannerStub:
    return cast("FrameScannerStub", request.getfixturevalue(f"{request.param}_stub"))


def build(stub: FrameScannerStub, **options: float) -> FingerprintScanner:
    return cast(FingerprintScanner, entry(stub.model).build(stub.url, **options))


@pytest.fixture
def scanner(stub: FrameScannerStub, print_like: NDArray[np.uint8]) -> Iterator[FingerprintScanner]:
    """An open scanner with a finger on it."""
    driver = build(stub, picture_timeout_s=1.0)
    driver.open()
    stub.lay(print_like)
    yield driver
    driver.close()
    stub.control("GET", "/state?until=released&timeout_s=5")  # no handle stays behind


def ignore(_: ScanEvent) -> None:
    pass


def capture(scanner: FingerprintScanner, timeout_s: float = 5) -> NDArray[np.uint8]:
    return scanner.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=ignore).pixels


def assert_same_finger(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
    """Two pictures of one finger that did not move differ in their noise only."""
    assert np.abs(first.astype(np.int16) - second).mean() < 5


def rows(table: str) -> list[pytest.param]:  # type: ignore[valid-type]  # pytest.param is a function in its stubs
    return [
        pytest.param(s.name, kind, error, id=f"{s.name}-{kind}")
        for s in SCANNERS
        for kind, error in getattr(s, table).items()
    ]


@pytest.mark.parametrize(("stub", "kind", "error"), rows("malformed"), indirect=["stub"])
def test_one_malformed_picture_is_taken_again_unnoticed(
    stub: FrameScannerStub, scanner: FingerprintScanner, kind: str, error: type[DeviceError]
) -> None:
    expected = capture(scanner)
    stub.fail(kind, times=1)
    assert_same_finger(capture(scanner), expected)
    assert stub.control("GET", "/state")["faults"] == {}, f"{error.__name__} did not happen"


@pytest.mark.parametrize(("stub", "kind", "error"), rows("lasting"), indirect=["stub"])
def test_lasting_fault_is_a_typed_error_with_the_lamp_off_and_the_next_capture_works(
    stub: FrameScannerStub, scanner: FingerprintScanner, kind: str, error: type[DeviceError]
) -> None:
    expected = capture(scanner)
    stub.fail(kind, times=MANY)
    with pytest.raises(error):
        capture(scanner)
    stub.heal()
    assert_same_finger(capture(scanner), expected)
    stub.await_state("off")


@pytest.mark.parametrize(("stub", "kind", "error"), rows("at_open"), indirect=["stub"])
def test_open_with_a_fault_is_a_typed_error_and_opens_later(
    stub: FrameScannerStub, kind: str, error: type[DeviceError], print_like: NDArray[np.uint8]
) -> None:
    with contextlib.closing(build(stub)) as scanner:
        stub.fail(kind, times=MANY)
        with pytest.raises(error):
            scanner.open()
        stub.heal()
        stub.lay(print_like)
        scanner.open()
        assert capture(scanner).size


@EACH
@pytest.mark.parametrize("after", [0, 1, 3, 8, 21])
def test_unplug_at_any_transfer_is_a_typed_error_and_works_after_plug_and_open(
    stub: FrameScannerStub, after: int, print_like: NDArray[np.uint8]
) -> None:
    stub.lay(print_like)
    stub.fail("unplug", after=after)
    raised: list[DriverError] = []
    with contextlib.closing(build(stub)) as scanner:
        try:
            scanner.open()
            for _ in range(20):
                capture(scanner)
        except DeviceError as error:
            raised.append(error)
            scanner.close()
        assert [type(error) for error in raised] in ([DeviceGone], [DeviceNotFound])
        stub.plug()
        scanner.open()
        assert capture(scanner).size


@EACH
def test_unplug_while_the_finger_lies_ends_the_wait_for_its_lifting(
    stub: FrameScannerStub, scanner: FingerprintScanner
) -> None:
    capture(scanner)
    stub.unplug()
    with pytest.raises(DeviceGone):
        scanner.wait_finger_off(timeout_s=60, cancel=CancelToken())
    stub.plug()
    with pytest.raises(DeviceGone):  # the old handle stays dead, though a scanner is there again
        capture(scanner, timeout_s=0)


@EACH
def test_stale_bytes_of_a_killed_program_are_drained(
    stub: FrameScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    expected = capture(scanner)
    scanner.close()
    for _ in range(3):
        stub.fail("stale_bytes")
        scanner.open()
        assert stub.control("GET", "/state")["faults"] == {}
        assert_same_finger(capture(scanner), expected)
        scanner.close()


@EACH
def test_scanner_that_a_killed_program_left_in_a_picture_opens(
    stub: FrameScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    expected = capture(scanner)
    scanner.close()
    stub.lift()
    command = [sys.executable, "-m", "drivers", "capture", "--address", stub.url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        stub.await_state("lit")
        program.kill()
    stub.control("GET", "/state?until=released&timeout_s=5")
    scanner.open()
    stub.lay(print_like)
    assert_same_finger(capture(scanner), expected)


@EACH
def test_slow_wire_within_the_limit_only_takes_longer(stub: FrameScannerStub, scanner: FingerprintScanner) -> None:
    expected = capture(scanner)
    stub.fail("slow_wire", times=2)
    assert_same_finger(capture(scanner), expected)
    assert stub.control("GET", "/state")["faults"] == {}


@pytest.mark.parametrize(  # each waits for a second: it is the watch's doing, which is the same for all
    ("stub", "kind"),
    [("fs81", "dirty_platen"), ("zk4500", "ghost_print")],
    indirect=["stub"],
)
def test_soiled_platen_is_named_where_no_finger_comes_and_hinders_none_that_does(
    stub: FrameScannerStub, scanner: FingerprintScanner, kind: str, print_like: NDArray[np.uint8]
) -> None:
    stub.fail(kind, times=MANY)
    stub.lift()
    with pytest.raises(CaptureTimedOut, match="clean it"):
        capture(scanner, timeout_s=1.0)  # and pictures of it were seen by then
    stub.lay(print_like)
    assert capture(scanner).size
    stub.lift()
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())


@EACH
@pytest.mark.parametrize("kind", ["stall", "nobody"])
def test_cancel_ends_a_capture_in_any_state_and_the_next_one_works(
    stub: FrameScannerStub, scanner: FingerprintScanner, kind: str, print_like: NDArray[np.uint8]
) -> None:
    """In the middle of a picture the lamp's command may wait behind it: it goes off before another use all the same."""
    scanner.close()
    scanner = build(stub, picture_timeout_s=60)
    scanner.open()
    with contextlib.closing(scanner):
        _cancel_and_capture(stub, scanner, kind, print_like)
    stub.await_state("off")


def _cancel_and_capture(
    stub: FrameScannerStub, scanner: FingerprintScanner, kind: str, print_like: NDArray[np.uint8]
) -> None:
    if kind == "stall":
        stub.fail("stall", after=1)
    else:
        stub.lift()
    cancel = CancelToken()
    raised: list[DriverError] = []
    begun = threading.Event()

    def run() -> None:
        try:
            scanner.capture(timeout_s=60, cancel=cancel, on_event=lambda _: begun.set())
        except DriverError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(5)
    stub.control("GET", "/state?until=lit&timeout_s=5")
    cancel.cancel()
    thread.join(5)  # its own limits are 60 s
    assert [type(error) for error in raised] == [CaptureCancelled]
    stub.heal()
    stub.await_state("off")
    stub.lay(print_like)
    assert capture(scanner).size


@EACH
def test_time_out_in_the_middle_of_a_slow_picture_is_one_and_the_next_capture_works(
    stub: FrameScannerStub, scanner: FingerprintScanner
) -> None:
    stub.fail("stall", times=1)
    with pytest.raises(CaptureTimedOut):
        capture(scanner, timeout_s=0.5)
    assert stub.control("GET", "/state")["faults"] == {}
    assert capture(scanner).size
