"""Which score makes a false match how rare? What `enrollment.core.fingerprint.false_match` holds comes from here.

`python -m bench.false_match --data FOLDER`. Every print is compared with every print of another finger: of public
sets together, and of synthetic fingers of the firmware model, touched with MIXED severity. Synthetic strangers are more
alike than real ones, so the higher of the two scores is taken. Beside each score stands what it costs: the
share of pairs of one finger that stay below it. Rates of so few fingers are no sharper than their pairs are many: a
rate that fewer than LEAST_MATCHES pairs reach is not printed.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.print_sets import find_sets
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, extract
from enrollment.core.fingerprint.false_match import MEASURED
from enrollment.core.fingerprint.sequence import score_each_other
from firmware_stubs.fingers.condition import Severity
from firmware_stubs.fingers.impression import make_impression
from firmware_stubs.fingers.master import make_master, person_finger_seed

RATES: Final = (1e-2, 1e-3, 1e-4, 1e-5)
LEAST_MATCHES: Final = 3
TOUCHES: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Templates with the finger of each; failed: images that did not extract."""

    name: str
    templates: list[FingerprintTemplate]
    fingers: list[str]
    failed: int


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """strangers, mates: (N,) float64. thresholds: by rate, as far as enough pairs reach it."""

    name: str
    strangers: NDArray[np.float64]
    mates: NDArray[np.float64]
    failed: int

    @property
    def thresholds(self) -> dict[float, float]:
        falling = np.sort(self.strangers)[::-1]
        counts = {rate: int(rate * len(falling)) for rate in RATES}
        return {
            rate: float(np.nextafter(falling[count], np.inf))
            for rate, count in counts.items()
            if count >= LEAST_MATCHES
        }

    def missed(self, threshold: float) -> float:
        return float((self.mates < threshold).mean())


def real_prints(data: Path, quiet: bool) -> Prints:
    """Every image of the sets of a folder."""
    templates, fingers, failed = [], [], 0
    for prints in find_sets(data, None):
        for number in track(range(len(prints.paths)), prints.name, transient=True, disable=quiet):
            try:
                templates.append(extract(prints.image(number)))
            except EnrollmentError:
                failed += 1
            else:
                fingers.append(f"{prints.name} {prints.fingers[number]}")
    return Prints("public sets", templates, fingers, failed)


def synthetic_prints(people: int, seed: int, quiet: bool) -> Prints:
    """Touches of two fingers of each person."""
    templates, fingers, failed = [], [], 0
    for person in track(range(seed, seed + people), "touches", transient=True, disable=quiet):
        for position in (2, 7):
            master = make_master(person_finger_seed(person, position))
            for touch in range(TOUCHES):
                impression = make_impression(master, touch, severity=Severity.MIXED)
                try:
                    templates.append(extract(FingerprintImage(impression.pixels, impression.sensor.ppi)))
                except EnrollmentError:
                    failed += 1
                else:
                    fingers.append(f"{person} {position}")
    return Prints("synthetic", templates, fingers, failed)


def scores_of(prints: Prints) -> Scores:
    """Compare all with all."""
    scores = score_each_other(prints.templates).astype(np.float64)
    finger = np.array(prints.fingers)
    same = finger[:, None] == finger
    once = np.triu(np.ones_like(same), 1)
    return Scores(prints.name, scores[once & ~same], scores[once & same], prints.failed)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of public sets.")
@click.option("--people", default=60, show_default=True, type=click.IntRange(2), help="Synthetic ones.")
@click.option("--seed", default=90_000, show_default=True, type=click.IntRange(0), help="Number of the first of them.")
@click.option("--json", "as_json", is_flag=True)
def main(data: Path | None, people: int, seed: int, as_json: bool) -> None:
    """Measure the matcher's scores of strangers, and what the scores of a hand-over cost."""
    console = bench_console()
    quiet = as_json or not console.is_terminal
    cv2.setNumThreads(1)
    found = [scores_of(synthetic_prints(people, seed, quiet))]
    if data is not None:
        found.append(scores_of(real_prints(data, quiet)))
    if as_json:
        rows = [
            {
                "prints": one.name,
                "strangers": len(one.strangers),
                "highest_stranger": float(one.strangers.max()),
                "mates": len(one.mates),
                "thresholds": {f"{rate:g}": score for rate, score in one.thresholds.items()},
                "missed_at_held": {f"{rate:g}": one.missed(score) for rate, score in MEASURED.items()},
                "false_at_held": {
                    f"{rate:g}": float((one.strangers >= score).mean()) for rate, score in MEASURED.items()
                },
            }
            for one in found
        ]
        click.echo(json.dumps(rows))
        return
    for one in found:
        table = Table(
            title=f"{one.name}: {len(one.strangers):,} comparisons of strangers, the highest {one.strangers.max():.2f};"
            f" {len(one.mates):,} of mates; {one.failed} images did not extract"
        )
        for heading in ("false match rate", "score here", "held", "held: false matches", "held: mates missed"):
            table.add_column(heading, justify="right")
        for rate, held in MEASURED.items():
            here = one.thresholds.get(rate)
            table.add_row(
                f"{rate:g}",
                "too few pairs" if here is None else f"{here:.2f}",
                f"{held:.2f}",
                f"{(one.strangers >= held).mean():.1e}",
                f"{100 * one.missed(held):.2f} %",
            )
        console.print(table)


if __name__ == "__main__":
    main()
