"""One image from a device, with what is known of how it was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Pixels by reference; whoever holds a frame may keep it, nobody writes to it.

    pixels: (H, W) uint8 with ridges dark, or (H, W, 3) uint8 BGR from a camera.
    sequence: counts up by one with each frame that the device delivered since it was opened, from 1.
    captured_monotonic_s: time.monotonic() at the end of the transfer.
    resolution_ppi: pixels an inch of a scanner, None for a camera.
    """

    pixels: NDArray[np.uint8]
    sequence: int
    captured_monotonic_s: float
    resolution_ppi: float | None = None
