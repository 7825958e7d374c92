"""Puts together a list of cards that comes in several requests; in memory: nothing is carried out before it is whole.

A daemon that was restarted in between has forgotten the beginning; the client is told so by `received` and sends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from enrollment.core.dossier.card_batch import MAX_ROWS, CardArrival, CardBatchMalformed, batch_digest
from enrollment.core.errors import DigestMismatch

MOST_LISTS: Final = 2  # that are being received at once; a point has one delivery at a time


class CardLists:
    """Lists that are not whole yet, by batch and digest. Used on the event loop only."""

    def __init__(self) -> None:
        self._receiving: dict[tuple[str, str, int], list[CardArrival]] = {}

    def add(
        self, batch_id: str, sha256: str, row_count: int, first_row: int, rows: Sequence[CardArrival]
    ) -> tuple[int, list[CardArrival] | None]:
        """Take a piece; how many rows there are, and the list once it is whole.

        A piece that does not follow is passed over: the client goes on behind what was received.
        Raises CardBatchMalformed (longer than announced, no digest), DigestMismatch.
        """
        row_count = row_count or len(rows)
        if not 1 <= row_count <= MAX_ROWS:
            raise CardBatchMalformed(f"a list has 1..{MAX_ROWS} rows", rows=row_count)
        if row_count > len(rows) and not sha256:
            raise CardBatchMalformed("a list in several requests needs its digest", rows=row_count)
        key = (batch_id, sha256, row_count)
        received = self._receiving.pop(key, [])
        if first_row == 1:
            received = []
        if first_row == len(received) + 1:
            received.extend(rows)
        if len(received) > row_count:
            raise CardBatchMalformed("the list is longer than was announced", rows=len(received), announced=row_count)
        if len(received) < row_count:
            while len(self._receiving) >= MOST_LISTS:
                del self._receiving[next(iter(self._receiving))]
            self._receiving[key] = received
            return len(received), None
        return len(received), received


def require_digest(rows: Sequence[CardArrival], sha256: str) -> None:
    """Raises DigestMismatch. sha256: "" where none was promised."""
    found = batch_digest(rows).hex()
    if sha256 and sha256 != found:
        raise DigestMismatch("the list is not the one that was announced", expected=sha256, found=found)
