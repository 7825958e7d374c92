"""Slaps through the daemon, as fast as a hand could be laid: its CPU time beside that of the wire alone.

The wire alone is a second device model, streamed by the same driver in this process with nobody looking at the frames:
as many of them as the daemon saw, by turns. What the daemon costs while nothing is taken is measured too: on a bare
platen, and while the wrong hand lies there and every frame is judged.
"""

from __future__ import annotations

import statistics
import uuid
from time import perf_counter, process_time
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from bench.device_model import running
from bench.processes import cpu_seconds
from bench.station import device_of, station_of
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.spi import CancelToken, Impression, LiveFrame
from enrollment.cli.connection import Station, connect
from enrollment.cli.demo.subject import Control
from enrollment.cli.lease import held_lease
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2

PLAN = "card-issue-slaps"
PERSON = 7
FINGERS = {13: 4, 14: 4, 15: 2}  # by the slap's position
TIMEOUT_S = 30.0
IDLE_S = 3.0
IDLE = {"a bare platen": None, "the wrong hand": 14}  # asked for the right one; which slap lies there
STAGES = ("device_ms", "judge_ms", "compare_ms", "record_ms", "store_ms")


class SlapStation:
    """A station with a ten-print scanner, and the hand on its platen. lease: of the scanner. daemon: its process id."""

    def __init__(self, station: Station, platen: Control, lease: capture_pb2.LeaseReference, daemon: int) -> None:
        self._dossier_id = ""
        self._station, self._platen, self._lease, self._daemon = station, platen, lease, daemon

    def open_dossier(self) -> None:
        """Of the next person; the fingers are the same again."""
        opening = dossier_pb2.CreateDossierRequest(plan_id=PLAN, request_id=str(uuid.uuid4()))
        self._dossier_id = self._station.dossiers.CreateDossier(opening).dossier.dossier_id

    def capture(self, position: int) -> dict[str, float]:
        """One slap from call to outcome; the hand is laid the moment the scanner waits."""
        row = {"frames": 0.0}
        began, cpu = perf_counter(), cpu_seconds(self._daemon)
        for event in self._call(position):
            match event.WhichOneof("event"):
                case "waiting":
                    self._lay(position)
                case "live":
                    row["frames"] += 1
                case "lift_finger":
                    self._lay(None)
                case "accepted" | "exhausted" as kind:
                    outcome = event.accepted if kind == "accepted" else event.exhausted
                    if len(outcome.fingers) != FINGERS[position]:
                        raise click.ClickException(f"{len(outcome.fingers)} fingers of slap {position} were found")
                    row |= {stage: float(getattr(outcome.times, stage)) for stage in STAGES}
                    self._lay(None)
        return row | {"seconds": perf_counter() - began, "cpu_s": cpu_seconds(self._daemon) - cpu}

    def idle_cpu(self, lying: int | None) -> float:
        """CPU of a core while the right hand is waited for and nothing is taken."""
        self.open_dossier()
        call = self._call(13)
        next(call)
        self._lay(lying)
        began, cpu = perf_counter(), cpu_seconds(self._daemon)
        while perf_counter() - began < IDLE_S:
            next(call)
        share = (cpu_seconds(self._daemon) - cpu) / (perf_counter() - began)
        call.cancel()
        self._lay(None)
        return share

    def _call(self, position: int) -> Any:
        request = capture_pb2.CaptureFingerprintRequest(
            dossier_id=self._dossier_id,
            lease=self._lease,
            position=position,  # type: ignore[arg-type]  # the enum's numbers are those of ISO/IEC 19794
            request_id=str(uuid.uuid4()),
        )
        return self._station.capture.CaptureFingerprint(request)

    def _lay(self, position: int | None) -> None:
        if position is None:
            self._platen.send("DELETE", "/platen")
        else:
            self._platen.send("PUT", f"/platen?person={PERSON}&position={position}")


def measure_slaps(count: int, console: Console) -> dict[str, Any]:
    """Capture so many slaps in a row, the three hands by turns, and let as many frames pass unseen."""
    rows, alone = [], []
    with (
        station_of({"tenprint": ["tenprint"]}) as here,
        connect(here.socket, here.token) as station,
        running("tenprint") as model,
    ):
        scanner = TenPrint(model.url)
        scanner.open()
        device = device_of(station, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)
        with held_lease(station, device, client_name="bench") as lease:
            slaps = SlapStation(station, Control(str(here.models["tenprint"].ready["control"])), lease, here.pid)
            slaps.open_dossier()
            for position in FINGERS:  # drawn, and what is loaded at the first of its kind
                slaps.capture(position)
            for number in track(range(count), "slaps", console=console, transient=True):
                if number % len(FINGERS) == 0:
                    slaps.open_dossier()
                rows.append(slaps.capture(list(FINGERS)[number % len(FINGERS)]))
                alone.append(_let_pass(scanner, int(rows[-1]["frames"])))
            idle = {name: slaps.idle_cpu(lying) for name, lying in IDLE.items()}
        scanner.close()
    seconds, cpu_s = (sum(row[name] for row in rows) for name in ("seconds", "cpu_s"))
    wire_s, wire_cpu_s = (sum(each) for each in zip(*alone, strict=True))
    return {
        "captures": count,
        "captures_a_minute": 60 * count / seconds,
        "wire_alone_a_minute": 60 * count / wire_s,
        "share_of_the_wire": wire_s / seconds,
        "cpu_of_a_core": cpu_s / seconds,
        "wire_alone_cpu_of_a_core": wire_cpu_s / wire_s,
        "idle_cpu_of_a_core": idle,
        "median_ms": {name: statistics.median(row[name] for row in rows) for name in STAGES},
        "cpu_ms_a_slap": 1000 * cpu_s / count,
        "wire_alone_cpu_ms_a_slap": 1000 * wire_cpu_s / count,
        "frames_a_slap": statistics.mean(row["frames"] for row in rows),
    }


def _let_pass(scanner: TenPrint, frames: int) -> tuple[float, float]:
    """As many frames with nobody looking: seconds, and CPU seconds of this process."""
    passed = 0

    def look(live: LiveFrame) -> bool:
        nonlocal passed
        passed += 1 + live.passed_over
        return passed >= frames

    began, cpu = perf_counter(), process_time()
    scanner.stream(impression=Impression.SLAP, timeout_s=TIMEOUT_S, cancel=CancelToken(), on_frame=look)
    return perf_counter() - began, process_time() - cpu
