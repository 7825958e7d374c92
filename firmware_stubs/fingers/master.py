"""The finger itself: ridges grown once from a seed, with their exact minutiae."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.growth import grow
from firmware_stubs.fingers.minutiae import Minutiae, find_minutiae
from firmware_stubs.fingers.noise import smooth_noise, stream
from firmware_stubs.fingers.patterns import Pattern, draw_flow, draw_pattern
from firmware_stubs.fingers.skin import Skin, draw_skin

EDGE_JITTER_PX: Final = 0.55
EDGE_JITTER_SIGMA_PX: Final = 7.0
FINGERS_OF_A_PERSON: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """One finger, 416 x 560 pixels at 500 ppi, tip up; all fields (H, W) float32.

    cosine: cos of the ridge phase, +1 on a crest.
    orientation: angle of the ridges in radians, [0, pi), y down.
    period: pixels from ridge to ridge, as the ridges were asked to be (they come out within 10 % of it).
    minutiae: all that lie 8 pixels or more inside the border.
    skin: what an impression is made of: the ridges with their units, pores and creases.
    """

    seed: int
    pattern: Pattern
    cosine: NDArray[np.float32]
    orientation: NDArray[np.float32]
    period: NDArray[np.float32]
    minutiae: Minutiae
    skin: Skin


def make_master(seed: int, *, pattern: Pattern | None = None) -> Master:
    """Grow the finger of a seed. pattern: its class; by default drawn as often as it occurs in nature.

    Raises ValueError for a negative seed.
    """
    drawn = draw_pattern(stream(seed, "pattern"))
    pattern = drawn if pattern is None else pattern
    flow = draw_flow(stream(seed, "flow"), pattern)
    quadrature = grow(stream(seed, "growth"), flow.orientation, flow.period)
    minutiae = find_minutiae(quadrature, flow.orientation, np.concatenate([flow.cores, flow.deltas]))
    amplitude = np.hypot(quadrature.even, quadrature.odd)
    even_ridges = (quadrature.even / np.maximum(amplitude, 1e-6)).astype(np.float32, copy=False)
    cosine, minutiae = _jitter(stream(seed, "edges"), even_ridges, minutiae)
    skin = draw_skin(stream(seed, "skin"), cosine, flow.orientation, flow.period)
    return Master(seed, pattern, cosine, flow.orientation, flow.period, minutiae, skin)


def person_finger_seed(person_seed: int, position: int) -> int:
    """Give the seed of one of a person's fingers.

    position: 1..10, ISO/IEC 19794 finger position (1 right thumb ... 10 left little finger).
    Raises ValueError for another position or a negative seed.
    """
    if not 1 <= position <= FINGERS_OF_A_PERSON:
        raise ValueError(f"a finger position is 1..{FINGERS_OF_A_PERSON}, not {position}")
    return int(stream(person_seed, "person", position).integers(1 << 62))


def _jitter(
    random: np.random.Generator, cosine: NDArray[np.float32], minutiae: Minutiae
) -> tuple[NDArray[np.float32], Minutiae]:
    """Make the ridges' edges uneven for good; the minutiae move with them."""
    shift_x, shift_y = (smooth_noise(random, cosine.shape, EDGE_JITTER_SIGMA_PX, EDGE_JITTER_PX) for _ in range(2))
    y, x = np.indices(cosine.shape, dtype=np.float32)
    uneven = cv2.remap(cosine, x + shift_x, y + shift_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    columns, rows = np.rint(minutiae.positions).astype(np.intp).T
    shift = np.stack([shift_x[rows, columns], shift_y[rows, columns]], axis=1)
    moved = Minutiae(minutiae.positions - shift, minutiae.directions, minutiae.bifurcations)
    return np.clip(uneven, -1.0, 1.0), moved
