"""`python -m enrollment.service.diagnostics checks|udev-rules`: what is seen without the daemon, for enrollctl.

Both print and change nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from enrollment.core.errors import EnrollmentError
from enrollment.service.config import StationConfig, SystemClock, load_config
from enrollment.service.diagnostics import checks, udev
from enrollment.service.diagnostics.findings import Finding, Severity, worst_first


@click.group()
def main() -> None:
    """Look at this machine without the daemon."""


@main.command("checks")
@click.option("--config", "path", type=click.Path(path_type=Path), help="station.toml; without it only the machine.")
def run(path: Path | None) -> None:
    """Print one JSON object: findings, and the names of the checks that were not seen."""
    config: StationConfig | None = None
    found: list[Finding] = []
    if path is not None:
        try:
            config = load_config(path)
        except EnrollmentError as error:
            found.append(
                Finding(
                    "configuration",
                    Severity.ERROR,
                    f"Không dùng được cấu hình: {error} [{error.reason}].",
                    f"The configuration cannot be used: {error} [{error.reason}].",
                    "Sửa station.toml tại chỗ được nêu.",
                    "Correct station.toml where it says.",
                )
            )
    found += checks.run_checks(checks.this_machine(SystemClock().now()), config, None)
    unseen = checks.names(checks.RUNNING) + ([] if config is not None else checks.names(checks.STATION))
    report = {"findings": [finding.as_json() for finding in worst_first(found)], "not_seen": unseen}
    click.echo(json.dumps(report, ensure_ascii=False))


@main.command("udev-rules")
@click.option("--group", default=udev.DEFAULT_GROUP, show_default=True, help="Who may open the devices.")
def udev_rules(group: str) -> None:
    """Print one JSON object: the rules' file name and text."""
    if udev.GROUP.fullmatch(group) is None:
        raise click.BadParameter("not a system group's name", param_hint="--group")
    click.echo(json.dumps({"file": udev.RULES_FILE, "text": udev.rules(checks.usb_ids(), group)}))


if __name__ == "__main__":
    main()
