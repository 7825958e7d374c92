"""Slaps that are drawn line by line, and slaps of grown fingers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint import FingerprintImage
from firmware_stubs.fingers.hand import Hands, SlapKind, draw_hands
from firmware_stubs.fingers.master import Master, make_master, person_finger_seed
from firmware_stubs.fingers.platen import Platen
from firmware_stubs.fingers.press import Touch
from firmware_stubs.fingers.slap import Slap, SlapCondition, make_slap

Drawn = Callable[..., FingerprintImage]
Taken = Callable[..., Slap]

CLEAN = Platen()
PX_PER_MM = 500.0 / 25.4


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """Draw pads as ovals of wavy lines on white glass.

    pads: each (tip x, tip y, breadth, length, turn in degrees clockwise), mm.
    """

    def draw(
        pads: Sequence[tuple[float, float, float, float, float]],
        size_mm: tuple[float, float] = (81.28, 76.2),
        ppi: float = 500.0,
        noise: float = 2.0,
    ) -> FingerprintImage:
        scale = ppi / 25.4
        shape = (round(size_mm[1] * scale), round(size_mm[0] * scale))
        y, x = np.indices(shape, dtype=np.float32)
        grey: NDArray[np.float32] = np.full(shape, np.float32(240.0))
        for tip_x, tip_y, breadth, length, turn in pads:
            cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            right, below = x / np.float32(scale) - np.float32(tip_x), y / np.float32(scale) - np.float32(tip_y)
            across, down = cosine * right + sine * below, cosine * below - sine * right
            inside = (2.0 * np.abs(across) / breadth) ** 2.5 + (2.0 * np.abs(down - length / 2) / length) ** 2.5 < 1.0
            ridges = 130.0 - 90.0 * np.cos(2.0 * math.pi * (down + 0.6 * np.cos(across / 2.0)) / 0.46)
            grey = np.where(inside, ridges, grey).astype(np.float32)
        grey += np.random.default_rng(3).normal(0.0, noise, shape).astype(np.float32)
        return FingerprintImage(np.clip(grey, 0.0, 255.0).astype(np.uint8), ppi)

    return draw


@pytest.fixture(scope="session")
def person() -> Mapping[int, Master]:
    return {position: make_master(person_finger_seed(5, position)) for position in range(1, 11)}


@pytest.fixture(scope="session")
def hands() -> Hands:
    return draw_hands(5)


@pytest.fixture(scope="session")
def taken(person: Mapping[int, Master], hands: Hands) -> Taken:
    """Take a slap of the person on a clean glass with well pressed fingers."""

    def take(kind: SlapKind, seed: int = 0, platen: Platen = CLEAN, **condition: object) -> Slap:
        touch = Touch(pressure=0.1)
        laid = SlapCondition(**condition)  # type: ignore[arg-type]  # the tests name its fields
        return make_slap(person, hands, kind, seed, condition=laid, platen=platen, touch=touch)

    return take


@pytest.fixture(scope="session")
def at_1000_ppi() -> Callable[[FingerprintImage], FingerprintImage]:
    def enlarge(image: FingerprintImage) -> FingerprintImage:
        twice = cv2.resize(image.pixels, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_CUBIC)
        return FingerprintImage(np.asarray(twice, np.uint8), 1000.0)

    return enlarge
