"""How fast does a station capture, and where does the time go? Device models that are as slow as their wires.

Flat prints and slaps (`slap_capture`) over the gRPC API. Captures a minute, beside what the wire alone would allow; the
CPU's share of the time, beside its limit; the stages of a flat one. Prints tables, writes JSON and a plot.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
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
from bench.console import bench_console
from bench.processes import cpu_seconds
from bench.slap_capture import measure_slaps
from bench.station import device_of, station_of
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.subject import Control
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2
from firmware_stubs.fingers import finger_image, person_finger_seed

STAGES = ("device_ms", "judge_ms", "compare_ms", "record_ms", "store_ms")
WARM_UP_CAPTURES = 2
PERSON = 7
CPU_LIMIT = 0.20  # of the time
MODEL_IMAGE_MS = (
    128.0  # what the fact sheet's recording took from MODE=capture to the whole image; the model waits as long
)


def draw_prints(console: Console) -> list[list[bytes]]:
    """Ten fingers with three impressions each as PNG files, drawn before anything is measured."""
    fingers = [person_finger_seed(PERSON, position) for position in range(1, 11)]
    return [
        [cv2.imencode(".png", finger_image(finger, number))[1].tobytes() for number in range(3)]
        for finger in track(fingers, "drawing fingers", console=console, transient=True)
    ]


def capture_once(
    platen: Control,
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
                platen.send("PUT", "/platen", impressions[(event.waiting.attempt - 1) % len(impressions)])
                row["person_ms"] += 1000 * (perf_counter() - began)
            case "finger_on":
                row["tries"] += 1
                landed = perf_counter()
            case "lift_finger":
                platen.send("DELETE", "/platen")
            case "accepted" | "exhausted" as kind:
                row["landing_to_outcome_ms"] = 1000 * (perf_counter() - landed)
                outcome = event.accepted if kind == "accepted" else event.exhausted
                platen.send("DELETE", "/platen")
    row |= {stage: float(getattr(outcome.times, stage)) for stage in STAGES}
    row["rest_ms"] = row["landing_to_outcome_ms"] - sum(row[stage] for stage in STAGES)
    return row


def measure_captures(platen: Control, station: Station, daemon: int, count: int, console: Console) -> dict[str, Any]:
    """Capture `count` single fingers in a row under one lease. daemon: its process id."""
    opening = dossier_pb2.CreateDossierRequest(plan_id="card-issue", request_id=str(uuid.uuid4()))
    dossier = station.dossiers.CreateDossier(opening).dossier
    positions = [planned.position for planned in dossier.plan.fingerprints]
    scanner = device_of(station, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)
    prints = draw_prints(console)
    with held_lease(station, scanner, client_name="bench") as lease:
        for number in range(WARM_UP_CAPTURES):
            capture_once(platen, station, dossier.dossier_id, positions[number], lease, prints)
        began, cpu = perf_counter(), cpu_seconds(daemon)
        rows = [
            capture_once(platen, station, dossier.dossier_id, positions[number % len(positions)], lease, prints)
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
        "wire_alone_a_minute": 60_000 / MODEL_IMAGE_MS,
        "share_of_the_wire": MODEL_IMAGE_MS * tries / count / (1000 * wall / count),
        "cpu_of_a_core": cpu / wall,
        "median_ms": {name: statistics.median(row[name] for row in once) for name in once[0] if name != "tries"},
        "p95_ms": {
            name: statistics.quantiles([row[name] for row in once], n=20)[-1] for name in ("landing_to_outcome_ms",)
        }
        if len(once) > 1
        else {},
    }


def show(results: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    flats = results["flats"]
    table = Table("Stage of one flat capture", "median ms", "share of landing to outcome", title="Where the time goes")
    whole = flats["median_ms"]["landing_to_outcome_ms"]
    for stage in (*STAGES, "rest_ms", "landing_to_outcome_ms"):
        value = flats["median_ms"][stage]
        table.add_row(stage.removesuffix("_ms"), f"{value:.2f}", f"{value / whole:.1%}")
    console.print(table)
    table = Table(
        "", "a minute", "the wire alone", "share of the time on the wire", "CPU, of one core",
        f"CPU / {CPU_LIMIT:.0%} allowed", title="Captures in a row",
    )  # fmt: skip
    for name, row in results.items():
        table.add_row(
            name, f"{row['captures_a_minute']:.0f}", f"{row['wire_alone_a_minute']:.0f}",
            f"{row['share_of_the_wire']:.0%}", f"{row['cpu_of_a_core']:.0%}", f"{row['cpu_of_a_core'] / CPU_LIMIT:.2f}",
        )  # fmt: skip
    console.print(table)
    slaps = results["slaps"]
    stages = ", ".join(f"{name.removesuffix('_ms')} {taken:.0f} ms" for name, taken in slaps["median_ms"].items())
    console.print(
        f"a slap: {slaps['frames_a_slap']:.1f} frames; CPU {slaps['cpu_ms_a_slap']:.0f} ms, of the wire alone"
        f" {slaps['wire_alone_cpu_ms_a_slap']:.0f} ms; {stages}"
    )
    for name, share in slaps["idle_cpu_of_a_core"].items():
        console.print(
            f"slaps, {name}: CPU {share:.1%} of one core, {share / CPU_LIMIT:.2f} of {CPU_LIMIT:.0%};"
            f" {share / slaps['wire_alone_cpu_of_a_core']:.1f} times the wire alone"
        )


@click.command()
@click.option("--captures", "count", type=click.IntRange(2, 2000), default=60, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(count: int, out: Path, as_json: bool) -> None:
    """Measure captures of flat prints and of slaps, on device models."""
    console = Console(stderr=True) if as_json else bench_console()
    with station_of({"scanner": ["scanner"]}) as here, connect(here.socket, here.token) as station:
        platen = Control(str(here.models["scanner"].ready["control"]))
        results = {"flats": measure_captures(platen, station, here.pid, count, console)}
    results["slaps"] = measure_slaps(count, console)
    show(results, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / "capture.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    plot(results, STAGES, out / "capture.png")
    console.print(f"{out / 'capture.json'}  {out / 'capture.png'}")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
