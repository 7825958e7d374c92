"""Does a capture end when it should? Time-outs and cancels over the daemon's API, in each state that it can wait in.

A time-out is measured from the event that tells of the wait to the answer that ends it: a little less than the limit,
where the device powers up within it. A cancel is measured from the client's cancel to the first event of the next
capture on the same device: only then is the device free. Each scanner's driver alone follows (`driver_ends`). Prints
tables beside the limits, writes JSON.
"""

from __future__ import annotations

import itertools
import json
import statistics
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import click
import grpc
import numpy as np
from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.driver_ends import measure_drivers
from bench.station import BenchStation, device_of, station_of
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.subject import Control
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2

STATION = {"scanner": ["scanner"], "camera": ["camera"]}
CANCEL_LIMIT_MS = 200.0
TIMEOUT_S = 0.5
PATIENT_S = 600.0
AFTER_LANDING_S = (0.0, 0.17)  # an image takes 128 ms, its judgement and its write some 20 more
RIGHT, WRONG = 1, 2  # the finger that is asked for, and one that the dossier holds already


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs. scanner, camera: leases."""

    station: Station
    platen: Control
    scene: Control
    dossier_id: str
    scanner: capture_pb2.LeaseReference
    camera: capture_pb2.LeaseReference

    def lay(self, finger: int) -> None:
        self.platen.send("PUT", f"/platen?finger={finger}&impression=0")

    def lift(self) -> None:
        self.platen.send("DELETE", "/platen")

    def finger(self, timeout_s: float = PATIENT_S) -> Any:
        """Begin a capture of the finger."""
        request = capture_pb2.CaptureFingerprintRequest(
            dossier_id=self.dossier_id,
            lease=self.scanner,
            position=types_pb2.FINGER_POSITION_RIGHT_THUMB,
            replace=True,
            request_id=str(uuid.uuid4()),
            finger_timeout=Duration(seconds=int(timeout_s), nanos=round(timeout_s % 1 * 1e9)),
        )
        return self.station.capture.CaptureFingerprint(request)

    def portrait(self) -> Any:
        """Begin a capture of the portrait."""
        request = capture_pb2.CapturePortraitRequest(
            dossier_id=self.dossier_id, lease=self.camera, replace=True, request_id=str(uuid.uuid4())
        )
        return self.station.capture.CapturePortrait(request)


def until(call: Any, name: str) -> None:
    """Read a capture's events up to one."""
    for answer in call:
        if answer.WhichOneof("event") == name:
            return
    raise click.ClickException(f"the capture ended before {name}")


def late_ms(call: Any) -> float:
    """Milliseconds from the time limit to the answer that says so; from the event that was read last."""
    began = perf_counter()
    try:
        for _ in call:
            began = perf_counter()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return 1000 * (perf_counter() - began - TIMEOUT_S)
    raise click.ClickException("the capture did not time out")


def timeouts(bench: Bench) -> Iterator[tuple[str, Callable[[], float]]]:
    """What is waited for, and how to measure once how late its end is."""

    def finger() -> float:
        return late_ms(bench.finger(TIMEOUT_S))

    def lift() -> float:
        call = bench.finger(TIMEOUT_S)
        until(call, "waiting")
        bench.lay(WRONG)
        until(call, "lift_finger")
        late = late_ms(call)
        bench.lift()
        return late

    yield "a finger", finger
    yield "its leaving", lift


def cancel_ms(call: Any, begin: Callable[[], Any]) -> float:
    """Milliseconds from the cancel to the first event of the capture that follows, which is cancelled too."""
    began = perf_counter()
    call.cancel()
    following = begin()
    next(following)
    taken = 1000 * (perf_counter() - began)
    following.cancel()
    return taken


def cancels(bench: Bench, moments_s: Iterator[float]) -> Iterator[tuple[str, Callable[[], float]]]:
    """A state, and how to measure once how long a cancel takes in it. moments_s: after the finger's landing."""

    def waiting() -> float:
        call = bench.finger()
        until(call, "waiting")
        return cancel_ms(call, bench.finger)

    def after_landing() -> float:
        call = bench.finger()
        until(call, "waiting")
        bench.lay(RIGHT)
        until(call, "finger_on")
        sleep(next(moments_s))
        taken = cancel_ms(call, bench.finger)
        bench.lift()
        return taken

    def stalled() -> float:
        bench.platen.send("PUT", "/fault", json.dumps({"kind": "stall", "times": 1}).encode())
        call = bench.finger()
        until(call, "waiting")
        bench.lay(RIGHT)
        until(call, "finger_on")
        sleep(0.1)
        taken = cancel_ms(call, bench.finger)
        bench.lift()
        bench.platen.send("DELETE", "/fault")
        return taken

    def lifting() -> float:
        call = bench.finger()
        until(call, "waiting")
        bench.lay(WRONG)
        until(call, "lift_finger")
        taken = cancel_ms(call, bench.finger)
        bench.lift()
        return taken

    def no_frame() -> float:
        bench.scene.send("PUT", "/fault", b'{"kind": "stall"}')
        call = bench.portrait()
        until(call, "waiting")
        sleep(0.1)
        taken = cancel_ms(call, bench.portrait)
        bench.scene.send("DELETE", "/fault")
        return taken

    def judging_portraits() -> float:
        call = bench.portrait()
        until(call, "waiting")
        sleep(next(moments_s) / 3)
        return cancel_ms(call, bench.portrait)

    yield "a finger is waited for", waiting
    yield "its image comes, is judged or written", after_landing
    yield "its image has stopped halfway", stalled
    yield "its leaving is waited for", lifting
    yield "a camera sends nothing", no_frame
    yield "a camera's frames are judged", judging_portraits


def figures(taken: list[float]) -> dict[str, float]:
    return {"median_ms": statistics.median(taken), "most_ms": max(taken)}


def measure(bench: Bench, times: int, console: Console) -> dict[str, dict[str, dict[str, float]]]:
    """Everything, so many times each."""
    generator = np.random.default_rng(1)
    moments_s = (float(generator.uniform(*AFTER_LANDING_S)) for _ in itertools.count())
    groups = {"time-outs": list(timeouts(bench)), "cancels": list(cancels(bench, moments_s))}
    return {
        group: {
            name: figures([once() for _ in track(range(times), name, console=console, transient=True)])
            for name, once in cases
        }
        for group, cases in groups.items()
    }


def show(results: dict[str, dict[str, dict[str, float]]], console: Console) -> None:
    """The figures as tables."""
    title = f"Time-outs of {1000 * TIMEOUT_S:.0f} ms: how much later the answer comes"
    table = Table("Waiting for", "median ms", "most ms", "most, of the time-out", title=title)
    for name, row in results["time-outs"].items():
        share = row["most_ms"] / (1000 * TIMEOUT_S)
        table.add_row(name, f"{row['median_ms']:.1f}", f"{row['most_ms']:.1f}", f"{share:.1%}")
    console.print(table)
    table = Table(
        "Cancelled while", "median ms", "most ms", f"most / {CANCEL_LIMIT_MS:.0f} ms allowed",
        title="From a cancel to the next capture's first event",
    )  # fmt: skip
    for name, row in results["cancels"].items():
        share = row["most_ms"] / CANCEL_LIMIT_MS
        table.add_row(name, f"{row['median_ms']:.1f}", f"{row['most_ms']:.1f}", f"{share:.2f}")
    console.print(table)
    table = Table(
        "Driver", "late: median ms", "most ms",
        "cancel: median ms", "most ms", f"most / {CANCEL_LIMIT_MS:.0f} ms allowed",
        title=f"Each driver, waiting for a finger: time-outs of {1000 * TIMEOUT_S:.0f} ms, cancels",
    )  # fmt: skip
    for name, row in results["drivers"].items():
        cells = (f"{row[key]:.1f}" for key in ("late_median_ms", "late_most_ms", "cancel_median_ms", "cancel_most_ms"))
        table.add_row(name, *cells, f"{row['cancel_most_ms'] / CANCEL_LIMIT_MS:.2f}")
    console.print(table)


def run(here: BenchStation, station: Station, times: int, console: Console) -> dict[str, Any]:
    """Open a dossier that holds the wrong finger, lease both devices, measure."""
    opening = dossier_pb2.CreateDossierRequest(plan_id="card-issue", request_id=str(uuid.uuid4()))
    dossier_id = station.dossiers.CreateDossier(opening).dossier.dossier_id
    platen, scene = (Control(str(here.models[name].ready["control"])) for name in ("scanner", "camera"))
    kinds = (device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER, device_pb2.DEVICE_KIND_CAMERA)
    scanner, camera = (device_of(station, kind) for kind in kinds)
    with (
        held_lease(station, scanner, client_name="bench") as scanning,
        held_lease(station, camera, client_name="bench") as looking,
    ):
        bench = Bench(station, platen, scene, dossier_id, scanning, looking)
        request = capture_pb2.CaptureFingerprintRequest(
            dossier_id=dossier_id, lease=scanning, position=types_pb2.FINGER_POSITION_RIGHT_INDEX
        )
        for answer in station.capture.CaptureFingerprint(request):
            if answer.WhichOneof("event") == "waiting":
                bench.lay(WRONG)
        bench.lift()
        preview = station.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=looking))
        next(preview)  # the camera is open
        preview.cancel()
        return measure(bench, times, console)


@click.command()
@click.option("--times", type=click.IntRange(2, 1000), default=10, show_default=True, help="Each is measured.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(times: int, out: Path, as_json: bool) -> None:
    """Time the ends of captures: time-outs and cancels in each state."""
    console = Console(stderr=True) if as_json else bench_console()
    with station_of(STATION) as here, connect(here.socket, here.token) as station:
        results = run(here, station, times, console)
    results["drivers"] = measure_drivers(times, TIMEOUT_S, console)
    show(results, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / "capture_ends.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
