"""How near does the ten-print driver come to its wire, and how fast does a cancelled capture end?

A raw reader on a socket takes the same frames of the same firmware model over USB/IP, with the same number of reads on
their way, and looks at nothing: that is the wire's limit. Frames a second and CPU time a frame stand beside it, in the
same run, by turns; once with a model as fast as it can, once with 15 frames a second. Cancels are timed in each state
that a driver can wait in. Prints tables and writes JSON.
"""

from __future__ import annotations

import json
import logging
import socket
import statistics
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.device_model import Model, running
from drivers.errors import CaptureCancelled
from drivers.fingerprint.tenprint import wire
from drivers.fingerprint.tenprint.driver import TenPrint
from drivers.fingerprint.tenprint.frame_ring import READS_ON_THEIR_WAY
from drivers.fingerprint.tenprint.wire import Code
from drivers.spi import CancelToken, Impression, LiveFrame

CANCEL_LIMIT_MS = 200.0  # what the service promises its clients
SETTLE_S = (0.12, 0.17)  # until the call waits in the state that is meant, spread over a slice of its wait
WARM_UP_FRAMES = 5
_SUBMIT = struct.Struct(">IIIIIIiiii8s")


@dataclass(frozen=True, slots=True)
class Pace:
    """taken, shown: frames a second that came off the wire, and those of them that were the newest when looked at.

    cpu_ms: of this process for a frame that came off the wire.
    """

    taken: float
    shown: float
    cpu_ms: float


class RawReader:
    """The least that gets frames over USB/IP: one socket, no thread, one buffer, nothing looked at."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._sock = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = memoryview(bytearray(320))
        self._buffer = memoryview(bytearray(wire.FRAME_BYTES))
        self._reads: dict[int, int] = {}
        self._seqnum = 0
        self._sock.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, parts.path.strip("/").encode()))
        self._fill(self._head)
        bus, number = struct.unpack_from(">II", self._head, 296)
        self._devid = bus << 16 | number

    def start(self) -> None:
        """Begin a stream, with as many reads queued as the driver keeps."""
        for _ in range(READS_ON_THEIR_WAY):
            self._submit(wire.FRAME_ENDPOINT, wire.FRAME_BYTES)
        self._order(wire.encode_command(Code.HELLO, 7, 1, wire.encode_hello()))
        self._order(wire.encode_command(Code.START, 7, 2, wire.encode_start(1, 1)))

    def frames(self, count: int) -> None:
        """Take so many whole frames."""
        while count:
            count -= self._complete() == wire.FRAME_BYTES

    def close(self) -> None:
        self._sock.close()

    def _order(self, command: bytes) -> None:
        self._submit(wire.ANSWER_ENDPOINT, wire.ANSWER_READ_BYTES)
        self._submit(wire.COMMAND_ENDPOINT, len(command), command)

    def _complete(self) -> int:
        """Take one completed request; the bytes that it brought. A frame's read is queued again first."""
        self._fill(self._head[:48])
        seqnum, length = (int.from_bytes(self._head[at : at + 4], "big") for at in (4, 24))
        endpoint = self._reads.pop(seqnum, None)
        if endpoint is None:
            return 0
        if endpoint == wire.FRAME_ENDPOINT:
            self._submit(endpoint, wire.FRAME_BYTES)
        self._fill(self._buffer[:length])
        return length

    def _submit(self, endpoint: int, length: int, payload: bytes = b"") -> None:
        self._seqnum += 1
        incoming = endpoint >> 7
        if incoming:
            self._reads[self._seqnum] = endpoint
        head = _SUBMIT.pack(1, self._seqnum, self._devid, incoming, endpoint & 15, 0, length, 0, -1, 0, bytes(8))
        self._sock.sendall(head + payload)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._sock.recv_into(view)
            if not count:
                raise click.ClickException("the model hung up")
            view = view[count:]


def pace_of_wire(url: str, frames: int) -> Pace:
    """What the raw reader reaches."""
    reader = RawReader(url)
    reader.start()
    reader.frames(WARM_UP_FRAMES)
    began, cpu = perf_counter(), process_time()
    reader.frames(frames)
    rate = frames / (perf_counter() - began)
    pace = Pace(rate, rate, 1000 * (process_time() - cpu) / frames)
    reader.close()
    return pace


def pace_of_driver(model: Model, frames: int) -> Pace:
    """What the driver takes and shows, each frame that it shows checked from header to last pixel."""
    scanner = TenPrint(model.url)
    scanner.open()
    count = 0
    marks: list[tuple[int, float, float]] = []

    def see(_: LiveFrame) -> bool:
        nonlocal count
        count += 1
        if count in (WARM_UP_FRAMES, WARM_UP_FRAMES + frames):
            marks.append((model.send("GET", "/state")["images_sent"], perf_counter(), process_time()))
        return count == WARM_UP_FRAMES + frames

    scanner.stream(impression=Impression.SLAP, timeout_s=3600, cancel=CancelToken(), on_frame=see)
    scanner.close()
    (sent, began, cpu), (sent_at_end, ended, cpu_at_end) = marks
    taken, seconds = sent_at_end - sent, ended - began
    return Pace(taken / seconds, frames / seconds, 1000 * (cpu_at_end - cpu) / taken)


def measure_paces(model: Model, frames: int, rounds: int, console: Console, name: str) -> dict[str, Any]:
    """Wire and driver by turns; medians, and the medians of each round's ratios."""
    wires, drivers = [], []
    for _ in track(range(rounds), name, console=console, transient=True):
        wires.append(pace_of_wire(model.url, frames))
        drivers.append(pace_of_driver(model, frames))
    pairs = list(zip(wires, drivers, strict=True))
    return {
        "wire": _medians(wires),
        "driver": _medians(drivers),
        "taken_ratio": statistics.median(d.taken / w.taken for w, d in pairs),
        "shown_ratio": statistics.median(d.shown / w.taken for w, d in pairs),
        "cpu_ratio": statistics.median(d.cpu_ms / w.cpu_ms for w, d in pairs),
        "megabytes_per_second": statistics.median(d.taken for d in drivers) * wire.FRAME_BYTES / 1e6,
    }


def _medians(paces: list[Pace]) -> dict[str, float]:
    taken, shown, cpu_ms = (
        statistics.median(getattr(pace, name) for pace in paces) for name in ("taken", "shown", "cpu_ms")
    )
    share = taken * cpu_ms / 1000
    return {"taken_a_second": taken, "shown_a_second": shown, "cpu_ms_a_frame": cpu_ms, "cpu_share_of_a_core": share}


def cancel_ms(scanner: TenPrint, act: Callable[[TenPrint, CancelToken], object], settle_s: float) -> float:
    """Milliseconds from cancel() until the call has ended."""
    cancel = CancelToken()
    ended: list[float] = []

    def run() -> None:
        try:
            act(scanner, cancel)
        except CaptureCancelled:
            ended.append(perf_counter())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(settle_s)
    began = perf_counter()
    cancel.cancel()
    thread.join()
    if not ended:
        raise click.ClickException("the call ended before it was cancelled")
    return 1000 * (ended[0] - began)


def measure_cancels(model: Model, times: int, console: Console) -> dict[str, dict[str, float]]:
    """In each state that a call can wait in."""

    def streaming(scanner: TenPrint, cancel: CancelToken) -> object:
        return scanner.stream(impression=Impression.SLAP, timeout_s=60, cancel=cancel, on_frame=lambda _: False)

    def waiting(scanner: TenPrint, cancel: CancelToken) -> object:
        return scanner.capture(timeout_s=60, cancel=cancel, on_event=lambda _: None)

    def lifting(scanner: TenPrint, cancel: CancelToken) -> None:
        scanner.wait_finger_off(timeout_s=60, cancel=cancel)

    states: dict[str, tuple[str | None, Callable[[TenPrint, CancelToken], object]]] = {
        "frames stream": (None, streaming),
        "a finger is waited for": (None, waiting),
        "a finger is to be lifted": (None, lifting),
        "frames have stopped": ("stall", streaming),
        "a command is not answered": ("mute", streaming),
        "each frame is damaged": ("bad_crc", streaming),
    }
    results = {}
    for state, (fault, act) in track(states.items(), "cancels", console=console, transient=True):
        taken = []
        for settle_s in np.linspace(*SETTLE_S, times):
            model.send("DELETE", "/fault")
            model.send("DELETE", "/platen")
            if act is lifting:
                model.send("PUT", "/platen?person=7&position=13")
            scanner = TenPrint(model.url, command_timeout_s=60, frame_timeout_s=60)
            scanner.open()
            if fault is not None:
                model.fail(fault, 4 if fault == "bad_crc" else 1)  # a fifth in a row ends the stream by itself
            taken.append(cancel_ms(scanner, act, float(settle_s)))
            scanner.close()
        results[state] = {"median_ms": statistics.median(taken), "most_ms": max(taken)}
    return results


def show(results: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    table = Table("", "taken/s", "shown/s", "CPU ms a frame", "of one core", title="2.4 MB frames beside a raw socket")
    for pace in ("fast", "15 a second"):
        row = results[pace]
        for who in ("wire", "driver"):
            one = row[who]
            rates = (f"{one[name]:.1f}" for name in ("taken_a_second", "shown_a_second"))
            table.add_row(f"{pace}: {who}", *rates, f"{one['cpu_ms_a_frame']:.2f}", f"{one['cpu_share_of_a_core']:.1%}")
        table.add_row("ratio", f"{row['taken_ratio']:.3f}", f"{row['shown_ratio']:.3f}", f"{row['cpu_ratio']:.2f}", "")
    console.print(table)
    table = Table("Cancelled while", "median ms", "most ms", "most, of the 200 ms promised", title="Cancels")
    for state, row in results["cancels"].items():
        share = f"{row['most_ms'] / CANCEL_LIMIT_MS:.0%}"
        table.add_row(state, f"{row['median_ms']:.1f}", f"{row['most_ms']:.1f}", share)
    console.print(table)


@click.command()
@click.option("--frames", type=click.IntRange(10, 10_000), default=150, show_default=True, help="Of each fast round.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option("--cancels", type=click.IntRange(1, 1000), default=10, show_default=True, help="In each state.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(frames: int, rounds: int, cancels: int, out: Path, as_json: bool) -> None:
    """Measure the ten-print driver's frames beside its wire, and its cancels."""
    console = Console(stderr=as_json)
    logging.getLogger("drivers").setLevel(logging.ERROR)  # of the frames that are damaged on purpose
    results: dict[str, Any] = {}
    with running("tenprint", "--rate", "1000", "--wire-mb-s", "0") as model:
        results["fast"] = measure_paces(model, frames, rounds, console, "fast")
    with running("tenprint") as model:
        results["15 a second"] = measure_paces(model, max(10, frames // 5), 1, console, "15 a second")
        results["cancels"] = measure_cancels(model, cancels, console)
    out.mkdir(parents=True, exist_ok=True)
    (out / "live_frames.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    show(results, console)
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
