"""How fast is matching, and what does the first look of a search lose? `python -m bench.matching_speed [--data DIR]`.

Mates are impressions of one finger: of the sets in DIR (folders of images FINGER_IMPRESSION.tif), or drawn. They are
searched for in a gallery filled up with drawn fingers. A mate counts where its score is accepted at an FMR of 0.1 %; it
is lost at a share kept where at least that share of the gallery are strangers that promise as much as it does.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
from dataclasses import asdict
from pathlib import Path
from time import process_time
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from bench.console import bench_console
from bench.error_rates import error_curve
from bench.matching_rates import described_bytes, measure_rates, rates_table
from bench.print_sets import find_sets
from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint import FingerprintTemplate, Gallery, extract

SEED: Final = 11
DRAWN_FINGERS: Final = 60
DRAWN_IMPRESSIONS: Final = 4
SHARES: Final = (0.001, 0.01, 0.02, 0.05, 0.10)
LOSS_AT: Final = 0.01  # the share kept that a limit is set for
LOSS_ASKED: Final = (0.01, 0.001)  # of mates at that share: what must be, what is aimed at


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


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="sets; drawn unless given")
@click.option("--fill", default=10_000, show_default=True, help="templates in the gallery that is searched")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(data: Path | None, fill: int, out: Path) -> None:
    """Measure speeds on one thread and the loss of the first look."""
    console = bench_console()
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

    rates = measure_rates(templates, gallery)
    console.print(rates_table(rates))
    file_s = {"built": built_s, "written": written_s, "read": read_s}
    sizes = {"described": described_bytes(templates), "in the gallery's file": len(content) / len(gallery)}
    console.print(
        f"gallery of {len(gallery):,}: "
        + ", ".join(f"{name} {len(gallery) / seconds:,.0f} templates a second" for name, seconds in file_s.items())
        + "; bytes a template: "
        + ", ".join(f"{count:,.0f} {name}" for name, count in sizes.items())
    )
    mates, lost = losses(templates, fingers, gallery)
    must, aim = LOSS_ASKED
    console.print(
        f"{mates:,} mates; lost by the first look "
        + ", ".join(f"{100 * loss:.2f} % at {100 * share:g} % kept" for share, loss in lost.items())
        + f"; at {100 * LOSS_AT:g} % kept {lost[LOSS_AT] / must:.2f} of the most that may be,"
        f" {lost[LOSS_AT] / aim:.2f} of the aim"
    )
    out.mkdir(parents=True, exist_ok=True)
    report = {
        "rates": {name: asdict(rate) for name, rate in rates.items()},
        "gallery": {"templates": len(gallery), "seconds": file_s, "bytes_a_template": sizes},
        "mates": mates,
        "lost": {str(share): loss for share, loss in lost.items()},
    }
    (out / "matching-speed.json").write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written: {out / 'matching-speed.json'}")


if __name__ == "__main__":
    main()
