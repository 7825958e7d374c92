"""Sixty times out and in, over a daemon: nothing stays behind. `./run bench plug_cycles` does it for longer."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bench.plug_cycles import run_cycles, running_bus, summary

CYCLES = 60


def test_no_thread_handle_or_generation_is_left_behind_or_lost(tmp_path: Path) -> None:
    with running_bus(tmp_path) as bus:
        results = summary(run_cycles(bus, CYCLES, Console(quiet=True)))
    for name in ("threads", "handles"):
        before, after = results[name]
        # What each open handle left would be 15 here; gRPC's own pool may grow by a thread.
        assert after - before <= 2, (name, results["counts"])
    before, after = results["generations"]
    assert (after - before, results["lost_generations"]) == (CYCLES, 0)
