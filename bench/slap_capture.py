"""Slaps by the ten-print driver and the core, as fast as a hand could lie there: each frame judged, the good one read.

A slap is taken when STEADY_FRAMES in a row are ready, then segmented and its fingers examined. Its peer is the same
stream with nobody looking at the frames: as many of them, taken by the same driver in the same run, by turns.
"""

from __future__ import annotations

import statistics
from time import perf_counter, process_time
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from bench.device_model import running
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.frame import Frame
from drivers.spi import CancelToken, Impression, LiveFrame
from enrollment.core.fingerprint import FingerprintImage, SlapKind, examine, preview_slap, segment_slap

STEADY_FRAMES = 3
PERSON = 7
SLAPS = (SlapKind.RIGHT_FOUR, SlapKind.LEFT_FOUR, SlapKind.TWO_THUMBS)
TIMEOUT_S = 30.0
STAGES = ("stream", "read")  # until the frame is taken; segmented, and its fingers examined


def measure_slaps(count: int, console: Console) -> dict[str, Any]:
    """Capture so many slaps in a row, and let as many frames pass unseen. Each hand is laid before its turn begins."""
    rows, unseen_s = [], []
    with running("tenprint") as model:
        scanner = TenPrint(model.url)
        scanner.open()
        for kind in track(SLAPS, "slaps", console=console, transient=True):
            model.send("PUT", f"/platen?person={PERSON}&position={kind.value}")
            _capture(scanner, kind)
            for _ in range(-(-count // len(SLAPS))):
                rows.append(_capture(scanner, kind))
                unseen_s.append(_let_pass(scanner, int(rows[-1]["frames"])))
            model.send("DELETE", "/platen")
        scanner.close()
    seconds = sum(row["seconds"] for row in rows)
    wire_s = statistics.median(unseen_s)
    return {
        "captures": len(rows),
        "captures_a_minute": 60 * len(rows) / seconds,
        "wire_alone_a_minute": 60 / wire_s,
        "share_of_the_wire": wire_s / statistics.median(row["seconds"] for row in rows),
        "cpu_of_a_core": sum(row["cpu_s"] for row in rows) / seconds,
        "median_ms": {name: 1000 * statistics.median(row[f"{name}_s"] for row in rows) for name in STAGES},
        "cpu_ms": {name: 1000 * statistics.median(row[f"{name}_cpu_s"] for row in rows) for name in STAGES},
        "frames_a_slap": statistics.mean(row["frames"] for row in rows),
    }


def _capture(scanner: TenPrint, kind: SlapKind) -> dict[str, float]:
    """Wait for a good frame of the hand that lies there, and read its fingers."""
    ready = frames = 0

    def look(live: LiveFrame) -> bool:
        nonlocal ready, frames
        frames += 1 + live.passed_over
        ready = ready + 1 if preview_slap(_image(live.frame), kind).ready else 0
        return ready == STEADY_FRAMES

    began, cpu = perf_counter(), process_time()
    frame = scanner.stream(impression=Impression.SLAP, timeout_s=TIMEOUT_S, cancel=CancelToken(), on_frame=look)
    taken, taken_cpu = perf_counter(), process_time()
    fingers = [examine(image) for image in segment_slap(_image(frame), kind).images]
    ended, ended_cpu = perf_counter(), process_time()
    if len(fingers) != (2 if kind is SlapKind.TWO_THUMBS else 4):
        raise click.ClickException(f"{len(fingers)} fingers of a slap were found")
    return {
        "stream_s": taken - began,
        "stream_cpu_s": taken_cpu - cpu,
        "read_s": ended - taken,
        "read_cpu_s": ended_cpu - taken_cpu,
        "seconds": ended - began,
        "cpu_s": ended_cpu - cpu,
        "frames": frames,
    }


def _let_pass(scanner: TenPrint, frames: int) -> float:
    """As many frames with nobody looking, seconds."""
    passed = 0

    def look(live: LiveFrame) -> bool:
        nonlocal passed
        passed += 1 + live.passed_over
        return passed >= frames

    began = perf_counter()
    scanner.stream(impression=Impression.SLAP, timeout_s=TIMEOUT_S, cancel=CancelToken(), on_frame=look)
    return perf_counter() - began


def _image(frame: Frame) -> FingerprintImage:
    return FingerprintImage(frame.pixels, frame.resolution_ppi or 500.0)
