"""Instants as the tables keep them: milliseconds since 1970-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(instant: datetime) -> int:
    """Whole milliseconds, rounded down."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """UTC, aware."""
    return EPOCH + timedelta(milliseconds=milliseconds)
