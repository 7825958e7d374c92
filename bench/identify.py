"""What does one-to-many cost as the gallery grows? `python -m bench.identify --gallery 100000 [--up-to 1000000]`.

Memory, build time, comparisons and filtered templates a second, and at each size the time of a search, whether the mate
comes first (rank 1) and whether it is hit: kept by the first filter and above the threshold. The line of growth is
fitted through the sizes on logarithms. One thread. Subjects are synthetic: see bench/synthetic_subjects.py.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import hashlib
import json
import os
import statistics
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final

import click
import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from bench.gallery_search import Found, enrol, filter_time, search
from bench.growth import Growth, fit_growth
from bench.identify_plot import plot
from bench.processes import resident_mib
from bench.synthetic_subjects import enrolled, probe
from enrollment.core.fingerprint import SAME_FINGER_SCORE, FingerprintTemplate, Gallery

STEPS: Final = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
LEAST_GALLERY: Final = 1_000  # the first size of every run
LINE_FROM: Final = 10_000  # below it what a search costs whatever the gallery's size bends the line
BLOCK: Final = 500  # subjects drawn and enrolled at once
FILTER_TIMED: Final = 10  # searches
_PILOT_SEARCHES: Final = 5


@dataclass(frozen=True, slots=True)
class SizeResult:
    """One size of gallery. search_s: CPU seconds of one thread, median over searches. Rates: shares of the searches.

    filter_per_s: templates that the first filter looks at in a second; None without one. kept: compared in full.
    hit_rate: the mate was compared in full and reached the threshold. false_hit_rate: a stranger reached it.
    """

    subjects: int
    search_s: float
    filter_per_s: float | None
    kept: int
    rank1_rate: float
    kept_rate: float
    hit_rate: float
    false_hit_rate: float
    highest_stranger: float


@dataclass(frozen=True, slots=True)
class Build:
    """draw_s: to draw the subjects; add_s: to describe and add them. resident_mib: the process with its gallery."""

    subjects: int
    distinct: int
    draw_s: float
    add_s: float
    resident_mib: float
    bytes_a_template: float


@dataclass(frozen=True, slots=True)
class Pilot:
    """What the smallest gallery told: comparisons of all templates a CPU second, and how long the run may take."""

    scores_per_s: float
    projected_s: float


def sizes_up_to(most: int) -> list[int]:
    """The sizes to measure: the steps below the largest, and it."""
    return [step for step in STEPS if step < most] + [most]


class Enrollment:
    """A growing gallery of subjects, numbered as their rows are."""

    def __init__(self) -> None:
        self.gallery = Gallery()
        self._resident_before = resident_mib(os.getpid())
        self._digests = array("Q")  # 8 bytes a subject: it must not weigh in the memory that is measured
        self._draw_s = self._add_s = 0.0

    def grow(self, subjects: int, progress: Progress, task: TaskID) -> None:
        """Enrol further subjects."""
        while (enrolled_before := len(self.gallery)) < subjects:
            began = thread_time()
            block = range(enrolled_before, min(enrolled_before + BLOCK, subjects))
            templates = [enrolled(subject) for subject in block]
            drawn = thread_time()
            enrol(self.gallery, templates)
            self._add_s += thread_time() - drawn
            self._draw_s += drawn - began
            for template in templates:
                digest = hashlib.blake2b(template.positions.tobytes(), digest_size=8).digest()
                self._digests.append(int.from_bytes(digest, "little"))
            progress.advance(task, len(block))

    def built(self) -> Build:
        resident, count = resident_mib(os.getpid()), len(self.gallery)
        grown = (resident - self._resident_before) * 2**20 / count
        return Build(count, len(np.unique(self._digests)), self._draw_s, self._add_s, resident, grown)


def measure(
    gallery: Gallery, probes: Sequence[FingerprintTemplate], keep: float, progress: Progress, task: TaskID
) -> SizeResult:
    """Search with one probe of each of the first subjects."""
    found = []
    for template in probes:
        found.append(search(gallery, template, keep))
        progress.advance(task, len(gallery))
    filter_s = [seconds for template in probes[:FILTER_TIMED] if (seconds := filter_time(gallery, template))]
    return summarise(len(gallery), found, statistics.median(filter_s) if filter_s else None)


def summarise(subjects: int, found: Sequence[Found], filter_s: float | None) -> SizeResult:
    """Put searches together; search number N was with a probe of subject N. filter_s: of one search, if any."""
    mates, strangers = [], []
    for subject, one in enumerate(found):
        is_mate = one.rows == subject
        mates.append(float(one.scores[is_mate].max(initial=-1.0)))
        strangers.append(float(one.scores[~is_mate].max(initial=0.0)))
    mate, stranger = np.array(mates), np.array(strangers)
    return SizeResult(
        subjects=subjects,
        search_s=statistics.median(one.search_s for one in found),
        filter_per_s=None if filter_s is None else subjects / filter_s,
        kept=round(statistics.fmean(len(one.rows) for one in found)),
        rank1_rate=float((mate > stranger).mean()),
        kept_rate=float((mate >= 0.0).mean()),
        hit_rate=float((mate >= SAME_FINGER_SCORE).mean()),
        false_hit_rate=float((stranger >= SAME_FINGER_SCORE).mean()),
        highest_stranger=float(stranger.max()),
    )


def pilot(sizes: Sequence[int], probes: int, keep: float) -> Pilot:
    """Try the smallest size; guess the whole run from it as if every cost were linear."""
    began = perf_counter()
    gallery = Gallery(enrolled(subject) for subject in range(LEAST_GALLERY))
    a_subject = (perf_counter() - began) / LEAST_GALLERY
    scoring_s, searching_s = [], []
    for subject in range(_PILOT_SEARCHES):
        template = probe(subject)
        began = thread_time()
        gallery.scores(template)
        scoring_s.append(thread_time() - began)
        began = perf_counter()
        search(gallery, template, keep)
        searching_s.append(perf_counter() - began)
    a_template = statistics.fmean(searching_s) / LEAST_GALLERY
    projected = max(sizes) * a_subject + probes * sum(sizes) * a_template
    return Pilot(LEAST_GALLERY / statistics.median(scoring_s), projected)


def line_of(results: Sequence[SizeResult]) -> tuple[int, Growth]:
    """Fit the line through the sizes from LINE_FROM on, or through all if those are too few; also the first size."""
    large = [one for one in results if one.subjects >= LINE_FROM]
    used = large if len(large) > 1 else results
    return used[0].subjects, fit_growth([one.subjects for one in used], [one.search_s for one in used])


def show(
    console: Console, results: Sequence[SizeResult], built: Build, line_from: int, growth: Growth, keep: float
) -> None:
    """Print the table and the line."""
    table = Table(title=f"one to many, one thread; threshold {SAME_FINGER_SCORE}")
    for heading in ("subjects", "s/search", "per s", "filter/s", "kept", "rank 1", "hit", "false", "top"):
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
        )
    console.print(table)
    searched = "all are compared in full" if results[-1].filter_per_s is None else f"{100 * keep:g} % pass the filter"
    console.print(
        f"{searched}; per s: subjects over the time of a search; in % of the searches rank 1: the mate comes first,"
        " hit: the mate is kept and reaches the threshold, false: a stranger reaches it; top: the highest stranger"
    )
    console.print(
        f"gallery of {built.subjects:,} (distinct: {built.distinct:,}): {built.resident_mib:,.0f} MiB resident,"
        f" {built.bytes_a_template:,.0f} bytes a template; built in {built.add_s:.1f} s"
        f" ({1000 * built.add_s / built.subjects:.2f} ms each), after {built.draw_s:.1f} s of drawing the subjects"
    )
    console.print(
        f"growth from {line_from:,} subjects on: a search takes {growth.factor:.3g} s x subjects^{growth.slope:.3f}"
        f" (spread {100 * growth.spread:.0f} %); the line gives {growth.at(1e6):,.1f} s at 1,000,000"
        + ("" if built.subjects >= 1_000_000 else ", which was not run")
    )


@click.command()
@click.option("--gallery", "main_size", type=click.IntRange(LEAST_GALLERY + 1), default=100_000, show_default=True)
@click.option("--up-to", type=click.IntRange(LEAST_GALLERY + 1), help="go on to a larger gallery")
@click.option("--probes", type=click.IntRange(1, LEAST_GALLERY), default=50, show_default=True, help="at each size")
@click.option("--keep", type=click.FloatRange(0.0, 1.0, min_open=True), default=0.01, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="identify.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(main_size: int, up_to: int | None, probes: int, keep: float, json_path: Path | None, out: Path) -> None:
    """Measure searches in galleries of growing size."""
    console = Console()
    cv2.setNumThreads(1)
    sizes = sorted({*sizes_up_to(main_size), *sizes_up_to(max(main_size, up_to or 0))})
    console.print(
        "subjects: each a synthetic finger of its own, drawn from its own seed; minutiae without image; mates are"
        " another impression of it"
    )
    tried = pilot(sizes, probes, keep)
    console.print(
        f"sizes {', '.join(f'{size:,}' for size in sizes)}, {probes} searches each: about"
        f" {tried.projected_s / 60:.1f} minutes"
    )
    out.mkdir(parents=True, exist_ok=True)
    templates = [probe(subject) for subject in range(probes)]
    enrollment, results, builds = Enrollment(), [], []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        growing = progress.add_task("enrolling", total=max(sizes))
        searching = progress.add_task("searching", total=probes * sum(sizes))
        for size in sizes:
            enrollment.grow(size, progress, growing)
            builds.append(enrollment.built())
            results.append(measure(enrollment.gallery, templates, keep, progress, searching))
            console.print(f"{size:,} subjects: {results[-1].search_s:.3f} s a search")
    line_from, growth = line_of(results)
    show(console, results, builds[-1], line_from, growth, keep)
    console.print(
        f"scores of all of {LEAST_GALLERY:,}: {tried.scores_per_s:,.0f} comparisons a second (the gallery may tell"
        " strangers without finishing a comparison)"
    )
    plot(results, line_from, growth, out / "identify.png")
    path = json_path or out / "identify.json"
    content = {
        "keep": keep,
        "threshold": SAME_FINGER_SCORE,
        "probes": probes,
        "scores_per_s": tried.scores_per_s,
        "sizes": [asdict(one) for one in results],
        "builds": [asdict(one) for one in builds],
        "growth": {"from": line_from, **asdict(growth)},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"written: {path}, {out / 'identify.png'}")


if __name__ == "__main__":
    main()
