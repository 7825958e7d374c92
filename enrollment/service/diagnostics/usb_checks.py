"""Checks of the USB devices that are plugged in now: may this user open them, and does the kernel let them sleep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine

SYSFS_USB: Final = "sys/bus/usb/devices"


@dataclass(frozen=True, slots=True)
class PluggedDevice:
    """A device of the catalogue in sysfs. port: as 1-10.2. node: of /dev/bus/usb."""

    port: str
    ids: str
    node: Path
    power_control: str


def plugged(machine: Machine) -> list[PluggedDevice]:
    """The catalogue's devices that Linux sees, whoever may open them."""
    found = []
    for folder in sorted((machine.root / SYSFS_USB).glob("*-*")):
        here = f"{SYSFS_USB}/{folder.name}"
        vendor, product = machine.read(f"{here}/idVendor"), machine.read(f"{here}/idProduct")
        bus, number = machine.read(f"{here}/busnum"), machine.read(f"{here}/devnum")
        try:
            ids = int(vendor, 16), int(product, 16)
            node = machine.root / f"dev/bus/usb/{int(bus):03d}/{int(number):03d}"
        except ValueError:  # an interface, or a device that is leaving
            continue
        if ids in machine.usb_ids:
            power = machine.read(f"{here}/power/control")
            found.append(PluggedDevice(folder.name, f"{vendor}:{product}", node, power))
    return found


def check_access(machine: Machine) -> Iterator[Finding]:
    """usb-access: whether whoever runs this check may open each device."""
    devices = plugged(machine)
    if not devices:
        yield Finding(
            "usb-access",
            Severity.OK,
            "Không có thiết bị USB nào của danh mục đang cắm.",
            "No USB device of the catalogue is plugged in.",
        )
    for device in devices:
        name = f"{device.ids} (usb:{device.port})"
        if os.access(device.node, os.R_OK | os.W_OK):
            yield Finding("usb-access", Severity.OK, f"Mở được thiết bị {name}.", f"{name} may be opened.")
        elif device.node.exists():
            yield Finding(
                "usb-access",
                Severity.ERROR,
                f"Không có quyền mở thiết bị {name}: {device.node}.",
                f"No permission to open {name}: {device.node}.",
                "Chạy sudo enrollctl setup-udev, thêm tài khoản của dịch vụ vào nhóm, rồi cắm lại thiết bị.",
                "Run sudo enrollctl setup-udev, add the daemon's user to the group, then plug the device in again.",
            )
        else:
            yield Finding(
                "usb-access",
                Severity.ERROR,
                f"Thiết bị {name} không có tệp {device.node}.",
                f"{name} has no node {device.node}.",
                "Rút và cắm lại; trong container thì phải đưa /dev/bus/usb vào.",
                "Unplug it and plug it in again; a container needs /dev/bus/usb.",
            )


def check_power(machine: Machine) -> Iterator[Finding]:
    """usb-power: whether the kernel may suspend a device."""
    devices = plugged(machine)
    sleepy = [f"{device.ids} (usb:{device.port})" for device in devices if device.power_control == "auto"]
    if sleepy:
        names = ", ".join(sleepy)
        yield Finding(
            "usb-power",
            Severity.WARNING,
            f"Hệ thống có thể tự ngắt điện: {names}.",
            f"The kernel may put to sleep: {names}.",
            "Chạy sudo enrollctl setup-udev rồi cắm lại thiết bị.",
            "Run sudo enrollctl setup-udev, then plug the device in again.",
        )
    elif devices:
        yield Finding("usb-power", Severity.OK, "Thiết bị USB không bị tự ngắt điện.", "No device is put to sleep.")
