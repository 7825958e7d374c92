"""A drawn head and shoulders before a plain light wall: a scene for the camera stub, and nobody's likeness.

Proportions are those of a portrait that meets ISO/IEC 19794-5 (eyes level, mouth closed, head in the middle), so that
measures of exposure, sharpness and background have something to measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

DEFAULT_SIZE: Final = (1920, 1080)
MIN_SIDE_PX: Final = 120
MAX_SIDE_PX: Final = 4096
_SUBPIXEL_BITS: Final = 4
# From pale to dark; the shade and the lips follow from it.
_SKINS: Final[tuple[Colour, ...]] = ((196, 214, 240), (170, 196, 232), (140, 172, 216), (104, 140, 190), (70, 98, 148))
_HAIRS: Final[tuple[Colour, ...]] = ((28, 24, 24), (38, 40, 52), (44, 62, 92), (70, 104, 150), (140, 146, 150))
_IRISES: Final[tuple[Colour, ...]] = ((36, 52, 78), (48, 80, 106), (130, 118, 84), (92, 116, 84))
_SHIRTS: Final[tuple[Colour, ...]] = ((150, 90, 50), (90, 110, 60), (70, 60, 130), (180, 170, 160), (60, 50, 45))


@dataclass(frozen=True, slots=True)
class _Face:
    """What differs from one drawn person to the next. Lengths are in half head heights."""

    skin: Colour
    hair: Colour
    iris: Colour
    shirt: Colour
    wall: Colour
    half_width: float
    jaw: float
    eye_gap: float
    eye_size: float
    brow_lift: float
    nose: float
    mouth: float
    hair_length: float
    parting: float


class _Canvas:
    """Draws in head coordinates: the middle of the face at (0, 0), its top at y -1 and its chin at y +1."""

    def __init__(self, size: tuple[int, int], wall: Colour) -> None:
        width, height = size
        self.pixels = np.empty((height, width, 3), np.uint8)
        self.pixels[:] = wall
        self._unit = min(0.30 * height, 0.45 * width)
        self._origin = np.array([width / 2, 0.46 * height])

    def _fixed(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        pixels = points * self._unit + self._origin
        fixed: NDArray[np.int32] = np.rint(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        return fixed

    def fill(self, outline: NDArray[np.float64], colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [self._fixed(outline)], colour, cv2.LINE_AA, _SUBPIXEL_BITS)

    def stroke(self, points: NDArray[np.float64], colour: Colour, breadth: float) -> None:
        thickness = max(1, round(breadth * self._unit))
        cv2.polylines(self.pixels, [self._fixed(points)], False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def shade(self, outline: NDArray[np.float64], strength: float, softness: float) -> None:
        """Darken (or, with a negative strength, lighten) softly inside an outline."""
        fixed, sigma = self._fixed(outline), max(0.5, softness * self._unit)
        limits = np.array(self.pixels.shape[1::-1])
        reach = int(3 * sigma) + 1
        left, top = np.clip((fixed.min(axis=0) >> _SUBPIXEL_BITS) - reach, 0, limits)
        right, bottom = np.clip((fixed.max(axis=0) >> _SUBPIXEL_BITS) + reach + 1, 0, limits)
        if right <= left or bottom <= top:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corner = (int(left) << _SUBPIXEL_BITS, int(top) << _SUBPIXEL_BITS)
        cv2.fillPoly(mask, [fixed - corner], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        soft = cv2.GaussianBlur(mask, (0, 0), sigma).astype(np.float32)
        factor = 1.0 - soft * np.float32(strength / 255.0)
        here = self.pixels[top:bottom, left:right]
        here[:] = np.clip(here * factor[..., None], 0, 255)


def schematic_portrait(seed: int, size: tuple[int, int] = DEFAULT_SIZE) -> NDArray[np.uint8]:
    """Draw the person of a seed.

    size: width and height, 120..4096 pixels. Returns (H, W, 3) uint8 BGR.
    Raises ValueError for a negative seed or a size out of range.
    """
    width, height = size
    if seed < 0:
        raise ValueError(f"a seed is not negative: {seed}")
    if not (MIN_SIDE_PX <= width <= MAX_SIDE_PX and MIN_SIDE_PX <= height <= MAX_SIDE_PX):
        raise ValueError(f"a portrait is {MIN_SIDE_PX}..{MAX_SIDE_PX} pixels wide and high, not {width} x {height}")
    random = np.random.default_rng([seed, 0x706F7274])
    face = _draw_face(random)
    canvas = _Canvas(size, face.wall)
    _shoulders(canvas, face)
    _head(canvas, face)
    for side in (-1, 1):
        _eye(canvas, face, side)
    _nose_and_mouth(canvas, face)
    _hair(canvas, face, random)
    return _with_texture(random, canvas.pixels)


def _draw_face(random: np.random.Generator) -> _Face:
    wall = int(random.integers(216, 236))

    def pick(colours: tuple[Colour, ...]) -> Colour:
        return colours[int(random.integers(len(colours)))]

    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    return _Face(
        skin=pick(_SKINS),
        hair=pick(_HAIRS),
        iris=pick(_IRISES),
        shirt=pick(_SHIRTS),
        wall=(wall, wall - 1, wall - 3),
        half_width=between(0.68, 0.76),
        jaw=between(0.66, 0.84),
        eye_gap=between(0.29, 0.33),
        eye_size=between(0.125, 0.145),
        brow_lift=between(0.15, 0.20),
        nose=between(0.115, 0.15),
        mouth=between(0.21, 0.28),
        hair_length=between(0.15, 1.25),
        parting=between(-0.45, 0.45),
    )


def _tint(colour: Colour, factor: float) -> Colour:
    blue, green, red = (min(255, int(channel * factor)) for channel in colour)
    return blue, green, red


def _curve(*points: tuple[float, float], steps: int = 24) -> NDArray[np.float64]:
    """Smooth open curve through points (Catmull-Rom). Returns (N, 2)."""
    knots = np.array([points[0], *points, points[-1]], np.float64)
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    before, start, end, after = (knots[i : len(knots) - 3 + i, None] for i in range(4))
    along = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return np.concatenate([along.reshape(-1, 2), knots[-1:]])


def _mirrored(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Close a right half, drawn from top to bottom, with its mirror image."""
    return np.concatenate([half, half[::-1] * (-1.0, 1.0)])


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.stack([x + half_width * np.cos(angle), y + half_height * np.sin(angle)], axis=1)


def _shoulders(canvas: _Canvas, face: _Face) -> None:
    behind = face.hair_length
    if behind > 0.6:  # long hair falls behind the neck
        half = _curve((0.0, -1.05), (0.62, -0.85), (0.90, -0.1), (0.86, behind), (0.35, behind + 0.08), (0.0, behind))
        canvas.fill(_mirrored(half), _tint(face.hair, 0.85))
    body = _curve((0.0, 1.20), (0.40, 1.26), (1.05, 1.45), (1.42, 1.70), (1.55, 2.40))
    canvas.fill(np.concatenate([_mirrored(body)]), face.shirt)
    canvas.shade(_mirrored(_curve((0.62, 1.9), (1.15, 1.62), (1.5, 2.4), (0.9, 2.4))), 0.18, 0.12)
    neck = _curve((0.34, 0.5), (0.33, 1.0), (0.40, 1.28), (0.20, 1.46), (0.0, 1.52))
    canvas.fill(_mirrored(neck), face.skin)
    canvas.shade(_mirrored(_curve((0.0, 0.8), (0.26, 0.85), (0.24, 1.06), (0.0, 1.18))), 0.30, 0.04)
    for side in (-1, 1):  # the collar
        flap = np.array([(0.40 * side, 1.20), (0.03 * side, 1.56), (0.30 * side, 1.80), (0.62 * side, 1.40)])
        canvas.fill(flap, _tint(face.shirt, 1.22))
        canvas.stroke(flap[[1, 2, 3]], _tint(face.shirt, 0.75), 0.012)
    canvas.stroke(np.array([(0.0, 1.58), (0.0, 2.4)]), _tint(face.shirt, 0.72), 0.014)
    for button in (1.75, 2.05):
        canvas.fill(_ellipse(0.05, button, 0.025, 0.025), _tint(face.shirt, 1.4))


def _head(canvas: _Canvas, face: _Face) -> None:
    wide = face.half_width
    for side in (-1, 1):
        canvas.fill(_ellipse(side * (wide + 0.02), 0.02, 0.085, 0.19), _tint(face.skin, 0.93))
        inner = _curve((wide + 0.03, -0.12), (wide + 0.07, -0.03), (wide + 0.03, 0.12)) * (side, 1.0)
        canvas.stroke(inner, _tint(face.skin, 0.72), 0.014)
    outline = _curve(
        (0.0, -1.0),
        (0.42, -0.92),
        (wide, -0.38),
        (wide * 0.985, 0.12),
        (wide * face.jaw, 0.66),
        (0.27, 0.96),
        (0.0, 1.0),
    )
    head = _mirrored(outline)
    canvas.fill(head, face.skin)
    canvas.stroke(np.concatenate([head, head[:1]]), _tint(face.skin, 0.80), 0.008)
    canvas.shade(_mirrored(_curve((0.50, -0.5), (wide, -0.3), (wide, 0.2), (0.3, 0.96), (0.52, 0.2))), 0.09, 0.08)
    for side in (-1, 1):  # cheeks and forehead take the light
        canvas.shade(_ellipse(side * 0.36, 0.28, 0.15, 0.13), -0.05, 0.09)
    canvas.shade(_ellipse(0.0, -0.55, 0.34, 0.16), -0.06, 0.12)


def _eye(canvas: _Canvas, face: _Face, side: int) -> None:
    x, y, size = side * face.eye_gap, -0.08, face.eye_size
    canvas.shade(_ellipse(x, y - 0.02, size * 1.3, size * 0.8), 0.12, 0.03)
    upper = _curve((-1.0, 0.10), (-0.45, -0.42), (0.3, -0.46), (1.0, 0.0))
    lower = _curve((1.0, 0.0), (0.35, 0.36), (-0.4, 0.36), (-1.0, 0.10))
    place = np.array([side * size, size])
    lids = np.concatenate([upper, lower]) * place + (x, y)
    canvas.fill(lids, (238, 240, 240))
    canvas.fill(_ellipse(x, y - 0.02 * size, 0.40 * size, 0.40 * size), face.iris)
    canvas.fill(_ellipse(x, y - 0.02 * size, 0.18 * size, 0.18 * size), (16, 14, 14))
    canvas.fill(_ellipse(x + 0.12 * size, y - 0.16 * size, 0.08 * size, 0.08 * size), (250, 250, 250))
    canvas.stroke(upper * place + (x, y), (30, 28, 30), 0.020)
    canvas.stroke(lower * place + (x, y), _tint(face.skin, 0.62), 0.008)
    canvas.stroke(upper * place * (1.05, 1.1) + (x, y - 0.05), _tint(face.skin, 0.75), 0.008)
    brow = _curve((-1.25, 0.10), (-0.4, -0.18), (0.5, -0.24), (1.45, 0.16)) * place + (x, y - face.brow_lift)
    canvas.stroke(brow, _tint(face.hair, 1.1), 0.042)


def _nose_and_mouth(canvas: _Canvas, face: _Face) -> None:
    nose, shadow = face.nose, _tint(face.skin, 0.70)
    canvas.shade(_curve((0.05, -0.1), (0.07, 0.15), (nose, 0.32), (0.03, 0.38), (0.03, 0.1)), 0.14, 0.03)
    canvas.shade(_ellipse(0.0, 0.24, 0.045, 0.10), -0.08, 0.03)
    canvas.stroke(_curve((-nose, 0.27), (-nose * 1.05, 0.34), (-0.06, 0.36)), shadow, 0.014)
    canvas.stroke(_curve((nose, 0.27), (nose * 1.05, 0.34), (0.06, 0.36)), shadow, 0.014)
    canvas.stroke(_curve((-0.06, 0.36), (0.0, 0.385), (0.06, 0.36)), shadow, 0.014)
    for side in (-1, 1):
        canvas.fill(_ellipse(side * 0.062, 0.352, 0.026, 0.013), _tint(face.skin, 0.42))
    wide, y = face.mouth, 0.60
    upper = _mirrored(
        _curve((0.0, y - 0.035), (0.06, y - 0.055), (0.16, y - 0.03), (wide, y + 0.005), (0.0, y + 0.015))
    )
    lower = _mirrored(_curve((0.0, y + 0.005), (wide * 0.9, y + 0.01), (wide * 0.55, y + 0.075), (0.0, y + 0.095)))
    blue, green, red = face.skin
    lips = (int(blue * 0.78), int(green * 0.66), int(red * 0.90))
    canvas.fill(lower, lips)
    canvas.fill(upper, _tint(lips, 0.88))
    canvas.stroke(_curve((-wide, y), (-0.08, y + 0.012), (0.08, y + 0.012), (wide, y)), _tint(lips, 0.5), 0.010)
    canvas.shade(_ellipse(0.0, 0.76, 0.15, 0.035), 0.10, 0.03)


def _hair(canvas: _Canvas, face: _Face, random: np.random.Generator) -> None:
    """A cap of hair with a parting, and strands on it so that there is fine texture to be sharp or not."""
    wide, part = face.half_width, face.parting
    ends = min(face.hair_length, 0.25)
    outer = _curve((-wide - 0.05, ends), (-wide - 0.07, -0.35), (-0.46, -1.04), (0.0, -1.22), (0.46, -1.04),
                   (wide + 0.07, -0.35), (wide + 0.05, ends))  # fmt: skip
    inner = _curve((wide - 0.03, ends), (wide - 0.05, -0.32), (0.42, -0.60), (part, -0.74), (-0.42, -0.60),
                   (-wide + 0.05, -0.32), (-wide + 0.03, ends))  # fmt: skip
    canvas.fill(np.concatenate([outer, inner]), face.hair)
    for along, tone in zip(random.uniform(0.24, 0.76, 140), random.uniform(0.7, 1.7, 140), strict=True):
        end = outer[int(along * (len(outer) - 1))]
        start = inner[::-1][int(along * (len(inner) - 1))]
        middle = (start + end) / 2 + (0.10 * (part - start[0]), 0.0)
        canvas.stroke(
            _curve((start[0], start[1]), (middle[0], middle[1]), (end[0], end[1]), steps=8),
            _tint(face.hair, tone),
            0.004,
        )


def _with_texture(random: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay a fine still grain and a faint fall of light over the drawing: neither skin nor cloth is one flat colour."""
    height, width = pixels.shape[:2]
    grain = random.standard_normal((height, width), dtype=np.float32) * np.float32(2.0)
    fall = np.linspace(1.02, 0.96, width, dtype=np.float32)[None, :, None]
    lit: NDArray[np.uint8] = np.clip(pixels * fall + grain[..., None], 0, 255).astype(np.uint8)
    return lit
