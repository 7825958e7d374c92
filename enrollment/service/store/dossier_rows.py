"""Rows <-> dossiers: what the tables hold as the core's values."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, select

from enrollment.core.dossier.model import (
    AbsentFinger,
    Capture,
    CapturedFinger,
    Dossier,
    DossierState,
    FingerAbsence,
    PartRecord,
    QualityRecord,
)
from enrollment.core.dossier.plan import Plan, plan_from_table
from enrollment.service.store.database import typed_damage
from enrollment.service.store.errors import StoredDataDamaged
from enrollment.service.store.instants import from_ms
from enrollment.service.store.tables import ABSENCES, CAPTURES, DOSSIERS, PACKAGES, PARTS, PORTRAIT_SLOT
from enrollment.service.store.vault import DossierCipher, Vault

logger = logging.getLogger(__name__)

DEMOGRAPHICS_PLACE: Final = "demographics"
PART_COLUMNS: Final = (
    PARTS.c.dossier_id, PARTS.c.capture_id, PARTS.c.name, PARTS.c.media_type, PARTS.c.length, PARTS.c.sha256
)  # fmt: skip

# Built once: to build a statement costs more than to carry it out.
_IDS: Final[BindParameter[str]] = bindparam("ids", expanding=True)
_DOSSIER: Final = select(DOSSIERS).where(DOSSIERS.c.dossier_id == bindparam("dossier_id"))
_CAPTURES: Final = select(CAPTURES).where(CAPTURES.c.dossier_id.in_(_IDS))
_PARTS: Final = select(*PART_COLUMNS).where(PARTS.c.dossier_id.in_(_IDS))
_ABSENCES: Final = select(ABSENCES).where(ABSENCES.c.dossier_id.in_(_IDS))
_DIGESTS: Final = select(PACKAGES.c.dossier_id, PACKAGES.c.sha256).where(PACKAGES.c.dossier_id.in_(_IDS))

AnyRow = Row[Any]


def quality_to_json(quality: QualityRecord) -> str:
    """As kept in captures.quality."""
    return json.dumps(_quality_table(quality))


def fingers_to_json(fingers: Sequence[CapturedFinger]) -> str:
    """As kept in captures.fingers."""
    return json.dumps(
        [
            {
                "position": finger.position,
                "quality": _quality_table(finger.quality),
                "accepted": finger.accepted,
                "kept_attempt": finger.kept_attempt,
                "parts": list(finger.parts),
            }
            for finger in fingers
        ]
    )


def fingers_from_json(text: str) -> tuple[CapturedFinger, ...]:
    """The reverse."""
    return tuple(
        CapturedFinger(
            kept["position"], _quality(kept["quality"]), kept["accepted"], kept["kept_attempt"], tuple(kept["parts"])
        )
        for kept in json.loads(text)
    )


def _quality_table(quality: QualityRecord) -> dict[str, Any]:
    return {
        "score": quality.score,
        "algorithm": quality.algorithm,
        "version": quality.version,
        "measures": dict(quality.measures),
        "hints": list(quality.hints),
    }


def _quality(kept: Mapping[str, Any]) -> QualityRecord:
    return QualityRecord(
        kept["score"], kept["algorithm"], kept["version"], kept["measures"], hints=tuple(kept["hints"])
    )


def demographics_to_bytes(fields: Mapping[str, str]) -> bytes:
    """As encrypted in dossiers.sealed_demographics."""
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


def absence_place(position: int) -> str:
    """The vault's name for one finger's description."""
    return f"absence/{position}"


def part_place(name: str) -> str:
    """The vault's name for one part."""
    return f"part/{name}"


def load_dossiers(
    connection: Connection, rows: Sequence[AnyRow], vault: Vault, *, even_damaged: bool = False
) -> list[Dossier]:
    """Build whole dossiers from rows of the dossiers table, in their order; four queries whatever their number.

    even_damaged: a dossier that does not decrypt comes without its personal fields instead of raising
        StoredDataDamaged, so that it holds up neither a list nor its own removal.
    """
    ids = {"ids": [row.dossier_id for row in rows]}
    captures = _by_dossier(connection.execute(_CAPTURES, ids))
    parts = _by_dossier(connection.execute(_PARTS, ids))
    absences = _by_dossier(connection.execute(_ABSENCES, ids))
    digests = {row.dossier_id: bytes(row.sha256) for row in connection.execute(_DIGESTS, ids)}
    return [
        _dossier(
            row,
            _captures(captures.get(row.dossier_id, ()), parts.get(row.dossier_id, ())),
            absences.get(row.dossier_id, ()),
            digests.get(row.dossier_id),
            vault,
            even_damaged=even_damaged,
        )
        for row in rows
    ]


def dossier_row(connection: Connection, dossier_id: str) -> AnyRow | None:
    """Its row of the dossiers table, or None."""
    return connection.execute(_DOSSIER, {"dossier_id": dossier_id}).one_or_none()


def _dossier(
    row: AnyRow,
    captures: tuple[Capture, ...],
    absences: Sequence[AnyRow],
    package_sha256: bytes | None,
    vault: Vault,
    *,
    even_damaged: bool,
) -> Dossier:
    absences = sorted(absences, key=lambda absent: absent.position)
    demographics: dict[str, str] = {}
    descriptions: dict[int, str] = {}
    if row.wrapped_key is not None:
        try:
            with typed_damage(dossier_id=row.dossier_id):
                cipher = vault.cipher(row.dossier_id, row.wrapped_key)
                demographics = _demographics(row, cipher)
                descriptions = {absent.position: _description(absent, cipher) for absent in absences}
        except StoredDataDamaged as error:
            if not even_damaged:
                raise
            logger.error("dossier %s is shown without its personal fields: %s", row.dossier_id, error)
    return Dossier(
        dossier_id=row.dossier_id,
        state=DossierState(row.state),
        plan=_plan(row.plan),
        operator_id=row.operator_id,
        created_at=from_ms(row.created_at),
        completed_at=None if row.completed_at is None else from_ms(row.completed_at),
        package_sha256=package_sha256,
        demographics=demographics,
        captures=captures,
        absent_fingers=tuple(
            AbsentFinger(
                absent.position,
                FingerAbsence(absent.absence),
                descriptions.get(absent.position, ""),
                absent.operator_id,
            )
            for absent in absences
        ),
    )


@lru_cache(maxsize=16)
def _plan(text: str) -> Plan:
    """As kept in dossiers.plan; those of one procedure's dossiers are the same text."""
    return plan_from_table(json.loads(text))


def _by_dossier(rows: Iterable[AnyRow]) -> dict[str, list[AnyRow]]:
    grouped: dict[str, list[AnyRow]] = {}
    for row in rows:
        grouped.setdefault(row.dossier_id, []).append(row)
    return grouped


def _demographics(row: AnyRow, cipher: DossierCipher) -> dict[str, str]:
    if row.sealed_demographics is None:
        return {}
    fields: dict[str, str] = json.loads(cipher.open(DEMOGRAPHICS_PLACE, row.sealed_demographics))
    return fields


def _captures(rows: Sequence[AnyRow], parts: Sequence[AnyRow]) -> tuple[Capture, ...]:
    """Fingers by position, the portrait last."""
    by_capture: dict[str, list[PartRecord]] = {}
    for part in sorted(parts, key=lambda one: one.name):
        record = PartRecord(part.name, part.media_type, part.length, bytes(part.sha256))
        by_capture.setdefault(part.capture_id, []).append(record)
    ordered = sorted(rows, key=lambda row: (row.position == PORTRAIT_SLOT, row.position))
    return tuple(_capture(row, by_capture.get(row.capture_id, ())) for row in ordered)


def _capture(row: AnyRow, parts: Sequence[PartRecord]) -> Capture:
    """One row of the captures table, with its parts."""
    return Capture(
        capture_id=row.capture_id,
        position=None if row.position == PORTRAIT_SLOT else row.position,
        impression=row.impression,
        quality=_quality(json.loads(row.quality)),
        accepted=row.accepted,
        attempts=row.attempts,
        kept_attempt=row.kept_attempt,
        operator_id=row.operator_id,
        device_id=row.device_id,
        captured_at=from_ms(row.captured_at),
        parts=tuple(parts),
        fingers=fingers_from_json(row.fingers),
    )


def _description(row: AnyRow, cipher: DossierCipher) -> str:
    if row.sealed_description is None:
        return ""
    return cipher.open(absence_place(row.position), row.sealed_description).decode()
