"""The registry's recipient key is rotated while packages wait: what was sealed before arrives, or is sealed anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment.core.sealing.container import split_package
from enrollment.core.sealing.public_keys import decode_registry_trust, encode_registry_trust
from enrollment.core.sealing.verify import open_package
from enrollment.registry import recipients
from enrollment.registry.keys import SoftwareRecipientKey
from enrollment.registry.server import main as registryd
from enrollment.registry.serving import load_registry
from enrollment.registry.tables import open_database
from enrollment.service.outbox.errors import RegistryNonsense
from enrollment.service.outbox.known_registry import KnownRegistry
from enrollment.service.store.outbox_rows import PackageState
from enrollment.service.store.tables import AUDIT
from tests.flow.outbox.delivery_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def command(bench: Bench, name: str, *arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(registryd, [name, "--data", str(bench.folder.root), "--json", *arguments])
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def sealed_to(bench: Bench, dossier_id: str) -> bytes:
    package = bench.store.outbox.for_dossier(dossier_id)
    assert package is not None
    return split_package(bench.store.outbox.read(package.package_id))[1]


async def waiting(bench: Bench, number: int) -> list[str]:
    """Dossiers whose packages wait, sealed while the registry was away."""
    dossiers = [bench.complete() for _ in range(number)]
    async with bench.delivering():
        for dossier_id in dossiers:
            await bench.until(dossier_id, lambda package: True)
    return dossiers


async def test_what_was_sealed_before_a_rotation_arrives_and_what_comes_after_is_sealed_to_the_new_key(
    bench: Bench,
) -> None:
    old = bench.trust.recipient.key_id
    early = await waiting(bench, 2)
    async with bench.registry():
        new = command(bench, "rotate-keys")["current"]  # while it serves
        async with bench.delivering() as (sealer, _uploader):
            for dossier_id in early:
                await bench.until_acknowledged(dossier_id)
            late = bench.complete()
            sealer.wake()
            await bench.until_acknowledged(late)
        assert [sealed_to(bench, dossier_id) for dossier_id in early] == [old, old]
        assert sealed_to(bench, late).hex() == new
    assert [number for number, _ in bench.at_registry()] == [1, 2, 3]
    [offline] = await waiting(bench, 1)
    assert sealed_to(bench, offline).hex() == new, "what was learnt outlives the daemon"
    trust, _ = load_registry(bench.folder)
    assert trust.recipient.key_id.hex() == new, "new stations pin the new key"


async def test_a_key_that_was_withdrawn_has_what_waits_sealed_anew_in_the_same_places(bench: Bench) -> None:
    async with bench.registry(), bench.delivering():
        first = await bench.until_acknowledged(bench.complete())
    dossiers = [bench.complete(note=f"number {number}") for number in range(3)]
    async with bench.delivering():
        before = [await bench.until(dossier_id, lambda package: True) for dossier_id in dossiers]
    new = command(bench, "rotate-keys")["current"]
    assert command(bench, "withdraw-key", "--key", bench.trust.recipient.key_id.hex()[:12])["opens"] is False
    async with bench.registry(), bench.delivering():
        done = [await bench.until_acknowledged(dossier_id) for dossier_id in dossiers]
    assert [package.sequence for package in done] == [2, 3, 4]
    assert bench.at_registry() == [(1, first.sha256), *((package.sequence, package.sha256) for package in done)]
    assert not {package.sha256 for package in done} & {package.sha256 for package in before}
    _, keys = load_registry(bench.folder)
    assert keys.recipient.key_id.hex() == new
    verifying = {bench.keys.key_id: bench.keys.verifying_key}
    for dossier_id, package in zip(dossiers, done, strict=True):
        opened = open_package(
            bench.store.outbox.read(package.package_id), {keys.recipient.key_id: keys.recipient}, verifying
        )
        assert str(opened.manifest.dossier_id) == dossier_id
    with bench.store.database.read() as connection:
        actions = list(connection.execute(select(AUDIT.c.action).where(AUDIT.c.action == "unsealed")).scalars())
    assert actions == ["unsealed"], "once for all of them"


async def test_keys_that_were_replaced_by_hand_hold_the_queue_until_the_new_trust_file_is_pinned(
    bench: Bench,
) -> None:
    """As with a registry that announces nothing: refused, kept, and sealed anew for who copies the new trust file."""
    first, second = await waiting(bench, 2)
    for name in ("recipient-ml-kem-768.pem", "recipient-x25519.pem"):
        (bench.folder.keys / name).unlink()
    new = SoftwareRecipientKey.generate()
    new.save(bench.folder.keys)
    bench.folder.trust_file.write_bytes(encode_registry_trust(replace(bench.trust, recipient=new.public_key)))
    async with bench.registry():
        async with bench.delivering():
            refused = await bench.until(first, lambda package: package.state is PackageState.REFUSED)
            await bench.until(second, lambda package: package.problem == "PREDECESSOR_REFUSED")
        assert refused.problem == "WRONG_RECIPIENT"
        assert bench.at_registry() == []
        bench.trust = decode_registry_trust(bench.folder.trust_file.read_bytes())
        bench.store.outbox.retry(refused.package_id, operator_id="boss")
        async with bench.delivering():
            done = [await bench.until_acknowledged(dossier_id) for dossier_id in (first, second)]
    assert [package.sequence for package in done] == [1, 2]
    assert sealed_to(bench, first) == new.key_id


async def test_registry_that_lost_a_rotation_with_its_backup_is_served_after_another_one(
    bench: Bench, tmp_path: Path
) -> None:
    shutil.copytree(bench.folder.root, tmp_path / "backup")
    command(bench, "rotate-keys")
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(bench.complete())
    [lost] = await waiting(bench, 1)
    shutil.rmtree(bench.folder.root)
    shutil.copytree(tmp_path / "backup", bench.folder.root)
    later = command(bench, "rotate-keys")["current"]
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(lost)
    assert sealed_to(bench, lost).hex() == later
    assert [number for number, _ in bench.at_registry()] == [1, 2]


def test_announcement_that_is_older_or_does_not_hold_is_not_taken(bench: Bench) -> None:
    known = KnownRegistry(bench.trust, bench.store.settings)
    command(bench, "rotate-keys")
    older = announced(bench)
    command(bench, "rotate-keys")
    newer = announced(bench)
    known.learn(newer)
    taken = known.recipient
    known.learn(older)
    for forged in (newer[:-1], newer[:-1] + bytes((newer[-1] ^ 1,)), b"x"):
        with pytest.raises(RegistryNonsense):
            known.learn(forged)
    known.learn(b"")
    assert known.recipient == taken
    assert KnownRegistry(bench.trust, bench.store.settings).recipient == taken
    assert taken != bench.trust.recipient


def test_station_that_pins_another_registry_forgets_what_the_first_one_announced(bench: Bench, tmp_path: Path) -> None:
    command(bench, "rotate-keys")
    known = KnownRegistry(bench.trust, bench.store.settings)
    known.learn(announced(bench))
    assert known.recipient != bench.trust.recipient
    other = Bench(tmp_path / "other")
    try:
        assert KnownRegistry(other.trust, bench.store.settings).recipient == other.trust.recipient
    finally:
        other.close()


def announced(bench: Bench) -> bytes:
    """What the registry tells now."""
    engine = open_database(bench.folder.default_database)
    with Session(engine) as session:
        found = recipients.announcement(session)
    engine.dispose()
    return found
