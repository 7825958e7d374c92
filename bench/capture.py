"""How fast does a station capture, and where does the time go? Over the gRPC API, against the device models.

Captures a minute and the time of each stage; what one call costs beside a bare gRPC call over the same kind of socket
in the same run; preview frames a second and the daemon's memory with clients of which half stop reading. Prints tables,
writes JSON and a plot.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import cv2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.capture_plot import plot
from bench.preview import measure_previews
from bench.processes import cpu_seconds, resident_mib
from bench.rpc_overhead import measure_calls
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.station import DemoStation, running_station
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2
from firmware_stubs.fingers import finger_image, person_finger_seed

STAGES = ("device_ms", "judge_ms", "compare_ms", "record_ms", "store_ms")
WARM_UP_CAPTURES = 2
PERSON = 7
MODEL_IMAGE_MS = (
    128.0  # what the fact sheet's recording took from MODE=capture to the whole image; the model waits as long
)


def device_of(station: Station, kind: device_pb2.DeviceKind.ValueType) -> str:
    """The station's first device of a kind."""
    return station.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind)).devices[0].device_id


def draw_prints(console: Console) -> list[list[bytes]]:
    """Ten fingers with three impressions each as PNG files, drawn before anything is measured."""
    fingers = [person_finger_seed(PERSON, position) for position in range(1, 11)]
    return [
        [cv2.imencode(".png", finger_image(finger, number))[1].tobytes() for number in range(3)]
        for finger in track(fingers, "drawing fingers", console=console, transient=True)
    ]


def capture_once(
    demo: DemoStation,
    station: Station,
    dossier_id: str,
    position: types_pb2.FingerPosition.ValueType,
    lease: capture_pb2.LeaseReference,
    prints: Sequence[Sequence[bytes]],
) -> dict[str, float]:
    """One capture as a client sees it, milliseconds; the finger is laid the moment the scanner waits."""
    impressions = prints[(position - 1) % len(prints)]
    request = capture_pb2.CaptureFingerprintRequest(
        dossier_id=dossier_id, lease=lease, position=position, replace=True, request_id=str(uuid.uuid4())
    )
    row = {"person_ms": 0.0, "tries": 0.0}
    called = landed = perf_counter()
    outcome = capture_pb2.Outcome()
    for event in station.capture.CaptureFingerprint(request):
        match event.WhichOneof("event"):
            case "waiting":
                row.setdefault("call_to_waiting_ms", 1000 * (perf_counter() - called))
                began = perf_counter()
                demo.platen.send("PUT", "/platen", impressions[(event.waiting.attempt - 1) % len(impressions)])
                row["person_ms"] += 1000 * (perf_counter() - began)
            case "finger_on":
                row["tries"] += 1
                landed = perf_counter()
            case "lift_finger":
                demo.platen.send("DELETE", "/platen")
            case "accepted" | "exhausted" as kind:
                row["landing_to_outcome_ms"] = 1000 * (perf_counter() - landed)
                outcome = event.accepted if kind == "accepted" else event.exhausted
                demo.platen.send("DELETE", "/platen")
    row |= {stage: float(getattr(outcome.times, stage)) for stage in STAGES}
    row["rest_ms"] = row["landing_to_outcome_ms"] - sum(row[stage] for stage in STAGES)
    return row


def measure_captures(demo: DemoStation, station: Station, count: int, console: Console) -> dict[str, Any]:
    """Capture `count` single fingers in a row under one lease."""
    opening = dossier_pb2.CreateDossierRequest(plan_id="card-issue", request_id=str(uuid.uuid4()))
    dossier = station.dossiers.CreateDossier(opening).dossier
    positions = [planned.position for planned in dossier.plan.fingerprints]
    scanner = device_of(station, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)
    daemon = demo.daemon.process.pid
    prints = draw_prints(console)
    with held_lease(station, scanner, client_name="bench") as lease:
        for number in range(WARM_UP_CAPTURES):
            capture_once(demo, station, dossier.dossier_id, positions[number], lease, prints)
        began, cpu = perf_counter(), cpu_seconds(daemon)
        rows = [
            capture_once(demo, station, dossier.dossier_id, positions[number % len(positions)], lease, prints)
            for number in track(range(count), "captures", console=console, transient=True)
        ]
        wall, cpu = perf_counter() - began, cpu_seconds(daemon) - cpu
    tries = sum(row["tries"] for row in rows)
    once = [row for row in rows if row["tries"] == 1] or rows  # the stages are those of the kept try
    return {
        "captures": count,
        "captures_a_minute": 60 * count / wall,
        "tries_a_minute": 60 * tries / wall,
        "tries_a_capture": tries / count,
        "daemon_cpu_share": cpu / wall,
        "share_of_landing_to_outcome_that_is_the_models_own_image_time": MODEL_IMAGE_MS
        / statistics.median(row["landing_to_outcome_ms"] for row in once),
        "median_ms": {name: statistics.median(row[name] for row in once) for name in once[0] if name != "tries"},
        "p95_ms": {
            name: statistics.quantiles([row[name] for row in once], n=20)[-1] for name in ("landing_to_outcome_ms",)
        }
        if len(once) > 1
        else {},
    }


def show(results: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    captures = results["captures"]
    table = Table("Stage of one capture", "median ms", "share of landing to outcome", title="Where the time goes")
    whole = captures["median_ms"]["landing_to_outcome_ms"]
    for stage in (*STAGES, "rest_ms", "landing_to_outcome_ms"):
        value = captures["median_ms"][stage]
        table.add_row(stage.removesuffix("_ms"), f"{value:.2f}", f"{value / whole:.1%}")
    console.print(table)
    console.print(
        f"{captures['captures_a_minute']:.0f} captures a minute ({captures['tries_a_minute']:.0f} tries), "
        f"daemon CPU {captures['daemon_cpu_share']:.0%} of one core; the model's own image time is "
        f"{captures['share_of_landing_to_outcome_that_is_the_models_own_image_time']:.0%} of landing to outcome"
    )
    table = Table("Call", "p50 ms", "p99 ms", "ratio of p50 to a bare gRPC call", title="What a call costs")
    bare = results["calls"]["bare gRPC echo"]["p50_ms"]
    for name, row in results["calls"].items():
        table.add_row(name, f"{row['p50_ms']:.3f}", f"{row['p99_ms']:.3f}", f"{row['p50_ms'] / bare:.2f}")
    console.print(table)
    table = Table(
        "Clients", "of them stalled", "frames/s a reader", "ratio to camera", "MiB before", "MiB after", "MiB most"
    )
    for row in results["previews"]:
        table.add_row(
            str(row["clients"]), str(row["stalled"]), f"{row['frames_a_second']:.1f}", f"{row['ratio_to_camera']:.2f}",
            f"{row['memory_before_mib']:.1f}", f"{row['memory_after_mib']:.1f}", f"{row['memory_most_mib']:.1f}",
        )  # fmt: skip
    console.print(table)


@click.command()
@click.option("--captures", "count", type=click.IntRange(2, 2000), default=60, show_default=True)
@click.option("--seconds", type=click.IntRange(2, 600), default=10, show_default=True, help="Of each preview run.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(count: int, seconds: int, out: Path, as_json: bool) -> None:
    """Measure captures, calls and previews on a station of device models."""
    console = Console(stderr=as_json)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_station(Path(folder) / "station", lambda *_: None) as demo:
        at_rest = resident_mib(demo.daemon.process.pid)
        with connect(demo.socket, demo.token) as station:
            results: dict[str, Any] = {"daemon_at_rest_mib": at_rest}
            results["captures"] = measure_captures(demo, station, count, console)
            results["calls"] = measure_calls(demo, station, console)
            results["previews"] = measure_previews(demo, station, seconds, console)
    show(results, console)
    (out / "capture.json").write_text(json.dumps(results, indent=2) + "\n")
    plot(results, STAGES, out / "capture.png")
    console.print(f"{out / 'capture.json'}  {out / 'capture.png'}")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
