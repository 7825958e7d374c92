"""The only user of the registry's stubs: gRPC over mutual TLS, a deadline on every wait, typed failures only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import grpc
import grpc.aio
from cryptography import x509
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from enrollment.core.sealing.field_rules import DIGEST_BYTES, MAX_SEQUENCE
from enrollment.core.sealing.manifest import MAX_CLOCK_OFFSET_MS
from enrollment.service.config import RegistryConfig
from enrollment.service.keys.software_keys import load_tls_key
from enrollment.service.outbox.errors import (
    DeliveryFailed,
    PackageRefused,
    RegistryBusy,
    RegistryNonsense,
    RegistryUnreachable,
    TrustUnusable,
)
from enrollment.v1 import registry_pb2, registry_pb2_grpc

OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
MAX_RECEIPT_BYTES: Final = 64 * 1024
SLOWEST_BYTES_PER_S: Final = 4096  # a line that is slower than a bad modem counts as cut
STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"

# Statuses with which the registry refuses a package for good, unless the reason says that it is about something else.
FINAL_CODES: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS}
)
NOT_FINAL_REASONS: Final = frozenset({"OFFSET_MISMATCH", "UPLOAD_UNKNOWN", "INVALID_REQUEST", ""})
FINAL_REASONS: Final = frozenset({"STATION_MISMATCH"})  # whatever the status
# What gRPC itself says of a connection that broke; the registry's own refusals carry a reason.
BROKEN_CODES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
HANDSHAKE_WORDS: Final = ("handshake", "certificate")  # in gRPC's text when TLS failed: its status does not tell

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """What the registry says to hold of a dossier under another package, unverified."""

    signed_manifest: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to go on, or the receipt when nothing is left to send; what else the registry holds of the dossier."""

    offset: int
    receipt: bytes | None
    max_chunk_bytes: int
    held: tuple[HeldAnswer, ...]


@dataclass(frozen=True, slots=True)
class RegistryView:
    """What the registry says of itself and of this station.

    station_id: who it takes us for.
    clock_offset_ms: station clock minus registry clock, None where it tells no time, or one that cannot be.
    last_sequence, last_sha256: of the station's last package there; 0 and b"" before the first.
    recipient_announcement: unverified; b"" where its keys were never rotated.
    """

    station_id: str
    clock_offset_ms: int | None
    last_sequence: int
    last_sha256: bytes
    recipient_announcement: bytes


class RegistryClient:
    """One station's connection. Every method raises DeliveryFailed or PackageRefused, and nothing else."""

    def __init__(self, channel: grpc.aio.Channel, call_timeout_s: float) -> None:
        self._channel = channel
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._timeout_s = call_timeout_s

    @classmethod
    def connect(cls, config: RegistryConfig, passphrase: bytes | None, call_timeout_s: float) -> RegistryClient:
        """Open a channel; nothing is sent yet. Raises TrustUnusable, KeysUnusable."""
        certificate = _read(config.certificate)
        _require_valid(certificate, config.certificate)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(config.ca),
            private_key=load_tls_key(config.private_key, passphrase),
            certificate_chain=certificate,
        )
        return cls(grpc.aio.secure_channel(config.address, credentials, options=OPTIONS), call_timeout_s)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def view(self) -> RegistryView:
        """Ask how far the registry is; half of the round trip is taken off its clock."""
        began = time.time()
        answer = await _answered(
            self._stub.GetStationLedger(registry_pb2.GetStationLedgerRequest(), timeout=self._timeout_s),
            registry_pb2.GetStationLedgerResponse,
        )
        last, sha256 = int(answer.last_sequence), answer.last_package_sha256
        if last > MAX_SEQUENCE or len(sha256) != (DIGEST_BYTES if last else 0):
            raise RegistryNonsense("the registry names a last package that cannot be", last_sequence=last)
        middle_ms = 500 * (began + time.time())
        offset_ms = round(middle_ms - answer.server_time.seconds * 1000 - answer.server_time.nanos / 1e6)
        told = answer.HasField("server_time") and abs(offset_ms) <= MAX_CLOCK_OFFSET_MS
        return RegistryView(answer.station_id, offset_ms if told else None, last, sha256, answer.recipient_announcement)

    async def begin(
        self, sha256: bytes, size_bytes: int, sequence: int, recipient_key_id: bytes = b"", dossier_id: bytes = b""
    ) -> Begun:
        """Announce a package. recipient_key_id, dossier_id: what it is sealed to and of."""
        request = registry_pb2.BeginUploadRequest(
            package_sha256=sha256,
            size_bytes=size_bytes,
            sequence=sequence,
            recipient_key_id=recipient_key_id,
            dossier_id=dossier_id,
        )
        answer = await _answered(
            self._stub.BeginUpload(request, timeout=self._timeout_s), registry_pb2.BeginUploadResponse
        )
        receipt = answer.receipt if answer.HasField("receipt") else None
        if answer.offset > size_bytes or (receipt is None and answer.max_chunk_bytes == 0):
            raise RegistryNonsense("the registry announced an offset past the end, or no chunk size")
        held = tuple(HeldAnswer(each.signed_manifest, each.receipt) for each in answer.held)
        return Begun(answer.offset, receipt, answer.max_chunk_bytes, held)

    async def upload(self, sha256: bytes, content: bytes, offset: int, chunk_bytes: int) -> AsyncGenerator[int, None]:
        """Send from offset to the end; yields each offset that is safe on the registry's disk."""
        view = memoryview(content)

        async def chunks() -> AsyncIterator[registry_pb2.UploadChunksRequest]:
            for start in range(offset, len(content), chunk_bytes):
                piece = bytes(view[start : start + chunk_bytes])
                yield registry_pb2.UploadChunksRequest(package_sha256=sha256, offset=start, content=piece)

        call = self._stub.UploadChunks(chunks())
        patience_s = self._timeout_s + chunk_bytes / SLOWEST_BYTES_PER_S
        safe = offset
        try:
            while safe < len(content):
                answer = await asyncio.wait_for(call.read(), patience_s)
                if not isinstance(answer, registry_pb2.UploadChunksResponse):
                    what = "ended the upload" if answer is grpc.aio.EOF else "answered what cannot be read"
                    raise RegistryNonsense(f"the registry {what} before its end", offset=safe)
                if not safe < answer.offset <= len(content):
                    raise RegistryNonsense(
                        "the registry confirmed an offset that cannot be", offset=safe, found=int(answer.offset)
                    )
                safe = answer.offset
                yield safe
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        except TimeoutError as error:
            raise RegistryUnreachable(f"no answer within {patience_s:g} s", offset=safe) from error
        finally:
            call.cancel()

    async def finish(self, sha256: bytes) -> bytes:
        """Have the package verified and stored; returns the receipt, unverified."""
        answer = await _answered(
            self._stub.FinishUpload(registry_pb2.FinishUploadRequest(package_sha256=sha256), timeout=self._timeout_s),
            registry_pb2.FinishUploadResponse,
        )
        if not 0 < len(answer.receipt) <= MAX_RECEIPT_BYTES:
            raise RegistryNonsense("the receipt is empty or too long", length=len(answer.receipt))
        return answer.receipt


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustUnusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error


def _require_valid(certificate: bytes, path: Path) -> None:
    """Say plainly what would otherwise be seen as a connection that never comes about. Raises TrustUnusable."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion) as error:
        raise TrustUnusable(f"{path} is no certificate", file=str(path)) from error
    now = datetime.now(UTC)  # the TLS library asks the system's clock, too
    if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        begin, end = read.not_valid_before_utc, read.not_valid_after_utc
        raise TrustUnusable(
            f"{path} is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and this machine's clock says {now:%Y-%m-%d}:"
            " set the clock, or have a new certificate issued",
            file=str(path),
        )


async def _answered(call: Awaitable[object], kind: type[Answer]) -> Answer:
    """Wait for an answer of this kind; gRPC gives None for bytes that it could not decode."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        raise _failure(error) from error
    if not isinstance(answer, kind):
        raise RegistryNonsense("the registry answered what cannot be read")
    return answer


def _failure(error: grpc.aio.AioRpcError) -> DeliveryFailed | PackageRefused:
    """Read the registry's reason; decide whether the package is refused for good."""
    code, reason = error.code(), _reason(error)
    details = error.details() or code.name
    text = details[:200]
    if reason in FINAL_REASONS or (code in FINAL_CODES and reason not in NOT_FINAL_REASONS):
        return PackageRefused(text, registry_reason=reason)
    if code is grpc.StatusCode.UNAVAILABLE and any(word in details.lower() for word in HANDSHAKE_WORDS):
        return TrustUnusable(f"TLS with the registry failed: check clock, ca and certificate ({text})")
    if code in BROKEN_CODES and not reason:
        return RegistryUnreachable(text)
    return RegistryBusy(text, registry_reason=reason or code.name)


def _reason(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            return _error_info(value)
    return ""


def _error_info(packed: bytes) -> str:
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    try:
        status.ParseFromString(packed)
        for detail in status.details:
            if detail.Unpack(info):
                return str(info.reason)[:64]
    except DecodeError:
        pass
    return ""
