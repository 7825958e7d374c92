"""Learn the quality score from synthetic fingers of our own: `python -m bench.learn_quality`.

Fingers are laid down well and badly, many times each, and compared. A genuine pair that stays below the threshold of
FMR 0.1 % is a miss. Each measure's logarithm is divided by its deviation, so that all weigh alike but for SHARES:
weights that are fitted one by one order the misses of other synthetic fingers worse (relative pAUC .34 in place of .24
on one half of 150 fingers that was fitted on the other, .16 of .15 the other way). What is fitted by logistic
regression is the one slope and the bias that turn the sum, of the worse impression of a pair, into the odds of a match.
Prints the lines for enrollment/core/fingerprint/quality_parameters.py, and how well the odds hold.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

from dataclasses import replace
from time import perf_counter
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.error_rates import error_curve
from enrollment.core.fingerprint import FingerprintImage, Gallery, examine
from enrollment.core.fingerprint.quality_parameters import QUALITY
from firmware_stubs.fingers import Master, Sensor, SensorStyle, Severity, make_impression, make_master
from firmware_stubs.fingers.impression import Impression

SEED: Final = 29_794_4
FINGERS: Final = 150
IMPRESSIONS: Final = 6
FMR: Final = 0.001
WINDOWS: Final = ((328, 364), (388, 374), (300, 480))  # pixels at 500 ppi: sensors of single fingers in common use
MEASURES: Final = ("strength", "purity", "core_minutiae", "core_depth_px", "ridge_energy")
SHARES: Final = (1.0, 1.0, 1.0, 0.5, 1.0)  # of the measures: most fingers are deep enough, that depth tells least
NEWTON_STEPS: Final = 30
GROUPS: Final = 10


def lay_down(master: Master, touch: int, rng: np.random.Generator) -> Impression:
    """Lay a finger down as the hard mixture has it, on a sensor of any kind and of a usual size."""
    style, size = list(SensorStyle)[int(rng.integers(len(SensorStyle)))], WINDOWS[int(rng.integers(len(WINDOWS)))]
    return make_impression(master, touch, size=size, severity=Severity.HARD, sensor=Sensor(style))


def draw(fingers: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Return measures (N, 5), the finger of each impression (N,), and scores of all against all (N, N)."""
    rng = np.random.default_rng(seed)
    templates, measures = [], []
    for finger in track(range(fingers), "drawing fingers", transient=True, disable=not Console().is_terminal):
        master = make_master(seed + finger)
        for touch in range(IMPRESSIONS):
            both = examine(FingerprintImage(lay_down(master, touch, rng).pixels))
            templates.append(both.template)
            measures.append([both.quality.measures[name] for name in MEASURES])
    gallery = Gallery(templates)
    scores = np.stack([gallery.scores(template) for template in templates]).astype(np.float64)
    return np.array(measures), np.repeat(np.arange(fingers), IMPRESSIONS), scores


def fit(worse: NDArray[np.float64], missed: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit the odds of a match as exp(slope * worse + bias) by Newton's method."""
    design = np.stack([worse, np.ones(len(worse))], axis=1)
    found = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-design @ found))
        curvature = (design * (chance * (1.0 - chance))[:, None]).T @ design
        found += np.linalg.solve(curvature, design.T @ (~missed - chance))
    return float(found[0]), float(found[1])


@click.command()
@click.option("--fingers", default=FINGERS, show_default=True, type=click.IntRange(min=10))
@click.option("--seed", default=SEED, show_default=True, type=click.IntRange(min=0))
def main(fingers: int, seed: int) -> None:
    """Learn the numbers of the score and print them."""
    console = Console()
    cv2.setNumThreads(1)
    began = perf_counter()
    measures, names, scores = draw(fingers, seed)
    first, second = np.triu_indices(len(names), 1)
    same = names[first] == names[second]
    genuine = scores[first[same], second[same]]
    curve = error_curve(genuine, scores[first[~same], second[~same]])
    missed = genuine < curve.threshold_at(FMR)

    p = QUALITY.score
    floors = np.array(
        [p.strength_floor, p.purity_floor, p.core_minutiae_floor, p.core_depth_floor_px, p.ridge_energy_floor]
    )
    logs = np.log(measures + floors)
    middle, spread = logs.mean(axis=0), logs.std(axis=0)
    sums = ((logs - middle) / spread) @ SHARES
    worse = np.minimum(sums[first[same]], sums[second[same]])
    slope, bias = fit(worse, missed)
    weights = slope * np.array(SHARES) / spread
    learned = replace(
        p,
        strength_weight=round(float(weights[0]), 3),
        purity_weight=round(float(weights[1]), 3),
        core_minutiae_weight=round(float(weights[2]), 3),
        core_depth_weight=round(float(weights[3]), 3),
        ridge_energy_weight=round(float(weights[4]), 3),
        bias=round(float(bias - (weights * middle).sum()), 3),
    )
    console.print(
        f"{len(names)} impressions, {len(genuine)} genuine pairs, {int(missed.sum())} missed at FMR {FMR:.1%}, "
        f"in {perf_counter() - began:.0f} s"
    )
    for name in (*(f"{measure.removesuffix('_px')}_weight" for measure in MEASURES), "bias"):
        console.print(f"    {name}: float = {getattr(learned, name)}")

    table = Table("log odds", "predicted misses %", "observed %")
    odds = slope * worse + bias
    for group in np.array_split(np.argsort(odds), GROUPS):
        predicted = (1.0 / (1.0 + np.exp(odds[group]))).mean()
        table.add_row(f"{odds[group].mean():.2f}", f"{100 * predicted:.1f}", f"{100 * missed[group].mean():.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
