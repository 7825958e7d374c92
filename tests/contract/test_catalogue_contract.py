"""The catalogue and discovery: what a third party's wheel needs, and ids that stay the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers import catalogue
from drivers.camera import video_devices
from drivers.catalogue import CatalogueEntry
from drivers.discovery import FoundDevice, Naming, build, discover, look
from drivers.errors import DeviceNotFound, ProtocolViolation, UnsupportedDevice
from drivers.spi import Device, DeviceKind

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)

ACME = """
from drivers.catalogue import CatalogueEntry
from drivers.spi import DeviceKind

ENTRY = CatalogueEntry("acme", DeviceKind.CAMERA, "acme_driver:Acme", url_schemes=frozenset({"acme"}))
TAKEN = CatalogueEntry("camera", DeviceKind.CAMERA, "acme_driver:Acme", url_schemes=frozenset({"http"}))


class Acme:
    def __init__(self, address, *, colour="grey"):
        self.address, self.colour = address, colour
"""

ENTRY_POINTS = """
[enrollment.drivers]
acme = acme_driver:ENTRY
broken = acme_driver:MISSING
impostor = acme_driver:TAKEN
other = acme_driver:Acme
"""

BUILD_ACME = """
import json, logging
logging.disable(logging.CRITICAL)
from drivers import catalogue
from drivers.discovery import build, discover
(found,) = discover(["acme://desk/1"]).devices
driver = build(found, colour="red")
print(json.dumps([found.device_id, driver.address, driver.colour, sorted(catalogue.entries())]))
"""


LOADED = """
import sys
from drivers import catalogue
catalogue.entries()
print([module for module in ("cv2", "usb", "cryptography", "gphoto2", "smartcard") if module in sys.modules])
"""


def test_every_entry_loads_a_class_that_is_built_without_io() -> None:
    for entry in catalogue.entries().values():
        scheme = next(iter(entry.url_schemes - {"video", "gphoto2"}), "usb")
        driver = entry.build(f"{scheme}://127.0.0.1:1/1-1")
        assert isinstance(driver, Device)


def test_third_partys_wheel_adds_a_driver_and_replaces_none(tmp_path: Path) -> None:
    (tmp_path / "acme_driver.py").write_text(ACME)
    info = tmp_path / "acme_driver-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-driver\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", BUILD_ACME], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    device_id, address, colour, names = json.loads(run.stdout)
    assert (device_id, address, colour) == ("acme-desk-1", "acme://desk/1", "red")
    assert names == ["acme", "camera", "dslr", "fdu2000", "fs81", "nb1010", "pcsc", "tenprint", "uru4000", "zk4500"]


def test_listing_loads_no_driver() -> None:
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("target", ["no_such_module:Class", "drivers.spi:NoSuchClass"])
def test_driver_that_cannot_be_loaded_is_unsupported(target: str) -> None:
    with pytest.raises(UnsupportedDevice):
        CatalogueEntry("ghost", DeviceKind.CAMERA, target).build("ghost:")


def test_unknown_driver_is_unsupported() -> None:
    with pytest.raises(UnsupportedDevice):
        build(FoundDevice("x-1", DeviceKind.CAMERA, "x", "x:1", "", "", ""))


def test_unknown_option_is_unsupported() -> None:
    with pytest.raises(UnsupportedDevice) as raised:
        catalogue.entry("camera").build("http://127.0.0.1:1/", colour="red")
    assert raised.value.facts == {"driver": "camera", "options": "colour"}


def test_device_id_is_the_serial_in_printable_characters(scanner_stub: ScannerStub) -> None:
    (found,) = discover([scanner_stub.url]).devices
    assert found.device_id == "uru4000-" + re.sub(r"[^a-z0-9]+", "-", found.serial.lower()).strip("-")
    assert re.fullmatch(r"[a-z0-9._-]+", found.device_id)


def test_device_found_by_server_and_by_name_is_one(scanner_stub: ScannerStub) -> None:
    server = scanner_stub.url.rsplit("/", 1)[0]
    found = discover([server, scanner_stub.url, server])
    assert [device.address for device in found.devices] == [scanner_stub.url]
    assert found.failures == ()


def test_unplugged_device_is_a_failure_of_its_own_address_and_absent_from_its_servers(
    scanner_stub: ScannerStub,
) -> None:
    scanner_stub.unplug()
    server = scanner_stub.url.rsplit("/", 1)[0]
    found = discover([server, scanner_stub.url])
    assert found.devices == ()
    assert [(failure.address, type(failure.error)) for failure in found.failures] == [
        (scanner_stub.url, DeviceNotFound)
    ]


def test_a_look_that_fails_as_nobody_foresaw_hides_no_device_of_another_address(
    scanner_stub: ScannerStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[video_devices.VideoDevice]:
        raise IndexError("a library's own")

    monkeypatch.setattr(video_devices, "usb_cameras", fail)  # nothing that is known makes it fail
    found = discover(["video:", scanner_stub.url])
    assert [device.address for device in found.devices] == [scanner_stub.url]
    assert [(failure.address, type(failure.error)) for failure in found.failures] == [("video:", ProtocolViolation)]


def test_two_devices_of_one_serial_are_told_apart_by_their_sockets(scanner_stub: ScannerStub) -> None:
    by_name = scanner_stub.url.replace("127.0.0.1", "localhost")
    ids = [device.device_id for device in discover([scanner_stub.url, by_name]).devices]
    assert len(set(ids)) == 2
    assert all("45000000" in device_id for device_id in ids)


def test_a_twin_that_leaves_does_not_change_the_other_ones_name(scanner_stub: ScannerStub) -> None:
    looks = [look(scanner_stub.url), look(scanner_stub.url.replace("127.0.0.1", "localhost"))]
    naming = Naming()
    alone = naming(looks[:1]).devices[0].device_id
    together = [device.device_id for device in naming(looks).devices]
    assert alone not in together
    assert [device.device_id for device in naming(looks[:1]).devices] == together[:1]


@pytest.mark.parametrize(
    ("address", "device_id"),
    [
        ("http://10.0.0.7:8080/video.mjpg", "camera-10.0.0.7-8080-video.mjpg"),
        ("rtsp://operator:secret@cam-2.local/main", "camera-cam-2.local-main"),
        ("http://10.0.0.7/stream#portrait", "portrait"),
    ],
)
def test_cameras_url_is_taken_as_it_is_and_names_it_without_its_secrets(address: str, device_id: str) -> None:
    (found,) = discover([address]).devices
    assert (found.device_id, found.kind, found.address) == (device_id, DeviceKind.CAMERA, address)


def test_urls_that_differ_only_in_their_query_differ_in_their_id() -> None:
    first, second = discover(["http://h/s?camera=1", "http://h/s?camera=2"]).devices
    assert first.device_id != second.device_id
    assert "?" not in first.device_id


def test_addresses_that_fail_are_reported_beside_the_rest(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    bad = ["ftp://h/x", f"video:{tmp_path}/video1", "usbip://127.0.0.1:1", "http://[::1", "usb:9-9"]
    found = discover([*bad, f"video:{device}"])
    assert [one.address for one in found.devices] == [f"video:{device}"]
    assert [failure.address for failure in found.failures] == bad
