"""Are the hints right? `python -m bench.hint_rates`.

Synthetic fingers are laid down well, and with one defect each. Prints for each defect the score, how many score so low
that hints are due (or got one), how many of those got the right one, and how often each was given: the row "good" gives
the false rates. A print that scores well in spite of its defect gets none.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from enrollment.core.fingerprint import FingerprintImage, FingerprintQuality, QualityHint, assess
from enrollment.core.fingerprint.quality_parameters import QUALITY
from firmware_stubs.fingers import Condition, Master, make_impression, make_master
from firmware_stubs.fingers.impression import Impression

Pixels = NDArray[np.uint8]

SEED: Final = 20_000
SKIN: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "dry": {"dryness": (1.0, 1.7), "pressure": (-0.2, 0.0)},
    "wet": {"wetness": (1.1, 1.8), "pressure": (0.1, 0.3)},
    "drops": {"drops": (0.08, 0.35), "dryness": (0.0, 0.8)},
    "pressed lightly": {"pressure": (-0.9, -0.55)},
    "pressed hard": {"pressure": (0.6, 1.0)},
    "little of it": {"coverage": (0.4, 0.55)},
}
RIGHT: Final[dict[str, set[QualityHint]]] = {
    "good": set(),
    "dry": {QualityHint.TOO_DRY},
    "wet": {QualityHint.TOO_WET},
    "drops": {QualityHint.TOO_WET},
    "pressed lightly": {QualityHint.PRESS_HARDER},
    "pressed hard": {QualityHint.PRESS_LESS},
    "little of it": {QualityHint.MORE_FINGER},
    "off centre": {QualityHint.OFF_CENTRE},
    "blurred": {QualityHint.BLURRED},
    "moved": {QualityHint.BLURRED, QualityHint.SMUDGED},
    "smudged": {QualityHint.SMUDGED},
    "beside a latent": {QualityHint.LATENT_PRINT},
    "latent alone": {QualityHint.LATENT_PRINT},
    "negative": {QualityHint.INVERTED},
    "nothing": {QualityHint.NOTHING_THERE},
}


def lay(master: Master, touch: int, rng: np.random.Generator, changed: Mapping[str, float] | None = None) -> Impression:
    """Lay a finger down well but for what is changed."""
    usual = {"pressure": float(rng.normal(0.0, 0.12)), "rotation_deg": float(rng.normal(0.0, 8.0))}
    aside = (float(rng.normal(0.0, 12.0)), float(rng.normal(0.0, 15.0)))
    values: dict[str, Any] = {**usual, **(changed or {}), "displacement_px": aside}
    return make_impression(master, touch, condition=Condition(**values))


def platen(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an empty one: (374, 388) float32."""
    return rng.normal(rng.uniform(215.0, 250.0), 1.5, (374, 388)).astype(np.float32)


def spoil(defect: str, master: Master, rng: np.random.Generator) -> Pixels:
    """Lay a finger down with a defect."""
    touch = int(rng.integers(1000))
    if defect in SKIN:
        changed = {name: float(rng.uniform(*span)) for name, span in SKIN[defect].items()}
        return lay(master, touch, rng, changed).pixels
    if defect == "off centre":
        angle = rng.uniform(0.0, 2.0 * np.pi)
        aside = (float(150.0 * np.cos(angle)), float(175.0 * np.sin(angle)))
        return make_impression(master, touch, condition=Condition(displacement_px=aside)).pixels
    if defect == "beside a latent":
        part = Condition(coverage=0.62, displacement_px=(float(rng.choice([-70.0, 70.0])), 0.0))
        grey = make_impression(master, touch, condition=part).pixels.astype(np.float32)
        return _grey(np.minimum(grey, grey.max() - rng.uniform(0.06, 0.16) * _ink_of_another(master, touch, rng)))
    if defect == "latent alone":
        return _grey(platen(rng) - rng.uniform(0.06, 0.16) * _ink_of_another(master, touch, rng))
    if defect == "nothing":
        return _grey(platen(rng))
    whole = lay(master, touch, rng)
    pixels = whole.pixels
    if defect == "negative":
        return 255 - pixels
    if defect == "blurred":
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(1.8, 2.8)), np.uint8)
    if defect == "moved":
        return _grey(moved(pixels.astype(np.float32), int(rng.integers(5, 9)), rng.uniform(0.0, np.pi)))
    if defect == "smudged":
        smeared = moved(pixels.astype(np.float32), int(rng.integers(14, 24)), rng.uniform(0.0, np.pi))
        share = _spot(whole.contact, rng)
        return _grey(share * smeared + (1.0 - share) * pixels)
    return pixels


def moved(grey: NDArray[np.float32], reach_px: int, angle: float) -> NDArray[np.float32]:
    """Average along a stroke of `reach_px` to both sides: the finger moved while it was sensed."""
    kernel = np.zeros((2 * reach_px + 1, 2 * reach_px + 1), np.float32)
    dx, dy = round(reach_px * np.cos(angle)), round(reach_px * np.sin(angle))
    cv2.line(kernel, (reach_px - dx, reach_px - dy), (reach_px + dx, reach_px + dy), (1.0,))
    return np.asarray(cv2.filter2D(grey, -1, kernel / kernel.sum()), np.float32)


def _grey(values: NDArray[np.floating]) -> Pixels:
    grey: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey


def _ink_of_another(master: Master, touch: int, rng: np.random.Generator) -> NDArray[np.float32]:
    aside = (float(rng.uniform(-90.0, 90.0)), float(rng.uniform(-70.0, 70.0)))
    other = make_impression(make_master(master.seed + 100_000), touch, condition=Condition(displacement_px=aside))
    return np.float32(255.0) - other.pixels


def _spot(contact: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """A round place of the contact, 1 within and 0 without."""
    rows, cols = np.nonzero(contact)
    at = int(rng.integers(len(rows)))
    y, x = np.mgrid[: contact.shape[0], : contact.shape[1]]
    away = np.hypot(y - rows[at], x - cols[at]) / rng.uniform(45.0, 75.0)
    share: NDArray[np.float32] = np.clip(4.0 * (1.25 - away), 0.0, 1.0).astype(np.float32)
    return share


@click.command()
@click.option("--fingers", default=40, show_default=True, type=click.IntRange(min=1))
def main(fingers: int) -> None:
    """Count hints by defect."""
    console = Console()
    cv2.setNumThreads(1)
    judged: dict[str, list[FingerprintQuality]] = {defect: [] for defect in RIGHT}
    for number in track(range(fingers), "laying fingers down", transient=True, disable=not console.is_terminal):
        master = make_master(SEED + number)
        rng = np.random.default_rng([SEED, number])
        for defect in RIGHT:
            judged[defect].append(assess(FingerprintImage(spoil(defect, master, rng))))
    table = Table("defect", "score 5/50/95 %", "due %", "right of those %", "hints %")
    for defect, qualities in judged.items():
        counts = Counter(hint.value for quality in qualities for hint in quality.hints)
        told = ", ".join(f"{name} {100 * count / fingers:.0f}" for name, count in counts.most_common())
        scores = np.percentile([quality.score for quality in qualities], [5, 50, 95])
        due = [quality for quality in qualities if quality.score < QUALITY.hints.below_score or quality.hints]
        right = sum(bool(RIGHT[defect] & set(quality.hints)) for quality in due)
        share = f"{100 * right / len(due):.0f}" if due and RIGHT[defect] else "-"
        table.add_row(
            defect, "/".join(f"{score:.0f}" for score in scores), f"{100 * len(due) / fingers:.0f}", share, told
        )
    console.print(table)


if __name__ == "__main__":
    main()
