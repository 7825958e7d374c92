"""Time comes in here, so that tests need not wait for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that may be wrong, and one that only runs."""

    def now(self) -> datetime:
        """The station's clock, UTC, aware. It may be wrong: for records only."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start: for every duration and expiry."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
