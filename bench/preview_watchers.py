"""Clients that look at a preview, as processes of their own: so that what they cost is not the measuring process's."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import click
import grpc.aio

from bench.station import BenchStation
from enrollment.v1 import capture_pb2, capture_pb2_grpc

START_TIMEOUT_S = 60.0
# Each client a connection of its own, as different programs have: gRPC would share one among equal channels.
CHANNEL = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 16 * 1024 * 1024))


@dataclass(frozen=True, slots=True)
class Looking:
    """What one process of clients does. reads: False for clients that take one picture and then none."""

    clients: int
    reads: bool
    request: bytes  # a WatchPreviewRequest


class Watchers:
    """A process of clients that look, until it is stopped."""

    def __init__(self, station: BenchStation, looking: Looking) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        arguments = (str(station.socket), station.token, looking, there)
        self._process = context.Process(target=_look, args=arguments, daemon=True)
        self._process.start()
        there.close()

    def started(self) -> None:
        """Return when every client has had a picture."""
        if not self._pipe.poll(START_TIMEOUT_S):
            raise click.ClickException("the clients had no picture in time")
        self._hear()

    def restart_count(self) -> None:
        """Count pictures from now on."""
        self._pipe.send("count")
        self._hear()

    def pictures_a_second(self) -> list[float]:
        """Of each client, since they have been counted."""
        self._pipe.send("rates")
        rates: list[float] = self._hear()
        return rates

    def stop(self) -> None:
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def _hear(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError as error:
            raise click.ClickException("the clients ended") from error


@contextmanager
def watchers(station: BenchStation, *groups: Looking) -> Iterator[list[Watchers]]:
    """Let groups of clients look for as long as the block runs; all have had a picture when it begins."""
    running = [Watchers(station, group) for group in groups]
    try:
        for group in running:
            group.started()
        yield running
    finally:
        for group in running:
            group.stop()


def _look(socket: str, token: str, looking: Looking, pipe: Connection) -> None:
    asyncio.run(_look_until_told(socket, token, looking, pipe))


async def _look_until_told(socket: str, token: str, looking: Looking, pipe: Connection) -> None:
    counts = [0] * looking.clients
    request = capture_pb2.WatchPreviewRequest.FromString(looking.request)
    metadata = (("authorization", f"Bearer {token}"),)

    async def read(client: int, call: Any) -> None:
        while await call.read() is not grpc.aio.EOF:
            counts[client] += 1

    async with AsyncExitStack() as stack:
        calls: list[Any] = []
        for _ in range(looking.clients):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"unix:{socket}", options=CHANNEL))
            calls.append(capture_pb2_grpc.CaptureServiceStub(channel).WatchPreview(request, metadata=metadata))
        for call in calls:
            await call.read()
        pipe.send(None)
        readers = [asyncio.create_task(read(number, call)) for number, call in enumerate(calls) if looking.reads]
        began_s = time.monotonic()
        while (said := await asyncio.to_thread(_said, pipe)) is not None:
            for reader in readers:
                if reader.done():
                    reader.result()
                    raise click.ClickException("a preview ended")
            seconds = time.monotonic() - began_s
            pipe.send([count / seconds for count in counts])
            if said == "count":
                counts[:], began_s = [0] * looking.clients, time.monotonic()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        for call in calls:
            call.cancel()


def _said(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return None
