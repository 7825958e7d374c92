"""Target: a small image of any pixels through the whole extraction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.fuzzing.target import Target, require
from enrollment.core.fingerprint import FingerprintImage, examine

SMALLEST, LARGEST = 60, 139  # pixels a side; some are too small to be examined
RESOLUTIONS: Final = (500.0, 512.0, 1000.0, 250.0, 333.3)


def examined(data: bytes) -> None:
    """Octets are width, height, resolution and a pattern of pixels that is repeated to fill the image."""
    if len(data) < 4:
        return
    width, height = (SMALLEST + side % (LARGEST - SMALLEST + 1) for side in data[:2])
    pattern = np.frombuffer(data[3:], np.uint8)
    pixels = np.resize(pattern, (height, width))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = examine(FingerprintImage(pixels, RESOLUTIONS[data[2] % len(RESOLUTIONS)]))
    template, quality = found.template, found.quality
    require(np.isfinite(template.positions).all(), "a minutia lies nowhere")
    require((template.positions >= 0).all(), "a minutia lies outside")
    require((template.positions <= np.array(template.size)).all(), "a minutia lies outside")
    require(((template.directions >= 0) & (template.directions < 2 * np.pi + 1e-5)).all(), "a direction is no angle")
    require(((template.reliabilities >= 0) & (template.reliabilities <= 1)).all(), "a reliability is out of range")
    require(0 <= quality.score <= 100, "a score is out of range")
    require(all(np.isfinite(value) for value in quality.measures.values()), "a measure is no number")


def image_seeds() -> Iterator[bytes]:
    rows, columns = np.mgrid[:100, :100]
    waves = (128 + 100 * np.sin(rows * 0.7 + columns * 0.3)).astype(np.uint8)
    noise = np.random.default_rng(5).integers(0, 256, (100, 100), dtype=np.uint8)
    for pixels in (waves, noise, np.zeros_like(waves), np.full_like(waves, 255)):
        yield bytes((40, 40, 0)) + pixels.tobytes()
    yield bytes((79, 79, 2, 0, 255))


IMAGE_TARGETS: Final = (Target("examine", examined, image_seeds, 20_000),)
