"""Learn the quality score from synthetic fingers of our own: `python -m bench.learn_quality`.

Fingers are laid down well and badly, many times each, and compared. A genuine pair that stays below the threshold of
FMR 0.1 % is a miss. Each measure's logarithm is divided by its deviation, so that all five weigh alike: weights that
are fitted one by one order these pairs better (they learn how this generator breaks ridges) and those of real sensors
worse. What is fitted by logistic regression is the one slope and the bias that turn the sum, of the worse impression of
a pair, into the odds of a match. Prints the lines for enrollment/core/fingerprint/quality_parameters.py, and how well
the odds hold.
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
from firmware_stubs.fingers import Condition, make_impression, make_master

SEED: Final = 29_794_4
FINGERS: Final = 150
IMPRESSIONS: Final = 6
FMR: Final = 0.001
MEASURES: Final = ("strength", "purity", "core_minutiae", "core_depth_px", "ridge_energy")
NEWTON_STEPS: Final = 30
GROUPS: Final = 10


def draw_condition(rng: np.random.Generator) -> Condition:
    """Draw how a finger is laid down: a third dry, a third wet, two fifths partial and far aside."""
    skin = rng.random()
    whole = rng.random() < 0.6
    aside = 1.0 if whole else 1.7
    return Condition(
        pressure=float(rng.normal(0.0, 0.45)),
        dryness=float(rng.uniform(0.3, 2.0)) if skin < 0.35 else 0.0,
        wetness=float(rng.uniform(0.3, 2.2)) if skin > 0.70 else 0.0,
        coverage=1.0 if whole else float(rng.uniform(0.4, 1.0)),
        rotation_deg=float(np.clip(rng.normal(0.0, 9.0), -20.0, 20.0)),
        displacement_px=(float(rng.normal(0.0, 26.0 * aside)), float(rng.normal(0.0, 36.0 * aside))),
    )


def degrade(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Do to an image what poor optics, a moving finger and a weak sensor do."""
    grey = pixels.astype(np.float32)
    if rng.random() < 0.25:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.5, 2.2)), np.float32)
    if rng.random() < 0.15:
        grey = moved(grey, int(rng.integers(2, 6)), rng.uniform(0.0, np.pi))
    if rng.random() < 0.3:
        grey = 230.0 - rng.uniform(0.25, 0.8) * (230.0 - grey)
    noise = rng.uniform(2.0, 14.0) if rng.random() < 0.3 else 1.0
    grey += noise * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def moved(grey: NDArray[np.float32], reach_px: int, angle: float) -> NDArray[np.float32]:
    """Average along a stroke of `reach_px` to both sides: the finger moved while it was sensed."""
    kernel = np.zeros((2 * reach_px + 1, 2 * reach_px + 1), np.float32)
    dx, dy = round(reach_px * np.cos(angle)), round(reach_px * np.sin(angle))
    cv2.line(kernel, (reach_px - dx, reach_px - dy), (reach_px + dx, reach_px + dy), (1.0,))
    return np.asarray(cv2.filter2D(grey, -1, kernel / kernel.sum()), np.float32)


def draw(fingers: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Return measures (N, 5), the finger of each impression (N,), and scores of all against all (N, N)."""
    rng = np.random.default_rng(seed)
    templates, measures = [], []
    for finger in track(range(fingers), "drawing fingers", transient=True, disable=not Console().is_terminal):
        master = make_master(seed + finger)
        for touch in range(IMPRESSIONS):
            pixels = make_impression(master, touch, condition=draw_condition(rng)).pixels
            both = examine(FingerprintImage(degrade(pixels, rng)))
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
    sums = ((logs - middle) / spread).sum(axis=1)
    worse = np.minimum(sums[first[same]], sums[second[same]])
    slope, bias = fit(worse, missed)
    weights = slope / spread
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
