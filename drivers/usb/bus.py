"""Addresses of USB devices: what is attached where, and opening one.

    usb:                        every local port
    usb:1-10.2                  the device at bus 1, port 10, port 2: the same after a re-plug, unlike its number
    usbip://host:port           everything that a USB/IP server exports (port 3240 where none is given)
    usbip://host:port/1-1       one of it

Strings are read without traffic where the system keeps them (Linux: sysfs), so that a device in use can be named.
Elsewhere each device is asked once, and the answer remembered until the device is gone.
"""

from __future__ import annotations

import array
import contextlib
import logging
import re
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from usb.core import USBError

from drivers.errors import DeviceGone, DeviceNotFound, UnsupportedDevice
from drivers.usb import descriptors
from drivers.usb.libusb_backend import libusb_backend
from drivers.usb.request import SubmittingBackend
from drivers.usb.transport import UsbTransport, foreign_errors
from drivers.usb.usbip_backend import UsbipBackend
from drivers.usb.usbip_connection import DEFAULT_PORT, held_devices, list_exported

UsbIds = Collection[tuple[int, int]]
InterfaceChoice = tuple[int, int, int] | int  # class, subclass and protocol; or a number, where those are not known

_SYSFS = Path("/sys/bus/usb/devices")
_PORT_PATH = re.compile(r"\d+-[0-9a-z.]+")
_STRING_TIMEOUT_MS = 1000
_LONGEST_STRING = 254

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UsbStrings:
    """What a device says of itself; "" where it says nothing or could not be asked."""

    manufacturer: str = ""
    product: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class AttachedDevice:
    """A device that a scan found or that was opened. `address` opens it; `path` names its socket in [a-z0-9.-].

    attachment: differs from one plugging in to the next, as the system numbers devices anew.
    """

    address: str
    path: str
    vendor_id: int
    product_id: int
    strings: UsbStrings
    attachment: str


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"usbip://{host}:{self.port}"


_Which = tuple[object, ...]


class _Socket:
    """Where a device is, and what the one that was asked there last (bus, number, ids) said of itself.

    The lock is held while a device is asked: an import excludes every other, so a second scan at the same moment would
    find it busy, nameless, and so another device. One that does not answer holds up nobody who asks elsewhere.
    """

    def __init__(self) -> None:
        self.asking = threading.Lock()
        self.which: _Which | None = None
        self.strings = UsbStrings()


_sockets: dict[str, _Socket] = {}


def scan(address: str, usb_ids: UsbIds) -> list[AttachedDevice]:
    """List the devices at an address whose (vendor, product) is in usb_ids.

    Raises DeviceNotFound when the host is unreachable, a named port is empty or there is no libusb, UnsupportedDevice
    for another kind of address, or another DeviceError.
    """
    if address.startswith("usbip:"):
        return _scan_server(*_parse_server(address), usb_ids)
    return _scan_local(_parse_local(address), usb_ids)


def open_interface(address: str, usb_ids: UsbIds, interface: InterfaceChoice) -> tuple[UsbTransport, AttachedDevice]:
    """Open the device at an address and claim its interface of this class, subclass and protocol, or of this number.

    Raises DeviceNotFound, DeviceBusy, DeviceAccessDenied or another DeviceError.
    """
    with _opening():
        if address.startswith("usbip:"):
            server, busid = _parse_server(address)
            remote = UsbipBackend(server.host, server.port, busid)
            device = next(iter(remote.enumerate_devices()))
            return _claim(remote, device, address, _server_path(server, busid), usb_ids, interface)
        port = _parse_local(address)
        for backend, device, descriptor in _local_devices():
            here = _port_path(descriptor)
            if port in ("", here) and (descriptor.idVendor, descriptor.idProduct) in usb_ids:
                return _claim(backend, device, f"usb:{here}", f"usb-{here}", usb_ids, interface)
    raise DeviceNotFound("nothing of this kind is attached there", address=address)


def _claim(
    backend: SubmittingBackend,
    device: Any,
    address: str,
    path: str,
    usb_ids: UsbIds,
    interface: InterfaceChoice,
) -> tuple[UsbTransport, AttachedDevice]:
    handle = backend.open_device(device)
    try:
        descriptor = backend.get_device_descriptor(device)
        ids = (descriptor.idVendor, descriptor.idProduct)
        _require(ids, usb_ids, address)
        strings = _sysfs_strings(path)
        if strings is None:
            socket = _sockets.setdefault(path, _Socket())
            with socket.asking:
                strings = _ask_strings(backend, handle, descriptor)
                socket.which, socket.strings = (descriptor.bus, descriptor.address, *ids), strings
        transport = UsbTransport(backend, handle, _find_interface(backend, device, interface))
    except BaseException:
        backend.close_device(handle)
        raise
    return transport, AttachedDevice(address, path, *ids, strings, _attachment(descriptor))


def _require(ids: tuple[int, int], usb_ids: UsbIds, address: str) -> None:
    if ids not in usb_ids:
        raise DeviceNotFound("a device of another kind is there", address=address)


def _find_interface(backend: SubmittingBackend, device: Any, wanted: InterfaceChoice) -> int:
    for index in range(backend.get_configuration_descriptor(device, 0).bNumInterfaces):
        try:
            found = backend.get_interface_descriptor(device, index, 0, 0)
        except IndexError:  # fewer than announced
            break
        if wanted in (
            found.bInterfaceNumber,
            (found.bInterfaceClass, found.bInterfaceSubClass, found.bInterfaceProtocol),
        ):
            return int(found.bInterfaceNumber)
    raise UnsupportedDevice("the device has no interface that its driver speaks to")


def _scan_local(port: str, usb_ids: UsbIds) -> list[AttachedDevice]:
    found = []
    with _opening():
        for backend, device, descriptor in _local_devices():
            here = _port_path(descriptor)
            ids = (descriptor.idVendor, descriptor.idProduct)
            if port not in ("", here) or ids not in usb_ids:
                continue
            path = f"usb-{here}"
            strings = _sysfs_strings(path)
            if strings is None:
                strings = _strings_of(path, (descriptor.bus, descriptor.address, *ids), backend, device)
            found.append(AttachedDevice(f"usb:{here}", path, *ids, strings, _attachment(descriptor)))
    if port and not found:
        raise DeviceNotFound("nothing is attached at this port", address=f"usb:{port}")
    return found


def _scan_server(server: _Server, busid: str, usb_ids: UsbIds) -> list[AttachedDevice]:
    with _opening():
        exported = list_exported(server.host, server.port)
    listed = {device.busid for device in exported}
    # What this process holds may be missing from the list: Linux's usbipd leaves out what is in use.
    exported += [device for device in held_devices(server.host, server.port) if device.busid not in listed]
    found = []
    for device in exported:
        ids = (device.vendor_id, device.product_id)
        if busid not in ("", device.busid) or ids not in usb_ids:
            continue
        path = _server_path(server, device.busid)
        which = (device.busnum, device.devnum, *ids)
        strings = _strings_of(path, which, UsbipBackend(server.host, server.port, device.busid))
        attachment = f"{device.busnum}-{device.devnum}"
        found.append(AttachedDevice(f"{server.url}/{device.busid}", path, *ids, strings, attachment))
    if busid and not found:
        raise DeviceNotFound("the USB/IP server exports no such device", address=f"{server.url}/{busid}")
    return found


def _strings_of(path: str, which: _Which, backend: SubmittingBackend, device: Any = None) -> UsbStrings:
    """Ask a device for its strings, once. A device that is busy or mute has none, for now."""
    socket = _sockets.setdefault(path, _Socket())
    with socket.asking:
        if socket.which == which:
            return socket.strings
        try:
            device = device or next(iter(backend.enumerate_devices()))
            handle = backend.open_device(device)
            try:
                socket.strings = _ask_strings(backend, handle, backend.get_device_descriptor(device))
                socket.which = which
            finally:
                backend.close_device(handle)
        except USBError as error:
            _logger.info("the strings of %s cannot be read: %s", path, error)
            return UsbStrings()
        return socket.strings


def _ask_strings(backend: SubmittingBackend, handle: Any, descriptor: Any) -> UsbStrings:
    def read(index: int, language: int) -> bytes:
        buffer = array.array("B", bytes(_LONGEST_STRING))
        value = descriptors.TYPE_STRING << 8 | index
        count = backend.ctrl_transfer(
            handle, 0x80, descriptors.GET_DESCRIPTOR, value, language, buffer, _STRING_TIMEOUT_MS
        )
        return buffer[:count].tobytes()

    try:
        language = descriptors.decode_language(read(0, 0))
        if language is None:
            return UsbStrings()
        indexes = (descriptor.iManufacturer, descriptor.iProduct, descriptor.iSerialNumber)
        return UsbStrings(*(descriptors.decode_string(read(index, language)) if index else "" for index in indexes))
    except USBError as error:  # strings are an extra: a device without them still scans fingers
        _logger.info("a device does not tell its strings: %s", error)
        return UsbStrings()


def _sysfs_strings(path: str) -> UsbStrings | None:
    """What Linux read when the device was plugged in; None for a remote device or another system."""
    folder = _SYSFS / path.removeprefix("usb-")
    if not path.startswith("usb-") or not folder.is_dir():
        return None

    def read(name: str) -> str:
        try:
            return (folder / name).read_text("utf-8", "replace").strip()
        except OSError:  # the device has no such string
            return ""

    return UsbStrings(read("manufacturer"), read("product"), read("serial"))


def _local_devices() -> Iterator[tuple[SubmittingBackend, Any, Any]]:
    backend = libusb_backend()
    if backend is None:
        raise DeviceNotFound("there is no libusb on this machine")
    for device in backend.enumerate_devices():
        yield backend, device, backend.get_device_descriptor(device)


def _port_path(descriptor: Any) -> str:
    if descriptor.port_numbers:
        return f"{descriptor.bus}-{'.'.join(str(port) for port in descriptor.port_numbers)}"
    return f"{descriptor.bus}-device{descriptor.address}"


def _attachment(descriptor: Any) -> str:
    return f"{descriptor.bus}-{descriptor.address}"


def _server_path(server: _Server, busid: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", f"{server.host}-{server.port}-{busid}".lower()).strip("-")


def _parse_local(address: str) -> str:
    """The port path of a usb: address, "" for all."""
    scheme, _, port = address.partition(":")
    if scheme != "usb" or (port and _PORT_PATH.fullmatch(port) is None):
        raise UnsupportedDevice("not an address of a USB device", address=address)
    return port


def _parse_server(address: str) -> tuple[_Server, str]:
    """Server and bus id of a usbip: address; the bus id is "" for all."""
    try:
        url = urlsplit(address)
        server = _Server(url.hostname or "", DEFAULT_PORT if url.port is None else url.port)
    except ValueError as error:
        raise UnsupportedDevice("not an address of a USB/IP server", address=address) from error
    if not server.host or url.query or url.fragment or "/" in url.path.strip("/"):
        raise UnsupportedDevice("not an address of a USB/IP server", address=address)
    return server, url.path.strip("/")


@contextlib.contextmanager
def _opening() -> Iterator[None]:
    """Before anything is open, a device that is gone is one that is not there."""
    try:
        with foreign_errors("open"):
            yield
    except DeviceGone as error:
        raise DeviceNotFound("nothing is attached there", **error.facts) from error
