"""What may be made to go wrong on this wire, a counted number of times each; images, where nothing else is said."""

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
    STALE_BYTES = "stale_bytes"  # the next import finds in the bulk pipe what a killed program left
    STRAY_INTERRUPT = "stray_interrupt"  # a finger-off before the finger-on
    DUPLICATE_INTERRUPT = "duplicate_interrupt"  # the finger-on twice
