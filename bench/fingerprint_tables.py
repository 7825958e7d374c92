"""The tables of `python -m bench.fingerprint`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.finger_bootstrap import Interval
from bench.fingerprint_figures import Figures, Rates, SystemFigures
from bench.matching_rates import COLD, FULL, PEER, WARM, Rate, rates_table
from bench.print_scores import OURS, PEER_QUALITY, SetRun
from bench.print_scores import PEER as PEER_SYSTEM

NO_TIME_MS = 0.01  # a result that comes with the one before it


def show(console: Console, runs: Sequence[SetRun], figures: Figures, rates: Mapping[str, Rate]) -> None:
    """Print all tables."""
    for system, found in figures.systems.items():
        console.print(_rates_table(system, found, runs))
    console.print(
        "FMR1000: FNMR % at the least threshold with FMR <= 0.1 %; top: highest impostor score; ms: CPU time to"
        " extract an image, median. odd, even: the first, third... and the second, fourth... fingers of each set alone;"
        " 640 impostor pairs and fewer allow none at FMR 0.1 %."
    )
    for system, found in figures.systems.items():
        pooled = found.pooled
        console.print(
            f"{system}, one threshold for all sets: EER {100 * pooled.eer:.2f} %, FMR1000"
            f" {100 * pooled.fnmr_at(1e-3):.2f} %; score at FMR 1e-3 {pooled.threshold_at(1e-3):.2f},"
            f" at 1e-4 {pooled.threshold_at(1e-4):.2f}"
        )
    console.print(_discard_table(figures))
    if figures.differences:
        console.print(_difference_table(figures))
    console.print(_stage_table(runs))
    _show_rates(console, runs, rates)


def _rates_table(system: str, found: SystemFigures, runs: Sequence[SetRun]) -> Table:
    table = Table(title=system)
    table.add_column("set", no_wrap=True)
    headings = ["images", "failed", "minutiae", "EER %", "FMR1000", "top", "ms"]
    headings[5:5] = ["odd", "even"] if found.odd else []
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        name = run.prints.name
        rates = found.sets[name]
        halves = [_pair(half[name]) for half in (found.odd, found.even) if half]
        table.add_row(
            name,
            str(len(run.prints.paths)),
            str(run.failed[system]),
            f"{run.minutiae[system]:.1f}",
            f"{100 * rates.eer:.2f}",
            f"{100 * rates.fmr1000:.2f}",
            *halves,
            f"{rates.highest_impostor:.2f}",
            f"{statistics.median(run.image_ms.get(system) or [0.0]):.1f}",
        )
    table.add_section()
    table.add_row(
        "mean",
        str(sum(len(run.prints.paths) for run in runs)),
        str(sum(run.failed[system] for run in runs)),
        f"{statistics.fmean(run.minutiae[system] for run in runs):.1f}",
        f"{100 * found.eer.estimate:.2f}",
        f"{100 * found.fmr1000.estimate:.2f}",
        *[_mean_pair(half) for half in (found.odd, found.even) if half],
        f"{max(one.highest_impostor for one in found.sets.values()):.2f}",
        f"{statistics.fmean(statistics.median(run.image_ms.get(system) or [0.0]) for run in runs):.1f}",
    )
    table.add_row("95 % by finger", "", "", "", _bounds(found.eer, 100), _bounds(found.fmr1000, 100))
    return table


def _pair(rates: Rates) -> str:
    return f"{100 * rates.eer:.2f} / {100 * rates.fmr1000:.2f}"


def _mean_pair(half: Mapping[str, Rates]) -> str:
    eer = statistics.fmean(one.eer for one in half.values())
    return f"{100 * eer:.2f} / {100 * statistics.fmean(one.fmr1000 for one in half.values()):.2f}"


def _bounds(interval: Interval, scale: float = 1.0) -> str:
    return f"{scale * interval.low:.2f}..{scale * interval.high:.2f}"


def _discard_table(figures: Figures) -> Table:
    table = Table(title="error versus discard: FNMR % at one score for all sets, worst pairs taken away")
    table.add_column("misses of")
    table.add_column("score at", no_wrap=True)
    table.add_column("quality", no_wrap=True)
    for heading in ("misses", "0 %", "5 %", "10 %", "20 %", "30 %", "relative pAUC", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in figures.discards:
        curve = one.curve
        at = [round(share / curve.shares[-1] * (len(curve.shares) - 1)) for share in (0.0, 0.05, 0.1, 0.2, 0.3)]
        table.add_row(
            one.matcher,
            one.at,
            one.quality,
            str(one.misses),
            *(f"{100 * curve.fnmr[number]:.2f}" for number in at),
            f"{one.relative_pauc.estimate:.2f}",
            _bounds(one.relative_pauc),
        )
    table.caption = (
        "relative pAUC over 0-30 % discard: 0 perfect, 1 random; a pair is as good as its worse image. At FMR 0.1 %"
        " each matcher has its own misses, and where they are few a single pair decides; at FNMR 5 % all have as many"
    )
    return table


def _difference_table(figures: Figures) -> Table:
    table = Table(title="differences, bootstrap over fingers, paired; below zero is better for us")
    table.add_column("what")
    for heading in ("difference", "95 %", "zero"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in figures.differences:
        scale, unit = (1.0, "") if "pAUC" in one.what else (100.0, " points")
        verdict = "excluded" if one.interval.excludes_zero else "not excluded"
        table.add_row(one.what, f"{scale * one.interval.estimate:.2f}{unit}", _bounds(one.interval, scale), verdict)
    return table


def _stage_table(runs: Sequence[SetRun]) -> Table:
    table = Table(title="our extraction and quality by stage, CPU ms an image, medians")
    table.add_column("stage")
    for run in runs:
        table.add_column(run.prints.name, justify="right", no_wrap=True)
    rows: list[tuple[str, list[float]]] = []
    for stage in runs[0].stage_ms:
        times = [statistics.median(run.stage_ms.get(stage) or [0.0]) for run in runs]
        if rows and max(times) < NO_TIME_MS:
            rows[-1] = (f"{rows[-1][0]}, {stage}", rows[-1][1])
        else:
            rows.append((stage, times))
    for name, times in rows:
        table.add_row(name, *(f"{ms:.2f}" for ms in times))
    table.add_section()
    table.add_row("together", *[f"{statistics.median(run.image_ms.get(OURS) or [0.0]):.2f}" for run in runs])
    return table


def _show_rates(console: Console, runs: Sequence[SetRun], rates: Mapping[str, Rate]) -> None:
    console.print(rates_table(rates))
    if PEER in rates:
        ratios = [one / other for run in runs for one, other in _extract_ms(run)]
        middle = statistics.median(ratios)
        low, high = (statistics.quantiles(ratios, n=4)[at] for at in (0, 2)) if len(ratios) > 1 else (middle, middle)
        over = {name: rates[name].per_s / rates[PEER].per_s for name in (COLD, WARM, FULL)}
        console.print(
            "beside the peer, same run, one thread: our comparisons are "
            + ", ".join(f"{ratio:.2f} times ({name})" for name, ratio in over.items())
            + f" as fast as bozorth3's; our extraction and quality take {middle:.2f} of mindtct's CPU time on the same"
            f" image (half of all images within {low:.2f}..{high:.2f}); NFIQ 2 takes"
            f" {statistics.median(ms for run in runs for ms in run.image_ms[PEER_QUALITY]):.0f} ms more"
        )


def _extract_ms(run: SetRun) -> list[tuple[float, float]]:
    """Ours and the peer's time of each image that we extracted."""
    theirs = [ms for ms, template in zip(run.image_ms[PEER_SYSTEM], run.templates, strict=True) if template is not None]
    return list(zip(run.image_ms.get(OURS, []), theirs, strict=True))
