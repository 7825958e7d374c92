"""What may be made to go wrong. Each fault counts its own chances, from the moment it is armed.

With a finger on the sensor the messages of one capture are, in this order: presence, two acknowledgements, 90 of rows;
so `after` names a message: 0 the presence, 1 and 2 the commands, 3 the first rows, 92 the last.

Not here, because this wire has nothing like it: interrupts that are missing or stray, keys, power states, a lamp,
blocks of lines (the U.are.U has them), and a header that announces another size of picture: the size is not announced.
"""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """One misbehaviour."""

    # Chances: messages that the device sends.
    STALL = "stall"  # it never comes, nor does any other of its image
    SHORT_PACKET = "short_packet"  # it ends in its middle
    BAD_HEADER = "bad_header"  # it does not start with 80
    BAD_ANSWER = "bad_answer"  # it is whole, and answers something else
    SLOW_WIRE = "slow_wire"  # it takes ten times as long
    # Chances: messages of rows.
    LOST_ROWS = "lost_rows"  # it is left out
    # Chances: transfers of the host, writes and reads.
    REFUSED = "refused"  # the endpoint answers STALL
    # Chances: imports.
    STALE_BYTES = "stale_bytes"  # the pipe holds the rest of an image that nobody read
    BABBLE = "babble"  # the pipe fills with messages as fast as they are read, until the importer leaves
