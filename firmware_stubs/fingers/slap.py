"""Slaps: several fingers of one hand pressed at once on a large glass, with the exact truth about each.

A finger touches with its pad, hardly at the crease of the joint, and often with a piece of the second phalanx below it.
The truth of a finger is its pad, from the tip to the crease: that is what a segmenter has to find.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.hand import POSITIONS_OF, PX_PER_MM, FingerShape, Hands, SlapKind
from firmware_stubs.fingers.master import Master
from firmware_stubs.fingers.noise import smooth_noise, smoothstep, stream
from firmware_stubs.fingers.patterns import CENTRE_X_PX, CENTRE_Y_PX
from firmware_stubs.fingers.platen import Platen, draw_platen, see
from firmware_stubs.fingers.press import Touch, draw_touch, press
from firmware_stubs.fingers.skin import JOINT_CREASE_Y_PX, Skin

SLAP_SIZE: Final = (1600, 1500)
MAX_ROTATION_DEG: Final = 45.0
THUMB_GAP_MM: Final = 14.0
_INK_ROW_PX: Final = 16.0
_INK_SHARE: Final = 0.3  # of the pad's middling ink: less is no print
_WHOLE: Final = 0.99
_PHALANX_PERIOD_PX: Final = 10.5
_OPEN_GAP_PX: Final = (8.0, 30.0)  # at the crease of the joint nothing touches


@dataclass(frozen=True, slots=True)
class SlapCondition:
    """How a hand was laid down.

    rotation_deg: of the hand, clockwise in the image, -45..45.
    displacement_mm: of the hand, right and down of where it would lie well.
    gap_mm: between neighbouring fingers; below 0 their prints run together.
    splay: how far the fingers spread, 1 usual.
    missing: positions that are not there (lost, or lifted).
    phalanx: share of the second phalanx that touches, 0 none.
    """

    rotation_deg: float = 0.0
    displacement_mm: tuple[float, float] = (0.0, 0.0)
    gap_mm: float = 1.5
    splay: float = 1.0
    missing: frozenset[int] = frozenset()
    phalanx: float = 0.6


@dataclass(frozen=True, slots=True)
class SlapFinger:
    """The truth about one finger of a slap: its pad, from where its ink begins to the crease.

    position: ISO/IEC 19794, 1..10. centre: x and y of the box, image pixels.
    size: breadth and length of the box, pixels. rotation_deg: of the box, clockwise in the image.
    visible: share of the pad that lies on the glass, 0..1.
    """

    position: int
    centre: tuple[float, float]
    size: tuple[float, float]
    rotation_deg: float
    visible: float


@dataclass(frozen=True, slots=True, eq=False)
class Slap:
    """One slap and the truth about it.

    pixels: (H, W) uint8, 500 ppi. fingers: those that touch, from left to right.
    positions: (H, W) uint8, position of the pad that touches at each pixel, 0 where none does.
    """

    kind: SlapKind
    pixels: NDArray[np.uint8]
    fingers: tuple[SlapFinger, ...]
    positions: NDArray[np.uint8]
    condition: SlapCondition


def draw_slap_condition(random: np.random.Generator, kind: SlapKind) -> SlapCondition:
    """Draw a hand that is laid down as most are: whole, on the glass, turned a little."""
    outward = {SlapKind.RIGHT_FOUR: -1.0, SlapKind.LEFT_FOUR: 1.0, SlapKind.TWO_THUMBS: 0.0}[kind]
    return SlapCondition(
        rotation_deg=float(np.clip(random.normal(6.0 * outward, 10.0), -30.0, 30.0)),
        displacement_mm=(float(random.normal(0.0, 1.0)), float(random.normal(0.0, 2.0))),
        gap_mm=float(random.uniform(0.3, 2.8)),
        splay=float(random.uniform(0.3, 1.6)),
        phalanx=float(random.uniform(0.15, 1.0)) if random.random() < 0.7 else 0.0,
    )


def make_slap(
    masters: Mapping[int, Master],
    hands: Hands,
    kind: SlapKind,
    seed: int,
    *,
    condition: SlapCondition | None = None,
    platen: Platen | None = None,
    touch: Touch | None = None,
    size: tuple[int, int] = SLAP_SIZE,
) -> Slap:
    """Lay a hand on the glass.

    masters: by position, at least those of `kind` that are not missing. seed: not negative; another is another touch.
    condition, platen, touch: by default drawn from what is usual (a touch for each finger).
    Raises ValueError for a rotation out of range or a negative seed.
    """
    random = stream(seed, "slap", int(kind))
    drawn = draw_slap_condition(random, kind)
    condition = drawn if condition is None else condition
    if abs(condition.rotation_deg) > MAX_ROTATION_DEG:
        raise ValueError(f"a hand is turned by at most {MAX_ROTATION_DEG:.0f} degrees, not {condition.rotation_deg}")
    drawn_platen = draw_platen(random)
    width, height = size
    ink = np.zeros((height, width), np.float32)
    nearest = np.full((height, width), np.float32(np.inf))
    positions = np.zeros((height, width), np.uint8)
    fingers = []
    skin_of_all = draw_touch(random)
    for finger in _lay(random, hands, kind, condition, size):
        own = Touch(
            skin_of_all.pressure + float(random.normal(-0.05, 0.18)),
            skin_of_all.dryness * float(random.uniform(0.6, 1.1)),
            skin_of_all.wetness * float(random.uniform(0.6, 1.1)),
        )
        part = _touch(random, masters[finger.position], finger, own if touch is None else touch, condition, size)
        if part is not None:
            _blend(part, ink, nearest, positions)
            fingers.append(_truth(finger, part.inked, size))
    pixels = see(random, ink, drawn_platen if platen is None else platen)
    return Slap(kind, pixels, tuple(fingers), positions, condition)


@dataclass(frozen=True, slots=True)
class _Laid:
    """A finger on the glass: its tip in image pixels, and its direction."""

    position: int
    shape: FingerShape
    tip: tuple[float, float]
    rotation: float
    contact_px: float
    pad_px: float


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one finger leaves: fields over a window of the image from (left, top); `inked` is where the pad's ink begins
    and ends, pixels below its tip."""

    position: int
    left: int
    top: int
    ink: NDArray[np.float32]
    radius: NDArray[np.float32]
    pad: NDArray[np.bool_]
    inked: tuple[float, float]


def _lay(
    random: np.random.Generator, hands: Hands, kind: SlapKind, condition: SlapCondition, size: tuple[int, int]
) -> list[_Laid]:
    """Place the tips beside each other, turn the hand, and bring its middle to the middle of the glass."""
    order = POSITIONS_OF[kind]
    shapes = [hands.fingers[position] for position in order]
    tips, directions = _thumbs(random, shapes) if kind is SlapKind.TWO_THUMBS else _four(shapes, condition)
    directions = directions + np.radians(random.normal(0.0, 1.2, len(order)))
    tips = tips + random.normal(0.0, 0.6, tips.shape)
    ahead = np.stack([np.sin(directions), -np.cos(directions)], axis=1)
    middle = (tips - ahead * np.array([[shape.pad_mm * 0.55] for shape in shapes])).mean(axis=0)
    turn = math.radians(condition.rotation_deg)
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = (tips - middle) @ np.array([[cosine, sine], [-sine, cosine]])
    placed = (turned + np.array(condition.displacement_mm)) * PX_PER_MM + np.array(size) / 2
    pressed = 1.0 + random.normal(0.0, 0.03, (len(order), 2))
    return [
        _Laid(
            position,
            shape,
            (float(tip[0]), float(tip[1])),
            float(direction) + turn,
            shape.contact_mm * PX_PER_MM * float(wide),
            shape.pad_mm * PX_PER_MM * float(long),
        )
        for position, shape, tip, direction, (wide, long) in zip(
            order, shapes, placed, directions, pressed, strict=True
        )
        if position not in condition.missing
    ]


def _four(shapes: list[FingerShape], condition: SlapCondition) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tips of four fingers in mm, x right and y down, and their directions, clockwise radians."""
    bodies = np.array([shape.body_mm for shape in shapes])
    contacts = np.array([shape.contact_mm for shape in shapes])
    apart = bodies if condition.gap_mm >= 0 else contacts  # pressed together, the pads meet
    steps = (apart[:-1] + apart[1:]) / 2 + condition.gap_mm
    x = np.concatenate([[0.0], np.cumsum(steps)])
    directions = np.radians([condition.splay * shape.splay_deg for shape in shapes])
    if condition.gap_mm < 0:
        directions = directions * 0.25
    return np.stack([x, [shape.below_mm for shape in shapes]], axis=1), directions


def _thumbs(random: np.random.Generator, shapes: list[FingerShape]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    apart = (shapes[0].body_mm + shapes[1].body_mm) / 2 + max(1.0, random.normal(THUMB_GAP_MM, 5.0))
    lean = abs(random.normal(5.0, 6.0))
    tips = np.array([[0.0, 0.0], [apart, float(random.normal(0.0, 3.0))]])
    return tips, np.radians([lean + random.normal(0.0, 3.0), -lean + random.normal(0.0, 3.0)])


def _touch(
    random: np.random.Generator,
    master: Master,
    finger: _Laid,
    touch: Touch,
    condition: SlapCondition,
    size: tuple[int, int],
) -> _Part | None:
    """Press one finger; None where it misses the glass."""
    gap = random.uniform(*_OPEN_GAP_PX)
    below = finger.shape.phalanx_mm * PX_PER_MM * condition.phalanx * float(random.uniform(0.7, 1.1))
    reach = finger.pad_px + (gap + below if below > 0 else 0.0) + 12.0
    half = finger.contact_px / 2 + 40.0
    cosine, sine = math.cos(finger.rotation), math.sin(finger.rotation)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    corners = np.array([[-half, -20.0], [half, -20.0], [-half, reach], [half, reach]]) @ turn.T + finger.tip
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int), size)
    if (high - low < 8).any():
        return None
    shape = (int(high[1] - low[1]), int(high[0] - low[0]))
    y, x = np.indices(shape, dtype=np.float32)
    x += np.float32(low[0] - finger.tip[0])
    y += np.float32(low[1] - finger.tip[1])
    across, down = cosine * x + np.float32(sine) * y, cosine * y - np.float32(sine) * x

    half_width, half_length = finger.contact_px / 2, finger.pad_px / 2
    edge = smooth_noise(random, shape, 20.0, 0.015) + smooth_noise(random, shape, 3.0, 0.012)
    pad_x, pad_y = across / np.float32(half_width), (down - np.float32(half_length)) / np.float32(half_length)
    exponent = np.where(pad_y < 0, np.float32(2.1), np.float32(4.5))  # the tip is round, the base is cut by the crease
    pad_radius = np.sqrt(np.abs(pad_x) ** np.maximum(exponent, 2.4) + np.abs(pad_y) ** exponent) + edge
    radius = pad_radius
    if below > 30:
        start = finger.pad_px + gap
        phalanx_x = across / np.float32(0.9 * half_width)
        phalanx_y = (down - np.float32(start + below / 2)) / np.float32(below / 2)
        radius = np.minimum(radius, np.sqrt(np.abs(phalanx_x) ** 3 + np.abs(phalanx_y) ** 4) + edge)

    to_master = _to_master(random, finger, across, down)
    ink = press(random, _with_phalanx(random, master.skin, to_master), to_master, radius, touch)
    pad = pad_radius < 1.0
    return _Part(finger.position, int(low[0]), int(low[1]), ink, radius, pad, _inked(ink, down, pad, finger.pad_px))


def _inked(
    ink: NDArray[np.float32], down: NDArray[np.float32], pad: NDArray[np.bool_], pad_px: float
) -> tuple[float, float]:
    """Where the ink of a pad begins and ends: a light touch leaves none at the tip."""
    rows = np.maximum(down[pad] * np.float32(1.0 / _INK_ROW_PX), 0.0).astype(np.intp)  # a ragged tip starts above 0
    counts = np.maximum(np.bincount(rows), 1)
    means = np.bincount(rows, ink[pad]) / counts
    inked = np.flatnonzero(means > _INK_SHARE * np.median(means[means > 0])) if (means > 0).any() else np.zeros(0)
    if not len(inked):
        return 0.0, pad_px
    # The ends are the pad's own, where ink reaches them but for the round of the tip.
    first, last = float(inked[0]) * _INK_ROW_PX, float(inked[-1] + 1) * _INK_ROW_PX
    return (0.0 if first <= _INK_ROW_PX else first), (pad_px if last >= pad_px - 2 * _INK_ROW_PX else last)


def _to_master(
    random: np.random.Generator, finger: _Laid, across: NDArray[np.float32], down: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Which spot of the master each pixel sees: the crease at the crease, dragged and twisted off the middle."""
    shape = (across.shape[0], across.shape[1])
    scale = np.float32(finger.shape.master_scale)
    x = across / scale
    y = (down - np.float32(finger.pad_px)) / scale + np.float32(JOINT_CREASE_Y_PX)
    from_core = y - np.float32(CENTRE_Y_PX)
    slip = smoothstep(np.hypot(x / 130.0, from_core / 170.0), 0.5, 2.2)
    torsion = random.normal(0.0, 0.05)
    x, y = (
        x + slip * (random.normal(0.0, 7.0) - torsion * from_core) + np.float32(random.normal(0.0, 6.0)),
        y + slip * (random.normal(0.0, 8.0) + torsion * x),
    )
    bulge_x, bulge_y = (smooth_noise(random, shape, 110.0, 1.8) for _ in range(2))
    to_master = np.stack([x + bulge_x + np.float32(CENTRE_X_PX), y + bulge_y], axis=2)
    return to_master.astype(np.float32, copy=False)


def _with_phalanx(random: np.random.Generator, skin: Skin, to_master: NDArray[np.float32]) -> Skin:
    """Carry the skin on below the crease, as far as the map asks: slanting ridges with a few forks."""
    height, width = skin.relief.shape
    more = max(0, math.ceil(float(to_master[..., 1].max())) + 2 - height)
    if not more:
        return skin
    y, x = np.indices((more, width), dtype=np.float32)
    slant = np.float32(math.radians(random.normal(0.0, 12.0)))
    phase = (np.cos(slant) * y + np.sin(slant) * x) * np.float32(math.tau / _PHALANX_PERIOD_PX)
    phase += smooth_noise(random, (more, width), 60.0, 2.5)
    for fork in random.uniform((0, 0), (width, more), (max(1, more * width // 9000), 2)):
        phase += np.arctan2(y - np.float32(fork[1]), x - np.float32(fork[0])) * np.float32(random.choice([-1.0, 1.0]))
    units = np.tanh(2.0 * smooth_noise(random, (more, width), 1.6))
    return Skin(
        relief=np.concatenate([skin.relief, np.cos(phase)]),
        units=np.concatenate([skin.units, units]).astype(np.float32, copy=False),
        pores=np.concatenate([skin.pores, np.zeros((more, width), np.float32)]),
    )


def _blend(part: _Part, ink: NDArray[np.float32], nearest: NDArray[np.float32], positions: NDArray[np.uint8]) -> None:
    """Put a finger beside those that lie there: at a pixel only the one whose middle is nearer touches."""
    height, width = part.ink.shape
    window = (slice(part.top, part.top + height), slice(part.left, part.left + width))
    wins = part.radius < nearest[window]
    seam = np.clip((np.abs(part.radius - nearest[window]) - 0.01) / 0.05, 0.0, 1.0)  # skin folds away where two meet
    seam = np.where(np.isfinite(seam), seam, np.float32(1.0))
    both = np.where(wins, part.ink, ink[window]) * np.where(np.maximum(part.radius, nearest[window]) < 1.1, seam, 1.0)
    ink[window] = both
    positions[window] = np.where(wins & part.pad, np.uint8(part.position), positions[window])
    positions[window] = np.where(wins & ~part.pad & (part.radius < 1.0), np.uint8(0), positions[window])
    nearest[window] = np.minimum(nearest[window], part.radius)


def _truth(finger: _Laid, inked: tuple[float, float], size: tuple[int, int]) -> SlapFinger:
    down = np.array([-math.sin(finger.rotation), math.cos(finger.rotation)])
    rotation_deg = math.degrees(finger.rotation)
    glass = ((size[0] / 2, size[1] / 2), (float(size[0]), float(size[1])), 0.0)
    centre = np.array(finger.tip) + down * finger.pad_px / 2
    whole = (tuple(centre.tolist()), (finger.contact_px, finger.pad_px), rotation_deg)
    how, overlap = cv2.rotatedRectangleIntersection(whole, glass)
    area = float(cv2.contourArea(cv2.convexHull(overlap))) if how != cv2.INTERSECT_NONE else 0.0
    visible = area / (finger.contact_px * finger.pad_px)
    first, last = inked if visible > _WHOLE else (0.0, finger.pad_px)
    x, y = (np.array(finger.tip) + down * (first + last) / 2).tolist()
    return SlapFinger(finger.position, (x, y), (finger.contact_px, last - first), rotation_deg, visible)
