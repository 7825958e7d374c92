"""What may go wrong with any scanner, and which faults are armed. A model adds an enumeration for its own wire."""

from __future__ import annotations

from enum import Enum


class OpticalFault(Enum):
    """Of the sensor and its glass, whatever the wire; each is used up by a picture."""

    FROZEN_FRAME = "frozen_frame"  # a picture is the one before, bit for bit
    BLACK_FRAME = "black_frame"  # a picture is dark, whatever the lamp does
    DIRTY_PLATEN = "dirty_platen"  # specks and hairs on the glass
    GHOST_PRINT = "ghost_print"  # the grease of an earlier finger, where none lies
    DEAD_PIXELS = "dead_pixels"  # some pixels see nothing
    DEAD_LINE = "dead_line"  # a column of pixels sees nothing


class CableFault(Enum):
    """Of the cable."""

    UNPLUG = "unplug"  # the device vanishes at a transfer, counted from the moment this was armed


class Faults:
    """The faults that are armed, each counting its own chances; of any enumeration."""

    def __init__(self) -> None:
        self._left: dict[Enum, int] = {}
        self._passing: dict[Enum, int] = {}

    def arm(self, fault: Enum, times: int, after: int = 0) -> None:
        """Let `fault` pass `after` chances, then strike `times` times; replaces what was armed of it."""
        self._left[fault] = times
        self._passing[fault] = after

    def clear(self) -> None:
        self._left.clear()

    def is_armed(self, fault: Enum) -> bool:
        return fault in self._left

    def take(self, fault: Enum) -> bool:
        """Whether it strikes now; uses one up."""
        left = self._left.get(fault, 0)
        if left and self._passing[fault]:
            self._passing[fault] -= 1
            return False
        if left <= 1:
            self._left.pop(fault, None)
        else:
            self._left[fault] = left - 1
        return left > 0

    def armed(self) -> dict[str, int]:
        """How often each is still to strike."""
        return {str(fault.value): left for fault, left in self._left.items()}
