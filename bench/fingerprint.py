"""How accurate and how fast are extraction and matching? `python -m bench.fingerprint --data DIR`.

DIR holds one folder a set, each with images FINGER_IMPRESSION.tif. Genuine: every pair of impressions of one finger;
impostor: every pair of impressions of two fingers of the set. An image that does not extract matches nothing. Prints a
table, writes JSON and draws the DET curves.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

import click
import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.error_rates import ErrorCurve, error_curve
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, Gallery, compare, extract
from enrollment.core.fingerprint.compare import compare_described
from enrollment.core.fingerprint.described import describe

mpl.use("Agg")
import matplotlib.pyplot as plt

PPI_OF_SET: Final = {"FVC2002_DB2": 569.0, "FVC2004_DB3": 512.0}  # as the sets' authors state; the others are 500
TIMED_PAIRS: Final = 200
LARGE_GALLERY: Final = 1000
FAILED: Final = -1.0
WARM_UP_IMAGES: Final = 3


@dataclass(frozen=True, slots=True)
class SetResult:
    """Rates are shares, times milliseconds (medians), speeds comparisons a second on one thread."""

    name: str
    images: int
    failed: int
    minutiae: float
    genuine: int
    impostor: int
    eer: float
    fmr1000: float
    highest_impostor: float
    extract_ms: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds are medians; a second counts comparisons on one thread."""

    describe_ms: float
    compare_ms: float
    described_ms: float
    gallery_per_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One set: its figures, its templates and its scores."""

    result: SetResult
    curve: ErrorCurve
    templates: list[FingerprintTemplate]
    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]


def resolution_of(name: str) -> float:
    """Resolution of a set's images, pixels an inch."""
    return next((ppi for prefix, ppi in PPI_OF_SET.items() if name.startswith(prefix)), 500.0)


def measure_set(folder: Path, quiet: bool) -> Measured:
    """Extract and compare one set; quiet hides the progress bars."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".tif", ".tiff", ".png", ".bmp"})
    templates: list[FingerprintTemplate | None] = []
    times = []
    for path in track(paths, f"{folder.name}: extracting", transient=True, disable=quiet):
        with Image.open(path) as opened:
            image = FingerprintImage(np.asarray(opened.convert("L")), resolution_of(folder.name))
        began = perf_counter()
        try:
            templates.append(extract(image))
        except EnrollmentError:
            templates.append(None)
        times.append(1000.0 * (perf_counter() - began))
    kept = [template for template in templates if template is not None]
    extracted = np.array([template is not None for template in templates])
    scores = np.full((len(paths), len(paths)), FAILED)
    gallery = Gallery(kept)
    for row in track(np.flatnonzero(extracted), f"{folder.name}: comparing", transient=True, disable=quiet):
        template = templates[row]
        if template is not None:
            scores[row, extracted] = gallery.scores(template)
    fingers = np.array([path.stem.rsplit("_", 1)[0] for path in paths])
    once = np.triu(np.ones(scores.shape, bool), 1)
    same = fingers[:, None] == fingers
    genuine, impostor = scores[once & same], scores[once & ~same]
    curve = error_curve(genuine, impostor)
    result = SetResult(
        name=folder.name,
        images=len(paths),
        failed=len(paths) - len(kept),
        minutiae=statistics.fmean(map(len, kept)),
        genuine=len(genuine),
        impostor=len(impostor),
        eer=curve.eer,
        fmr1000=curve.fnmr_at(0.001),
        highest_impostor=float(impostor.max()),
        extract_ms=statistics.median(times[WARM_UP_IMAGES:] or times),
    )
    return Measured(result, curve, kept, genuine, impostor)


def measure_speed(templates: list[FingerprintTemplate]) -> Speed:
    """Time one comparison, its parts, and a gallery."""
    rng = np.random.default_rng(1)
    pairs = [(templates[i], templates[j]) for i, j in rng.integers(0, len(templates), (TIMED_PAIRS, 2))]
    described = [(describe(a), describe(b)) for a, b in pairs]
    gallery = Gallery(templates[number % len(templates)] for number in range(LARGE_GALLERY))
    search_ms = _median_ms([partial(gallery.scores, probe) for probe, _ in pairs[:9]])
    return Speed(
        describe_ms=_median_ms([partial(describe, a) for a, _ in pairs]),
        compare_ms=_median_ms([partial(compare, a, b) for a, b in pairs]),
        described_ms=_median_ms([partial(compare_described, a, b) for a, b in described]),
        gallery_per_s=1000.0 * LARGE_GALLERY / search_ms,
    )


def _median_ms(calls: list[Callable[[], object]]) -> float:
    times = []
    for call in calls:
        began = perf_counter()
        call()
        times.append(1000.0 * (perf_counter() - began))
    return statistics.median(times)


def show(console: Console, results: list[SetResult], speed: Speed, pooled: ErrorCurve) -> None:
    """Print the table."""
    table = Table()
    table.add_column("set", no_wrap=True)
    for heading in ("images", "failed", "minutiae", "EER %", "FMR1000", "top", "ms"):
        table.add_column(heading, justify="right")
    for one in results:
        table.add_row(
            one.name,
            str(one.images),
            str(one.failed),
            f"{one.minutiae:.1f}",
            f"{100 * one.eer:.2f}",
            f"{100 * one.fmr1000:.2f}",
            f"{one.highest_impostor:.2f}",
            f"{one.extract_ms:.1f}",
        )
    table.add_section()
    table.add_row(
        "mean",
        str(sum(one.images for one in results)),
        str(sum(one.failed for one in results)),
        f"{statistics.fmean(one.minutiae for one in results):.1f}",
        f"{100 * statistics.fmean(one.eer for one in results):.2f}",
        f"{100 * statistics.fmean(one.fmr1000 for one in results):.2f}",
        f"{max(one.highest_impostor for one in results):.2f}",
        f"{statistics.fmean(one.extract_ms for one in results):.1f}",
    )
    console.print(table)
    console.print("FMR1000: FNMR % at FMR 0.1 %; top: highest impostor score; ms: to extract an image")
    console.print(
        f"one threshold for all sets: EER {100 * pooled.eer:.2f} %, FMR1000 {100 * pooled.fnmr_at(1e-3):.2f} %; "
        f"score at FMR 1e-3 {pooled.threshold_at(1e-3):.2f}, at 1e-4 {pooled.threshold_at(1e-4):.2f}"
    )
    console.print(
        f"describe {speed.describe_ms:.2f} ms, compare {speed.compare_ms:.2f} ms, of described templates "
        f"{speed.described_ms:.2f} ms; gallery {speed.gallery_per_s:,.0f} comparisons a second"
    )


def plot(measured: list[Measured], pooled: ErrorCurve, path: Path) -> None:
    """Draw the DET curves."""
    figure, axes = plt.subplots(figsize=(7, 6), constrained_layout=True)
    for one in measured:
        axes.step(100 * one.curve.fmr, 100 * one.curve.fnmr, where="post", label=one.result.name)
    axes.step(100 * pooled.fmr, 100 * pooled.fnmr, "k", where="post", label="one threshold for all")
    axes.axline((0.1, 0.1), (10.0, 10.0), color="0.7", linewidth=0.8)
    axes.axvline(0.1, color="0.7", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="FMR %", ylabel="FNMR %", xlim=(0.02, 50), ylim=(0.2, 50))
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sets", help="names of folders in DIR, separated by commas; all unless given")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="fingerprint.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(data: Path, sets: str | None, json_path: Path | None, out: Path) -> None:
    """Measure error rates and speed on sets of fingerprint images."""
    console = Console()
    folders = (
        [data / name for name in sets.split(",")] if sets else sorted(path for path in data.iterdir() if path.is_dir())
    )
    missing = [folder.name for folder in folders if not folder.is_dir()]
    if missing or not folders:
        raise click.UsageError(f"no such set in {data}: {', '.join(missing) or 'none at all'}")
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    measured = []
    for folder in folders:
        measured.append(measure_set(folder, quiet=not console.is_terminal))
        console.print(
            f"{folder.name}: {len(measured[-1].genuine)} genuine, {len(measured[-1].impostor)} impostor pairs"
        )
    speed = measure_speed([template for one in measured for template in one.templates])
    pooled = error_curve(
        np.concatenate([one.genuine for one in measured]), np.concatenate([one.impostor for one in measured])
    )
    results = [one.result for one in measured]
    show(console, results, speed, pooled)
    plot(measured, pooled, out / "fingerprint-det.png")
    report = {
        "sets": [asdict(result) for result in results],
        "mean": {
            "eer": statistics.fmean(one.eer for one in results),
            "fmr1000": statistics.fmean(one.fmr1000 for one in results),
        },
        "pooled": {
            "eer": pooled.eer,
            "fmr1000": pooled.fnmr_at(1e-3),
            "score_at_fmr_1e-3": pooled.threshold_at(1e-3),
            "score_at_fmr_1e-4": pooled.threshold_at(1e-4),
        },
        "speed": asdict(speed),
    }
    path = json_path or out / "fingerprint.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written: {path}, {out / 'fingerprint-det.png'}")


if __name__ == "__main__":
    main()
