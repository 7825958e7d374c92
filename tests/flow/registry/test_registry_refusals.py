"""What the registry refuses: status, reason and facts of each, and that nothing of it reaches the ledger."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from enrollment.core.sealing.container import MAX_PACKAGE_BYTES
from enrollment.core.sealing.seal import SealedPackage
from enrollment.registry.keys import SoftwareRecipientKey, SoftwareSigningKey
from enrollment.v1 import registry_pb2, registry_pb2_grpc

if TYPE_CHECKING:
    from tests.flow.registry.conftest import Client, Registry, Station, Tools

CHUNK = 64 * 1024


INVALID, PRECONDITION, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
)


async def test_a_station_is_named_by_its_certificate_alone(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    other = registry.enroll("HN-08")
    other_client = await registry.connect(other)
    assert (await other_client.ledger()).station_id == "HN-08"
    stolen = station.package()
    async with tools.refusal(INVALID, "UNKNOWN_SIGNER"):
        await other_client.upload(stolen)
    foreign = station.package(station_id="HN-08")
    async with tools.refusal(DENIED, "STATION_MISMATCH", found="HN-08", expected="HN-07"):
        await client.upload(foreign)
    assert registry.rows("SELECT count(*) FROM ledger") == [(0,)]


async def test_a_certified_but_not_enrolled_station_is_refused(
    registry: Registry, tmp_path: Path, tools: Tools
) -> None:
    stranger = registry.enroll("HN-99", database=f"sqlite:///{tmp_path}/elsewhere.db")
    client = await registry.connect(stranger)
    async with tools.refusal(DENIED, "STATION_UNKNOWN", station_id="HN-99"):
        await client.ledger()
    async with tools.refusal(DENIED, "STATION_UNKNOWN"):
        await client.begin(stranger.package())


async def test_the_server_certificate_is_no_station(registry: Registry) -> None:
    """Its purpose is another, so TLS already refuses it."""
    folder = registry.folder
    impostor = replace(
        registry.enroll("HN-07"),
        certificate=folder.server_certificate.read_bytes(),
        tls_key=folder.server_key.read_bytes(),
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (await registry.connect(impostor)).ledger()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_no_client_without_a_certificate_of_the_authority_gets_in(
    registry: Registry, another_registry: Registry
) -> None:
    foreign = another_registry.enroll("HN-07")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (await registry.connect(foreign)).ledger()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    bare = grpc.ssl_channel_credentials(registry.folder.authority_certificate.read_bytes())
    for channel in (grpc.aio.secure_channel(registry.address, bare), grpc.aio.insecure_channel(registry.address)):
        async with channel:
            stub = registry_pb2_grpc.RegistryServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.GetStationLedger(registry_pb2.GetStationLedgerRequest())


async def test_a_gap_or_fork_in_the_sequence_is_refused_before_the_bytes(
    station: Station, client: Client, tools: Tools
) -> None:
    first = station.package()
    async with tools.refusal(PRECONDITION, "SEQUENCE_BROKEN", expected=1, found=2):
        await client.begin(station.package(2, bytes(32)))
    await client.upload(first)
    async with tools.refusal(PRECONDITION, "SEQUENCE_BROKEN", expected=2, found=1):
        await client.begin(station.package())
    async with tools.refusal(PRECONDITION, "SEQUENCE_BROKEN", expected=2, found=7):
        await client.begin(station.package(7, first.sha256))


async def test_another_predecessor_is_refused(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    first = station.package()
    await client.upload(first)
    forked = station.package(2, bytes(32))
    async with tools.refusal(
        PRECONDITION, "SEQUENCE_BROKEN", expected_previous=first.sha256.hex(), found_previous=bytes(32).hex()
    ):
        await client.upload(forked)
    async with tools.refusal(PRECONDITION, "SEQUENCE_BROKEN", expected=2, found=3):
        lied = station.package(3, first.sha256)
        await client.begin(lied, sequence=2)
        await client.send(lied)
        await client.finish(lied)
    assert await client.upload(station.package(2, first.sha256))
    assert registry.rows("SELECT sequence FROM ledger ORDER BY sequence") == [(1,), (2,)]


async def test_a_package_under_a_key_that_is_not_enrolled_is_refused(
    station: Station, client: Client, tools: Tools
) -> None:
    package = station.package(signing_key=SoftwareSigningKey.generate())
    async with tools.refusal(INVALID, "UNKNOWN_SIGNER"):
        await client.upload(package)
    assert (await client.begin(package)).offset == 0  # what was refused is not kept


async def test_a_package_for_another_registry_is_refused(station: Station, client: Client, tools: Tools) -> None:
    package = station.package(recipient=SoftwareRecipientKey.generate().public_key)
    async with tools.refusal(INVALID, "WRONG_RECIPIENT"):
        await client.upload(package)


async def test_bytes_that_are_no_package_are_refused(station: Station, client: Client, tools: Tools) -> None:
    package = station.package(size=5000)
    noise = os.urandom(5000)
    garbage = SealedPackage(noise, hashlib.sha256(noise).digest(), package.manifest)
    async with tools.refusal(INVALID, "MALFORMED_PACKAGE"):
        await client.upload(garbage)
    changed = SealedPackage(package.data[:-1] + bytes((package.data[-1] ^ 1,)), package.sha256, package.manifest)
    async with tools.refusal(INVALID, "DIGEST_MISMATCH"):
        await client.upload(changed)
    resealed = SealedPackage(changed.data, hashlib.sha256(changed.data).digest(), package.manifest)
    async with tools.refusal(INVALID, "DIGEST_MISMATCH"):
        await client.upload(resealed)
    assert await client.upload(package)


async def test_chunks_that_do_not_follow_on_name_the_offset_that_is_due(
    station: Station, client: Client, tools: Tools
) -> None:
    package = station.package()
    await client.begin(package)
    await client.send(package, 0, CHUNK)
    for start in (0, CHUNK - 1, CHUNK + 1, len(package.data), 2**63):
        piece = registry_pb2.UploadChunksRequest(package_sha256=package.sha256, offset=start, content=b"x")
        async with tools.refusal(PRECONDITION, "OFFSET_MISMATCH", expected=CHUNK, found=start):
            await client.stream([piece])
    async with tools.refusal(PRECONDITION, "OFFSET_MISMATCH", expected=CHUNK, found=len(package.data)):
        await client.finish(package)
    assert (await client.begin(package)).offset == CHUNK


async def test_a_refusal_reaches_a_client_that_is_still_sending(station: Station, client: Client, tools: Tools) -> None:
    package = station.package(size=3_000_000)
    await client.begin(package)
    pieces = tools.chunks(package)
    async with tools.refusal(PRECONDITION, "OFFSET_MISMATCH", expected=0, found=CHUNK):
        await client.stream(pieces[1:])
    call = client.stub.UploadChunks()
    await call.write(pieces[2])
    async with tools.refusal(PRECONDITION, "OFFSET_MISMATCH", expected=0, found=2 * CHUNK):
        await call.read()  # without having closed its side
    assert await client.upload(package)


async def test_a_smaller_announcement_of_the_same_digest_begins_anew(station: Station, client: Client) -> None:
    package = station.package()
    await client.begin(package)
    await client.send(package, 0, CHUNK)
    assert (await client.begin(package, size_bytes=5000)).offset == 0
    assert await client.upload(package)


@pytest.mark.parametrize(
    "piece",
    [
        lambda package: {"content": b""},
        lambda package: {"content": bytes(256 * 1024 + 1)},
        lambda package: {"content": package.data + b"\x00"},
        lambda package: {"content": b"x", "package_sha256": b"short"},
        lambda package: {"content": b"x", "package_sha256": b""},
    ],
    ids=["empty", "too long", "more than announced", "short digest", "no digest"],
)
async def test_a_chunk_of_another_form_is_refused(
    station: Station, client: Client, piece: Callable[[SealedPackage], dict[str, Any]], tools: Tools
) -> None:
    package = station.package(size=1000)
    await client.begin(package)
    fields: dict[str, Any] = {"package_sha256": package.sha256, "offset": 0} | piece(package)
    async with tools.refusal(INVALID, "INVALID_REQUEST"):
        await client.stream([registry_pb2.UploadChunksRequest(**fields)])
    assert await client.upload(package)


async def test_chunks_of_two_packages_in_one_stream_are_refused(station: Station, client: Client, tools: Tools) -> None:
    package, other = station.package(), station.package()
    await client.begin(package)
    await client.begin(other)
    async with tools.refusal(INVALID, "INVALID_REQUEST", field="package_sha256"):
        await client.stream([*tools.chunks(package, 0, CHUNK), *tools.chunks(other, CHUNK, 2 * CHUNK)])


async def test_a_message_beyond_the_transport_limit_ends_only_its_call(station: Station, client: Client) -> None:
    package = station.package()
    await client.begin(package)
    huge = registry_pb2.UploadChunksRequest(package_sha256=package.sha256, content=bytes(2_000_000))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stream([huge])
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await client.upload(package)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size_bytes": MAX_PACKAGE_BYTES + 1}, "PACKAGE_TOO_LARGE"),
        ({"size_bytes": 2**64 - 1}, "PACKAGE_TOO_LARGE"),
        ({"size_bytes": 0}, "INVALID_REQUEST"),
        ({"size_bytes": 1183}, "INVALID_REQUEST"),
        ({"package_sha256": b""}, "INVALID_REQUEST"),
        ({"package_sha256": bytes(33)}, "INVALID_REQUEST"),
        ({"sequence": 0}, "INVALID_REQUEST"),
        ({"sequence": 2**64 - 1}, "INVALID_REQUEST"),
    ],
)
async def test_an_impossible_announcement_is_refused(
    station: Station, client: Client, changes: dict[str, Any], reason: str, tools: Tools
) -> None:
    async with tools.refusal(INVALID, reason):
        await client.begin(station.package(size=1), **changes)


async def test_an_upload_that_never_began_is_not_found(station: Station, client: Client, tools: Tools) -> None:
    package = station.package(size=1)
    async with tools.refusal(grpc.StatusCode.NOT_FOUND, "UPLOAD_UNKNOWN"):
        await client.send(package)
    async with tools.refusal(grpc.StatusCode.NOT_FOUND, "UPLOAD_UNKNOWN"):
        await client.finish(package)
    async with tools.refusal(INVALID, "INVALID_REQUEST"):
        await client.stub.FinishUpload(registry_pb2.FinishUploadRequest())
