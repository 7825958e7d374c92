"""How exactly each scanner's driver keeps a time-out and a cancel while it waits for a finger, on its device model."""

from __future__ import annotations

import statistics
import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import click
from rich.console import Console
from rich.progress import track

from drivers import discovery
from drivers.errors import CaptureCancelled, CaptureTimedOut
from drivers.spi import CancelToken, FingerprintScanner, ScanEvent
from enrollment.cli.demo.processes import await_ready, launch
from enrollment.cli.demo.station import STUBS

MODELS = {model: ["scanner", "--model", model] for model in ("4500", "msv2", "nb1010", "fs81", "zk4500", "fdu2000")} | {
    "tenprint": ["tenprint"]
}
PATIENT_S = 600.0
SETTLE_S = 0.03  # between two cancels' moments: a wait is cut into slices


def measure_drivers(times: int, timeout_s: float, console: Console) -> dict[str, dict[str, float]]:
    """Of each model: milliseconds past the time limit, and from a cancel to its end; median and most."""
    rows = {}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for name, arguments in track(MODELS.items(), "drivers", console=console, transient=True):
            stub = launch(name, STUBS, [*arguments, "--until-stdin-closes"], Path(folder) / name)
            stack.callback(stub.stop)
            found = discovery.discover((str(await_ready(stub).ready["url"]),)).devices[0]
            scanner = discovery.build(found)
            if not isinstance(scanner, FingerprintScanner):
                raise click.ClickException(f"{name} is no scanner")
            scanner.open()
            _late_ms(scanner, timeout_s)  # the first wait powers the device up
            late = [_late_ms(scanner, timeout_s) for _ in range(times)]
            cancelled = [_cancel_ms(scanner, SETTLE_S * (1 + number % 5)) for number in range(times)]
            scanner.close()
            rows[name] = {
                "late_median_ms": statistics.median(late),
                "late_most_ms": max(late),
                "cancel_median_ms": statistics.median(cancelled),
                "cancel_most_ms": max(cancelled),
            }
    return rows


def _late_ms(scanner: FingerprintScanner, timeout_s: float) -> float:
    began_s = monotonic()
    try:
        scanner.capture(timeout_s=timeout_s, cancel=CancelToken(), on_event=lambda _: None)
    except CaptureTimedOut:
        return 1000 * (monotonic() - began_s - timeout_s)
    raise click.ClickException("a picture of nobody's finger was taken")


def _cancel_ms(scanner: FingerprintScanner, settle_s: float) -> float:
    cancel, waits = CancelToken(), threading.Event()
    ended_s: list[float] = []

    def on_event(event: ScanEvent) -> None:
        if event is ScanEvent.WAITING:
            waits.set()

    def run() -> None:
        try:
            scanner.capture(timeout_s=PATIENT_S, cancel=cancel, on_event=on_event)
        except CaptureCancelled:
            ended_s.append(monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    waits.wait()
    thread.join(settle_s)
    began_s = monotonic()
    cancel.cancel()
    thread.join()
    if not ended_s:
        raise click.ClickException("the capture ended before it was cancelled")
    return 1000 * (ended_s[0] - began_s)
