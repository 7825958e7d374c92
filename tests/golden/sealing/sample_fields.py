"""What one package of nobody says of itself: for the vectors, which hold it, and for tests that need any package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final
from uuid import UUID

from enrollment.core.sealing.manifest import Manifest, ManifestFields, Part

SAMPLE_FIELDS: Final = ManifestFields(
    package_id=UUID("0199c0de-0000-7000-8000-00000000000a"),
    dossier_id=UUID("0199c0de-0000-7000-8000-00000000000b"),
    station_id="HN-07",
    sequence=2,
    previous_digest=hashlib.sha256(b"the package before").digest(),
    procedure_id="card-issue",
    procedure_version="2024-07",
    operators=("op-17", "op-3"),
    opened_at_ms=1_760_000_000_000,
    completed_at_ms=1_760_000_300_000,
    created_at_ms=1_760_000_301_000,
    clock_offset_ms=-1500,
)


def sample_manifest(recipient_key_id: bytes, parts: Sequence[Part], **changes: Any) -> Manifest:
    """The manifest that sealing would make of the fields."""
    changed = replace(SAMPLE_FIELDS, **changes)
    return Manifest(
        **{field.name: getattr(changed, field.name) for field in fields(changed)},
        recipient_key_id=recipient_key_id,
        parts=tuple(parts),
    )
