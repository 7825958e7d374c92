"""Do preview clients that stop reading cost anything? Many clients of a 1080p camera for minutes, half of them stalled.

Every client has a connection of its own; the stalled ones ask for the largest pictures, take one, and never read again.
Meanwhile: the daemon's resident memory, pictures a second of those who read, and what other calls cost. Prints a table
beside the limits, writes JSON and a plot.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import click
import matplotlib as mpl
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.calls import EMPTY, LIMIT_MS, PROMISED, calls_of, figures, timed_ms
from bench.console import bench_console
from bench.preview_watchers import Looking, watchers
from bench.processes import cpu_seconds, resident_mib
from bench.station import BenchStation, device_of, station_of
from enrollment.cli.connection import Station, connect
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2

mpl.use("Agg")
import matplotlib.pyplot as plt

STATION = {"camera": ["camera"], "scanner": ["scanner"]}
RATE = 15.0  # pictures a second that a client gets which asks for none
GROWTH_LIMIT = 1.10
SETTLE_S = 5.0  # from the last client's first picture to the start of the count
PAUSE_S = 0.02  # between two calls


def measure(here: BenchStation, station: Station, clients: int, seconds: float, console: Console) -> dict[str, Any]:
    """Let the clients look for so long."""
    alone = resident_mib(here.pid)
    camera = device_of(station, device_pb2.DEVICE_KIND_CAMERA)
    with held_lease(station, camera, client_name="bench") as lease, calls_of(here, station) as calls:
        small = capture_pb2.WatchPreviewRequest(lease=lease).SerializeToString()
        large = capture_pb2.WatchPreviewRequest(lease=lease, max_side_px=1920, max_frames_per_second=30)
        reading = clients - clients // 2
        groups = (Looking(reading, True, small), Looking(clients // 2, False, large.SerializeToString()))
        with watchers(here, *groups) as (live, _stalled), Progress(console=console, transient=True) as progress:
            sleep(SETTLE_S)
            live.restart_count()
            task = progress.add_task(f"{clients} clients", total=seconds)
            times: dict[str, list[float]] = {name: [] for name in calls}
            memory: list[tuple[float, float]] = []
            began, cpu = perf_counter(), cpu_seconds(here.pid)
            while (now := perf_counter() - began) < seconds:
                memory.append((now, resident_mib(here.pid)))
                progress.update(task, completed=now)
                for name, call in calls.items():
                    times[name].append(timed_ms(call))
                    sleep(PAUSE_S)
            rates = live.pictures_a_second()
            cpu = (cpu_seconds(here.pid) - cpu) / (perf_counter() - began)
    sizes = [mib for _, mib in memory]
    tenth = max(1, len(sizes) // 10)
    before, after = statistics.median(sizes[:tenth]), statistics.median(sizes[-tenth:])
    return {
        "clients": clients,
        "stalled": clients // 2,
        "seconds": seconds,
        "memory_alone_mib": alone,
        "memory_first_tenth_mib": before,
        "memory_last_tenth_mib": after,
        "memory_most_mib": max(sizes),
        "memory_ratio": after / before,
        "memory_most_ratio": max(sizes) / before,
        "memory_mib": memory,
        "pictures_a_second": statistics.median(rates),
        "pictures_a_second_least": min(rates),
        "daemon_cpu_of_a_core": cpu,
        "calls": figures(times),
    }


def show(row: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    title = f"{row['clients']} preview clients, {row['stalled']} of them stalled, {row['seconds'] / 60:.1f} minutes"
    table = Table("", "measured", "beside", "ratio", title=title)
    table.add_row("daemon without clients, MiB", f"{row['memory_alone_mib']:.1f}", "", "")
    first = row["memory_first_tenth_mib"]
    table.add_row("memory in the first tenth, MiB", f"{first:.1f}", "", "")
    for name, key in (("in the last tenth", "last_tenth"), ("at most", "most")):
        mib = row[f"memory_{key}_mib"]
        table.add_row(f"{name}, MiB", f"{mib:.1f}", f"first tenth; limit {GROWTH_LIMIT:.2f}", f"{mib / first:.3f}")
    for name, key in (("pictures/s of a reader, median", ""), ("of the slowest reader", "_least")):
        rate = row[f"pictures_a_second{key}"]
        table.add_row(name, f"{rate:.2f}", f"{RATE:.0f}/s asked for", f"{rate / RATE:.2f}")
    calls = row["calls"]
    worst = max(PROMISED, key=lambda name: float(calls[name]["p99_ms"]))
    for name, title in ((EMPTY, "empty call"), (worst, f"slowest call: {worst}")):
        taken = calls[name]
        table.add_row(f"{title}, p50 ms", f"{taken['p50_ms']:.2f}", "empty call's", f"{taken['p50_of_empty']:.2f}")
        table.add_row(
            f"{title}, p99 ms", f"{taken['p99_ms']:.2f}", f"{LIMIT_MS:.0f} ms", f"{taken['p99_of_limit']:.2f}"
        )
    table.add_row("daemon's CPU, of one core", f"{row['daemon_cpu_of_a_core']:.0%}", "", "")
    console.print(table)


def plot(row: dict[str, Any], path: Path) -> None:
    """Memory over time."""
    figure, axes = plt.subplots(figsize=(8, 4), constrained_layout=True)
    minutes, sizes = [at / 60 for at, _ in row["memory_mib"]], [mib for _, mib in row["memory_mib"]]
    axes.plot(minutes, sizes, linewidth=1, label="resident memory of the daemon")
    first = row["memory_first_tenth_mib"]
    axes.axhline(first, color="0.6", linewidth=1, label="median of the first tenth")
    axes.axhline(GROWTH_LIMIT * first, color="k", linestyle="--", linewidth=1, label="10 % more")
    axes.set(xlabel="minutes", ylabel="MiB", title=f"{row['clients']} preview clients, {row['stalled']} stalled")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 600), default=1.0, show_default=True)
@click.option("--clients", type=click.IntRange(2, 256), default=64, show_default=True, help="Half of them stall.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(minutes: float, clients: int, out: Path, as_json: bool) -> None:
    """Watch the daemon's memory while half of its preview clients never read."""
    console = Console(stderr=True) if as_json else bench_console()
    with station_of(STATION) as here, connect(here.socket, here.token) as station:
        row = measure(here, station, clients, 60 * minutes, console)
    show(row, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / "preview_clients.json").write_text(json.dumps(row) + "\n", "utf-8")
    plot(row, out / "preview_clients.png")
    if as_json:
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
