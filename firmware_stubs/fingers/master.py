"""The finger itself: ridges grown once from a seed, with their exact minutiae."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.fingers.contact import Contact, carry
from firmware_stubs.fingers.growth import grow
from firmware_stubs.fingers.minutiae import Minutiae, find_minutiae
from firmware_stubs.fingers.noise import smooth_noise, stream
from firmware_stubs.fingers.patterns import PLAIN_SIZE, Pattern, centre_of, draw_flow, draw_pattern
from firmware_stubs.fingers.ridge_measure import measure_ridges
from firmware_stubs.fingers.skin import Skin, draw_skin

EDGE_JITTER_PX: Final = 0.55
EDGE_JITTER_SIGMA_PX: Final = 7.0
FINGERS_OF_A_PERSON: Final = 10
GRID_PX: Final = 16  # sides of a master are multiples of it
MAX_SIDE_PX: Final = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """One finger at 500 ppi, tip up; all fields (H, W) float32: 416 x 560 pixels unless another size was asked for.

    cosine: cos of the ridge phase, +1 on a crest.
    orientation: angle of the ridges in radians, [0, pi), y down, measured on the ridges as they are.
    period: pixels from ridge to ridge, measured as well.
    minutiae: all that lie 8 pixels or more inside the border.
    cores, deltas: (N, 2) float32, x and y in pixels; an arch has none.
    skin: what an impression is made of: the ridges with their units, pores and creases.
    """

    seed: int
    pattern: Pattern
    cosine: NDArray[np.float32]
    orientation: NDArray[np.float32]
    period: NDArray[np.float32]
    minutiae: Minutiae
    cores: NDArray[np.float32]
    deltas: NDArray[np.float32]
    skin: Skin

    @property
    def centre(self) -> tuple[float, float]:
        """Return x and y of the middle of the pattern, where the core tends to be."""
        height, width = self.cosine.shape
        return centre_of((width, height))


def make_master(seed: int, *, pattern: Pattern | None = None, size: tuple[int, int] = PLAIN_SIZE) -> Master:
    """Grow the finger of a seed.

    pattern: its class; by default drawn as often as it occurs in nature.
    size: width and height in pixels, multiples of 16 up to 2048 (`patterns.ROLLED_SIZE` reaches from nail to nail).
        The same seed with another size is another finger of the same class.
    Raises ValueError for a negative seed or another size.
    """
    if any(side % GRID_PX or not PLAIN_SIZE[0] <= side <= MAX_SIDE_PX for side in size):
        raise ValueError(f"a master's sides are multiples of {GRID_PX} in {PLAIN_SIZE[0]}..{MAX_SIDE_PX}, not {size}")
    drawn = draw_pattern(stream(seed, "pattern"))
    pattern = drawn if pattern is None else pattern
    flow = draw_flow(stream(seed, "flow"), pattern, size)
    singularities = np.concatenate([flow.cores, flow.deltas])
    quadrature = grow(stream(seed, "growth"), flow.orientation, flow.period, singularities)
    minutiae = find_minutiae(quadrature, flow.orientation, singularities)
    amplitude = np.hypot(quadrature.even, quadrature.odd)
    even_ridges = (quadrature.even / np.maximum(amplitude, 1e-6)).astype(np.float32, copy=False)
    cosine, edges = _jitter(stream(seed, "edges"), even_ridges)
    orientation, period = measure_ridges(cosine)
    return Master(
        seed=seed,
        pattern=pattern,
        cosine=cosine,
        orientation=orientation,
        period=period,
        minutiae=carry(minutiae, edges),
        cores=_carried_points(flow.cores, edges),
        deltas=_carried_points(flow.deltas, edges),
        skin=draw_skin(stream(seed, "skin"), cosine, flow.orientation, flow.period),
    )


def person_finger_seed(person_seed: int, position: int) -> int:
    """Give the seed of one of a person's fingers.

    position: 1..10, ISO/IEC 19794 finger position (1 right thumb ... 10 left little finger).
    Raises ValueError for another position or a negative seed.
    """
    if not 1 <= position <= FINGERS_OF_A_PERSON:
        raise ValueError(f"a finger position is 1..{FINGERS_OF_A_PERSON}, not {position}")
    return int(stream(person_seed, "person", position).integers(1 << 62))


def _jitter(random: np.random.Generator, cosine: NDArray[np.float32]) -> tuple[NDArray[np.float32], Contact]:
    """Make the ridges' edges uneven for good. The second part is the map that everything else moves by."""
    y, x = np.indices(cosine.shape, dtype=np.float32)
    shift_x, shift_y = (smooth_noise(random, cosine.shape, EDGE_JITTER_SIGMA_PX, EDGE_JITTER_PX) for _ in range(2))
    source = np.stack([x + shift_x, y + shift_y], axis=2)
    uneven = cv2.remap(cosine, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(uneven, -1.0, 1.0), Contact(source, np.zeros(cosine.shape, np.float32), 0.0)


def _carried_points(points: NDArray[np.float32], edges: Contact) -> NDArray[np.float32]:
    count = len(points)
    moved = carry(Minutiae(points, np.zeros(count, np.float32), np.zeros(count, bool)), edges)
    return moved.positions
