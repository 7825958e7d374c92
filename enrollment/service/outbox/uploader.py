"""Sends packages strictly in sequence, until each has a verified receipt.

Off line it waits with exponential backoff and jitter; a broken upload goes on where the registry's disk stopped; a
package that the registry refuses for good stays, marked, and those behind it wait: a person must act. A receipt is
verified against the pinned registry keys before it is stored, and stored before anything may be deleted.

A key that the registry opens nothing with any more is no such refusal where it has announced another: it has none of
what waits, and all of that is sealed anew. So is what stands behind a dossier that the registry holds already, with the
same content under a package that is not known here: that one's receipt is taken, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from enrollment.core.errors import EnrollmentError
from enrollment.core.sealing.container import split_package
from enrollment.core.sealing.held_dossier import HeldDossier
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.service.config import Clock, OutboxConfig
from enrollment.service.outbox.errors import PackageRefused, RegistryBusy, RegistryNonsense
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.outbox.held_dossiers import HeldDossiers
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.outbox.registry_client import Begun, RegistryClient, RegistryView
from enrollment.service.outbox.sealer import CLOCK_OFFSET_SETTING
from enrollment.service.store.outbox_rows import OutboxPackage, PackageState
from enrollment.service.store.store import Store

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 0.5  # between two notes of progress; the registry's own offset is what counts
STORE_RETRY_S: Final = 5.0
MAX_DOUBLINGS: Final = 30
KEY_OPENS_NOTHING: Final = "WRONG_RECIPIENT"  # the registry's reason: another's key, or one that was rotated away
SPOILT_ON_ITS_WAY: Final = "DIGEST_MISMATCH"  # the registry's reason; for good only when it comes twice


class Delivered(NamedTuple):
    """receipt: unverified. held_twice: the registry holds the dossier with another content as well."""

    receipt: bytes
    held_twice: bool


class Uploader:
    """run() works until cancelled; wake() from the event loop when there may be something to send."""

    def __init__(
        self,
        store: Store,
        connect: Callable[[], RegistryClient],
        registry: KnownRegistry,
        held: HeldDossiers,
        station_id: str,
        config: OutboxConfig,
        clock: Clock,
        events: OutboxEvents,
        at_unsealed: Callable[[], None],
    ) -> None:
        self._store, self._connect, self._registry, self._held = store, connect, registry, held
        self._station_id = station_id
        self._config, self._clock, self._events, self._at_unsealed = config, clock, events, at_unsealed
        self._wanted = asyncio.Event()
        self._client: RegistryClient | None = None
        self._failures = 0
        self._due_s = 0.0
        self.registry_reachable = False

    def wake(self) -> None:
        """A package was queued, or a person asked for a retry: try at once."""
        self._events.all_changed()  # a retry frees those behind it
        self._failures = 0
        self._due_s = 0.0
        self._wanted.set()

    async def run(self) -> None:
        """Send what is queued, now and whenever woken or due."""
        await asyncio.to_thread(self._store.outbox.recover)
        try:
            while True:
                self._wanted.clear()
                wait_s = await self._step()
                if wait_s is None or wait_s > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wanted.wait(), wait_s)
        finally:
            await self._disconnect()

    async def _step(self) -> float | None:
        """Do the next thing; the seconds to wait before the one after, None until woken."""
        try:
            package = await asyncio.to_thread(self._store.outbox.next_to_send)
            if package is None or package.state is PackageState.REFUSED:
                return None
            left_s = self._due_s - self._clock.monotonic()
            if left_s > 0:
                return left_s
            await self._attempt(package)
        except EnrollmentError as error:  # the store's own: nothing can be noted now
            logger.error("the outbox cannot be used: %s", error.reason)
            return STORE_RETRY_S
        return 0.0

    async def _attempt(self, package: OutboxPackage) -> None:
        outbox = self._store.outbox
        self._tell(await asyncio.to_thread(outbox.begin_attempt, package.package_id))
        try:
            delivered = await self._deliver(package)
        except PackageRefused as refused:
            if refused.registry_reason == SPOILT_ON_ITS_WAY and package.problem != SPOILT_ON_ITS_WAY:
                await self._postpone(package, RegistryBusy(str(refused), registry_reason=SPOILT_ON_ITS_WAY))
                return  # our bytes are right: the registry dropped what it had, and gets them from the start
            if refused.registry_reason == KEY_OPENS_NOTHING and await asyncio.to_thread(self._is_of_old_key, package):
                await self._seal_anew(package)
                return
            logger.error("package %d is refused: %s", package.sequence, refused.registry_reason)
            self._tell(
                await asyncio.to_thread(
                    outbox.refuse, package.package_id, refused.registry_reason or refused.reason, str(refused)
                )
            )
            self._events.all_changed()  # those behind it wait now
        except EnrollmentError as error:
            await self._postpone(package, error)
        else:
            if isinstance(delivered, HeldDossier):
                await self._settle(package, delivered)
            else:
                await self._acknowledge(package, delivered)

    async def _acknowledge(self, package: OutboxPackage, delivered: Delivered) -> None:
        received_at = await self._verified(package, delivered.receipt)
        if received_at is None:
            return
        if delivered.held_twice:
            logger.warning("dossier %s: the registry has it with another content too", package.dossier_id)
        acknowledged = await asyncio.to_thread(
            self._store.outbox.acknowledge,
            package.package_id,
            delivered.receipt,
            received_at,
            held_twice=delivered.held_twice,
        )
        self._failures, self._due_s = 0, 0.0
        logger.info("package %d is acknowledged", package.sequence)
        self._tell(acknowledged)

    async def _settle(self, package: OutboxPackage, held: HeldDossier) -> None:
        """Take the receipt of the package under which the registry holds the dossier, in place of this one."""
        settled = await asyncio.to_thread(self._store.outbox.settle, package.package_id, held)
        self._failures, self._due_s = 0, 0.0
        logger.info("the registry holds dossier %s already, as number %d", package.dossier_id, settled.sequence)
        self._events.all_changed()
        self._at_unsealed()

    def _is_of_old_key(self, package: OutboxPackage) -> bool:
        """Whether the registry has told of another key than the one that this package is sealed to."""
        _, recipient_key_id = split_package(self._store.outbox.read(package.package_id))
        return recipient_key_id != self._registry.recipient.key_id

    async def _seal_anew(self, package: OutboxPackage) -> None:
        """Have this package, and those behind it in the chain, made again; the registry has none of them."""
        freed = await asyncio.to_thread(self._store.outbox.unseal_from, package.sequence, why=KEY_OPENS_NOTHING)
        logger.warning(
            "the registry's key has changed: %d dossiers from number %d on are sealed anew", freed, package.sequence
        )
        self._events.all_changed()
        self._at_unsealed()

    async def _deliver(self, package: OutboxPackage) -> Delivered | HeldDossier:
        """Everything on the wire."""
        content = await asyncio.to_thread(self._content, package)
        if self._client is None:
            self._client = self._connect()
        client = self._client
        view = await client.view()
        self.registry_reachable = True
        if view.clock_offset_ms is not None:
            await asyncio.to_thread(self._store.settings.put, CLOCK_OFFSET_SETTING, str(view.clock_offset_ms))
        await asyncio.to_thread(self._registry.learn, view.recipient_announcement)
        if await asyncio.to_thread(self._is_set_back, package, view):
            return Delivered(await self._receipt_of_old(client, package, view), held_twice=False)
        for lost in await asyncio.to_thread(self._lost, package, view):
            logger.warning("the registry has lost package %d: it is sent again", lost.sequence)
            await self._send_lost(client, lost)
        begun = await self._begin(client, package, content, UUID(package.dossier_id).bytes)
        same = await asyncio.to_thread(self._held.same, package, begun.held) if begun.held else None
        return same or Delivered(await self._send(client, package, content, begun), held_twice=bool(begun.held))

    def _is_set_back(self, package: OutboxPackage, view: RegistryView) -> bool:
        """Whether the registry has packages of this station that this database does not know.

        Raises PackageRefused where it takes us for another station.
        """
        if view.station_id not in ("", self._station_id):
            raise PackageRefused(
                f"the client certificate is of station {view.station_id[:64]}: put this station's own in its place",
                registry_reason="STATION_MISMATCH",
            )
        known = self._store.outbox.sequence_of(view.last_sha256) if view.last_sequence else 0
        return known != view.last_sequence or view.last_sequence > package.sequence

    async def _receipt_of_old(self, client: RegistryClient, package: OutboxPackage, view: RegistryView) -> bytes:
        """The receipt of a package that the registry got before this database was set back. Else PackageRefused."""
        with contextlib.suppress(PackageRefused):
            begun = await client.begin(package.sha256, package.size_bytes, package.sequence)
            if begun.receipt is not None:
                return begun.receipt
        await asyncio.to_thread(self._store.outbox.note_set_back, view.last_sequence, view.last_sha256)
        raise PackageRefused(
            f"the registry has {view.last_sequence} packages of this station, and the last one is not known here: "
            "this database is an older copy, or another station works with this one's keys. "
            "Find out which; if it is a copy, stop the daemon and run enrolld rejoin",
            registry_reason="STATION_SET_BACK",
        )

    def _lost(self, package: OutboxPackage, view: RegistryView) -> tuple[OutboxPackage, ...]:
        """The packages before this one that the registry had, and has no more: it was set back to an older copy.

        Raises RegistryBusy where what it has lost was purged here.
        """
        outbox = self._store.outbox
        lost = outbox.between(view.last_sequence, package.sequence)
        for one in lost:
            if not outbox.is_kept(one.package_id):
                raise RegistryBusy(
                    f"the registry was set back and has lost number {one.sequence}, whose bytes are not here any more: "
                    "only its own backup has it",
                    registry_reason="REGISTRY_SET_BACK",
                )
        return lost

    async def _send_lost(self, client: RegistryClient, lost: OutboxPackage) -> None:
        """Send again what the registry acknowledged once. Raises RegistryBusy where it refuses it now."""
        try:
            content = await asyncio.to_thread(self._content, lost)
            again = await self._send(client, lost, content, await self._begin(client, lost, content))
        except PackageRefused as refused:
            raise RegistryBusy(
                f"the registry was set back, and refuses what it has lost, number {lost.sequence} "
                f"[{refused.registry_reason}]: only its own backup has it",
                registry_reason="REGISTRY_SET_BACK",
            ) from refused
        verify_receipt(again, self._registry.receipt_keys, lost.sha256)

    async def _begin(
        self, client: RegistryClient, package: OutboxPackage, content: bytes, dossier_id: bytes = b""
    ) -> Begun:
        _, recipient_key_id = split_package(content)
        return await client.begin(package.sha256, package.size_bytes, package.sequence, recipient_key_id, dossier_id)

    async def _send(self, client: RegistryClient, package: OutboxPackage, content: bytes, begun: Begun) -> bytes:
        """One package on the wire from where the registry stands; returns the receipt, unverified."""
        if begun.receipt is not None:
            return begun.receipt
        chunk_bytes = min(self._config.chunk_bytes, begun.max_chunk_bytes)
        noted_s = self._clock.monotonic()
        uploading = client.upload(package.sha256, content, begun.offset, chunk_bytes)
        try:
            async for safe in uploading:
                now_s = self._clock.monotonic()
                if now_s - noted_s >= PROGRESS_EVERY_S or safe == package.size_bytes:
                    noted_s = now_s
                    if package.state is not PackageState.ACKNOWLEDGED:
                        self._tell(await asyncio.to_thread(self._store.outbox.progress, package.package_id, safe))
        finally:
            await uploading.aclose()
        return await client.finish(package.sha256)

    def _content(self, package: OutboxPackage) -> bytes:
        content = self._store.outbox.read(package.package_id)
        if hashlib.sha256(content).digest() != package.sha256:
            raise PackageRefused("the stored package differs from its digest", registry_reason="STORED_DATA_DAMAGED")
        return content

    async def _verified(self, package: OutboxPackage, receipt: bytes) -> datetime | None:
        """When the registry received the package; None, and the package postponed, when the receipt does not hold."""
        try:
            held = verify_receipt(receipt, self._registry.receipt_keys, package.sha256)
            if (held.station_id, held.sequence, str(held.package_id)) != (
                self._station_id,
                package.sequence,
                package.package_id,
            ):
                raise RegistryNonsense("the receipt is for another place in the chain")
        except EnrollmentError as error:
            await self._postpone(package, RegistryNonsense(f"the receipt does not hold: {error.reason}"))
            return None
        return datetime.fromtimestamp(held.received_at_ms / 1000, UTC)

    async def _postpone(self, package: OutboxPackage, error: EnrollmentError) -> None:
        if not isinstance(error, RegistryBusy):
            self.registry_reachable = False
        await self._disconnect()
        delay_s = self._backoff_s()
        self._failures += 1
        self._due_s = self._clock.monotonic() + delay_s
        due = self._clock.now() + timedelta(seconds=delay_s)
        logger.warning("package %d waits %.1f s: %s (%s)", package.sequence, delay_s, error.reason, error)
        reason = str(error.facts.get("registry_reason") or error.reason)
        self._tell(await asyncio.to_thread(self._store.outbox.postpone, package.package_id, reason, str(error), due))

    def _backoff_s(self) -> float:
        """Doubles from the least to the most; the jitter keeps stations apart after a common outage."""
        ceiling = self._config.backoff_min_s * float(2 ** min(self._failures, MAX_DOUBLINGS))
        return min(ceiling, self._config.backoff_max_s) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _tell(self, package: OutboxPackage) -> None:
        self._events.changed(package.dossier_id)
