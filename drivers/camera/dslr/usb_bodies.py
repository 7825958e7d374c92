"""Which cameras are on USB, as sysfs tells without opening any: those with an interface of the class for still images
that speaks PTP (USB Still Image Capture Device Definition 1.0: 06/01/01). A phone that offers its pictures is one, too.

    /sys/bus/usb/devices/1-4:1.0/bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol
    /sys/bus/usb/devices/1-4/serial, manufacturer, product, busnum, devnum
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys/bus/usb/devices")

_PTP = ("06", "01", "01")


@dataclass(frozen=True, slots=True)
class UsbBody:
    """One camera. socket: where it is plugged in, such as 1-4.2. address: of the present plug-in, for the driver."""

    socket: str
    address: str
    vendor: str
    model: str
    serial: str


def usb_bodies() -> list[UsbBody]:
    """Those that are attached, by socket."""
    interfaces = (folder for folder in SYSFS.glob("*:*") if _interface(folder) == _PTP)
    sockets = {folder.name.partition(":")[0] for folder in interfaces}
    return [_describe(SYSFS / socket) for socket in sorted(sockets)]


def _interface(folder: Path) -> tuple[str, ...]:
    return tuple(_read(folder / f"bInterface{name}") for name in ("Class", "SubClass", "Protocol"))


def _describe(device: Path) -> UsbBody:
    bus, number = _read(device / "busnum"), _read(device / "devnum")
    vendor, model, serial = (_read(device / name) for name in ("manufacturer", "product", "serial"))
    return UsbBody(device.name, f"gphoto2:usb:{bus:0>3},{number:0>3}", vendor, model, serial)


def _read(attribute: Path) -> str:
    try:
        return attribute.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
