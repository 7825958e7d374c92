"""Packages come in over real gRPC, mutual TLS and SQLite, and receipts go out."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from enrollment.core.sealing.held_dossier import verify_held_dossier
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.v1 import registry_pb2

if TYPE_CHECKING:
    from tests.flow.registry.conftest import Client, Registry, Station, Tools

CHUNK = 64 * 1024


async def test_a_whole_upload_gives_a_receipt_that_verifies(
    registry: Registry, station: Station, client: Client
) -> None:
    package = station.package()
    receipt = await client.upload(package)
    trusted = {registry.trust.receipt_key.key_id: registry.trust.receipt_key}
    verified = verify_receipt(receipt, trusted, package.sha256)
    assert (verified.station_id, verified.sequence) == ("HN-07", 1)
    assert verified.package_id == package.manifest.package_id
    assert verified.registry_id == registry.trust.registry_id

    name = package.sha256.hex()
    assert (registry.folder.objects / name[:2] / f"{name}.epkg").read_bytes() == package.data
    assert list(registry.folder.uploads.iterdir()) == []
    ledger = await client.ledger()
    assert (ledger.station_id, ledger.packages, ledger.last_sequence) == ("HN-07", 1, 1)
    assert ledger.last_package_sha256 == package.sha256
    assert ledger.server_time.seconds > 1_700_000_000


async def test_a_chain_of_packages_is_taken_in_order(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    previous = None
    for sequence in range(1, 6):
        package = station.package(sequence, previous, size=1000)
        await client.upload(package)
        previous = package.sha256
    assert (await client.ledger()).last_sequence == 5
    shown = tools.invoke("ledger", "--data", registry.folder.root)
    assert "HN-07: 5 packages, last number 5" in shown
    assert "gaps none" in shown


async def test_a_cut_upload_goes_on_at_the_durable_offset(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    package = station.package()
    await client.begin(package)
    call = client.stub.UploadChunks()
    for piece in tools.chunks(package, 0, 2 * CHUNK):
        await call.write(piece)
    response = await call.read()
    assert isinstance(response, registry_pb2.UploadChunksResponse)
    acknowledged = response.offset
    call.cancel()
    again = await registry.connect(station)
    offset = (await again.begin(package)).offset
    assert acknowledged <= offset <= 2 * CHUNK
    assert await again.send(package, offset) == len(package.data)
    assert await again.finish(package)


async def test_a_client_may_wait_for_each_answer(station: Station, client: Client, tools: Tools) -> None:
    package = station.package(size=3 * CHUNK)
    await client.begin(package)
    call = client.stub.UploadChunks()
    for piece in tools.chunks(package):
        await call.write(piece)
        answer = await call.read()
        assert answer == registry_pb2.UploadChunksResponse(offset=piece.offset + len(piece.content))
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF
    assert await client.finish(package)


async def test_the_same_package_twice_gives_the_same_receipt(
    registry: Registry, station: Station, client: Client
) -> None:
    package = station.package()
    receipt = await client.upload(package)
    assert await client.finish(package) == receipt
    begun = await client.begin(package)
    assert (begun.receipt, begun.offset) == (receipt, len(package.data))
    assert registry.rows("SELECT count(*) FROM ledger") == [(1,)]


async def test_concurrent_finishes_make_one_row(registry: Registry, station: Station, client: Client) -> None:
    package = station.package()
    await client.begin(package)
    await client.send(package)
    others = [await registry.connect(station) for _ in range(3)]
    receipts = await asyncio.gather(*(each.finish(package) for each in (client, *others)))
    assert len(set(receipts)) == 1
    assert registry.rows("SELECT count(*) FROM ledger") == [(1,)]


async def test_concurrent_streams_of_one_package_leave_it_whole(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    package = station.package(size=2_000_000)
    await client.begin(package)
    other = await registry.connect(station)
    results = await asyncio.gather(client.send(package), other.send(package), return_exceptions=True)
    for result in results:
        if isinstance(result, grpc.aio.AioRpcError):
            assert tools.reason_and_facts(result)[0] == "OFFSET_MISMATCH"
    assert await client.upload(package)


async def test_stations_upload_side_by_side(registry: Registry) -> None:
    stations = [registry.enroll(f"HN-{number}") for number in range(4)]
    clients = [await registry.connect(each) for each in stations]
    packages = [each.package() for each in stations]
    await asyncio.gather(*(client.upload(package) for client, package in zip(clients, packages, strict=True)))
    assert registry.rows("SELECT count(*) FROM ledger") == [(4,)]


async def test_a_station_with_a_second_key_may_use_both(registry: Registry, station: Station, client: Client) -> None:
    new_key = registry.enroll("HN-07").signing_key
    first = station.package()
    await client.upload(first)
    assert await client.upload(station.package(2, first.sha256, signing_key=new_key))


async def test_open_uploads_of_a_station_are_bounded(registry: Registry, station: Station, client: Client) -> None:
    packages = [station.package(size=CHUNK) for _ in range(6)]
    for package in packages:
        await client.begin(package)
        await client.send(package, 0, CHUNK)
    assert registry.rows("SELECT count(*) FROM uploads") == [(4,)]
    assert len(list(registry.folder.uploads.iterdir())) == 4
    assert await client.upload(packages[-1])
    assert registry.rows("SELECT count(*) FROM uploads") == [(0,)]
    assert list(registry.folder.uploads.iterdir()) == []


async def test_a_full_disk_is_told_and_the_upload_goes_on_later(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    package = station.package()
    await client.begin(package)
    await client.send(package, 0, CHUNK)
    (file,) = registry.folder.uploads.iterdir()
    aside = file.rename(registry.folder.root / "aside")
    file.symlink_to("/dev/full")
    async with tools.refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL"):
        await client.send(package, CHUNK)
    aside.replace(file)
    assert (await client.begin(package)).offset == CHUNK
    assert await client.upload(package)


async def test_a_failing_disk_is_unavailable(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    package = station.package()
    await client.begin(package)
    registry.folder.uploads.rmdir()
    registry.folder.uploads.write_bytes(b"no folder")
    async with tools.refusal(grpc.StatusCode.UNAVAILABLE, "STORAGE_FAILED"):
        await client.send(package)


async def test_another_database_holds_the_ledger(another_registry: Registry, tools: Tools) -> None:
    station = another_registry.enroll("HN-07")
    await (await another_registry.connect(station)).upload(station.package())
    root = another_registry.folder.root
    ledger = json.loads(tools.invoke("ledger", "--data", root, "--database", another_registry.database, "--json"))
    assert [(row["station_id"], row["packages"], row["gaps"]) for row in ledger["stations"]] == [("HN-07", 1, [])]
    assert json.loads(tools.invoke("ledger", "--data", root, "--json")) == {"stations": []}


async def test_health_and_reflection_answer(client: Client) -> None:
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", "enrollment.v1.RegistryService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub: Any = reflection_pb2_grpc.ServerReflectionStub  # its type stub knows only synchronous channels
    reflection = stub(client.channel)
    answers = [answer async for answer in reflection.ServerReflectionInfo(iter([asked]))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert "enrollment.v1.RegistryService" in names


async def test_a_dossier_that_is_held_already_is_shown_with_its_manifest_and_receipt_to_its_station_alone(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    first = station.package(size=1000)
    receipt = await client.upload(first)
    dossier_id = first.manifest.dossier_id
    tools.invoke("rotate-keys", "--data", registry.folder.root, "--keep-days", "1e-9")
    again = station.package(2, first.sha256, size=1000, dossier_id=dossier_id, recipient=registry.trust.recipient)
    [held] = (await client.begin(again, dossier_id=dossier_id.bytes)).held
    proven = verify_held_dossier(
        held.signed_manifest,
        held.receipt,
        stations={station.signing_key.key_id: station.signing_key.verifying_key},
        registry=registry.trust.receipt_keys,
        station_id="HN-07",
        dossier_id=dossier_id,
    )
    assert (proven.manifest, proven.signed_receipt) == (first.manifest, receipt)
    assert list((await client.begin(again)).held) == [], "a station that does not ask is told nothing"
    other = registry.enroll("HN-08")
    other_client = await registry.connect(other)
    stranger = other.package(dossier_id=dossier_id)
    assert list((await other_client.begin(stranger, dossier_id=dossier_id.bytes)).held) == []

    name = first.sha256.hex()
    (registry.folder.objects / name[:2] / f"{name}.epkg").unlink()  # an object store that lost it
    begun = await client.begin(again, dossier_id=dossier_id.bytes)
    assert (list(begun.held), begun.offset) == ([], 0)
    await client.upload(again)
    assert f"dossier {dossier_id} came more than once, numbers 1, 2" in tools.invoke(
        "ledger", "--data", registry.folder.root
    )
