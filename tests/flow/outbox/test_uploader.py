"""Sealer and uploader against the real registry over mutual TLS: in order, once, resumed, refused, lied to."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from enrollment.core.dossier.model import DossierState
from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.core.sealing.public_keys import decode_registry_trust, encode_verifying_key
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.core.sealing.verify import open_package
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.keys import RegistryKeys
from enrollment.registry.server import main as registryd
from enrollment.registry.serving import TlsFiles, serving
from enrollment.service.config import OutboxConfig, RegistryConfig, SystemClock
from enrollment.service.keys.software_keys import REQUEST_FILE, SoftwareKeys
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.outbox.registry_client import RegistryClient
from enrollment.service.outbox.sealer import Sealer
from enrollment.service.outbox.uploader import Uploader
from enrollment.service.store.outbox_store import OutboxPackage, PackageState
from enrollment.service.store.store import Store
from enrollment.v1 import registry_pb2, registry_pb2_grpc

STATION_ID = "T-1"
WAIT_S = 30.0
OUTBOX = OutboxConfig(chunk_bytes=16 * 1024, backoff_min_s=0.05, backoff_max_s=0.2, call_timeout_s=2.0)
PLAN = Plan("paper", 1, "", "", fields=(PlannedField("note", "", "", max_length=1000),))
NOTES = tuple(PlannedField(f"note_{number}", "", "", max_length=1000) for number in range(64))
BIG_PLAN = Plan("big-paper", 1, "", "", fields=NOTES)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Bench:
    """A registry on disk that can be started and stopped, and a station that is enrolled there."""

    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root / "registry")
        self.port = free_port()
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
    async def delivering(self, port: int | None = None) -> AsyncIterator[tuple[Sealer, Uploader]]:
        """Sealer and uploader at work, as the daemon runs them."""
        config = self.config(port)
        connect: Callable[[], RegistryClient] = lambda: RegistryClient.connect(config, None, OUTBOX.call_timeout_s)  # noqa: E731
        uploader = Uploader(self.store, connect, self.trust, STATION_ID, OUTBOX, SystemClock(), self.events)
        sealer = Sealer(
            self.store, self.keys, self.trust.recipient, STATION_ID, SystemClock(), self.events, uploader.wake
        )
        tasks = [asyncio.create_task(sealer.run()), asyncio.create_task(uploader.run())]
        try:
            yield sealer, uploader
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results), results

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

    def at_registry(self) -> list[tuple[int, bytes]]:
        engine = create_engine(self.folder.default_database)
        with engine.connect() as connection:
            rows = connection.execute(text("select sequence, package_sha256 from ledger order by sequence")).all()
        engine.dispose()
        return [(row[0], bytes(row[1])) for row in rows]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.store.close()


async def test_dossiers_completed_before_and_after_the_start_arrive_once_and_in_order(bench: Bench) -> None:
    early = [bench.complete() for _ in range(2)]
    async with bench.registry(), bench.delivering() as (sealer, _uploader):
        late = bench.complete()
        sealer.wake()
        packages = [await bench.until_acknowledged(dossier_id) for dossier_id in (*early, late)]
    assert [package.sequence for package in packages] == [1, 2, 3]
    assert bench.at_registry() == [(package.sequence, package.sha256) for package in packages]
    key = bench.trust.receipt_key
    for package in packages:
        held = verify_receipt(bench.store.outbox.receipt(package.package_id), {key.key_id: key}, package.sha256)
        assert (held.sequence, held.station_id) == (package.sequence, STATION_ID)
        assert bench.store.dossiers.get(package.dossier_id).state is DossierState.ACKNOWLEDGED
    offset = bench.store.settings.get("clock_offset_ms")
    assert offset is not None
    assert abs(int(offset)) < 1000, "both ends have the same clock"


async def test_package_opens_at_the_registry_with_what_the_station_stored(bench: Bench) -> None:
    dossier_id = bench.complete(note="Nguyễn")
    async with bench.registry(), bench.delivering():
        package = await bench.until_acknowledged(dossier_id)
    keys = RegistryKeys.load(bench.folder.keys)
    verifying = bench.keys.verifying_key
    opened = open_package(bench.store.outbox.read(package.package_id), keys.recipient, {verifying.key_id: verifying})
    assert "Nguyễn" in opened.parts["demographics.json"].content.decode()
    assert opened.manifest.operators == ("op",)


async def test_registry_away_at_the_start_is_told_and_the_package_goes_when_it_is_back(bench: Bench) -> None:
    dossier_id = bench.complete()
    async with bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: package.attempts >= 2 and bool(package.problem))
        assert (waiting.problem, waiting.state is PackageState.ACKNOWLEDGED) == ("REGISTRY_UNREACHABLE", False)
        async with bench.registry():
            done = await bench.until_acknowledged(dossier_id)
    assert done.problem == ""
    assert len(bench.at_registry()) == 1


class Cutter:
    """A TCP proxy that closes a connection after so many bytes from the station, a given number of times."""

    def __init__(self, target: int, cut_after: int, cuts: int) -> None:
        self.target, self.cut_after, self.cuts, self.made = target, cut_after, cuts, 0

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

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int) -> None:
            passed = 0
            try:
                while passed < most:
                    data = await source.read(4096)
                    if not data:
                        break
                    sink.write(data)
                    await sink.drain()
                    passed += len(data)
                else:
                    self.made += 1
            except OSError:
                pass
            finally:
                writer.transport.abort()
                upstream_writer.transport.abort()

        await asyncio.gather(pump(reader, upstream_writer, limit), pump(upstream_reader, writer, 1 << 60))


async def test_upload_cut_in_the_middle_goes_on_where_the_registrys_disk_stopped(bench: Bench) -> None:
    fields = {f"note_{number}": "ộ" * 1000 for number in range(64)}  # about 200 kB
    dossier_id = bench.complete(BIG_PLAN, **fields)
    cutter = Cutter(bench.port, cut_after=90_000, cuts=2)
    async with bench.registry(), cutter.serving() as port, bench.delivering(port):
        package = await bench.until_acknowledged(dossier_id)
    assert cutter.made == 2, "the proxy must have cut"
    assert package.size_bytes > 190_000
    assert bench.at_registry() == [(1, package.sha256)]
    assert package.attempts >= 3


async def test_registry_killed_after_it_stored_and_before_it_answered_gives_the_same_receipt(bench: Bench) -> None:
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        first = await bench.until_acknowledged(dossier_id)
    receipt = bench.store.outbox.receipt(first.package_id)
    with bench.store.database.write() as connection:  # the answer never arrived
        connection.execute(text("update packages set state='queued', receipt=null, received_at=null, sent_bytes=0"))
        connection.execute(text("update dossiers set state='sealed'"))
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(dossier_id)
    assert bench.store.outbox.receipt(first.package_id) == receipt
    assert len(bench.at_registry()) == 1


async def test_refused_package_stays_says_why_and_holds_the_next_until_a_retry(bench: Bench) -> None:
    bench.keys = SoftwareKeys.create(bench.root / "new-keys", STATION_ID)  # made new, and not enrolled yet
    first, second = bench.complete(), bench.complete()
    async with bench.registry(), bench.delivering() as (_sealer, uploader):
        refused = await bench.until(first, lambda package: package.state is PackageState.REFUSED)
        assert refused.problem == "UNKNOWN_SIGNER"
        waiting = await bench.until(second, lambda package: True)
        assert waiting.state is PackageState.QUEUED
        assert bench.store.dossiers.get(first).captures == ()
        assert bench.store.outbox.read(refused.package_id), "nothing may be deleted"
        bench.enroll(bench.keys)
        bench.store.outbox.retry(refused.package_id, operator_id="boss")
        uploader.wake()
        done = [await bench.until_acknowledged(dossier_id) for dossier_id in (first, second)]
    assert [package.sequence for package in done] == [1, 2]


class Nonsense(registry_pb2_grpc.RegistryServiceServicer):
    """Answers what the protocol does not allow."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked = asyncio.Event()

    async def GetStationLedger(self, request: object, context: Any) -> registry_pb2.GetStationLedgerResponse:  # noqa: N802
        return registry_pb2.GetStationLedgerResponse()

    async def BeginUpload(  # noqa: N802
        self, request: registry_pb2.BeginUploadRequest, context: Any
    ) -> registry_pb2.BeginUploadResponse:
        self.asked.set()
        match self.kind:
            case "offset past the end":
                return registry_pb2.BeginUploadResponse(offset=request.size_bytes + 1, max_chunk_bytes=1024)
            case "no chunk size":
                return registry_pb2.BeginUploadResponse()
            case "receipt of garbage":
                return registry_pb2.BeginUploadResponse(receipt=b"\xff" * 99)
            case "unknown reason":
                await context.abort(grpc.StatusCode.DATA_LOSS, "?")
        return registry_pb2.BeginUploadResponse(max_chunk_bytes=1 << 20)

    async def UploadChunks(  # noqa: N802
        self, request_iterator: AsyncIterator[registry_pb2.UploadChunksRequest], context: Any
    ) -> AsyncIterator[registry_pb2.UploadChunksResponse]:
        async for chunk in request_iterator:
            match self.kind:
                case "offset goes backwards":
                    yield registry_pb2.UploadChunksResponse(offset=0)
                case "stream ends early":
                    return
                case "silence":
                    await asyncio.sleep(WAIT_S)
                case _:
                    yield registry_pb2.UploadChunksResponse(offset=chunk.offset + len(chunk.content))

    async def FinishUpload(self, request: object, context: Any) -> registry_pb2.FinishUploadResponse:  # noqa: N802
        return registry_pb2.FinishUploadResponse(receipt=b"x" * (0 if self.kind == "empty receipt" else 100_000))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("offset past the end", "REGISTRY_ANSWER_INVALID"),
        ("no chunk size", "REGISTRY_ANSWER_INVALID"),
        ("receipt of garbage", "REGISTRY_ANSWER_INVALID"),
        ("offset goes backwards", "REGISTRY_ANSWER_INVALID"),
        ("stream ends early", "REGISTRY_ANSWER_INVALID"),
        ("empty receipt", "REGISTRY_ANSWER_INVALID"),
        ("endless receipt", "REGISTRY_ANSWER_INVALID"),
        ("silence", "REGISTRY_UNREACHABLE"),
        ("unknown reason", "DATA_LOSS"),
    ],
)
async def test_registry_that_answers_nonsense_costs_a_wait_and_nothing_else(
    bench: Bench, kind: str, problem: str
) -> None:
    dossier_id = bench.complete()
    tls = TlsFiles(bench.folder.server_certificate, bench.folder.server_key, bench.folder.authority_certificate)
    async with AsyncExitStack() as stack:
        server = grpc.aio.server()
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(Nonsense(kind), server)  # type: ignore[no-untyped-call, unused-ignore]
        port = server.add_secure_port("127.0.0.1:0", tls.credentials())
        await server.start()
        stack.push_async_callback(server.stop, None)
        await stack.enter_async_context(bench.delivering(port))
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert (waiting.problem, waiting.state) == (problem, PackageState.QUEUED)
    assert bench.store.dossiers.get(dossier_id).state is DossierState.SEALED
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(dossier_id)


async def test_certificate_of_another_authority_is_a_waiting_matter(bench: Bench, tmp_path: Path) -> None:
    other = DataFolder(tmp_path / "other-registry")
    CliRunner().invoke(registryd, ["init", "--data", str(other.root)])
    bench.ca = other.authority_certificate
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert waiting.problem == "REGISTRY_UNREACHABLE"
    assert bench.at_registry() == []


async def test_events_collapse_and_forget_readers_that_left() -> None:
    events = OutboxEvents()
    changes = events.changes("d")
    await anext(changes)
    waiting: Awaitable[None] = asyncio.ensure_future(anext(changes))
    for _ in range(5):
        events.changed("d")
    await waiting
    assert not events._waiting["d"].copy().pop().is_set(), "five changes are one"
    await changes.aclose()
    assert "d" not in events._waiting
