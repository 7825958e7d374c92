"""What extraction went through: the arrays of its stages and the time that each took."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

REST: Final = "template, quality"  # what runs after the last stage that is shown


class StageRecorder:
    """An `observe` for `examine`: takes the time between calls, and copies of the arrays if they are wanted.

    A stage's time runs from the stage before it, so it holds what led up to the array as well. Copying is not counted.
    clock: seconds; one that counts CPU time of the thread is steadier on a busy machine.
    """

    def __init__(self, *, keep: bool = True, clock: Callable[[], float] = perf_counter) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.ms: dict[str, float] = {}
        self._keep = keep
        self._clock = clock
        self._mark = clock()

    def __call__(self, name: str, array: NDArray[Any]) -> None:
        self._add(name)
        if self._keep:
            self.arrays[name] = np.array(array)
            self._mark = self._clock()

    def finish(self) -> None:
        """Count what ran since the last stage; call it when `examine` returns."""
        self._add(REST)

    @property
    def total_ms(self) -> float:
        return sum(self.ms.values())

    def _add(self, name: str) -> None:
        now = self._clock()
        self.ms[name] = self.ms.get(name, 0.0) + 1000.0 * (now - self._mark)
        self._mark = now
