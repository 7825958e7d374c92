"""What does one-to-many cost as the gallery grows? `python -m bench.identify --gallery 100000 [--up-to 1000000]`.

Memory, build time, comparisons and filtered templates a second, and at each size the time of a search, whether the mate
comes first (rank 1) and whether it is hit: kept by the first filter and above the threshold. One thread. Subjects are
synthetic: see bench/synthetic_subjects.py.

Sizes are measured minutes apart, and a busy machine is not the same machine then: beside each search one of a fixed
gallery is timed, and the line of growth is fitted, on logarithms, through times steadied by it.
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
from dataclasses import asdict
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final

import click
import cv2
import numpy as np
from rich.progress import Progress, TaskID

from bench.console import bench_console
from bench.gallery_search import filter_time, search
from bench.identify_plot import plot
from bench.identify_results import Build, SizeResult, line_of, steadied, summarise
from bench.identify_table import show
from bench.processes import resident_mib
from bench.synthetic_subjects import enrolled, probe
from enrollment.core.fingerprint import SAME_FINGER_SCORE, FingerprintTemplate, Gallery

STEPS: Final = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
LEAST_GALLERY: Final = 1_000  # the first size of every run
BLOCK: Final = 500  # subjects drawn and enrolled at once
FILTER_TIMED: Final = 10  # searches
_PILOT_SEARCHES: Final = 5


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
            self.gallery.extend(templates)
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
    gallery: Gallery,
    reference: Gallery,
    probes: Sequence[FingerprintTemplate],
    keep: float,
    progress: Progress,
    task: TaskID,
) -> SizeResult:
    """Search with one probe of each of the first subjects, and in the reference in between."""
    found, reference_s = [], []
    for template in probes:
        found.append(search(gallery, template, keep))
        began = thread_time()
        reference.scores(template)
        reference_s.append(thread_time() - began)
        progress.advance(task, len(gallery))
    filter_s = [seconds for template in probes[:FILTER_TIMED] if (seconds := filter_time(gallery, template))]
    between = statistics.median(reference_s)
    return summarise(len(gallery), found, statistics.median(filter_s) if filter_s else None, between)


def projected_s(reference: Gallery, built_s: float, sizes: Sequence[int], probes: int, keep: float) -> float:
    """Guess the whole run from the smallest gallery, as if every cost were linear."""
    began = perf_counter()
    for subject in range(_PILOT_SEARCHES):
        search(reference, probe(subject), keep)
    search_s = (perf_counter() - began) / _PILOT_SEARCHES
    began = perf_counter()
    reference.scores(probe(0))
    reference_s = perf_counter() - began
    growing = max(sizes) * built_s / len(reference)
    return growing + probes * (sum(sizes) * search_s / len(reference) + len(sizes) * reference_s)


@click.command()
@click.option("--gallery", "main_size", type=click.IntRange(LEAST_GALLERY + 1), default=100_000, show_default=True)
@click.option("--up-to", type=click.IntRange(LEAST_GALLERY + 1), help="go on to a larger gallery")
@click.option("--probes", type=click.IntRange(1, LEAST_GALLERY), default=50, show_default=True, help="at each size")
@click.option("--keep", type=click.FloatRange(0.0, 1.0, min_open=True), default=0.01, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="identify.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(main_size: int, up_to: int | None, probes: int, keep: float, json_path: Path | None, out: Path) -> None:
    """Measure searches in galleries of growing size."""
    console = bench_console()
    cv2.setNumThreads(1)
    sizes = sorted({*sizes_up_to(main_size), *sizes_up_to(max(main_size, up_to or 0))})
    console.print(
        "subjects: each a synthetic finger of its own, drawn from its own seed; minutiae without image; probes"
        " are parts of another impression of it"
    )
    began = perf_counter()
    reference = Gallery([enrolled(subject) for subject in range(LEAST_GALLERY)])
    projected = projected_s(reference, perf_counter() - began, sizes, probes, keep)
    console.print(
        f"sizes {', '.join(f'{size:,}' for size in sizes)}, {probes} searches each: about {projected / 60:.1f} minutes"
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
            results.append(measure(enrollment.gallery, reference, templates, keep, progress, searching))
            console.print(f"{size:,} subjects: {results[-1].search_s:.3f} s a search")
    line_from, growth = line_of(results)
    show(console, results, builds[-1], len(reference), line_from, growth, keep)
    plot(results, steadied(results), line_from, growth, out / "identify.png")
    path = json_path or out / "identify.json"
    content = {
        "keep": keep,
        "threshold": SAME_FINGER_SCORE,
        "probes": probes,
        "sizes": [asdict(one) for one in results],
        "builds": [asdict(one) for one in builds],
        "growth": {"from": line_from, **asdict(growth)},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"written: {path}, {out / 'identify.png'}")


if __name__ == "__main__":
    main()
