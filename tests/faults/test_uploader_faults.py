"""A registry that answers nonsense, refuses, or is not who it should be: the package waits or is marked, never lost."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from enrollment.core.certificates import CertificateAuthority, certificate_pem
from enrollment.core.dossier.model import DossierState
from enrollment.registry.certificates import issue_station_certificate
from enrollment.registry.data_folder import DataFolder
from enrollment.registry.server import main as registryd
from enrollment.registry.serving import TlsFiles
from enrollment.service.keys.software_keys import REQUEST_FILE
from enrollment.service.store.outbox_rows import PackageState
from enrollment.v1 import registry_pb2, registry_pb2_grpc
from tests.flow.outbox.delivery_bench import OUTBOX, STATION_ID, WAIT_S, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


class Nonsense(registry_pb2_grpc.RegistryServiceServicer):
    """Answers what the protocol does not allow."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.year = 0
        self.asked = asyncio.Event()

    async def GetStationLedger(self, request: object, context: Any) -> registry_pb2.GetStationLedgerResponse:  # noqa: N802
        answer = registry_pb2.GetStationLedgerResponse()
        if self.year:
            answer.server_time.FromDatetime(datetime(self.year, 1, 1, tzinfo=UTC))
        return answer

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


@asynccontextmanager
async def lying(bench: Bench, handler: grpc.GenericRpcHandler | None, servicer: Nonsense | None) -> AsyncIterator[int]:
    """A server with the registry's certificate, and its port."""
    tls = TlsFiles(bench.folder.server_certificate, bench.folder.server_key, bench.folder.authority_certificate)
    server = grpc.aio.server()
    if handler is not None:
        server.add_generic_rpc_handlers((handler,))
    if servicer is not None:
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(servicer, server)
    port = server.add_secure_port("127.0.0.1:0", tls.credentials())
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def require_that_it_waits_and_goes_later(bench: Bench, port: int, problem: str) -> None:
    dossier_id = bench.complete()
    async with bench.delivering(port):
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    bench.outbox = OUTBOX
    assert (waiting.problem, waiting.state) == (problem, PackageState.QUEUED)
    assert bench.store.dossiers.get(dossier_id).state is DossierState.SEALED
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(dossier_id)


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
    if kind == "silence":
        bench.outbox = replace(bench.outbox, call_timeout_s=1.0)
    async with lying(bench, None, Nonsense(kind)) as port:
        await require_that_it_waits_and_goes_later(bench, port, problem)


class NoProtobuf(grpc.GenericRpcHandler):
    """Answers one method, or all after it, with bytes that are no message."""

    def __init__(self, method: str) -> None:
        self.method = method

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method.rpartition("/")[2]
        begun = registry_pb2.BeginUploadResponse(max_chunk_bytes=1 << 20).SerializeToString()

        async def one(request: bytes, context: Any) -> bytes:
            if method == self.method:
                return b"\xff\xff\xff"
            return begun if method == "BeginUpload" else b""

        async def many(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            yield b"\xff\xff\xff"

        if method == "UploadChunks":
            return grpc.stream_stream_rpc_method_handler(many)
        return grpc.unary_unary_rpc_method_handler(one)


@pytest.mark.parametrize("method", ["GetStationLedger", "BeginUpload", "UploadChunks"])
async def test_bytes_that_are_no_message_cost_a_wait_and_nothing_else(bench: Bench, method: str) -> None:
    async with lying(bench, NoProtobuf(method), None) as port:
        await require_that_it_waits_and_goes_later(bench, port, "REGISTRY_ANSWER_INVALID")


async def test_time_that_cannot_be_is_not_taken_for_the_registrys_clock(bench: Bench) -> None:
    liar = Nonsense("silence")
    liar.year = 9999
    dossier_id = bench.complete()
    async with lying(bench, None, liar) as port, bench.delivering(port):
        await asyncio.wait_for(liar.asked.wait(), WAIT_S)
    assert bench.store.settings.get("clock_offset_ms") is None
    later = bench.complete()  # a wrong offset would be refused by its manifest
    async with bench.registry(), bench.delivering():
        for waiting in (dossier_id, later):
            await bench.until_acknowledged(waiting)


async def test_package_of_another_stations_name_is_refused_and_says_so(bench: Bench) -> None:
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering(station_id="T-2"):
        refused = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert (refused.problem, refused.state) == ("STATION_MISMATCH", PackageState.REFUSED)


async def test_certificate_of_another_authority_is_a_waiting_matter(bench: Bench, tmp_path: Path) -> None:
    other = DataFolder(tmp_path / "other-registry")
    CliRunner().invoke(registryd, ["init", "--data", str(other.root)])
    bench.ca = other.authority_certificate
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert waiting.problem == "REGISTRY_TRUST_UNUSABLE"
    assert "certificate" in waiting.problem_text
    assert bench.at_registry() == []


async def test_expired_certificate_is_told_with_its_dates(bench: Bench) -> None:
    authority = CertificateAuthority.load(
        bench.folder.authority_certificate.read_bytes(), bench.folder.authority_key.read_bytes()
    )
    request = (bench.root / "keys" / REQUEST_FILE).read_bytes()
    long_ago = datetime.now(UTC) - timedelta(days=3650)
    expired = issue_station_certificate(authority, request, STATION_ID, long_ago)
    bench.certificate.write_bytes(certificate_pem(expired))
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert waiting.problem == "REGISTRY_TRUST_UNUSABLE"
    assert f"{expired.not_valid_after_utc:%Y-%m-%d}" in waiting.problem_text
    assert "clock" in waiting.problem_text


async def test_certificate_of_a_version_that_there_is_not_is_told(bench: Bench) -> None:
    certificate = load_pem_x509_certificate(bench.certificate.read_bytes()).public_bytes(Encoding.DER)
    changed = base64.encodebytes(certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x3f", 1)).decode()
    bench.certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{changed}-----END CERTIFICATE-----\n")
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: bool(package.problem))
    assert waiting.problem == "REGISTRY_TRUST_UNUSABLE"
    assert "no certificate" in waiting.problem_text
