"""Steps that tests of captures take again and again on a running station."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from enrollment.v1 import capture_pb2
from tests.flow.running_station import Client, Hands, InProcess

SOON_S: Final = 20.0  # a limit against hanging: whatever is waited for would otherwise take a minute or more


async def captured_positions(client: Client, dossier_id: str) -> list[int]:
    """What a dossier holds."""
    return [capture.position for capture in (await client.dossier(dossier_id)).captures]


async def a_capture_works(client: Client, hands: Hands, dossier_id: str, lease: capture_pb2.LeaseReference) -> None:
    """The right thumb is captured, in place of one that may be there."""
    async with asyncio.timeout(2 * SOON_S):
        events = await hands.follow(client.capture_finger(dossier_id, lease, 1, replace=True), finger=1)
    assert events[-1][0] in ("accepted", "exhausted")
    assert 1 in await captured_positions(client, dossier_id)


async def read_until(call: Any, *names: str, within_s: float = SOON_S) -> Any:
    """The first event of one of these names."""
    async with asyncio.timeout(within_s):
        while (answer := await call.read()) is not grpc.aio.EOF:
            if (name := answer.WhichOneof("event")) in names:
                return getattr(answer, name)
    raise AssertionError(f"the capture ended before {names}")


@contextlib.asynccontextmanager
async def locked_database(here: InProcess) -> AsyncIterator[None]:
    """Another process writes into the station's database while this lasts."""
    with contextlib.closing(sqlite3.connect(here.folder.folder / "station.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("COMMIT")
