"""The plot of `python -m bench.identify`: time and hits against the size of the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from bench.growth import Growth
from bench.identify_results import SizeResult

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot(
    results: Sequence[SizeResult], steadied_s: Sequence[float], line_from: int, growth: Growth, path: Path
) -> None:
    """Draw the measured searches with their fitted line, and rank 1 and hits beside them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), constrained_layout=True)
    sizes = np.array([one.subjects for one in results])
    left.loglog(sizes, [one.search_s for one in results], "o", label="measured, median", alpha=0.4)
    left.loglog(sizes, steadied_s, "C0o", markersize=4, label="steadied by the reference")
    line = np.geomspace(line_from, max(sizes[-1], 1_000_000), 50)
    run = line <= sizes[-1]
    left.loglog(line[run], [growth.at(size) for size in line[run]], "C1", label=f"fitted, slope {growth.slope:.3f}")
    left.loglog(line[~run], [growth.at(size) for size in line[~run]], "C1:", label="the line beyond what was run")
    left.set(title="a search on one thread", xlabel="subjects in the gallery", ylabel="s")
    left.legend()
    left.grid(visible=True, which="both", alpha=0.25)
    right.semilogx(sizes, [100 * one.rank1_rate for one in results], "o-", label="mate first (rank 1)")
    right.semilogx(sizes, [100 * one.kept_rate for one in results], "^-", label="mate kept by the filter")
    right.semilogx(sizes, [100 * one.hit_rate for one in results], "s-", label="hit: kept and above the threshold")
    right.semilogx(sizes, [100 * one.false_hit_rate for one in results], "x--", label="a stranger above the threshold")
    right.set(title="synthetic subjects", xlabel="subjects in the gallery", ylabel="% of searches", ylim=(-3, 103))
    right.legend(loc="center right")
    right.grid(visible=True, alpha=0.25)
    figure.savefig(path, dpi=110)
    plt.close(figure)
