"""Builds a station once from its configuration, and takes it down again in the right order.

Up: lock, keys, database, socket (health NOT_SERVING), then SERVING; devices are looked for and packages sent behind it.
Down: NOT_SERVING, leases and captures end, calls end, writes in hand are finished, devices close, database, lock.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from drivers import discovery
from enrollment.core.chip.card_profile import CardProfile
from enrollment.core.dossier.plan import Plan
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint.compiled import prepare
from enrollment.core.sealing.public_keys import RegistryTrust, decode_registry_trust
from enrollment.service.capture.hand_over import HandOverDesk
from enrollment.service.capture.held_prints import KeptPrints
from enrollment.service.capture.preview import Previews
from enrollment.service.capture.studio import Studio
from enrollment.service.cards.authority import CardAuthority
from enrollment.service.cards.desk import CardDesk
from enrollment.service.cards.held_card import Patience
from enrollment.service.config import (
    Clock,
    ConfigInvalid,
    RegistryConfig,
    ShareConfig,
    StationConfig,
    SystemClock,
    load_card_profiles,
    load_plans,
)
from enrollment.service.devices.inventory import Inventory
from enrollment.service.devices.leases import Leases
from enrollment.service.diagnostics.metrics import Metrics
from enrollment.service.keys.errors import ClientNotAdmitted
from enrollment.service.keys.sharing import SharingFolder
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.outbox.held_dossiers import HeldDossiers
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.outbox.registry_client import RegistryClient
from enrollment.service.outbox.sealer import Sealer
from enrollment.service.outbox.uploader import Uploader
from enrollment.service.rpc.authentication import SessionGate
from enrollment.service.rpc.capture_servicer import CaptureServicer
from enrollment.service.rpc.card_servicer import CardServicer
from enrollment.service.rpc.device_servicer import DeviceServicer
from enrollment.service.rpc.diagnostics_servicer import DiagnosticsServicer, Vitals
from enrollment.service.rpc.dossier_servicer import DossierServicer
from enrollment.service.rpc.errors import AlreadyRunning
from enrollment.service.rpc.interception import places
from enrollment.service.rpc.outbox_servicer import OutboxServicer
from enrollment.service.rpc.server import Register, RpcServer, Shared
from enrollment.service.store.store import Store
from enrollment.v1 import (
    capture_pb2_grpc,
    card_pb2_grpc,
    device_pb2_grpc,
    diagnostics_pb2_grpc,
    dossier_pb2_grpc,
    outbox_pb2_grpc,
)

_log = logging.getLogger(__name__)

NUMERIC_THREADS: Final = 2
STORE_THREADS: Final = 4
STOP_GRACE_S: Final = 1.0
TRUST_RETRY_S: Final = 10.0  # a station may be started before the registry has enrolled it
RESTART_S: Final = 1.0
CANCEL_AGAIN_S: Final = 0.5
LOCK_NAME: Final = "enrolld.lock"


class Station:
    """One running station."""

    def __init__(self, config: StationConfig, *, clock: Clock | None = None, started_s: float | None = None) -> None:
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._started_s = self._clock.monotonic() if started_s is None else started_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._trust = b""
        self._sealer: Sealer | None = None
        self._uploader: Uploader | None = None
        self._card_authority: CardAuthority | None = None
        self._lock = -1
        self._stopped = False
        self._metrics = Metrics()

    async def start(self) -> None:
        """Serve. Returns when health says SERVING.

        Raises AlreadyRunning, ConfigInvalid, KeysUnusable, DatabaseUnavailable, SocketUnavailable; nothing runs then.
        """
        config, clock = self._config, self._clock
        self._lock = lock_folder(config.folder)
        try:
            plans, profiles = load_plans(config), load_card_profiles(config)
            passphrase = config.passphrase()
            self._keys = SoftwareKeys.load(config.keys_folder, passphrase)
            shared = _shared(config.share, passphrase)
            self.store = Store.open(config.database, clock, self._keys, place=config.station_id)
        except BaseException:
            os.close(self._lock)
            raise
        self._store_pool = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="store")
        self._numeric_pool = ThreadPoolExecutor(NUMERIC_THREADS, thread_name_prefix="numeric")
        self._preview_pool = ThreadPoolExecutor(1, thread_name_prefix="preview")  # a picture waits for no judgement
        self.inventory = Inventory(
            config.devices.addresses,
            config.devices.poll_s,
            look=discovery.look,
            put_together=discovery.Naming(),
            watch_bus=discovery.watch_bus,
            build=discovery.build,
            at_gone=lambda device_id: self.leases.device_gone(device_id),
            at_failed=self._metrics.device_failed,
        )
        self.leases = Leases(clock, self.inventory.generation_of, self._lease_changed)
        self._studio = Studio(
            dossiers=self.store.dossiers,
            inventory=self.inventory,
            leases=self.leases,
            previews=Previews(self._preview_pool, clock),
            prints=KeptPrints(),
            numeric_pool=self._numeric_pool,
            store_pool=self._store_pool,
            clock=clock,
        )
        self._events = OutboxEvents()
        self._vitals = Vitals(
            config.station_id,
            config.folder,
            self._started_s,
            registry_reachable=lambda: self._uploader is not None and self._uploader.registry_reachable,
        )
        gate = SessionGate(self.store.sessions.authenticate, self._store_pool, clock, self._admit_other_pc)
        self._server = RpcServer(
            config.socket, config.socket_mode, gate, self._services(plans, profiles), self._metrics.called, shared
        )
        try:
            await self._server.start()
        except BaseException:
            await self._take_down()
            raise
        await self._server.ready()
        self._numeric_pool.submit(prepare)  # or the first finger of a day would wait for it
        self._vitals.start_ms = 1000 * (clock.monotonic() - self._started_s)
        self._keep_running("devices", self.inventory.run)
        if config.registry is not None:
            registry = config.registry
            self._keep_running("outbox", lambda: self._deliver(registry, passphrase))

    @property
    def start_ms(self) -> float:
        """Milliseconds from the start of the process to SERVING."""
        return self._vitals.start_ms

    async def stop(self) -> None:
        """Stop serving: captures end, writes in hand are finished, devices are closed. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self.leases.end_all()
        await self._server.stop(STOP_GRACE_S)
        await self._take_down()

    async def _take_down(self) -> None:
        while self._tasks:  # once more where a task took its cancelling for a time limit
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(set(self._tasks), timeout=CANCEL_AGAIN_S)
        await self.inventory.stop()
        for pool in (self._numeric_pool, self._preview_pool, self._store_pool):
            await asyncio.to_thread(pool.shutdown)
        if self._card_authority is not None:
            await asyncio.to_thread(self._card_authority.close)
        self.store.close()
        os.close(self._lock)

    def _services(self, plans: dict[str, Plan], profiles: dict[str, CardProfile]) -> dict[str, Register]:
        studio, store = self._studio, self.store
        devices = DeviceServicer(studio, store.audit)
        captures = CaptureServicer(studio, self._metrics)
        dossiers = DossierServicer(studio, plans, self._wake_sealer)
        outbox = OutboxServicer(studio, store.outbox, self._events, self._wake_uploader, lambda: self._trust)
        written = self._config.cards
        self._card_authority = CardAuthority(written, profiles, self._config.passphrase)
        patience = Patience() if written is None else Patience(written.insert_timeout_s, written.return_timeout_s)
        desk = CardDesk(studio, store.cards, store.card_orders, self._card_authority, patience)
        # A type checker takes this one for abstract: what it does not build answers NOT_IMPLEMENTED.
        diagnostics_type: Any = DiagnosticsServicer
        diagnostics = diagnostics_type(studio, store, self._config, self._vitals, self._metrics)
        hand_over = HandOverDesk(store.cards, self._keys, self._config.station_id, self._config.hand_over)
        cards = CardServicer(studio, store, desk, hand_over, self._keys.verifying_key, store.sessions.authenticate)
        prefix = "enrollment.v1"
        return {
            f"{prefix}.DeviceService": lambda server: device_pb2_grpc.add_DeviceServiceServicer_to_server(
                devices, server
            ),
            f"{prefix}.CaptureService": lambda server: capture_pb2_grpc.add_CaptureServiceServicer_to_server(
                captures, server
            ),
            f"{prefix}.DossierService": lambda server: dossier_pb2_grpc.add_DossierServiceServicer_to_server(
                dossiers, server
            ),
            f"{prefix}.OutboxService": lambda server: outbox_pb2_grpc.add_OutboxServiceServicer_to_server(
                outbox, server
            ),
            f"{prefix}.DiagnosticsService": lambda server: (
                diagnostics_pb2_grpc.add_DiagnosticsServiceServicer_to_server(diagnostics, server)
            ),
            f"{prefix}.CardService": lambda server: card_pb2_grpc.add_CardServiceServicer_to_server(cards, server),
        }

    def _admit_other_pc(self, presented: bytes) -> None:
        share = self._config.share
        if share is None:
            raise ClientNotAdmitted("this station is not shared", why="not shared")
        SharingFolder(share.folder).admit(presented, self._clock.now())

    # ---------------------------------------------------------------------------------------------------- background

    async def _deliver(self, registry: RegistryConfig, passphrase: bytes | None) -> None:
        """Seal and send, as soon as the registry's pinned keys are there."""
        config = self._config
        trust = await self._pinned_trust(registry)
        known = await asyncio.to_thread(KnownRegistry, trust, self.store.settings)
        uploader = Uploader(
            self.store,
            lambda: RegistryClient.connect(registry, passphrase, config.outbox.call_timeout_s),
            known,
            HeldDossiers(self.store, known, self._keys.verifying_key, config.station_id),
            config.station_id,
            config.outbox,
            self._clock,
            self._events,
            self._wake_sealer,
        )
        sealer = Sealer(self.store, self._keys, known, config.station_id, self._clock, self._events, uploader.wake)
        self._sealer, self._uploader = sealer, uploader
        async with asyncio.TaskGroup() as both:
            both.create_task(sealer.run())
            both.create_task(uploader.run())

    async def _pinned_trust(self, registry: RegistryConfig) -> RegistryTrust:
        while True:
            try:
                self._trust = await asyncio.to_thread(registry.trust.read_bytes)
                return decode_registry_trust(self._trust)
            except (OSError, EnrollmentError) as error:
                _log.error("%s cannot be used (%s): nothing is sealed yet", registry.trust, type(error).__name__)
                await asyncio.sleep(TRUST_RETRY_S)

    def _wake_sealer(self) -> None:
        if self._sealer is not None:
            self._sealer.wake()

    def _wake_uploader(self) -> None:
        if self._uploader is not None:
            self._uploader.wake()

    def _lease_changed(self, device_id: str) -> None:
        self.inventory.changed(device_id)
        if self.leases.holder(device_id) is None:
            self._spawn(self._close_unheld(device_id))

    async def _close_unheld(self, device_id: str) -> None:
        """Let go of a device that nobody has leased, if its platen is empty: closed, it would forget the finger."""
        device = self.inventory.get(device_id)
        if await self.inventory.settled(device) and self.leases.holder(device_id) is None:
            await device.worker.close()

    def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the station for as long as it lives; a bug in it must not end the other parts."""

        async def guarded() -> None:
            while True:
                try:
                    await run()
                except Exception as error:  # noqa: BLE001  anything: it is logged, and the part begins anew
                    _log.error("%s failed: %s", name, places(error))
                await asyncio.sleep(RESTART_S)

        self._spawn(guarded())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shared(share: ShareConfig | None, passphrase: bytes | None) -> Shared | None:
    """What the port for other PCs needs. Raises KeysUnusable."""
    if share is None:
        return None
    return Shared(share.address, *SharingFolder(share.folder).server_pems(passphrase))


def lock_folder(folder: Path) -> int:
    """Hold the state folder for this process; the system lets go of it however the process ends.

    Raises AlreadyRunning, ConfigInvalid.
    """
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigInvalid(f"the state folder {folder} cannot be used: {error.strerror}", file=str(folder)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRunning(f"another daemon keeps {folder}", folder=str(folder)) from error
    return lock
