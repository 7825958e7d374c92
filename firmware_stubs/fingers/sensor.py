"""Sensors: how contact becomes grey. Ridges dark on light in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.condition import Condition, Severity
from firmware_stubs.fingers.noise import smooth_noise, smoothstep

LIGHT_TONE: Final = 0.8  # of black where skin only just touches; firmly pressed skin is black; by eye


class SensorStyle(Enum):
    """Kinds of sensor: optical ones by their background, and two that are not optical."""

    OPTICAL_WHITE = "optical white"
    OPTICAL_LIGHT = "optical light"
    OPTICAL_GREY = "optical grey"
    CAPACITIVE = "capacitive"
    THERMAL_SWEEP = "thermal sweep"


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor. style: what its images look like. ppi: pixels an inch, 100..2000.

    Nothing finer than 500 ppi is drawn: above, pixels are only more.
    Raises ValueError for another resolution.
    """

    style: SensorStyle = SensorStyle.OPTICAL_WHITE
    ppi: float = 500.0

    def __post_init__(self) -> None:
        if not 100 <= self.ppi <= 2000:
            raise ValueError(f"a sensor has 100..2000 ppi, not {self.ppi}")

    @property
    def slip_px(self) -> float:
        """How far the rows of an image slip sideways, deviation in pixels at 500 ppi."""
        return 3.0 if self.style is SensorStyle.THERMAL_SWEEP else 0.0


_OPTICAL_SHARES = {
    Severity.NORMAL: (0.80, 0.15, 0.05),
    Severity.MIXED: (0.60, 0.22, 0.18),
    Severity.HARD: (0.15, 0.40, 0.45),
}


def draw_sensor(random: np.random.Generator, severity: Severity = Severity.MIXED) -> Sensor:
    """Draw one of the optical sensors at 500 ppi."""
    styles = (SensorStyle.OPTICAL_WHITE, SensorStyle.OPTICAL_LIGHT, SensorStyle.OPTICAL_GREY)
    return Sensor(styles[int(random.choice(3, p=_OPTICAL_SHARES[severity]))])


def ink_of(random: np.random.Generator, height: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink that skin of this height over the platen leaves: (H, W) float32, 0 none, 1 black."""
    steepness = np.float32(np.clip(random.normal(5.4, 1.4), 2.8, 9.0))
    touching = _sigmoid(steepness * height)
    firm = np.float32(LIGHT_TONE) + np.float32(1.0 - LIGHT_TONE) * _sigmoid(np.float32(3.0) * (height - 0.5))
    return np.asarray(touching * firm, np.float32)


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(-x, -30.0, 30.0))), np.float32)


def see(
    random: np.random.Generator, sensor: Sensor, condition: Condition, ink: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Turn ink, (H, W) float32, into (H, W) uint8."""
    shape = (ink.shape[0], ink.shape[1])
    match sensor.style:
        case SensorStyle.CAPACITIVE:
            grey = _capacitive(random, condition, ink, shape)
        case SensorStyle.THERMAL_SWEEP:
            grey = _thermal(random, condition, ink, shape)
        case _:
            grey = _optical(random, sensor.style, condition, ink, shape)
    noise = random.standard_normal(shape, dtype=np.float32) * np.float32(condition.noise)
    pixels: NDArray[np.uint8] = np.clip(np.rint(grey + noise), 0, 255).astype(np.uint8)
    return pixels


def _optical(
    random: np.random.Generator,
    style: SensorStyle,
    condition: Condition,
    ink: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    papers = {SensorStyle.OPTICAL_WHITE: (253, 255), SensorStyle.OPTICAL_LIGHT: (222, 246)}
    paper = random.uniform(*papers.get(style, (176, 212)))
    black = random.uniform(5, 45)
    grain = 0.03 + smooth_noise(random, shape, 2.0, 0.05) + smooth_noise(random, shape, 45.0, 0.07)
    depth = np.float32((paper - black) * condition.contrast)
    grey = np.float32(paper) - depth * ink * (1.0 - np.clip(grain, 0.0, 0.6))
    if style is not SensorStyle.OPTICAL_WHITE:
        grey += smooth_noise(random, shape, 150.0, 5.0)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), random.uniform(0.45, 0.75)), np.float32)


def _capacitive(
    random: np.random.Generator, condition: Condition, ink: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Charge through air gaps: soft ridges, valleys grey under the finger, amplifiers that differ by column and row."""
    near = cv2.GaussianBlur(ink, (0, 0), 14.0)
    field = cv2.GaussianBlur(ink, (0, 0), random.uniform(0.8, 1.2))
    paper, black = random.uniform(205, 240), random.uniform(10, 60)
    charge = np.float32(0.85) * field + np.float32(0.15) * np.minimum(near * 2.0, 1.0)
    grey = np.float32(paper) - np.float32((paper - black) * condition.contrast) * charge
    height, width = shape
    grey += random.normal(0.0, 2.0, (1, width)).astype(np.float32)
    grey += random.normal(0.0, 1.2, (height, 1)).astype(np.float32)
    grey += random.standard_normal(shape, dtype=np.float32) * np.float32(2.5)
    return np.asarray(grey, np.float32)


def _thermal(
    random: np.random.Generator, condition: Condition, ink: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Warmth that is felt as it changes: flat grey off the finger, strong ridges on it, a halo where it lands."""
    height, width = shape
    slow = np.asarray(cv2.GaussianBlur(ink, (0, 0), 16.0), np.float32)
    finger = smoothstep(slow, 0.05, 0.3)
    level = random.uniform(80, 118)
    sharp = cv2.GaussianBlur(ink, (0, 0), random.uniform(0.6, 0.9)) - slow
    lifted = np.tanh(np.float32(2.2 * condition.contrast) * sharp / (np.float32(0.25) + finger * np.float32(0.25)))
    grey = np.float32(level) - lifted * np.where(lifted > 0, np.float32(level), np.float32(250 - level))
    halo = cv2.GaussianBlur(ink, (0, 0), 26.0) - cv2.GaussianBlur(ink, (0, 0), 8.0)
    grey += np.float32(260.0) * np.maximum(halo, 0.0) * (1.0 - finger)
    columns = random.normal(0.0, 3.0, (1, width)).astype(np.float32)
    grey += columns * (1.2 - finger)
    blank = int(random.uniform(0.0, 0.25) * height)
    if blank and random.random() < 0.5:  # the finger was not swept to the end
        grey[:blank] = level
    return np.asarray(grey, np.float32)
