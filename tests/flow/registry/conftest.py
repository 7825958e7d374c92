"""A running registry, a station that makes packages, and a client that sends them: real gRPC, mutual TLS, SQLite."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import create_engine, text

from enrollment.core.sealing.public_keys import RegistryTrust, decode_registry_trust, encode_verifying_key
from enrollment.core.sealing.seal import SealedPackage, seal_package
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.keys import SoftwareSigningKey
from enrollment.registry.server import main
from enrollment.registry.serving import TlsFiles, serving
from enrollment.v1 import registry_pb2, registry_pb2_grpc
from tests.golden.sealing.sample_fields import SAMPLE_FIELDS

CHUNK_BYTES = 64 * 1024


@dataclass
class Station:
    """A station's keys, and the packages that it makes of random parts."""

    station_id: str
    trust: RegistryTrust
    certificate: bytes
    tls_key: bytes
    signing_key: SoftwareSigningKey

    def package(
        self, sequence: int = 1, previous: bytes | None = None, size: int = 300_000, **other: Any
    ) -> SealedPackage:
        """A package with one part of `size` bytes; `other` are fields, signing key or recipient to be different."""
        recipient = other.pop("recipient", self.trust.recipient)
        signing_key = other.pop("signing_key", self.signing_key)
        values: dict[str, Any] = {
            "package_id": new_uuid7(),
            "dossier_id": new_uuid7(),
            "station_id": self.station_id,
            "sequence": sequence,
            "previous_digest": previous,
        }
        parts = {"portrait": ("image/jpeg", os.urandom(size))}
        return seal_package(replace(SAMPLE_FIELDS, **(values | other)), parts, signing_key, recipient)


class Client:
    """What a station does on the wire."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.stub = registry_pb2_grpc.RegistryServiceStub(channel)

    async def begin(self, package: SealedPackage, **other: Any) -> registry_pb2.BeginUploadResponse:
        fields: dict[str, Any] = {
            "package_sha256": package.sha256,
            "size_bytes": len(package.data),
            "sequence": package.manifest.sequence,
        }
        return await self.stub.BeginUpload(registry_pb2.BeginUploadRequest(**(fields | other)))

    async def send(self, package: SealedPackage, start: int = 0, stop: int | None = None) -> int:
        """Send the bytes without waiting for answers; returns the last offset that came back."""
        return await self.stream(chunks(package, start, stop))

    async def stream(self, pieces: Iterable[registry_pb2.UploadChunksRequest]) -> int:
        offset = -1
        async for response in self.stub.UploadChunks(iter(pieces)):
            assert response.offset > offset
            offset = response.offset
        return offset

    async def finish(self, package: SealedPackage) -> bytes:
        request = registry_pb2.FinishUploadRequest(package_sha256=package.sha256)
        return (await self.stub.FinishUpload(request)).receipt

    async def upload(self, package: SealedPackage) -> bytes:
        """Begin, send what is missing, finish; returns the receipt."""
        offset = (await self.begin(package)).offset
        if offset < len(package.data):
            assert await self.send(package, offset) == len(package.data)
        return await self.finish(package)

    async def ledger(self) -> registry_pb2.GetStationLedgerResponse:
        return await self.stub.GetStationLedger(registry_pb2.GetStationLedgerRequest())


def new_uuid7() -> UUID:
    return UUID(bytes=b"\x01\x98" + os.urandom(4) + b"\x70\x00\x80" + os.urandom(7))


def chunks(
    package: SealedPackage, start: int = 0, stop: int | None = None, size: int = CHUNK_BYTES
) -> list[registry_pb2.UploadChunksRequest]:
    """The pieces of a package from start to stop."""
    end = len(package.data) if stop is None else stop
    return [
        registry_pb2.UploadChunksRequest(
            package_sha256=package.sha256, offset=at, content=package.data[at : min(at + size, end)]
        )
        for at in range(start, end, size)
    ]


class Registry:
    """A registry's folder and, while it runs, its address."""

    def __init__(self, folder: DataFolder, database: str, address: str, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.database = database
        self.address = address
        self._stack = stack

    @property
    def trust(self) -> RegistryTrust:
        return decode_registry_trust(self.folder.trust_file.read_bytes())

    def enroll(self, station_id: str, *, database: str | None = None) -> Station:
        """Enroll a station through the command line, or only certify it where another database is named."""
        signing_key = SoftwareSigningKey.generate()
        tls_key = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(tls_key, hashes.SHA256())
        files = {kind: self.folder.root / f"{station_id}.{kind}" for kind in ("csr", "key", "crt")}
        files["csr"].write_bytes(csr.public_bytes(Encoding.PEM))
        files["key"].write_bytes(encode_verifying_key(signing_key.verifying_key))
        invoke(
            *("enroll-station", "--data", self.folder.root, "--database", database or self.database),
            *("--station", station_id, "--csr", files["csr"], "--verifying-key", files["key"], "--out", files["crt"]),
        )
        tls_key_pem = tls_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Station(station_id, self.trust, files["crt"].read_bytes(), tls_key_pem, signing_key)

    async def connect(self, station: Station, address: str | None = None) -> Client:
        credentials = grpc.ssl_channel_credentials(
            self.folder.authority_certificate.read_bytes(), station.tls_key, station.certificate
        )
        channel = grpc.aio.secure_channel(address or self.address, credentials)
        return Client(await self._stack.enter_async_context(channel))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        engine = create_engine(self.database)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return rows


def invoke(*arguments: object) -> str:
    """Run enroll-registryd's command line in this process; returns what it printed."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@asynccontextmanager
async def running(root: Path, database: str | None = None) -> AsyncIterator[Registry]:
    """Initialise a registry in a new folder and serve it."""
    folder = DataFolder(root)
    invoke("init", "--data", root)
    tls = TlsFiles(folder.server_certificate, folder.server_key, folder.authority_certificate)
    url = database or folder.default_database
    async with serving(folder, url, tls, "127.0.0.1", 0) as address, AsyncExitStack() as stack:
        yield Registry(folder, url, address, stack)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with running(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
async def another_registry(tmp_path: Path) -> AsyncIterator[Registry]:
    """A second registry, of other keys and another authority, with its database elsewhere."""
    async with running(tmp_path / "another", f"sqlite:///{tmp_path}/elsewhere.db") as registry:
        yield registry


@pytest.fixture
def station(registry: Registry) -> Station:
    return registry.enroll("HN-07")


@pytest.fixture
async def client(registry: Registry, station: Station) -> Client:
    return await registry.connect(station)


def reason_and_facts(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """The ErrorInfo of a refusal; also requires its sentences in both languages."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    sentences = error_details_pb2.LocalizedMessage(), error_details_pb2.LocalizedMessage()
    for packed, message in zip(status.details, (info, *sentences), strict=True):
        assert packed.Unpack(message)
    assert [sentence.locale for sentence in sentences] == ["vi", "en"]
    assert all(sentence.message for sentence in sentences)
    assert info.domain == "registry.enrollment"
    return info.reason, dict(info.metadata)


@asynccontextmanager
async def refusal(code: grpc.StatusCode, reason: str, **facts: object) -> AsyncIterator[None]:
    """Require that the block is refused with this status, this reason and at least these facts."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert caught.value.code() is code, caught.value.details()
    found_reason, found_facts = reason_and_facts(caught.value)
    assert found_reason == reason
    assert found_facts.items() >= {name: str(fact) for name, fact in facts.items()}.items()


@dataclass(frozen=True)
class Tools:
    """The functions above, for tests."""

    refusal: Callable[..., AbstractAsyncContextManager[None]] = refusal
    reason_and_facts: Callable[[grpc.aio.AioRpcError], tuple[str, dict[str, str]]] = reason_and_facts
    chunks: Callable[..., list[registry_pb2.UploadChunksRequest]] = chunks
    invoke: Callable[..., str] = invoke


@pytest.fixture
def tools() -> Tools:
    return Tools()
