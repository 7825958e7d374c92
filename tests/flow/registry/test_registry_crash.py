"""The registry as a process: killed at any moment and started again, nothing that it acknowledged is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from enrollment.core.sealing.receipt import verify_receipt
from enrollment.v1 import registry_pb2

if TYPE_CHECKING:
    from tests.flow.registry.conftest import Registry, Station, Tools

CHUNK = 64 * 1024
COMMAND = [sys.executable, "-m", "enrollment.registry.server", "serve", "--port", "0", "--log-level", "WARNING"]


class Daemon:
    """enroll-registryd as a process, which may be killed and started again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Returns the address when it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            *COMMAND, "--data", str(self._root), stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        ready = json.loads(await self._process.stdout.readline())
        assert ready["ready"] is True
        return str(ready["address"])

    async def end(self, number: signal.Signals) -> int:
        """Send a signal; returns the exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


@pytest.fixture
async def daemon(registry: Registry) -> AsyncIterator[Daemon]:
    """A second server over the registry's folder, as a process of its own."""
    daemon = Daemon(registry.folder.root)
    yield daemon
    await daemon.end(signal.SIGKILL)


async def test_a_kill_in_the_middle_of_an_upload_loses_no_acknowledged_byte(
    registry: Registry, station: Station, daemon: Daemon, tools: Tools
) -> None:
    package = station.package(size=6 * CHUNK)
    client = await registry.connect(station, await daemon.start())
    assert (await client.begin(package)).offset == 0
    call = client.stub.UploadChunks()
    pieces = tools.chunks(package)
    for piece in pieces[:3]:
        await call.write(piece)
    acknowledged = 0
    while acknowledged < 2 * CHUNK:
        answer = await call.read()
        assert isinstance(answer, registry_pb2.UploadChunksResponse)
        acknowledged = answer.offset
    assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
    (partial,) = registry.folder.uploads.iterdir()
    with partial.open("ab") as file:  # what an unsynchronised file may end with after a power cut
        file.write(os.urandom(1000))

    again = await registry.connect(station, await daemon.start())
    offset = (await again.begin(package)).offset
    assert acknowledged <= offset <= 3 * CHUNK
    assert await again.send(package, offset) == len(package.data)
    receipt = await again.finish(package)
    trusted = {registry.trust.receipt_key.key_id: registry.trust.receipt_key}
    assert verify_receipt(receipt, trusted, package.sha256).sequence == 1


async def test_a_kill_after_the_receipt_gives_the_same_receipt_again(
    registry: Registry, station: Station, daemon: Daemon
) -> None:
    package = station.package(size=1000)
    receipt = await (await registry.connect(station, await daemon.start())).upload(package)
    await daemon.end(signal.SIGKILL)
    again = await registry.connect(station, await daemon.start())
    assert (await again.begin(package)).receipt == receipt
    assert await again.finish(package) == receipt


async def test_lost_bytes_of_an_upload_are_asked_for_again(registry: Registry, station: Station, tools: Tools) -> None:
    package = station.package()
    client = await registry.connect(station)
    await client.begin(package)
    await client.send(package, 0, 2 * CHUNK)
    (partial,) = registry.folder.uploads.iterdir()
    os.truncate(partial, CHUNK)  # a disk that lied about having written
    assert (await client.begin(package)).offset == 0
    assert await client.upload(package)


async def test_an_object_from_before_a_crash_is_replaced(registry: Registry, station: Station) -> None:
    """A crash between writing the object and the ledger's row leaves both the object and the upload."""
    package = station.package()
    client = await registry.connect(station)
    await client.begin(package)
    await client.send(package)
    name = package.sha256.hex()
    (registry.folder.objects / name[:2]).mkdir()
    (registry.folder.objects / name[:2] / f"{name}.epkg").write_bytes(b"half of it")
    await client.finish(package)
    assert (registry.folder.objects / name[:2] / f"{name}.epkg").read_bytes() == package.data


async def test_files_without_an_upload_are_dropped_at_the_start(
    registry: Registry, station: Station, daemon: Daemon
) -> None:
    """A crash after the ledger's row, before the upload's file was removed."""
    package = station.package()
    client = await registry.connect(station)
    await client.begin(package)
    await client.send(package, 0, CHUNK)
    (kept,) = registry.folder.uploads.iterdir()
    (registry.folder.uploads / f"HN-07-{bytes(32).hex()}.part").write_bytes(b"left behind")
    await daemon.start()
    assert list(registry.folder.uploads.iterdir()) == [kept]


async def test_two_servers_on_one_database_make_one_row(registry: Registry, station: Station, daemon: Daemon) -> None:
    package = station.package()
    clients = [await registry.connect(station, address) for address in (registry.address, await daemon.start())]
    await clients[0].begin(package)
    await clients[1].send(package, 0, 2 * CHUNK)
    await clients[0].send(package, 2 * CHUNK)
    receipts = await asyncio.gather(*(client.finish(package) for client in clients))
    assert receipts[0] == receipts[1]
    assert registry.rows("SELECT count(*) FROM ledger") == [(1,)]


async def test_sigterm_ends_the_server_in_order(daemon: Daemon) -> None:
    await daemon.start()
    assert await daemon.end(signal.SIGTERM) == 0


async def test_a_port_that_is_taken_is_told(registry: Registry) -> None:
    port = registry.address.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--port", port, "--data", str(registry.folder.root), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith("  the address cannot be bound")
