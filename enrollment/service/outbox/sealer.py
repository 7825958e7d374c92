"""Seals every complete dossier: package, place in the chain and queue row in one transaction.

A crash before that transaction leaves the dossier complete, and the next start seals it; a crash after it leaves it
queued. So a dossier has one package at most.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final
from uuid import UUID

import uuid_utils

from enrollment.core.dossier.model import Dossier
from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.manifest import ManifestFields
from enrollment.core.sealing.seal import seal_package
from enrollment.core.sealing.signing_key import SigningKey
from enrollment.service.config import Clock
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.outbox.packing import parts_of
from enrollment.service.store.errors import ChainMoved
from enrollment.service.store.instants import to_ms
from enrollment.service.store.outbox_rows import NewPackage, OutboxPackage
from enrollment.service.store.packable import operators_of
from enrollment.service.store.store import Store

logger = logging.getLogger(__name__)

RETRY_S: Final = (5.0, 60.0)  # after a failure, for example a full disk
CLOCK_OFFSET_SETTING: Final = "clock_offset_ms"  # station minus registry, kept by the uploader


class Sealer:
    """run() works until cancelled; wake() from the event loop after each completion."""

    def __init__(
        self,
        store: Store,
        signing_key: SigningKey,
        registry: KnownRegistry,
        station_id: str,
        clock: Clock,
        events: OutboxEvents,
        on_sealed: Callable[[], None],
    ) -> None:
        self._store, self._signing_key, self._registry = store, signing_key, registry
        self._station_id, self._clock, self._events, self._on_sealed = station_id, clock, events, on_sealed
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """A dossier was completed."""
        self._wanted.set()

    async def run(self) -> None:
        """Seal what is complete, now and whenever woken. One dossier that fails does not hold up the others."""
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not await self._seal_all():
                asyncio.get_running_loop().call_later(random.uniform(*RETRY_S), self.wake)  # noqa: S311 - spreads load

    async def _seal_all(self) -> bool:
        """True when nothing is left over."""
        whole = True
        try:
            waiting = await asyncio.to_thread(self._store.dossiers.complete_dossiers)
        except EnrollmentError as error:
            logger.error("cannot look for complete dossiers: %s", error.reason)
            return False
        for dossier_id in waiting:
            try:
                package = await asyncio.to_thread(self.seal, dossier_id)
            except EnrollmentError as error:
                logger.error("dossier %s is not sealed: %s", dossier_id, error.reason)
                whole = False
                continue
            logger.info("dossier %s sealed as number %d", dossier_id, package.sequence)
            self._events.changed(dossier_id)
            self._on_sealed()
        return whole

    def seal(self, dossier_id: str) -> OutboxPackage:
        """Seal one complete dossier. Blocking. Raises what the store and the sealing raise."""
        dossier = self._store.dossiers.get(dossier_id)
        parts = parts_of(self._store, dossier)
        while True:
            link = self._store.outbox.next_link()
            fields = self._fields(dossier, link.sequence, link.previous_sha256)
            sealed = seal_package(fields, parts, self._signing_key, self._registry.recipient)
            new = NewPackage(str(fields.package_id), dossier_id, link, sealed.sha256, sealed.data)
            try:
                return self._store.outbox.add(new)
            except ChainMoved:
                continue

    def _fields(self, dossier: Dossier, sequence: int, previous: bytes | None) -> ManifestFields:
        offset = self._store.settings.get(CLOCK_OFFSET_SETTING)
        now = self._clock.now()
        return ManifestFields(
            package_id=UUID(str(uuid_utils.uuid7())),
            dossier_id=UUID(dossier.dossier_id),
            station_id=self._station_id,
            sequence=sequence,
            previous_digest=previous,
            procedure_id=dossier.plan.plan_id,
            procedure_version=str(dossier.plan.version),
            operators=operators_of(dossier),
            opened_at_ms=to_ms(dossier.created_at),
            completed_at_ms=to_ms(dossier.completed_at or now),
            created_at_ms=to_ms(now),
            clock_offset_ms=None if offset is None else int(offset),
        )
