"""enrollctl device: one device under the technician's eyes."""

from __future__ import annotations

from contextlib import suppress

import click

from enrollment.cli.connection import Station
from enrollment.cli.output import Output
from enrollment.cli.session import with_station
from enrollment.v1 import diagnostics_pb2


@click.group()
def device() -> None:
    """One device: its wire log, its self-test."""


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
