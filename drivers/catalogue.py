"""Which drivers there are: name, kind, what they drive, and where their class is. Nothing is loaded before it is used.

A third party adds a driver with a wheel whose entry point in the group "enrollment.drivers" names a CatalogueEntry:

    [project.entry-points."enrollment.drivers"]
    acme2000 = "acme_scanner.catalogue:ENTRY"
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import entry_points

from drivers.errors import UnsupportedDevice
from drivers.fingerprint.fdu2000.wire import USB_ID as FDU2000_USB_ID
from drivers.fingerprint.fs81.wire import USB_ID as FS81_USB_ID
from drivers.fingerprint.nb1010.wire import MODELS as NB1010_MODELS
from drivers.fingerprint.tenprint.wire import USB_IDS as TENPRINT_IDS
from drivers.fingerprint.uru4000.wire import MODELS as URU4000_MODELS
from drivers.fingerprint.zk4500.wire import USB_ID as ZK4500_USB_ID
from drivers.spi import Device, DeviceKind

ENTRY_POINT_GROUP = "enrollment.drivers"

_logger = logging.getLogger(__name__)


class Proof(Enum):
    """What a driver was proven on."""

    RECORDING = "recording"  # played against the recorded traffic of real hardware, byte for byte
    MODEL_ONLY = "model_only"  # a public protocol and a software model of it: no real device has been seen


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One driver.

    name: [a-z0-9]+, the first part of its devices' ids.
    target: "module:Class"; the class takes an address and keyword options, and does no I/O before `open`.
    usb_ids: (vendor, product) pairs that a scan looks for.
    url_schemes: schemes of addresses that are taken as they are, without a scan.
    proven: what stands behind it; shown wherever its devices are listed.
    """

    name: str
    kind: DeviceKind
    target: str
    usb_ids: frozenset[tuple[int, int]] = frozenset()
    url_schemes: frozenset[str] = frozenset()
    proven: Proof = Proof.MODEL_ONLY

    def load(self) -> Callable[..., Device]:
        """Import the driver's class. Raises UnsupportedDevice where that fails."""
        module, _, name = self.target.partition(":")
        try:
            driver: Callable[..., Device] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnsupportedDevice("the driver cannot be loaded", driver=self.name, target=self.target) from error
        return driver

    def build(self, address: str, **options: object) -> Device:
        """Construct a driver without opening its device. Raises UnsupportedDevice for options that it does not take."""
        driver = self.load()
        try:
            inspect.signature(driver).bind(address, **options)
        except TypeError as error:
            raise UnsupportedDevice(
                "the driver does not take these options", driver=self.name, options=", ".join(sorted(options))
            ) from error
        return driver(address, **options)


BUILT_IN = (
    CatalogueEntry(
        "uru4000",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.uru4000.driver:Uru4000",
        usb_ids=frozenset(URU4000_MODELS),
        proven=Proof.RECORDING,
    ),
    CatalogueEntry(
        "fs81",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.fs81.driver:Fs81",
        usb_ids=frozenset({FS81_USB_ID}),
    ),
    CatalogueEntry(
        "zk4500",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.zk4500.driver:Zk4500",
        usb_ids=frozenset({ZK4500_USB_ID}),
    ),
    CatalogueEntry(
        "fdu2000",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.fdu2000.driver:Fdu2000",
        usb_ids=frozenset({FDU2000_USB_ID}),
    ),
    CatalogueEntry(
        "nb1010",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.nb1010.driver:Nb1010",
        usb_ids=frozenset(NB1010_MODELS),
        proven=Proof.RECORDING,
    ),
    CatalogueEntry(
        "tenprint",
        DeviceKind.FINGERPRINT_SCANNER,
        "drivers.fingerprint.tenprint.driver:TenPrint",
        usb_ids=TENPRINT_IDS,
    ),
    CatalogueEntry(
        "camera",
        DeviceKind.CAMERA,
        "drivers.camera.opencv:OpenCvCamera",
        url_schemes=frozenset({"http", "https", "rtsp", "video"}),
    ),
    CatalogueEntry(
        "dslr",
        DeviceKind.CAMERA,
        "drivers.camera.dslr.driver:Dslr",
        url_schemes=frozenset({"ptpip", "gphoto2"}),
    ),
    CatalogueEntry(
        "pcsc",
        DeviceKind.CARD_ENCODER,
        "drivers.card.pcsc_encoder:PcscEncoder",
        url_schemes=frozenset({"pcsc"}),
    ),
)


@functools.cache
def entries() -> dict[str, CatalogueEntry]:
    """Every driver by name. A third party's entry never replaces a built-in one; a broken one is left out."""
    table = {entry.name: entry for entry in BUILT_IN}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry = point.load()
        except Exception:  # a foreign wheel may fail in any way, and must not stop the other devices
            _logger.exception("the entry point %s of a driver cannot be loaded", point.name)
            continue
        if not isinstance(entry, CatalogueEntry) or entry.name in table:
            _logger.error("the entry point %s is no catalogue entry, or its name is taken", point.name)
            continue
        table[entry.name] = entry
    return table


def entry(name: str) -> CatalogueEntry:
    """The driver of this name. Raises UnsupportedDevice where there is none."""
    try:
        return entries()[name]
    except KeyError as error:
        raise UnsupportedDevice("no such driver", driver=name) from error
