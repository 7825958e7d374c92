"""Cameras of Linux by name: umockdev shows the processes a machine with USB cameras, whose sysfs and nodes they read.

There is no picture in these: umockdev plays no video, and a kernel module for it is not at hand.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed")

BUS = "/devices/pci0000:00/0000:00:14.0/usb1"


def usb_camera(socket: str, *nodes: int, serial: str = "", product: str = "Portrait 4K", interface: str = "1.0") -> str:
    """A USB camera as umockdev describes it: the first node gives pictures, another one metadata."""
    device = f"P: {BUS}/{socket}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: idVendor=046d\\n\nA: bcdDevice=0016\\n\n"
    device += f"A: manufacturer=Stub Optical\\n\nA: product={product}\\n\n"
    device += f"A: serial={serial}\\n\n" if serial else ""
    device += f"\nP: {BUS}/{socket}/{socket}:{interface}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n\n"
    for index, node in enumerate(nodes):
        device += (
            f"P: {BUS}/{socket}/{socket}:{interface}/video4linux/video{node}\nN: video{node}\n"
            f"E: DEVNAME=/dev/video{node}\nE: SUBSYSTEM=video4linux\n"
            f"A: index={index}\\n\nA: name={product}\\n\nL: device=../../../{socket}:{interface}\n\n"
        )
    return device


def listed(folder: Path, machine: str, *addresses: str) -> Any:
    """What `python -m drivers list --json` says on this machine."""
    description = folder / "machine.umockdev"
    description.write_text(machine, "utf-8")
    command = ["umockdev-run", "-d", str(description), "--", sys.executable, "-m", "drivers", "list", "--json"]
    for address in addresses or ("video:",):
        command += ["--address", address]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def names(found: Any) -> dict[str, str]:
    return {device["device_id"]: device["address"] for device in found["devices"]}


def test_camera_is_named_by_its_serial_number_whatever_number_and_socket_it_has(tmp_path: Path) -> None:
    before = listed(tmp_path, usb_camera("1-4", 0, 1, serial="C920-7"))
    after = listed(tmp_path, usb_camera("1-2.3", 4, 5, serial="C920-7"))
    assert names(before) == {"camera-c920-7": "video:/dev/video0"}  # its node of metadata is no camera
    assert names(after) == {"camera-c920-7": "video:/dev/video4"}
    [camera] = after["devices"]
    assert (camera["vendor"], camera["model"], camera["serial"]) == ("Stub Optical", "Portrait 4K", "C920-7")


def test_camera_without_a_serial_number_is_named_by_its_socket(tmp_path: Path) -> None:
    assert names(listed(tmp_path, usb_camera("1-4", 0))) == {"camera-1-4-1.0": "video:/dev/video0"}
    assert names(listed(tmp_path, usb_camera("1-4", 3))) == {"camera-1-4-1.0": "video:/dev/video3"}


def test_cameras_that_share_a_serial_number_are_told_apart_by_their_sockets(tmp_path: Path) -> None:
    machine = usb_camera("1-4", 0, serial="0001") + usb_camera("1-3", 2, serial="0001")
    assert names(listed(tmp_path, machine)) == {
        "camera-0001-1-4-1.0": "video:/dev/video0",
        "camera-0001-1-3-1.0": "video:/dev/video2",
    }


def test_camera_that_is_given_by_its_number_has_the_name_of_the_camera_that_is_there(tmp_path: Path) -> None:
    machine = usb_camera("1-4", 0, serial="LEFT") + usb_camera("1-3", 2, serial="RIGHT")
    found = listed(tmp_path, machine, "video:/dev/video2", "video:/dev/video0#counter")
    assert names(found) == {"camera-right": "video:/dev/video2", "counter": "video:/dev/video0#counter"}


def test_camera_that_was_taken_away_is_not_listed(tmp_path: Path) -> None:
    found = listed(tmp_path, usb_camera("1-4", 0, serial="LEFT"), "video:", "video:/dev/video7")
    assert names(found) == {"camera-left": "video:/dev/video0"}
    assert [failure["reason"] for failure in found["failures"]] == ["DEVICE_NOT_FOUND"]
    assert listed(tmp_path, usb_camera("1-4", serial="LEFT")) == {"devices": [], "failures": []}


def reflex_camera(socket: str, number: int, serial: str, protocol: str = "01") -> str:
    """A USB device with an interface of the class for still images."""
    return (
        f"P: {BUS}/{socket}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: idVendor=04b0\\n\nA: busnum=1\\n\n"
        f"A: devnum={number}\\n\nA: manufacturer=Stub Optical\\n\nA: product=Reflex 6\\n\n"
        + (f"A: serial={serial}\\n\n" if serial else "")
        + f"\nP: {BUS}/{socket}/{socket}:1.0\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n"
        f"A: bInterfaceClass=06\\n\nA: bInterfaceSubClass=01\\n\nA: bInterfaceProtocol={protocol}\\n\n\n"
    )


def test_reflex_camera_is_named_by_its_serial_number_at_every_plugging_in(tmp_path: Path) -> None:
    before = listed(tmp_path, reflex_camera("1-4", 7, "6013") + usb_camera("1-3", 0, serial="C920"), "gphoto2:")
    after = listed(tmp_path, reflex_camera("1-2", 12, "6013"), "gphoto2:")
    assert names(before) == {"dslr-6013": "gphoto2:usb:001,007"}
    assert names(after) == {"dslr-6013": "gphoto2:usb:001,012"}
    [camera] = after["devices"]
    assert (camera["driver"], camera["vendor"], camera["model"]) == ("dslr", "Stub Optical", "Reflex 6")
    assert names(listed(tmp_path, reflex_camera("1-4", 7, ""), "gphoto2:")) == {"dslr-1-4": "gphoto2:usb:001,007"}
    assert listed(tmp_path, reflex_camera("1-4", 7, "6013", protocol="02"), "gphoto2:")["devices"] == []
