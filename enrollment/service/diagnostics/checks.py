"""The table of checks. Each finding carries the stable name of what was checked; nothing here changes the station."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Final

from drivers import catalogue
from enrollment.service.config import StationConfig
from enrollment.service.diagnostics import (
    camera_checks,
    card_checks,
    card_issue_checks,
    card_revocation_checks,
    folder_checks,
    machine_checks,
    running_checks,
    udev,
    usb_checks,
)
from enrollment.service.diagnostics.findings import Finding, Severity, worst_first
from enrollment.service.diagnostics.place import Machine, MachineCheck, StationCheck, UsbIds
from enrollment.service.diagnostics.running_checks import RunningState

_log = logging.getLogger(__name__)

# Which names a check may give its findings -> the check.
MACHINE: Final[dict[tuple[str, ...], MachineCheck]] = {
    ("memory",): machine_checks.check_memory,
    ("clock-sync",): machine_checks.check_clock,
    ("udev-rules",): udev.check_udev_rules,
    ("usb-access",): usb_checks.check_access,
    ("usb-power",): usb_checks.check_power,
    ("device-rivals",): machine_checks.check_rivals,
    ("pcsc-service",): machine_checks.check_pcsc,
}
STATION: Final[dict[tuple[str, ...], StationCheck]] = {
    ("disk-space",): folder_checks.check_disk,
    ("folder-rights",): folder_checks.check_rights,
    ("keys", "keys-at-rest"): folder_checks.check_keys,
    ("registry-certificate", "registry-trust"): folder_checks.check_certificate,
    ("share",): folder_checks.check_share,
    ("card-signer", "card-keys"): card_issue_checks.check_cards,
    ("card-revocation",): card_revocation_checks.check_revocation,
    ("camera-address",): camera_checks.check_cameras,
    ("card-reader",): card_checks.check_readers,
    ("clock-backwards",): folder_checks.check_clock_against_files,
}
RUNNING: Final[dict[tuple[str, ...], Callable[[RunningState], Iterable[Finding]]]] = {
    ("scanner", "camera", "card-encoder", "device-addresses"): running_checks.check_devices,
    ("queue",): running_checks.check_queue,
    ("registry", "clock-offset"): running_checks.check_registry,
}


def names(table: Iterable[tuple[str, ...]]) -> list[str]:
    """The names of a table's checks."""
    return [name for group in table for name in group]


def usb_ids() -> UsbIds:
    """Of every device that a driver drives, third parties' included."""
    return frozenset(ids for entry in catalogue.entries().values() for ids in entry.usb_ids)


def this_machine(now: datetime) -> Machine:
    """The machine that this process runs on."""
    return Machine(now, usb_ids())


def run_checks(machine: Machine, config: StationConfig | None, state: RunningState | None) -> list[Finding]:
    """Everything that can be seen with what is given, worst first."""
    found = []
    for group, check in MACHINE.items():
        found += _guarded(group, partial(check, machine))
    if config is not None:
        for group, station_check in STATION.items():
            found += _guarded(group, partial(station_check, machine, config))
    if state is not None:
        for group, running_check in RUNNING.items():
            found += _guarded(group, partial(running_check, state))
    return worst_first(found)


def _guarded(group: tuple[str, ...], check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """A check that fails itself must not hide what the others see."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  a machine that nobody thought of; the finding says so
        _log.error("check %s failed: %s", group[0], type(error).__name__)
        return [
            Finding(
                group[0],
                Severity.WARNING,
                f"Không kiểm tra được ({type(error).__name__}).",
                f"This could not be checked ({type(error).__name__}).",
                "Báo cho nhà phát triển.",
                "Tell the makers.",
            )
        ]
