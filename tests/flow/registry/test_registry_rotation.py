"""Keys are rotated and withdrawn while the registry serves: what it opens, until when, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import grpc

from enrollment.core.sealing.recipient_announcement import verify_announcement

if TYPE_CHECKING:
    from tests.flow.registry.conftest import Client, Registry, Station, Tools

INVALID = grpc.StatusCode.INVALID_ARGUMENT
AT_ONCE = ("--keep-days", "1e-9")


async def test_packages_for_the_old_key_and_the_new_one_are_taken_after_a_rotation(
    registry: Registry, station: Station, client: Client
) -> None:
    assert (await client.ledger()).recipient_announcement == b""
    pinned = registry.trust
    # By another process, as an administrator does it: the server learns of it from the database.
    command = [sys.executable, "-m", "enrollment.registry.server", "rotate-keys", "--data", str(registry.folder.root)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    told = verify_announcement((await client.ledger()).recipient_announcement, pinned.receipt_keys, pinned.registry_id)
    assert told.recipient == registry.trust.recipient != pinned.recipient
    first = station.package()
    assert (await client.begin(first, recipient_key_id=pinned.recipient.key_id)).offset == 0
    await client.upload(first)
    await client.upload(station.package(2, first.sha256, recipient=told.recipient))


async def test_a_key_that_was_withdrawn_or_ran_out_is_refused_before_the_bytes_and_after_them(
    registry: Registry, station: Station, client: Client, tools: Tools
) -> None:
    first, second = registry.trust.recipient, station.package()
    receipt = await client.upload(second)
    tools.invoke("rotate-keys", "--data", registry.folder.root, *AT_ONCE)
    ran_out = station.package(2, second.sha256, recipient=first)
    middle = registry.trust.recipient
    tools.invoke("rotate-keys", "--data", registry.folder.root)
    withdrawn = station.package(2, second.sha256, recipient=middle)
    assert (await client.begin(withdrawn, recipient_key_id=middle.key_id)).offset == 0
    tools.invoke("withdraw-key", "--data", registry.folder.root, "--key", middle.key_id.hex())
    for package, recipient in ((ran_out, first), (withdrawn, middle)):
        async with tools.refusal(INVALID, "WRONG_RECIPIENT", sealed_to=recipient.key_id.hex()):
            await client.begin(package, recipient_key_id=recipient.key_id)
        async with tools.refusal(INVALID, "WRONG_RECIPIENT"):
            await client.upload(package)  # by a station that does not tell what it is sealed to
    told = await client.begin(second, recipient_key_id=first.key_id)
    assert told.receipt == receipt, "what is in the ledger stays there"
    assert await client.upload(station.package(2, second.sha256, recipient=registry.trust.recipient))


async def test_what_keys_shows_is_what_the_registry_opens(registry: Registry, tools: Tools) -> None:
    data = ("--data", registry.folder.root)
    [only] = json.loads(tools.invoke("keys", *data, "--json"))["keys"]
    assert (only["key_id"], only["current"]) == (registry.trust.recipient.key_id.hex(), True)
    made = [json.loads(tools.invoke("rotate-keys", *data, "--json"))["current"] for _ in range(2)]
    tools.invoke("withdraw-key", *data, "--key", only["key_id"][:16])
    shown = json.loads(tools.invoke("keys", *data, "--json"))["keys"]
    assert [row["key_id"] for row in shown] == [only["key_id"], *made]
    assert [row["opens"] for row in shown] == [False, True, True]
    assert [row["current"] for row in shown] == [False, False, True]
    lines = tools.invoke("keys", *data).splitlines()
    assert [line.split(" ", 1)[1][:9] for line in lines] == ["opens not", "opens unt", "current, "]
