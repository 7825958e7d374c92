"""What a self-test does with a card: commands that leave it as it is, and how long they take.

SELECT by a name that no application has: the card looks for it, and answers that it is not there. Nothing of the card
is read, and nothing of it leaves this module but lengths and times.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Final

from drivers.spi import CancelToken, CardEncoder

EXCHANGES: Final = 100
LONG_EXCHANGES: Final = 10
BUDGET_S: Final = 2.0  # of each of the two: a card on a slow contact takes a second for one long command
SHORT_DATA: Final = 255

_SELECT_BY_NAME: Final = bytes.fromhex("00A4040C")
_NO_APPLICATION: Final = bytes(5)


@dataclass(frozen=True, slots=True)
class CardFigures:
    """round_trips_ms: of the shortest command, each. block: data octets in one exchange. bytes_per_s: of long ones."""

    round_trips_ms: list[float]
    block: int
    bytes_per_s: float

    @property
    def takes_extended_lengths(self) -> bool:
        return self.block > SHORT_DATA


def examine_card(encoder: CardEncoder, *, timeout_s: float, cancel: CancelToken) -> CardFigures:
    """Try the card in the reader. Raises CaptureTimedOut where none came, CaptureCancelled, DeviceError."""
    with encoder.hold(timeout_s=timeout_s, cancel=cancel) as card:

        def seconds(apdu: bytes, count: int) -> list[float]:
            taken: list[float] = []
            while len(taken) < count and sum(taken) < BUDGET_S:
                cancel.raise_if_cancelled()
                begun = time.perf_counter()
                card.transmit(apdu)
                taken.append(time.perf_counter() - begun)
            return taken

        short = seconds(_SELECT_BY_NAME + bytes((len(_NO_APPLICATION),)) + _NO_APPLICATION, EXCHANGES)
        length = card.block
        lc = bytes((length,)) if length <= SHORT_DATA else b"\0" + length.to_bytes(2)
        long = seconds(_SELECT_BY_NAME + lc + bytes(length), LONG_EXCHANGES)
    return CardFigures([1000 * one for one in short], length, length / statistics.median(long))
