"""Learn the quality score from synthetic fingers of our own: `python -m bench.learn_quality`.

Fingers are laid down well and badly, many times each, and compared. A genuine pair that stays below the threshold of
FMR 0.1 % is a miss. Each measure's logarithm is divided by its deviation, so that all weigh alike. What is fitted, by
logistic regression, is the one slope and the bias that turn the sum, of the worse impression of a pair, into the odds
of a match; weights that are fitted one by one order the misses of fingers that they were not fitted on no better.
Prints the lines for enrollment/core/fingerprint/quality_parameters.py, how well the odds hold, and relative pAUC on
fingers held out.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

from dataclasses import dataclass
from time import perf_counter
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.discard import discard_curve
from bench.error_rates import error_curve
from enrollment.core.fingerprint import FingerprintImage, Gallery, examine
from enrollment.core.fingerprint.quality_parameters import QUALITY
from firmware_stubs.fingers import Master, Sensor, SensorStyle, Severity, make_impression, make_master
from firmware_stubs.fingers.impression import Impression

SEED: Final = 29_794_4
FINGERS: Final = 300
IMPRESSIONS: Final = 6
STRANGERS: Final = 40  # impressions of other fingers that each finger is compared with
FMR: Final = 0.001
WINDOWS: Final = ((328, 364), (388, 374), (300, 480))  # pixels at 500 ppi: sensors of single fingers in common use
MEASURES: Final = ("shared_minutiae", "shared_ridges_mm2", "purity")
NEWTON_STEPS: Final = 30
GROUPS: Final = 10
FOLDS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What is learned from.

    measures: (N, 3) float64. fingers: (N,) intp. first, second: (P,) intp, impressions of each genuine pair.
    genuine: (P,) float64 scores. impostor: (Q,) float64 scores.
    """

    measures: NDArray[np.float64]
    fingers: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]


def lay_down(master: Master, touch: int, rng: np.random.Generator) -> Impression:
    """Lay a finger down as the hard mixture has it, on a sensor of any kind and of a usual size."""
    style, size = list(SensorStyle)[int(rng.integers(len(SensorStyle)))], WINDOWS[int(rng.integers(len(WINDOWS)))]
    return make_impression(master, touch, size=size, severity=Severity.HARD, sensor=Sensor(style))


def draw(fingers: int, seed: int) -> Trials:
    """Lay fingers down, and compare each impression with the others of its finger and with strangers."""
    rng = np.random.default_rng(seed)
    templates, measures = [], []
    quiet = not Console().is_terminal
    for finger in track(range(fingers), "drawing fingers", transient=True, disable=quiet):
        master = make_master(seed + finger)
        for touch in range(IMPRESSIONS):
            both = examine(FingerprintImage(lay_down(master, touch, rng).pixels))
            templates.append(both.template)
            measures.append([both.quality.measures[name] for name in MEASURES])
    names = np.repeat(np.arange(fingers), IMPRESSIONS)
    before, after = np.triu_indices(IMPRESSIONS, 1)
    genuine, impostor = [], []
    for finger in track(range(fingers), "comparing", transient=True, disable=quiet):
        own = templates[finger * IMPRESSIONS : (finger + 1) * IMPRESSIONS]
        others = rng.choice(np.flatnonzero(names != finger), STRANGERS, replace=False)
        gallery = Gallery([*own, *(templates[other] for other in others)])
        scores = np.stack([gallery.scores(template) for template in own]).astype(np.float64)
        genuine.append(scores[before, after])
        impostor.append(scores[:, IMPRESSIONS:].ravel())
    starts = np.arange(fingers)[:, None] * IMPRESSIONS
    return Trials(
        measures=np.array(measures),
        fingers=names,
        first=(starts + before).ravel(),
        second=(starts + after).ravel(),
        genuine=np.concatenate(genuine),
        impostor=np.concatenate(impostor),
    )


def fit(worse: NDArray[np.float64], missed: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit the odds of a match as exp(slope * worse + bias) by Newton's method."""
    design = np.stack([worse, np.ones(len(worse))], axis=1)
    found = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-design @ found))
        curvature = (design * (chance * (1.0 - chance))[:, None]).T @ design
        found += np.linalg.solve(curvature, design.T @ (~missed - chance))
    return float(found[0]), float(found[1])


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """weights: (3,) float64 of the measures' logarithms. bias: of the logit."""

    weights: NDArray[np.float64]
    bias: float

    def odds(self, logs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of the odds of a match: (N, 3) to (N,)."""
        return np.asarray(logs @ self.weights + self.bias)


def learn(logs: NDArray[np.float64], trials: Trials, missed: NDArray[np.bool_], pairs: NDArray[np.bool_]) -> Learned:
    """Learn from some of the pairs. logs: (N, 3) of the measures. missed, pairs: (P,) bool."""
    first, second = trials.first[pairs], trials.second[pairs]
    seen = logs[np.unique(np.concatenate([first, second]))]
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    sums = ((logs - middle) / spread).sum(axis=1)
    slope, bias = fit(np.minimum(sums[first], sums[second]), missed[pairs])
    weights = slope / spread
    return Learned(weights, float(bias - (weights * middle).sum()))


def held_out(logs: NDArray[np.float64], trials: Trials, missed: NDArray[np.bool_]) -> float:
    """Relative pAUC of odds that were learned on other fingers."""
    odds = np.empty(len(logs))
    for fold in range(FOLDS):
        out = trials.fingers % FOLDS == fold
        odds[out] = learn(logs, trials, missed, ~out[trials.first]).odds(logs[out])
    return discard_curve(missed, np.minimum(odds[trials.first], odds[trials.second])).relative_pauc


@click.command()
@click.option("--fingers", default=FINGERS, show_default=True, type=click.IntRange(min=10))
@click.option("--seed", default=SEED, show_default=True, type=click.IntRange(min=0))
def main(fingers: int, seed: int) -> None:
    """Learn the numbers of the score and print them."""
    console = Console()
    cv2.setNumThreads(1)
    began = perf_counter()
    trials = draw(fingers, seed)
    missed = trials.genuine < error_curve(trials.genuine, trials.impostor).threshold_at(FMR)
    p = QUALITY.score
    logs = np.log(trials.measures + np.array([p.shared_minutiae_floor, p.shared_ridges_floor_mm2, p.purity_floor]))
    learned = learn(logs, trials, missed, np.ones(len(missed), np.bool_))
    console.print(
        f"{len(logs)} impressions, {len(missed)} genuine pairs, {int(missed.sum())} missed at FMR {FMR:.1%}, "
        f"in {perf_counter() - began:.0f} s"
    )
    for measure, weight in zip(MEASURES, learned.weights, strict=True):
        console.print(f"    {measure.removesuffix('_mm2')}_weight: float = {weight:.3f}")
    console.print(f"    bias: float = {learned.bias:.3f}")
    console.print(f"relative pAUC of these pairs, learned on other fingers: {held_out(logs, trials, missed):.3f}")

    table = Table("log odds", "predicted misses %", "observed %")
    each = learned.odds(logs)
    odds = np.minimum(each[trials.first], each[trials.second])
    for group in np.array_split(np.argsort(odds), GROUPS):
        predicted = (1.0 / (1.0 + np.exp(odds[group]))).mean()
        table.add_row(f"{odds[group].mean():.2f}", f"{100 * predicted:.1f}", f"{100 * missed[group].mean():.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
