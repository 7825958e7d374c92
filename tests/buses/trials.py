"""Faults that cross the real libusb and udev: a program that is started on a umockdev bus.

    python -m tests.buses.trials MODEL=CONTROL-URL ...

The models are in the sockets of the bus in this order. For each place of each cell it prints a line of JSON: which, and
what of the promises was not kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import Any

from drivers.usb.libusb_backend import libusb_backend
from tests.buses.cells import CELLS
from tests.contract.device_stubs import ScannerStub
from tests.faults.scanner_bench import try_cell

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

    def control(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The bus keeps the model for as long as it is plugged: it is released where nobody has its node open."""
        if path.startswith("/state?until=released"):
            return {"imported": any("/dev/bus/usb/" in target for target in open_files())}
        return super().control(method, path, body)


def _address(descriptor: Any) -> str:
    ports = descriptor.port_numbers or ()
    return f"usb:{descriptor.bus}-{'.'.join(str(port) for port in ports)}"


def open_files() -> list[str]:
    targets = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            targets.append(os.readlink(f"/proc/self/fd/{number}"))
    return targets


if __name__ == "__main__":
    models = {}
    for socket, argument in enumerate(sys.argv[1:], start=1):
        name, _, control_url = argument.partition("=")
        models[name] = PluggedModel(name, control_url, f"usb:1-{socket}")
    for cell in CELLS:
        for tried in try_cell(cell, models[cell.scanner.model]):
            print(json.dumps({"cell": str(cell), "after": tried.after, "failure": tried.failure}), flush=True)
