"""The plot of bench/capture.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot(results: dict[str, Any], stages: Sequence[str], path: Path) -> None:
    """Two panels: the stages of a flat capture; captures a minute beside what the wire alone allows."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    medians = results["flats"]["median_ms"]
    start = 0.0
    for stage in (*stages, "rest_ms"):
        label = f"{stage.removesuffix('_ms')} {medians[stage]:.1f} ms"
        left.barh(["a flat capture"], [medians[stage]], left=start, label=label)
        start += medians[stage]
    left.set(title="where the time goes", xlabel="ms, landing to outcome", ylim=(-0.5, 1.6))
    left.legend(fontsize=8, loc="upper left")
    names = list(results)
    places = range(len(names))
    for offset, key, label in (
        (-0.2, "wire_alone_a_minute", "the wire alone"),
        (0.2, "captures_a_minute", "judged and kept"),
    ):
        heights = [results[name][key] for name in names]
        right.bar_label(right.bar([place + offset for place in places], heights, 0.38, label=label), fmt="%.0f")
    right.margins(y=0.12)
    right.set_xticks(list(places), names)
    right.set(title="captures a minute")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
