"""Rows <-> dossiers: what the tables hold as the core's values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from enrollment.core.dossier.model import (
    AbsentFinger,
    Capture,
    Dossier,
    DossierState,
    FingerAbsence,
    PartRecord,
    QualityRecord,
)
from enrollment.core.dossier.plan import plan_from_table
from enrollment.service.store.instants import from_ms
from enrollment.service.store.tables import ABSENCES, CAPTURES, DOSSIERS, PACKAGES, PARTS, PORTRAIT_SLOT
from enrollment.service.store.vault import DossierCipher, Vault

DEMOGRAPHICS_PLACE: Final = "demographics"
PART_COLUMNS: Final = (
    PARTS.c.dossier_id, PARTS.c.capture_id, PARTS.c.name, PARTS.c.media_type, PARTS.c.length, PARTS.c.sha256
)  # fmt: skip

AnyRow = Row[Any]


def quality_to_json(quality: QualityRecord) -> str:
    """As kept in captures.quality."""
    return json.dumps(
        {
            "score": quality.score,
            "algorithm": quality.algorithm,
            "version": quality.version,
            "measures": dict(quality.measures),
            "hints": list(quality.hints),
        }
    )


def quality_from_json(text: str) -> QualityRecord:
    """The reverse."""
    kept = json.loads(text)
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


def load_dossiers(connection: Connection, rows: Sequence[AnyRow], vault: Vault) -> list[Dossier]:
    """Build whole dossiers from rows of the dossiers table, in their order; four queries whatever their number."""
    ids = [row.dossier_id for row in rows]
    captures = _by_dossier(connection.execute(select(CAPTURES).where(CAPTURES.c.dossier_id.in_(ids))))
    parts = _by_dossier(connection.execute(select(*PART_COLUMNS).where(PARTS.c.dossier_id.in_(ids))))
    absences = _by_dossier(connection.execute(select(ABSENCES).where(ABSENCES.c.dossier_id.in_(ids))))
    packages = select(PACKAGES.c.dossier_id, PACKAGES.c.sha256).where(PACKAGES.c.dossier_id.in_(ids))
    digests = {row.dossier_id: bytes(row.sha256) for row in connection.execute(packages)}
    found = []
    for row in rows:
        key = row.dossier_id
        cipher = vault.cipher(key, row.wrapped_key) if row.wrapped_key is not None else None
        found.append(
            Dossier(
                dossier_id=key,
                state=DossierState(row.state),
                plan=plan_from_table(json.loads(row.plan)),
                operator_id=row.operator_id,
                created_at=from_ms(row.created_at),
                completed_at=None if row.completed_at is None else from_ms(row.completed_at),
                package_sha256=digests.get(key),
                demographics=_demographics(row, cipher),
                captures=_captures(captures.get(key, ()), parts.get(key, ())),
                absent_fingers=tuple(
                    _absent(absent, cipher) for absent in sorted(absences.get(key, ()), key=lambda one: one.position)
                ),
            )
        )
    return found


def load_dossier(connection: Connection, dossier_id: str, vault: Vault) -> Dossier | None:
    """One whole dossier, or None."""
    row = connection.execute(select(DOSSIERS).where(DOSSIERS.c.dossier_id == dossier_id)).one_or_none()
    return None if row is None else load_dossiers(connection, [row], vault)[0]


def _by_dossier(rows: Iterable[AnyRow]) -> dict[str, list[AnyRow]]:
    grouped: dict[str, list[AnyRow]] = {}
    for row in rows:
        grouped.setdefault(row.dossier_id, []).append(row)
    return grouped


def _demographics(row: AnyRow, cipher: DossierCipher | None) -> dict[str, str]:
    if cipher is None or row.sealed_demographics is None:
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
    return tuple(capture_from(row, by_capture.get(row.capture_id, ())) for row in ordered)


def capture_from(row: AnyRow, parts: Sequence[PartRecord]) -> Capture:
    """One row of the captures table, with its parts."""
    return Capture(
        capture_id=row.capture_id,
        position=None if row.position == PORTRAIT_SLOT else row.position,
        impression=row.impression,
        quality=quality_from_json(row.quality),
        accepted=row.accepted,
        attempts=row.attempts,
        kept_attempt=row.kept_attempt,
        operator_id=row.operator_id,
        device_id=row.device_id,
        captured_at=from_ms(row.captured_at),
        parts=tuple(parts),
    )


def _absent(row: AnyRow, cipher: DossierCipher | None) -> AbsentFinger:
    description = ""
    if cipher is not None and row.sealed_description is not None:
        description = cipher.open(absence_place(row.position), row.sealed_description).decode()
    return AbsentFinger(row.position, FingerAbsence(row.absence), description, row.operator_id)
