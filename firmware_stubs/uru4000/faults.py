"""What may be made to go wrong, a counted number of times each."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """One misbehaviour; each is used up where it strikes."""

    STALL = "stall"  # the image never comes: its bulk read stays pending
    SHORT_IMAGE = "short_image"  # half the lines that the header promises
    ZERO_IMAGE = "zero_image"  # interrupt 0800, then an image of 0 bytes
    BAD_HEADER = "bad_header"  # a header that promises 65535 lines
    WRONG_KEY = "wrong_key"  # the key register answers another key
    CLEAR_IMAGE = "clear_image"  # the image comes unscrambled, whatever its flags say
    EVERY_BLOCK_KIND = "every_block_kind"  # a block list with every flag of the format
    PALE_IMAGE = "pale_image"  # hardly any contrast: the finger left between 0101 and the image
    SLOW_WIRE = "slow_wire"  # the image takes ten times as long
    UNPLUG_IN_IMAGE = "unplug_in_image"  # the device vanishes halfway through the image
    NO_POWER_INTERRUPT = "no_power_interrupt"  # a power-up without 56AA
    WEDGED = "wedged"  # the next import finds HWSTAT 85
    STRAY_INTERRUPT = "stray_interrupt"  # a finger-off before the finger-on


class Faults:
    """The faults that are armed; of any device's enumeration."""

    def __init__(self) -> None:
        self._left: dict[Enum, int] = {}
        self._passing: dict[Enum, int] = {}

    def arm(self, fault: Enum, times: int, after: int = 0) -> None:
        """Let `fault` pass `after` chances, then strike `times` times; replaces what was armed of it."""
        self._left[fault] = times
        self._passing[fault] = after

    def clear(self) -> None:
        self._left.clear()

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
