"""A registry that can be started and stopped, a station that is enrolled there, and a cable that can be cut."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import create_engine, text

from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.sealing.public_keys import decode_registry_trust, encode_verifying_key
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.server import main as registryd
from enrollment.registry.serving import TlsFiles, serving
from enrollment.service.config import OutboxConfig, RegistryConfig, SystemClock
from enrollment.service.keys.software_keys import REQUEST_FILE, SoftwareKeys
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.outbox.held_dossiers import HeldDossiers
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.outbox.registry_client import RegistryClient
from enrollment.service.outbox.sealer import Sealer
from enrollment.service.outbox.uploader import Uploader
from enrollment.service.store.outbox_rows import OutboxPackage, PackageState
from enrollment.service.store.store import Store
from tests.ports import ReservedPort

STATION_ID = "T-1"
WAIT_S = 30.0
OUTBOX = OutboxConfig(chunk_bytes=8 * 1024, backoff_min_s=0.05, backoff_max_s=0.2, call_timeout_s=10.0)
PLAN = Plan("paper", 1, "", "", fields=(PlannedField("note", "", "", max_length=1000),))
NOTES = tuple(PlannedField(f"note_{number}", "", "", max_length=1000) for number in range(64))
BIG_PLAN = Plan("big-paper", 1, "", "", fields=NOTES)


class Bench:
    """A registry on disk that can be started and stopped, and a station that is enrolled there."""

    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root / "registry")
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.outbox = OUTBOX
        self._call("init", "--data", self.folder.root)
        self.keys = SoftwareKeys.create(root / "keys", STATION_ID)
        self.certificate = root / "client.pem"
        self.ca = self.folder.authority_certificate
        self.verifying = root / "verifying.txt"
        self.root = root
        self.enroll(self.keys)
        self.store = Store.open(root / "station.db", SystemClock(), self.keys)
        self.trust = decode_registry_trust(self.folder.trust_file.read_bytes())
        self.events = OutboxEvents()

    def _call(self, *arguments: object) -> None:
        done = CliRunner().invoke(registryd, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output

    def enroll(self, keys: SoftwareKeys) -> None:
        self.verifying.write_bytes(encode_verifying_key(keys.verifying_key))
        self._call(
            "enroll-station", "--data", self.folder.root, "--station", STATION_ID, "--csr",
            self.root / "keys" / REQUEST_FILE, "--verifying-key", self.verifying, "--out", self.certificate,
        )  # fmt: skip

    @asynccontextmanager
    async def registry(self, port: int | None = None) -> AsyncIterator[None]:
        tls = TlsFiles(self.folder.server_certificate, self.folder.server_key, self.folder.authority_certificate)
        async with serving(self.folder, self.folder.default_database, tls, "127.0.0.1", port or self.port):
            yield

    def config(self, port: int | None = None) -> RegistryConfig:
        """As station.toml would give it; a test may set `ca` to another authority."""
        return RegistryConfig(
            address=f"127.0.0.1:{port or self.port}",
            trust=self.folder.trust_file,
            ca=self.ca,
            certificate=self.certificate,
            private_key=self.root / "keys" / "client-key.pem",
        )

    @asynccontextmanager
    async def delivering(
        self, port: int | None = None, station_id: str = STATION_ID
    ) -> AsyncIterator[tuple[Sealer, Uploader]]:
        """Sealer and uploader at work, as the daemon runs them."""
        config = self.config(port)
        outbox = self.outbox
        connect: Callable[[], RegistryClient] = lambda: RegistryClient.connect(config, None, outbox.call_timeout_s)  # noqa: E731
        known = KnownRegistry(self.trust, self.store.settings)
        uploader = Uploader(
            *(self.store, connect, known, HeldDossiers(self.store, known, self.keys.verifying_key, station_id)),
            *(station_id, outbox, SystemClock(), self.events),
            at_unsealed=lambda: sealer.wake(),
        )
        sealer = Sealer(self.store, self.keys, known, station_id, SystemClock(), self.events, uploader.wake)
        tasks = [asyncio.create_task(sealer.run()), asyncio.create_task(uploader.run())]
        try:
            yield sealer, uploader
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results), results

    def close(self) -> None:
        self.store.close()
        self._reserved.release()

    def set_back(self, work: Path) -> None:
        """Put a copy of the station's database in its place, as after a disk that died."""
        self.store.close()
        path = self.store.database.path
        for file in path.parent.glob(f"{path.name}*"):  # and its log: a call that was cut off may still hold both open
            file.unlink()
        shutil.copyfile(work, path)
        self.store = Store.open(self.store.database.path, SystemClock(), self.keys)

    def copy(self, to: Path) -> Path:
        """Copy the station's database, as a backup does; where it is."""
        with closing(sqlite3.connect(self.store.database.path)) as ours, closing(sqlite3.connect(to)) as copied:
            ours.backup(copied)
        return to

    def complete(self, plan: Plan = PLAN, **fields: str) -> str:
        made = self.store.dossiers.create(plan, fields or {"note": "x"}, request_id=str(uuid.uuid4()), operator_id="op")
        self.store.dossiers.complete(made.dossier_id, operator_id="op")
        return made.dossier_id

    async def until(self, dossier_id: str, holds: Callable[[OutboxPackage], bool]) -> OutboxPackage:
        """Wait for a change after which the dossier's package is as wanted."""

        async def watch() -> OutboxPackage:
            changes = self.events.changes(dossier_id)
            try:
                async for _ in changes:
                    package = self.store.outbox.for_dossier(dossier_id)
                    if package is not None and holds(package):
                        return package
            finally:
                await changes.aclose()
            raise AssertionError("the watch ended")

        return await asyncio.wait_for(watch(), WAIT_S)

    async def until_acknowledged(self, dossier_id: str) -> OutboxPackage:
        return await self.until(dossier_id, lambda package: package.state is PackageState.ACKNOWLEDGED)

    def stored_bytes(self) -> int:
        """Of the upload that is under way at the registry."""
        engine = create_engine(self.folder.default_database)
        with engine.connect() as connection:
            found = connection.execute(text("select max(safe_bytes) from uploads")).scalar_one()
        engine.dispose()
        return found or 0

    def at_registry(self) -> list[tuple[int, bytes]]:
        engine = create_engine(self.folder.default_database)
        with engine.connect() as connection:
            rows = connection.execute(text("select sequence, package_sha256 from ledger order by sequence")).all()
        engine.dispose()
        return [(row[0], bytes(row[1])) for row in rows]


class Cutter:
    """A TCP proxy that closes a connection after so many bytes from the station, a given number of times.

    It holds the line until `stored()`, the bytes that are safe at the registry, has grown by most of them: what is cut
    off in the middle of the registry's own work is that test's matter, not this one's.
    """

    def __init__(self, target: int, stored: Callable[[], int], *, cut_after: int, cuts: int) -> None:
        self.target, self.stored, self.cut_after, self.cuts = target, stored, cut_after, cuts
        self.made = 0
        self.passed = 0  # bytes from the station, all connections

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.target)
        limit = self.cut_after if self.made < self.cuts else 1 << 60
        enough = self.stored() + self.cut_after * 2 // 3

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int) -> None:
            passed = 0
            try:
                while passed < most:
                    data = await source.read(min(4096, most - passed))
                    if not data:
                        break
                    sink.write(data)
                    await sink.drain()
                    passed += len(data)
                    self.passed += len(data) if source is reader else 0
                else:
                    while self.stored() < enough:
                        await asyncio.sleep(0.01)
                    self.made += 1
            except OSError:
                pass
            finally:
                writer.transport.abort()
                upstream_writer.transport.abort()

        await asyncio.gather(pump(reader, upstream_writer, limit), pump(upstream_reader, writer, 1 << 60))
