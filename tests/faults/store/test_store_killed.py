"""A process that is killed at any moment: what it was told is on disk is there, and nothing is there twice."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from enrollment.core.dossier.model import DossierState
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.store import Store

WORKER = Path(__file__).with_name("worker_that_is_killed.py")
KILLS = 10
ORDER = [DossierState.OPEN, DossierState.COMPLETE, DossierState.SEALED, DossierState.ACKNOWLEDGED]
SAID = {"opened": DossierState.OPEN, "completed": DossierState.COMPLETE, "sealed": DossierState.SEALED,
        "acknowledged": DossierState.ACKNOWLEDGED}  # fmt: skip


def told_until_killed(folder: Path, lines: int) -> list[list[str]]:
    """Run the worker, kill it after so many lines and a moment, and return all that it had said."""
    with subprocess.Popen([sys.executable, WORKER, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(lines)]
        process.kill()
        said += [line.split() for line in process.stdout if line.endswith("\n")]
    return [words for words in said if words]


def test_everything_acknowledged_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    chance = random.Random(20261123)  # noqa: S311 - which moment, not a secret
    keys = SoftwareKeys.create(tmp_path / "keys", "T")
    said: list[list[str]] = []
    for _ in range(KILLS):
        told = told_until_killed(tmp_path, chance.randrange(1, 25))
        assert told, "the worker said nothing"
        said += told
        store = Store.open(tmp_path / "station.db", SystemClock(), keys)
        check(store, said)
        store.close()


def check(store: Store, said: list[list[str]]) -> None:
    least: dict[str, DossierState] = {}
    captured: defaultdict[str, set[int]] = defaultdict(set)
    for words in said:
        if words[0] == "captured":
            captured[words[1]].add(int(words[2]))
        else:
            least[words[1]] = SAID[words[0]]
    for dossier_id, state in least.items():
        dossier = store.dossiers.get(dossier_id)
        assert ORDER.index(dossier.state) >= ORDER.index(state)
        found = {capture.position for capture in dossier.captures}
        assert captured[dossier_id] <= found
        for capture in dossier.captures:
            for part in capture.parts:
                assert len(store.dossiers.read_part(dossier_id, part.name)) == part.length
        package = store.outbox.for_dossier(dossier_id)
        assert (package is not None) == (dossier.state in (DossierState.SEALED, DossierState.ACKNOWLEDGED))
    ledger = store.outbox.ledger()
    numbers = [package.sequence for package in store.outbox.list(None, 500, "").packages]
    assert numbers == list(range(ledger.last_sequence, 0, -1)), "the chain has a gap or a number twice"
    assert store.audit.verify() >= len(said)
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
