"""Each check of the machine, on a tree of files that shows one fault."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enrollment.service.diagnostics import checks, machine_checks, udev, usb_checks
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
IDS = frozenset({(0x05BA, 0x000A), (0x045E, 0x00CA)})


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A root of its own, that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        Path(folder).chmod(0o755)
        yield Machine(NOW, IDS, Path(folder))


def put(machine: Machine, path: str, text: str = "") -> Path:
    file = machine.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def plug(machine: Machine, port: str, ids: str, *, power: str = "on", node: bool = True) -> Path:
    vendor, product = ids.split(":")
    here = f"{usb_checks.SYSFS_USB}/{port}"
    for name, text in (("idVendor", vendor), ("idProduct", product), ("busnum", "1"), ("devnum", "7")):
        put(machine, f"{here}/{name}", text + "\n")
    put(machine, f"{here}/power/control", power + "\n")
    put(machine, f"{usb_checks.SYSFS_USB}/{port}:1.0/bInterfaceClass", "ff\n")
    file = machine.root / "dev/bus/usb/001/007"
    return put(machine, "dev/bus/usb/001/007") if node else file


def severities(findings: Iterator[Finding]) -> list[Severity]:
    found = list(findings)
    for finding in found:
        well = finding.severity is Severity.OK
        assert bool(finding.remedy_vi) is bool(finding.remedy_en) is not well, "a fault has a remedy in both languages"
        assert finding.text_vi != finding.text_en
    return [finding.severity for finding in found]


@pytest.mark.parametrize(
    ("available_kib", "severity"),
    [(8_000_000, Severity.OK), (200_000, Severity.WARNING), (50_000, Severity.ERROR)],
)
def test_memory_that_runs_out_is_told(machine: Machine, available_kib: int, severity: Severity) -> None:
    put(machine, "proc/meminfo", f"MemTotal: 9000000 kB\nMemAvailable:   {available_kib} kB\n")
    assert severities(machine_checks.check_memory(machine)) == [severity]


def test_clock_is_well_only_where_a_time_service_says_so(machine: Machine) -> None:
    assert severities(machine_checks.check_clock(machine)) == [Severity.WARNING]
    put(machine, "run/systemd/timesync/synchronized")
    assert severities(machine_checks.check_clock(machine)) == [Severity.OK]


def test_pcsc_service_absent_dead_and_listening_are_told_apart(machine: Machine) -> None:
    [absent] = machine_checks.check_pcsc(machine)
    assert (absent.severity, "apt install pcscd" in absent.remedy_en) == (Severity.WARNING, True)
    path = machine.root / machine_checks.PCSC_SOCKET
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        [dead] = machine_checks.check_pcsc(machine)
        assert (dead.severity, "restart" in dead.remedy_en) == (Severity.WARNING, True)
        listening.listen()
        assert severities(machine_checks.check_pcsc(machine)) == [Severity.OK]


def test_desktop_program_that_takes_scanners_is_named(machine: Machine) -> None:
    put(machine, "proc/1/comm", "systemd\n")
    assert severities(machine_checks.check_rivals(machine)) == [Severity.OK]
    put(machine, "proc/812/comm", "fprintd\n")
    [finding] = machine_checks.check_rivals(machine)
    assert finding.severity is Severity.WARNING
    assert "fprintd" in finding.text_en


def test_udev_rules_absent_old_and_current_are_told_apart(machine: Machine) -> None:
    assert severities(udev.check_udev_rules(machine)) == [Severity.WARNING]
    older = frozenset({(0x05BA, 0x000A)})
    put(machine, f"etc/udev/rules.d/{udev.RULES_FILE}", udev.rules(older, "scanners"))
    [old] = udev.check_udev_rules(machine)
    assert (old.severity, "not this version's" in old.text_en) == (Severity.WARNING, True)
    put(machine, f"etc/udev/rules.d/{udev.RULES_FILE}", udev.rules(IDS, "scanners"))
    assert severities(udev.check_udev_rules(machine)) == [Severity.OK]


def test_rules_name_every_device_of_the_catalogue_and_come_before_the_seats() -> None:
    every = checks.usb_ids()
    text = udev.rules(every, "enrollment")
    line = re.compile(
        r'ATTR\{idVendor\}=="([0-9a-f]{4})", ATTR\{idProduct\}=="([0-9a-f]{4})", GROUP="enrollment", MODE="0660",'
        r' ATTR\{power/control\}="on"'
    )
    named = {(int(match[1], 16), int(match[2], 16)) for match in map(line.fullmatch, text.splitlines()) if match}
    assert named == every
    assert (0x05BA, 0x000A) in every
    assert udev.RULES_FILE < "73-seat-late.rules"
    gotos, labels = re.findall(r'GOTO="(\w+)"', text), re.findall(r'LABEL="(\w+)"', text)
    assert set(gotos) == set(labels)


def test_rules_know_a_reflex_camera_by_its_interface_and_keep_the_desktop_off_it() -> None:
    text = udev.rules(frozenset(), "enrollment")
    [line] = [line for line in text.splitlines() if "060101" in line]
    match, *assignments = line.split(", ")
    assert match == 'ENV{ID_USB_INTERFACES}=="*:060101:*"'
    assert assignments == [
        'GROUP="enrollment"', 'MODE="0660"', 'ATTR{power/control}="on"', 'ENV{ID_GPHOTO2}=""',
    ]  # fmt: skip
    # Only usb_id fills the property; without an earlier file that asked it, the line would match nothing.
    assert text.index('IMPORT{builtin}="usb_id"') < text.index(line)
    assert "60-libgphoto2" < udev.RULES_FILE < "70-uaccess.rules"


def test_rules_keep_video_cameras_awake_and_leave_their_rights_alone() -> None:
    text = udev.rules(frozenset(), "enrollment")
    assert 'ENV{ID_USB_INTERFACES}=="*:0e01*", ATTR{power/control}="on"' in text.splitlines()
    assert text.index('IMPORT{builtin}="usb_id"') < text.index("0e01")


def test_only_devices_of_the_catalogue_are_looked_at(machine: Machine) -> None:
    plug(machine, "1-2", "1d6b:0002")
    assert usb_checks.plugged(machine) == []
    assert severities(usb_checks.check_access(machine)) == [Severity.OK]
    plug(machine, "1-3", "05ba:000a")
    assert [device.port for device in usb_checks.plugged(machine)] == ["1-3"]
    assert severities(usb_checks.check_access(machine)) == [Severity.OK]


def test_device_without_its_node_is_an_error(machine: Machine) -> None:
    plug(machine, "1-3", "05ba:000a", node=False)
    [finding] = usb_checks.check_access(machine)
    assert (finding.severity, "container" in finding.remedy_en) == (Severity.ERROR, True)


def test_device_that_this_user_may_not_open_is_an_error_with_the_rule_as_remedy(machine: Machine) -> None:
    plug(machine, "1-3", "05ba:000a").chmod(0)
    usb_checks.check_access(machine)  # imports what it needs, which somebody else may not be allowed to read
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:  # root may open everything: somebody else looks
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            [finding] = usb_checks.check_access(machine)
            os.write(writing, f"{finding.severity.name} {finding.remedy_en}".encode())
        except BaseException as error:  # noqa: BLE001  it must never go on as a second pytest
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert said.read().startswith("ERROR Run sudo enrollctl setup-udev")
    assert os.waitpid(child, 0)[1] == 0


def test_device_that_may_be_put_to_sleep_is_told(machine: Machine) -> None:
    assert severities(usb_checks.check_power(machine)) == []
    plug(machine, "1-3", "045e:00ca", power="auto")
    assert severities(usb_checks.check_power(machine)) == [Severity.WARNING]
    plug(machine, "1-3", "045e:00ca", power="on")
    assert severities(usb_checks.check_power(machine)) == [Severity.OK]


def test_check_that_fails_itself_is_a_finding_and_the_others_are_made(machine: Machine) -> None:
    put(machine, "proc/meminfo", "MemAvailable: lots kB\n")
    found = {finding.check: finding for finding in checks.run_checks(machine, None, None)}
    assert found["memory"].text_en == "This could not be checked (ValueError)."
    assert found.keys() >= {"clock-sync", "udev-rules", "usb-access", "device-rivals", "pcsc-service"}
