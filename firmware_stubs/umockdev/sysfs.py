"""What the kernel and udev tell of a USB device, in umockdev's description format.

Only what libusb, libgusb and our own scan read. Everything hangs below one root hub, as on a real machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_stubs.umockdev.importer import Importer, Refused

BUS: Final = 1
HUB_PATH: Final = f"/devices/platform/firmware_stubs/usb{BUS}"
_MEGABITS: Final = {1: "1.5", 2: "12", 3: "480"}  # usb_device_speed of the Linux kernel
_HIGH_SPEED: Final = 3

_GET_DESCRIPTOR: Final = 6
_GET_CONFIGURATION: Final = 8
_DEVICE, _CONFIGURATION, _STRING = 1, 2, 3
_ENGLISH: Final = 0x0409

_HUB_DEVICE = bytes.fromhex("12010002090001406b1d02000001") + bytes((0, 0, 0, 1))
_HUB_CONFIGURATION = bytes.fromhex("09021900010100e0000904000001090000000705810304000c")


@dataclass(frozen=True, slots=True)
class Enumerated:
    """A device that has told what it is. device, configuration: descriptors. strings: manufacturer, product, serial."""

    device: bytes
    configuration: bytes
    configuration_value: int
    strings: tuple[str, str, str]
    speed: int


def enumerate_device(importer: Importer) -> Enumerated:
    """Ask a device what a host asks when it is plugged in. Raises Refused."""

    def descriptor(kind: int, index: int, length: int, language: int = 0) -> bytes:
        return importer.read(0x80, _GET_DESCRIPTOR, kind << 8 | index, language, length)

    device = descriptor(_DEVICE, 0, 18)
    total = int.from_bytes(descriptor(_CONFIGURATION, 0, 9)[2:4], "little")
    configuration = descriptor(_CONFIGURATION, 0, total)
    chosen = importer.read(0x80, _GET_CONFIGURATION, 0, 0, 1)
    if len(device) != 18 or len(configuration) != total or len(chosen) != 1:
        raise Refused("its answers are cut off")
    manufacturer, product, serial = (
        descriptor(_STRING, index, 255, _ENGLISH)[2:].decode("utf-16-le", "replace") if index else ""
        for index in device[14:17]
    )
    return Enumerated(device, configuration, chosen[0], (manufacturer, product, serial), importer.speed)


def device_path(port: int) -> str:
    """Of the device in a port, below /sys."""
    return f"{HUB_PATH}/{BUS}-{port}"


def node_name(number: int) -> str:
    """Below /dev, of the device with this number."""
    return f"bus/usb/{BUS:03}/{number:03}"


def describe_hub() -> str:
    return _describe(HUB_PATH, 1, Enumerated(_HUB_DEVICE, _HUB_CONFIGURATION, 1, ("", "", ""), _HIGH_SPEED))


def describe(port: int, number: int, found: Enumerated) -> str:
    """The device in a port. number: that the host gave it."""
    return _describe(device_path(port), number, found)


def _describe(path: str, number: int, found: Enumerated) -> str:
    vendor, product, release = (int.from_bytes(found.device[at : at + 2], "little") for at in (8, 10, 12))
    kind = found.device[4:7]
    properties = {
        "SUBSYSTEM": "usb",
        "DEVTYPE": "usb_device",
        "DEVNAME": f"/dev/{node_name(number)}",
        "DRIVER": "usb",
        "PRODUCT": f"{vendor:x}/{product:x}/{release:x}",
        "TYPE": "/".join(str(number) for number in kind),
        "BUSNUM": f"{BUS:03}",
        "DEVNUM": f"{number:03}",
        "MAJOR": "189",
        "MINOR": str(number - 1),
        "ID_VENDOR_ID": f"{vendor:04x}",
        "ID_MODEL_ID": f"{product:04x}",
    }
    texts = zip(("manufacturer", "product", "serial"), found.strings, strict=True)
    attributes = {
        "bConfigurationValue": str(found.configuration_value),
        "bDeviceClass": f"{kind[0]:02x}",
        "bDeviceSubClass": f"{kind[1]:02x}",
        "bDeviceProtocol": f"{kind[2]:02x}",
        "bMaxPacketSize0": str(found.device[7]),
        "bNumConfigurations": "1",
        "bNumInterfaces": f"{found.configuration[4]:2}",
        "bcdDevice": f"{release:04x}",
        "busnum": str(BUS),
        "dev": f"189:{number - 1}",
        "devnum": str(number),
        "idProduct": f"{product:04x}",
        "idVendor": f"{vendor:04x}",
        "power/control": "on",
        "speed": _MEGABITS[found.speed],
    } | {name: text for name, text in texts if text}
    lines = [f"P: {path}"]  # no N: its file is of our own making
    lines += [f"E: {name}={value}" for name, value in properties.items()]
    lines += [f"A: {name}={_escaped(value)}\\n" for name, value in attributes.items() if name != "dev"]
    lines += [f"A: dev={attributes['dev']}"]  # umockdev parses this one
    lines += [f"H: descriptors={(found.device + found.configuration).hex().upper()}"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
