"""The parts of a dossier on disk: encrypted as they are written, decrypted and checked as they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select

from enrollment.core.dossier.model import PartRecord
from enrollment.service.store import dossier_rows as rows
from enrollment.service.store.errors import StoredDataDamaged
from enrollment.service.store.tables import CAPTURES, DOSSIERS, PARTS
from enrollment.service.store.vault import DossierCipher, Vault

MINUTIAE_SUFFIX: Final = ".fmr"

_INSERT: Final = insert(PARTS)
_PRINTS: Final = (
    select(PARTS, CAPTURES.c.position, CAPTURES.c.impression, CAPTURES.c.fingers, DOSSIERS.c.wrapped_key)
    .join(CAPTURES, PARTS.c.capture_id == CAPTURES.c.capture_id)
    .join(DOSSIERS, PARTS.c.dossier_id == DOSSIERS.c.dossier_id)
    .where(
        PARTS.c.dossier_id == bindparam("dossier_id"),
        PARTS.c.name.endswith(MINUTIAE_SUFFIX),
        PARTS.c.capture_id.not_in(bindparam("known", expanding=True)),
    )
)


@dataclass(frozen=True, slots=True)
class StoredPrint:
    """A finger's minutiae record. capture_id, capture_position: of what brought it, a slap or the finger itself."""

    capture_id: str
    capture_position: int
    position: int
    impression: str
    record: bytes = field(repr=False)


def insert_parts(
    connection: Connection,
    dossier_id: str,
    capture_id: str,
    parts: Mapping[str, tuple[str, bytes]],
    cipher: DossierCipher,
) -> tuple[PartRecord, ...]:
    """Write a capture's parts, name -> (media type, bytes), and tell what is now kept, by name."""
    records = {
        name: PartRecord(name, media_type, len(content), hashlib.sha256(content).digest())
        for name, (media_type, content) in sorted(parts.items())
    }
    connection.execute(
        _INSERT,
        [
            {
                "dossier_id": dossier_id,
                "name": name,
                "capture_id": capture_id,
                "media_type": record.media_type,
                "length": record.length,
                "sha256": record.sha256,
                "sealed_content": cipher.seal(rows.part_place(name), parts[name][1]),
            }
            for name, record in records.items()
        ],
    )
    return tuple(records.values())


def read_prints(
    connection: Connection, dossier_id: str, vault: Vault, known: Collection[str] = ()
) -> tuple[StoredPrint, ...]:
    """The minutiae record of each finger that another capture than these shows. Raises StoredDataDamaged."""
    found = connection.execute(_PRINTS, {"dossier_id": dossier_id, "known": list(known)}).all()
    return tuple(
        StoredPrint(
            row.capture_id,
            row.position,
            _finger_of(row),
            row.impression,
            open_part(vault.cipher(dossier_id, row.wrapped_key), row),
        )
        for row in found
        if row.wrapped_key is not None and row.sealed_content is not None
    )


def open_part(cipher: DossierCipher, row: rows.AnyRow) -> bytes:
    """A row of the parts table, decrypted. Raises StoredDataDamaged."""
    content = cipher.open(rows.part_place(row.name), row.sealed_content)
    if hashlib.sha256(content).digest() != row.sha256:
        raise StoredDataDamaged("a part differs from its digest", dossier_id=row.dossier_id, part=row.name)
    return content


def _finger_of(row: rows.AnyRow) -> int:
    """Which finger a part of a capture shows."""
    fingers = rows.fingers_from_json(row.fingers)
    return next((finger.position for finger in fingers if row.name in finger.parts), row.position)
