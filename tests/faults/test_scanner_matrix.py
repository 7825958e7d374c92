"""Every fault of every scanner's model, at every step and place of the table in scanner_matrix.py.

Whatever happens: the outcome is the one in the table, the fault has really struck, the next capture works, and after
`close` no thread, no file and no claim on the device is left.
"""

from __future__ import annotations

import json
import os
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers import catalogue
from drivers.errors import DeviceError, DriverError
from drivers.frame import Frame
from drivers.spi import CancelToken, FingerprintScanner, ScanEvent
from enrollment.core import fingerprint
from firmware_stubs.fingers import finger_image
from tests.faults.scanner_matrix import SCANNERS, Outcome, Picture, Row, Scanner, Step

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)

IMAGE_MS = "5"
MANY = 10_000
CAPTURE_S = 5.0
EMPTY_S = 2.0
DIFFERENT = 4.0  # mean difference of grey that two pictures of one finger never have; noise makes 1 to 2
FINGER = 11  # a synthetic finger that no hint is due for

VARIANTS = {"clear_image", "every_block_kind", "pale_image"}  # of a U.are.U's images, and no faults

Cell = tuple[Scanner, Row, Step, bool]

CELLS: list[Cell] = [
    (scanner, row, step, lasting)
    for scanner in SCANNERS
    for row in scanner.rows
    for step in row.places
    for lasting in (False, True)
    if (row.lasting if lasting else row.once) is not None and (not lasting or step is next(iter(row.places)))
]


def name_of(cell: Cell) -> str:
    scanner, row, step, lasting = cell
    return f"{scanner.driver}-{step.value}-{row.kind}-{'lasting' if lasting else 'once'}"


@pytest.fixture(scope="module")
def stubs() -> Iterator[dict[str, ScannerStub]]:
    from tests.contract.device_stubs import ScannerStub  # a plugin, which pytest must be the first to import

    running = {scanner.model: ScannerStub(scanner.model, "--image-ms", IMAGE_MS) for scanner in SCANNERS}
    yield running
    for stub in running.values():
        stub.stop()


@pytest.fixture(scope="module")
def finger() -> NDArray[np.uint8]:
    return finger_image(FINGER, 0)


class Bench:
    """One driver on one stub, and what it was like before anything went wrong."""

    def __init__(self, scanner: Scanner, stub: ScannerStub, finger: NDArray[np.uint8]) -> None:
        self.stub = stub
        self.finger = finger
        stub.reset()
        stub.lay(finger)
        self.driver = cast(FingerprintScanner, catalogue.entry(scanner.driver).build(stub.url, **scanner.options))
        self.driver.open()

    def __enter__(self) -> Self:
        self.sound = self.capture()
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()

    def capture(self, timeout_s: float = CAPTURE_S) -> Frame:
        return self.driver.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=_ignore)

    def provoke(self, row: Row, step: Step, after: int, times: int) -> Frame | DriverError:
        """Arm a fault and do what it strikes in; a step that survives it is followed by a capture."""
        if step is Step.OPEN:
            self.driver.close()
        if step in (Step.LIFT, Step.EMPTY):
            self.stub.lift()
        self.stub.fail(row.kind, times=times, **({"after": after} if after else {}))
        try:
            if step is Step.OPEN:
                self.driver.open()
            elif step is Step.LIFT:
                self.driver.wait_finger_off(timeout_s=CAPTURE_S, cancel=CancelToken())
                self.stub.lay(self.finger)
            return self.capture(EMPTY_S if step is Step.EMPTY else CAPTURE_S)
        except DriverError as error:
            return error

    def recover(self, outcome: Frame | DriverError) -> Frame:
        """End the fault and capture. After an error that the handle does not survive, it is opened again."""
        self.stub.heal()
        self.stub.plug()
        self.stub.lay(self.finger)
        try:
            return self.capture()
        except DeviceError:
            assert isinstance(outcome, DriverError), "a capture that worked was followed by one that did not"
        self.driver.close()
        self.driver.open()
        return self.capture()


def _ignore(_: ScanEvent) -> None:
    pass


def handles() -> set[str]:
    """What this process holds open, by number; sockets and pipes among them."""
    return set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else set()


def assert_is(outcome: Frame | DriverError, expected: Outcome, bench: Bench) -> None:
    if not isinstance(expected, Picture):
        assert type(outcome) is expected
        assert str(outcome)
        return
    assert isinstance(outcome, Frame), outcome
    assert outcome.pixels.shape == bench.sound.pixels.shape
    if expected is Picture.UNNOTICED:
        assert difference(outcome, bench.sound) < DIFFERENT
    else:
        assert difference(outcome, bench.sound) >= DIFFERENT
    if expected is Picture.HINTED:
        judged, sound = (
            fingerprint.examine(fingerprint.FingerprintImage(frame.pixels, frame.resolution_ppi or 0.0)).quality
            for frame in (outcome, bench.sound)
        )
        assert judged.score < sound.score
        assert set(judged.hints) > set(sound.hints)


def difference(first: Frame, second: Frame) -> float:
    return float(np.abs(first.pixels.astype(np.int16) - second.pixels).mean())


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_fault_ends_as_the_table_says_and_the_next_capture_works(
    cell: Cell, stubs: dict[str, ScannerStub], finger: NDArray[np.uint8]
) -> None:
    scanner, row, step, lasting = cell
    expected = row.lasting if lasting else row.once
    assert expected is not None
    stub = stubs[scanner.model]
    threads, files = set(threading.enumerate()), handles()
    times = MANY if lasting else 1
    places = row.places[step]
    with Bench(scanner, stub, finger) as bench:
        for after in places[:: len(places) - 1 or 1] if lasting else places:
            outcome = bench.provoke(row, step, after, times)
            struck = times - stub.control("GET", "/state")["faults"].get(row.kind, 0)
            assert struck > 0, f"{row.kind} did not strike after {after} chances"
            assert_is(outcome, expected, bench)
            assert difference(bench.recover(outcome), bench.sound) < DIFFERENT, f"after {after} chances"
    assert stub.control("GET", "/state?until=released&timeout_s=10")["imported"] is False
    assert set(threading.enumerate()) == threads
    assert handles() == files


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.driver)
def test_close_of_an_unplugged_scanner_is_quiet_and_leaves_nothing(
    scanner: Scanner, stubs: dict[str, ScannerStub], finger: NDArray[np.uint8]
) -> None:
    threads, files = set(threading.enumerate()), handles()
    with Bench(scanner, stubs[scanner.model], finger) as bench:
        bench.stub.unplug()
    assert set(threading.enumerate()) == threads
    assert handles() == files


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.driver)
def test_table_has_a_row_for_each_fault_of_the_model(scanner: Scanner, stubs: dict[str, ScannerStub]) -> None:
    """A fault that no row names would never be tried. The model tells its faults when it refuses one."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        stubs[scanner.model].fail("no_such_fault")
    known = set(json.loads(refused.value.read())["message"].removeprefix("kinds: ").split(", "))
    assert known - VARIANTS == {row.kind for row in scanner.rows}
