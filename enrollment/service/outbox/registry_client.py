"""The only user of the registry's stubs: gRPC over mutual TLS, a deadline on every wait, typed failures only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from enrollment.service.config import RegistryConfig
from enrollment.service.keys.software_keys import load_client_key
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
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
MAX_RECEIPT_BYTES: Final = 64 * 1024
STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"

# Statuses with which the registry refuses a package for good, unless the reason says that it is about something else.
FINAL_CODES: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS}
)
NOT_FINAL_REASONS: Final = frozenset({"OFFSET_MISMATCH", "UPLOAD_UNKNOWN", "INVALID_REQUEST", ""})


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to go on, or the receipt when nothing is left to send."""

    offset: int
    receipt: bytes | None
    max_chunk_bytes: int


class RegistryClient:
    """One station's connection. Every method raises DeliveryFailed or PackageRefused, and nothing else."""

    def __init__(self, channel: grpc.aio.Channel, call_timeout_s: float) -> None:
        self._channel = channel
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._timeout_s = call_timeout_s

    @classmethod
    def connect(cls, config: RegistryConfig, passphrase: bytes | None, call_timeout_s: float) -> RegistryClient:
        """Open a channel; nothing is sent yet. Raises TrustUnusable, KeysUnusable."""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(config.ca),
            private_key=load_client_key(config.private_key, passphrase),
            certificate_chain=_read(config.certificate),
        )
        return cls(grpc.aio.secure_channel(config.address, credentials, options=OPTIONS), call_timeout_s)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def clock_offset_ms(self) -> int:
        """Station clock minus registry clock, half of the round trip taken off; milliseconds."""
        began = time.time()
        try:
            answer = await self._stub.GetStationLedger(registry_pb2.GetStationLedgerRequest(), timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        middle_ms = 500 * (began + time.time())
        return round(middle_ms - answer.server_time.ToMilliseconds())

    async def begin(self, sha256: bytes, size_bytes: int, sequence: int) -> Begun:
        """Announce a package."""
        request = registry_pb2.BeginUploadRequest(package_sha256=sha256, size_bytes=size_bytes, sequence=sequence)
        try:
            answer = await self._stub.BeginUpload(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        receipt = answer.receipt if answer.HasField("receipt") else None
        if answer.offset > size_bytes or (receipt is None and answer.max_chunk_bytes == 0):
            raise RegistryNonsense("the registry announced an offset past the end, or no chunk size")
        return Begun(answer.offset, receipt, answer.max_chunk_bytes)

    async def upload(self, sha256: bytes, content: bytes, offset: int, chunk_bytes: int) -> AsyncGenerator[int, None]:
        """Send from offset to the end; yields each offset that is safe on the registry's disk."""
        view = memoryview(content)

        async def chunks() -> AsyncIterator[registry_pb2.UploadChunksRequest]:
            for start in range(offset, len(content), chunk_bytes):
                piece = bytes(view[start : start + chunk_bytes])
                yield registry_pb2.UploadChunksRequest(package_sha256=sha256, offset=start, content=piece)

        call = self._stub.UploadChunks(chunks())
        safe = offset
        try:
            while safe < len(content):
                answer = await asyncio.wait_for(call.read(), self._timeout_s)
                if not isinstance(answer, registry_pb2.UploadChunksResponse):  # grpc.aio.EOF
                    code = await call.code()
                    if code is not grpc.StatusCode.OK:
                        raise _failure_of_call(code, await call.details() or "")
                    raise RegistryNonsense("the registry ended the upload before its end", offset=safe)
                if not safe < answer.offset <= len(content):
                    raise RegistryNonsense(
                        "the registry confirmed an offset that cannot be", offset=safe, found=int(answer.offset)
                    )
                safe = answer.offset
                yield safe
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        except TimeoutError as error:
            raise RegistryUnreachable(f"no answer within {self._timeout_s:g} s", offset=safe) from error
        finally:
            call.cancel()

    async def finish(self, sha256: bytes) -> bytes:
        """Have the package verified and stored; returns the receipt, unverified."""
        try:
            answer = await self._stub.FinishUpload(
                registry_pb2.FinishUploadRequest(package_sha256=sha256), timeout=self._timeout_s
            )
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        if not 0 < len(answer.receipt) <= MAX_RECEIPT_BYTES:
            raise RegistryNonsense("the receipt is empty or too long", length=len(answer.receipt))
        return answer.receipt


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustUnusable(f"{path} cannot be read: {error.strerror}", file=str(path)) from error


def _failure_of_call(code: grpc.StatusCode, details: str) -> DeliveryFailed:
    return RegistryUnreachable(f"the upload broke: {code.name} {details[:200]}")


def _failure(error: grpc.aio.AioRpcError) -> DeliveryFailed | PackageRefused:
    """Read the registry's reason; decide whether the package is refused for good."""
    code, reason = error.code(), _reason(error)
    text = (error.details() or code.name)[:200]
    if code in FINAL_CODES and reason not in NOT_FINAL_REASONS:
        return PackageRefused(text, registry_reason=reason)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
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
