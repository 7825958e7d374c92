"""enrollctl device: one device under the technician's eyes."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import click
from PIL import Image

from enrollment.cli import words
from enrollment.cli.connection import Station
from enrollment.cli.doctor.report import Finding, Severity
from enrollment.cli.lease import held_lease
from enrollment.cli.output import Output
from enrollment.cli.selftest.page import draw_page
from enrollment.cli.selftest.report import SelfTestReport
from enrollment.cli.session import with_station
from enrollment.v1 import device_pb2, diagnostics_pb2

CLIENT_NAME: Final = "enrollctl selftest"
SETTINGS_CLIENT_NAME: Final = "enrollctl settings"
SETTINGS_HEADINGS: Final = (("Name", "Tên"), ("Setting", "Cài đặt"), ("Value", "Giá trị"), ("Choices", "Lựa chọn"))
# As they are typed: iso, exposure-time.
SETTINGS: Final = {
    name.removeprefix("CAMERA_SETTING_").lower().replace("_", "-"): number
    for name, number in device_pb2.CameraSetting.items()
    if number
}
# What a step asks for: English, Vietnamese.
STEPS: Final = {
    "open": ("opening the device, several times", "mở thiết bị nhiều lần"),
    "empty-platen": (
        "lift every finger and wipe the platen: it must be empty",
        "nhấc mọi ngón tay và lau mặt kính: mặt kính phải trống",
    ),
    "even-surface": (
        "hold a white sheet close before the lens: nobody may be seen",
        "đặt tờ giấy trắng sát trước ống kính: không được thấy ai",
    ),
    "frames": ("taking frames", "chụp hình"),
    "card": ("put a chip card into the reader; it stays as it is", "đặt thẻ chip vào đầu đọc; thẻ không bị thay đổi"),
}
MARKS: Final = {Severity.OK: ("ok", "green"), Severity.WARNING: ("! ", "yellow"), Severity.ERROR: ("!!", "red")}


class _Change(click.ParamType[tuple[str, str]]):
    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        setting, given, chosen = str(value).partition("=")
        if not given or setting not in SETTINGS:
            self.fail(f"{value!r} is not NAME=VALUE with NAME one of {', '.join(SETTINGS)}", param, ctx)
        return setting, chosen


@click.group()
def device() -> None:
    """One device: its wire log, its self-test, a camera's settings."""


@device.command()
@click.argument("device_id")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the report goes; here if not given.",
)
@with_station
def selftest(station: Station, out: Output, device_id: str, folder: Path) -> None:
    """Test a device and leave a report as JSON and on one page.

    The platen must be empty (before a camera: a white sheet): this is checked, and no map is kept where it is not.
    A card reader needs a card, any one, which stays as it is.
    Exit status: 0 all is well, 1 there are warnings, 2 there are errors.
    """
    _make_folder(folder)  # before anybody wipes a platen for nothing
    status = station.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest())
    with held_lease(station, device_id, client_name=CLIENT_NAME) as lease:
        found = station.devices.GetDevice(device_pb2.GetDeviceRequest(device_id=device_id)).device
        report = SelfTestReport(found, status.station_time.ToDatetime(UTC), status.version)
        for event in station.diagnostics.RunDeviceSelfTest(diagnostics_pb2.RunDeviceSelfTestRequest(lease=lease)):
            report.take(event)
            _tell(out, event)
        # Once it was opened, a device says more of itself.
        report.device = station.devices.GetDevice(device_pb2.GetDeviceRequest(device_id=device_id)).device
    page, figures = (folder / f"{report.name}.{kind}" for kind in ("png", "json"))
    try:
        figures.write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
        Image.fromarray(draw_page(report, out.language)).save(page, format="PNG")
    except OSError as error:
        raise click.FileError(str(folder), hint=error.strerror or str(error)) from error
    out.value({"page": str(page), "report": str(figures), **report.as_json()})
    out.say(f"report: {figures}  {page}", f"báo cáo: {figures}  {page}")
    raise click.exceptions.Exit(int(report.worst))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.FileError(str(folder), hint=error.strerror or str(error)) from error


def _tell(out: Output, event: diagnostics_pb2.RunDeviceSelfTestResponse) -> None:
    match event.WhichOneof("event"):
        case "step":
            name = event.step.removeprefix("indicator:")
            en, vi = STEPS.get(event.step, (f"look and listen: {name}", f"hãy nhìn và nghe: {name}"))
            out.say(f".. {en}", f".. {vi}")
        case "measure":
            out.say(
                f"   {event.measure.name} {event.measure.value:.2f}",
                f"   {event.measure.name} {event.measure.value:.2f}",
            )
        case "finding":
            finding = Finding.of_message(event.finding)
            mark, style = MARKS[finding.severity]
            out.say(f"{mark} {finding.text_en}", f"{mark} {finding.text_vi}", style=style)
            if finding.remedy_en:
                out.say(f"   -> {finding.remedy_en}", f"   -> {finding.remedy_vi}")


@device.command()
@click.argument("device_id")
@click.option("--lines", "most", type=click.IntRange(1), help="End after so many lines.")
@with_station
def trace(station: Station, out: Output, device_id: str, most: int | None) -> None:
    """Show the transfers of a device as they happen, until Ctrl-C: direction, register, length, time; no content."""
    call = station.diagnostics.TraceDevice(diagnostics_pb2.TraceDeviceRequest(device_id=device_id))
    with suppress(KeyboardInterrupt):
        for count, answer in enumerate(call, 1):
            out.value(answer)
            if not out.as_json:
                click.echo(f"{answer.time.ToNanoseconds() / 1e9:10.4f}  {answer.line}")
            if count == most:
                break
    call.cancel()


@device.command()
@click.argument("device_id")
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...", type=_Change())
@with_station
def settings(station: Station, out: Output, device_id: str, changes: tuple[tuple[str, str], ...]) -> None:
    """Show what of a camera can be set, after setting what is given: iso=400 aperture=f/5.6.

    NAME is the first column, VALUE one of the choices as they are shown.
    """
    with held_lease(station, device_id, client_name=SETTINGS_CLIENT_NAME) as lease:
        for name, value in changes:
            request = device_pb2.ChangeCameraSettingRequest(lease=lease, setting=SETTINGS[name], value=value)
            station.devices.ChangeCameraSetting(request)
        listed = station.devices.ListCameraSettings(device_pb2.ListCameraSettingsRequest(lease=lease))
    out.value(listed)
    names = {number: name for name, number in SETTINGS.items()}
    out.table(
        SETTINGS_HEADINGS,
        [
            (
                names.get(state.setting, str(state.setting)),
                words.camera_setting(state.setting, out.language),
                state.value,
                "  ".join(state.choices),
            )
            for state in listed.settings
        ],
    )
    if not listed.settings:
        out.say("nothing of this device can be set from here", "thiết bị này không có gì để cài đặt từ đây")
