"""What does a call to the daemon cost, at rest and while a 1080p preview runs? Beside an empty call on the same socket.

The empty call names a method that nobody has, outside of what operator sessions guard: gRPC alone answers it. All calls
take turns, so that what else the machine does meets each alike. Prints a table beside the limit, writes JSON.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.preview_watchers import Looking, watchers
from bench.station import BenchStation, device_of, station_of
from enrollment.cli.connection import Station, connect
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, diagnostics_pb2, outbox_pb2

LIMIT_MS, AIM_MS = 10.0, 3.0  # p99 of lease, list and health calls
EMPTY = "empty call"
PROMISED = ("health Check", "ListDevices", "GetDevice", "HoldLease, until granted", "RenewLease", "ReleaseLease")
WARM_UP_ROUNDS = 20
STATION = {"camera": ["camera"], "scanner": ["scanner"]}

Call = Callable[[], object]


@contextmanager
def calls_of(here: BenchStation, station: Station) -> Iterator[dict[str, Call]]:
    """The calls, by name; each waits for its answer. In this order a lease is taken, renewed and given back."""
    scanner = device_of(station, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)
    devices = station.devices
    held: list[tuple[str, Any]] = []

    def hold() -> None:
        call = devices.HoldLease(device_pb2.HoldLeaseRequest(device_id=scanner, client_name="bench"))
        held.append((next(call).granted.lease_id, call))

    def renew() -> None:
        devices.RenewLease(device_pb2.RenewLeaseRequest(lease_id=held[-1][0]))

    def release() -> None:
        lease_id, _ = held.pop()
        devices.ReleaseLease(device_pb2.ReleaseLeaseRequest(lease_id=lease_id))

    with grpc.insecure_channel(f"unix:{here.socket}") as channel:
        nothing: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Nothing/Nothing")
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")

        def empty() -> None:
            with suppress(grpc.RpcError):
                nothing(b"")

        serving = health_pb2.HealthCheckResponse.FromString(check(b"")).status
        if serving != health_pb2.HealthCheckResponse.SERVING:
            raise click.ClickException("the daemon does not serve")
        yield {
            EMPTY: empty,
            "health Check": lambda: check(b""),
            "ListDevices": lambda: devices.ListDevices(device_pb2.ListDevicesRequest()),
            "GetDevice": lambda: devices.GetDevice(device_pb2.GetDeviceRequest(device_id=scanner)),
            "HoldLease, until granted": hold,
            "RenewLease": renew,
            "ReleaseLease": release,
            "GetLedger": lambda: station.outbox.GetLedger(outbox_pb2.GetLedgerRequest()),
            "GetStatus": lambda: station.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest()),
        }


def timed_ms(call: Call) -> float:
    """How long one call took."""
    began = perf_counter()
    call()
    return 1000 * (perf_counter() - began)


def figures(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, 99th percentile, and both beside their peers, of each call."""
    rows = {
        name: {"p50_ms": statistics.median(taken), "p99_ms": statistics.quantiles(taken, n=100)[-1]}
        for name, taken in times.items()
    }
    empty = dict(rows[EMPTY])
    for row in rows.values():
        row |= {f"{key}_of_empty": row[f"{key}_ms"] / empty[f"{key}_ms"] for key in ("p50", "p99")}
        row["p99_of_limit"] = row["p99_ms"] / LIMIT_MS
    return rows


def measure(calls: dict[str, Call], rounds: int, console: Console, name: str) -> dict[str, dict[str, float]]:
    """So many rounds, one call after the other in each."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in track(range(WARM_UP_ROUNDS + rounds), name, console=console, transient=True):
        for call_name, call in calls.items():
            taken = timed_ms(call)
            if number >= WARM_UP_ROUNDS:
                times[call_name].append(taken)
    return figures(times)


def table_of(results: dict[str, dict[str, dict[str, float]]]) -> Table:
    """The figures of each state side by side."""
    table = Table("Call", title="What a call costs, ms")
    for state in results:
        for heading in (f"{state}: p50", "/ empty", "p99", "/ empty", f"/ {LIMIT_MS:.0f} ms"):
            table.add_column(heading, justify="right")
    for call in next(iter(results.values())):
        cells = []
        for rows in results.values():
            row = rows[call]
            share = f"{row['p99_of_limit']:.2f}" if call in PROMISED else ""
            for key in ("p50", "p99"):
                cells += [f"{row[f'{key}_ms']:.2f}", f"{row[f'{key}_of_empty']:.1f}"]
            cells.append(share)
        table.add_row(call, *cells)
    return table


@click.command()
@click.option("--rounds", type=click.IntRange(100, 100_000), default=500, show_default=True, help="In each state.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, out: Path, as_json: bool) -> None:
    """Time the daemon's cheap calls at rest and under a preview."""
    console = Console(stderr=True) if as_json else bench_console()
    results = {}
    with station_of(STATION) as here, connect(here.socket, here.token) as station, calls_of(here, station) as calls:
        results["at rest"] = measure(calls, rounds, console, "at rest")
        camera = device_of(station, device_pb2.DEVICE_KIND_CAMERA)
        with held_lease(station, camera, client_name="bench") as lease:
            request = capture_pb2.WatchPreviewRequest(lease=lease, max_frames_per_second=30)
            with watchers(here, Looking(1, True, request.SerializeToString())):
                results["1080p preview"] = measure(calls, rounds, console, "1080p preview")
    console.print(table_of(results))
    out.mkdir(parents=True, exist_ok=True)
    (out / "calls.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
