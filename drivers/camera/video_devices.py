"""Video devices of Linux (V4L2), and the cameras behind them, as sysfs tells without opening any.

/dev/videoN counts devices in the order in which they came: the next start, or the next plug-in, counts differently. A
camera is named by its own serial number, or by the socket that it is plugged into.

    /sys/class/video4linux/video0/index       0 for the pictures; other nodes of one camera carry its metadata
    /sys/class/video4linux/video0/device  ->  the USB interface, .../1-4/1-4:1.0; the USB device is the folder above
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drivers.spi import DeviceIdentity

SYSFS = Path("/sys/class/video4linux")
DEV = Path("/dev")


@dataclass(frozen=True, slots=True)
class VideoDevice:
    """One camera. socket: its USB interface, such as 1-4.2:1.0, or what else carries it; "" where nothing tells."""

    node: Path
    identity: DeviceIdentity
    socket: str


def usb_cameras() -> list[VideoDevice]:
    """The cameras on USB, by socket."""
    nodes = [DEV / folder.name for folder in SYSFS.glob("video*") if _read(folder / "index") == "0"]
    return sorted((describe(node) for node in nodes if _usb_device(node) is not None), key=lambda found: found.socket)


def describe(node: Path) -> VideoDevice:
    """The camera behind a node, or behind a link to one as udev makes them under /dev/v4l."""
    carrier = _carrier(node)
    return VideoDevice(node, identify(node), "" if carrier is None else carrier.name)


def identify(node: Path) -> DeviceIdentity:
    """What a camera says of itself; "" where Linux does not tell."""
    device = _usb_device(node)
    name = _read(SYSFS / node.resolve().name / "name") or node.name
    if device is None:
        return DeviceIdentity("", name, "", "")
    manufacturer, product, serial, firmware = (
        _read(device / attribute) for attribute in ("manufacturer", "product", "serial", "bcdDevice")
    )
    return DeviceIdentity(manufacturer, product or name, serial, firmware)


def _carrier(node: Path) -> Path | None:
    """The folder of the interface that a node belongs to."""
    link = SYSFS / node.resolve().name / "device"
    return link.resolve() if link.exists() else None


def _usb_device(node: Path) -> Path | None:
    carrier = _carrier(node)
    return carrier.parent if carrier is not None and (carrier.parent / "idVendor").exists() else None


def _read(attribute: Path) -> str:
    try:
        return attribute.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
