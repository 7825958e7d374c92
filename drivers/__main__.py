"""`python -m drivers list|capture`: look at devices without the daemon.

Exit codes: 0 done, 1 the file cannot be written, 2 wrong usage, 3 no such device, 4 the device failed, 5 nothing came
in time, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any

import click
from PIL import Image

from drivers.discovery import Discovery, FoundDevice, build, discover
from drivers.errors import (
    CaptureCancelled,
    CaptureTimedOut,
    DeviceError,
    DeviceNotFound,
    DriverError,
    UnsupportedDevice,
)
from drivers.frame import Frame
from drivers.messages import Language, language_of, prompt, sentence
from drivers.spi import (
    Camera,
    CancelToken,
    CardEncoder,
    DeviceKind,
    FingerprintScanner,
    ScanEvent,
    StillCamera,
    printable,
)

LONGEST_ADDRESS = 500


class ExitCode(IntEnum):
    """What the shell learns."""

    DONE = 0
    CANNOT_WRITE = 1
    NO_DEVICE = 3
    DEVICE_FAILED = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


class _UsbId(click.ParamType[tuple[int, int]]):
    name = "VID:PID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        try:
            vendor, product = (int(part, 16) for part in str(value).split(":"))
        except ValueError:
            self.fail(f"{value!r} is not two hexadecimal numbers such as 05ba:000a", param, ctx)
        return vendor, product


class _Number(click.ParamType[int]):
    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(str(value), 0)
        except ValueError:
            self.fail(f"{value!r} is not a number such as 0x51EA2124", param, ctx)


_language = click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=None,
    help="Language of the messages; LANG where it is not given.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


@click.group()
def main() -> None:
    """Look at scanners and cameras without the daemon."""
    # Read when OpenCV is loaded, which is later: its own warnings would stand between our sentences.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")


@main.command("list")
@click.option(
    "--address", "addresses", multiple=True, help="usb:, usbip://host:port, http://..., video:, pcsc:; repeatable."
)
@_as_json
@_language
def list_devices(addresses: tuple[str, ...], as_json: bool, lang: str | None) -> None:
    """List what is attached: local USB, or the addresses that are given."""
    language = _choose_language(lang)
    found = discover(addresses or ("usb:",))
    if as_json:
        click.echo(json.dumps(_discovery_as_json(found, language), ensure_ascii=False))
    else:
        for device in found.devices:
            address = printable(device.address, LONGEST_ADDRESS)  # a reader's has its own name in it
            row = f"{device.device_id}  {device.kind.value}  {address}  {device.vendor} {device.model}"
            click.echo(f"{row.rstrip()}  [{prompt(f'proven_{device.proven.value}', language)}]")
        for failure in found.failures:
            click.echo(f"{failure.address}: {sentence(failure.error, language)} [{failure.error}]", err=True)
        if not found.devices:
            click.echo(prompt("nothing_found", language), err=True)
    sys.exit(ExitCode.NO_DEVICE if found.failures and not found.devices else ExitCode.DONE)


@main.command()
@click.option("--usb", "usb_id", type=_UsbId(), default=None, help="The first local device of these USB ids.")
@click.option(
    "--address", default=None, help="As `list` shows it, or a camera's URL. Default: the first local scanner."
)
@click.option(
    "--host-seed",
    "host_seeds",
    type=_Number(),
    multiple=True,
    help="Fixed seed of the image key exchange, to play a recording; repeatable, one for each exchange.",
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), default=30.0, help="Seconds to wait for a finger."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write the picture as PNG.")
@_as_json
@_language
def capture(
    usb_id: tuple[int, int] | None,
    address: str | None,
    host_seeds: tuple[int, ...],
    timeout_s: float,
    out: Path | None,
    as_json: bool,
    lang: str | None,
) -> None:
    """Take one picture, from a scanner or a camera."""
    language = _choose_language(lang)
    cancel = CancelToken()
    signal.signal(signal.SIGINT, lambda *_: cancel.cancel())
    try:
        found = _find(usb_id, address)
        device = build(found, **({"host_seed": host_seeds} if host_seeds else {}))
        if isinstance(device, CardEncoder):
            raise UnsupportedDevice("a card encoder takes no pictures", device_id=found.device_id)
        say = (lambda _: None) if as_json else (lambda name: click.echo(prompt(name, language)))
        complain = partial(_complain, language=language)
        report = _capture_and_save(device, found, timeout_s, cancel, out, say, complain)
    except DriverError as error:
        _report_error(error, as_json, language)
        sys.exit(_exit_code(error))
    except OSError as error:
        click.echo(f"{prompt('cannot_write', language)}: {error.strerror or error}", err=True)
        sys.exit(ExitCode.CANNOT_WRITE)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    elif out is not None:
        click.echo(f"{prompt('saved', language)}: {out}")


def _capture_and_save(
    device: FingerprintScanner | Camera,
    found: FoundDevice,
    timeout_s: float,
    cancel: CancelToken,
    out: Path | None,
    say: Callable[[str], None],
    report_problem: Callable[[DriverError], None],
) -> dict[str, Any]:
    """The report of one picture. report_problem: is told what went wrong when the picture had been taken."""
    started = time.monotonic()
    after: DriverError | None = None
    try:
        device.open()
        opened = time.monotonic()
        if isinstance(device, FingerprintScanner):
            frame, seconds = _scan(device, timeout_s, cancel, say)
        else:
            take = device.take_still if isinstance(device, StillCamera) else device.latest
            frame = take(timeout_s=timeout_s, cancel=cancel)
            seconds = {"frame": time.monotonic() - opened}
        if out is not None:
            _write_png(frame, out)
        if isinstance(device, FingerprintScanner):
            say("lift_finger")
            try:
                device.wait_finger_off(timeout_s=timeout_s, cancel=cancel)
            except DriverError as error:  # the picture is taken all the same
                after = error
        identity = device.identity
    finally:
        device.close()
    if isinstance(after, DeviceError):
        report_problem(after)
    height, width = frame.pixels.shape[:2]
    return {
        "device_id": found.device_id,
        "kind": found.kind.value,
        "driver": found.driver,
        "proven": found.proven.value,
        "identity": asdict(identity),
        "width": width,
        "height": height,
        "resolution_ppi": frame.resolution_ppi,
        "seconds": {"open": round(opened - started, 4)} | {step: round(taken, 4) for step, taken in seconds.items()},
        "out": None if out is None else str(out),
    }


def _scan(
    scanner: FingerprintScanner, timeout_s: float, cancel: CancelToken, say: Callable[[str], None]
) -> tuple[Frame, dict[str, float]]:
    times: dict[ScanEvent, float] = {}

    def note(event: ScanEvent) -> None:
        if event is ScanEvent.WAITING and event not in times:
            say("place_finger")
        times[event] = time.monotonic()

    frame = scanner.capture(timeout_s=timeout_s, cancel=cancel, on_event=note)
    return frame, {
        "wait": times[ScanEvent.FINGER_ON] - times[ScanEvent.WAITING],
        "image": times[ScanEvent.IMAGE] - times[ScanEvent.FINGER_ON],
    }


def _find(usb_id: tuple[int, int] | None, address: str | None) -> FoundDevice:
    """The first device that fits. Raises DeviceNotFound, or why the address could not be looked at."""
    where = "usb:" if address is None else address
    found = discover([where], usb_ids=None if usb_id is None else {usb_id})
    scanners_only = address is None
    for device in found.devices:
        if not scanners_only or device.kind is DeviceKind.FINGERPRINT_SCANNER:
            return device
    for failure in found.failures:
        raise failure.error
    raise DeviceNotFound("nothing of this kind is attached", address=where)


def _write_png(frame: Frame, out: Path) -> None:
    if frame.resolution_ppi is None:
        Image.fromarray(frame.pixels[..., ::-1]).save(out, "PNG")
    else:
        Image.fromarray(frame.pixels).save(out, "PNG", dpi=(frame.resolution_ppi, frame.resolution_ppi))


def _discovery_as_json(found: Discovery, language: Language) -> dict[str, Any]:
    return {
        "devices": [
            asdict(device) | {"kind": device.kind.value, "proven": device.proven.value} for device in found.devices
        ],
        "failures": [{"address": f.address} | _error_as_json(f.error, language) for f in found.failures],
    }


def _error_as_json(error: DriverError, language: Language) -> dict[str, Any]:
    return {"reason": error.reason, "message": sentence(error, language), "detail": str(error), "facts": error.facts}


def _report_error(error: DriverError, as_json: bool, language: Language) -> None:
    if as_json:
        click.echo(json.dumps({"error": _error_as_json(error, language)}, ensure_ascii=False))
    else:
        _complain(error, language)


def _complain(error: DriverError, language: Language) -> None:
    click.echo(f"{sentence(error, language)} [{error}]", err=True)


def _exit_code(error: DriverError) -> ExitCode:
    match error:
        case DeviceNotFound():
            return ExitCode.NO_DEVICE
        case CaptureTimedOut():
            return ExitCode.TIMED_OUT
        case CaptureCancelled():
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.DEVICE_FAILED


def _choose_language(code: str | None) -> Language:
    return language_of() if code is None else Language(code)


if __name__ == "__main__":
    main(prog_name="python -m drivers")
