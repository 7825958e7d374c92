"""The sets of prints that a benchmark measures on: images, fingers, and the pairs of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enrollment.core.fingerprint import CANON_PPI, FingerprintImage

PPI_OF_SET: Final = {"FVC2002_DB2": 569.0, "FVC2004_DB3": 512.0}  # as the sets' authors state; the others are 500
FINGERS: Final = ("all", "odd", "even")
_SUFFIXES: Final = frozenset({".tif", ".tiff", ".png", ".bmp"})
_LEAST_FINGERS: Final = 2


def resolution_of(name: str) -> float:
    """Resolution of a set's images, pixels an inch."""
    return next((ppi for prefix, ppi in PPI_OF_SET.items() if name.startswith(prefix)), CANON_PPI)


@dataclass(frozen=True, slots=True, eq=False)
class PrintSet:
    """Images FINGER_IMPRESSION of one folder; fingers: (N,) intp, the finger of each, counted from 0 by name."""

    name: str
    paths: Sequence[Path]
    fingers: NDArray[np.intp]

    @property
    def odd(self) -> NDArray[np.bool_]:
        """(N,) bool, True for the images of the first, third, fifth... finger of the set."""
        return np.asarray(self.fingers % 2 == 0)

    def image(self, number: int) -> FingerprintImage:
        """Read one image."""
        with Image.open(self.paths[number]) as opened:
            return FingerprintImage(np.asarray(opened.convert("L")), resolution_of(self.name))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Every pair of images once, first < second: numbers of the images, and of their fingers. (P,) intp each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    first_finger: NDArray[np.intp]
    second_finger: NDArray[np.intp]

    @classmethod
    def of(cls, fingers: NDArray[np.intp]) -> Pairs:
        first, second = np.triu_indices(len(fingers), 1)
        return cls(first, second, fingers[first], fingers[second])

    @property
    def same(self) -> NDArray[np.bool_]:
        """True where both are of one finger: the genuine pairs."""
        return np.asarray(self.first_finger == self.second_finger)


def find_sets(data: Path, names: str | None, fingers: str = "all") -> list[PrintSet]:
    """Find the sets of a folder: those named, separated by commas, or all.

    fingers: "odd" or "even" keeps every second finger by name, so that what was tuned on one half can be measured on
    the other. Raises click.UsageError where a set is absent or holds too few fingers.
    """
    folders = [data / name for name in names.split(",")] if names else sorted(p for p in data.iterdir() if p.is_dir())
    missing = [folder.name for folder in folders if not folder.is_dir()]
    if missing or not folders:
        raise click.UsageError(f"no such set in {data}: {', '.join(missing) or 'none at all'}")
    return [_set_of(folder, fingers) for folder in folders]


def _set_of(folder: Path, fingers: str) -> PrintSet:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    _, numbers = np.unique([path.stem.rsplit("_", 1)[0] for path in paths], return_inverse=True)
    everything = PrintSet(folder.name, paths, numbers.astype(np.intp))
    kept = np.ones(len(paths), np.bool_) if fingers == "all" else everything.odd == (fingers == "odd")
    _, numbers = np.unique(everything.fingers[kept], return_inverse=True)
    if len(np.unique(numbers)) < _LEAST_FINGERS or len(numbers) == len(np.unique(numbers)):
        raise click.UsageError(
            f"{folder} needs two fingers at least and two impressions of one, in images FINGER_IMPRESSION.tif;"
            f" there are {len(np.unique(numbers))} fingers in {len(numbers)} images"
        )
    return PrintSet(folder.name, [paths[number] for number in np.flatnonzero(kept)], numbers.astype(np.intp))
