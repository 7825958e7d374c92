"""What may be made to go wrong on a scanner that sends pictures; each scanner offers those that its wire can have."""

from __future__ import annotations

from enum import Enum
from typing import Final

from firmware_stubs.scanner.faults import CableFault, OpticalFault


class Fault(Enum):
    """One misbehaviour. Its chances are counted: of pictures, answers or imports, as is said here."""

    STALL = "stall"  # a picture never comes
    SHORT_PACKET = "short_packet"  # a picture ends in its middle with a packet that is not full
    BAD_HEADER = "bad_header"  # what announces a picture or its size is not what the protocol allows
    BAD_ANSWER = "bad_answer"  # the acknowledgement of a command is another one
    REFUSED = "refused"  # a request for a picture gets STALL
    STALE_BYTES = "stale_bytes"  # an import finds in the pipes what a killed program left
    SLOW_WIRE = "slow_wire"  # a picture takes ten times as long


ON_EVERY_WIRE: Final[frozenset[Enum]] = frozenset(
    {*OpticalFault, *CableFault, Fault.STALL, Fault.SHORT_PACKET, Fault.STALE_BYTES, Fault.SLOW_WIRE}
)
