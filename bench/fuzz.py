"""Do octets that nobody meant break a reader? Every reader of a stranger's octets under a coverage-guided fuzzer.

./run bench fuzz [--seconds N] [--target NAME]... [--json PATH]

Each target runs alone, from seeds that the golden vectors and the writers give (bench/fuzzing). A crash is any end but
EnrollmentError: a foreign exception, octets that were read and do not come back, more than TIMEOUT_S for one input, or
more than MEMORY_MIB. Its input is kept, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from bench.console import bench_console
from bench.fuzzing.targets import TARGETS

SECONDS: Final = 10
TIMEOUT_S: Final = 10  # for one input; the slowest honest one takes some 0.2 s
MEMORY_MIB: Final = 2048  # an image of 16 million pixels, the most that is decoded, takes some 300
START_S: Final = 60  # to import, to make keys and seeds, and to run these
CRASHES: Final = Path("output/fuzz")
SHOWN_LINES: Final = 30  # of a crash

_PROGRESS: Final = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/.*rss: (\d+)Mb")
_KEPT: Final = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One target's run. edges: of the core's Python, reached by the seeds alone and at the end; corpus: inputs that
    each reach something new.
    """

    target: str
    executions: int
    executions_per_s: float
    seed_edges: int
    edges: int
    corpus: int
    memory_mib: int
    crash: str | None


def fuzz(name: str, seconds: int) -> Outcome:
    """Run one target for a time. Raises RuntimeError where the fuzzer itself does not run."""
    CRASHES.mkdir(parents=True, exist_ok=True)
    prefix = f"{CRASHES.resolve()}/{name.replace(':', '-')}-"
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "bench.fuzzing.worker", name, corpus]
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={TIMEOUT_S}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={prefix}",
        ]
        done = subprocess.run(
            [*command, *options],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds + START_S + 2 * TIMEOUT_S,
        )
    progress = [match.groups() for match in _PROGRESS.finditer(done.stderr)]
    kept = _KEPT.search(done.stderr)
    if not progress or (done.returncode != 0) != (kept is not None):
        raise RuntimeError(f"the fuzzer did not run {name}: status {done.returncode}\n{done.stderr[-4000:]}")
    if kept:
        sys.stderr.write("\n".join(_crash_lines(done.stdout + done.stderr)) + "\n")
        sys.stderr.write(f"again, without the fuzzer: python -m bench.fuzzing.replay {name} {kept.group(1)}\n")
    seed_edges = next((int(edges) for _, event, edges, *_ in progress if event == "INITED"), 0)
    executions, _, edges, _, inputs, memory = progress[-1]
    return Outcome(
        target=name,
        executions=int(executions),
        executions_per_s=int(executions) / seconds,
        seed_edges=seed_edges,
        edges=int(edges),
        corpus=int(inputs),
        memory_mib=int(memory),
        crash=kept.group(1) if kept else None,
    )


def _crash_lines(text: str) -> list[str]:
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if "Uncaught Python exception" in line or "ERROR:" in line), 0)
    return lines[start : start + SHOWN_LINES]


def table_of(outcomes: list[Outcome]) -> Table:
    """Every target's figures, and the limits that it ran under."""
    table = Table(title=f"limits: no crash, {TIMEOUT_S} s an input, {MEMORY_MIB} MiB")
    table.add_column("target", no_wrap=True)
    for column in ("runs", "runs/s", "edges", "by seeds", "corpus", "MiB", "crashes"):
        table.add_column(column, justify="right")
    for found in outcomes:
        table.add_row(
            found.target,
            f"{found.executions:,}",
            f"{found.executions_per_s:,.0f}",
            str(found.edges),
            str(found.seed_edges),
            str(found.corpus),
            str(found.memory_mib),
            "0" if found.crash is None else "1",
        )
    return table


def main() -> int:
    """Returns 1 where a target crashed."""
    parser = argparse.ArgumentParser(prog="./run bench fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each target (default {SECONDS})")
    names = [target.name for target in TARGETS]
    parser.add_argument("--target", action="append", choices=names, help="only this one; may be given again")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    if arguments.seconds < 1:
        parser.error("--seconds must be at least 1")  # 0 would mean without end
    console = bench_console()
    outcomes = []
    for name in arguments.target or names:
        console.print(f"{name} ...", end=" ")
        outcome = fuzz(name, arguments.seconds)
        console.print(f"{outcome.executions:,} runs" if outcome.crash is None else "[red]crash[/red]")
        outcomes.append(outcome)
    console.print(table_of(outcomes))
    crashed = [outcome for outcome in outcomes if outcome.crash is not None]
    total = sum(outcome.executions for outcome in outcomes)
    most = max(outcome.memory_mib for outcome in outcomes)
    console.print(f"{total:,} runs, {len(crashed)} crashes; at most {most} MiB, {most / MEMORY_MIB:.2f} of the limit")
    for outcome in crashed:
        console.print(f"{outcome.target} crashes on {outcome.crash}")
    if arguments.json:
        figures = {"seconds": arguments.seconds, "targets": [asdict(outcome) for outcome in outcomes]}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
