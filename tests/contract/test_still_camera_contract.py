"""What a camera that takes stills promises (drivers/spi.py, StillCamera), over the real libgphoto2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pytest

from drivers.discovery import build, discover
from drivers.errors import CaptureCancelled, DeviceNotReady, UnsupportedDevice
from drivers.spi import CameraSetting, CancelToken, StillCamera
from firmware_stubs.portrait import schematic_portrait

if TYPE_CHECKING:
    from tests.contract.device_stubs import DslrStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture
def camera(dslr_stub: DslrStub) -> Iterator[StillCamera]:
    driver = build(discover([dslr_stub.url]).devices[0])
    assert isinstance(driver, StillCamera)
    driver.open()
    yield driver
    driver.close()


def test_still_is_the_scene_at_full_resolution_and_leaves_nothing_on_the_card(
    dslr_stub: DslrStub, camera: StillCamera
) -> None:
    before = dslr_stub.state()
    still = camera.take_still(timeout_s=10, cancel=CancelToken())
    scene = schematic_portrait(1, (1728, 1152))
    assert still.pixels.shape == scene.shape
    assert still.resolution_ppi is None
    assert cv2.absdiff(still.pixels, scene).mean() < 2  # of 255: JPEG's loss
    assert "gphoto2" not in sys.modules  # it keeps Python's lock: the library lives in a process of its own
    after = dslr_stub.state()
    assert after["taken"] == before["taken"] + 1
    assert after["on_card"] == before["on_card"]


def test_live_view_shows_the_scene_and_goes_on_after_a_still(camera: StillCamera) -> None:
    before = camera.latest(timeout_s=5, cancel=CancelToken())
    assert before.pixels.shape == (camera.capabilities.height, camera.capabilities.width, 3)
    assert cv2.absdiff(before.pixels, schematic_portrait(1, (768, 512))).mean() < 4
    still = camera.take_still(timeout_s=10, cancel=CancelToken())
    after = camera.latest(newer_than=still.sequence, timeout_s=5, cancel=CancelToken())
    assert before.sequence < still.sequence < after.sequence


def test_two_stills_are_two_pictures(dslr_stub: DslrStub, camera: StillCamera) -> None:
    taken = dslr_stub.state()["taken"]
    first, second = (camera.take_still(timeout_s=10, cancel=CancelToken()) for _ in range(2))
    assert second.sequence > first.sequence
    assert second.captured_monotonic_s > first.captured_monotonic_s
    assert dslr_stub.state()["taken"] == taken + 2


def test_camera_is_named_by_what_it_says_of_itself(camera: StillCamera) -> None:
    identity = camera.identity
    assert (identity.vendor, identity.model, identity.serial) == ("Stub Optical", "Reflex 6", "STUB-0001")
    assert identity.firmware == "1.02"


def test_setting_is_changed_in_the_camera(dslr_stub: DslrStub, camera: StillCamera) -> None:
    offered = camera.settings()
    assert set(offered) == set(CameraSetting) - {CameraSetting.ZOOM}  # this lens is turned by hand
    camera.change_setting(CameraSetting.ISO, "400")
    camera.change_setting(CameraSetting.ISO, "800")
    camera.change_setting(CameraSetting.APERTURE, offered[CameraSetting.APERTURE].choices[-1])
    camera.change_setting(CameraSetting.EXPOSURE_TIME, offered[CameraSetting.EXPOSURE_TIME].choices[1])
    camera.change_setting(CameraSetting.EXPOSURE_COMPENSATION, "-0.333")
    known = dslr_stub.state()["settings"]
    assert (known["iso"], known["f_number"], known["exposure_time"], known["exposure_bias"]) == (800, 1100, 20, -333)
    assert camera.settings()[CameraSetting.ISO].value == "800"


@pytest.mark.parametrize(
    ("setting", "value"), [(CameraSetting.ISO, "401"), (CameraSetting.ISO, ""), (CameraSetting.ZOOM, "1")]
)
def test_setting_that_the_camera_does_not_offer_is_unsupported(
    camera: StillCamera, setting: CameraSetting, value: str
) -> None:
    with pytest.raises(UnsupportedDevice):
        camera.change_setting(setting, value)


def test_still_that_is_cancelled_before_is_not_returned(camera: StillCamera) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CaptureCancelled):
        camera.take_still(timeout_s=10, cancel=cancel)


def test_closed_camera_takes_no_still(dslr_stub: DslrStub, camera: StillCamera) -> None:
    camera.close()
    with pytest.raises(DeviceNotReady):
        camera.take_still(timeout_s=10, cancel=CancelToken())
    until = time.monotonic() + 10
    while dslr_stub.state()["sessions"]:  # a process that takes long to end is killed, and the camera notices
        assert time.monotonic() < until
        time.sleep(0.01)


def test_camera_without_live_view_says_so_and_takes_stills(dslr_without_live_view: DslrStub) -> None:
    camera = cast(StillCamera, build(discover([dslr_without_live_view.url]).devices[0]))
    camera.open()
    try:
        assert (camera.capabilities.width, camera.capabilities.height) == (0, 0)
        with pytest.raises(UnsupportedDevice, match="no live view"):
            camera.latest(timeout_s=5, cancel=CancelToken())
        assert camera.take_still(timeout_s=10, cancel=CancelToken()).pixels.shape == (1152, 1728, 3)
    finally:
        camera.close()


def test_command_line_takes_a_still_where_the_camera_can(dslr_without_live_view: DslrStub, tmp_path: Path) -> None:
    out = tmp_path / "still.png"
    command = [sys.executable, "-m", "drivers", "capture", "--address", dslr_without_live_view.url, "--timeout", "10"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, timeout=60)
    still = cv2.imread(str(out))
    assert still is not None
    assert still.shape == (1152, 1728, 3)


VIRTUAL_BODY = """
import json, sys
from drivers.camera.dslr.driver import Dslr
from drivers.errors import UnsupportedDevice
from drivers.spi import CancelToken
import numpy as np

camera = Dslr("gphoto2:usb:")
camera.open()
identity = camera.identity
camera.close()
camera = Dslr("gphoto2:serial:" + identity.serial)
camera.open()
try:
    camera.latest(timeout_s=2, cancel=CancelToken())
    live = "live view"
except UnsupportedDevice:
    live = "no live view"
still = camera.take_still(timeout_s=10, cancel=CancelToken())
names = sorted(setting.value for setting in camera.settings())
camera.close()
np.save(sys.argv[1], still.pixels)
print(json.dumps([identity.model, identity.serial, live, names]))
"""


def test_virtual_usb_body_of_the_library_is_found_by_its_serial_number_and_takes_a_still(tmp_path: Path) -> None:
    # The library's own model of a USB camera shares nothing with ours. It is chosen before the library's first import.
    card = tmp_path / "card"
    card.mkdir()
    scene = schematic_portrait(2, (640, 480))
    cv2.imwrite(str(card / "scene.jpg"), scene)
    environment = os.environ | {"VCAMERADIR": str(card)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", VIRTUAL_BODY, str(tmp_path / "still.npy")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    model, serial, live, names = json.loads(run.stdout)
    assert model
    assert serial
    assert live == "no live view"
    assert names == ["aperture", "exposure_compensation", "exposure_time"]
    assert cv2.absdiff(np.load(tmp_path / "still.npy"), scene).mean() < 4
