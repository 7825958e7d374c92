"""What every fingerprint scanner's driver promises (drivers/spi.py), for each entry of the catalogue.

A new driver needs a stand here: a stub on whose platen a finger can be laid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers import catalogue
from drivers.discovery import build, discover
from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    DeviceBusy,
    DeviceError,
    DriverError,
    UnsupportedDevice,
)
from drivers.spi import (
    CancelToken,
    DeviceKind,
    FingerprintScanner,
    Impression,
    Indicating,
    PlatenImager,
    ScanEvent,
    StreamingScanner,
)

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

STANDS = {
    "uru4000": "scanner_stub",
    "nb1010": "nb1010_stub",
    "fs81": "fs81_stub",
    "zk4500": "zk4500_stub",
    "fdu2000": "fdu2000_stub",
    "tenprint": "tenprint_stub",
}
SCANNERS = sorted(e.name for e in catalogue.entries().values() if e.kind is DeviceKind.FINGERPRINT_SCANNER)


@pytest.fixture(params=SCANNERS)
def stand(request: pytest.FixtureRequest) -> ScannerStub:
    name = request.param
    assert name in STANDS, f"the driver {name} has no stand: its contract is untested"
    return cast("ScannerStub", request.getfixturevalue(STANDS[name]))


@pytest.fixture
def scanner(stand: ScannerStub) -> Iterator[FingerprintScanner]:
    driver = build(discover([stand.url]).devices[0])
    assert isinstance(driver, FingerprintScanner)
    yield driver
    driver.close()


def ignore(_: ScanEvent) -> None:
    pass


def test_capabilities_are_known_before_open(scanner: FingerprintScanner) -> None:
    capabilities = scanner.capabilities
    assert capabilities.width > 0
    assert capabilities.height > 0
    assert 250 <= capabilities.resolution_ppi <= 1200
    assert Impression.FLAT in capabilities.impressions


def test_open_and_close_are_idempotent(scanner: FingerprintScanner) -> None:
    scanner.close()
    scanner.open()
    scanner.open()
    assert scanner.identity.vendor
    scanner.close()
    scanner.close()


def test_closed_scanner_is_free_for_another(stand: ScannerStub, scanner: FingerprintScanner) -> None:
    scanner.open()
    other = cast(FingerprintScanner, build(discover([stand.url]).devices[0]))
    with pytest.raises(DeviceBusy):
        other.open()
    scanner.close()
    other.open()
    other.close()


def test_capture_before_open_raises_a_device_error(scanner: FingerprintScanner) -> None:
    with pytest.raises(DeviceError):
        scanner.capture(timeout_s=1, cancel=CancelToken(), on_event=ignore)


def test_capture_gives_a_frame_as_the_capabilities_say(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    scanner.open()
    stand.lay(print_like)
    frame = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore)
    capabilities = scanner.capabilities
    assert frame.pixels.shape == (capabilities.height, capabilities.width)
    assert frame.pixels.dtype == np.uint8
    assert frame.resolution_ppi == capabilities.resolution_ppi
    assert frame.sequence == 1


def test_ridges_are_dark_in_the_frame(stand: ScannerStub, scanner: FingerprintScanner) -> None:
    scanner.open()
    paper = np.full((290, 384), 240, np.uint8)
    paper[80:210, 100:280:9] = 20
    paper[80:210, 101:280:9] = 20
    stand.lay(paper)
    frame = scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore)
    assert np.median(frame.pixels) > 200


def test_events_come_in_order_on_the_calling_thread(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    scanner.open()
    stand.lay(print_like)
    events: list[tuple[ScanEvent, threading.Thread]] = []
    scanner.capture(
        timeout_s=10,
        cancel=CancelToken(),
        on_event=lambda event: events.append((event, threading.current_thread())),
    )
    assert [event for event, _ in events] == [ScanEvent.WAITING, ScanEvent.FINGER_ON, ScanEvent.IMAGE]
    assert {thread for _, thread in events} == {threading.current_thread()}


def test_ten_fingers_in_a_row_are_captured(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    scanner.open()
    sequences = []
    for _ in range(10):
        stand.lay(print_like)
        sequences.append(scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).sequence)
        stand.lift()
        scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    assert sequences == list(range(1, 11))


def test_empty_platen_is_seen_to_be_empty(scanner: FingerprintScanner) -> None:
    scanner.open()
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())


def test_finger_that_lay_there_before_it_was_opened_is_waited_for(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    stand.lay(print_like)
    scanner.open()
    with pytest.raises(CaptureTimedOut):
        scanner.wait_finger_off(timeout_s=0.5, cancel=CancelToken())
    stand.lift()
    scanner.wait_finger_off(timeout_s=10, cancel=CancelToken())
    stand.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).pixels.size


@pytest.mark.parametrize(
    "wait",
    [
        lambda scanner, cancel: scanner.capture(timeout_s=60, cancel=cancel, on_event=ignore),
        lambda scanner, cancel: scanner.wait_finger_off(timeout_s=60, cancel=cancel),
    ],
    ids=["capture", "wait_finger_off"],
)
def test_cancel_from_another_thread_ends_a_wait(
    stand: ScannerStub,
    scanner: FingerprintScanner,
    print_like: NDArray[np.uint8],
    wait: Callable[[FingerprintScanner, CancelToken], object],
    request: pytest.FixtureRequest,
) -> None:
    scanner.open()
    if "wait_finger_off" in request.node.name:
        stand.lay(print_like)
        scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore)
    cancel = CancelToken()
    raised: list[DriverError] = []

    def run() -> None:
        try:
            wait(scanner, cancel)
        except DriverError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    stand.await_state("wait_finger_off" if "wait_finger_off" in request.node.name else "wait_finger_on")
    cancel.cancel()
    thread.join(10)
    assert [type(error) for error in raised] == [CaptureCancelled]
    stand.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).pixels.size


def test_nobody_comes_and_the_capture_times_out(scanner: FingerprintScanner) -> None:
    scanner.open()
    with pytest.raises(CaptureTimedOut):
        scanner.capture(timeout_s=0.05, cancel=CancelToken(), on_event=ignore)


def test_unplugged_scanner_is_gone_and_works_after_plug_close_and_open(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    scanner.open()
    stand.unplug()
    with pytest.raises(DeviceError):
        scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore)
    scanner.close()
    with pytest.raises(DeviceError):
        scanner.open()
    stand.plug()
    scanner.open()
    stand.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).sequence == 1


def test_exception_of_the_listener_reaches_the_caller_and_the_next_capture_works(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    scanner.open()
    stand.lay(print_like)

    def fail(event: ScanEvent) -> None:
        raise RuntimeError(event.value)

    with pytest.raises(RuntimeError, match="waiting"):
        scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=fail)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).pixels.size


def test_platen_is_pictured_without_a_finger_and_the_next_capture_works(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    if not isinstance(scanner, PlatenImager):
        assert isinstance(scanner, StreamingScanner), "no self-test can look at this scanner's platen"
        pytest.skip("it shows its platen by streaming")
    scanner.open()
    frames = scanner.image_platen(frames=3, cancel=CancelToken())
    capabilities = scanner.capabilities
    assert [frame.sequence for frame in frames] == [1, 2, 3]
    assert {frame.pixels.shape for frame in frames} == {(capabilities.height, capabilities.width)}
    assert np.median(frames[-1].pixels) > 200
    assert not np.array_equal(frames[1].pixels, frames[2].pixels)
    stand.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).sequence == 4


def test_each_indicator_goes_on_and_off_and_another_name_is_refused(
    stand: ScannerStub, scanner: FingerprintScanner, print_like: NDArray[np.uint8]
) -> None:
    if not isinstance(scanner, Indicating):
        pytest.skip("it has no lamp and no beeper")
    beeps = stand.control("GET", "/state").get("beeps", 0)
    scanner.open()
    for name in scanner.indicators:
        scanner.indicate(name, seconds=0.02, cancel=CancelToken())
    with pytest.raises(UnsupportedDevice):
        scanner.indicate("bell", seconds=0.02, cancel=CancelToken())
    stand.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=ignore).pixels.size
    scanner.close()
    state = stand.control("GET", "/state?until=released&timeout_s=10")
    if stand.model == "tenprint":
        assert state["beeps"] == beeps + 1
        assert state["lights"] == [0] * 10
    else:
        assert set(scanner.indicators) <= state["switched_on"].keys()
        assert state["outputs"] == []


def test_cancelled_indicator_ends_soon_and_is_off(stand: ScannerStub, scanner: FingerprintScanner) -> None:
    if not isinstance(scanner, Indicating):
        pytest.skip("it has no lamp and no beeper")
    scanner.open()
    cancel = CancelToken()
    timer = threading.Timer(0.1, cancel.cancel)
    timer.start()
    with pytest.raises(CaptureCancelled):
        scanner.indicate(scanner.indicators[0], seconds=60, cancel=cancel)
    timer.join()
    scanner.close()
    state = stand.control("GET", "/state?until=released&timeout_s=10")
    assert not any(state.get("outputs", state.get("lights", ())))
