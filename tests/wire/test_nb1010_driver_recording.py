"""The driver against a recording of a real NB-1010-U, played by umockdev on the real libusb.

The replay knows the recorded commands byte for byte, and the recorded lengths of the reads. It refuses anything else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

RECORDING = Path(__file__).parents[2].parent / "shared" / "data" / "usb-recordings" / "nb1010"
DEVICE_NODE = "/dev/bus/usb/001/003"

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed"),
    pytest.mark.skipif(not RECORDING.is_dir(), reason="the recording is not here"),
]


def play(*command: str) -> subprocess.CompletedProcess[str]:
    umockdev = ["umockdev-run", "-d", str(RECORDING / "device"), "-i", f"{DEVICE_NODE}={RECORDING / 'capture.ioctl'}"]
    return subprocess.run(
        [*umockdev, "--", sys.executable, *command], capture_output=True, text=True, timeout=60, check=False
    )


def test_capture_of_the_recorded_scanner_equals_its_picture(tmp_path: Path) -> None:
    out = tmp_path / "capture.png"
    # The recorded finger never leaves, which is no error of `capture`.
    run = play("-m", "drivers", "capture", "--usb", "298d:1010", "--timeout", "1", "--out", str(out))
    assert run.returncode == 0, run.stderr
    taken = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    recorded = cv2.imread(str(RECORDING / "capture.png"), cv2.IMREAD_GRAYSCALE)
    assert taken is not None
    assert recorded is not None
    assert taken.shape == recorded.shape == (180, 256)
    assert np.count_nonzero(taken != recorded) == 0


ANOTHER_COMMAND = """
from drivers.discovery import build, discover
from drivers.errors import DeviceStalled
from drivers.fingerprint.nb1010 import wire
from drivers.spi import CancelToken
wire.CAPTURE = wire.Message(wire.Code.CAPTURE, 4, bytes(24))
scanner = build(discover(["usb:"]).devices[0])
scanner.open()
try:
    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=lambda event: None)
except DeviceStalled:
    print("stalled")
scanner.close()
"""


def test_capture_command_that_differs_from_the_recorded_one_is_refused() -> None:
    run = play("-c", ANOTHER_COMMAND)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "stalled"


def test_recorded_scanner_is_listed_by_its_port_for_it_has_no_serial() -> None:
    run = play("-m", "drivers", "list")
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        "nb1010-usb-1-7  fingerprint_scanner  usb:1-7  NEXT Biometrics NB-1010-U  "
        "[driver proven on a recording of a real device]\n"
    )
