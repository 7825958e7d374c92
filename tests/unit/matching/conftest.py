"""Templates for the matcher's tests: drawn by seed, or laid by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint.area import SIDES
from enrollment.core.fingerprint.compiled.arrays import MOST, Minutiae, Print
from enrollment.core.fingerprint.projection import DIMENSIONS
from enrollment.core.fingerprint.template import FingerprintTemplate
from enrollment.core.fingerprint.wave_map import WaveMap

Moved = Callable[..., FingerprintTemplate]
Laid = Callable[..., FingerprintTemplate]


@pytest.fixture(scope="session")
def impressions() -> list[list[FingerprintTemplate]]:
    """Six fingers of three impressions each."""
    rng = np.random.default_rng(11)
    fingers = [draw_finger(rng) for _ in range(6)]
    return [[draw_impression(finger, rng, turn=0.5).template for _ in range(3)] for finger in fingers]


@pytest.fixture(scope="session")
def laid() -> Laid:
    """Build a template of minutiae (x, y), ending all unless told."""

    def build(
        positions: ArrayLike, directions: ArrayLike = 0.0, kinds: ArrayLike = 1, reliabilities: ArrayLike = 0.6
    ) -> FingerprintTemplate:
        points = np.asarray(positions, np.float32).reshape(-1, 2)
        count = len(points)
        return FingerprintTemplate(
            positions=points,
            directions=np.mod(np.broadcast_to(np.asarray(directions, np.float32), count), np.float32(math.tau)),
            kinds=np.broadcast_to(np.asarray(kinds, np.uint8), count),
            reliabilities=np.broadcast_to(np.asarray(reliabilities, np.float32), count),
            size=(400, 500),
        )

    return build


@pytest.fixture(scope="session")
def moved() -> Moved:
    """Turn a template about (200, 250), then shift it."""

    def move(
        template: FingerprintTemplate, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)
    ) -> FingerprintTemplate:
        cos, sin = math.cos(angle), math.sin(angle)
        middle = np.array([200.0, 250.0])
        turned = (template.positions - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle + shift
        return FingerprintTemplate(
            positions=turned.astype(np.float32),
            directions=np.mod(template.directions + np.float32(angle), np.float32(math.tau)),
            kinds=template.kinds,
            reliabilities=template.reliabilities,
            size=template.size,
        )

    return move


def rows_of(points: NDArray[np.float32], headings: NDArray[np.float32]) -> Minutiae:
    """Minutiae as kernels take them: points and headings, (2, N) each; behind them what is far away."""
    padded = np.full((4, MOST), 1e7, np.float32)
    padded[2:] = 0.0
    padded[:2, : points.shape[1]], padded[2:, : points.shape[1]] = points, headings
    return Minutiae(*padded)


@pytest.fixture(scope="session")
def minutiae() -> Callable[[NDArray[np.float32], NDArray[np.float32]], Minutiae]:
    return rows_of


@pytest.fixture(scope="session")
def printed() -> Callable[..., Print]:
    """A print of points and headings, (2, N) each, or of waves: for stages that need no descriptors."""

    def build(
        points: NDArray[np.float32], headings: NDArray[np.float32] | None = None, waves: WaveMap | None = None
    ) -> Print:
        count = points.shape[1]
        ahead = np.stack([np.ones(count, np.float32), np.zeros(count, np.float32)])
        reliabilities = np.zeros(MOST, np.float32)
        reliabilities[:count] = 1.0
        cells = np.zeros((0, 0, 4), np.uint8) if waves is None else waves.cells
        origin, pitch = ((0.0, 0.0), (1.0, 1.0)) if waves is None else (waves.origin, waves.pitch)
        return Print(
            count,
            rows_of(points, ahead if headings is None else headings),
            reliabilities,
            np.ones(count, np.uint8),
            np.zeros((count, DIMENSIONS), np.int8),
            np.full(SIDES, 500.0, np.float32),
            np.ascontiguousarray(cells.reshape(-1, 4)),
            *cells.shape[:2],
            *(np.float32(value) for value in (*origin, *pitch)),
        )

    return build
