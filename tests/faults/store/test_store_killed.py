"""A process that is killed at any moment: what it was told is on disk is there, and nothing is there twice."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from enrollment.core.dossier.model import Dossier, DossierState
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.errors import PartPurged
from enrollment.service.store.store import Store

WORKER = Path(__file__).with_name("worker_that_is_killed.py")
KILLS = 30
LONGEST_STEP_S = 0.03  # a kill comes at any moment of the step that is under way
WAY = [
    DossierState.OPEN,
    DossierState.COMPLETE,
    DossierState.SEALED,
    DossierState.ACKNOWLEDGED,
    DossierState.PURGED,
]
SAID = {
    "opened": DossierState.OPEN,
    "completed": DossierState.COMPLETE,
    "sealed": DossierState.SEALED,
    "acknowledged": DossierState.ACKNOWLEDGED,
    "purged": DossierState.PURGED,
    "abandoned": DossierState.ABANDONED,
}
WITH_PACKAGE = {DossierState.SEALED, DossierState.ACKNOWLEDGED, DossierState.PURGED}
ERASED = {DossierState.PURGED, DossierState.ABANDONED}


class Told:
    """What the store acknowledged, over all kills."""

    def __init__(self) -> None:
        self.state: dict[str, DossierState] = {}
        self.captured: defaultdict[str, set[int | None]] = defaultdict(set)
        self.name: dict[str, str] = {}
        self.wrapped_key: dict[str, bytes] = {}

    def hear(self, words: list[str]) -> None:
        what, dossier_id, *more = words
        if what == "captured":
            self.captured[dossier_id].add(int(more[0]))
        elif what == "named":
            self.name[dossier_id] = more[0]
        else:
            self.state[dossier_id] = SAID[what]
        if what == "opened":
            self.wrapped_key[dossier_id] = bytes.fromhex(more[0])


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    SoftwareKeys.create(tmp_path / "keys", "T")
    command = [sys.executable, str(WORKER), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def run_and_kill(worker: subprocess.Popen[str], first: int, lines: int, then_s: float) -> Iterator[list[str]]:
    """Let a child work until it has said so many things, kill it a moment later, and give all that it said."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{first}\n")
    worker.stdin.flush()
    what, pid = worker.stdout.readline().split()
    assert what == "pid"
    try:
        for _ in range(lines):
            yield worker.stdout.readline().split()
        time.sleep(then_s)  # not to wait for anything: to kill at any moment
    finally:  # also where what it said is refused: it would go on for ever
        os.kill(int(pid), signal.SIGKILL)
    while (words := worker.stdout.readline().split()) != ["ended"]:
        yield words


def test_everything_acknowledged_before_a_kill_is_there_afterwards(
    tmp_path: Path, worker: subprocess.Popen[str]
) -> None:
    chance = random.Random(20261123)  # noqa: S311 - which moments, not a secret
    keys = SoftwareKeys.load(tmp_path / "keys")
    told = Told()
    for number in range(KILLS):
        for words in run_and_kill(worker, number, chance.randrange(0, 14), chance.uniform(0, LONGEST_STEP_S)):
            told.hear(words)
        store = Store.open(tmp_path / "station.db", SystemClock(), keys)
        require_what_was_told(store, told)
        store.close()
    assert {*told.state.values()} >= {DossierState.ACKNOWLEDGED, *ERASED}, "the kills came too early to show anything"


def require_what_was_told(store: Store, told: Told) -> None:
    log = store.database.path.with_name("station.db-wal")
    on_disk = store.database.path.read_bytes() + log.read_bytes()
    for dossier_id, state in told.state.items():
        dossier = store.dossiers.get(dossier_id)
        if dossier.state is not DossierState.ABANDONED:
            assert WAY.index(dossier.state) >= WAY.index(state)
        assert told.captured[dossier_id] <= {capture.position for capture in dossier.captures}
        if dossier.state in ERASED:
            assert told.wrapped_key[dossier_id] not in on_disk, "erased, and its key is still in the file"
        else:
            assert dossier.demographics.get("name", "") >= told.name.get(dossier_id, "")
        require_parts(store, dossier)
        assert (store.outbox.for_dossier(dossier_id) is not None) == (dossier.state in WITH_PACKAGE)
    require_chain(store)
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def require_parts(store: Store, dossier: Dossier) -> None:
    for part in (part for capture in dossier.captures for part in capture.parts):
        if dossier.state in ERASED:
            with pytest.raises(PartPurged):
                store.dossiers.read_part(dossier.dossier_id, part.name)
        else:
            content = store.dossiers.read_part(dossier.dossier_id, part.name)
            assert hashlib.sha256(content).digest() == part.sha256


def require_chain(store: Store) -> None:
    packages = store.outbox.list(None, 500, "").packages
    numbers = [package.sequence for package in packages]
    assert numbers == list(range(len(numbers), 0, -1)), "the chain has a gap, or a number twice"
    assert len({package.dossier_id for package in packages}) == len(packages), "a dossier has two packages"
    store.audit.verify()
