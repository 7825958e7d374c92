"""Analytic images: plane waves, and prints whose minutiae are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint.image import FingerprintImage
from enrollment.core.fingerprint.template import FingerprintTemplate, MinutiaKind

Wave = Callable[..., NDArray[np.float32]]
Print = Callable[..., tuple[FingerprintImage, FingerprintTemplate]]


@pytest.fixture(scope="session")
def wave() -> Wave:
    """Build cos(2 pi (x cos a + y sin a) / period + phase): (height, width) float32."""

    def build(
        angle: float, period: float, phase: float = 0.0, height: int = 200, width: int = 220
    ) -> NDArray[np.float32]:
        y, x = np.mgrid[:height, :width]
        along = x * math.cos(angle) + y * math.sin(angle)
        values: NDArray[np.float32] = np.cos(2.0 * math.pi * along / period + phase).astype(np.float32)
        return values

    return build


@pytest.fixture(scope="session")
def synthetic_print() -> Print:
    """Draw an oval print of bowed ridges with dislocations at known places.

    The phase is that of circles about a point far below, and each minutia adds its charge times the angle around it.
    Returns the image and its true template, all reliabilities 1.
    """

    def build(
        seed: int = 1, height: int = 400, width: int = 380, period: float = 9.0, noise: float = 8.0, count: int = 20
    ) -> tuple[FingerprintImage, FingerprintTemplate]:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width].astype(np.float64)
        middle = np.array([width / 2.0, height / 2.0])
        axes = middle * 0.9
        centre = np.array([width * 0.4, height * 1.6])
        points = np.zeros((0, 2))
        for candidate in rng.uniform(-0.7, 0.7, (40 * count, 2)) * axes + middle:
            if len(points) == count:
                break
            outside = (((candidate - middle) / axes) ** 2).sum() > 0.7**2
            if not outside and (not len(points) or np.hypot(*(points - candidate).T).min() > 40.0):
                points = np.vstack([points, candidate])
        charges = np.where(np.arange(len(points)) % 2, 1.0, -1.0)

        def phase(px: NDArray[np.float64], py: NDArray[np.float64], skip: int = -1) -> NDArray[np.float64]:
            total = 2.0 * np.pi / period * np.hypot(px - centre[0], py - centre[1])
            for i, ((mx, my), charge) in enumerate(zip(points, charges, strict=True)):
                if i != skip:
                    total = total + charge * np.arctan2(py - my, px - mx)
            return np.asarray(total)

        waves = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
        directions = waves - charges * np.pi / 2.0
        ahead = [
            math.cos(float(phase(px, py, i)) + charge * direction)
            for i, ((px, py), charge, direction) in enumerate(zip(points, charges, directions, strict=True))
        ]
        kinds = np.where(np.array(ahead) > 0.0, MinutiaKind.BIFURCATION, MinutiaKind.ENDING)
        kinds = np.where(np.abs(ahead) < 0.4, MinutiaKind.OTHER, kinds)  # neither one nor the other

        ridges = 150.0 + 90.0 * np.cos(phase(x, y)) + noise * rng.standard_normal(x.shape)
        inside = ((x - middle[0]) / axes[0]) ** 2 + ((y - middle[1]) / axes[1]) ** 2 < 1.0
        pixels = np.where(inside, np.clip(ridges, 0.0, 245.0), 250.0).astype(np.uint8)
        truth = FingerprintTemplate(
            positions=points.astype(np.float32),
            directions=np.mod(directions, 2.0 * np.pi).astype(np.float32),
            kinds=kinds.astype(np.uint8),
            reliabilities=np.ones(len(points), np.float32),
            size=(width, height),
        )
        return FingerprintImage(pixels), truth

    return build


@pytest.fixture(scope="session")
def shared_prints() -> Path:
    """Return the folder of public prints, or skip."""
    folder = Path(__file__).parents[3].parent / "shared" / "data" / "fingerprints"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    return folder
