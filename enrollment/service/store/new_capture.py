"""A capture on its way into the tables: what a session hands over, and its rows, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import uuid_utils
from sqlalchemy import Connection, bindparam, delete, insert

from enrollment.core.dossier.model import Capture, CapturedFinger, Dossier, QualityRecord
from enrollment.service.store import dossier_rows as rows
from enrollment.service.store.dossier_parts import insert_parts
from enrollment.service.store.errors import PrintsAppeared
from enrollment.service.store.instants import from_ms, to_ms
from enrollment.service.store.tables import ABSENCES, CAPTURES, PORTRAIT_SLOT
from enrollment.service.store.vault import DossierCipher

# Built once: to build a statement costs more than to carry it out.
_INSERT: Final = insert(CAPTURES)
_REMOVE: Final = delete(CAPTURES).where(
    CAPTURES.c.dossier_id == bindparam("dossier_id"), CAPTURES.c.position == bindparam("slot")
)
_NO_LONGER_ABSENT: Final = delete(ABSENCES).where(
    ABSENCES.c.dossier_id == bindparam("dossier_id"), ABSENCES.c.position.in_(bindparam("shown", expanding=True))
)


@dataclass(frozen=True, slots=True)
class NewCapture:
    """What a capture session hands over. position: None for the portrait; parts: name -> (media type, bytes).

    fingers: of a slap, by position; their parts are named among `parts`.
    compared_with: ids of the dossier's captures that its prints were compared with; None where they were with none.
    """

    position: int | None
    impression: str
    quality: QualityRecord
    accepted: bool
    attempts: int
    kept_attempt: int
    operator_id: str
    device_id: str
    captured_at: datetime
    parts: Mapping[str, tuple[str, bytes]] = field(repr=False)
    fingers: tuple[CapturedFinger, ...] = ()
    compared_with: frozenset[str] | None = None


def require_compared(dossier: Dossier, new: NewCapture) -> None:
    """Raises PrintsAppeared where another scanner stored prints while these were captured."""
    others = {one.capture_id for one in dossier.captures if one.position not in (None, new.position)}
    if new.compared_with is not None and not others <= new.compared_with:
        raise PrintsAppeared(
            "the dossier has a print that this one was not compared with", dossier_id=dossier.dossier_id
        )


def remove_capture(connection: Connection, dossier_id: str, slot: int) -> None:
    """Remove what the dossier holds of a position; its parts go with it."""
    connection.execute(_REMOVE, {"dossier_id": dossier_id, "slot": slot})


def insert_capture(
    connection: Connection, dossier: Dossier, new: NewCapture, cipher: DossierCipher, request_id: str
) -> Capture:
    """Write a capture with its parts, and tell what is now kept; the fingers that it shows are no longer absent."""
    slot = PORTRAIT_SLOT if new.position is None else new.position
    shown = {finger.position for finger in new.fingers} or {slot}
    if not shown.isdisjoint(absent.position for absent in dossier.absent_fingers):
        connection.execute(_NO_LONGER_ABSENT, {"dossier_id": dossier.dossier_id, "shown": list(shown)})
    capture_id = str(uuid_utils.uuid7())
    captured_ms = to_ms(new.captured_at)
    row = {
        "capture_id": capture_id,
        "dossier_id": dossier.dossier_id,
        "position": slot,
        "request_id": request_id,
        "impression": new.impression,
        "quality": rows.quality_to_json(new.quality),
        "accepted": new.accepted,
        "attempts": new.attempts,
        "kept_attempt": new.kept_attempt,
        "operator_id": new.operator_id,
        "device_id": new.device_id,
        "captured_at": captured_ms,
        "fingers": rows.fingers_to_json(new.fingers),
    }
    connection.execute(_INSERT, row)
    parts = insert_parts(connection, dossier.dossier_id, capture_id, new.parts, cipher)
    return Capture(
        capture_id,
        new.position,
        new.impression,
        new.quality,
        new.accepted,
        new.attempts,
        new.kept_attempt,
        new.operator_id,
        new.device_id,
        from_ms(captured_ms),
        parts,
        new.fingers,
    )
