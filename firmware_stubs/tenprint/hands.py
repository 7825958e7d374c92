"""Whose fingers may be laid down: each person has ten, and lays them as slaps or rolls them one by one."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.tenprint.layout import HEIGHT, WIDTH

if TYPE_CHECKING:
    from firmware_stubs.fingers.master import Master

SLAPS: Final = (13, 14, 15)  # ISO/IEC 19794 codes: right four, left four, two thumbs
FINGERS: Final = tuple(range(1, 11))


@functools.lru_cache(maxsize=16)
def slap_picture(person: int, position: int, impression: int, missing: int = 0) -> NDArray[np.uint8]:
    """A person's slap, (1500, 1600) uint8. The same numbers give the same picture.

    position: 13, 14 or 15. missing: a finger that is lifted, 0 for none.
    """
    from firmware_stubs.fingers.hand import POSITIONS_OF, SlapKind, draw_hands
    from firmware_stubs.fingers.noise import stream
    from firmware_stubs.fingers.platen import Platen
    from firmware_stubs.fingers.slap import draw_slap_condition, make_slap

    kind = SlapKind(position)
    laid = draw_slap_condition(stream(impression, "slap", int(kind)), kind)
    laid = replace(laid, missing=frozenset({missing} if missing else ()))
    masters = {finger: _master(person, finger) for finger in POSITIONS_OF[kind]}
    glass = Platen(noise=0.0)  # the sensor adds its own
    hands, size = draw_hands(person), (WIDTH, HEIGHT)
    pixels = make_slap(masters, hands, kind, impression, condition=laid, platen=glass, size=size).pixels
    pixels.flags.writeable = False
    return pixels


@functools.lru_cache(maxsize=16)
def rolled_picture(person: int, position: int, impression: int) -> NDArray[np.uint8]:
    """A person's finger rolled from nail to nail in the middle of the glass, (1500, 1600) uint8. position: 1 to 10."""
    from firmware_stubs.fingers.hand import draw_hands
    from firmware_stubs.fingers.rolled import make_rolled, unroll

    scale = draw_hands(person).fingers[position].master_scale  # that of the same finger in a slap
    rolled = make_rolled(unroll(_master(person, position)), impression, scale=scale).pixels
    height, width = rolled.shape
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    picture = np.full((HEIGHT, WIDTH), np.median(rolled[:8]), np.uint8)
    picture[top : top + height, left : left + width] = rolled
    picture.flags.writeable = False
    return picture


@functools.lru_cache(maxsize=20)
def _master(person: int, position: int) -> Master:
    from firmware_stubs.fingers import make_master, person_finger_seed  # slow to import, and most hands lay files

    return make_master(person_finger_seed(person, position))
