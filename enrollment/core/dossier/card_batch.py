"""A list of cards that arrived: its digest, and what becomes of each of its rows.

The digest is SHA-256 over one line a row, a JSON array of card number, dossier id and point (the last two empty where
the list does not say), ASCII only, without spaces, each line ended by one line feed:

    ["4A01B2C3D4","019ac0e2-5b1e-7c11-8f00-1f2e3d4c5b6a",""]

It says nothing of the file that a list came in: CSV and JSON of the same rows have the same digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final
from uuid import UUID

from enrollment.core.dossier.card_lifecycle import REPLACEABLE, CardState, is_card_number
from enrollment.core.errors import InvalidInput

MAX_ROWS: Final = 200_000
MAX_FIELD: Final = 200  # characters
MOST_KEPT: Final = 64  # characters of what is no card's number, or no dossier's id
BATCH_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ARRIVES_FROM: Final = frozenset({CardState.SENT, CardState.PERSONALISED, CardState.RETURNED})
_DIGITS: Final = re.compile(r"[0-9]{9,12}")


class CardBatchMalformed(InvalidInput):
    """No list of cards, or one beyond the limits; facts name the row, never what stands in it."""

    reason = "CARD_BATCH_MALFORMED"


class RowOutcome(Enum):
    """What became of one row."""

    ARRIVED = "arrived"
    ALREADY_ARRIVED = "already-arrived"
    UNKNOWN_CARD = "unknown-card"
    UNKNOWN_DOSSIER = "unknown-dossier"
    WRONG_STATE = "wrong-state"
    OTHER_DOSSIER = "other-dossier"
    OTHER_CARD = "other-card"
    OTHER_POINT = "other-point"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class CardArrival:
    """One row of a list. dossier_id, point: "" where the list does not say."""

    card_id: str
    dossier_id: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class HeldCard:
    """What the ledger knows of a card. card_id: None while there is none yet."""

    entry: int
    dossier_id: str
    card_id: str | None
    state: CardState
    stands: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """found: what stood in the way. card: the ledger's one that arrives, or that is replaced by the one that does."""

    outcome: RowOutcome
    found: str = ""
    card: HeldCard | None = None


def batch_digest(rows: Iterable[CardArrival]) -> bytes:
    """SHA-256 as above, 32 bytes."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps([row.card_id, row.dossier_id, row.point], separators=(",", ":")) + "\n"
        digest.update(line.encode("ascii"))
    return digest.digest()


def well_formed(row: CardArrival) -> CardArrival | None:
    """The row as the ledger writes numbers and ids; None where it names no card, or something else than a dossier.

    Letters count alike, small or capital (RFC 9562, 4, of a UUID's). The digest is of the row as it came.
    """
    dossier_id = row.dossier_id.lower()
    if not is_card_number(row.card_id) or (dossier_id and not _is_uuid(dossier_id)):
        return None
    return replace(row, card_id=row.card_id.upper(), dossier_id=dossier_id)


def kept(text: str) -> str:
    """What the ledger keeps of text that is no number or id: the beginning; stars for what may be a person's number."""
    return "*" * len(text) if _DIGITS.fullmatch(text.strip()) else text[:MOST_KEPT]


def judge_row(row: CardArrival, numbered: HeldCard | None, standing: HeldCard | None, point: str) -> Verdict:
    """Decide on a well-formed row that is no duplicate.

    numbered: the ledger's card of this number. standing: the one that stands for the row's dossier. point: ours.
    """
    if row.point and row.point != point:
        return Verdict(RowOutcome.OTHER_POINT, row.point[:MOST_KEPT])
    if numbered is not None:
        if row.dossier_id and row.dossier_id != numbered.dossier_id:
            return Verdict(RowOutcome.OTHER_DOSSIER, numbered.dossier_id)
        if numbered.state is CardState.ARRIVED:
            return Verdict(RowOutcome.ALREADY_ARRIVED)
        return _arriving(numbered)
    if not row.dossier_id:
        return Verdict(RowOutcome.UNKNOWN_CARD)
    if standing is None:
        return Verdict(RowOutcome.UNKNOWN_DOSSIER)
    if standing.card_id is not None and standing.state not in REPLACEABLE:
        return Verdict(RowOutcome.OTHER_CARD, standing.card_id)
    return Verdict(RowOutcome.ARRIVED, card=standing) if standing.card_id is not None else _arriving(standing)


def _arriving(card: HeldCard) -> Verdict:
    if card.state in _ARRIVES_FROM and card.stands:
        return Verdict(RowOutcome.ARRIVED, card=card)
    return Verdict(RowOutcome.WRONG_STATE, card.state.value)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
