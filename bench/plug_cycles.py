"""Does anything stay behind when a scanner is unplugged and plugged in ten thousand times?

A daemon, a scanner's firmware model and a client, each a process. Each cycle pulls the scanner out and plugs it in
again; in every fourth a capture waits for a finger meanwhile, so that an open handle, its threads and its connection
die with it. Counted in the daemon: threads, file handles, resident memory, and whether each cycle was a generation.
Measured: how long after the hand moved the client hears of it. Prints tables, writes JSON and a plot.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import click
import grpc
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.plug_cycles_plot import plot
from bench.processes import resident_mib
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.processes import Running, await_ready, launch, run_to_end
from enrollment.cli.demo.station import DAEMON, STUBS
from enrollment.cli.demo.subject import Control
from enrollment.cli.failure import describe
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2

POLL_MS: Final = 50  # the least that a station may be told; one cycle waits for two looks at least
OPEN_EVERY: Final = 4
WARM_UP: Final = 20  # pools, caches and the first open handle come before the first count
AT_ONCE: Final = 16
SAMPLES: Final = 100
CHANGE_TIMEOUT_S: Final = 30.0
REST_S: Final = 0.3  # within which there is a moment without a look
ENDED_S: Final = 10.0
POOLS_GROW: Final = 2  # threads and handles that gRPC's own pool may add; each open handle left behind adds as many


@dataclass(frozen=True, slots=True)
class Count:
    """What the daemon holds at rest, the scanner plugged in."""

    cycle: int
    threads: int
    handles: int
    memory_mib: float
    generation: int


@dataclass(slots=True)
class Run:
    """counts: from after the warm-up to the end. *_ms: from the hand's move to the client's news of it."""

    cycles: int
    poll_ms: int
    counts: list[Count] = field(default_factory=list)
    attach_ms: list[float] = field(default_factory=list)
    detach_idle_ms: list[float] = field(default_factory=list)
    detach_open_ms: list[float] = field(default_factory=list)
    lost_generations: int = 0


@dataclass(frozen=True, slots=True)
class Bus:
    """A station with one scanner."""

    station: Station
    hand: Control
    pid: int
    poll_ms: int


@contextmanager
def running_bus(folder: Path, poll_ms: int = POLL_MS) -> Iterator[Bus]:
    """Start the scanner's model and a daemon in an empty folder. Raises ProcessFailed."""
    with ExitStack() as stack:

        def start(name: str, module: str, *arguments: str) -> Running:
            running = launch(name, module, arguments, folder / f"{name}.log")
            stack.callback(running.stop)
            return await_ready(running)

        scanner = start("scanner", STUBS, "scanner", "--until-stdin-closes")
        state = folder / "station"
        options = ["--folder", str(state), "--station", "BENCH-01", "--device", str(scanner.ready["url"]), "--json"]
        config = Path(json.loads(run_to_end(DAEMON, ["init", *options]))["config"])
        config.write_text(config.read_text().replace("[devices]\n", f"[devices]\npoll_s = {poll_ms / 1000}\n"))
        daemon = start("enrolld", DAEMON, "run", "--log-level", "warning", "--config", str(config))
        issued = run_to_end(DAEMON, ["issue-session", "--config", str(config), "--operator", "bench", "--json"])
        station = stack.enter_context(connect(Path(str(daemon.ready["socket"])), json.loads(issued)["token"]))
        yield Bus(station, Control(str(scanner.ready["control"])), daemon.process.pid, poll_ms)


class Watch:
    """The client that hears of the scanner."""

    def __init__(self, station: Station) -> None:
        self._changes = station.devices.WatchDevices(device_pb2.WatchDevicesRequest())
        self.device = next(self._changes).device

    def until(self, state: device_pb2.DeviceState.ValueType) -> device_pb2.Device:
        """Read until the scanner is in this state."""
        while (device := next(self._changes).device).state != state:
            pass
        self.device = device
        return device

    def close(self) -> None:
        self._changes.cancel()


def count(bus: Bus, cycle: int, generation: int) -> Count:
    """Count what the daemon holds."""
    process = Path(f"/proc/{bus.pid}")
    threads, handles = (len(list((process / name).iterdir())) for name in ("task", "fd"))
    return Count(cycle, threads, handles, resident_mib(bus.pid), generation)


def count_at_rest(bus: Bus, cycle: int, generation: int, at_first: Count | None = None) -> Count:
    """Count the least that it holds, between looks for devices and once closed ones are let go of.

    at_first: of an earlier count; what there is beyond that and POOLS_GROW gets some seconds to end.
    """
    least = count(bus, cycle, generation)
    began = perf_counter()
    while perf_counter() < began + (REST_S if at_first is None or not _is_more(least, at_first) else ENDED_S):
        sleep(bus.poll_ms / 10_000)
        now = count(bus, cycle, generation)
        least = replace(now, threads=min(least.threads, now.threads), handles=min(least.handles, now.handles))
    return least


def _is_more(now: Count, at_first: Count) -> bool:
    return max(now.threads - at_first.threads, now.handles - at_first.handles) > POOLS_GROW


@contextmanager
def waiting_capture(bus: Bus, device_id: str, dossier_id: str) -> Iterator[None]:
    """A capture that waits for a finger; what is done meanwhile must end it as the unplugged device's."""
    with held_lease(bus.station, device_id, client_name="bench") as lease:
        request = capture_pb2.CaptureFingerprintRequest(
            dossier_id=dossier_id,
            lease=lease,
            position=types_pb2.FINGER_POSITION_RIGHT_THUMB,
            request_id=str(uuid.uuid4()),
        )
        call = bus.station.capture.CaptureFingerprint(request, timeout=CHANGE_TIMEOUT_S)
        next(call)
        yield
        try:
            list(call)
        except grpc.RpcError as error:
            if describe(error).reason != "DEVICE_GONE":
                raise
        else:
            raise AssertionError("the capture outlived its scanner")


def run_cycles(bus: Bus, cycles: int, console: Console) -> Run:
    """Unplug and plug in again, so many times. Raises grpc.RpcError when the daemon does not follow."""
    opening = dossier_pb2.CreateDossierRequest(plan_id="card-issue", request_id=str(uuid.uuid4()))
    dossier_id = bus.station.dossiers.CreateDossier(opening).dossier.dossier_id
    watch = Watch(bus.station)
    name, run = watch.device.device_id, Run(cycles, bus.poll_ms)

    def cycle(number: int) -> None:
        generation = watch.device.generation
        began = 0.0
        with ExitStack() as stack:
            is_open = number % OPEN_EVERY == 0
            if is_open:
                stack.enter_context(waiting_capture(bus, name, dossier_id))
            began = perf_counter()
            bus.hand.send("POST", "/unplug")
            watch.until(device_pb2.DEVICE_STATE_DETACHED)
            (run.detach_open_ms if is_open else run.detach_idle_ms).append(1000 * (perf_counter() - began))
        began = perf_counter()
        bus.hand.send("POST", "/plug")
        watch.until(device_pb2.DEVICE_STATE_READY)
        run.attach_ms.append(1000 * (perf_counter() - began))
        run.lost_generations += watch.device.generation != generation + 1

    with ThreadPoolExecutor(AT_ONCE) as many:  # the daemon's own pools have all their threads before any is counted
        request = dossier_pb2.GetDossierRequest(dossier_id=dossier_id)
        list(many.map(lambda _: bus.station.dossiers.GetDossier(request), range(20 * AT_ONCE)))
    for number in range(WARM_UP):
        cycle(number)
    for latencies in (run.attach_ms, run.detach_idle_ms, run.detach_open_ms):
        latencies.clear()
    run.lost_generations = 0
    run.counts.append(count_at_rest(bus, 0, watch.device.generation))
    every = max(1, cycles // SAMPLES)
    for number in track(range(1, cycles + 1), "plugging", console=console, transient=True):
        cycle(number)
        if number % every == 0 and number < cycles:
            run.counts.append(count(bus, number, watch.device.generation))
    run.counts.append(count_at_rest(bus, cycles, watch.device.generation, run.counts[0]))
    watch.close()
    return run


def summary(run: Run) -> dict[str, Any]:
    """The figures as JSON has them."""
    first, last = run.counts[0], run.counts[-1]
    settled = run.counts[len(run.counts) // 2]  # what allocators keep in reserve has been reached by then

    def spread(latencies: list[float]) -> dict[str, float]:
        ordered = sorted(latencies) or [0.0]
        return {
            "median": statistics.median(ordered),
            "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
            "most": ordered[-1],
            "median_to_poll": statistics.median(ordered) / run.poll_ms,
        }

    return {
        "cycles": run.cycles,
        "poll_ms": run.poll_ms,
        "threads": [first.threads, last.threads],
        "handles": [first.handles, last.handles],
        "generations": [first.generation, last.generation],
        "lost_generations": run.lost_generations,
        "memory_mib": [first.memory_mib, settled.memory_mib, last.memory_mib],
        "memory_ratio_of_second_half": last.memory_mib / settled.memory_mib,
        "attach_ms": spread(run.attach_ms),
        "detach_idle_ms": spread(run.detach_idle_ms),
        "detach_open_ms": spread(run.detach_open_ms),
        "counts": [asdict(counted) for counted in run.counts],
    }


def show(results: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    table = Table("In the daemon", "before", "after", "left behind", title=f"{results['cycles']} cycles")
    for name in ("threads", "handles"):
        before, after = results[name]
        table.add_row(name, str(before), str(after), str(after - before))
    before, after = results["generations"]
    lost = results["cycles"] - (after - before)
    table.add_row("generations", str(before), str(after), f"{lost} of {results['cycles']} not counted")
    first, middle, last = results["memory_mib"]
    table.add_row("memory, MiB", f"{first:.1f}", f"{last:.1f}", f"{last - first:+.1f}; half-way {middle:.1f}")
    console.print(table)
    table = Table("The client hears of", "median ms", "p99 ms", "most ms", "median / time between looks")
    for name in ("attach_ms", "detach_idle_ms", "detach_open_ms"):
        row = results[name]
        table.add_row(
            name.removesuffix("_ms").replace("_", ", "),
            *(f"{row[column]:.1f}" for column in ("median", "p99", "most")),
            f"{row['median_to_poll']:.2f}",
        )
    console.print(table)


@click.command()
@click.option("--cycles", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@click.option(
    "--poll-ms",
    type=click.IntRange(50, 10_000),
    default=POLL_MS,
    show_default=True,
    help="Between looks; stations: 500.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(cycles: int, poll_ms: int, out: Path, as_json: bool) -> None:
    """Unplug a scanner and plug it in again, and count what stays behind. About 10 cycles a second."""
    console = Console(stderr=True) if as_json else bench_console()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_bus(Path(folder), poll_ms) as bus:
        results = summary(run_cycles(bus, cycles, console))
    show(results, console)
    (out / "plug_cycles.json").write_text(json.dumps(results, indent=2) + "\n")
    plot(results, out / "plug_cycles.png")
    console.print(f"{out / 'plug_cycles.json'}  {out / 'plug_cycles.png'}")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
