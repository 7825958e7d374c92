"""Checks of a real station's folder and of the daemon's state, each with one fault."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from drivers.spi import DeviceKind
from enrollment.core.certificates import signing_request
from enrollment.service import daemon
from enrollment.service.config import ShareConfig, StationConfig, load_config
from enrollment.service.diagnostics import camera_checks, folder_checks, running_checks
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.diagnostics.running_checks import RunningState, SeenDevice
from enrollment.service.keys.sharing import SharingFolder

OK, WARNING, ERROR = Severity.OK, Severity.WARNING, Severity.ERROR


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(datetime.now(UTC), frozenset(), tmp_path / "root")


@pytest.fixture
def config(tmp_path: Path) -> StationConfig:
    arguments = ["--folder", str(tmp_path / "s"), "--station", "T-1", "--registry-address", "127.0.0.1:1", "--json"]
    made = CliRunner().invoke(daemon.main, ["init", *arguments], catch_exceptions=False)
    return load_config(Path(json.loads(made.output)["config"]))


def by_name(findings: Iterator[Finding]) -> dict[str, Severity]:
    found = list(findings)
    assert all(bool(finding.remedy_vi) is (finding.severity is not OK) for finding in found)
    return {finding.check: finding.severity for finding in found}


def test_fresh_station_is_well_but_for_its_open_keys(machine: Machine, config: StationConfig) -> None:
    assert by_name(folder_checks.check_keys(machine, config)) == {"keys": OK, "keys-at-rest": WARNING}
    assert by_name(folder_checks.check_rights(machine, config)) == {"folder-rights": OK}
    assert by_name(folder_checks.check_clock_against_files(machine, config)) == {"clock-backwards": OK}


@pytest.fixture
def shared(config: StationConfig) -> StationConfig:
    share = ShareConfig("0.0.0.0:50444", config.folder / "share")
    SharingFolder(share.folder).create(config.station_id, ["scanner-pc"], datetime.now(UTC), None)
    return replace(config, share=share)


def test_a_share_is_looked_at_only_where_there_is_one(machine: Machine, config: StationConfig) -> None:
    assert list(folder_checks.check_share(machine, config)) == []


@pytest.mark.parametrize(
    ("days", "severity", "named"),
    [(365, OK, []), (20, WARNING, ["counter-3"]), (-1, ERROR, ["counter-3"])],
)
def test_certificates_of_a_share_that_end_soon_are_named(
    machine: Machine, shared: StationConfig, days: int, severity: Severity, named: list[str]
) -> None:
    assert shared.share is not None
    request = signing_request(ec.generate_private_key(ec.SECP256R1()), "x")
    folder = SharingFolder(shared.share.folder)
    ago = timedelta(days=100)
    for client, end in (("counter-2", 300), ("counter-3", days)):
        folder.issue(client, request, machine.now - ago, timedelta(days=end) + ago, None)
    [finding] = folder_checks.check_share(machine, shared)
    assert (finding.check, finding.severity) == ("share", severity)
    assert [name for name in ("counter-2", "counter-3", "enrolld") if name in finding.text_en] == named


def test_a_share_whose_key_others_may_read_is_an_error(machine: Machine, shared: StationConfig) -> None:
    assert shared.share is not None
    (shared.share.folder / "server-key.pem").chmod(0o644)
    [finding] = folder_checks.check_share(machine, shared)
    assert finding.severity is ERROR
    assert "server-key.pem" in finding.text_vi


def test_damaged_key_is_an_error_that_names_the_file(machine: Machine, config: StationConfig) -> None:
    (config.keys_folder / "wrapping.key").write_bytes(b"no key")
    [finding] = folder_checks.check_keys(machine, config)
    assert (finding.check, finding.severity) == ("keys", ERROR)
    assert "wrapping.key" in finding.text_en
    assert "[KEYS_UNUSABLE]" in finding.text_vi


def test_encrypted_disk_protects_keys_under_lvm_as_well(machine: Machine, config: StationConfig) -> None:
    import os

    device = config.keys_folder.stat().st_dev
    block = machine.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    below = block / "slaves/dm-0/dm"
    below.mkdir(parents=True)
    (below / "uuid").write_text("CRYPT-LUKS2-0123-root\n")
    assert by_name(folder_checks.check_keys(machine, config))["keys-at-rest"] is OK


def test_folder_that_others_may_read_is_an_error(machine: Machine, config: StationConfig) -> None:
    config.keys_folder.chmod(0o750)
    [finding] = folder_checks.check_rights(machine, config)
    assert finding.severity is ERROR
    assert finding.remedy_en == f"chmod go-rwx {config.keys_folder}"


def test_clock_behind_the_stations_own_files_is_an_error(machine: Machine, config: StationConfig) -> None:
    past = Machine(machine.now - timedelta(days=900), frozenset(), machine.root)
    assert by_name(folder_checks.check_clock_against_files(past, config)) == {"clock-backwards": ERROR}


def test_missing_certificate_and_pinned_keys_are_errors(machine: Machine, config: StationConfig) -> None:
    assert by_name(folder_checks.check_certificate(machine, config)) == {
        "registry-certificate": ERROR,
        "registry-trust": ERROR,
    }


@pytest.mark.parametrize(("days", "severity"), [(300, OK), (20, WARNING), (-1, ERROR)])
def test_certificate_is_told_before_it_ends(
    machine: Machine, config: StationConfig, days: int, severity: Severity
) -> None:
    assert config.registry is not None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "T-1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(machine.now - timedelta(days=10))
        .not_valid_after(machine.now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    config.registry.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    assert by_name(folder_checks.check_certificate(machine, config))["registry-certificate"] is severity


def test_disk_is_judged_by_what_is_free(
    machine: Machine, config: StationConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No disk can be filled on a test's machine: the limits are moved instead.
    assert by_name(folder_checks.check_disk(machine, config))["disk-space"] in (OK, WARNING)
    monkeypatch.setattr(folder_checks, "DISK_WARNING_BYTES", 2**62)
    assert by_name(folder_checks.check_disk(machine, config)) == {"disk-space": WARNING}
    monkeypatch.setattr(folder_checks, "DISK_ERROR_BYTES", 2**62)
    assert by_name(folder_checks.check_disk(machine, config)) == {"disk-space": ERROR}


def test_camera_whose_server_is_away_is_an_error_and_its_password_stays_unsaid(
    machine: Machine, config: StationConfig
) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://user:secret@127.0.0.1:{server.server_port}/stream?token=secret"
    there = StationConfig("T-1", config.folder, config.socket, devices=type(config.devices)((address, "usb:")))
    assert by_name(camera_checks.check_cameras(machine, there)) == {"camera-address": OK}
    server.shutdown()
    thread.join()
    server.server_close()
    [finding] = camera_checks.check_cameras(machine, there)
    assert finding.severity is ERROR
    assert "secret" not in finding.text_en + finding.text_vi


@pytest.mark.parametrize(
    ("address", "without", "severity"),
    [("video:", None, OK), ("video:/dev/video0#counter", ERROR, OK), ("video:/dev/video1", ERROR, ERROR)],
)
def test_camera_on_usb_is_looked_for_where_its_address_says(
    machine: Machine, config: StationConfig, address: str, without: Severity | None, severity: Severity
) -> None:
    there = StationConfig("T-1", config.folder, config.socket, devices=type(config.devices)((address,)))
    assert by_name(camera_checks.check_cameras(machine, there)).get("camera-address") is without
    node = machine.root / "dev" / "video0"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    assert by_name(camera_checks.check_cameras(machine, there)) == {"camera-address": severity}


NOW = datetime(2026, 3, 1, tzinfo=UTC)
SCANNER = SeenDevice("uru4000-1", DeviceKind.FINGERPRINT_SCANNER, True, "")
CAMERA = SeenDevice("camera-1", DeviceKind.CAMERA, True, "")


def state(**changed: object) -> RunningState:
    given = {
        "now": NOW, "devices": [SCANNER, CAMERA], "unreachable": (), "sends": True, "registry_reachable": True,
        "waiting": 0, "oldest": None, "refused": "", "refused_sequence": 0, "offset_ms": 40,
    }  # fmt: skip
    return RunningState(**(given | changed))  # type: ignore[arg-type]


def every(at: RunningState) -> dict[str, Severity]:
    checks: tuple[Callable[[RunningState], Iterator[Finding]], ...] = (
        running_checks.check_devices,
        running_checks.check_queue,
        running_checks.check_registry,
    )
    return {name: severity for check in checks for name, severity in by_name(check(at)).items()}


@pytest.mark.parametrize(
    ("changed", "name", "severity"),
    [
        ({}, "scanner", OK),
        ({"devices": [CAMERA]}, "scanner", ERROR),
        ({"devices": [SCANNER, SeenDevice("camera-1", DeviceKind.CAMERA, True, "DEVICE_GONE")]}, "camera", ERROR),
        ({"devices": [SeenDevice("x", DeviceKind.FINGERPRINT_SCANNER, False, "DEVICE_GONE")]}, "scanner", ERROR),
        ({"unreachable": ("usbip://a: gone",)}, "device-addresses", ERROR),
        ({"waiting": 3, "oldest": NOW - timedelta(hours=2)}, "queue", OK),
        ({"waiting": 3, "oldest": NOW - timedelta(hours=30)}, "queue", WARNING),
        ({"waiting": 3, "refused": "TOO_LARGE", "refused_sequence": 7}, "queue", ERROR),
        ({"sends": False}, "registry", WARNING),
        ({"registry_reachable": False}, "registry", OK),
        ({"registry_reachable": False, "waiting": 1}, "registry", ERROR),
        ({"offset_ms": -90_000}, "clock-offset", WARNING),
        ({"offset_ms": 86_400_000}, "clock-offset", ERROR),
    ],
)
def test_running_station_is_judged_by_its_state(changed: dict[str, object], name: str, severity: Severity) -> None:
    found = every(state(**changed))
    assert found[name] is severity
    if not changed:
        assert set(found.values()) == {OK}


def test_busy_scanner_names_the_program_that_takes_it() -> None:
    busy = SeenDevice("uru4000-1", DeviceKind.FINGERPRINT_SCANNER, True, "DEVICE_BUSY")
    [finding, _] = running_checks.check_devices(state(devices=[busy, CAMERA]))
    assert "fprintd" in finding.remedy_en
