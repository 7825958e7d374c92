"""Picture -> the bytes of one bulk transfer.

    0   10 40 80 01       16..45  fifteen pairs (flags, rows), ended by rows = 0; what follows the end is junk
    4   stored lines u16  46..63  junk
    6   key number        64..    stored lines of 384 bytes
    7   junk, 9 bytes

All numbers little endian. A scrambled block of N bytes is stored one byte late: stored[i + 1] = clear[i] ^ key byte i.
Its first byte is whatever the wire held, its last clear byte is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.uru4000.key_register import key_bytes
from firmware_stubs.uru4000.models import (
    NEXT_KEY,
    NOT_STORED,
    REGISTER_STOPS,
    SCRAMBLED,
    WIDTH,
    Block,
)

HEADER_BYTES: Final = 64
_MAGIC: Final = bytes.fromhex("10408001")
_LIST_AT: Final = 16
_LIST_PAIRS: Final = 15


def sensor_picture(picture: NDArray[np.uint8], *, turned: bool) -> NDArray[np.uint8]:
    """What the sensor reads out for an upright picture with dark ridges: inverted, and turned by 180 degrees."""
    seen = 255 - picture
    return np.ascontiguousarray(seen[::-1, ::-1]) if turned else seen


def stored_lines(blocks: Sequence[Block]) -> int:
    """How many lines a transfer of these blocks carries."""
    return sum(block.rows for block in blocks if not block.flags & NOT_STORED)


def keys_needed(blocks: Sequence[Block]) -> int:
    """How many keys these blocks are scrambled with."""
    return 1 + sum(bool(block.flags & NEXT_KEY) for block in blocks)


def encode_image(
    sensor: NDArray[np.uint8],
    blocks: Sequence[Block],
    key_number: int,
    keys: Sequence[int] | None,
    noise: np.random.Generator,
) -> bytes:
    """Header and lines.

    sensor: (sum of rows, 384) uint8 as the sensor reads it. keys: one, and one more for each NEXT_KEY; None sends
    every block in clear whatever its flags say, as some units do. noise: fills what no reader may look at.
    """
    header = np.frombuffer(noise.bytes(HEADER_BYTES), np.uint8).copy()
    header[:4] = np.frombuffer(_MAGIC, np.uint8)
    header[4:6] = np.frombuffer(stored_lines(blocks).to_bytes(2, "little"), np.uint8)
    header[6] = key_number
    for place, block in enumerate((*blocks, Block(0, 0))[:_LIST_PAIRS]):
        header[_LIST_AT + 2 * place : _LIST_AT + 2 * place + 2] = block.flags, block.rows
    if keys is None:
        kept = np.concatenate([np.full(block.rows, not block.flags & NOT_STORED) for block in blocks])
        return bytes(header) + bytes(sensor[kept])
    return bytes(header) + b"".join(_scrambled(sensor.reshape(-1), blocks, keys, noise))


def _scrambled(
    clear: NDArray[np.uint8], blocks: Sequence[Block], keys: Sequence[int], noise: np.random.Generator
) -> list[bytes]:
    parts: list[bytes] = []
    remaining_keys = iter(keys)
    stream = key_bytes(next(remaining_keys), clear.size)
    start = step = 0
    for block in blocks:
        if block.flags & NEXT_KEY:
            stream, step = key_bytes(next(remaining_keys), clear.size), 0
        count = block.rows * WIDTH
        lines = clear[start : start + count]
        start += count
        if block.flags & (SCRAMBLED | REGISTER_STOPS) == SCRAMBLED:
            lines = np.concatenate(
                (np.frombuffer(noise.bytes(1), np.uint8), lines[:-1] ^ stream[step : step + count - 1])
            )
        if not block.flags & REGISTER_STOPS:
            step += count
        if not block.flags & NOT_STORED:
            parts.append(lines.tobytes())
    return parts
