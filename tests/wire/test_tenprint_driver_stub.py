"""The ten-print driver against its firmware model: live frames, whose memory they are, lamps, rolled fingers."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceNotReady, UnsupportedDevice
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.fingerprint.tenprint.frame_ring import BUFFERS
from drivers.frame import Frame
from drivers.spi import (
    CancelToken,
    FingerprintScanner,
    Impression,
    Light,
    LiveFrame,
    ScanEvent,
    Signals,
    Sound,
    StreamingScanner,
)
from enrollment.core.fingerprint.hand import SlapKind
from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.slap_preview import preview_slap

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

PERSON = 7


@pytest.fixture
def scanner(tenprint_stub: TenPrintStub) -> Iterator[TenPrint]:
    driver = TenPrint(tenprint_stub.url)
    driver.open()
    yield driver
    driver.close()


def watch(scanner: TenPrint, count: int, impression: Impression = Impression.SLAP) -> list[LiveFrame]:
    """So many live frames in a row."""
    seen: list[LiveFrame] = []

    def see(live: LiveFrame) -> bool:
        seen.append(live)
        return len(seen) == count

    scanner.stream(impression=impression, timeout_s=20, cancel=CancelToken(), on_frame=see)
    return seen


def address(frame: Frame) -> int:
    return int(frame.pixels.__array_interface__["data"][0])


def test_driver_offers_all_that_the_spi_knows_of_scanners(scanner: TenPrint) -> None:
    assert isinstance(scanner, FingerprintScanner)
    assert isinstance(scanner, StreamingScanner)
    assert isinstance(scanner, Signals)
    assert scanner.capabilities.impressions == {Impression.FLAT, Impression.SLAP, Impression.ROLLED}


def test_identity_calibration_and_status_are_the_devices(scanner: TenPrint) -> None:
    identity = scanner.identity
    assert (identity.model, identity.serial, identity.firmware) == ("Ten-print scanner model", "TPS1-0001", "1.0.0")
    calibration = scanner.calibration()
    assert abs(calibration.horizontal_ppi - 500) <= 5
    assert abs(calibration.vertical_ppi - 500) <= 5
    assert not calibration.due
    assert scanner.status().skin_cells == 0


def test_each_live_frame_is_another_exposure_and_is_counted(scanner: TenPrint) -> None:
    seen = watch(scanner, 5)
    assert [live.frame.sequence for live in seen] == [1, 2, 3, 4, 5]
    assert seen[0].frame.pixels.shape == (1500, 1600)
    assert seen[0].presence.shape == (75, 80)
    for before, after in itertools.pairwise(seen):
        assert not np.array_equal(before.frame.pixels, after.frame.pixels)
        assert before.frame.captured_monotonic_s < after.frame.captured_monotonic_s


def test_right_hand_is_taken_by_the_preview_when_it_is_ready(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    tenprint_stub.lay_slap(PERSON, SlapKind.RIGHT_FOUR)
    verdicts = []

    def judge(live: LiveFrame) -> bool:
        image = FingerprintImage(live.frame.pixels, live.frame.resolution_ppi or 0.0)
        verdicts.append(preview_slap(image, SlapKind.RIGHT_FOUR))
        return verdicts[-1].ready

    scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=CancelToken(), on_frame=judge)
    assert [finger.position for finger in verdicts[-1].fingers] == [2, 3, 4, 5]


def test_presence_map_is_true_where_the_picture_shows_ridges(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    tenprint_stub.lay_slap(PERSON, SlapKind.TWO_THUMBS)
    (live,) = watch(scanner, 1)
    cells = live.frame.pixels.reshape(75, 20, 80, 20).astype(np.float32).std(axis=(1, 3))
    assert live.presence.any()
    assert cells[live.presence].min() > 15  # the sensor's noise is 2 and was not in what the map was made of
    assert cells[~live.presence].max() < 18


def test_late_reader_gets_the_newest_frame_and_learns_what_was_lost(scanner: TenPrint) -> None:
    seen: list[tuple[LiveFrame, float]] = []

    def dawdle(live: LiveFrame) -> bool:
        seen.append((live, time.monotonic()))
        time.sleep(0.2)  # many frames of this model
        return len(seen) == 3

    scanner.stream(impression=Impression.FLAT, timeout_s=20, cancel=CancelToken(), on_frame=dawdle)
    for (live, _), (_, shown_before) in zip(seen[1:], seen, strict=False):
        assert live.passed_over > 0
        assert live.frame.captured_monotonic_s > shown_before  # not one that had waited since then


def test_frames_that_are_kept_stay_as_they_were(scanner: TenPrint) -> None:
    kept: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def keep(live: LiveFrame) -> bool:
        kept.append((live.frame.pixels, live.frame.pixels.copy()))
        return len(kept) == 3 * BUFFERS

    scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=CancelToken(), on_frame=keep)
    watch(scanner, BUFFERS)
    assert all(np.array_equal(pixels, copy) for pixels, copy in kept)
    assert not kept[0][0].flags.writeable


def test_view_of_a_frame_keeps_its_buffer_as_the_frame_does(scanner: TenPrint) -> None:
    (live,) = watch(scanner, 1)
    corner, expected = live.frame.pixels[::2, ::2][:100], live.frame.pixels[:200:2, ::2].copy()
    del live
    watch(scanner, 2 * BUFFERS)
    assert np.array_equal(corner, expected)


def test_frames_that_nobody_keeps_live_in_one_ring(scanner: TenPrint) -> None:
    addresses: set[int] = set()
    count = 0

    def note(live: LiveFrame) -> bool:
        nonlocal count
        count += 1
        addresses.add(address(live.frame))
        return count == 4 * BUFFERS

    scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=CancelToken(), on_frame=note)
    assert len(addresses) <= BUFFERS


def test_rolled_finger_grows_until_it_is_complete(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    tenprint_stub.roll(PERSON, 2, 1500)  # half of it may pass before the first frame is looked at
    seen: list[LiveFrame] = []

    def see(live: LiveFrame) -> bool:
        seen.append(live)
        return live.roll_complete

    whole = scanner.stream(impression=Impression.ROLLED, timeout_s=20, cancel=CancelToken(), on_frame=see)
    cells = [int(live.presence.sum()) for live in seen]
    assert cells == sorted(cells)
    assert cells[0] < 0.7 * cells[-1]
    assert whole is seen[-1].frame
    touched = np.flatnonzero(seen[-1].presence.any(axis=0))
    assert len(touched) * 20 > 450  # wider than any flat touch


def test_lamps_and_beeper_work_while_frames_stream_and_go_dark_at_the_end(
    tenprint_stub: TenPrintStub, scanner: TenPrint
) -> None:
    lights = []

    def signal(_: LiveFrame) -> bool:
        scanner.light({2: Light.GREEN, 5: Light.RED, 7: Light.AMBER})
        scanner.sound(Sound.GOOD)
        lights.append(tenprint_stub.control("GET", "/state")["lights"])
        return len(lights) == 2

    beeps = tenprint_stub.control("GET", "/state")["beeps"]
    scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=CancelToken(), on_frame=signal)
    assert lights[-1] == [0, 1, 0, 0, 3, 0, 2, 0, 0, 0]
    assert tenprint_stub.control("GET", "/state")["beeps"] == beeps + 2
    scanner.close()
    assert tenprint_stub.control("GET", "/state?until=off")["lights"] == [0] * 10


def test_lamp_of_no_finger_is_refused(scanner: TenPrint) -> None:
    with pytest.raises(UnsupportedDevice):
        scanner.light({11: Light.GREEN})


@pytest.mark.parametrize(
    "use",
    [
        lambda scanner: scanner.light({}),
        lambda scanner: scanner.sound(Sound.BAD),
        lambda scanner: scanner.status(),
        lambda scanner: watch(scanner, 1),
    ],
    ids=["light", "sound", "status", "stream"],
)
def test_use_before_open_is_not_ready(tenprint_stub: TenPrintStub, use: object) -> None:
    assert callable(use)
    with pytest.raises(DeviceNotReady):
        use(TenPrint(tenprint_stub.url))


def test_stream_that_nobody_is_content_with_times_out_and_stops(tenprint_stub: TenPrintStub, scanner: TenPrint) -> None:
    with pytest.raises(CaptureTimedOut):
        scanner.stream(impression=Impression.SLAP, timeout_s=0.2, cancel=CancelToken(), on_frame=lambda _: False)
    assert tenprint_stub.control("GET", "/state?until=idle")["mode"] == "idle"


def test_cancel_within_the_listener_ends_the_stream_and_stops_the_sensor(
    tenprint_stub: TenPrintStub, scanner: TenPrint
) -> None:
    cancel = CancelToken()

    def stop(_: LiveFrame) -> bool:
        cancel.cancel()
        return False

    with pytest.raises(CaptureCancelled):
        scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=cancel, on_frame=stop)
    assert tenprint_stub.control("GET", "/state?until=idle")["mode"] == "idle"
    assert watch(scanner, 2)[-1].frame.sequence == 3


def test_exception_of_the_listener_reaches_the_caller_and_stops_the_sensor(
    tenprint_stub: TenPrintStub, scanner: TenPrint
) -> None:
    def fail(_: LiveFrame) -> bool:
        raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        scanner.stream(impression=Impression.SLAP, timeout_s=20, cancel=CancelToken(), on_frame=fail)
    assert tenprint_stub.control("GET", "/state?until=idle")["mode"] == "idle"


def test_scanner_that_a_killed_program_left_streaming_opens(
    tenprint_stub: TenPrintStub, print_like: NDArray[np.uint8]
) -> None:
    command = [sys.executable, "-m", "drivers", "capture", "--address", tenprint_stub.url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        tenprint_stub.await_state("streaming")
        program.kill()
    tenprint_stub.await_state("off")
    scanner = TenPrint(tenprint_stub.url)
    scanner.open()
    tenprint_stub.lay(print_like)
    assert scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=lambda _: None).pixels.std() > 10
    scanner.close()


def test_finger_that_is_lifted_at_once_is_waited_for_again(
    tenprint_stub: TenPrintStub, scanner: TenPrint, print_like: NDArray[np.uint8]
) -> None:
    events: list[ScanEvent] = []
    lifted = threading.Event()

    def note(event: ScanEvent) -> None:
        events.append(event)
        if event is ScanEvent.FINGER_ON and not lifted.is_set():
            lifted.set()
            sent = tenprint_stub.control("DELETE", "/platen")["images_sent"]
            tenprint_stub.control("GET", f"/state?until=images:{sent + 3}")  # those before the lifting are passed over
        elif event is ScanEvent.WAITING and lifted.is_set():
            tenprint_stub.lay(print_like)

    tenprint_stub.lay(print_like)
    scanner.capture(timeout_s=10, cancel=CancelToken(), on_event=note)
    assert [event.value for event in events] == ["waiting", "finger_on", "waiting", "finger_on", "image"]
