"""Learn the matcher's projection from synthetic templates of our own: `python -m bench.learn_projection`.

Cylinders of one minutia in several impressions should come out alike, those of different minutiae unlike: linear
discriminant analysis with one class a minutia. Each direction is then weighted by how much it tells: with rho the
correlation of mates along it, the log-likelihood ratio of two Gaussian values of unit variance is rho / (1 - rho^2)
times their product.
"""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

import hashlib
import io
from pathlib import Path
from time import perf_counter
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

import enrollment.core.fingerprint
from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint.area import supports
from enrollment.core.fingerprint.compiled.cylinders import CELL_COUNT, CYLINDER_SIZE, cylinder
from enrollment.core.fingerprint.matching_parameters import CYLINDER, MATCHING
from enrollment.core.fingerprint.projection import DIMENSIONS, RESOURCE

SEED: Final = 20_020_604
FINGERS: Final = 250
IMPRESSIONS: Final = 4
WITHIN_RIDGE: Final = 0.02  # share of the mean variance added to the scatter of mates, so that it can be inverted
RHO_RIDGE: Final = 0.05  # keeps the weight of a perfectly repeating direction finite


def cylinders_of(
    points: NDArray[np.float32], directions: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the cylinders of N minutiae, points (2, N), directions (N,), and which of their cells are known."""
    count = len(directions)
    values, known = np.empty((count, CYLINDER_SIZE), np.float32), np.empty((count, CELL_COUNT), bool)
    headings = np.stack([np.cos(directions), np.sin(directions)])
    polygon = supports(points[:, None], np.array([count]))[0]
    for number in range(count):
        cylinder(number, points, headings, directions, polygon, values[number], known[number])
    return values, known


def toy_cylinders(fingers: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.intp]]:
    """Return cylinders (N, CYLINDER_SIZE), which of their values are known, and the minutia of each or -1."""
    rng = np.random.default_rng(seed)
    values, known, names = [], [], []
    for finger_number in track(range(fingers), "drawing fingers", transient=True, disable=not Console().is_terminal):
        finger = draw_finger(rng)
        for _ in range(IMPRESSIONS):
            impression = draw_impression(finger, rng)
            positions = impression.template.positions[: MATCHING.most_minutiae]
            directions = impression.template.directions[: MATCHING.most_minutiae]
            if len(positions) < MATCHING.least_minutiae:
                continue
            points = np.ascontiguousarray((positions - positions.mean(axis=0)).T)
            described, covered = cylinders_of(points, directions)
            values.append(described)
            known.append(covered)
            identities = impression.identities[: MATCHING.most_minutiae]
            names.append(np.where(identities < 0, -1, identities + 1000 * finger_number))
    return np.concatenate(values), np.repeat(np.concatenate(known), CYLINDER.slots, axis=1), np.concatenate(names)


def learn(fingers: int = FINGERS, seed: int = SEED) -> NDArray[np.float16]:
    """Learn the table that `projection.npy` holds: (1 + DIMENSIONS, CYLINDER_SIZE) float16."""
    values, known, names = toy_cylinders(fingers, seed)
    mean = (values * known).sum(axis=0, dtype=np.float64) / known.sum(axis=0)
    mean = mean.astype(np.float16).astype(np.float64)
    centred = (values - mean) * known
    total = centred.T @ centred / len(centred)
    within = _scatter_of_mates(centred[names >= 0], names[names >= 0])
    within += WITHIN_RIDGE * np.trace(within) / CYLINDER_SIZE * np.eye(CYLINDER_SIZE)

    whiten = np.linalg.inv(np.linalg.cholesky(within))
    ratios, axes = np.linalg.eigh(whiten @ total @ whiten.T)
    ratios = ratios[::-1][:DIMENSIONS]
    directions = axes[:, ::-1][:, :DIMENSIONS].T @ whiten
    strongest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(DIMENSIONS), strongest])[:, None]
    rho = np.maximum(1.0 - 1.0 / ratios, 0.0)
    directions *= np.sqrt(rho / (1.0 - rho**2 + RHO_RIDGE) / ratios)[:, None]
    return np.concatenate([mean[None], directions]).astype(np.float16)


def _scatter_of_mates(centred: NDArray[np.float64], names: NDArray[np.intp]) -> NDArray[np.float64]:
    """Covariance of the cylinders of a minutia about their own mean."""
    order = np.argsort(names, kind="stable")
    rows, names = centred[order], names[order]
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    sizes = np.diff(np.r_[starts, len(names)])
    means = np.add.reduceat(rows, starts, axis=0) / sizes[:, None]
    apart = rows - np.repeat(means, sizes, axis=0)
    scatter: NDArray[np.float64] = apart.T @ apart / (sizes - 1).sum()
    return scatter


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="where to write; the shipped resource unless given")
def main(out: Path | None) -> None:
    """Learn the projection and write it."""
    console = Console()
    began = perf_counter()
    content = io.BytesIO()
    np.save(content, learn(), allow_pickle=False)
    path = out or Path(enrollment.core.fingerprint.__path__[0]) / RESOURCE
    path.write_bytes(content.getvalue())
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    console.print(f"{path}: {content.tell()} bytes in {perf_counter() - began:.1f} s")
    console.print(f"sha256 {digest}: put it into enrollment/core/fingerprint/projection.py as RESOURCE_SHA256")


if __name__ == "__main__":
    main()
