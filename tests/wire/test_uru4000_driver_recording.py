"""The driver against recordings of real scanners, played by umockdev on the real libusb.

The replay compares each control request and every byte written with the recording, in order, and answers nothing until
they match: an access too many, too few or too early, and the capture stalls.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "usb-recordings"
FOLDERS = sorted(RECORDINGS.glob("uru4000-*"))
RECORDED_SEED = "0x51EA2124"

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed"),
    pytest.mark.skipif(not FOLDERS, reason="the recordings are not here"),
]


def play(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    device = (folder / "device").read_text("utf-8")
    path = device.splitlines()[0].removeprefix("P: ")
    umockdev = ["umockdev-run", "-d", str(folder / "device"), "-p", f"/sys{path}={folder / 'capture.pcapng'}", "--"]
    return subprocess.run(
        [*umockdev, sys.executable, *command], capture_output=True, text=True, timeout=60, check=False
    )


def usb_id(folder: Path) -> str:
    product = re.search(r"^E: PRODUCT=(\w+)/(\w+)/", (folder / "device").read_text("utf-8"), re.MULTILINE)
    assert product is not None
    return f"{product[1]:0>4}:{product[2]:0>4}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_capture_of_a_recorded_scanner_equals_its_picture(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "capture.png"
    capture = ["-m", "drivers", "capture", "--usb", usb_id(folder), "--host-seed", RECORDED_SEED, "--out", str(out)]
    run = play(folder, *capture)
    assert run.returncode == 0, run.stderr
    taken = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    recorded = cv2.imread(str(folder / "capture.png"), cv2.IMREAD_GRAYSCALE)
    assert taken is not None
    assert recorded is not None
    assert taken.shape == recorded.shape
    assert np.count_nonzero(taken != recorded) == 0


WRONG_SEED = """
from drivers.discovery import build, discover
from drivers.errors import DeviceStalled
from drivers.spi import CancelToken
scanner = build(discover(["usb:"]).devices[0], host_seed=1, transfer_timeout_s=0.5)
scanner.open()
try:
    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lambda event: None)
except DeviceStalled:
    print("stalled")
scanner.close()
"""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_capture_with_another_seed_stalls(folder: Path) -> None:
    run = play(folder, "-c", WRONG_SEED)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "stalled"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_recorded_scanner_is_listed_by_its_serial(folder: Path) -> None:
    run = play(folder, "-m", "drivers", "list")
    device = (folder / "device").read_text("utf-8")
    serial = re.search(r"^A: serial=\{?([^}\\\n]*)", device, re.MULTILINE)
    port = device.splitlines()[0].rsplit("/", 1)[1]
    assert run.returncode == 0, run.stderr
    assert serial is not None
    assert run.stdout.startswith(f"uru4000-{serial[1].lower()}  fingerprint_scanner  usb:{port} ")


INTO_OWN_BUFFER = """
import sys
from drivers.__main__ import main
from drivers.usb.transport import UsbTransport

buffers = []

def queue_read(transport, endpoint, length):
    buffers.append(memoryview(bytearray(length)))
    return transport.queue_read_into(endpoint, buffers[-1], lambda completion: None)

UsbTransport.queue_read = queue_read
main(sys.argv[1:], standalone_mode=False)
"""


@pytest.mark.parametrize("folder", FOLDERS[:1], ids=lambda folder: folder.name)
def test_image_that_libusb_reads_into_a_buffer_of_the_callers_equals_its_picture(folder: Path, tmp_path: Path) -> None:
    """The method is replaced because no recorded device streams, and this image is a real bulk read on libusb."""
    out = tmp_path / "capture.png"
    capture = ["capture", "--usb", usb_id(folder), "--host-seed", RECORDED_SEED, "--out", str(out)]
    run = play(folder, "-c", INTO_OWN_BUFFER, *capture)
    assert run.returncode == 0, run.stderr
    assert np.array_equal(
        np.asarray(cv2.imread(str(out), cv2.IMREAD_UNCHANGED)),
        np.asarray(cv2.imread(str(folder / "capture.png"), cv2.IMREAD_GRAYSCALE)),
    )
