"""What is attached now, and which driver drives it.

A device's id stays the same across re-plugs and restarts: the serial number where there is one, else the socket it is
plugged into; for a camera on the network, its address. "usb:" alone is every scanner, "video:" every camera on USB, and
"gphoto2:" every reflex camera there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from drivers import catalogue
from drivers.camera import video_devices
from drivers.camera.dslr import usb_bodies
from drivers.catalogue import CatalogueEntry, Proof
from drivers.errors import DeviceError, DeviceNotFound, UnsupportedDevice
from drivers.spi import Camera, DeviceKind, FingerprintScanner
from drivers.usb import bus

_BUS_SCHEMES = ("usb", "usbip")


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that can be built and opened.

    device_id: [a-z0-9._-]+, stable.
    driver: name in the catalogue.
    vendor, model, serial: what the device says of itself, "" where it says nothing.
    proven: what its driver was proven on.
    """

    device_id: str
    kind: DeviceKind
    driver: str
    address: str
    vendor: str
    model: str
    serial: str
    proven: Proof = Proof.MODEL_ONLY


@dataclass(frozen=True, slots=True)
class DiscoveryFailure:
    """An address that could not be looked at."""

    address: str
    error: DeviceError


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a scan found, and where it could not look."""

    devices: tuple[FoundDevice, ...]
    failures: tuple[DiscoveryFailure, ...]


def discover(addresses: Sequence[str], *, usb_ids: Collection[tuple[int, int]] | None = None) -> Discovery:
    """Look at each address: usb:, usb:1-10, usbip://host:port, usbip://host:port/1-1, http://, rtsp://, video:/dev/...

    A camera's address may end in #name, which then is its id. An address that fails is reported, and stops nothing.
    usb_ids: look only for these (vendor, product) on a bus; None for all that the catalogue knows.
    """
    found: dict[str, tuple[FoundDevice, str]] = {}
    failures = []
    for address in addresses:
        try:
            for device, path in _look_at(address, usb_ids):
                found.setdefault(device.address, (device, path))
        except DeviceError as error:
            failures.append(DiscoveryFailure(address, error))
    # Cheap devices share one serial number: then the socket must tell them apart.
    shared = Counter(device.device_id for device, _ in found.values())
    devices = (
        replace(device, device_id=f"{device.device_id}-{path}") if shared[device.device_id] > 1 else device
        for device, path in found.values()
    )
    return Discovery(tuple(devices), tuple(failures))


def build(found: FoundDevice, **options: object) -> FingerprintScanner | Camera:
    """Construct the driver of a found device without opening it.

    Raises UnsupportedDevice where there is no such driver, or for options that it does not take.
    """
    return catalogue.entry(found.driver).build(found.address, **options)


def _look_at(address: str, usb_ids: Collection[tuple[int, int]] | None) -> list[tuple[FoundDevice, str]]:
    scheme = address.partition(":")[0].lower()
    entries = catalogue.entries().values()
    if scheme in _BUS_SCHEMES:
        wanted = {ids: entry for entry in entries for ids in entry.usb_ids if usb_ids is None or ids in usb_ids}
        return [
            (_describe(device, wanted[device.vendor_id, device.product_id]), device.path)
            for device in bus.scan(address, wanted)
        ]
    for entry in entries:
        if scheme in entry.url_schemes:
            if address == "gphoto2:":
                return [_describe_body(body, entry) for body in usb_bodies.usb_bodies()]
            if scheme == "video":
                return [_name_camera(*_take_as_it_is(place, entry)) for place in _video_places(address)]
            return [_take_as_it_is(address, entry)]
    raise UnsupportedDevice("no driver for this kind of address", address=address)


def _describe(device: bus.AttachedDevice, entry: CatalogueEntry) -> FoundDevice:
    strings = device.strings
    device_id = f"{entry.name}-{_slug(strings.serial) or device.path}"
    return FoundDevice(
        device_id,
        entry.kind,
        entry.name,
        device.address,
        strings.manufacturer,
        strings.product,
        strings.serial,
        entry.proven,
    )


def _describe_body(body: usb_bodies.UsbBody, entry: CatalogueEntry) -> tuple[FoundDevice, str]:
    path = _slug(body.socket)
    device_id = f"{entry.name}-{_slug(body.serial) or path}"
    return FoundDevice(
        device_id, entry.kind, entry.name, body.address, body.vendor, body.model, body.serial, entry.proven
    ), path


def _video_places(address: str) -> list[str]:
    """Every camera on USB for "video:" alone."""
    if address.partition(":")[2]:
        return [address]
    return [f"video:{camera.node}" for camera in video_devices.usb_cameras()]


def _name_camera(found: FoundDevice, path: str) -> tuple[FoundDevice, str]:
    """Name a video device by its serial number or its socket, where Linux knows one and nobody has named it."""
    url = urlsplit(found.address)
    camera = video_devices.describe(Path(url.path))
    path = _slug(camera.socket) or path
    own = _slug(camera.identity.serial) or _slug(camera.socket)
    device_id = found.device_id if url.fragment or not own else f"{found.driver}-{own}"
    identity = camera.identity
    named = replace(found, device_id=device_id, vendor=identity.vendor, model=identity.model, serial=identity.serial)
    return named, path


def _take_as_it_is(address: str, entry: CatalogueEntry) -> tuple[FoundDevice, str]:
    try:
        url = urlsplit(address)
        place = f"{url.hostname or ''}-{url.port or ''}-{url.path}"
    except ValueError as error:
        raise UnsupportedDevice("not a URL") from error
    if url.scheme == "video" and not Path(url.path).exists():
        raise DeviceNotFound("no such video device", address=address)
    path = _slug(place) or "unnamed"
    if url.query:  # two streams of one server may differ in nothing else; and a query may hold a password
        path += "-" + hashlib.sha256(url.query.encode()).hexdigest()[:8]
    device_id = _slug(url.fragment) or f"{entry.name}-{path}"
    return FoundDevice(device_id, entry.kind, entry.name, address, "", "", "", entry.proven), path


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-_.")
