"""The table of `python -m bench.identify`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.growth import Growth
from bench.identify_results import Build, SizeResult
from enrollment.core.fingerprint import SAME_FINGER_SCORE


def show(
    console: Console,
    results: Sequence[SizeResult],
    built: Build,
    reference_subjects: int,
    line_from: int,
    growth: Growth,
    keep: float,
) -> None:
    """Print the table and the line."""
    table = Table(title=f"one to many, one thread; threshold {SAME_FINGER_SCORE}")
    for heading in (
        "subjects",
        "s/search",
        "per s",
        "filter/s",
        "kept",
        "rank 1",
        "hit",
        "false",
        "top",
        "reference ms",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in results:
        table.add_row(
            f"{one.subjects:,}",
            f"{one.search_s:.3f}",
            f"{one.subjects / one.search_s:,.0f}",
            "none" if one.filter_per_s is None else f"{one.filter_per_s:,.0f}",
            f"{one.kept:,}",
            f"{100 * one.rank1_rate:.1f}",
            f"{100 * one.hit_rate:.1f}",
            f"{100 * one.false_hit_rate:.1f}",
            f"{one.highest_stranger:.2f}",
            f"{1000 * one.reference_s:.0f}",
        )
    console.print(table)
    searched = "all are compared in full" if results[-1].filter_per_s is None else f"{100 * keep:g} % pass the filter"
    console.print(
        f"{searched}; per s: subjects over the time of a search; in % of the searches rank 1: the mate comes first,"
        " hit: the mate is kept and reaches the threshold, false: a stranger reaches it; top: the highest stranger"
    )
    quickest = min(one.reference_s for one in results)
    console.print(
        f"reference: a fixed gallery of {reference_subjects:,}, each template scored, between the searches of each"
        f" size; {reference_subjects / quickest:,.0f} comparisons a second at its quickest"
    )
    console.print(
        f"gallery of {built.subjects:,} (distinct: {built.distinct:,}): {built.resident_mib:,.0f} MiB resident,"
        f" {built.bytes_a_template:,.0f} bytes a template; built in {built.add_s:.1f} s"
        f" ({1000 * built.add_s / built.subjects:.2f} ms each), after {built.draw_s:.1f} s of drawing the subjects"
    )
    console.print(
        f"growth from {line_from:,} subjects on, steadied by the reference: a search takes {growth.factor:.3g} s"
        f" x subjects^{growth.slope:.3f} (spread {100 * growth.spread:.0f} %); the line gives {growth.at(1e6):,.1f} s"
        " at 1,000,000" + ("" if built.subjects >= 1_000_000 else ", which was not run")
    )
