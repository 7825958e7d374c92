"""The driver against recordings of real scanners, played by umockdev on the real libusb.

The replay compares each control request and every byte written with the recording, in order, and answers nothing until
they match: an access too many, too few or too early, and the capture stalls.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.wire.recordings import Recording, of_driver

RECORDINGS = of_driver("uru4000")

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="umockdev is not installed"),
    pytest.mark.skipif(not RECORDINGS, reason="the recordings are not here"),
]
EACH = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


@EACH
def test_capture_of_a_recorded_scanner_equals_its_picture(recording: Recording, tmp_path: Path) -> None:
    taken = recording.capture(tmp_path / "capture.png")
    assert taken.shape == recording.picture.shape
    assert np.count_nonzero(taken != recording.picture) == 0


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


@pytest.mark.parametrize(
    "recording", [one for one in RECORDINGS if one.host_seeds], ids=lambda recording: recording.name
)
def test_capture_with_another_seed_stalls(recording: Recording) -> None:
    run = recording.play("-c", WRONG_SEED)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "stalled"


@EACH
def test_recorded_scanner_is_listed_by_its_serial_or_its_port(recording: Recording) -> None:
    run = recording.play("-m", "drivers", "list")
    assert run.returncode == 0, run.stderr
    serial = re.sub(r"[^a-z0-9._]+", "-", recording.serial.lower()).strip("-_.")
    name = serial or f"usb-{recording.port}"
    assert run.stdout.startswith(f"uru4000-{name}  fingerprint_scanner  usb:{recording.port} ")


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


@pytest.mark.parametrize("recording", RECORDINGS[:1], ids=lambda recording: recording.name)
def test_image_that_libusb_reads_into_a_buffer_of_the_callers_equals_its_picture(
    recording: Recording, tmp_path: Path
) -> None:
    """The method is replaced because no recorded device streams, and this image is a real bulk read on libusb."""
    out = tmp_path / "capture.png"
    run = recording.play("-c", INTO_OWN_BUFFER, *recording.capture_arguments(out))
    assert run.returncode == 0, run.stderr
    assert np.array_equal(Recording(tmp_path).picture, recording.picture)
