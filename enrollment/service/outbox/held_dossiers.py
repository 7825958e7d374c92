"""Whether the registry holds a dossier already: so where this database was set back and the receipt went with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.held_dossier import HeldDossier, verify_held_dossier
from enrollment.core.sealing.manifest import Manifest
from enrollment.core.sealing.seal import describe_parts
from enrollment.core.sealing.signing_key import VerifyingKey
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.outbox.packing import parts_of
from enrollment.service.outbox.registry_client import HeldAnswer
from enrollment.service.store.instants import to_ms
from enrollment.service.store.outbox_rows import OutboxPackage
from enrollment.service.store.packable import operators_of
from enrollment.service.store.store import Store

logger = logging.getLogger(__name__)


class HeldDossiers:
    """Judges what the registry answers. Blocking."""

    def __init__(self, store: Store, registry: KnownRegistry, own_key: VerifyingKey, station_id: str) -> None:
        self._store, self._registry, self._station_id = store, registry, station_id
        self._own = {own_key.key_id: own_key}

    def same(self, package: OutboxPackage, answers: Sequence[HeldAnswer]) -> HeldDossier | None:
        """The one with the content that the dossier has here, proven; None where none is. Raises StoreError."""
        return next((held for held in self._proven(package, answers) if self._is_same(held.manifest)), None)

    def _proven(self, package: OutboxPackage, answers: Sequence[HeldAnswer]) -> list[HeldDossier]:
        proven = []
        for answer in answers:
            try:
                held = verify_held_dossier(
                    answer.signed_manifest,
                    answer.receipt,
                    stations=self._own,
                    registry=self._registry.receipt_keys,
                    station_id=self._station_id,
                    dossier_id=UUID(package.dossier_id),
                )
            except EnrollmentError as error:
                logger.warning("what the registry says to hold of %s does not hold: %s", package.dossier_id, error)
                continue
            if not self._store.outbox.between(held.receipt.sequence - 1, held.receipt.sequence + 1):
                proven.append(held)
        return proven

    def _is_same(self, manifest: Manifest) -> bool:
        """Whether the dossier is the manifest's: people, procedure, and every part with its digest."""
        dossier = self._store.dossiers.get(str(manifest.dossier_id))
        here = (dossier.plan.plan_id, str(dossier.plan.version), operators_of(dossier), to_ms(dossier.created_at))
        there = (manifest.procedure_id, manifest.procedure_version, manifest.operators, manifest.opened_at_ms)
        return here == there and set(describe_parts(parts_of(self._store, dossier))) == set(manifest.parts)
