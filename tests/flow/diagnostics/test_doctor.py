"""enrollctl doctor and setup-udev: with the daemon (a process), without it, and beside one that died."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from enrollment.cli.connection import connect
from enrollment.cli.main import main as enrollctl_main
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import device_pb2
from tests.flow.running_station import ChildProcess, MakeStation, StationFolder, set_up

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

Enrollctl = Callable[..., Result]
SEEN_S = 20.0  # a limit against hanging: the daemon looks every 0.2 s


@pytest.fixture(scope="module")
def folder(_scanner_processes: dict[str, ScannerStub], _camera_process: CameraStub) -> Iterator[StationFolder]:
    """One station for all tests that leave its daemon alive."""
    from tests.contract.device_stubs import ScannerStub  # not before pytest has loaded it as a plugin

    if "4500" not in _scanner_processes:
        _scanner_processes["4500"] = ScannerStub("4500")
    with tempfile.TemporaryDirectory(prefix="st") as short:
        yield set_up(Path(short) / "s", [_scanner_processes["4500"].url, _camera_process.url], None)


@pytest.fixture(scope="module")
def daemon(folder: StationFolder) -> Iterator[ChildProcess]:
    process = folder.daemon()
    process.start()
    yield process
    process.kill()


@pytest.fixture
def seen_scanner(folder: StationFolder, daemon: ChildProcess, scanner_stub: ScannerStub) -> ScannerStub:
    """The daemon's scanner, however a test before this one left it: plugged in, and seen to be so."""
    with connect(folder.socket, folder.issue_token()) as station:
        changes = station.devices.WatchDevices(device_pb2.WatchDevicesRequest(), timeout=SEEN_S)
        for change in changes:
            if change.device.address == scanner_stub.url and change.device.state == device_pb2.DEVICE_STATE_READY:
                changes.cancel()
                return scanner_stub
    raise AssertionError("the daemon ended")


@pytest.fixture
def enrollctl(folder: StationFolder, tmp_path: Path) -> Enrollctl:
    token = tmp_path / "token"
    token.write_text(folder.issue_token("tech-1", Role.TECHNICIAN))
    named = {"ENROLL_SOCKET": str(folder.socket), "ENROLL_TOKEN_FILE": str(token), "COLUMNS": "200"}

    def call(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(enrollctl_main, arguments, env=named | environment, catch_exceptions=False)

    return call


def report(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    assert ["ok", "warning", "error"][done.exit_code] == found["status"]
    for finding in found["findings"]:
        assert finding["text_vi"]
        assert finding["text_en"]
        assert finding["severity"] == "ok" or (finding["remedy_vi"] and finding["remedy_en"])
    return found


def severity(found: dict[str, Any], check: str) -> str:
    return next(str(finding["severity"]) for finding in found["findings"] if finding["check"] == check)


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file's mode and digest."""
    return {
        str(path): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in folder.rglob("*")
    }


def test_running_station_is_asked_and_has_no_error(
    enrollctl: Enrollctl, seen_scanner: ScannerStub, camera_stub: CameraStub
) -> None:
    done = enrollctl("--json", "doctor")
    found = report(done)
    assert (found["asked"], found["not_seen"]) == ("daemon", [])
    assert [finding for finding in found["findings"] if finding["severity"] == "error"] == []
    for check in (
        "service",
        "session",
        "version",
        "scanner",
        "camera",
        "camera-address",
        "keys",
        "queue",
        "disk-space",
    ):
        assert severity(found, check) == "ok", check
    assert severity(found, "registry") == "warning"  # none is configured
    ranks = [("error", "warning", "ok").index(finding["severity"]) for finding in found["findings"]]
    assert ranks == sorted(ranks)


def test_unplugged_scanner_is_an_error_with_its_remedy_in_the_chosen_language(
    enrollctl: Enrollctl, seen_scanner: ScannerStub
) -> None:
    seen_scanner.unplug()
    deadline_s = time.monotonic() + SEEN_S
    while (done := enrollctl("--lang", "vi", "doctor")).exit_code != 2:
        assert time.monotonic() < deadline_s
    assert "Không có máy quét vân tay nào đang cắm." in done.stdout
    assert "lsusb" in done.stdout
    assert "Traceback" not in done.stderr


def test_dead_daemon_leaves_what_can_be_seen_and_names_what_cannot_and_nothing_is_changed(
    enrollctl: Enrollctl, make_station: MakeStation, camera_stub: CameraStub
) -> None:
    folder = make_station([camera_stub.url])
    daemon = folder.daemon()
    daemon.start()
    daemon.kill()
    before = contents(folder.folder)
    done = enrollctl("--json", "doctor", ENROLL_SOCKET=str(folder.socket))
    found = report(done)
    assert contents(folder.folder) == before
    assert (done.exit_code, found["asked"]) == (2, "this user")
    assert severity(found, "service") == "error"
    assert severity(found, "keys") == "ok"
    assert severity(found, "camera-address") == "ok"
    assert set(found["not_seen"]) == {
        "scanner",
        "camera",
        "card-encoder",
        "device-addresses",
        "queue",
        "registry",
        "clock-offset",
    }


def test_without_anything_named_the_machine_is_still_looked_at(enrollctl: Enrollctl) -> None:
    found = report(enrollctl("--json", "doctor", ENROLL_SOCKET="/nowhere/enrolld.sock", ENROLL_TOKEN_FILE=""))
    assert severity(found, "service") == "error"
    assert {"udev-rules", "pcsc-service", "usb-access"} <= {finding["check"] for finding in found["findings"]}
    assert "keys" in found["not_seen"]


def test_session_that_is_none_is_told_and_the_folder_is_looked_at(enrollctl: Enrollctl, daemon: ChildProcess) -> None:
    for token, wanted in (({"ENROLL_TOKEN": "x" * 43}, "error"), ({"ENROLL_TOKEN_FILE": "/nowhere"}, "warning")):
        found = report(enrollctl("--json", "doctor", **token))
        assert severity(found, "service") == "ok"
        assert severity(found, "session") == wanted
        assert severity(found, "keys") == "ok"
        assert "queue" in found["not_seen"]


def test_broken_configuration_is_named_by_its_key(enrollctl: Enrollctl, tmp_path: Path) -> None:
    broken = tmp_path / "station.toml"
    broken.write_text("[station]\nid = 5\n")
    found = report(enrollctl("--json", "doctor", "--config", str(broken), ENROLL_SOCKET="/nowhere/enrolld.sock"))
    [finding] = [finding for finding in found["findings"] if finding["check"] == "configuration"]
    assert "station.id" in finding["text_en"]


def test_setup_udev_prints_the_rules_and_writes_them_whole(enrollctl: Enrollctl, tmp_path: Path) -> None:
    printed = enrollctl("setup-udev", "--print", "--group", "scanners")
    assert printed.exit_code == 0
    assert 'ATTR{idVendor}=="05ba", ATTR{idProduct}=="000a", GROUP="scanners", MODE="0660"' in printed.stdout
    rules = tmp_path / "rules.d"
    rules.mkdir()
    done = enrollctl("--json", "setup-udev", "--group", "scanners", "--rules-folder", str(rules))
    assert done.exit_code == 0, done.stderr
    [file] = rules.iterdir()
    assert json.loads(done.stdout) == {"installed": str(file), "reloaded": False}
    assert file.read_text("utf-8") == printed.stdout
    assert file.stat().st_mode & 0o777 == 0o644


def test_setup_udev_that_may_not_write_says_what_to_do(enrollctl: Enrollctl, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = enrollctl("--json", "--lang", "vi", "setup-udev", "--rules-folder", str(tmp_path / "file" / "rules.d"))
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["reason"] == "UDEV_FOLDER_NOT_WRITABLE"
    assert "sudo enrollctl setup-udev" in done.stderr
    assert "Traceback" not in done.stderr


def test_setup_udev_for_a_group_that_is_not_there_writes_nothing(enrollctl: Enrollctl) -> None:
    done = enrollctl("--json", "setup-udev", "--group", "no-such-group-here")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["reason"] == "UDEV_GROUP_UNKNOWN"
    assert "groupadd" in done.stderr


def test_trace_and_metrics_are_printed_for_a_technician(enrollctl: Enrollctl, seen_scanner: ScannerStub) -> None:
    listed = json.loads(enrollctl("--json", "devices").stdout)["devices"]
    scanner = next(device["device_id"] for device in listed if device["address"] == seen_scanner.url)
    done = enrollctl("device", "trace", scanner, "--lines", "1")
    assert done.exit_code == 0, done.stderr
    assert f"listening to {scanner}" in done.stdout
    metrics = enrollctl("metrics")
    assert metrics.stdout.startswith("# HELP enroll_captures_total")
