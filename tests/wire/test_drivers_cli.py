"""`python -m drivers` as a technician runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drivers import errors
from drivers.messages import Language, language_of, sentence

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs",)

COMMAND = [sys.executable, "-m", "drivers"]
NOWHERE = "usbip://127.0.0.1:1/1-1"


def run(*arguments: str, lang: str = "en_GB.UTF-8") -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LC_")} | {"LANG": lang}
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        timeout=60,
        check=False,
    )


def last_json(completed: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(completed.stdout.splitlines()[-1])


def test_list_names_scanner_and_camera(scanner_stub: ScannerStub, camera_stub: CameraStub) -> None:
    listed = run("list", "--address", scanner_stub.url, "--address", camera_stub.url)
    assert listed.returncode == 0
    scanner, camera = listed.stdout.splitlines()
    assert scanner.startswith("uru4000-")
    assert scanner_stub.url in scanner
    assert scanner.endswith("[driver proven on a recording of a real device]")
    assert camera.startswith("camera-127.0.0.1-")
    assert camera.endswith("[public protocol, not proven on hardware]")
    assert listed.stderr == ""


def test_list_as_json_reports_failures_beside_devices(camera_stub: CameraStub) -> None:
    listed = run("list", "--json", "--address", f"{camera_stub.url}#portrait", "--address", NOWHERE)
    assert listed.returncode == 0
    found = last_json(listed)
    assert [(device["device_id"], device["proven"]) for device in found["devices"]] == [("portrait", "model_only")]
    assert [(failure["address"], failure["reason"]) for failure in found["failures"]] == [(NOWHERE, "DEVICE_NOT_FOUND")]


def test_list_of_an_unreachable_address_alone_fails() -> None:
    listed = run("list", "--address", NOWHERE)
    assert listed.returncode == 3
    assert "No such device" in listed.stderr


def test_capture_from_a_scanner_writes_a_picture_with_its_resolution(
    scanner_stub: ScannerStub, print_like: NDArray[np.uint8], tmp_path: Path
) -> None:
    scanner_stub.lay(print_like)
    out = tmp_path / "print.png"
    sent = scanner_stub.control("GET", "/state")["images_sent"]
    command = [*COMMAND, "capture", "--address", scanner_stub.url, "--out", str(out), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        scanner_stub.control("GET", f"/state?until=images:{sent + 1}&timeout_s=30")
        scanner_stub.lift()
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 0, complained
    report = json.loads(said)
    assert (report["width"], report["height"], report["resolution_ppi"]) == (384, 290, 500.0)
    assert report["identity"]["vendor"] == "DigitalPersona, Inc."
    assert report["seconds"]["image"] > 0
    with Image.open(out) as picture:
        assert picture.size == (384, 290)
        assert picture.info["dpi"] == pytest.approx((500, 500), abs=0.1)
        assert np.asarray(picture).std() > 20


def test_capture_from_a_camera_writes_the_colours_in_order(camera_stub: CameraStub, tmp_path: Path) -> None:
    blue = np.zeros((1080, 1920, 3), np.uint8)
    blue[..., 0] = 220
    camera_stub.control("PUT", "/scene", cv2.imencode(".png", blue)[1].tobytes())
    out = tmp_path / "frame.png"
    try:
        captured = run("capture", "--address", camera_stub.url, "--out", str(out))
    finally:
        camera_stub.control("DELETE", "/scene")
    assert captured.returncode == 0, captured.stderr
    with Image.open(out) as picture:
        red, _, blue_mean = np.asarray(picture).mean(axis=(0, 1))
    assert blue_mean > red + 100


def test_capture_without_a_finger_times_out_with_its_own_exit_code(scanner_stub: ScannerStub) -> None:
    captured = run("capture", "--address", scanner_stub.url, "--timeout", "0.1")
    assert captured.returncode == 5
    assert "Nothing came within the time limit." in captured.stderr


def test_interrupted_capture_ends_with_the_lamp_off(scanner_stub: ScannerStub) -> None:
    with subprocess.Popen(
        [*COMMAND, "capture", "--address", scanner_stub.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        scanner_stub.await_state("wait_finger_on")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    scanner_stub.await_state("off")


def test_capture_that_fails_reports_json() -> None:
    captured = run("capture", "--address", NOWHERE, "--json")
    assert captured.returncode == 3
    assert last_json(captured)["error"]["reason"] == "DEVICE_NOT_FOUND"


@pytest.mark.parametrize("arguments", [("--lang", "vi"), ()], ids=["option", "environment"])
def test_messages_are_vietnamese_on_request_and_by_locale(arguments: tuple[str, ...]) -> None:
    captured = run("capture", "--address", NOWHERE, *arguments, lang="C.UTF-8" if arguments else "vi_VN.UTF-8")
    assert "Không tìm thấy thiết bị" in captured.stderr


def test_picture_that_cannot_be_written_is_said_so(camera_stub: CameraStub, tmp_path: Path) -> None:
    captured = run("capture", "--address", camera_stub.url, "--out", str(tmp_path / "no" / "folder.png"))
    assert captured.returncode == 1
    assert "cannot be written" in captured.stderr


def test_option_that_the_driver_does_not_take_is_refused(camera_stub: CameraStub) -> None:
    captured = run("capture", "--address", camera_stub.url, "--host-seed", "1")
    assert captured.returncode == 4
    assert "does not take these options" in captured.stderr


@pytest.mark.parametrize(
    "arguments", [("--usb", "05ba"), ("--usb", "x:y"), ("--host-seed", "five"), ("--timeout", "-1")]
)
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...]) -> None:
    assert run("capture", *arguments).returncode == 2


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.DriverError)
    ]
    assert len(classes) > 10
    for error in classes:
        english, vietnamese = (sentence(error("detail"), language) for language in Language)
        assert english
        assert vietnamese
        assert english != vietnamese


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.ENGLISH),
        ({"LANG": "vi_VN.UTF-8"}, Language.VIETNAMESE),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": "C"}, Language.ENGLISH),
        ({"LANG": "en_GB", "LC_MESSAGES": "vi_VN"}, Language.VIETNAMESE),
    ],
)
def test_language_follows_the_locale(environment: dict[str, str], language: Language) -> None:
    assert language_of(environment) is language
