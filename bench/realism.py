"""How much like real prints are the synthetic ones? `./run bench realism --data DIR`.

DIR holds one folder a set, each with images FINGER_IMPRESSION.tif. Every severity of synthetic impressions is measured
beside the real sets that it stands for, by the same programs in the same run: NFIQ 2, NBIS mindtct and bozorth3, and
our own core; then both extractors against the truth that only synthetic prints have. Prints the distributions of
scores and counts side by side with their Kolmogorov-Smirnov distance, ratios of the rest, writes JSON and a sheet of
real and synthetic prints.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click
import cv2
import nbis
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.error_rates import error_curve
from bench.print_sets import PrintSet, find_sets
from bench.truth_errors import Found, TruthErrors, truth_errors
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import FingerprintImage, FingerprintTemplate, Gallery, MinutiaKind, extract
from firmware_stubs.fingers import Minutiae, Severity, make_impression, make_master
from firmware_stubs.fingers.patterns import FREQUENCIES

REFERENCES: Final = {
    Severity.NORMAL: ("FVC2002_DB1_B",),
    Severity.MIXED: ("FVC2002_DB1_B", "FVC2004_DB2_B"),
    Severity.HARD: ("FVC2004_DB2_B",),
}
FIRST_SEED: Final = 910_000  # of the fingers drawn here; no test uses them
QUANTILES: Final = (0.05, 0.25, 0.50, 0.75, 0.95)
MM_PER_PIXEL: Final = 25.4 / 500
FAILED: Final = -1.0
SHEET_COLUMNS: Final = 6
SHEET_SIDE_PX: Final = 400


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """One image; its finger; and, of a synthetic one, its minutiae in pixels at 500 ppi."""

    pixels: NDArray[np.uint8]
    ppi: float
    finger: str
    truth: Minutiae | None = None


@dataclass(frozen=True, slots=True)
class Separation:
    """Scores of one matcher, genuine and impostor pairs."""

    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]

    @property
    def eer(self) -> float:
        """Share where both error rates are equal."""
        return error_curve(self.genuine, self.impostor).eer


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is measured of a set of prints.

    failed: images that NFIQ 2, mindtct, our core refused. samples: every value of what is compared as a distribution.
    area: mm2 where our core sees a finger, median. Densities: minutiae per mm2 of it.
    """

    images: int
    failed: tuple[int, int]
    samples: dict[str, NDArray[np.float64]]
    area: float
    density: float
    own_density: float
    nbis: Separation
    own: Separation
    nbis_truth: TruthErrors | None
    own_truth: TruthErrors | None
    nfiq2_ms: float


def real_prints(prints: PrintSet, fingers: int, impressions: int) -> list[Print]:
    """Read the first fingers and impressions of a set."""
    found = []
    for finger in range(fingers):
        for number in np.flatnonzero(prints.fingers == finger)[:impressions]:
            image = prints.image(int(number))
            found.append(Print(image.pixels, image.resolution_ppi, f"{prints.name} {finger}"))
    return found


def synthetic_prints(severity: Severity, fingers: int, impressions: int) -> tuple[list[Print], float, float]:
    """Draw as many, with classes as frequent as in nature.

    Returns also the median milliseconds to grow a master and to draw an impression.
    """
    prints, master_ms, impression_ms = [], [], []
    reached = np.cumsum(list(FREQUENCIES.values()))
    for finger in range(fingers):
        pattern = list(FREQUENCIES)[int(np.searchsorted(reached, (finger + 0.5) / fingers))]
        began = perf_counter()
        master = make_master(FIRST_SEED + finger, pattern=pattern)
        master_ms.append(1000.0 * (perf_counter() - began))
        for number in range(impressions):
            began = perf_counter()
            drawn = make_impression(master, number, severity=severity)
            impression_ms.append(1000.0 * (perf_counter() - began))
            prints.append(Print(drawn.pixels, 500.0, str(finger), drawn.minutiae))
    return prints, statistics.median(master_ms), statistics.median(impression_ms)


def measure(prints: list[Print], title: str, quiet: bool) -> Figures:
    """Run every program over a set."""
    rated = [_nbis(one) for one in track(prints, f"{title}: NFIQ 2 and mindtct", transient=True, disable=quiet)]
    templates = [_own(one) for one in track(prints, f"{title}: extracting", transient=True, disable=quiet)]
    scores = [score for _, score, _ in rated if score is not None]
    minutiae = [found for found, _, _ in rated]
    areas = [_area(template) for template in templates]
    fingers = np.array([one.finger for one in prints])
    nbis_found = _separation(_all_scores(minutiae, lambda a, b: a.compare(b)), fingers)
    own_found = _separation(_own_scores(templates), fingers)
    samples = {
        "NFIQ 2": scores,
        "mindtct minutiae": [len(found.get()) for found in minutiae if found],
        "own minutiae": [len(template) for template in templates if template],
        "bozorth3 genuine": nbis_found.genuine,
        "bozorth3 impostor": nbis_found.impostor,
        "own genuine": own_found.genuine,
        "own impostor": own_found.impostor,
    }
    return Figures(
        images=len(prints),
        failed=(len(prints) - len(scores), templates.count(None)),
        samples={name: np.asarray(values, np.float64) for name, values in samples.items()},
        area=statistics.median(areas),
        density=sum(len(found.get()) for found in minutiae if found) / sum(areas),
        own_density=sum(map(len, filter(None, templates))) / sum(areas),
        nbis=nbis_found,
        own=own_found,
        nbis_truth=truth_errors(_with_truth(prints, [None if one is None else _read_nbis(one) for one in minutiae])),
        own_truth=truth_errors(_with_truth(prints, [None if one is None else _read_own(one) for one in templates])),
        nfiq2_ms=statistics.median(ms for _, _, ms in rated),
    )


def _nbis(one: Print) -> tuple[Any, float | None, float]:
    """Minutiae, None where mindtct fails; NFIQ 2 score, None where that fails; milliseconds of both together."""
    png = cv2.imencode(".png", one.pixels)[1].tobytes()
    minutiae, score = None, None
    began = perf_counter()
    for with_quality in (True, False):
        settings = nbis.NbisExtractorSettings(
            min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=with_quality, ppi=one.ppi
        )
        try:
            minutiae = nbis.new_nbis_extractor(settings).extract_minutiae(png)
        except nbis.NbisError:  # an image too poor for NFIQ 2 may still have minutiae
            continue
        score = float(minutiae.quality().score) if with_quality else None
        break
    return minutiae, score, 1000.0 * (perf_counter() - began)


def _own(one: Print) -> FingerprintTemplate | None:
    try:
        return extract(FingerprintImage(one.pixels, one.ppi))
    except EnrollmentError:
        return None


def _area(template: FingerprintTemplate | None) -> float:
    if template is None or template.mask is None:
        return 0.0
    return float(template.mask.sum()) * (template.mask_cell_px * MM_PER_PIXEL) ** 2


def _all_scores(found: list[Any], compare: Callable[[Any, Any], float]) -> NDArray[np.float64]:
    scores = np.full((len(found), len(found)), FAILED)
    for row, first in enumerate(found):
        for column in range(row + 1, len(found)):
            if first is not None and found[column] is not None:
                scores[row, column] = compare(first, found[column])
    return scores


def _own_scores(templates: list[FingerprintTemplate | None]) -> NDArray[np.float64]:
    extracted = np.array([template is not None for template in templates])
    gallery = Gallery(filter(None, templates))
    scores = np.full((len(templates), len(templates)), FAILED)
    for row, template in enumerate(templates):
        if template is not None:
            scores[row, extracted] = gallery.scores(template)
    return scores


def _separation(scores: NDArray[np.float64], fingers: NDArray[np.str_]) -> Separation:
    once = np.triu(np.ones(scores.shape, bool), 1)
    same = fingers[:, None] == fingers
    return Separation(scores[once & same], scores[once & ~same])


def ks_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Greatest gap between the shares of two samples that lie at or below a value: 0 alike, 1 apart."""
    values = np.concatenate([first, second])
    shares = (np.searchsorted(np.sort(one), values, side="right") / len(one) for one in (first, second))
    return float(np.abs(np.subtract(*shares)).max())


def _read_nbis(minutiae: Any) -> Found:
    """Positions, image directions (mindtct counts counterclockwise) and kinds of what mindtct found."""
    found = minutiae.get()
    return Found(
        np.array([(one.x(), one.y()) for one in found], np.float32).reshape(-1, 2),
        np.radians(np.array([-one.angle() for one in found], np.float32)),
        np.array([one.kind() == nbis.MinutiaKind.BIFURCATION for one in found], bool),
    )


def _read_own(template: FingerprintTemplate) -> Found:
    return Found(template.positions, template.directions, template.kinds == MinutiaKind.BIFURCATION)


def _with_truth(prints: list[Print], found: list[Found | None]) -> list[tuple[Found, Minutiae]]:
    pairs = zip(prints, found, strict=True)
    return [(one_found, one.truth) for one, one_found in pairs if one_found is not None and one.truth is not None]


def rows(figures: Figures) -> dict[str, float]:
    """Name and value of each figure that both real and synthetic prints have."""
    named = {"finger, mm2": figures.area, "mindtct minutiae/mm2": figures.density}
    named["own minutiae/mm2"] = figures.own_density
    for name, matcher in (("bozorth3", figures.nbis), ("own", figures.own)):
        named[f"{name} impostor mean"] = float(matcher.impostor.mean())
        named[f"{name} impostor 99.9 %"] = float(np.quantile(matcher.impostor, 0.999))
        named[f"{name} impostor top"] = float(matcher.impostor.max())
        named[f"{name} EER %"] = 100.0 * matcher.eer
    return named


def report_of(synthetic: Figures, real: Figures) -> dict[str, Any]:
    """Give the figures of both as plain values."""
    report: dict[str, Any] = {}
    for name, figures in (("synthetic", synthetic), ("real", real)):
        report[name] = {
            "images": figures.images,
            "failed": figures.failed,
            **rows(figures),
            "quantiles": {name: np.quantile(values, QUANTILES).tolist() for name, values in figures.samples.items()},
            "nbis_truth": asdict(figures.nbis_truth) if figures.nbis_truth else None,
            "own_truth": asdict(figures.own_truth) if figures.own_truth else None,
        }
    report["ks"] = {name: ks_distance(values, real.samples[name]) for name, values in synthetic.samples.items()}
    return report


def show(console: Console, title: str, synthetic: Figures, real: Figures) -> None:
    """Print one severity beside its real sets."""
    spread = Table(title=title, caption="KS: Kolmogorov-Smirnov distance, 0 alike, 1 apart", box=box.SIMPLE_HEAD)
    for heading in ("distribution", "prints", *(f"{share:.0%}" for share in QUANTILES), "KS"):
        spread.add_column(heading, justify="left" if heading in ("distribution", "prints") else "right", no_wrap=True)
    for name, values in synthetic.samples.items():
        distance = f"{ks_distance(values, real.samples[name]):.2f}"
        for prints, sample, gap in (("synthetic", values, ""), ("real", real.samples[name], distance)):
            quantiles = (f"{round(value, 3):.3g}" for value in np.quantile(sample, QUANTILES))
            spread.add_row("" if gap else name, prints, *quantiles, gap)
    console.print(spread)
    table = Table()
    table.add_column("figure", no_wrap=True)
    for heading in ("synthetic", "real", "ratio"):
        table.add_column(heading, justify="right")
    table.add_row("images", str(synthetic.images), str(real.images), "")
    table.add_row("NFIQ 2 / own failed", *("{} / {}".format(*one.failed) for one in (synthetic, real)), "")
    beside = rows(real)
    for name, value in rows(synthetic).items():
        ratio = f"{value / beside[name]:.2f}" if beside[name] else "-"
        table.add_row(name, f"{value:.3g}", f"{beside[name]:.3g}", ratio)
    console.print(table)
    for name, errors in (("mindtct", synthetic.nbis_truth), ("own", synthetic.own_truth)):
        if errors is not None:
            console.print(f"{name} against the truth: {errors}")


def sheet(pairs: Iterable[tuple[list[Print], list[Print]]], path: Path) -> None:
    """Draw rows of real prints above rows of synthetic ones, one pair of rows a severity."""
    drawn = []
    for synthetic, real in pairs:
        for prints in (real, synthetic):
            spread = np.linspace(0, len(prints) - 1, SHEET_COLUMNS).round().astype(int)
            drawn.append(np.hstack([_framed(prints[at].pixels) for at in spread]))
    cv2.imwrite(str(path), np.vstack(drawn))


def _framed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    cut = pixels[:SHEET_SIDE_PX, :SHEET_SIDE_PX]
    down, right = (SHEET_SIDE_PX + 2 - side for side in cut.shape)
    return np.pad(cut, ((0, down), (0, right)), constant_values=128)


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fingers", default=10, type=click.IntRange(min=2), show_default=True)
@click.option("--impressions", default=8, type=click.IntRange(min=2), show_default=True)
@click.option("--severity", "severities", multiple=True, type=click.Choice([one.value for one in REFERENCES]))
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="realism.json in --out unless given")
@click.option("--out", default="bench-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
def main(
    data: Path, fingers: int, impressions: int, severities: tuple[str, ...], json_path: Path | None, out: Path
) -> None:
    """Measure synthetic prints of each severity (all unless given) beside real ones."""
    console = Console()
    wanted = [one for one in REFERENCES if not severities or one.value in severities]
    names = sorted({name for severity in wanted for name in REFERENCES[severity]})
    found = find_sets(data, ",".join(names))
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    quiet = not console.is_terminal
    sets = {prints.name: real_prints(prints, fingers, impressions) for prints in found}
    report: dict[str, Any] = {}
    pairs = []
    for severity in wanted:
        real_names = " + ".join(REFERENCES[severity])
        real = [one for name in REFERENCES[severity] for one in sets[name]]
        synthetic, master_ms, impression_ms = synthetic_prints(severity, fingers, impressions)
        pairs.append((synthetic, real))
        figures = measure(synthetic, severity.value, quiet), measure(real, real_names, quiet)
        show(console, f"{severity.value} beside {real_names}", *figures)
        nfiq2_ms = figures[0].nfiq2_ms
        console.print(
            f"master {master_ms:.0f} ms, impression {impression_ms:.0f} ms; NFIQ 2 and mindtct {nfiq2_ms:.0f} ms "
            f"(ratios {master_ms / nfiq2_ms:.2f}, {impression_ms / nfiq2_ms:.2f})\n"
        )
        report[severity.value] = {
            "sets": REFERENCES[severity],
            **report_of(*figures),
            "master_ms": master_ms,
            "impression_ms": impression_ms,
        }
    sheet(pairs, out / "realism.png")
    path = json_path or out / "realism.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written: {path}, {out / 'realism.png'}")


if __name__ == "__main__":
    main()
