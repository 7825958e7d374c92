"""What a sensor has of its own, finger or none: the pattern of its bare glass, noise, pixels that see nothing.

Pictures are (H, W) uint8, upright, dark ridges on light; sizes are (width, height).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults, OpticalFault

_DEAD_PIXELS: Final = 9
_DEAD_GREY: Final = 0
_EDGE_PX: Final = 20  # a defect stays clear of the edge
_BANK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """How the bare glass looks through one kind of sensor, in grey levels.

    level: in the middle. falloff: by how much less light the corners have. columns, specks: deviations of the lasting
    pattern, column by column and pixel by pixel. noise: deviation from exposure to exposure. dirt, ghost: mean variance
    of an 8 x 8 block that dirty glass and the grease of an earlier finger add.
    """

    level: float
    falloff: float
    columns: float
    specks: float
    noise: float
    dirt: float = 50.0
    ghost: float = 50.0


def bare_glass(size: tuple[int, int], look: Look, seed: int) -> NDArray[np.float32]:
    """What is seen of nothing, without noise; the same for each seed."""
    width, height = size
    random = np.random.default_rng(seed)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = look.level - look.falloff * (x * x + y * y) / 2
    columns = random.normal(0.0, look.columns, (1, width))
    specks = random.normal(0.0, look.specks, (height, width))
    return np.asarray(light + columns + specks, np.float32)


class Noise:
    """Noise over time: each exposure has its own, so that no two pictures are equal. deviation: 0 for none."""

    def __init__(self, deviation: float, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._bank = np.rint(self._random.normal(0.0, deviation, _BANK)).astype(np.int16)

    def on(self, seen: NDArray[np.float32]) -> NDArray[np.uint8]:
        """One exposure of what is seen."""
        begin = int(self._random.integers(0, _BANK - seen.size))
        return grey(seen + self._bank[begin : begin + seen.size].reshape(seen.shape))


class Defects:
    """Where one sensor is broken, once it is. seed: of the places, which a defect keeps."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        width, height = size
        random = np.random.default_rng(seed ^ 0xDEAD)
        inside = (height - 2 * _EDGE_PX) * (width - 2 * _EDGE_PX)
        places = random.choice(inside, _DEAD_PIXELS + 1, replace=False)
        rows, columns = np.unravel_index(places, (height - 2 * _EDGE_PX, width - 2 * _EDGE_PX))
        self._rows, self._columns = rows[:-1] + _EDGE_PX, columns[:-1] + _EDGE_PX
        self._line = int(columns[-1]) + _EDGE_PX

    def told(self) -> dict[str, Any]:
        """The places, for the state: pixels as (x, y), and the x of the line."""
        pixels = [[int(x), int(y)] for x, y in zip(self._columns, self._rows, strict=True)]
        return {"dead_pixels": pixels, "dead_line": self._line}

    def strike(self, picture: NDArray[np.uint8], faults: Faults) -> NDArray[np.uint8]:
        """The picture as the sensor sees it with the defects that are armed; a copy where there is any."""
        pixels, line = faults.take(OpticalFault.DEAD_PIXELS), faults.take(OpticalFault.DEAD_LINE)
        if pixels or line:
            picture = picture.copy()
        if pixels:
            picture[self._rows, self._columns] = _DEAD_GREY
        if line:
            picture[:, self._line] = _DEAD_GREY
        return picture


def grey(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Grey levels, rounded and held in 0 to 255."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
