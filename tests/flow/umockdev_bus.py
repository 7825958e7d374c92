"""A USB bus that umockdev makes up: /usr/bin/python3 umockdev_bus.py COMMAND...; run it under umockdev-wrapper.

Debian's own Python, for it alone has umockdev's bindings. Starts COMMAND on that bus, empty at first, and passes its
standard output on. Each line on standard input plugs a scanner in or out: `plug PORT DEVICE_NUMBER SERIAL`, `unplug`.
"""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
from typing import Any

gi: Any = importlib.import_module("gi")
gi.require_version("UMockdev", "1.0")
UMockdev: Any = importlib.import_module("gi.repository.UMockdev")

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0, 0, 0, 8, 0x05BA, 0x000A, 0x0100, 1, 2, 3, 1)
INTERFACE = struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0)
ENDPOINTS = struct.pack("<BBBBHB", 7, 5, 0x81, 3, 64, 10) + struct.pack("<BBBBHB", 7, 5, 0x82, 2, 64, 0)
CONFIGURATION = struct.pack("<BBHBBBBB", 9, 2, 9 + len(INTERFACE + ENDPOINTS), 1, 1, 0, 0xA0, 50)
DESCRIPTORS = (DEVICE + CONFIGURATION + INTERFACE + ENDPOINTS).hex().upper()


def plugged(port: str, number: int, serial: str) -> tuple[str, str]:
    """The device's path, and its description as umockdev takes it."""
    path = f"/devices/pci0000:00/0000:00:14.0/usb1/{port}"
    lines = [
        f"P: {path}",
        f"N: bus/usb/001/{number:03}",
        "E: DEVTYPE=usb_device",
        "E: SUBSYSTEM=usb",
        f"E: DEVNAME=/dev/bus/usb/001/{number:03}",
        "E: BUSNUM=001",
        f"E: DEVNUM={number:03}",
        "A: busnum=1",
        f"A: devnum={number}",
        "A: speed=12",
        "A: bConfigurationValue=1",
        "A: idVendor=05ba",
        "A: idProduct=000a",
        "A: manufacturer=DigitalPersona, Inc.",
        "A: product=U.are.U 4500 Fingerprint Reader",
        *([f"A: serial={serial}"] if serial != "-" else []),
        f"H: descriptors={DESCRIPTORS}",
    ]
    return f"/sys{path}", "\n".join(lines) + "\n"


def main() -> None:
    bed = UMockdev.Testbed.new()
    bed.add_from_string(
        "P: /devices/pci0000:00/0000:00:14.0/usb1\nN: bus/usb/001/001\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
        "E: DEVNAME=/dev/bus/usb/001/001\nE: BUSNUM=001\nE: DEVNUM=001\nA: busnum=1\nA: devnum=1\nA: speed=480\n"
        "A: bConfigurationValue=1\nH: descriptors=12010002090001406B1D0200000603020101"
        "09021900010100E000090400000109000000"
        "0705810304000C\n"
    )
    child = subprocess.Popen(sys.argv[1:])
    present = ""
    try:
        for line in sys.stdin:
            match line.split():
                case ["plug", port, number, serial]:
                    present, description = plugged(port, int(number), serial)
                    bed.add_from_string(description)
                    bed.uevent(present, "add")
                case ["unplug"]:
                    bed.uevent(present, "remove")
                    bed.remove_device(present)
    finally:
        child.terminate()
        child.wait()


if __name__ == "__main__":
    main()
