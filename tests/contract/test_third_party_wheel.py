"""The wheel of docs/add-a-device.md, built and installed without a network, as a third party would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-device.md"
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE))
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

LOOK = """
import json
from drivers import catalogue
from drivers.discovery import build, discover
from drivers.spi import FingerprintScanner, Signals, StreamingScanner
slap = catalogue.entry("acmeslap").build("usbip://127.0.0.1:1/1-1")
print(json.dumps({
    "names": sorted(catalogue.entries()),
    "slap": [isinstance(slap, kind) for kind in (FingerprintScanner, StreamingScanner, Signals)],
    "ids": [list(ids) for ids in slap.usb_ids],
}))
"""


def run(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the wheel installed."""
    source = tmp_path_factory.mktemp("acme")
    for name, text in FILES.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, "utf-8")
    wheels, target = source / "dist", tmp_path_factory.mktemp("site")
    run([*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)])
    (wheel,) = wheels.glob("*.whl")
    run([*PIP, "install", "--no-index", "--no-deps", "--target", str(target), str(wheel)])
    return os.environ | {"PYTHONPATH": str(target)}


def test_installed_wheel_is_in_the_catalogue_beside_the_built_in_drivers(environment: dict[str, str]) -> None:
    found = json.loads(run([sys.executable, "-c", LOOK], environment))
    assert {"acmefolder", "acmeslap", "camera", "tenprint", "uru4000"} <= set(found["names"])
    assert found["slap"] == [True, True, True]
    assert found["ids"] == [[0xACDE, 0x0010]]


def test_without_the_wheel_the_address_has_no_driver() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "drivers", "list", "--address", "acme-folder:/tmp", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert json.loads(listing.stdout)["failures"][0]["reason"] == "DEVICE_UNSUPPORTED"


def test_guides_driver_captures(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "prints"
    folder.mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (500, 500), dtype=np.uint8)
    cv2.imwrite(str(folder / "finger.png"), picture)
    out = tmp_path / "out.png"
    capture = ["-m", "drivers", "capture", "--address", f"acme-folder:{folder}", "--out", str(out), "--json"]
    report = json.loads(run([sys.executable, *capture], environment))
    assert report["identity"]["model"] == "Folder scanner"
    assert np.array_equal(np.asarray(cv2.imread(str(out), cv2.IMREAD_UNCHANGED)), picture)
    assert list(folder.iterdir()) == []


def test_file_that_is_no_picture_is_the_devices_fault(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "finger.png").write_bytes(b"no picture")
    capture = [sys.executable, "-m", "drivers", "capture", "--address", f"acme-folder:{tmp_path}", "--json"]
    done = subprocess.run(capture, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["reason"] == "DEVICE_PROTOCOL_VIOLATION"
