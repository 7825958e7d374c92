"""How much later than the camera's own stream does a client see a frame? Preview of a 1080p camera over gRPC.

The camera's model numbers its frames. One process reads it directly with OpenCV, another is a client of the daemon that
reads the same camera; the clock is the machine's. A frame's added latency is the time from its decoded pixels in the
direct reader to its decoded picture at the client. Frames a client never saw are counted beside. Prints a table beside
the limit, writes JSON and a plot.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.station import BenchStation, device_of, station_of
from enrollment.cli.connection import connect
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2

mpl.use("Agg")
import matplotlib.pyplot as plt

CAMERA = {"camera": ["camera", "--numbered"]}
ROUND = 7  # frames that the camera's model counts before it begins anew
CAMERA_FPS = 30
ROUND_S = ROUND / CAMERA_FPS
LIMIT_MS, AIM_MS = 15.0, 5.0
SQUARE_SHARE = 64 / 1080  # of the height: a square of the number
WARM_UP_S = 2.0
RUNS = {  # name -> the longer side that the client asks for, and pictures a second at most; None: no client
    "none: a second direct reader": None,
    "480 px, 15/s: as without asking": (480, 15),
    "480 px, 30/s": (480, 30),
    "1920 px, 30/s": (1920, 30),
}


class Sight(NamedTuple):
    """One frame seen: its number in the round, when its bytes were there, when its pixels were; seconds, monotonic."""

    number: int
    arrived_s: float
    decoded_s: float


def number_of(pixels: NDArray[np.uint8]) -> int:
    """The number that a frame shows in its lower left corner, whatever its size."""
    height = pixels.shape[0]
    side = SQUARE_SHARE * height
    centres = (int((bit + 0.5) * side) for bit in range(ROUND.bit_length()))
    row = pixels[int(height - side / 2)]
    return sum(int(row[centre].mean() > 127) << bit for bit, centre in enumerate(centres))


def read_directly(url: str, seconds: float, told: Connection) -> None:
    """A process: read the camera with OpenCV alone."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    seen = []
    ends_s = time.monotonic() + WARM_UP_S + seconds
    while (now_s := time.monotonic()) < ends_s:
        read, pixels = capture.read()
        if not read:
            break
        arrived_s = time.monotonic()
        if now_s > ends_s - seconds:
            seen.append(Sight(number_of(np.asarray(pixels, np.uint8)), arrived_s, arrived_s))
    capture.release()
    told.send(seen)


def read_preview(socket: str, token: str, side_px: int, rate: int, seconds: float, told: Connection) -> None:
    """A process: be a client of the daemon."""
    seen = []
    with connect(Path(socket), token) as station:
        camera = device_of(station, device_pb2.DEVICE_KIND_CAMERA)
        with held_lease(station, camera, client_name="bench", wait_s=10) as lease:
            request = capture_pb2.WatchPreviewRequest(lease=lease, max_side_px=side_px, max_frames_per_second=rate)
            call = station.capture.WatchPreview(request)
            ends_s = time.monotonic() + WARM_UP_S + seconds
            for answer in call:
                arrived_s = time.monotonic()
                pixels = cv2.imdecode(np.frombuffer(answer.jpeg, np.uint8), cv2.IMREAD_COLOR)
                decoded_s = time.monotonic()
                if pixels is not None and decoded_s > ends_s - seconds:
                    seen.append(Sight(number_of(np.asarray(pixels, np.uint8)), arrived_s, decoded_s))
                if decoded_s > ends_s:
                    break
            call.cancel()
    told.send(seen)


def run_both(station: BenchStation, preview: tuple[int, int] | None, seconds: float) -> tuple[list[Sight], list[Sight]]:
    """The direct reader and the client at the same time, each a process: what they saw.

    preview: side in pixels and pictures a second; None for a second direct reader in the client's place, which is what
    this machine makes of no difference at all.
    """
    context = multiprocessing.get_context("spawn")
    direct: tuple[Any, ...] = (read_directly, str(station.models["camera"].ready["url"]))
    other = direct if preview is None else (read_preview, str(station.socket), station.token, *preview)
    results, processes = [], []
    for run, *arguments in (direct, other):
        here, there = context.Pipe(duplex=False)
        processes.append(context.Process(target=run, args=(*arguments, seconds, there), daemon=True))
        results.append(here)
        processes[-1].start()
        there.close()
    try:
        seen = [result.recv() for result in results]
    except EOFError as error:
        raise click.ClickException("a reader ended without its figures") from error
    for process in processes:
        process.join()
    return seen[0], seen[1]


def added_ms(direct: Sequence[Sight], preview: Sequence[Sight]) -> list[tuple[float, float]]:
    """Of each frame that both saw: milliseconds from its pixels at the direct reader to its JPEG, and to its pixels."""
    shown: dict[int, list[float]] = {}
    for sight in direct:
        shown.setdefault(sight.number, []).append(sight.decoded_s)
    times = {number: np.array(seconds) for number, seconds in shown.items()}
    added = []
    for sight in preview:
        at = times.get(sight.number, np.empty(0))
        earliest = sight.decoded_s - 0.8 * ROUND_S  # the same number again is a round away
        found = at[(at > earliest) & (at < sight.decoded_s + 0.2 * ROUND_S)]
        if found.size:
            added.append((1000 * (sight.arrived_s - float(found[-1])), 1000 * (sight.decoded_s - float(found[-1]))))
    return added


def figures(direct: Sequence[Sight], preview: Sequence[Sight], rate: int) -> dict[str, Any]:
    """The figures of one run."""
    both = added_ms(direct, preview)
    if len(both) < 20:
        raise click.ClickException(f"only {len(both)} frames were seen by both")
    added = [decoded for _, decoded in both]
    span_s = preview[-1].decoded_s - preview[0].decoded_s
    return {
        "frames": len(both),
        "jpeg_p50_ms": statistics.median(arrived for arrived, _ in both),
        "jpeg_p95_ms": statistics.quantiles([arrived for arrived, _ in both], n=20)[-1],
        "p50_ms": statistics.median(added),
        "p95_ms": statistics.quantiles(added, n=20)[-1],
        "p95_of_limit": statistics.quantiles(added, n=20)[-1] / LIMIT_MS,
        "pictures_a_second": (len(preview) - 1) / span_s,
        "of_rate": (len(preview) - 1) / span_s / rate,
        "added_ms": added,
    }


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    """The figures as a table."""
    table = Table(
        "Preview", "frames", "JPEG p50 ms", "p95", "pixels p50 ms", "p95", f"p95 / {LIMIT_MS:.0f} ms",
        "pictures/s", "of the rate", title="1080p: added to reading the camera directly",
    )  # fmt: skip
    for name, row in results.items():
        times = (f"{row[key]:.1f}" for key in ("jpeg_p50_ms", "jpeg_p95_ms", "p50_ms", "p95_ms"))
        pace = (f"{row['pictures_a_second']:.1f}", f"{row['of_rate']:.2f}")
        table.add_row(name, str(row["frames"]), *times, f"{row['p95_of_limit']:.2f}", *pace)
    console.print(table)


def plot(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Share of frames by added latency."""
    figure, axes = plt.subplots(figsize=(7, 4.5), constrained_layout=True)
    for name, row in results.items():
        added = sorted(row["added_ms"])
        axes.plot(added, np.arange(1, len(added) + 1) / len(added), label=f"{name}: p95 {row['p95_ms']:.1f} ms")
    axes.axvline(LIMIT_MS, color="k", linestyle="--", linewidth=1, label=f"limit {LIMIT_MS:.0f} ms")
    axes.axvline(AIM_MS, color="k", linestyle=":", linewidth=1, label=f"aim {AIM_MS:.0f} ms")
    axes.axhline(0.95, color="0.8", linewidth=1)
    axes.set(xlabel="ms later than the direct reader", ylabel="share of frames", title="1080p preview", ylim=(0, 1.01))
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


@click.command()
@click.option("--seconds", type=click.IntRange(3, 600), default=10, show_default=True, help="Of each run.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(seconds: int, out: Path, as_json: bool) -> None:
    """Time a 1080p camera's frames at a client beside a reader of the camera itself."""
    console = Console(stderr=True) if as_json else bench_console()
    results = {}
    with station_of(CAMERA) as station:
        for name, preview in track(list(RUNS.items()), "previews", console=console, transient=True):
            rate = CAMERA_FPS if preview is None else preview[1]
            results[name] = figures(*run_both(station, preview, seconds), rate)
    show(results, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / "preview_latency.json").write_text(json.dumps(results) + "\n", "utf-8")
    plot(results, out / "preview_latency.png")
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
