"""How long does enrolld take from its start to health SERVING, and what does it keep in memory at rest?

Beside the least that any program with these libraries takes: an interpreter that only imports them. Prints a table and
writes JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import grpc
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.processes import resident_mib
from enrollment.cli.demo.processes import Running, await_ready, launch, run_to_end

DAEMON = "enrollment.service.daemon"
IMPORTS = "import grpc.aio, numpy, cv2, cryptography.hazmat.primitives.ciphers.aead, sqlalchemy"
SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
REST_S = 3.0  # discovery and the first look at the outbox are over


def health(socket: str) -> bytes:
    """The answer of the health service, undecoded."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
        return check(b"", timeout=10.0)


def start_once(config: Path, log: Path) -> tuple[Running, float]:
    """Start the daemon; seconds until it says ready and its health service says SERVING."""
    began = perf_counter()
    running = await_ready(launch("enrolld", DAEMON, ["run", "--config", str(config)], log))
    answer = health(str(running.ready["socket"]))
    seconds = perf_counter() - began
    if answer != SERVING:
        raise click.ClickException(f"health answered {answer!r}")
    return running, seconds


def import_once() -> tuple[float, float]:
    """Seconds and MiB of an interpreter that only imports the libraries."""
    script = f"{IMPORTS}\nimport sys; print('ready', flush=True); sys.stdin.read()"
    began = perf_counter()
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None or process.stdin is None:
            raise click.ClickException("no pipe")
        process.stdout.readline()
        seconds, memory = perf_counter() - began, resident_mib(process.pid)
        process.stdin.close()
    return seconds, memory


@click.command()
@click.option("--times", type=click.IntRange(2, 100), default=7, show_default=True, help="Starts to measure.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("bench-results"))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
def main(times: int, out: Path, as_json: bool) -> None:
    """Measure cold starts of enrolld and its memory at rest."""
    console = Console(stderr=as_json)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "station"
        made = json.loads(run_to_end(DAEMON, ["init", "--folder", str(home), "--station", "BENCH-1", "--json"]))
        for _ in track(range(times), "starts", console=console, transient=True):
            import_s, import_mib = import_once()
            running, start_s = start_once(Path(made["config"]), Path(folder) / "log")
            time.sleep(REST_S)
            rows.append(
                {
                    "start_s": start_s,
                    "rest_mib": resident_mib(running.process.pid),
                    "import_s": import_s,
                    "import_mib": import_mib,
                }
            )
            running.stop()
    figures: dict[str, Any] = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    figures |= {"start_ratio": figures["start_s"] / figures["import_s"], "starts": rows}
    table = Table("Median of " + str(times), "enrolld", "imports alone", "ratio")
    table.add_row(
        "start to SERVING, s",
        f"{figures['start_s']:.2f}",
        f"{figures['import_s']:.2f}",
        f"{figures['start_ratio']:.2f}",
    )
    ratio = figures["rest_mib"] / figures["import_mib"]
    table.add_row("memory at rest, MiB", f"{figures['rest_mib']:.0f}", f"{figures['import_mib']:.0f}", f"{ratio:.2f}")
    console.print(table)
    (out / "start.json").write_text(json.dumps(figures, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
