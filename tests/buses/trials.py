"""Faults that cross the real libusb and udev: a program that is started on a umockdev bus.

    python -m tests.buses.trials MODEL=CONTROL-URL ...

The models are in the sockets of the bus in this order. For each cell it prints a line of JSON: which, what came of it,
whether the fault struck, how far the next capture is from a sound one, and what was left open after `close`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter
from typing import Any

from drivers.errors import DriverError
from drivers.usb.libusb_backend import libusb_backend
from firmware_stubs.fingers import finger_image
from tests.buses.cells import CELLS, name_of
from tests.contract.device_stubs import ScannerStub
from tests.faults.scanner_matrix import Row, Scanner, Step
from tests.faults.test_scanner_matrix import FINGER, Bench, difference

SEEN_AGAIN_S = 10.0


class PluggedModel(ScannerStub):
    """The hand of a model that somebody else has started, and that is in a socket of this bus."""

    def __init__(self, model: str, control_url: str, address: str) -> None:
        self.model = model
        self.control_url = control_url
        self.url = address
        self._number = self._number_now()

    def plug(self) -> None:
        """Return when libusb has heard of it, under its new number: what it may still list is the one that left."""
        if super().control("GET", "/state")["attached"]:
            return
        super().plug()
        deadline = time.monotonic() + SEEN_AGAIN_S
        while (number := self._number_now()) in (None, self._number) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._number = number

    def _number_now(self) -> int | None:
        """The number of the device in this socket, as libusb knows it."""
        backend = libusb_backend()
        assert backend is not None
        descriptors = (backend.get_device_descriptor(device) for device in backend.enumerate_devices())
        return next((int(found.address) for found in descriptors if self.url == _address(found)), None)


def _address(descriptor: Any) -> str:
    ports = descriptor.port_numbers or ()
    return f"usb:{descriptor.bus}-{'.'.join(str(port) for port in ports)}"


def left_open() -> Counter[str]:
    """Threads, and what /proc says of each open file, without its number."""
    targets = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            targets.append(os.readlink(f"/proc/self/fd/{number}").partition(":[")[0])
    return Counter(targets + [thread.name for thread in threading.enumerate()])


def attempt(scanner: Scanner, row: Row, after: int, model: PluggedModel, finger: Any) -> dict[str, Any]:
    """One fault, once."""
    before = left_open()
    with Bench(scanner, model, finger) as bench:
        outcome = bench.provoke(row, Step.CAPTURE, after, 1)
        struck = row.kind not in model.control("GET", "/state")["faults"]
        ended = type(outcome).__name__ if isinstance(outcome, DriverError) else difference(outcome, bench.sound)
        recovered = difference(bench.recover(outcome), bench.sound)
    left = left_open()
    return {"outcome": ended, "struck": struck, "recovered": recovered, "left": sorted((left - before).elements())}


if __name__ == "__main__":
    models = {}
    for socket, argument in enumerate(sys.argv[1:], start=1):
        name, _, control_url = argument.partition("=")
        models[name] = PluggedModel(name, control_url, f"usb:1-{socket}")
    finger = finger_image(FINGER, 0)
    for cell in CELLS:
        scanner, row, after = cell
        try:
            result = attempt(scanner, row, after, models[scanner.model], finger)
        except (DriverError, AssertionError) as error:
            result = {"outcome": f"not recovered: {error!r}"}
        print(json.dumps({"cell": name_of(cell), **result}), flush=True)
