"""Tries cells of the table in camera_matrix.py: a driver on a running model, a fault, and what comes of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self, cast

import cv2
import numpy as np

from drivers import catalogue
from drivers.errors import DeviceError, DriverError
from drivers.frame import Frame
from drivers.spi import Camera as CameraDriver
from drivers.spi import CancelToken, StillCamera
from tests.faults.camera_matrix import CAMERAS, Camera, Cell, Step, cells
from tests.faults.scanner_bench import ENDED_S, handles, left_open
from tests.faults.scanner_matrix import Outcome, Picture
from tests.faults.summary import Try, print_summary
from tests.processes import children_of

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, DslrStub

    Stub = CameraStub | DslrStub

LIVE_S: Final = 10.0
STILL_S: Final = 10.0
STRUCK_FRAMES: Final = 8  # after so many more, frames that were on their way when a fault began are over, or nearly so
NEVER: Final = 1_000_000
SMALL: Final = (96, 64)
DIFFERENT: Final = 2.5  # mean difference of grey of two small pictures of one scene, which noise has 0.3 of
SHARPNESS_KEPT: Final = 0.7  # of the sound picture's
LETTERS: Final = {Step.OPEN: "O", Step.LIVE: "L", Step.STILL: "S", Step.SETTINGS: "T", Step.CLOSE: "X"}


@contextmanager
def running_models(cameras: Iterable[Camera] = CAMERAS) -> Iterator[Mapping[str, Stub]]:
    """The stubs by model."""
    from tests.contract.device_stubs import CameraStub, DslrStub  # a plugin, which pytest must be the first to import

    running: dict[str, Stub] = {}
    try:
        for camera in cameras:
            running[camera.model] = DslrStub() if camera.model == "dslr" else CameraStub()
        yield running
    finally:
        for stub in running.values():
            stub.stop()


class Bench:
    """One driver on one stub, and what it showed before anything went wrong."""

    def __init__(self, camera: Camera, stub: Stub) -> None:
        self._camera = camera
        self.stub = stub
        self.driver = cast(CameraDriver, catalogue.entry(camera.driver).build(stub.url))

    def __enter__(self) -> Self:
        self.stub.heal()
        self.driver.open()
        try:
            self.sound = {Step.LIVE: self._live()} | ({Step.STILL: self._still()} if self._camera.takes_stills else {})
        except BaseException:
            self.driver.close()  # or the next bench would find it busy
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.heal()  # a call that hangs in a library ends
        self.driver.close()

    def provoke(self, cell: Cell, after: int) -> Frame | DriverError:
        """Begin a fault and do what it strikes in; a step that gives no picture is followed by live view."""
        if cell.step is Step.OPEN:
            self.driver.close()
        elif cell.step is Step.LIVE:  # which pauses for a still: it must run when the fault begins
            self._live()
        self.stub.fail(cell.row.kind, **({"after": after} if after else {}))
        try:
            return self._do(cell)
        except DriverError as error:
            return error

    def _do(self, cell: Cell) -> Frame:
        match cell.step:
            case Step.OPEN:
                self.driver.open()
            case Step.STILL:
                return self._still(cell.row.still_s)
            case Step.SETTINGS:
                cast(StillCamera, self.driver).settings()
            case Step.CLOSE:
                self.driver.close()
                self.stub.heal()
                self.driver.open()
            case Step.LIVE if not isinstance(cell.expected, Picture):
                return self.driver.latest(newer_than=NEVER, timeout_s=LIVE_S, cancel=CancelToken())
            case Step.LIVE:
                return self._live_that(differs=cell.expected is not Picture.UNNOTICED)
        return self._live()

    def _live_that(self, *, differs: bool) -> Frame:
        """A frame of after a fault has begun or ended, which is to differ from the sound one, or not; else the last."""
        until = time.monotonic() + LIVE_S
        frame = self._live(STRUCK_FRAMES)
        while _differs(frame, self.sound[Step.LIVE]) != differs and time.monotonic() < until:
            frame = self._live()  # where this process was put off, more of them were on their way
        return frame

    def _live(self, further: int = 0) -> Frame:
        newest = self.driver.latest(timeout_s=LIVE_S, cancel=CancelToken()).sequence
        return self.driver.latest(newer_than=newest + further, timeout_s=LIVE_S, cancel=CancelToken())

    def _still(self, timeout_s: float = STILL_S) -> Frame:
        return cast(StillCamera, self.driver).take_still(timeout_s=timeout_s, cancel=CancelToken())

    def recover(self, outcome: Frame | DriverError) -> dict[Step, Frame]:
        """End the fault; each kind of picture. After an error that the connection does not survive, it is made anew."""
        self.stub.heal()
        try:
            return self._pictures()
        except DeviceError:
            if isinstance(outcome, Frame):  # what worked must go on working
                raise
        self.driver.close()
        self.driver.open()
        return self._pictures()

    def _pictures(self) -> dict[Step, Frame]:
        return {step: self._still() if step is Step.STILL else self._live_that(differs=False) for step in self.sound}


def try_cell(cell: Cell, stub: Stub) -> Iterator[Try]:
    """Try each place of a cell; nothing may be left behind after the last."""
    threads, files = set(threading.enumerate()), handles()
    with Bench(cell.camera, stub) as bench:
        for after in cell.places[:-1]:
            yield Try(cell, after, _failure_of(cell, after, bench))
        failure = _failure_of(cell, cell.places[-1], bench)
    yield Try(cell, cell.places[-1], failure or _left_behind(threads, files))


def processes_of(parent: int) -> list[int]:
    """The processes of bodies that this one has started."""
    return children_of(parent, "drivers.camera.dslr.process")


def _failure_of(cell: Cell, after: int, bench: Bench) -> str:
    outcome = bench.provoke(cell, after)
    like = bench.sound[Step.STILL if cell.step is Step.STILL else Step.LIVE]
    unexpected = _unexpected(outcome, cell.expected, like)
    if unexpected:
        return unexpected
    try:
        recovered = bench.recover(outcome)
    except DriverError as error:
        return f"the next picture failed: {error!r}"
    shown = [step.value for step, frame in recovered.items() if _differs(frame, bench.sound[step])]
    return f"the next {shown[0]} picture shows something else" if shown else ""


def _unexpected(outcome: Frame | DriverError, expected: Outcome, like: Frame) -> str:
    """What is not as the table says, "" where all is."""
    if not isinstance(expected, Picture):
        if type(outcome) is expected and str(outcome):
            return ""
        return f"{expected.__name__} expected, not {'a picture' if isinstance(outcome, Frame) else repr(outcome)}"
    if isinstance(outcome, DriverError):
        return f"a picture expected ({expected.value}), not {outcome!r}"
    if _differs(outcome, like) == (expected is Picture.UNNOTICED):
        return f"a picture that is {expected.value} expected"
    return ""


def _differs(frame: Frame, like: Frame) -> bool:
    """Whether a picture is another, darker or less sharp than the sound one."""
    if frame.pixels.shape != like.pixels.shape:
        return True
    small, sound = (cv2.resize(one.pixels, SMALL, interpolation=cv2.INTER_AREA) for one in (frame, like))
    apart = float(np.abs(small.astype(np.int16) - sound).mean())
    sharpness, usual = (float(cv2.Laplacian(one.pixels, cv2.CV_16S).std()) for one in (frame, like))
    return apart >= DIFFERENT or sharpness < SHARPNESS_KEPT * usual


def _left_behind(threads: set[threading.Thread], files: set[str]) -> str:
    left = left_open(threads, files)  # first: a process ends with its thread
    until = time.monotonic() + ENDED_S
    while not left and processes_of(os.getpid()):
        if time.monotonic() > until:
            return "a process is left"
        time.sleep(0.01)
    return left


def main() -> None:
    """Try the whole table of cameras and print what recovered: faults by drivers, the steps that each struck in."""

    def run(drivers: Sequence[str]) -> Iterator[tuple[str, Iterator[Try]]]:
        cameras = [camera for camera in CAMERAS if camera.driver in drivers]
        with running_models(cameras) as stubs:
            for camera in cameras:
                of_camera = list(cells(camera))
                for number, cell in enumerate(of_camera, start=1):
                    yield f"{camera.driver} {number}/{len(of_camera)}", try_cell(cell, stubs[camera.model])

    about = main.__doc__ or ""
    print_summary("tests.faults.camera_matrix", about, [camera.driver for camera in CAMERAS], run, LETTERS)
