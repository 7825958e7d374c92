"""How accurate and how fast are extraction and matching? `python -m bench.fingerprint --data DIR [--peer nbis]`.

DIR holds one folder a set, each with images FINGER_IMPRESSION.tif. Genuine: every pair of impressions of one finger;
impostor: every pair of impressions of two fingers of the set, each pair compared once. An image that does not extract
matches nothing. Prints tables (error rates by set and by half of the fingers, error versus discard, time by stage),
writes JSON and draws DET and discard curves. With --peer nbis NIST's mindtct, bozorth3 and NFIQ 2 run on the same
images and pairs in the same run, and differences come with their interval.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2

from bench.console import bench_console
from bench.fingerprint_figures import Figures, figures
from bench.fingerprint_plot import plot_det, plot_discard
from bench.fingerprint_tables import show
from bench.matching_rates import Rate, measure_rates
from bench.print_scores import SetRun, run_set
from bench.print_sets import FINGERS, find_sets

if TYPE_CHECKING:
    from bench.nbis_peer import NbisPeer

DRAWS = 1000


def report(runs: Sequence[SetRun], found: Figures, rates: dict[str, Rate], fingers: str) -> dict[str, Any]:
    """Everything that was measured, for programs; rates are shares, times CPU milliseconds (medians)."""
    return {
        "fingers": fingers,
        "systems": {
            system: {
                "sets": {name: asdict(rates) for name, rates in one.sets.items()},
                "odd": {name: asdict(rates) for name, rates in one.odd.items()},
                "even": {name: asdict(rates) for name, rates in one.even.items()},
                "mean_eer": asdict(one.eer),
                "mean_fmr1000": asdict(one.fmr1000),
                "pooled": {
                    "eer": one.pooled.eer,
                    "fmr1000": one.pooled.fnmr_at(1e-3),
                    "score_at_fmr_1e-3": one.pooled.threshold_at(1e-3),
                    "score_at_fmr_1e-4": one.pooled.threshold_at(1e-4),
                },
            }
            for system, one in found.systems.items()
        },
        "images": {
            run.prints.name: {
                "count": len(run.prints.paths),
                "failed": run.failed,
                "minutiae": run.minutiae,
                "ms": {name: statistics.median(ms) for name, ms in run.image_ms.items()},
                "stage_ms": {name: statistics.median(ms) for name, ms in run.stage_ms.items()},
            }
            for run in runs
        },
        "discard": [
            {
                "matcher": one.matcher,
                "at": one.at,
                "quality": one.quality,
                "misses": one.misses,
                "relative_pauc": asdict(one.relative_pauc),
                "discarded": one.curve.shares.tolist(),
                "fnmr": one.curve.fnmr.tolist(),
            }
            for one in found.discards
        ],
        "differences": [
            {"what": one.what, **asdict(one.interval), "excludes_zero": one.interval.excludes_zero}
            for one in found.differences
        ],
        "rates": {name: asdict(rate) for name, rate in rates.items()},
    }


def _rates(runs: Sequence[SetRun]) -> dict[str, Rate]:
    """Time comparisons over images of all sets, by the peer the very same ones."""
    templates = [template for run in runs for template in run.extracted]
    theirs = [
        minutiae
        for run in runs
        for minutiae, template in zip(run.peer_minutiae, run.templates, strict=False)
        if template is not None
    ]
    if not theirs:
        return measure_rates(templates)
    from bench.nbis_peer import bozorth3

    return measure_rates(templates, peer=lambda one, other: bozorth3(theirs[one], theirs[other]))


def peer_named(name: str | None) -> NbisPeer | None:
    """Start the peer. Raises click.UsageError where it is not installed."""
    if name is None:
        return None
    try:
        from bench.nbis_peer import NbisPeer
    except ImportError as error:
        raise click.UsageError(f"nbis-py is not installed ({error}); `./run setup bench` installs it") from error
    return NbisPeer()


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sets", help="names of folders in DIR, separated by commas; all unless given")
@click.option("--fingers", type=click.Choice(FINGERS), default="all", show_default=True, help="half of each set's")
@click.option("--peer", type=click.Choice(["nbis"]), help="measure it on the same images and pairs")
@click.option("--draws", type=click.IntRange(10), default=DRAWS, show_default=True, help="of the bootstrap")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="fingerprint.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(
    data: Path, sets: str | None, fingers: str, peer: str | None, draws: int, json_path: Path | None, out: Path
) -> None:
    """Measure error rates and speed on sets of fingerprint images."""
    console = bench_console()
    found_sets = find_sets(data, sets, fingers)
    system = peer_named(peer)
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    runs = []
    for prints in found_sets:
        runs.append(run_set(prints, system, quiet=not console.is_terminal))
        genuine = int(runs[-1].pairs.same.sum())
        console.print(f"{prints.name}: {genuine} genuine, {len(runs[-1].pairs.same) - genuine} impostor pairs")
    rates = _rates(runs)
    found = figures(runs, draws, halves=fingers == "all")
    show(console, runs, found, rates)
    plot_det(found, out / "fingerprint-det.png")
    plot_discard(found, out / "fingerprint-discard.png")
    path = json_path or out / "fingerprint.json"
    path.write_text(json.dumps(report(runs, found, rates, fingers), indent=2) + "\n")
    console.print(f"written: {path}, {out / 'fingerprint-det.png'}, {out / 'fingerprint-discard.png'}")


if __name__ == "__main__":
    main()
