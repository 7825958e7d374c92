"""The plots of `python -m bench.fingerprint`: DET curves, and error versus discard."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from bench.fingerprint_figures import AT_FMR1000, Figures
from bench.print_scores import OURS

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot_det(figures: Figures, path: Path) -> None:
    """Draw FNMR against FMR by set, and the one threshold for all sets of every system."""
    figure, axes = plt.subplots(figsize=(10.5, 6.5), constrained_layout=True)
    for number, name in enumerate(figures.systems[OURS].curves):
        for system, found in figures.systems.items():
            shown = found.curves[name]
            line, label = ("-", f"{name}, {system}") if system == OURS else (":", None)
            axes.step(
                100 * shown.fmr, 100 * shown.fnmr, line, where="post", color=f"C{number}", label=label, linewidth=1.2
            )
    for system, found in figures.systems.items():
        line = "k-" if system == OURS else "k:"
        axes.step(
            100 * found.pooled.fmr,
            100 * found.pooled.fnmr,
            line,
            where="post",
            linewidth=2.2,
            label=f"one threshold for all sets, {system}",
        )
    axes.axline((0.1, 0.1), (10.0, 10.0), color="0.7", linewidth=0.8)
    axes.axvline(0.1, color="0.7", linewidth=0.8, linestyle="--")
    title = "DET" if len(figures.systems) == 1 else "DET; dotted: the peer on the same pairs"
    axes.set(title=title, xscale="log", yscale="log", xlabel="FMR %", ylabel="FNMR %", xlim=(0.01, 60), ylim=(0.1, 60))
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_discard(figures: Figures, path: Path) -> None:
    """Draw the misses that are left against the share of pairs discarded, one panel a matcher."""
    count = len(figures.systems)
    figure, panels = plt.subplots(1, count, figsize=(6 * count, 5), constrained_layout=True, squeeze=False)
    for axes, matcher in zip(panels[0], figures.systems, strict=True):
        found = [one for one in figures.discards if one.matcher == matcher and one.at == AT_FMR1000]
        for one in found:
            label = f"{one.quality}: relative pAUC {one.relative_pauc.estimate:.2f}"
            axes.plot(100 * one.curve.shares, 100 * one.curve.fnmr, label=label)
        curve = found[0].curve
        axes.plot(100 * curve.shares, 100 * curve.perfect, "0.5", linestyle="--", label="perfect: 0")
        axes.axhline(100 * curve.fnmr[0], color="0.5", linestyle=":", label="random: 1")
        axes.set(title=f"misses of {matcher}", xlabel="pairs discarded, worst quality first, %", ylabel="FNMR %")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
