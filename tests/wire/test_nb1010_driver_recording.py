"""The driver against a recording of a real NB-1010-U, played by umockdev on the real libusb.

The replay knows the recorded commands byte for byte, and the recorded lengths of the reads. It refuses anything else.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.wire.recordings import Recording, of_driver

RECORDINGS = of_driver("nb1010")

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed"),
    pytest.mark.skipif(not RECORDINGS, reason="the recording is not here"),
]
EACH = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


@EACH
def test_capture_of_the_recorded_scanner_equals_its_picture(recording: Recording, tmp_path: Path) -> None:
    taken = recording.capture(tmp_path / "capture.png")
    assert taken.shape == recording.picture.shape == (180, 256)
    assert np.count_nonzero(taken != recording.picture) == 0


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


@EACH
def test_capture_command_that_differs_from_the_recorded_one_is_refused(recording: Recording) -> None:
    run = recording.play("-c", ANOTHER_COMMAND)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "stalled"


@EACH
def test_recorded_scanner_is_listed_by_its_port_for_it_has_no_serial(recording: Recording) -> None:
    run = recording.play("-m", "drivers", "list")
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        f"nb1010-usb-{recording.port}  fingerprint_scanner  usb:{recording.port}  NEXT Biometrics NB-1010-U  "
        "[driver proven on a recording of a real device]\n"
    )
