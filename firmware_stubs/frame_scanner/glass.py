"""What the sensor sees. Pictures are (H, W) uint8 at 500 ppi, upright, dark ridges on light.

An empty glass varies by about 48 grey levels squared within a block, as is measured on real ones; every exposure has
noise of its own, so that no two pictures are equal.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.frame_scanner.faults import Fault
from firmware_stubs.uru4000.faults import Faults
from firmware_stubs.uru4000.platen import fit

_EMPTY: Final = 225.0
_PATTERN: Final = 6.5  # deviation of the glass's own, lasting texture
_NOISE: Final = 2.0  # deviation from exposure to exposure
_DARK: Final = 4
_SOILED: Final = 50.0  # mean block variance that dirt or a ghost adds: as much again as an empty glass has
_GHOST_FINGER: Final = 86  # seed of whose print is left
_BANK: Final = 1 << 20


class Glass:
    """One glass. size: (width, height). seed: of its texture, its dirt and its noise."""

    def __init__(self, size: tuple[int, int], seed: int, faults: Faults) -> None:
        self._width, self._height = size
        self._faults = faults
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._empty = (_EMPTY + self._random.normal(0.0, _PATTERN, (self._height, self._width))).astype(np.float32)
        self._noise = np.rint(self._random.normal(0.0, _NOISE, _BANK)).astype(np.int16)
        self._finger: NDArray[np.float32] | None = None
        self._soils: dict[Enum, NDArray[np.float32]] = {}
        self._last: NDArray[np.uint8] | None = None

    @property
    def occupied(self) -> bool:
        return self._finger is not None

    def lay(self, picture: NDArray[np.uint8]) -> None:
        """Lay a finger, in place of one that may lie there."""
        self._finger = picture.astype(np.float32)

    def lift(self) -> None:
        self._finger = None

    def picture(self) -> NDArray[np.uint8]:
        """What lies on the glass, in full light and without noise."""
        seen = self._empty if self._finger is None else self._finger
        return np.clip(np.rint(seen), 0, 255).astype(np.uint8)

    def prepare(self, fault: Enum) -> None:
        """Draw now what an exposure with this fault needs: that takes up to a second."""
        if fault in (Fault.DIRTY_PLATEN, Fault.GHOST_PRINT):
            self._soil(fault)

    def expose(self, *, lit: bool) -> NDArray[np.uint8]:
        """Take one picture; uses up the optical faults."""
        if self._last is not None and self._faults.take(Fault.FROZEN_FRAME):
            return self._last
        seen = self._empty if self._finger is None else self._finger
        if self._faults.take(Fault.DIRTY_PLATEN):
            seen = seen - self._soil(Fault.DIRTY_PLATEN)
        if self._finger is None and self._faults.take(Fault.GHOST_PRINT):
            seen = seen - self._soil(Fault.GHOST_PRINT)
        if self._faults.take(Fault.BLACK_FRAME) or not lit:
            seen = np.full_like(seen, _DARK)
        begin = int(self._random.integers(0, _BANK - seen.size))
        noise = self._noise[begin : begin + seen.size].reshape(seen.shape)
        self._last = np.clip(np.rint(seen + noise), 0, 255).astype(np.uint8)
        return self._last

    def _soil(self, fault: Enum) -> NDArray[np.float32]:
        """By how many grey levels dirt or a ghost darkens each pixel; drawn once."""
        if fault not in self._soils:
            from firmware_stubs.fingers import finger_image, platen  # slow to import, and seldom needed

            size = (self._width, self._height)
            if fault is Fault.GHOST_PRINT:
                print_ = fit(finger_image(_GHOST_FINGER, self._seed % 64), 500.0, size).astype(np.float32)
                darker = np.float32(print_.max()) - print_
            else:
                clean = np.zeros((self._height, self._width), np.float32)
                random = np.random.default_rng(self._seed)
                seen = platen.see(random, clean, platen.Platen(dirt=60, noise=0.0)).astype(np.float32)
                darker = np.maximum(np.float32(np.median(seen)) - seen, 0.0)
            window = (8, 8)
            mean = cv2.blur(darker, window)
            variance = float(np.mean(cv2.blur(darker * darker, window) - mean * mean))
            self._soils[fault] = darker * np.float32(np.sqrt(_SOILED / max(variance, 1e-3)))
        return self._soils[fault]
