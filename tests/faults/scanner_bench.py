"""Tries cells of the table in scanner_matrix.py: a driver on a running model, a fault, and what comes of it."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from drivers import catalogue
from drivers.errors import DeviceError, DriverError
from drivers.frame import Frame
from drivers.spi import (
    CancelToken,
    FingerprintScanner,
    Impression,
    Indicating,
    LiveFrame,
    PlatenImager,
    ScanEvent,
    StreamingScanner,
)
from enrollment.core import fingerprint
from firmware_stubs.fingers import finger_image
from tests.faults.scanner_matrix import SCANNERS, Cell, Outcome, Picture, Scanner, Step, cells
from tests.faults.summary import Try, print_summary

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

IMAGE_MS: Final = "20"
MANY: Final = 10_000
CAPTURE_S: Final = 5.0
EMPTY_S: Final = 1.0
ENDED_S: Final = 10.0  # for what has been told to end, on a machine that is busy
LIVE_FRAMES: Final = 6
PLATEN_FRAMES: Final = 3
INDICATE_S: Final = 0.01
DIFFERENT: Final = 4.0  # mean difference of grey that two pictures of one finger never have; noise makes 1 to 3
LETTERS: Final = {
    Step.OPEN: "O",
    Step.CAPTURE: "C",
    Step.EMPTY: "E",
    Step.LIFT: "L",
    Step.STREAM: "S",
    Step.PLATEN: "P",
    Step.INDICATE: "I",
    Step.CLOSE: "X",
}
FINGER: Final = 14  # a synthetic finger that no hint is due for


@contextmanager
def running_models(scanners: Iterable[Scanner] = SCANNERS) -> Iterator[Mapping[str, ScannerStub]]:
    """The stubs by model."""
    from tests.contract.device_stubs import (
        ScannerStub,
        TenPrintStub,
    )  # a plugin, which pytest must be the first to import

    running: dict[str, ScannerStub] = {}
    try:
        for scanner in scanners:
            model = scanner.model
            is_tenprint = model == "tenprint"
            running[model] = TenPrintStub() if is_tenprint else ScannerStub(model, "--image-ms", IMAGE_MS)
        yield running
    finally:
        for stub in running.values():
            stub.stop()


class Bench:
    """One driver on one stub with a finger on it, and what it was like before anything went wrong."""

    def __init__(self, scanner: Scanner, stub: ScannerStub, options: Mapping[str, float]) -> None:
        self.stub = stub
        self.finger = _finger()
        self._resting = scanner.resting
        self.driver = cast(FingerprintScanner, catalogue.entry(scanner.driver).build(stub.url, **options))

    def __enter__(self) -> Self:
        self.stub.reset()
        self.stub.lay(self.finger)
        self.driver.open()
        try:
            self.sound = self.capture()
        except BaseException:
            self.driver.close()  # or the next bench would find it busy
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()

    def capture(self, timeout_s: float = CAPTURE_S) -> Frame:
        return self.driver.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=_ignore)

    def provoke(self, cell: Cell, after: int, times: int) -> Frame | DriverError:
        """Arm a fault and do what it strikes in; a step that gives no picture is followed by a capture."""
        if cell.step is Step.OPEN:
            self.driver.close()
        elif self._resting:  # or what the capture before left under way would meet the fault
            self.stub.control("GET", f"/state?until={self._resting}&timeout_s=10")
        if cell.step in (Step.LIFT, Step.EMPTY, Step.PLATEN):
            self.stub.lift()
        self.stub.fail(cell.row.kind, times=times, **({"after": after} if after else {}))
        try:
            return self._do(cell.step)
        except DriverError as error:
            return error

    def _do(self, step: Step) -> Frame:
        match step:
            case Step.OPEN:
                self.driver.open()
            case Step.LIFT:
                self.driver.wait_finger_off(timeout_s=CAPTURE_S, cancel=CancelToken())
                self.stub.lay(self.finger)
            case Step.EMPTY:
                return self.capture(EMPTY_S)
            case Step.STREAM:
                return self._stream()
            case Step.PLATEN:
                imager = cast(PlatenImager, self.driver)
                return imager.image_platen(frames=PLATEN_FRAMES, cancel=CancelToken())[-1]
            case Step.INDICATE:
                indicating = cast(Indicating, self.driver)
                indicating.indicate(indicating.indicators[0], seconds=INDICATE_S, cancel=CancelToken())
            case Step.CLOSE:
                self.driver.close()
                self.stub.plug()
                self.driver.open()
            case Step.CAPTURE:
                pass
        return self.capture()

    def _stream(self) -> Frame:
        seen: list[LiveFrame] = []

        def see(live: LiveFrame) -> bool:
            seen.append(live)
            return len(seen) == LIVE_FRAMES

        return cast(StreamingScanner, self.driver).stream(
            impression=Impression.FLAT, timeout_s=CAPTURE_S, cancel=CancelToken(), on_frame=see
        )

    def sound_platen(self) -> Frame:
        """The empty platen without any fault."""
        self.stub.lift()
        frame = cast(PlatenImager, self.driver).image_platen(frames=1, cancel=CancelToken())[0]
        self.stub.lay(self.finger)
        return frame

    def recover(self, outcome: Frame | DriverError) -> Frame:
        """End the fault and capture. After an error that the handle does not survive, it is opened again."""
        self.stub.heal()
        self.stub.plug()
        self.stub.lay(self.finger)
        try:
            return self.capture()
        except DeviceError:
            if isinstance(outcome, Frame):  # what worked must go on working
                raise
        self.driver.close()
        self.driver.open()
        return self.capture()


def try_cell(cell: Cell, stub: ScannerStub) -> Iterator[Try]:
    """Try each place of a cell; nothing may be left behind after the last."""
    threads, files = set(threading.enumerate()), handles()
    places = cell.places
    with Bench(cell.scanner, stub, cell.driver_options) as bench:
        like = bench.sound_platen() if cell.step is Step.PLATEN else bench.sound
        for after in places[:-1]:
            yield Try(cell, after, _failure_of(cell, after, bench, like))
        failure = _failure_of(cell, places[-1], bench, like)
    yield Try(cell, places[-1], failure or _left_behind(stub, threads, files))


def handles() -> set[str]:
    """What this process holds open, by number; sockets and pipes among them.

    Fewer than before are nobody's fault: what an earlier test left to the garbage collector goes at any time.
    """
    return set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()


def _failure_of(cell: Cell, after: int, bench: Bench, like: Frame) -> str:
    times = MANY if cell.lasting else 1
    outcome = bench.provoke(cell, after, times)
    if times == bench.stub.control("GET", "/state")["faults"].get(cell.row.kind, 0):
        return f"the fault did not strike; the outcome was {type(outcome).__name__}"
    unexpected = _unexpected(outcome, cell.expected, like)
    if unexpected:
        return unexpected
    try:
        recovered = bench.recover(outcome)
    except DriverError as error:
        return f"the next capture failed: {error!r}"
    return "" if difference(recovered, bench.sound) < DIFFERENT else "the next capture shows something else"


def _unexpected(outcome: Frame | DriverError, expected: Outcome, like: Frame) -> str:
    """What is not as the table says, "" where all is."""
    if not isinstance(expected, Picture):
        return (
            "" if type(outcome) is expected and str(outcome) else f"{expected.__name__} expected, not {_short(outcome)}"
        )
    if isinstance(outcome, DriverError):
        return f"a picture expected ({expected.value}), not {_short(outcome)}"
    if outcome.pixels.shape != like.pixels.shape:
        return "a picture of another size"
    apart = difference(outcome, like)
    if (apart >= DIFFERENT) == (expected is Picture.UNNOTICED):
        return f"a picture that is {expected.value} expected; it differs by {apart:.1f} grey levels"
    if expected is Picture.HINTED:
        judged, sound = (
            fingerprint.examine(fingerprint.FingerprintImage(frame.pixels, frame.resolution_ppi or 0.0)).quality
            for frame in (outcome, like)
        )
        if judged.score >= sound.score or not set(judged.hints) > set(sound.hints):
            return "the quality tells nothing of the fault"
    return ""


def _left_behind(stub: ScannerStub, threads: set[threading.Thread], files: set[str]) -> str:
    if stub.control("GET", "/state?until=released&timeout_s=10")["imported"]:
        return "the device is still claimed"
    return left_open(threads, files)


def left_open(threads: set[threading.Thread], files: set[str]) -> str:
    """What this process has more of than these, once what is new had time to end; "" for nothing."""
    until = time.monotonic() + ENDED_S
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            return f"a thread is left: {thread.name}"
    while not handles() <= files:
        if time.monotonic() > until:
            return "a file is left"
        time.sleep(0.01)
    return ""


def difference(first: Frame, second: Frame) -> float:
    """Mean difference, grey levels."""
    apart: NDArray[np.int16] = first.pixels.astype(np.int16) - second.pixels
    return float(np.abs(apart).mean())


@functools.cache
def _finger() -> NDArray[np.uint8]:
    return finger_image(FINGER, 0)


def _short(outcome: Frame | DriverError) -> str:
    return "a picture" if isinstance(outcome, Frame) else repr(outcome)


def _ignore(_: ScanEvent) -> None:
    pass


def main() -> None:
    """Try the whole table of scanners and print what recovered: faults by drivers, the steps that each struck in."""

    def run(drivers: Sequence[str]) -> Iterator[tuple[str, Iterator[Try]]]:
        scanners = [scanner for scanner in SCANNERS if scanner.driver in drivers]
        with running_models(scanners) as stubs:
            for scanner in scanners:
                of_scanner = list(cells(scanner))
                for number, cell in enumerate(of_scanner, start=1):
                    yield f"{scanner.driver} {number}/{len(of_scanner)}", try_cell(cell, stubs[scanner.model])

    about = main.__doc__ or ""
    print_summary("tests.faults.scanner_matrix", about, [scanner.driver for scanner in SCANNERS], run, LETTERS)
