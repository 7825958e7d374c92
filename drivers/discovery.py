"""What is attached now, and which driver drives it.

A device's id stays the same across re-plugs and restarts: the serial number where there is one, else the socket it is
plugged into; for a camera on the network, its address; for a card reader without a serial number, its model and slot.
"usb:" alone is every scanner, "video:" every camera on USB, "gphoto2:" every reflex camera there, and "pcsc:" every
card reader.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from drivers import catalogue
from drivers.camera import video_devices
from drivers.camera.dslr import usb_bodies
from drivers.catalogue import CatalogueEntry, Proof
from drivers.errors import DeviceError, DeviceNotFound, ProtocolViolation, UnsupportedDevice
from drivers.pcsc import readers
from drivers.pcsc.readers import Reader
from drivers.spi import Device, DeviceKind, printable
from drivers.usb import bus, hotplug

_BUS_SCHEMES = ("usb", "usbip")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that can be built and opened.

    device_id: [a-z0-9._-]+, stable.
    driver: name in the catalogue.
    vendor, model, serial: what the device says of itself, made `printable`; "" where it says nothing.
    proven: what its driver was proven on.
    attachment: differs from one plugging in to the next; "" where the system does not tell.
    """

    device_id: str
    kind: DeviceKind
    driver: str
    address: str
    vendor: str
    model: str
    serial: str
    proven: Proof = Proof.MODEL_ONLY
    attachment: str = ""

    def __post_init__(self) -> None:
        for name in ("vendor", "model", "serial"):
            object.__setattr__(self, name, printable(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class DiscoveryFailure:
    """An address that could not be looked at."""

    address: str
    error: DeviceError


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at an address saw: devices, each with the name of its socket, or why there was nothing to see."""

    devices: tuple[tuple[FoundDevice, str], ...]
    failure: DiscoveryFailure | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a scan found, and where it could not look."""

    devices: tuple[FoundDevice, ...]
    failures: tuple[DiscoveryFailure, ...]


def discover(addresses: Sequence[str], *, usb_ids: Collection[tuple[int, int]] | None = None) -> Discovery:
    """Look at each address, one after another. usb_ids: as `look`."""
    return Naming()([look(address, usb_ids=usb_ids) for address in addresses])


def look(address: str, *, usb_ids: Collection[tuple[int, int]] | None = None) -> Look:
    """Look at one address: usb:, usb:1-10, usbip://host:port/1-1, http://, rtsp://, video:/dev/..., pcsc:, pcsc:NAME

    A camera's address may end in #name, which then is its id. An address that fails is told of, and raises nothing.
    usb_ids: look only for these (vendor, product) on a bus; None for all that the catalogue knows.
    """
    try:
        return Look(tuple(_look_at(address, usb_ids)))
    except DeviceError as error:
        return Look((), DiscoveryFailure(address, error))
    except Exception as error:
        _logger.debug("a look failed in a way that nobody foresaw", exc_info=True)  # again with every look
        failure = ProtocolViolation("looking there failed in a way that nobody foresaw", error=type(error).__name__)
        return Look((), DiscoveryFailure(address, failure))


class Naming:
    """Puts looks at several addresses together, and gives each device the name that tells it from all others.

    Cheap devices share one serial number: then the socket must tell them apart. It goes on doing so when one of them
    leaves, for the other may be in use under its name.
    """

    def __init__(self) -> None:
        self._shared: set[str] = set()

    def __call__(self, looks: Sequence[Look]) -> Discovery:
        found: dict[str, tuple[FoundDevice, str]] = {}
        for seen in looks:
            for device, path in seen.devices:
                found.setdefault(device.address, (device, path))
        together = Counter(device.device_id for device, _ in found.values())
        self._shared |= {device_id for device_id, count in together.items() if count > 1}
        devices = (
            replace(device, device_id=f"{device.device_id}-{path}") if device.device_id in self._shared else device
            for device, path in found.values()
        )
        return Discovery(tuple(devices), tuple(seen.failure for seen in looks if seen.failure is not None))


def watch_bus(addresses: Sequence[str], on_change: Callable[[], None]) -> Callable[[], None] | None:
    """Call back, on other threads, whenever a local USB device or a card reader comes or goes; returns what ends it.

    None where nobody can tell of changes, or no address is local: then only a look shows them.
    """
    schemes = {address.partition(":")[0].lower() for address in addresses}
    ends = []
    if schemes & {"usb", "video", "gphoto2"} and (watch := hotplug.watch_local_bus(on_change)) is not None:
        ends.append(watch.close)
    if "pcsc" in schemes:
        ends.append(readers.watch_readers(on_change))

    def end() -> None:
        for one in ends:
            one()

    return end if ends else None


def build(found: FoundDevice, **options: object) -> Device:
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
            if scheme == "pcsc":
                return [_describe_reader(reader, entry) for reader in _readers_at(address)]
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
        device.attachment,
    )


def _describe_body(body: usb_bodies.UsbBody, entry: CatalogueEntry) -> tuple[FoundDevice, str]:
    path = _slug(body.socket)
    device_id = f"{entry.name}-{_slug(body.serial) or path}"
    return FoundDevice(
        device_id, entry.kind, entry.name, body.address, body.vendor, body.model, body.serial, entry.proven
    ), path


def _readers_at(address: str) -> list[Reader]:
    """Every reader for "pcsc:" alone; else the one of this name, or of this model."""
    wanted = address.partition(":")[2]
    found = readers.list_readers()
    if not wanted:
        return found
    for reader in found:
        if reader.name == wanted:
            return [reader]
    named = [reader for reader in found if wanted == reader.model and not reader.slot]
    if not named:
        raise DeviceNotFound("no such card reader is attached", address=address)
    return named[:1]


def _describe_reader(reader: Reader, entry: CatalogueEntry) -> tuple[FoundDevice, str]:
    slot = f"-{reader.slot}" if reader.slot else ""
    device_id = f"{entry.name}-{_slug(reader.serial) or _slug(reader.model)}{slot}"
    return FoundDevice(
        device_id,
        entry.kind,
        entry.name,
        f"pcsc:{reader.name}",
        reader.vendor,
        reader.model,
        reader.serial,
        entry.proven,
        reader.arrival,
    ), _slug(reader.name)


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
    attachment = ""
    if url.scheme == "video":
        try:
            attachment = str(Path(url.path).stat().st_ino)  # the system makes the node anew at each plugging in
        except OSError as error:
            raise DeviceNotFound("no such video device", address=address) from error
    path = _slug(place) or "unnamed"
    if url.query:  # two streams of one server may differ in nothing else; and a query may hold a password
        path += "-" + hashlib.sha256(url.query.encode()).hexdigest()[:8]
    device_id = _slug(url.fragment) or f"{entry.name}-{path}"
    return FoundDevice(device_id, entry.kind, entry.name, address, "", "", "", entry.proven, attachment), path


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-_.")
