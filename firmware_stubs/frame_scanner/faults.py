"""What may be made to go wrong on a scanner that sends pictures; each scanner offers those that its wire can have."""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """One misbehaviour. Its chances are counted: of pictures, answers, imports or transfers, as is said here."""

    STALL = "stall"  # a picture never comes
    SHORT_PACKET = "short_packet"  # a picture ends in its middle with a packet that is not full
    BAD_HEADER = "bad_header"  # what announces a picture or its size is not what the protocol allows
    BAD_ANSWER = "bad_answer"  # the acknowledgement of a command is another one
    REFUSED = "refused"  # a request for a picture gets STALL
    STALE_BYTES = "stale_bytes"  # an import finds in the pipes what a killed program left
    SLOW_WIRE = "slow_wire"  # a picture takes ten times as long
    UNPLUG = "unplug"  # the device vanishes at a transfer, counted from the moment this was armed
    FROZEN_FRAME = "frozen_frame"  # a picture is the one before, bit for bit
    BLACK_FRAME = "black_frame"  # a picture is dark, whatever the lamp does
    DIRTY_PLATEN = "dirty_platen"  # specks and hairs on the glass
    GHOST_PRINT = "ghost_print"  # the grease of an earlier finger, where none lies


OPTICAL = frozenset({Fault.FROZEN_FRAME, Fault.BLACK_FRAME, Fault.DIRTY_PLATEN, Fault.GHOST_PRINT})
"""Those of the sensor and its glass, which every wire carries."""
