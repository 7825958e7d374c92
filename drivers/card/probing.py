"""How long a command may be that a reader carries and a card takes: asked with a command that does no harm, and
remembered by model of reader and kind of card for as long as this process lives.

The probe is SELECT by a name of zeros as long as the block: no application has one, and the card was just reset. A
reader that hides its limit loses the card at a command that is too long, answers nothing, or does not answer; a card
answers 6700. Each leads to the next smaller step, at the bottom to short lengths.
"""

from __future__ import annotations

import threading
from typing import Final

from drivers.card.answer_to_reset import takes_extended_lengths
from drivers.card.apdu import MAX_SHORT_DATA, CommandApdu
from drivers.card.transport import Exchange, Lengths
from drivers.errors import DeviceNotReady, DeviceStalled, ProtocolViolation, TransmitLost, UnsupportedDevice

# Octets. Beyond the first an exchange's own time no longer counts, and no card's buffer is longer.
STEPS: Final = (32_768, 4096, 2048, 1024, 512, MAX_SHORT_DATA)
_MAX_REMEMBERED: Final = 256
_SELECT_BY_NAME: Final = bytes.fromhex("00A4040C")


class LengthMemory:
    """What was learnt of models of readers, and of kinds of cards in them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ceilings: dict[str, int] = {}
        self._proven: dict[tuple[str, bytes], int] = {}

    def ceiling(self, model: str) -> int:
        """What a reader of this model may carry, as far as is known."""
        with self._lock:
            return self._ceilings.get(model, STEPS[0])

    def lower(self, model: str, below: int) -> None:
        """A reader of this model did not carry so much."""
        with self._lock:
            self._ceilings[model] = next((step for step in STEPS if step < below), MAX_SHORT_DATA)
            self._proven = {key: block for key, block in self._proven.items() if key[0] != model}

    def proven(self, model: str, kind: bytes) -> int | None:
        """The block of this reader and this kind of card; None before it was asked for."""
        with self._lock:
            return self._proven.get((model, kind))

    def learn(self, model: str, kind: bytes, block: int) -> None:
        with self._lock:
            while len(self._proven) >= _MAX_REMEMBERED:
                del self._proven[next(iter(self._proven))]
            self._proven[model, kind] = block


def find_lengths(
    exchange: Exchange, memory: LengthMemory, *, model: str, kind: bytes, told: int | None, t0: bool
) -> Lengths:
    """Lengths for a card that was just reset.

    kind: its answer to reset. told: what the reader says that it carries, octets; None where it says nothing.
    Raises what `exchange` raises; then the memory knows, and the same card held anew gets a smaller probe.
    """
    block = memory.proven(model, kind)
    if block is None:
        block = (
            MAX_SHORT_DATA if t0 or takes_extended_lengths(kind) is False else _probed(exchange, memory, model, told)
        )
        memory.learn(model, kind, block)
    return Lengths(block, command_proven=block, t0=t0)


def _probed(exchange: Exchange, memory: LengthMemory, model: str, told: int | None) -> int:
    most = memory.ceiling(model) if told is None else min(told, memory.ceiling(model))
    for step in STEPS[:-1]:
        if step > most:
            continue
        try:
            answer = exchange(CommandApdu(_SELECT_BY_NAME, bytes(step)).encode())
        except (TransmitLost, DeviceStalled):
            memory.lower(model, step)
            raise
        except (ProtocolViolation, DeviceNotReady, UnsupportedDevice) as error:  # as each reader's driver has it
            memory.lower(model, step)
            raise TransmitLost("the reader does not carry so long a command", **error.facts) from error
        if len(answer) < 2:
            memory.lower(model, step)
        elif answer[-2:] != b"\x67\x00":
            return step
    return MAX_SHORT_DATA
