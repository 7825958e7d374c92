"""enrollctl metrics: the daemon's counters, for a Prometheus text file collector."""

from __future__ import annotations

import click

from enrollment.cli.connection import Station
from enrollment.cli.output import Output
from enrollment.cli.session import with_station
from enrollment.v1 import diagnostics_pb2


@click.command()
@with_station
def metrics(station: Station, out: Output) -> None:
    """Print the counters in Prometheus text format."""
    answer = station.diagnostics.GetMetrics(diagnostics_pb2.GetMetricsRequest())
    out.value(answer)
    if not out.as_json:
        click.echo(answer.prometheus_text, nl=False)
