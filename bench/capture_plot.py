"""The plot of bench/capture.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from bench.preview import MEMORY_EVERY_S


def plot(results: dict[str, Any], stages: Sequence[str], path: Path) -> None:
    """Three panels: stages of a capture, cost of calls, memory under preview."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.5), constrained_layout=True)
    medians = results["captures"]["median_ms"]
    start = 0.0
    for stage in (*stages, "rest_ms"):
        left.barh(
            ["capture"], [medians[stage]], left=start, label=f"{stage.removesuffix('_ms')} {medians[stage]:.1f} ms"
        )
        start += medians[stage]
    left.set(title=f"{results['captures']['captures_a_minute']:.0f} captures a minute", xlabel="ms, landing to outcome")
    left.legend(fontsize=8, loc="upper left")
    left.set_ylim(-0.5, 1.6)
    names = list(results["calls"])
    middle.bar(names, [results["calls"][name]["p50_ms"] for name in names], label="p50")
    middle.plot(names, [results["calls"][name]["p99_ms"] for name in names], "k_", markersize=14, label="p99")
    middle.set(title="one call", ylabel="ms")
    middle.tick_params(axis="x", rotation=30)
    middle.legend()
    for row in results["previews"]:
        seconds = [MEMORY_EVERY_S * number for number in range(len(row["memory_mib"]))]
        label = f"{row['clients']} clients, {row['stalled']} stalled: {row['frames_a_second']:.0f} frames/s"
        right.plot(seconds, row["memory_mib"], label=label)
    right.set(title="daemon memory under preview", xlabel="s", ylabel="MiB")
    right.set_ylim(bottom=0)
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
