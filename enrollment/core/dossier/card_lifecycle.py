"""Where a card can be in its life, and how it may come there.

    COLLECTED -> SENT -> PERSONALISED -> ARRIVED -> HANDED_OVER        HANDED_OVER -> where it was: undone
    SENT -> ARRIVED: made at the centre                                PERSONALISED -> HANDED_OVER: made at this point
    PERSONALISED -> SPOILED -> DESTROYED                               RETURNED -> ARRIVED: it came again
    PERSONALISED, ARRIVED, HANDED_OVER -> RETURNED, DESTROYED          RETURNED -> DESTROYED

A dossier enters when it is complete, before there is a card: from then on exactly one card stands for it, in exactly
one state. A blank that was spoiled in personalisation stands for no dossier: the dossier's own card is then
still to be made. One that was destroyed or sent back may be replaced by another, which stands for the dossier instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from enrollment.core.errors import InvalidInput, RuleViolation

CARD_NUMBER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_PERSONAL_NUMBER: Final = re.compile(r"[0-9]{12}")


class CardState(Enum):
    """Where a card is in its life."""

    COLLECTED = "collected"
    SENT = "sent"
    PERSONALISED = "personalised"
    ARRIVED = "arrived"
    HANDED_OVER = "handed-over"
    RETURNED = "returned"
    DESTROYED = "destroyed"
    SPOILED = "spoiled"


NEXT: Final[Mapping[CardState, frozenset[CardState]]] = {
    CardState.COLLECTED: frozenset({CardState.SENT}),
    CardState.SENT: frozenset({CardState.PERSONALISED, CardState.ARRIVED}),
    CardState.PERSONALISED: frozenset(
        {CardState.ARRIVED, CardState.HANDED_OVER, CardState.RETURNED, CardState.DESTROYED, CardState.SPOILED}
    ),
    CardState.ARRIVED: frozenset({CardState.HANDED_OVER, CardState.RETURNED, CardState.DESTROYED}),
    CardState.HANDED_OVER: frozenset(
        {CardState.PERSONALISED, CardState.ARRIVED, CardState.RETURNED, CardState.DESTROYED}
    ),
    CardState.RETURNED: frozenset({CardState.ARRIVED, CardState.DESTROYED}),
    CardState.SPOILED: frozenset({CardState.DESTROYED}),
    CardState.DESTROYED: frozenset(),
}
REPLACEABLE: Final = frozenset({CardState.RETURNED, CardState.DESTROYED})
IN_HAND: Final = frozenset({CardState.PERSONALISED, CardState.ARRIVED})  # at the point, to be handed over


class CardTransitionRefused(RuleViolation):
    """A change of state that the life of a card does not have."""

    reason = "CARD_TRANSITION_REFUSED"


class ShiftIsOver(RuleViolation):
    """A hand-over that can no longer be undone: it was longer ago than a shift."""

    reason = "SHIFT_IS_OVER"


class SupervisorRequired(RuleViolation):
    """What only a supervisor may record of a card."""

    reason = "SUPERVISOR_REQUIRED"


class CardNumberInvalid(InvalidInput):
    """No card's number: 1..64 letters, digits and hyphens, and never a personal number."""

    reason = "CARD_NUMBER_INVALID"


def may_become(present: CardState, wanted: CardState) -> bool:
    """Whether a card in the present state may enter the wanted one."""
    return wanted in NEXT[present]


def require_card_transition(present: CardState, wanted: CardState, **facts: str) -> None:
    """Raises CardTransitionRefused unless a card in the present state may enter the wanted one."""
    if not may_become(present, wanted):
        raise CardTransitionRefused(
            f"a card that is {present.value} cannot become {wanted.value}",
            state=present.value,
            wanted=wanted.value,
            **facts,
        )


def is_card_number(text: str) -> bool:
    """Whether it can be a card's own number, the chip's serial.

    Twelve digits alone are a citizen's personal number: the ledger outlives the dossier and holds no personal field.
    """
    return CARD_NUMBER.fullmatch(text) is not None and _PERSONAL_NUMBER.fullmatch(text) is None


def card_number(text: str) -> str:
    """A card's number as the ledger has it: letters are capitals, for readers and centres print a serial either way.

    Raises CardNumberInvalid, which shows nothing of the text: it may be a person's.
    """
    if is_card_number(text):
        return text.upper()
    if _PERSONAL_NUMBER.fullmatch(text) is not None:
        raise CardNumberInvalid("twelve digits are a personal number: give the serial number of the card's chip")
    raise CardNumberInvalid("a card's number has 1..64 letters, digits and hyphens", length=len(text))
