"""A station whose database was set back meets a registry that holds its dossiers already: each is received once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from enrollment.core.dossier.model import DossierState
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.registry.server import main as registryd
from enrollment.service.store.outbox_rows import PackageState
from enrollment.service.store.tables import AUDIT
from tests.flow.outbox.delivery_bench import PLAN, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def repeated(bench: Bench) -> list[dict[str, object]]:
    shown = CliRunner().invoke(registryd, ["ledger", "--data", str(bench.folder.root), "--json"])
    [station] = json.loads(shown.stdout)["stations"]
    found: list[dict[str, object]] = station["repeated"]
    return found


async def set_back_and_rejoin(bench: Bench, backup: Path, dossier_id: str) -> None:
    """To a copy from before the dossier was sealed; the registry must run."""
    bench.set_back(backup)
    if bench.store.dossiers.get(dossier_id).state is DossierState.OPEN:
        bench.store.dossiers.update_demographics(dossier_id, {"note": "corrected"}, operator_id="op")
        bench.store.dossiers.complete(dossier_id, operator_id="op")
    async with bench.delivering():
        refused = await bench.until(dossier_id, lambda package: package.state is PackageState.REFUSED)
    assert refused.problem == "STATION_SET_BACK"
    bench.store.outbox.rejoin(operator_id="boss")


async def test_dossiers_that_the_registry_held_before_take_their_first_receipts_and_what_is_behind_follows(
    bench: Bench, tmp_path: Path
) -> None:
    dossiers = [bench.complete(note=f"number {number}") for number in range(2)]
    backup = bench.copy(tmp_path / "backup.db")
    async with bench.registry():
        async with bench.delivering() as (sealer, _uploader):
            first = [await bench.until_acknowledged(dossier_id) for dossier_id in dossiers]
            lost_dossier = bench.complete()
            sealer.wake()
            lost = await bench.until_acknowledged(lost_dossier)
        await set_back_and_rejoin(bench, backup, dossiers[0])
        behind = bench.complete()
        async with bench.delivering():
            again = [await bench.until_acknowledged(dossier_id) for dossier_id in dossiers]
            last = await bench.until_acknowledged(behind)
            newest = bench.complete()
    assert [(each.package_id, each.sequence, each.sha256, each.size_bytes) for each in again] == [
        (each.package_id, each.sequence, each.sha256, each.size_bytes) for each in first
    ]
    for package in again:
        assert bench.store.dossiers.get(package.dossier_id).state is DossierState.ACKNOWLEDGED
        receipt = bench.store.outbox.receipt(package.package_id)
        assert verify_receipt(receipt, bench.trust.receipt_keys, package.sha256).sequence == package.sequence
    assert bench.at_registry() == [*((each.sequence, each.sha256) for each in (*first, lost)), (4, last.sha256)]
    assert repeated(bench) == []
    with bench.store.database.read() as connection:
        told = connection.execute(select(AUDIT.c.facts).where(AUDIT.c.action == "acknowledged")).scalars()
        assert [json.loads(facts).get("found", False) for facts in told] == [True, True, False]
    async with bench.registry(), bench.delivering():
        assert (await bench.until_acknowledged(newest)).sequence == 5


async def test_dossier_whose_content_is_another_now_is_received_too_and_both_ends_say_so(
    bench: Bench, tmp_path: Path
) -> None:
    dossier = bench.store.dossiers.create(PLAN, {"note": "first"}, request_id=str(UUID(int=1)), operator_id="op")
    backup = bench.copy(tmp_path / "backup.db")
    bench.store.dossiers.complete(dossier.dossier_id, operator_id="op")
    async with bench.registry():
        async with bench.delivering():
            await bench.until_acknowledged(dossier.dossier_id)
        await set_back_and_rejoin(bench, backup, dossier.dossier_id)
        async with bench.delivering():
            second = await bench.until_acknowledged(dossier.dossier_id)
    assert (second.sequence, second.problem) == (2, "DOSSIER_HELD_TWICE")
    assert repeated(bench) == [{"dossier_id": dossier.dossier_id, "sequences": [1, 2]}]
    shown = CliRunner().invoke(registryd, ["ledger", "--data", str(bench.folder.root)]).output
    assert f"dossier {dossier.dossier_id} came more than once, numbers 1, 2" in shown
