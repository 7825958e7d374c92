"""Does each act of the ledger of cards in a forked child that kills itself before its n-th statement, or its commit.

Prints one JSON object an act: how many kills there were, and after how many of them the file was as before the act, as
after it, or between.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event

from enrollment.core.dossier.card_batch import CardArrival
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.core.dossier.plan import Plan, PlannedField
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store

PLAN: Final = Plan("killed", 1, "", "", fields=(PlannedField("name", "", ""),), card_profile="vn-cccd")
TABLES: Final = ("cards", "card_events", "card_batches", "card_batch_rows", "audit")
MOST_STATEMENTS: Final = 40
Act = Callable[[Store], object]


class StillClock:
    """So that the same act writes the same bytes."""

    def now(self) -> datetime:
        return datetime(2026, 11, 28, 8, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


def new(store: Store, name: str) -> str:
    return store.dossiers.create(PLAN, {}, request_id=name, operator_id="op").dossier_id


def seal(store: Store, dossier_id: str) -> str:
    store.dossiers.complete(dossier_id, operator_id="op")
    package_id, link = f"p-{dossier_id}", store.outbox.next_link()
    store.outbox.add(NewPackage(package_id, dossier_id, link, package_id.encode()[-32:], b"content"))
    return package_id


def sent(store: Store, name: str, card_id: str = "") -> str:
    dossier_id = new(store, name)
    store.outbox.acknowledge(seal(store, dossier_id), b"receipt", StillClock().now())
    if card_id:
        store.cards.personalised(dossier_id, card_id, operator_id="op")
    return dossier_id


def hand_over(store: Store, card_id: str) -> None:
    store.cards.hand_over(card_id, replace(store.cards.act("op", request_id="h" + card_id), receipt=b"signed"))


def prepare(store: Store) -> dict[str, Act]:
    """Cards of every state, and one act for each write of the ledger."""
    opened, queued, waiting = new(store, "a"), seal(store, new(store, "b")), sent(store, "c")
    made, gone, given = sent(store, "d", "D1"), sent(store, "e", "E1"), sent(store, "f", "F1")
    store.cards.retire("E1", CardState.DESTROYED, operator_id="s", reason="torn", supervisor=True, request_id="e")
    hand_over(store, "F1")
    void = replace(store.cards.act("sup", "wrong", request_id="u"), receipt=b"void")
    rows = [CardArrival("C1", waiting), CardArrival("D1", made), CardArrival("E2", gone), CardArrival("F1", given)]
    return {
        "complete": lambda store: store.dossiers.complete(opened, operator_id="op"),
        "acknowledge": lambda store: store.outbox.acknowledge(queued, b"receipt", StillClock().now()),
        "personalised": lambda store: store.cards.personalised(waiting, "C1", operator_id="op"),
        "spoiled": lambda store: store.cards.spoiled(made, "D1", operator_id="op", reason="dead"),
        "import": lambda store: store.card_batches.carry_out("b1", rows, operator_id="op"),
        "compared": lambda store: store.cards.comparison_failed("D1", 2, operator_id="op"),
        "hand-over": lambda store: hand_over(store, "D1"),
        "undo": lambda store: store.cards.undo("F1", b"signed", void),
        "return": lambda store: store.cards.retire(
            "D1", CardState.RETURNED, operator_id="op", reason="moved", supervisor=False, request_id="r"
        ),
    }


def kill_at(store: Store, moment: int) -> None:
    """SIGKILL before the statement, or the commit, of this number."""
    count = 0

    def step(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    engine: Any = store.database._engine
    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "commit", step)


def contents(path: Path, keys: SoftwareKeys) -> list[Any]:
    store = Store.open(path, StillClock(), keys)
    with store.database.read() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA integrity_check").scalar_one() == "ok"
        found = [ask("select dossier_id, state from dossiers").all(), ask("select state, receipt from packages").all()]
        found += [ask(f"select * from {table}").all() for table in TABLES]  # noqa: S608 - our own names
    store.audit.verify()
    assert store.cards.totals().unaccounted == 0
    store.close()
    return found


def kills(base: Path, keys: SoftwareKeys, act: Act) -> Iterator[str]:
    """Where the file was after each kill; the last one comes when the act has just told that it is done."""
    before, told = contents(base, keys), base.with_name("told")
    done = copied(base)
    store = Store.open(done, StillClock(), keys)
    act(store)
    store.close()
    after = contents(done, keys)
    assert before != after
    for moment in range(1, MOST_STATEMENTS):
        path = copied(base)
        child = os.fork()
        if child == 0:
            store = Store.open(path, StillClock(), keys)
            kill_at(store, moment)
            act(store)
            told.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the act failed"
        found = contents(path, keys)
        yield "before" if found == before else "after" if found == after else "between"
        if told.exists():
            told.unlink()
            assert found == after, "it was told, and is not there"
            return
    raise AssertionError("the act has more statements than were tried")


def copied(base: Path) -> Path:
    for old in base.parent.glob("copy.db*"):
        old.unlink()
    return Path(shutil.copy(base, base.with_name("copy.db")))


def main(folder: Path) -> None:
    keys = SoftwareKeys.create(folder / "keys", "T")
    base = folder / "base.db"
    store = Store.open(base, StillClock(), keys)
    acts = prepare(store)
    store.close()
    for name, act in acts.items():
        found = list(kills(base, keys, act))
        counts = {where: found.count(where) for where in ("before", "after", "between")}
        print(json.dumps({"act": name, "kills": len(found), **counts}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
