"""The plot of bench/plug_cycles.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot(results: dict[str, Any], path: Path) -> None:
    """Two panels over the cycles: threads and handles, and the daemon's memory."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    cycles = [counted["cycle"] for counted in results["counts"]]
    for name in ("threads", "handles"):
        left.plot(cycles, [counted[name] for counted in results["counts"]], label=name)
    left.set(title="what the daemon holds", xlabel="plug/unplug cycles", ylabel="count")
    left.set_ylim(bottom=0)
    left.legend()
    right.plot(cycles, [counted["memory_mib"] for counted in results["counts"]], color="tab:green")
    right.set(title="resident memory", xlabel="plug/unplug cycles", ylabel="MiB")
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=110)
    plt.close(figure)
