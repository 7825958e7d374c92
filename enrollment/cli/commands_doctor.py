"""enrollctl doctor: is the station well, and if not, what to do. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from enrollment.cli.connection import Station
from enrollment.cli.doctor import outside
from enrollment.cli.doctor.report import Finding, Report, Severity
from enrollment.cli.failure import Refusal
from enrollment.cli.output import Output
from enrollment.cli.session import Session
from enrollment.cli.station_side import StationSideFailed, ask

CONFIG_NAME: Final = "station.toml"
LONGEST_NAME: Final = 22  # columns of a check's name
ALL_OTHERS: Final = "all other checks"
MARKS: Final = {Severity.OK: ("ok ", "green"), Severity.WARNING: ("!  ", "yellow"), Severity.ERROR: ("!! ", "red")}


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="ENROLL_CONFIG",
    help="station.toml, for when the daemon does not answer; looked for beside the socket if not given.",
)
@click.pass_context
def doctor(ctx: click.Context, config: Path | None) -> None:
    """Check the station: service, devices, rights, udev, PC/SC, disk, clock, keys, queue; each finding with its remedy.

    Works without the daemon for what can be seen without it, and says what could not be seen. Exit status: 0 all is
    well, 1 there are warnings, 2 there are errors (the convention of monitoring plugins).
    """
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    report = examine(session, config)
    _show(session.out, report)
    session.out.value(report.as_json())
    ctx.exit(int(report.worst))


def examine(session: Session, config: Path | None) -> Report:
    """Make every check that can be made."""
    if session.address is not None:
        return _examine_shared(session)
    if session.socket is None:
        found = [
            Finding(
                "service",
                Severity.ERROR,
                "Chưa nêu socket của dịch vụ.",
                "The daemon's socket is not named.",
                "Đặt ENROLL_SOCKET hoặc --socket.",
                "Set ENROLL_SOCKET or --socket.",
            )
        ]
    else:
        found = [outside.check_service(session.socket)]
    if found[0].severity is Severity.OK:
        with _station(session) as station:
            if isinstance(station, Finding):
                found.append(station)
            else:
                answered, made = outside.ask_daemon(station)
                found += answered
                if made:
                    return Report.of(found, "daemon", ())
    return _without_daemon(found, config or _beside(session.socket))


def _examine_shared(session: Session) -> Report:
    """A station on another PC: what of it is seen from here, and what its daemon says of itself."""
    unseen = (ALL_OTHERS,)
    try:
        shared = session.shared_station()
    except Refusal as refusal:
        return Report.of([outside.papers_refused(refusal.failure)], "nobody", unseen)
    found = [outside.check_papers(shared.expires, datetime.now(UTC)), outside.check_shared_service(shared)]
    if found[-1].severity is Severity.OK:
        with _station(session) as station:
            if isinstance(station, Finding):
                found.append(station)
            else:
                answered, made = outside.ask_daemon(station)
                found += answered
                if made:
                    return Report.of(found, "daemon", ())
    return Report.of(found, "nobody", unseen)


@contextmanager
def _station(session: Session) -> Iterator[Station | Finding]:
    """The connected station, or why there is no session."""
    if session.token is None and session.token_file is None:
        yield outside.no_session("chưa đặt token", "no token is named")
        return
    try:
        opened = session.station()
        station = opened.__enter__()
    except click.UsageError as error:
        yield outside.no_session(error.message, error.message)
        return
    try:
        yield station
    finally:
        opened.__exit__(None, None, None)


def _without_daemon(found: list[Finding], config: Path | None) -> Report:
    try:
        answer = ask(["checks", *(["--config", str(config)] if config is not None else [])])
    except StationSideFailed as failed:
        found.append(
            Finding(
                "installation",
                Severity.ERROR,
                f"Phần mềm của trạm không chạy được: {failed}.",
                f"The station's software does not run: {failed}.",
                "Cài lại: ./run setup",
                "Install it again: ./run setup",
            )
        )
        return Report.of(found, "nobody", (ALL_OTHERS,))
    found += [Finding.of_json(finding) for finding in answer["findings"]]
    return Report.of(found, "this user", answer["not_seen"])


def _beside(socket: Path | None) -> Path | None:
    """The configuration where `enrolld init` puts it: beside the socket."""
    path = None if socket is None else socket.parent / CONFIG_NAME
    return path if path is not None and path.exists() else None


def _show(out: Output, report: Report) -> None:
    for finding in report.findings:
        mark, style = MARKS[finding.severity]
        out.item(f"{mark}{finding.check:{LONGEST_NAME}}", finding.text_en, finding.text_vi, style=style)
        if finding.remedy_en:
            out.item(f"{'':{len(mark) + LONGEST_NAME}}-> ", finding.remedy_en, finding.remedy_vi)
    if report.not_seen:
        names = ", ".join(report.not_seen)
        out.say(
            f"not seen, the daemon was not asked: {names}",
            f"chưa thấy, vì chưa hỏi được dịch vụ: {names.replace(ALL_OTHERS, 'mọi kiểm tra khác')}",
            style="yellow",
        )
    errors, warnings, well = (
        sum(finding.severity is severity for finding in report.findings)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.OK)
    )
    out.say(
        f"errors: {errors}, warnings: {warnings}, well: {well}",
        f"lỗi: {errors}, cảnh báo: {warnings}, tốt: {well}",
        style=f"bold {MARKS[report.worst][1]}",
    )
