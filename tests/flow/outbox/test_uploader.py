"""Sealer and uploader against the real registry over mutual TLS: in order, once, resumed, held up by a refusal."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Iterator
from pathlib import Path

import cbor2
import pytest
from sqlalchemy import text

from enrollment.core.dossier.model import DossierState
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.core.sealing.verify import open_package
from enrollment.registry.serving import load_registry
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.outbox.events import OutboxEvents
from enrollment.service.store.errors import ChainSound
from enrollment.service.store.outbox_rows import PackageState
from tests.flow.outbox.delivery_bench import BIG_PLAN, OUTBOX, STATION_ID, Bench, Cutter


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


async def test_dossiers_completed_before_and_after_the_start_arrive_once_and_in_order(bench: Bench) -> None:
    early = [bench.complete() for _ in range(2)]
    async with bench.registry(), bench.delivering() as (sealer, _uploader):
        late = bench.complete()
        sealer.wake()
        packages = [await bench.until_acknowledged(dossier_id) for dossier_id in (*early, late)]
    assert [package.sequence for package in packages] == [1, 2, 3]
    assert bench.at_registry() == [(package.sequence, package.sha256) for package in packages]
    key = bench.trust.receipt_key
    for package in packages:
        held = verify_receipt(bench.store.outbox.receipt(package.package_id), {key.key_id: key}, package.sha256)
        assert (held.sequence, held.station_id) == (package.sequence, STATION_ID)
        assert bench.store.dossiers.get(package.dossier_id).state is DossierState.ACKNOWLEDGED
    offset = bench.store.settings.get("clock_offset_ms")
    assert offset is not None
    assert abs(int(offset)) <= 500 * OUTBOX.call_timeout_s, "both ends have the same clock: half of the round trip"


async def test_package_opens_at_the_registry_with_what_the_station_stored(bench: Bench) -> None:
    dossier_id = bench.complete(note="Nguyễn")
    async with bench.registry(), bench.delivering():
        package = await bench.until_acknowledged(dossier_id)
    _, keys = load_registry(bench.folder)
    verifying = bench.keys.verifying_key
    opened = open_package(
        bench.store.outbox.read(package.package_id),
        {keys.recipient.key_id: keys.recipient},
        {verifying.key_id: verifying},
    )
    assert cbor2.loads(opened.parts["demographics.cbor"].content) == {"note": "Nguyễn"}
    assert opened.manifest.operators == ("op",)


async def test_registry_away_at_the_start_is_told_and_the_package_goes_when_it_is_back(bench: Bench) -> None:
    dossier_id = bench.complete()
    async with bench.delivering():
        waiting = await bench.until(dossier_id, lambda package: package.attempts >= 2 and bool(package.problem))
        assert (waiting.problem, waiting.state is PackageState.ACKNOWLEDGED) == ("REGISTRY_UNREACHABLE", False)
        async with bench.registry():
            done = await bench.until_acknowledged(dossier_id)
    assert done.problem == ""
    assert len(bench.at_registry()) == 1


async def test_upload_cut_in_the_middle_goes_on_where_the_registrys_disk_stopped(bench: Bench) -> None:
    fields = {f"note_{number}": "ộ" * 1000 for number in range(64)}  # about 200 kB
    dossier_id = bench.complete(BIG_PLAN, **fields)
    cutter = Cutter(bench.port, bench.stored_bytes, cut_after=90_000, cuts=2)
    async with bench.registry(), cutter.serving() as port, bench.delivering(port):
        package = await bench.until_acknowledged(dossier_id)
    assert cutter.made == 2, "the proxy must have cut"
    assert cutter.passed < 1.5 * package.size_bytes, "it must go on where it was, not begin again"
    assert package.size_bytes > 190_000
    assert bench.at_registry() == [(1, package.sha256)]
    assert package.attempts >= 3


async def test_upload_whose_begun_part_went_bad_at_the_registry_is_sent_again_from_the_start(bench: Bench) -> None:
    fields = {f"note_{number}": "ộ" * 1000 for number in range(64)}
    dossier_id = bench.complete(BIG_PLAN, **fields)
    cutter = Cutter(bench.port, bench.stored_bytes, cut_after=90_000, cuts=1)
    async with bench.registry(), cutter.serving() as port, bench.delivering(port):
        await bench.until(dossier_id, lambda package: bool(package.problem))
    [part] = bench.folder.uploads.glob("*.part")
    with part.open("r+b") as file:  # as a disk or a backup that was put back does
        file.write(bytes(1000))
    async with bench.registry(), bench.delivering():
        package = await bench.until_acknowledged(dossier_id)
    assert bench.at_registry() == [(1, package.sha256)]


async def test_registry_killed_after_it_stored_and_before_it_answered_gives_the_same_receipt(bench: Bench) -> None:
    dossier_id = bench.complete()
    async with bench.registry(), bench.delivering():
        first = await bench.until_acknowledged(dossier_id)
    receipt = bench.store.outbox.receipt(first.package_id)
    with bench.store.database.write() as connection:  # the answer never arrived
        connection.execute(text("update packages set state='queued', receipt=null, received_at=null, sent_bytes=0"))
        connection.execute(text("update dossiers set state='sealed'"))
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(dossier_id)
    assert bench.store.outbox.receipt(first.package_id) == receipt
    assert len(bench.at_registry()) == 1


async def test_refused_package_stays_says_why_and_holds_the_next_until_a_retry(bench: Bench) -> None:
    bench.keys = SoftwareKeys.create(bench.root / "new-keys", STATION_ID)  # made new, and not enrolled yet
    first, second = bench.complete(), bench.complete()
    async with bench.registry(), bench.delivering() as (_sealer, uploader):
        refused = await bench.until(first, lambda package: package.state is PackageState.REFUSED)
        assert refused.problem == "UNKNOWN_SIGNER"
        waiting = await bench.until(second, lambda package: package.problem == "PREDECESSOR_REFUSED")
        assert waiting.state is PackageState.QUEUED
        assert bench.store.dossiers.get(first).captures == ()
        assert bench.store.outbox.read(refused.package_id), "nothing may be deleted"
        bench.enroll(bench.keys)
        bench.store.outbox.retry(refused.package_id, operator_id="boss")
        uploader.wake()
        done = [await bench.until_acknowledged(dossier_id) for dossier_id in (first, second)]
    assert [package.sequence for package in done] == [1, 2]


async def test_database_that_was_set_back_is_told_refuses_and_goes_on_after_the_registrys_last_number(
    bench: Bench, tmp_path: Path
) -> None:
    sealed = bench.complete()
    async with bench.delivering():
        await bench.until(sealed, lambda package: bool(package.problem))  # the registry is away
    backup = bench.copy(tmp_path / "backup.db")
    async with bench.registry():
        async with bench.delivering() as (sealer, _uploader):
            first = await bench.until_acknowledged(sealed)
            lost_dossier = bench.complete()
            sealer.wake()
            lost = await bench.until_acknowledged(lost_dossier)
        bench.set_back(backup)
        again = bench.complete()
        async with bench.delivering() as (sealer, _uploader):
            assert (await bench.until_acknowledged(sealed)).sha256 == first.sha256
            refused = await bench.until(again, lambda package: package.state is PackageState.REFUSED)
            behind = bench.complete()
            sealer.wake()
            await bench.until(behind, lambda package: package.problem == "PREDECESSOR_REFUSED")
        assert (refused.sequence, refused.problem) == (2, "STATION_SET_BACK")
        assert bench.at_registry() == [(1, first.sha256), (2, lost.sha256)]
        assert bench.store.outbox.rejoin(operator_id="boss") == 2
        async with bench.delivering():
            done = [await bench.until_acknowledged(dossier_id) for dossier_id in (again, behind)]
    assert [package.sequence for package in done] == [3, 4]
    assert [number for number, _ in bench.at_registry()] == [1, 2, 3, 4]
    with pytest.raises(ChainSound):
        bench.store.outbox.rejoin(operator_id="boss")


async def test_registry_that_was_set_back_gets_again_what_it_has_lost(bench: Bench, tmp_path: Path) -> None:
    async with bench.registry(), bench.delivering():
        await bench.until_acknowledged(bench.complete())
    shutil.copytree(bench.folder.root, tmp_path / "backup")
    async with bench.registry(), bench.delivering() as (sealer, _uploader):
        later = [bench.complete() for _ in range(2)]
        sealer.wake()
        for dossier_id in later:
            await bench.until_acknowledged(dossier_id)
    had = bench.at_registry()
    shutil.rmtree(bench.folder.root)
    shutil.copytree(tmp_path / "backup", bench.folder.root)
    assert len(bench.at_registry()) == 1
    newest = bench.complete()
    async with bench.registry(), bench.delivering():
        package = await bench.until_acknowledged(newest)
    assert bench.at_registry() == [*had, (4, package.sha256)]


async def test_registry_that_lost_what_is_purged_here_keeps_the_queue_waiting_and_says_so(
    bench: Bench, tmp_path: Path
) -> None:
    shutil.copytree(bench.folder.root, tmp_path / "backup")
    async with bench.registry(), bench.delivering():
        first = await bench.until_acknowledged(bench.complete())
    bench.store.dossiers.purge(first.dossier_id, operator_id="boss")
    shutil.rmtree(bench.folder.root)
    shutil.copytree(tmp_path / "backup", bench.folder.root)
    newest = bench.complete()
    async with bench.registry(), bench.delivering():
        waiting = await bench.until(newest, lambda package: package.problem == "REGISTRY_SET_BACK")
    assert waiting.state is not PackageState.REFUSED
    assert "number 1" in waiting.problem_text


async def test_events_collapse_and_forget_readers_that_left() -> None:
    events = OutboxEvents()
    changes = events.changes("d")
    await anext(changes)
    waiting: Awaitable[None] = asyncio.ensure_future(anext(changes))
    for _ in range(5):
        events.changed("d")
    await waiting
    assert not events._waiting["d"].copy().pop().is_set(), "five changes are one"
    await changes.aclose()
    assert "d" not in events._waiting
