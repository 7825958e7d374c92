"""What a sensor sees of its glass: bare, a finger, dirt, a ghost of the last finger, darkness.

Pictures are (H, W) uint8 at 500 ppi, upright, dark ridges on light.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults, OpticalFault
from firmware_stubs.scanner.picture import fit
from firmware_stubs.scanner.sensor import Defects, Look, Noise, bare_glass, grey

_DARK: Final = 4
_GHOST_FINGER: Final = 86  # seed of whose print is left


class Glass:
    """One glass. size: (width, height). seed: of its pattern, its dirt, its defects and its noise."""

    def __init__(self, size: tuple[int, int], look: Look, seed: int, faults: Faults) -> None:
        self._width, self._height = size
        self._look = look
        self._faults = faults
        self._seed = seed
        self._bare = bare_glass(size, look, seed)
        self._noise = Noise(look.noise, seed)
        self._defects = Defects(size, seed)
        self._finger: NDArray[np.float32] | None = None
        self._soils: dict[Enum, NDArray[np.float32]] = {}
        self._last: NDArray[np.uint8] | None = None

    @property
    def occupied(self) -> bool:
        return self._finger is not None

    @property
    def haunted(self) -> bool:
        """Nobody touches it, and a ghost makes it look otherwise."""
        return self._finger is None and self._faults.is_armed(OpticalFault.GHOST_PRINT)

    def lay(self, picture: NDArray[np.uint8]) -> None:
        """Lay a finger, in place of one that may lie there."""
        self._finger = picture.astype(np.float32)

    def lift(self) -> None:
        self._finger = None

    def picture(self) -> NDArray[np.uint8]:
        """What lies on the glass, in full light and without noise."""
        return grey(self._seen())

    def defects(self) -> dict[str, Any]:
        """Where the sensor is broken, once it is: see Defects."""
        return self._defects.told()

    def prepare(self, fault: Enum) -> None:
        """Draw now what an exposure with this fault needs: that takes up to a second."""
        if fault in (OpticalFault.DIRTY_PLATEN, OpticalFault.GHOST_PRINT):
            self._soil(fault)

    def expose(self, *, lit: bool) -> NDArray[np.uint8]:
        """Take one picture; uses up the optical faults."""
        if self._last is not None and self._faults.take(OpticalFault.FROZEN_FRAME):
            return self._last
        seen = self._seen()
        if self._faults.take(OpticalFault.DIRTY_PLATEN):
            seen = seen - self._soil(OpticalFault.DIRTY_PLATEN)
        if self._finger is None and self._faults.take(OpticalFault.GHOST_PRINT):
            seen = seen - self._soil(OpticalFault.GHOST_PRINT)
        if self._faults.take(OpticalFault.BLACK_FRAME) or not lit:
            seen = np.full_like(seen, _DARK)
        self._last = self._defects.strike(self._noise.on(seen), self._faults)
        return self._last

    def _seen(self) -> NDArray[np.float32]:
        return self._bare if self._finger is None else self._finger

    def _soil(self, fault: Enum) -> NDArray[np.float32]:
        """By how many grey levels dirt or a ghost darkens each pixel; drawn once."""
        if fault not in self._soils:
            from firmware_stubs.fingers import finger_image, platen  # slow to import, and seldom needed

            size = (self._width, self._height)
            if fault is OpticalFault.GHOST_PRINT:
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
            wanted = self._look.ghost if fault is OpticalFault.GHOST_PRINT else self._look.dirt
            self._soils[fault] = darker * np.float32(np.sqrt(wanted / max(variance, 1e-3)))
        return self._soils[fault]
