"""Tuned numbers of the ten-print driver."""

from __future__ import annotations

from typing import Final

WARM_UP_S: Final = 5.0  # a device may answer NOT_READY for so long (protocol, 5.1)
WARM_UP_POLL_S: Final = 0.1
CLOSE_S: Final = 0.5  # what close waits for the device to go dark

EXCHANGE_TRIES: Final = 3  # of a command whose answer came damaged
STALE_ANSWERS: Final = 64  # left over from a host that crashed; a device keeps 8 at most (protocol, 6)
BAD_FRAMES: Final = 5  # in a row, a third of a second: more than a flaw of the cable

# A fingertip covers 150 to 400 cells of 1.016 mm (contact of 12 x 13 mm to 18.5 x 26.5 mm), a child's little finger
# 60. What dirt may leave in the map stays below: a device reports it as dirt (protocol, 7.3).
FINGER_CELLS: Final = 40
STILL_SHARE: Final = 0.05  # of the cells under skin may change between two frames of a finger that lies still
STILL_FRAMES: Final = 2  # comparisons in a row: 0.13 s at 15 frames a second
PLATEN_POLL_S: Final = 0.05

# The empty platen is paper white (200 and more) and even a wet slap covers less than 40 % of it: where nearly nothing
# is light, the lamp is out.
BLACK_BELOW: Final = 48  # grey
BLACK_SHARE: Final = 0.95  # of the pixels looked at
BLACK_STEP_PX: Final = 25
