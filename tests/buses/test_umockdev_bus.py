"""The drivers on the second bus: each model behind umockdev, with the real libusb and udev in between.

What the drivers do runs in programs of its own, which are started on the bus; so does a second program that wants the
same device, and one that listens for what comes and goes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_stubs.umockdev.process import BusProcess
from tests.buses.cells import CELLS
from tests.buses.conditions import needs_bus, needs_hotplug
from tests.faults.scanner_matrix import SCANNERS, Cell

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = needs_bus

ROOT = Path(__file__).parents[2]
MODELS = [*(scanner.model for scanner in SCANNERS), "msv2"]
# What a model is at in the middle of an image, and the time of one: ten times as long while it is cut off.
UNDER_WAY = {"4500": "capture", "nb1010": "images:1", "fs81": "images:1", "tenprint": "sending"}
SLOW_MS = {"4500": "200", "nb1010": "60", "fs81": "100"}
IMAGE_MS = "20"
NOISE = 12  # grey levels: six deviations of the noisiest sensor
LOST = 0.01  # share of a picture: a U.are.U's wire leaves 0.3 % out, an NB-1010 has 0.4 % dead pixels


class Stand:
    """Every model, and a bus with one in each socket: usb:1-1, usb:1-2, ..."""

    def __init__(self, stubs: dict[str, ScannerStub], bus: BusProcess) -> None:
        self.stubs = stubs
        self.bus = bus

    def address(self, model: str) -> str:
        return f"usb:1-{list(self.stubs).index(model) + 1}"

    @contextmanager
    def program(self, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A program on the bus; killed at the end of the block, if it still runs."""
        with start(self.bus.environment, module, *arguments) as process:
            yield process


@contextmanager
def start(environment: dict[str, str] | None, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def take(environment: dict[str, str] | None, address: str, stub: ScannerStub, out: Path) -> NDArray[np.uint8]:
    """The picture of what lies on the platen, by the command line; lifts it then."""
    with start(environment, "drivers", "capture", "--lang", "en", "--address", address, "--out", str(out)) as process:
        assert line(process) == "Place the finger on the platen."
        assert line(process) == "Lift the finger."
        stub.lift()
        assert process.wait(20) == 0
    return np.asarray(cv2.imread(str(out), cv2.IMREAD_UNCHANGED), np.uint8)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    # A plugin, which pytest must be the first to import.
    from tests.contract.device_stubs import ScannerStub, TenPrintStub

    stubs = {m: TenPrintStub() if m == "tenprint" else ScannerStub(m, "--image-ms", IMAGE_MS) for m in MODELS}
    with BusProcess(*(stub.url for stub in stubs.values())) as bus:
        yield Stand(stubs, bus)
    for stub in stubs.values():
        stub.stop()


@pytest.mark.parametrize("model", MODELS)
def test_picture_that_crosses_libusb_is_what_lies_on_the_platen(
    model: str, stand: Stand, print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    stub = stand.stubs[model]
    stub.reset()
    stub.lay(print_like)
    laid = stub.picture()
    taken = take(stand.bus.environment, stand.address(model), stub, tmp_path / "taken.png")
    assert taken.shape == laid.shape
    other = np.abs(taken.astype(np.int16) - laid) > NOISE
    assert other.mean() < LOST


def test_picture_is_the_same_pixel_for_pixel_on_both_buses(
    noiseless_stub: ScannerStub, print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    noiseless_stub.lay(print_like)
    over_usbip = take(None, noiseless_stub.url, noiseless_stub, tmp_path / "taken.png")
    noiseless_stub.lay(print_like)
    with BusProcess(noiseless_stub.url) as bus:
        across_libusb = take(bus.environment, "usb:1-1", noiseless_stub, tmp_path / "taken.png")
    assert np.array_equal(across_libusb, over_usbip)


@pytest.fixture(scope="module")
def failures(stand: Stand) -> dict[str, dict[int, str]]:
    """What was not kept of the promises, by cell and place."""
    scanners = {scanner.model: scanner for scanner in SCANNERS}
    hands = [f"{model}={stub.control_url}" for model, stub in stand.stubs.items() if model in scanners]
    with stand.program("tests.buses.trials", *hands) as process:
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    found: dict[str, dict[int, str]] = {}
    for tried in map(json.loads, printed.splitlines()):
        found.setdefault(tried["cell"], {})[tried["after"]] = tried["failure"]
    return found


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_fault_that_crosses_libusb_ends_as_the_table_says_and_leaves_nothing(
    cell: Cell, failures: dict[str, dict[int, str]]
) -> None:
    assert failures[str(cell)] == dict.fromkeys(cell.places, "")


def test_device_of_another_program_is_busy_until_that_is_killed(
    stand: Stand, print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    stub, address = stand.stubs["4500"], stand.address("4500")
    stub.reset()
    ask = ("drivers", "capture", "--lang", "en", "--address", address)
    with stand.program(*ask) as holder:
        assert line(holder) == "Place the finger on the platen."
        with stand.program(*ask, "--json") as other:
            assert json.loads(line(other))["error"]["reason"] == "DEVICE_BUSY"
    stub.lay(print_like)
    assert take(stand.bus.environment, address, stub, tmp_path / "taken.png").shape == print_like.shape


@pytest.fixture(scope="module")
def slow_stand() -> Iterator[Stand]:
    """Models whose images take long enough to be cut off."""
    from tests.contract.device_stubs import ScannerStub, TenPrintStub

    stubs = {model: ScannerStub(model, "--image-ms", milliseconds) for model, milliseconds in SLOW_MS.items()}
    stubs["tenprint"] = TenPrintStub()
    with BusProcess(*(stub.url for stub in stubs.values())) as bus:
        yield Stand(stubs, bus)
    for stub in stubs.values():
        stub.stop()


@pytest.mark.parametrize("model", UNDER_WAY)
def test_capture_works_after_a_program_that_was_killed_in_the_middle_of_an_image(
    model: str, slow_stand: Stand, print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    """The bus keeps the scanner as the program left it: with an image half sent, and nobody who reads it."""
    stub, address = slow_stand.stubs[model], slow_stand.address(model)
    stub.reset()
    stub.fail("slow_wire", times=1000)
    if model != "tenprint":  # which streams until one lies there
        stub.lay(print_like)
    with slow_stand.program("drivers", "capture", "--lang", "en", "--address", address) as process:
        assert line(process) == "Place the finger on the platen."
        stub.control("GET", f"/state?until={UNDER_WAY[model]}&timeout_s=30")
    stub.heal()
    stub.lay(print_like)
    laid = stub.picture()
    taken = take(slow_stand.bus.environment, address, stub, tmp_path / "taken.png")
    assert (np.abs(taken.astype(np.int16) - laid) > NOISE).mean() < LOST


@needs_hotplug
def test_hot_add_and_unplug_are_events_of_libusb(stand: Stand) -> None:
    stub = stand.stubs["4500"]
    stub.reset()
    with stand.program("tests.buses.listen", "05ba") as process:
        assert json.loads(line(process)) == {"event": "listening"}
        stub.unplug()
        left = json.loads(line(process))
        stub.plug()
        arrived = json.loads(line(process))
        assert (left["event"], arrived["event"]) == ("left", "arrived")
        assert arrived["number"] != left["number"], "a device comes back under another number"
        stub.unplug()
        assert json.loads(line(process)) == {"event": "left", "number": arrived["number"]}
    stub.plug()
