"""The 32-bit shift register whose bits scramble the image.

A step shifts right by one; the new bit 31 is the parity of the bits in TAPS. Bit j of the register after n steps is
bit n + j of one endless sequence, so all key bytes are slices of that sequence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 32
TAPS: Final = (0, 2, 3, 6, 10, 12, 19, 22, 25, 28, 31)
KEY_BYTE_BITS: Final = (4, 8, 11, 14, 18, 21, 24, 29)  # register bits that make key bits 0 to 7


def bit_sequence(key: int, steps: int) -> NDArray[np.uint8]:
    """The register's bits from `key` on: `steps` + 32 values of 0 or 1.

    Squaring a polynomial over GF(2) doubles every exponent, so the recurrence also holds with all its distances
    multiplied by any power of two `stride`, and then yields `stride` new bits at once.
    """
    total = steps + BITS
    bits = np.empty(total, np.uint8)
    bits[:BITS] = key >> np.arange(BITS) & 1
    known, stride = BITS, 1
    while known < total:
        if known >= 2 * BITS * stride:
            stride *= 2
        count = min(stride, total - known)
        start = known - BITS * stride
        new = bits[start : start + count].copy()
        for tap in TAPS[1:]:
            new ^= bits[start + tap * stride : start + tap * stride + count]
        bits[known : known + count] = new
        known += count
    return bits


def key_bytes(key: int, steps: int) -> NDArray[np.uint8]:
    """(steps,) uint8: the key byte before each step."""
    bits = bit_sequence(key, steps)
    out = np.zeros(steps, np.uint8)
    for order, position in enumerate(KEY_BYTE_BITS):
        out |= bits[position : position + steps] << order
    return out


def register_after(key: int, steps: int) -> int:
    """The register after `steps` steps."""
    return int.from_bytes(np.packbits(bit_sequence(key, steps)[steps:], bitorder="little").tobytes(), "little")
