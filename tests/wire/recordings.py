"""Recordings of real scanners, found, and played by umockdev to a driver on the real libusb.

One recording is a folder in the format of libfprint's tests: `device` (umockdev-record), `capture.pcapng` (usbmon) or
`capture.ioctl` (umockdev-record -i), and `capture.png`, the picture that comes of it; the three may have other names.
They are looked for in ../shared/data/usb-recordings, and in each folder, or folder of folders, that ENROLL_RECORDINGS
names.

    python -m tests.wire.recordings [FOLDER]...      plays each and prints what its driver made of it
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers import catalogue
from tests.wire.usbmon_capture import host_seeds, read_capture

SHARED: Final = Path(__file__).parents[2].parent / "shared" / "data" / "usb-recordings"
PLACES: Final = "ENROLL_RECORDINGS"
LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Recording:
    """One folder. The scanner is the first device that its file describes."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def _device(self) -> str:
        """What is said of the scanner: up to the next device, its hub."""
        return (self.folder / "device").read_text("utf-8", "replace").partition("\n\n")[0]

    @property
    def usb_ids(self) -> tuple[int, int]:
        found = re.search(r"^E: PRODUCT=(\w+)/(\w+)/", self._device, re.MULTILINE)
        assert found is not None, f"{self.folder}: no USB device"
        return int(found[1], 16), int(found[2], 16)

    @property
    def driver(self) -> str:
        """Name in the catalogue; "" where nothing drives it."""
        return next((entry.name for entry in catalogue.entries().values() if self.usb_ids in entry.usb_ids), "")

    @property
    def port(self) -> str:
        return self._device.splitlines()[0].rsplit("/", 1)[1]

    @property
    def serial(self) -> str:
        found = re.search(r"^A: serial=(.*?)(?:\\n)?$", self._device, re.MULTILINE)
        return "" if found is None else found[1]

    def _file(self, suffix: str) -> Path | None:
        """The first of this kind, whatever its name is."""
        return next(iter(sorted(self.folder.glob(f"*.{suffix}"))), None)

    @property
    def host_seeds(self) -> tuple[int, ...]:
        capture = self._file("pcapng")
        return () if capture is None else host_seeds(read_capture(capture))

    @property
    def picture(self) -> NDArray[np.uint8]:
        picture = self._file("png")
        assert picture is not None, f"{self.folder}: no picture"
        return _read_png(picture)

    def play(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments while the scanner seems to be plugged in."""
        if (capture := self._file("pcapng")) is not None:
            path = self._device.splitlines()[0].removeprefix("P: ")
            played = ["-p", f"/sys{path}={capture}"]
        else:
            node = re.search(r"^E: DEVNAME=(\S+)", self._device, re.MULTILINE)
            calls = self._file("ioctl")
            assert node is not None, f"{self.folder}: no device node"
            assert calls is not None, f"{self.folder}: nothing to play"
            played = ["-i", f"{node[1]}={calls}"]
        umockdev = ["umockdev-run", "-d", str(self.folder / "device"), *played, "--"]
        return subprocess.run(
            [*umockdev, sys.executable, *command], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def capture_arguments(self, out: Path) -> list[str]:
        """Of `python -m drivers`: one capture, with the recorded host's seeds."""
        seeds = [word for seed in self.host_seeds for word in ("--host-seed", f"{seed:#x}")]
        usb = ":".join(f"{number:04x}" for number in self.usb_ids)
        # Where the recorded finger never leaves, that is no error, but takes its time.
        return ["capture", "--usb", usb, *seeds, "--timeout", "5" if seeds else "1", "--out", str(out)]

    def capture(self, out: Path) -> NDArray[np.uint8]:
        """The driver's picture. Fails with what it said."""
        run = self.play("-m", "drivers", *self.capture_arguments(out))
        assert run.returncode == 0, f"{self.name}: {run.stdout}{run.stderr}"
        return _read_png(out)


def recordings(places: Iterable[Path] = ()) -> list[Recording]:
    """All that are found in the places, or where there are none, in the usual ones."""
    named = [Path(place) for place in os.environ.get(PLACES, "").split(os.pathsep) if place]
    folders = []
    for place in list(places) or [SHARED, *named]:
        folders += [place] if (place / "device").exists() else sorted(place.glob("*"))
    return [Recording(folder) for folder in folders if (folder / "device").exists()]


def of_driver(name: str) -> list[Recording]:
    """Those of the scanners that a driver drives."""
    return [recording for recording in recordings() if recording.driver == name]


def _read_png(path: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None, f"{path}: no picture"
    return np.asarray(pixels, np.uint8)


def main() -> None:
    """Play each recording and print what its driver made of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.recordings", description=main.__doc__)
    parser.add_argument(
        "folders", nargs="*", type=Path, help="recordings, or folders of them; default: the usual places"
    )
    failed = False
    print(f"{'recording':24}{'USB id':12}{'driver':10}{'picture':12}{'differing pixels':>18}{'seconds':>10}")
    for recording in recordings(parser.parse_args().folders):
        began_s = time.monotonic()
        row = f"{recording.name:24}{'{:04x}:{:04x}'.format(*recording.usb_ids):12}{recording.driver or '-':10}"
        try:
            with tempfile.TemporaryDirectory() as folder:
                taken, expected = recording.capture(Path(folder) / "capture.png"), recording.picture
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            failed = True
            print(f"{row}failed: {error}")
            continue
        size = f"{taken.shape[1]} x {taken.shape[0]}"
        same_size = taken.shape == expected.shape
        apart = f"{np.count_nonzero(taken != expected)} of {taken.size}" if same_size else "another size"
        failed = failed or not np.array_equal(taken, expected)
        print(f"{row}{size:12}{apart:>18}{time.monotonic() - began_s:10.1f}")
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
