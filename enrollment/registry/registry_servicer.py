"""RegistryService over gRPC: reads the request, calls the intake on a thread, writes the answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from enrollment.core.errors import EnrollmentError
from enrollment.registry.certificates import station_of
from enrollment.registry.errors import InvalidRequest, RegistryError
from enrollment.registry.intake import MAX_CHUNK_BYTES, Intake, Piece
from enrollment.v1 import registry_pb2, registry_pb2_grpc

MAX_WAITING_CHUNKS: Final = 16  # of one stream: bounds its memory to 4 MiB

HEARING_S: Final = 1.0  # a client that waits for an answer before it goes on must not wait for long
LONGEST_HEARING_S: Final = 30.0  # and one that sends without end is not heard for ever

Gathered = AsyncGenerator[list[registry_pb2.UploadChunksRequest], None]
Context = grpc.aio.ServicerContext[Any, Any]
Result = TypeVar("Result")


class RegistryServicer(registry_pb2_grpc.RegistryServiceServicer):
    """The station is who its client certificate says."""

    def __init__(self, intake: Intake, executor: Executor) -> None:
        self._intake = intake
        self._executor = executor
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def BeginUpload(  # noqa: N802
        self, request: registry_pb2.BeginUploadRequest, context: Context
    ) -> registry_pb2.BeginUploadResponse:
        """Announce a package."""
        state = await self._for_station(
            context,
            self._intake.begin,
            request.package_sha256,
            request.size_bytes,
            request.sequence,
            request.recipient_key_id,
            request.dossier_id,
        )
        return registry_pb2.BeginUploadResponse(
            offset=state.offset,
            receipt=state.receipt,
            max_chunk_bytes=MAX_CHUNK_BYTES,
            held=[
                registry_pb2.HeldDossier(signed_manifest=held.signed_manifest, receipt=held.receipt)
                for held in state.held
            ],
        )

    async def UploadChunks(  # noqa: N802
        self, request_iterator: AsyncIterator[registry_pb2.UploadChunksRequest], context: Context
    ) -> AsyncIterator[registry_pb2.UploadChunksResponse]:
        """Append chunks; what arrives while the disk is busy goes to it in one write."""
        async with aclosing(_gathered(request_iterator)) as gathered:
            try:
                async for offset in self._append_all(gathered, context):
                    yield registry_pb2.UploadChunksResponse(offset=offset)
            except (EnrollmentError, RegistryError):
                await _hear_out(gathered)
                raise

    async def FinishUpload(  # noqa: N802
        self, request: registry_pb2.FinishUploadRequest, context: Context
    ) -> registry_pb2.FinishUploadResponse:
        """Verify, store, answer the receipt."""
        receipt = await self._for_station(context, self._intake.finish, request.package_sha256)
        return registry_pb2.FinishUploadResponse(receipt=receipt)

    async def GetStationLedger(  # noqa: N802
        self, request: registry_pb2.GetStationLedgerRequest, context: Context
    ) -> registry_pb2.GetStationLedgerResponse:
        """Sum up the calling station."""
        del request
        ledger, announcement = await self._for_station(context, self._intake.ledger)
        server_time = Timestamp()
        server_time.GetCurrentTime()
        return registry_pb2.GetStationLedgerResponse(
            station_id=ledger.station_id,
            last_sequence=ledger.last_sequence,
            last_package_sha256=ledger.last_sha256,
            packages=ledger.packages,
            server_time=server_time,
            recipient_announcement=announcement,
        )

    async def _append_all(self, gathered: Gathered, context: Context) -> AsyncIterator[int]:
        package_sha256 = b""
        async for chunks in gathered:
            package_sha256 = package_sha256 or chunks[0].package_sha256
            if any(chunk.package_sha256 != package_sha256 for chunk in chunks):
                raise InvalidRequest("all chunks of a stream must be of one package", field="package_sha256")
            pieces = [Piece(chunk.offset, chunk.content) for chunk in chunks]
            yield await self._for_station(context, self._intake.append, package_sha256, pieces)

    async def _for_station(self, context: Context, call: Callable[..., Result], *arguments: object) -> Result:
        """Run a call of the intake on a thread, one at a time of each station."""
        station_id = station_of(context.auth_context())
        lock = self._locks.get(station_id)
        if lock is None:
            lock = self._locks[station_id] = asyncio.Lock()
        async with lock:
            # Shielded: a client that goes away must not free the station while a thread still works for it.
            running = asyncio.get_running_loop().run_in_executor(self._executor, call, station_id, *arguments)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.gather(running, return_exceptions=True)
                raise


async def _hear_out(gathered: Gathered) -> None:
    """Let the client finish what it is sending before its stream is refused, for as long as something comes.

    grpc.aio clients that are cut off while they write report an internal error of their own, and lose the status.
    """
    with suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(LONGEST_HEARING_S):
            while True:
                async with asyncio.timeout(HEARING_S):
                    await anext(gathered)


async def _gathered(
    requests: AsyncIterator[registry_pb2.UploadChunksRequest],
) -> Gathered:
    """Yield what has arrived, one chunk or more, without ever waiting for more than the first."""
    arrived: deque[registry_pb2.UploadChunksRequest] = deque()
    room = asyncio.Semaphore(MAX_WAITING_CHUNKS)
    changed = asyncio.Event()
    ended = False

    async def read() -> None:
        nonlocal ended
        try:
            async for request in requests:
                await room.acquire()
                arrived.append(request)
                changed.set()
        finally:
            ended = True
            changed.set()

    reader = asyncio.create_task(read())
    try:
        while arrived or not ended:
            await changed.wait()
            changed.clear()
            chunks = [arrived.popleft() for _ in range(len(arrived))]
            for _ in chunks:
                room.release()
            if chunks:
                yield chunks
        await reader
    finally:
        reader.cancel()
