"""What goes into a dossier's package: every captured part, and the documents about them."""

from __future__ import annotations

from enrollment.core.dossier.documents import documents
from enrollment.core.dossier.model import Dossier
from enrollment.service.store.store import Store


def parts_of(store: Store, dossier: Dossier) -> dict[str, tuple[str, bytes]]:
    """Name -> (media type, bytes); a dossier always gives the same. Raises PartPurged, StoredDataDamaged."""
    parts = documents(dossier)
    for capture in dossier.captures:
        for part in capture.parts:
            parts[part.name] = (part.media_type, store.dossiers.read_part(dossier.dossier_id, part.name))
    return parts
