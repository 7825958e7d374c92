"""Templates for the matcher's tests: drawn by seed, or laid by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from bench.toy_templates import draw_finger, draw_impression
from enrollment.core.fingerprint.described import DescribedTemplates
from enrollment.core.fingerprint.packed_waves import no_waves
from enrollment.core.fingerprint.template import FingerprintTemplate

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


@pytest.fixture(scope="session")
def bare() -> Callable[[NDArray[np.float32], NDArray[np.float32]], DescribedTemplates]:
    """Described templates, one a row, from points and headings alone: for the stages that need no descriptors."""

    def build(points: NDArray[np.float32], headings: NDArray[np.float32]) -> DescribedTemplates:
        _, count, most = points.shape
        return DescribedTemplates(
            counts=np.full(count, most),
            points=points.astype(np.float32),
            headings=headings.astype(np.float32),
            kinds=np.ones((count, most), np.uint8),
            reliabilities=np.ones((count, most), np.float32),
            descriptors=np.zeros((count, most, 128), np.int8),
            polygons=np.full((count, 16), 500.0, np.float32),
            waves=no_waves(count),
        )

    return build
