"""The udev rules of every USB device that a driver drives, and whether they are installed.

70-enrollment-devices.rules, sorted before 70-uaccess.rules and 73-seat-late.rules; for each device
its group and mode 0660: only the daemon's group opens it, no desktop user
power/control = on:      a scanner that the kernel put to sleep loses its interrupts and is not found after resume

Scanners are known by their ids. Reflex cameras are thousands of bodies: they are known by an interface of the class for
still images that speaks PTP (USB Still Image Capture Device Definition 1.0: 06/01/01), which udev's usb_id lists in
ID_USB_INTERFACES. A phone that offers its pictures has one, too. libgphoto2's own rules (60-libgphoto2*.rules) mark
such devices with ID_GPHOTO2, by which a desktop takes them for itself (gvfs) and its user is let in (70-uaccess.rules):
the mark is taken off. Video cameras (USB Video Class, 0E/01) keep the rights that udev gives them, and stay awake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine, UsbIds

RULES_FILE: Final = "70-enrollment-devices.rules"
RULES_FOLDERS: Final = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
PTP_INTERFACE: Final = "*:060101:*"  # class, subclass, protocol among those of all interfaces
UVC_INTERFACE: Final = "*:0e01*"  # video control, of any protocol; its rights are udev's own, for group video
DEFAULT_GROUP: Final = "enrollment"
_AWAKE: Final = 'ATTR{power/control}="on"'
GROUP: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

_INSTALL_VI: Final = "Chạy với quyền root: sudo enrollctl setup-udev, rồi rút và cắm lại thiết bị."
_INSTALL_EN: Final = "Run as root: sudo enrollctl setup-udev, then unplug the devices and plug them in again."


def rules(usb_ids: UsbIds, group: str) -> str:
    """The file's content. group: a system group's name."""
    lines = [
        "# USB devices of the enrollment station. Written by `enrollctl setup-udev`: do not edit.",
        'ACTION=="remove", GOTO="enrollment_devices_end"',
        'SUBSYSTEM!="usb", GOTO="enrollment_devices_end"',
        'ENV{DEVTYPE}!="usb_device", GOTO="enrollment_devices_end"',
        *(
            f'ATTR{{idVendor}}=="{vendor:04x}", ATTR{{idProduct}}=="{product:04x}", {_rights(group)}'
            for vendor, product in sorted(usb_ids)
        ),
        "# Reflex cameras: whatever speaks PTP. The interfaces are asked for where no earlier file has done so.",
        'ENV{ID_USB_INTERFACES}=="", IMPORT{builtin}="usb_id"',
        f'ENV{{ID_USB_INTERFACES}}=="{PTP_INTERFACE}", {_rights(group)}, ENV{{ID_GPHOTO2}}=""',
        f'ENV{{ID_USB_INTERFACES}}=="{UVC_INTERFACE}", {_AWAKE}',
        'LABEL="enrollment_devices_end"',
    ]
    return "\n".join(lines) + "\n"


def _rights(group: str) -> str:
    return f'GROUP="{group}", MODE="0660", {_AWAKE}'


def check_udev_rules(machine: Machine) -> Iterator[Finding]:
    """udev-rules: installed, and for every device that this version drives."""
    for folder in RULES_FOLDERS:
        text = machine.read(f"{folder}/{RULES_FILE}")
        if not text:
            continue
        group = re.search(r'GROUP="([^"]+)"', text)
        if group is not None and text == rules(machine.usb_ids, group[1]).strip():
            yield Finding(
                "udev-rules",
                Severity.OK,
                f"Quy tắc udev đã cài, nhóm {group[1]}.",
                f"The udev rules are installed, group {group[1]}.",
            )
        else:
            yield Finding(
                "udev-rules",
                Severity.WARNING,
                f"Quy tắc udev /{folder}/{RULES_FILE} không đúng với phiên bản này: có thể thiếu thiết bị mới.",
                f"The udev rules /{folder}/{RULES_FILE} are not this version's: newer devices may be missing.",
                _INSTALL_VI,
                _INSTALL_EN,
            )
        return
    yield Finding(
        "udev-rules",
        Severity.WARNING,
        "Chưa cài quy tắc udev: dịch vụ có thể không mở được thiết bị, và thiết bị có thể bị ngắt điện khi nghỉ.",
        "No udev rules are installed: the daemon may not open devices, and idle devices may be put to sleep.",
        _INSTALL_VI,
        _INSTALL_EN,
    )
