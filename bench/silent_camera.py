"""How long does an event loop stand still when a reflex camera falls silent, and what does the cure cost?

The driver runs libgphoto2 in a process of its own; beside it, in the same run, the same library is called on a thread
of this process, as the driver would without it. An event loop beats every 5 ms meanwhile: its longest gap is what every
client of a daemon would wait. The camera is a firmware model over PTP/IP. Prints tables and writes JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from drivers.camera.dslr.address import parse_address
from drivers.camera.dslr.driver import Dslr
from drivers.camera.dslr.library import Body
from drivers.errors import DriverError
from drivers.spi import CancelToken

LIMIT_MS = 10.0  # of any call of the daemon, p99, under a running preview
BEAT_S = 0.005
IDLE_S = 1.0
STILL_TIMEOUT_S = 10.0


class Model:
    """The firmware model as a process: a body without live view, so that a fault strikes at the picture alone."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "firmware_stubs", "dslr", "--no-live-view", "--until-stdin-closes"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None:
            raise click.ClickException("no pipe")
        ready = json.loads(self._process.stdout.readline())
        self.url: str = ready["url"]
        self._control: str = ready["control"]

    def fail(self, kind: str, after: int) -> None:
        self._send("PUT", json.dumps({"kind": kind, "after": after}).encode())

    def heal(self) -> None:
        self._send("DELETE", None)

    def stop(self) -> None:
        self._process.communicate(timeout=10)

    def _send(self, method: str, body: bytes | None) -> None:
        request = urllib.request.Request(f"{self._control}/fault", data=body, method=method)  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


class Camera(Protocol):
    """What both sides do."""

    def open(self) -> None: ...

    def still(self) -> None: ...

    def close(self) -> None: ...


class OnAThread:
    """The library in this process."""

    def __init__(self, url: str) -> None:
        self._address = parse_address(url)

    def open(self) -> None:
        self._body = Body(self._address)

    def still(self) -> None:
        self._body.release_shutter()
        while (path := self._body.next_file(0.1)[1]) is None:
            pass
        content = self._body.download(*path)
        self._body.delete(*path)
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)

    def close(self) -> None:
        self._body.close()
        # The library has closed descriptor 0, whosever it is: the next file would have that number, and lose it, too.
        if os.open(os.devnull, os.O_RDONLY) != 0:
            raise click.ClickException("descriptor 0 was not closed: libgphoto2 is better than it was")


class InAProcess:
    """The driver."""

    def __init__(self, url: str) -> None:
        self._camera = Dslr(url)

    def open(self) -> None:
        self._camera.open()

    def still(self) -> None:
        self._camera.take_still(timeout_s=STILL_TIMEOUT_S, cancel=CancelToken())

    def close(self) -> None:
        self._camera.close()


async def gap_ms(work: Callable[[], None]) -> tuple[float, float]:
    """The longest gap between two beats of the loop while a thread works, and how long that takes; milliseconds."""
    longest, ended = 0.0, False

    async def beat() -> None:
        nonlocal longest
        last = perf_counter()
        while not ended:
            await asyncio.sleep(BEAT_S)
            longest, last = max(longest, perf_counter() - last - BEAT_S), perf_counter()

    beating = asyncio.create_task(beat())
    began = perf_counter()
    try:
        await asyncio.to_thread(work)
    except DriverError as error:
        logging.getLogger(__name__).debug("as it should: %s", error.reason)
    took = perf_counter() - began
    ended = True
    await beating
    return 1000 * longest, 1000 * took


async def measure(make: Callable[[str], Camera], model: Model) -> dict[str, dict[str, float]]:
    """Each step once: gap_ms of the loop, took_ms of the step."""
    steps = {"nothing: the machine's noise": await gap_ms(lambda: time.sleep(IDLE_S))}
    camera = make(model.url)
    steps["open"] = await gap_ms(camera.open)
    steps["a still"] = await gap_ms(camera.still)
    model.fail("stall", after=1)
    steps["silent when its picture is deleted"] = await gap_ms(camera.still)
    steps["closed while silent"] = await gap_ms(camera.close)
    model.heal()
    return {name: {"gap_ms": gap, "took_ms": took} for name, (gap, took) in steps.items()}


def medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        step: {name: statistics.median(one[step][name] for one in rounds) for name in ("gap_ms", "took_ms")}
        for step in rounds[0]
    }


def show(thread: dict[str, Any], process: dict[str, Any], console: Console) -> None:
    headings = ("", "thread: gap, ms", "process", "ratio", f"of {LIMIT_MS:g} ms", "thread: takes, ms", "process")
    table = Table(*headings, title="libgphoto2 beside an event loop")
    for step, one in thread.items():
        other = process[step]
        table.add_row(
            step,
            f"{one['gap_ms']:.1f}",
            f"{other['gap_ms']:.1f}",
            f"{other['gap_ms'] / one['gap_ms']:.3f}",
            f"{other['gap_ms'] / LIMIT_MS:.2f}",
            f"{one['took_ms']:.0f}",
            f"{other['took_ms']:.0f}",
        )
    console.print(table)


@click.command()
@click.option("--rounds", type=click.IntRange(1, 50), default=3, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(rounds: int, out: Path, as_json: bool) -> None:
    """Measure an event loop beside a reflex camera that falls silent."""
    console = Console(stderr=as_json)
    logging.getLogger("drivers").setLevel(logging.ERROR)  # of the pictures that stay on the model's card on purpose
    taken: dict[str, list[dict[str, dict[str, float]]]] = {"thread": [], "process": []}
    model = Model()
    try:
        for _ in range(rounds):
            taken["thread"].append(asyncio.run(measure(OnAThread, model)))
            taken["process"].append(asyncio.run(measure(InAProcess, model)))
    finally:
        model.stop()
    results = {name: medians(one) for name, one in taken.items()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "silent_camera.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    show(results["thread"], results["process"], console)
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
