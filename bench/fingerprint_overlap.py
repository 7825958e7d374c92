"""How little may two prints have in common? `python -m bench.fingerprint_overlap`.

Synthetic fingers are laid down aside, tilted and turned on sensors of several kinds and sizes, so that many pairs share
a thin band only; what they share is known. Prints the error rates over all pairs, and the share of one finger's pairs
below the score of FMR 0.1 %, by the area they share. Nothing was learned from these fingers: another `--seed` is
another set. Pairs that share less than LEAST_SHARED_MM2 are left out: nobody asks for their match.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from rich.table import Table

from bench.console import bench_console
from bench.error_rates import error_curve
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, Gallery, extract
from firmware_stubs.fingers import Condition, Master, Sensor, SensorStyle, Severity, make_impression, make_master
from firmware_stubs.fingers.condition import draw_condition
from firmware_stubs.fingers.impression import DRAWN_PPI, Impression

SEED: Final = 5_000_000
FINGERS: Final = 250
TOUCHES: Final = 6
STRANGERS: Final = 120  # prints of other fingers that each print is compared with
WINDOWS: Final = ((328, 364), (388, 374), (300, 480))  # pixels at 500 ppi: sensors of single fingers in common use
ASIDE_PX: Final = (150.0, 190.0)  # at most, right or left and up or down
LEAST_ASIDE: Final = 0.35  # share of that
TURN_DEG: Final = 15.0  # deviation
MOST_TURN_DEG: Final = 45.0
TILT_PX: Final = 80.0  # at most
CELL_PX: Final = 8  # of the map of what touched
LEAST_SHARED_MM2: Final = 25.0
AREAS_MM2: Final = (LEAST_SHARED_MM2, 50.0, 75.0, 110.0, np.inf)
FMRS: Final = (1e-3, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Touches:
    """N prints. fingers: (N,) intp. touched: (N, cells) bool, of the master. failed: images that did not extract."""

    templates: list[FingerprintTemplate]
    fingers: NDArray[np.intp]
    touched: NDArray[np.bool_]
    failed: int

    def shared_mm2(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
        """Area that touched in both prints of each pair: (P,)."""
        cells = (self.touched[first] & self.touched[second]).sum(axis=1)
        return np.asarray(cells * (CELL_PX * 25.4 / DRAWN_PPI) ** 2, np.float64)


def lay_aside(master: Master, touch: int, rng: np.random.Generator) -> Impression:
    """Lay a finger down away from the middle."""
    style, size = list(SensorStyle)[int(rng.integers(len(SensorStyle)))], WINDOWS[int(rng.integers(len(WINDOWS)))]
    return make_impression(master, touch, size=size, condition=draw_aside(rng), sensor=Sensor(style))


def draw_aside(rng: np.random.Generator) -> Condition:
    """Draw how: skin as of the normal mixture."""
    usual = draw_condition(rng, Severity.NORMAL)
    way, share = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(LEAST_ASIDE, 1.0)
    return replace(
        usual,
        displacement_px=(float(share * ASIDE_PX[0] * np.cos(way)), float(share * ASIDE_PX[1] * np.sin(way))),
        tilt_px=float(rng.uniform(-TILT_PX, TILT_PX)),
        rotation_deg=float(np.clip(rng.normal(0.0, TURN_DEG), -MOST_TURN_DEG, MOST_TURN_DEG)),
    )


def touched_cells(impression: Impression) -> NDArray[np.bool_]:
    """Which cells of the master touched: flat, one a CELL_PX square."""
    height, width = impression.master.orientation.shape
    rows, cols = height // CELL_PX + 1, width // CELL_PX + 1
    x, y = (impression.to_master[impression.contact] / CELL_PX).astype(np.intp).T
    touched = np.zeros((rows, cols), np.bool_)
    touched[np.clip(y, 0, rows - 1), np.clip(x, 0, cols - 1)] = True
    return touched.ravel()


def draw_touches(fingers: int, seed: int, quiet: bool) -> Touches:
    templates, numbers, touched, failed = [], [], [], 0
    for finger in track(range(seed, seed + fingers), "touches", transient=True, disable=quiet):
        master, rng = make_master(finger), np.random.default_rng([finger, 1])
        for touch in range(TOUCHES):
            impression = lay_aside(master, touch, rng)
            try:
                templates.append(extract(FingerprintImage(impression.pixels)))
            except EnrollmentError:
                failed += 1
            else:
                numbers.append(finger)
                touched.append(touched_cells(impression))
    return Touches(templates, np.array(numbers, np.intp), np.array(touched), failed)


@click.command()
@click.option("--fingers", default=FINGERS, show_default=True, type=click.IntRange(30))
@click.option("--seed", default=SEED, show_default=True, type=click.IntRange(0), help="Number of the first of them.")
def main(fingers: int, seed: int) -> None:
    """Measure what is missed by how much two prints have in common."""
    console = bench_console()
    cv2.setNumThreads(1)
    quiet = not console.is_terminal
    prints = draw_touches(fingers, seed, quiet)
    gallery, rng = Gallery(prints.templates), np.random.default_rng(seed)
    genuine, shared, impostor = [], [], []
    for row in track(range(len(gallery)), "comparing", transient=True, disable=quiet):
        mates = row + 1 + np.flatnonzero(prints.fingers[row + 1 :] == prints.fingers[row])
        others = rng.choice(np.flatnonzero(prints.fingers != prints.fingers[row]), STRANGERS, replace=False)
        scores = gallery.scores(prints.templates[row]).astype(np.float64)
        genuine.append(scores[mates])
        shared.append(prints.shared_mm2(np.full(len(mates), row, np.intp), mates))
        impostor.append(scores[others])
    areas = np.concatenate(shared)
    mated, strange = np.concatenate(genuine)[areas >= LEAST_SHARED_MM2], np.concatenate(impostor)
    areas = areas[areas >= LEAST_SHARED_MM2]
    rates = error_curve(mated, strange)
    missed = mated < rates.threshold_at(FMRS[0])
    console.print(
        f"{len(gallery)} prints, {prints.failed} images did not extract; {len(mated):,} pairs of one finger,"
        f" {len(strange):,} of two: EER {100 * rates.eer:.2f} %, "
        + ", ".join(f"FNMR {100 * rates.fnmr_at(fmr):.2f} % at FMR {fmr:g}" for fmr in FMRS)
    )
    table = Table("shared, mm^2", "pairs", f"missed at FMR {FMRS[0]:g}", "%")
    for low, high in pairwise(AREAS_MM2):
        inside = (areas >= low) & (areas < high)
        count, lost = int(inside.sum()), int(missed[inside].sum())
        table.add_row(f"{low:.0f}..{high:.0f}", str(count), str(lost), f"{100 * lost / max(count, 1):.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
