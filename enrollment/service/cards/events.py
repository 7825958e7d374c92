"""What writing and reading a card tell while they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from enrollment.core.chip.verification_report import Check
from enrollment.service.store.card_rows import LedgerCard


@dataclass(frozen=True, slots=True)
class CardProgress:
    """How far it is. done, total: octets of files while a card is written, steps while it is read."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CardFileRead:
    """A file as the card gave it."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardVerdict:
    """What the checks come to. access: how the card was opened, "" where it was not."""

    verified: bool
    access: str


CardEvent: TypeAlias = CardProgress | Check | CardFileRead | CardVerdict | LedgerCard
Emit: TypeAlias = Callable[[CardEvent], None]
