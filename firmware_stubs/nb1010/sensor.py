"""The sensor: 256 x 180 pixels at 385 ppi, which also feels whether a finger lies there.

Pictures are laid at 500 ppi, as all hands lay them, and seen at the sensor's own resolution.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults, OpticalFault
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.scanner.sensor import Look

WIDTH: Final = 256
HEIGHT: Final = 180
LAID_SIZE: Final = (332, 234)  # width and height of the same area at 500 ppi

# The recording has 227 to 231 where no skin is. This sensor is no camera: grease changes little, dirt much.
LOOK: Final = Look(level=229.0, falloff=0.0, columns=0.0, specks=0.6, noise=1.2, dirt=600.0, ghost=8.0)
_DEAD_SHARE: Final = 0.004  # of all pixels; the recording is sprinkled with them
_DARK: Final = 160  # below it a pixel touches skin
_FELT_SHARE: Final = 0.16  # of the sensor under skin: all that presence can tell
_FULL_PRESENCE: Final = 247  # the recording's
_DIRT_PRESENCE: Final = 24


class Sensor(Glass):
    """One sensor. seed: of its pattern, its dead pixels, its dirt and its noise."""

    def __init__(self, look: Look, seed: int, faults: Faults) -> None:
        super().__init__((WIDTH, HEIGHT), look, seed, faults)
        self._random = np.random.default_rng(seed)
        self._sprinkled = self._random.random((HEIGHT, WIDTH)) < _DEAD_SHARE

    def lay(self, picture: NDArray[np.uint8]) -> None:
        """Lay a finger. picture: (234, 332) uint8 at 500 ppi."""
        super().lay(np.asarray(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8))

    def presence(self) -> int:
        """How surely a finger lies there, 0 to 255."""
        if self.haunted:
            return _FULL_PRESENCE
        dirt = _DIRT_PRESENCE if self._faults.is_armed(OpticalFault.DIRTY_PLATEN) else 0
        if not self.occupied:
            return dirt + int(self._random.integers(0, 4))
        felt = float((self.picture() < _DARK).mean()) / _FELT_SHARE
        return min(_FULL_PRESENCE, dirt + round(_FULL_PRESENCE * felt))

    def expose(self, *, lit: bool = True) -> NDArray[np.uint8]:
        """Take one picture; uses up the optical faults."""
        return np.where(self._sprinkled, np.uint8(0), super().expose(lit=lit))
