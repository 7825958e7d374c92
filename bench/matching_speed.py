"""How fast is matching, and what does the first look of a search lose? `python -m bench.matching_speed [--data DIR]`.

Mates are impressions of one finger: of the sets in DIR (folders of images FINGER_IMPRESSION.tif), or drawn. They are
searched for in a gallery filled up with drawn fingers. A mate counts where its score is accepted at an FMR of 0.1 %; it
is lost at a share kept where at least that share of the gallery are strangers that promise as much as it does.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.error_rates import error_curve
from bench.print_sets import find_sets
from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint import FingerprintTemplate, Gallery, compare, describe, extract

SEED: Final = 11
DRAWN_FINGERS: Final = 60
DRAWN_IMPRESSIONS: Final = 4
SHARES: Final = (0.001, 0.01, 0.02, 0.05, 0.10)
TIMED_PROBES: Final = 16
TIMED_PAIRS: Final = 200
FULLY_COMPARED: Final = 1000
LIMITS: Final = {  # comparisons a second to reach
    "full": 10_000.0,
    "first look": 100_000.0,
    "one to one": 1_500.0,
    "one to one, compared before": 1_500.0,
}


def read_sets(data: Path) -> tuple[list[FingerprintTemplate], list[str]]:
    """Extract all images; returns the templates and the finger of each."""
    sets = find_sets(data, None)
    templates = [extract(prints.image(number)) for prints in sets for number in range(len(prints.paths))]
    return templates, [f"{prints.name}/{finger}" for prints in sets for finger in prints.fingers]


def draw_sets(rng: np.random.Generator) -> tuple[list[FingerprintTemplate], list[str]]:
    """Draw fingers of several impressions each."""
    drawn = [draw_finger(rng) for _ in range(DRAWN_FINGERS)]
    templates = [draw_impression(finger, rng).template for finger in drawn for _ in range(DRAWN_IMPRESSIONS)]
    return templates, [str(number) for number in range(DRAWN_FINGERS) for _ in range(DRAWN_IMPRESSIONS)]


def losses(
    templates: list[FingerprintTemplate], fingers: list[str], gallery: Gallery
) -> tuple[int, dict[float, float]]:
    """Return how many pairs of mates count, and the share of them that is lost at each share kept.

    gallery: begins with the templates.
    """
    names = np.array(fingers)
    mates = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
    strangers = names[:, None] != names
    small = Gallery(templates)
    scores = np.stack([small.scores(probe) for probe in templates]).astype(np.float64)
    threshold = error_curve(scores[mates], scores[strangers]).threshold_at(1e-3)
    ranks: list[NDArray[np.intp]] = []
    for row, probe in enumerate(templates):
        promised = gallery.promises(probe)
        others = np.sort(promised[np.r_[strangers[row], np.ones(len(gallery) - len(names), bool)]])
        wanted = promised[: len(names)][mates[row] & (scores[row] >= threshold)]
        ranks.append(len(others) - np.searchsorted(others, wanted, side="left"))
    all_ranks = np.concatenate(ranks)
    return len(all_ranks), {share: float(np.mean(all_ranks >= share * len(gallery))) for share in SHARES}


def per_second(call: Callable[[int], object], calls: int, comparisons: int) -> float:
    """Median speed over some calls, each of as many comparisons, by the processor's time."""
    times = []
    for number in range(calls):
        began = process_time()
        call(number)
        times.append(process_time() - began)
    return comparisons / statistics.median(times)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="sets; drawn unless given")
@click.option("--fill", default=10_000, show_default=True, help="templates in the gallery that is searched")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(data: Path | None, fill: int, out: Path) -> None:
    """Measure speeds on one thread and the loss of the first look."""
    console = Console()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(SEED)
    templates, fingers = read_sets(data) if data else draw_sets(rng)
    strangers = [draw_impression(draw_finger(rng), rng).template for _ in range(fill - len(templates))]
    began = process_time()
    gallery = Gallery(templates + strangers)
    built_s = process_time() - began
    began = process_time()
    content = gallery.to_bytes()
    written_s = process_time() - began
    began = process_time()
    Gallery.from_bytes(content)
    read_s = process_time() - began

    few = Gallery((templates * (FULLY_COMPARED // len(templates) + 1))[:FULLY_COMPARED])
    probes = templates[:: max(len(templates) // TIMED_PROBES, 1)]
    pairs = rng.integers(0, len(templates), (TIMED_PAIRS, 2))
    speeds = {
        "full": per_second(lambda number: few.scores(probes[number]), len(probes), len(few)),
        "first look": per_second(lambda number: gallery.promises(probes[number]), len(probes), len(gallery)),
        "search, 1 % kept": per_second(lambda number: gallery.search(probes[number]), len(probes), len(gallery)),
        "one to one": per_second(
            lambda number: compare(*(replace(templates[i]) for i in pairs[number])), TIMED_PAIRS, 1
        ),
        "one to one, compared before": per_second(
            lambda number: compare(*(templates[i] for i in pairs[number])), TIMED_PAIRS, 1
        ),
        "described": per_second(lambda number: describe(templates[pairs[number, 0]]), TIMED_PAIRS, 1),
        "added, many at once": len(gallery) / built_s,
        "written": len(gallery) / written_s,
        "read": len(gallery) / read_s,
    }
    mates, lost = losses(templates, fingers, gallery)

    table = Table("on one thread", "templates a second", "of the limit")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:,.0f}", f"{speed / LIMITS[name]:.2f}" if name in LIMITS else "")
    console.print(table)
    console.print(
        f"gallery of {len(gallery)}, {len(content) / len(gallery):,.0f} bytes each in a file; {mates} mates; lost "
        + ", ".join(f"{100 * loss:.2f} % at {100 * share:g} % kept" for share, loss in lost.items())
    )
    out.mkdir(parents=True, exist_ok=True)
    report = {"speeds": speeds, "mates": mates, "lost": {str(share): loss for share, loss in lost.items()}}
    (out / "matching-speed.json").write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written: {out / 'matching-speed.json'}")


if __name__ == "__main__":
    main()
