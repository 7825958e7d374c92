"""The sensor: 256 x 180 pixels at 385 ppi, ridges dark on light. Every picture has noise of its own.

Pictures are laid at 500 ppi, as all hands lay them, and seen at the sensor's own resolution.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.nb1010.faults import Fault
from firmware_stubs.uru4000.faults import Faults

WIDTH: Final = 256
HEIGHT: Final = 180
LAID_SIZE: Final = (332, 234)  # width and height of the same area at 500 ppi

_BARE: Final = 229.0  # grey; the recording has 227 to 231
_NOISE: Final = 1.2  # standard deviation, grey levels
_DEAD_SHARE: Final = 0.004  # of all pixels; the recording is sprinkled with them
_DARK: Final = 160  # below it a pixel touches skin
_FELT_SHARE: Final = 0.16  # of the sensor under skin: all that presence can tell
_FULL_PRESENCE: Final = 247  # the recording's
_DIRT_PRESENCE: Final = 24
_GHOST_DARKER: Final = 11.0  # grey levels; a finger's ridges are darker by 150
_RIDGE_PERIOD: Final = 7.0  # pixels
_SPECKS: Final = 40
_HAIRS: Final = 20


class Sensor:
    """One sensor. seed: of its dead pixels, its dirt and its noise."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._faults = faults
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._dead = self._random.random((HEIGHT, WIDTH)) < _DEAD_SHARE
        self._bare = np.full((HEIGHT, WIDTH), _BARE, np.float32)
        self._finger: NDArray[np.float32] | None = None
        self._last: NDArray[np.uint8] | None = None

    @property
    def occupied(self) -> bool:
        return self._finger is not None

    def lay(self, picture: NDArray[np.uint8]) -> None:
        """Lay a finger. picture: (234, 332) uint8 at 500 ppi."""
        self._finger = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)

    def lift(self) -> None:
        self._finger = None

    def picture(self) -> NDArray[np.uint8]:
        """What lies on the sensor, without noise and dead pixels, (180, 256) uint8."""
        return _grey(self._bare if self._finger is None else self._finger)

    def presence(self) -> int:
        """How surely a finger lies there, 0 to 255."""
        armed = self._faults.armed()
        if self._finger is None and Fault.GHOST_PRINT.value in armed:
            return _FULL_PRESENCE
        dirt = _DIRT_PRESENCE if Fault.DIRTY_PLATEN.value in armed else 0
        if self._finger is None:
            return dirt + int(self._random.integers(0, 4))
        felt = float((self._finger < _DARK).mean()) / _FELT_SHARE
        return min(_FULL_PRESENCE, dirt + round(_FULL_PRESENCE * felt))

    def expose(self) -> NDArray[np.uint8]:
        """Take one picture; uses up the faults of pictures."""
        if self._last is not None and self._faults.take(Fault.FROZEN_FRAME):
            return self._last
        seen = self._bare if self._finger is None else self._finger
        if self._finger is None and self._faults.take(Fault.GHOST_PRINT):
            seen = self._ghost()
        if self._faults.take(Fault.DIRTY_PLATEN):
            seen = np.minimum(seen, self._dirt())
        seen = np.where(self._dead, np.float32(0), seen)
        if self._faults.take(Fault.BLACK_FRAME):
            seen = np.zeros_like(seen)
        noise = self._random.standard_normal((HEIGHT, WIDTH), np.float32) * np.float32(_NOISE)
        self._last = _grey(seen + noise)
        return self._last

    def _ghost(self) -> NDArray[np.float32]:
        """Grey of the bare sensor under the grease of a whorl."""
        rows, columns = np.indices((HEIGHT, WIDTH), np.float32)
        distance = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
        ridges = np.where(distance < HEIGHT / 2, np.cos(2 * np.pi * distance / _RIDGE_PERIOD) + 1.0, 0.0)
        return self._bare - (_GHOST_DARKER * ridges / 2).astype(np.float32)

    def _dirt(self) -> NDArray[np.float32]:
        """Grey of the sensor under specks and hairs; the same at every exposure, as dirt is."""
        random = np.random.default_rng(self._seed)
        drawn = np.full((HEIGHT, WIDTH), 255, np.uint8)
        for x, y, radius, grey in random.integers((0, 0, 2, 20), (WIDTH, HEIGHT, 12, 140), (_SPECKS, 4)):
            cv2.circle(drawn, (int(x), int(y)), int(radius), int(grey), -1, cv2.LINE_AA)
        for x, y, dx, dy in random.integers((0, 0, -60, -60), (WIDTH, HEIGHT, 60, 60), (_HAIRS, 4)):
            cv2.line(drawn, (int(x), int(y)), (int(x + dx), int(y + dy)), 60, 1, cv2.LINE_AA)
        return drawn.astype(np.float32)


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
