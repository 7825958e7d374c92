"""From stored lines to an upright print: undo the key stream, put the missing line in, invert, turn.

The key register is a 32-bit linear feedback shift register that shifts right. Its state is therefore a window of 32
bits that slides along one bit sequence s: bit k of the state after n steps is s[n + k]. Advancing by any number of
steps is one 32 x 32 matrix over GF(2), here a table for each byte of the state. So the states 0, 32, 64 ... steps on
are found by doubling (each round jumps all that is known as far again), their bits laid end to end are s, and the key
bytes are eight slices of it. Source: README.md.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.uru4000.wire import IMAGE_HEIGHT, IMAGE_WIDTH, BlockFlag, ImageBlock

_REGISTER_BITS = 32
_FEEDBACK_TAPS = (0, 2, 3, 6, 10, 12, 19, 22, 25, 28, 31)
_KEY_BYTE_TAPS = (4, 8, 11, 14, 18, 21, 24, 29)  # register bits that form key byte bits 0 to 7

# Mean square deviation of the column sums of two lines: seen 10,849 and 11,240 when scrambled, below 5,000 when clear.
_SCRAMBLED_DEVIATION = 5000.0
# A clear print of high contrast passes that limit too, but its neighbouring columns are alike: a ridge period of 9
# pixels correlates by 0.77, scrambled bytes by 0.00 with a standard deviation of 0.05.
_SCRAMBLED_CORRELATION = 0.4
_TELLING_LINES = 2

_STEP_KIND = BlockFlag.SCRAMBLED | BlockFlag.REGISTER_STOPPED


def suspects(image: ImageBlock) -> slice:
    """Which stored lines tell whether the image is scrambled: the first two of the first block that says it is."""
    position = 0
    for block in image.blocks:
        if block.flags & BlockFlag.NOT_STORED:
            continue
        if block.flags & _STEP_KIND == BlockFlag.SCRAMBLED and block.lines >= _TELLING_LINES:
            return slice(position, position + _TELLING_LINES)
        position += block.lines
    return slice(0, _TELLING_LINES)


def may_be_scrambled(image: ImageBlock) -> bool:
    """Whether a key is to be exchanged: as is described, by how much the first two lines vary; or the suspect ones."""
    return any(
        _variance(_deviation(lines)) >= _SCRAMBLED_DEVIATION for lines in (image.lines, image.lines[suspects(image)])
    )


def is_scrambled(lines: NDArray[np.uint8]) -> bool:
    """Tell whether two lines are scrambled. lines: (>= 1, 384) uint8; only the first two are looked at."""
    deviation = _deviation(lines)
    variance = _variance(deviation)
    if variance < _SCRAMBLED_DEVIATION:
        return False
    return float(np.mean(deviation[1:] * deviation[:-1])) < _SCRAMBLED_CORRELATION * variance


def register_states(key: int, count: int) -> NDArray[np.uint32]:
    """The key register at its start and after every 32nd step.

    key: the register's 32 bits at the start.
    Returns (count,) uint32.
    """
    states = np.empty(count, np.uint32)
    states[0] = key
    known = 1
    while known < count:
        fresh = min(known, count - known)
        states[known : known + fresh] = _apply(_jump_table(known), states[:fresh])
        known += fresh
    return states


def key_stream(key: int, length: int) -> NDArray[np.uint8]:
    """The first `length` key bytes, one a step. Returns (length,) uint8."""
    words = register_states(key, length // _REGISTER_BITS + 2)
    sequence = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    stream = np.zeros(length, np.uint8)
    for tap in reversed(_KEY_BYTE_TAPS):
        stream += stream  # a shift by one bit, which numpy does in a quarter of a shift's time
        stream |= sequence[tap : tap + length]
    return stream


def clear_lines(image: ImageBlock, keys: tuple[int, ...]) -> NDArray[np.uint8]:
    """Undo the scrambling.

    keys: the first block's key, then one for each block with NEW_KEY, in order.
    Returns (stored lines, 384) uint8.
    """
    stored = image.lines.reshape(-1)
    clear = stored.copy()
    streams = iter(_streams(image, keys))
    stream = next(streams)
    step = position = 0
    for block in image.blocks:
        if block.flags & BlockFlag.NEW_KEY:
            stream, step = next(streams), 0
        size = block.lines * IMAGE_WIDTH
        kept = not block.flags & BlockFlag.NOT_STORED
        if kept and block.flags & _STEP_KIND == BlockFlag.SCRAMBLED:
            last = position + size - 1
            clear[position:last] = stored[position + 1 : last + 1] ^ stream[step : step + size - 1]
            clear[last] = 0
        if not block.flags & BlockFlag.REGISTER_STOPPED:
            step += size
        if kept:
            position += size
    return clear.reshape(image.lines.shape)


def assemble(image: ImageBlock, lines: NDArray[np.uint8], *, turned: bool) -> NDArray[np.uint8]:
    """Put each line in its row, repeat the next one where one is missing, make ridges dark, and turn by 180 degrees.

    lines: (stored lines, 384) uint8, clear.
    Returns (290, 384) uint8; rows that no line is left for are white.
    """
    rows: list[NDArray[np.intp]] = []
    position = 0
    for block in image.blocks:
        rows.append(np.arange(position, position + block.lines))
        if not block.flags & BlockFlag.NOT_STORED:
            position += block.lines
    order = np.concatenate(rows)
    filled = np.flatnonzero(order < len(lines))
    upright = np.full((IMAGE_HEIGHT, IMAGE_WIDTH), 255, np.uint8)
    placed = upright[::-1, ::-1] if turned else upright
    placed[filled] = np.uint8(255) - lines[order[filled]]
    return upright


def _deviation(lines: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of the column sums of the first two lines from their mean."""
    sums: NDArray[np.float64] = lines[:_TELLING_LINES].sum(axis=0, dtype=np.float64)
    return sums - np.float64(sums.mean())


def _variance(deviation: NDArray[np.float64]) -> float:
    return float(np.mean(deviation**2))


def _streams(image: ImageBlock, keys: tuple[int, ...]) -> list[NDArray[np.uint8]]:
    """A key stream for each key, as long as the blocks under it need."""
    lengths = [0]
    for block in image.blocks:
        if block.flags & BlockFlag.NEW_KEY:
            lengths.append(0)
        if not block.flags & BlockFlag.REGISTER_STOPPED:
            lengths[-1] += block.lines * IMAGE_WIDTH
    return [key_stream(key, length) for key, length in zip(keys, lengths, strict=True)]


@functools.cache
def _jump_table(words: int) -> NDArray[np.uint32]:
    """What 32 x words steps make of each value of each byte of the register, (4, 256); words: a power of two."""
    basis = np.uint32(1) << np.arange(_REGISTER_BITS, dtype=np.uint32)
    if words == 1:
        columns = basis
        for _ in range(_REGISTER_BITS):
            columns = _step(columns)
    else:
        half = _jump_table(words // 2)
        columns = _apply(half, _apply(half, basis))
    table = np.zeros((4, 256), np.uint32)
    for bit, column in enumerate(columns):
        byte, place = divmod(bit, 8)
        table[byte, 1 << place : 2 << place] = table[byte, : 1 << place] ^ column
    return table


def _apply(table: NDArray[np.uint32], states: NDArray[np.uint32]) -> NDArray[np.uint32]:
    low, second, third, high = ((states >> np.uint32(shift)) & np.uint32(0xFF) for shift in (0, 8, 16, 24))
    result: NDArray[np.uint32] = table[0][low] ^ table[1][second] ^ table[2][third] ^ table[3][high]
    return result


def _step(states: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One step of each register."""
    parity = np.zeros_like(states)
    for tap in _FEEDBACK_TAPS:
        parity ^= states >> np.uint32(tap)
    return (states >> np.uint32(1)) | ((parity & np.uint32(1)) << np.uint32(_REGISTER_BITS - 1))
