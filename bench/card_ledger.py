"""What does the ledger of cards cost at a district's size? A list of 100,000 cards that arrives, and questions to it.

`python -m bench.card_ledger`. The list is carried out beside what no ledger can be quicker than: its rows written into
one bare table of the same file by the driver alone, with the same durability. While it is carried out, a capture's kind
of write is tried every few milliseconds: how long the longest waited is how long the counter stands still. Questions
stand beside an empty read of the same database. Prints tables, writes JSON with --json.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import click
import uuid_utils
from rich.table import Table

from bench.console import bench_console
from enrollment.core.dossier.card_batch import CardArrival, RowOutcome, batch_digest
from enrollment.core.dossier.card_lifecycle import CardState
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.store import Store

REPEATS: Final = 15
TRY_EVERY_S: Final = 0.005
PAGE: Final = 500


def filled(store: Store, cards: int) -> list[CardArrival]:
    """So many dossiers whose card the centre has yet to send, and the list that it will send."""
    ids = [str(uuid_utils.uuid7()) for _ in range(cards)]
    numbers = range(1, cards + 1)
    with store.database.write() as connection:
        run = connection.exec_driver_sql
        run(
            "insert into dossiers (dossier_id, request_id, state, plan, operator_id, created_at, completed_at,"
            " request_digest, card_profile) values (?, ?, 'acknowledged', '{}', 'op', 0, 0, x'00', 'vn-cccd')",
            [(dossier_id, dossier_id) for dossier_id in ids],
        )
        run(
            "insert into cards (entry, dossier_id, profile, state, place, since, stands, last_event)"
            " values (?, ?, 'vn-cccd', 'sent', 'centre', 0, 1, ?)",
            [(number, dossier_id, number) for number, dossier_id in zip(numbers, ids, strict=True)],
        )
        run(
            "insert into card_events (number, entry, state, at, operator_id, place, reason)"
            " values (?, ?, 'sent', 0, 'system', 'centre', '')",
            [(number, number) for number in numbers],
        )
    return [CardArrival(uuid.uuid4().hex[:20].upper(), dossier_id) for dossier_id in ids]


def bare_write_s(store: Store, rows: list[CardArrival]) -> float:
    """The rows in one table of their own, and nothing else."""
    with store.database.write() as connection:
        connection.exec_driver_sql("create table bare (card_id text, dossier_id text)")
    began = perf_counter()
    with store.database.write() as connection:
        values = [(row.card_id, row.dossier_id) for row in rows]
        connection.exec_driver_sql("insert into bare values (?, ?)", values)
    return perf_counter() - began


class OtherWriter:
    """Writes one audit line again and again, as a capture would; remembers the longest wait, seconds."""

    def __init__(self, store: Store) -> None:
        self._store, self._done = store, threading.Event()
        self.longest_s = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> OtherWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            began = perf_counter()
            self._store.audit.append("bench", "op")
            self.longest_s = max(self.longest_s, perf_counter() - began)
            sleep(TRY_EVERY_S)


def median_ms(call: Callable[[], object]) -> float:
    """Of REPEATS calls, after one that warms up."""
    call()
    times = []
    for _ in range(REPEATS):
        began = perf_counter()
        call()
        times.append(1000 * (perf_counter() - began))
    return statistics.median(times)


def questions(store: Store, rows: list[CardArrival]) -> dict[str, float]:
    """Medians in milliseconds, by question."""
    cards = store.cards
    middle = rows[len(rows) // 2]
    beyond = str(cards.get(middle.card_id).last_event)
    now = SystemClock().now()

    def empty() -> None:
        with store.database.read() as connection:
            connection.exec_driver_sql("select 1").scalar_one()

    asked: dict[str, Callable[[], object]] = {
        "empty read": empty,
        "one card by its number": lambda: cards.get(middle.card_id),
        "one card by its dossier": lambda: cards.for_dossier(middle.dossier_id),
        f"page of {PAGE}, arrived": lambda: cards.list(PAGE, "", state=CardState.ARRIVED),
        f"page of {PAGE}, in the middle": lambda: cards.list(PAGE, beyond),
        f"page of {PAGE}, at one place": lambda: cards.list(PAGE, "", place="safe"),
        f"page of {PAGE}, older than now": lambda: cards.list(PAGE, "", unchanged_since=now),
        "totals": cards.totals,
    }
    return {name: median_ms(call) for name, call in asked.items()}


@click.command()
@click.option("--cards", default=100_000, show_default=True, type=click.IntRange(1000, 200_000))
@click.option("--json", "as_json", is_flag=True)
def main(cards: int, as_json: bool) -> None:
    """Time a list that arrives, and questions to the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        keys = SoftwareKeys.create(Path(folder) / "keys", "BENCH")
        store = Store.open(Path(folder) / "station.db", SystemClock(), keys)
        rows = filled(store, cards)
        bare_s = bare_write_s(store, rows)
        began = perf_counter()
        batch_digest(rows)
        digest_s = perf_counter() - began
        with OtherWriter(store) as other:
            began = perf_counter()
            batch = store.card_batches.carry_out("box", rows, operator_id="op", place="safe")
            import_s = perf_counter() - began
        began = perf_counter()
        again = store.card_batches.carry_out("box", rows, operator_id="op", place="safe")
        again_s = perf_counter() - began
        if batch.counts != {RowOutcome.ARRIVED: cards} or not again.repeated:
            raise click.ClickException(f"not every card arrived: {dict(batch.counts)}")
        answers = questions(store, rows)
        store.close()
    figures = {
        "cards": cards,
        "import_s": import_s,
        "bare_write_s": bare_s,
        "import_over_bare": import_s / bare_s,
        "digest_s": digest_s,
        "same_list_again_s": again_s,
        "longest_wait_of_another_write_s": other.longest_s,
        "questions_ms": answers,
    }
    if as_json:
        click.echo(json.dumps(figures))
        return
    console = bench_console()
    table = Table(title=f"a list of {cards:,} cards", caption=f"bare write of its rows: {bare_s:.2f} s")
    for heading in ("what", "s", "/ bare write"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, seconds in (
        ("carried out, all arrive", import_s),
        ("the same list again", again_s),
        ("of both: its digest", digest_s),
        ("longest wait of another write meanwhile", other.longest_s),
    ):
        table.add_row(name, f"{seconds:.2f}", f"{seconds / bare_s:.1f}")
    console.print(table)
    asked = Table(title=f"questions to a ledger of {cards:,} cards", caption=f"medians of {REPEATS}")
    for heading in ("question", "ms", "/ empty read"):
        asked.add_column(heading, justify="left" if heading == "question" else "right")
    for name, milliseconds in answers.items():
        asked.add_row(name, f"{milliseconds:.2f}", f"{milliseconds / answers['empty read']:.0f}")
    console.print(asked)


if __name__ == "__main__":
    main()
