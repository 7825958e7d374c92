"""What the store does with damage, with what no package could carry, and with a file of another version."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import Connection

from enrollment.core.dossier.documents import CAPTURES_PART
from enrollment.core.dossier.model import AbsentFinger, DossierState, FingerAbsence
from enrollment.core.dossier.plan import Plan
from enrollment.core.errors import EnrollmentError, InvalidInput
from enrollment.core.sealing.manifest import MAX_PART_BYTES
from enrollment.service.config import SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.database import Database
from enrollment.service.store.errors import (
    DatabaseTooNew,
    DatabaseUnavailable,
    RequestConflict,
    StoredDataDamaged,
)
from enrollment.service.store.migrations import VERSION, migrate, steps_at
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.operator_sessions import Role
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.packable import MAX_CAPTURED_BYTES
from enrollment.service.store.store import Store
from enrollment.service.store.tables import METADATA

NewCaptures = Callable[..., NewCapture]
DAMAGED_FILES = 40
NEW_FILES = (
    25  # that four processes open at the same moment: without waiting for the switch to WAL about half of the runs fail
)
NAME = "Nguyễn Thị Kiểm Thử"


def opened(store: Store, plan: Plan) -> str:
    request_id = str(uuid.uuid4())
    return store.dossiers.create(plan, {"full_name": NAME}, request_id=request_id, operator_id="op-1").dossier_id


def wrapped_keys(store: Store) -> list[bytes]:
    with store.database.read() as connection:
        return [bytes(row[0]) for row in connection.exec_driver_sql("select wrapped_key from dossiers")]


def bytes_on_disk(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in store.database.path.parent.glob("station.db*"))


# ------------------------------------------------------------------------------------------------------------ purge


def test_purge_of_many_leaves_no_wrapped_key_in_the_file_or_its_log(store: Store, plan: Plan) -> None:
    made = [opened(store, plan) for _ in range(60)]
    keys = wrapped_keys(store)
    assert all(key in bytes_on_disk(store) for key in keys), "looked in the wrong files"
    for dossier_id in made:
        store.dossiers.abandon(dossier_id, operator_id="op-1", why="left")
    left = bytes_on_disk(store)
    assert [key for key in keys if key in left] == []


def test_purge_cut_short_by_a_crash_is_finished_at_the_next_start(
    store: Store, plan: Plan, keys: SoftwareKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossier_id = opened(store, plan)
    (key,) = wrapped_keys(store)
    # The process ends between the transaction and the cutting of the log.
    monkeypatch.setattr(Database, "forget_deleted", lambda self: None)
    store.dossiers.abandon(dossier_id, operator_id="op-1", why="left")
    assert key in bytes_on_disk(store)
    monkeypatch.undo()
    again = Store.open(store.database.path, SystemClock(), keys)
    assert key not in bytes_on_disk(store)
    again.close()


def test_purge_that_a_reader_held_up_says_so_and_is_finished_by_a_second_call(
    store: Store, plan: Plan, keys: SoftwareKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real wait is ten seconds: shortened here so that the test need not sit through it.
    monkeypatch.setattr("enrollment.service.store.database.BUSY_TIMEOUT_S", 0.1)
    impatient = Store.open(store.database.path, SystemClock(), keys)
    dossier_id = opened(impatient, plan)
    (key,) = wrapped_keys(impatient)
    with impatient.database.read() as reading:
        reading.exec_driver_sql("select count(*) from dossiers").scalar_one()
        with pytest.raises(DatabaseUnavailable, match="locked"):
            impatient.dossiers.abandon(dossier_id, operator_id="op-1", why="left")
    assert impatient.dossiers.abandon(dossier_id, operator_id="op-1", why="left").state is DossierState.ABANDONED
    assert key not in bytes_on_disk(store)
    impatient.close()


# ----------------------------------------------------------------------------------------------------------- damage


def test_files_can_be_read_by_their_owner_only(store: Store, plan: Plan) -> None:
    opened(store, plan)
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.database.path.parent.glob("station.db*")}
    assert modes == {"station.db": 0o600, "station.db-wal": 0o600, "station.db-shm": 0o600}


def test_dossier_that_does_not_decrypt_is_listed_and_can_be_given_up(store: Store, plan: Plan) -> None:
    whole, damaged = opened(store, plan), opened(store, plan)
    with store.database.write() as connection:
        connection.exec_driver_sql("update dossiers set wrapped_key = x'00' where dossier_id = ?", (damaged,))
    with pytest.raises(StoredDataDamaged):
        store.dossiers.get(damaged)
    listed = {dossier.dossier_id: dict(dossier.demographics) for dossier in store.dossiers.list(None, 9, "").dossiers}
    assert listed == {whole: {"full_name": NAME}, damaged: {}}
    assert store.dossiers.abandon(damaged, operator_id="op-1", why="damaged").state is DossierState.ABANDONED


READS: list[Callable[[Store, str], object]] = [
    lambda store, dossier_id: store.dossiers.get(dossier_id),
    lambda store, dossier_id: store.dossiers.list(None, 9, ""),
    lambda store, dossier_id: store.dossiers.read_part(dossier_id, "fingerprint-01.jpg"),
    lambda store, dossier_id: store.dossiers.stored_prints(dossier_id),
    lambda store, dossier_id: store.dossiers.before_capture(dossier_id, 1, "c"),
    lambda store, dossier_id: store.dossiers.complete(dossier_id, operator_id="op-1"),
    lambda store, dossier_id: store.outbox.list(None, 9, ""),
    lambda store, dossier_id: store.outbox.next_to_send(),
    lambda store, dossier_id: store.outbox.read("p-1"),
    lambda store, dossier_id: store.outbox.postpone("p-1", "X", "x", store.outbox.get("p-1").sealed_at),
    lambda store, dossier_id: store.outbox.ledger(),
    lambda store, dossier_id: store.sessions.authenticate("x"),
    lambda store, dossier_id: store.audit.verify(),
]


def test_file_with_changed_bytes_gives_values_or_typed_errors(
    store: Store,
    plan: Plan,
    new_capture: NewCaptures,
    complete_dossier: Callable[[], str],
    keys: SoftwareKeys,
    tmp_path: Path,
) -> None:
    store.outbox.add(NewPackage("p-1", complete_dossier(), ChainLink(1, None), b"d" * 32, b"SEALED" * 500))
    dossier_id = opened(store, plan)
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c")
    store.dossiers.record_absence(dossier_id, AbsentFinger(2, FingerAbsence.DAMAGED, "burnt", "op-1"))
    store.close()
    good = store.database.path.read_bytes()
    chance = random.Random(20261123)  # noqa: S311 - which bytes, not a secret
    outcomes: set[type[EnrollmentError]] = set()
    told: list[str] = []
    for number in range(DAMAGED_FILES):
        content = bytearray(good)
        for _ in range(chance.choice([1, 20, 400])):
            content[chance.randrange(100, len(content))] = chance.randrange(256)
        path = tmp_path / f"damaged-{number}" / "station.db"
        path.parent.mkdir()
        path.write_bytes(content)
        try:
            damaged = Store.open(path, SystemClock(), keys)
        except EnrollmentError as error:
            outcomes.add(type(error))
            continue
        for read in READS:
            try:
                read(damaged, dossier_id)
            except EnrollmentError as error:
                outcomes.add(type(error))
                told.append(f"{error} {error.facts}")
        damaged.close()
        shutil.rmtree(path.parent)
    assert {DatabaseUnavailable, StoredDataDamaged} <= outcomes, "the damage must have been met"
    assert not any(NAME in text for text in told)


COLUMNS = [
    (table.name, column.name)
    for table in METADATA.sorted_tables
    for column in table.columns
    if (table.name, column.name) != ("audit", "number")  # SQLite itself lets nothing but integers into a row's number
]


@pytest.mark.parametrize("value", ["no such thing", b"\xff\x00", -(2**63)])
def test_value_that_cannot_be_in_its_column_gives_values_or_typed_errors(
    store: Store,
    plan: Plan,
    new_capture: NewCaptures,
    complete_dossier: Callable[[], str],
    keys: SoftwareKeys,
    tmp_path: Path,
    value: object,
) -> None:
    dossier_id = opened(store, plan)
    store.dossiers.add_capture(dossier_id, new_capture(1), replace=False, request_id="c")
    store.dossiers.record_absence(dossier_id, AbsentFinger(2, FingerAbsence.DAMAGED, "burnt", "op-1"))
    store.outbox.add(NewPackage("p-1", complete_dossier(), ChainLink(1, None), b"d" * 32, b"SEALED" * 500))
    token = store.sessions.issue("op-1", Role.OPERATOR, timedelta(hours=1))
    store.settings.put("clock_offset_ms", "1")
    store.close()
    more: list[Callable[[Store, str], object]] = [
        lambda store, _: store.sessions.authenticate(token),
        lambda store, _: store.settings.get("clock_offset_ms"),
        lambda store, _: store.audit.append("looked", "op-1"),
    ]
    refused = 0
    for table, column in COLUMNS:
        path = tmp_path / f"{table}-{column}.db"
        shutil.copyfile(store.database.path, path)
        path.chmod(0o600)
        raw = sqlite3.connect(path)
        raw.execute(f"update or ignore {table} set {column} = ?", (value,))  # noqa: S608 - names of our own tables
        raw.commit()
        raw.close()
        forged = Store.open(path, SystemClock(), keys)
        for read in (*READS, *more):
            try:
                read(forged, dossier_id)
            except EnrollmentError:
                refused += 1
        forged.close()
    assert refused > len(COLUMNS), "most columns must matter"


# ----------------------------------------------------------------------------------------------------------- limits


def test_repeated_opening_with_other_content_is_a_conflict(store: Store, plan: Plan) -> None:
    first = store.dossiers.create(plan, {"full_name": NAME}, request_id="r", operator_id="op-1")
    assert store.dossiers.create(plan, {"full_name": f" {NAME} "}, request_id="r", operator_id="op-1") == first
    with pytest.raises(RequestConflict):
        store.dossiers.create(plan, {"full_name": "Trần Văn A"}, request_id="r", operator_id="op-1")
    changed = store.dossiers.update_demographics(first.dossier_id, {"full_name": "B"}, operator_id="op-1")
    assert store.dossiers.create(plan, {"full_name": NAME}, request_id="r", operator_id="op-1") == changed


def parts_of(new: NewCapture, parts: dict[str, tuple[str, bytes]]) -> NewCapture:
    return replace(new, parts=parts)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"fingerprint-01.fir": ("image/jpeg", b"")},
        {"Fingerprint 01": ("image/jpeg", b"x")},
        {"../x": ("image/jpeg", b"x")},
        {"x.jpg": ("no media type", b"x")},
        {"x.jpg": ("image/jpeg", bytes(MAX_PART_BYTES + 1))},
        {f"{letter}.jpg": ("image/jpeg", bytes(MAX_CAPTURED_BYTES // 2 + 1)) for letter in "ab"},
        {CAPTURES_PART: ("application/cbor", b"x")},
    ],
    ids=["none", "empty", "capital and blank", "path", "media type", "large part", "large dossier", "sealer's own"],
)
def test_parts_that_no_package_could_carry_are_refused_at_the_counter(
    store: Store, plan: Plan, new_capture: NewCaptures, parts: dict[str, tuple[str, bytes]]
) -> None:
    dossier_id = opened(store, plan)
    with pytest.raises(InvalidInput):
        store.dossiers.add_capture(dossier_id, parts_of(new_capture(1), parts), replace=False, request_id="c")
    assert store.dossiers.get(dossier_id).captures == ()


def test_name_of_another_captures_part_is_refused_and_its_own_may_be_replaced(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    same = {"x.jpg": ("image/jpeg", b"1")}
    store.dossiers.add_capture(dossier_id, parts_of(new_capture(1), same), replace=False, request_id="c1")
    with pytest.raises(InvalidInput, match="name"):
        store.dossiers.add_capture(dossier_id, parts_of(new_capture(2), same), replace=False, request_id="c2")
    store.dossiers.add_capture(dossier_id, parts_of(new_capture(1), same), replace=True, request_id="c3")


def test_operator_whom_no_manifest_could_name_is_refused_at_the_counter(
    store: Store, plan: Plan, new_capture: NewCaptures
) -> None:
    dossier_id = opened(store, plan)
    calls: list[Callable[[], object]] = [
        lambda: store.dossiers.create(plan, {}, request_id="r", operator_id="no id!"),
        lambda: store.dossiers.record_absence(dossier_id, AbsentFinger(2, FingerAbsence.DAMAGED, "", "no id!")),
        lambda: store.dossiers.add_capture(
            dossier_id, replace(new_capture(1), operator_id="no id!"), replace=False, request_id="c"
        ),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match="operator"):
            call()
    assert store.dossiers.get(dossier_id).captures == ()


# --------------------------------------------------------------------------------------------------------- versions


def add_column(connection: Connection) -> None:
    connection.exec_driver_sql("alter table settings add column note text not null default ''")


def test_older_file_is_brought_forward_step_by_step_and_keeps_its_rows(store: Store, plan: Plan) -> None:
    dossier_id = opened(store, plan)

    def note(connection: Connection) -> None:
        connection.exec_driver_sql("update settings set note = 'stepped'")

    steps = [*steps_at("T-1"), add_column, note]
    store.settings.put("a", "b")
    migrate(store.database, steps)
    migrate(store.database, steps)  # nothing is left to do
    with store.database.read() as connection:
        assert connection.exec_driver_sql("select note from settings").scalar_one() == "stepped"
        assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == VERSION + 2
    assert store.dossiers.get(dossier_id).demographics == {"full_name": NAME}
    with pytest.raises(DatabaseTooNew):
        migrate(store.database)


def test_step_that_fails_leaves_the_file_as_it_was(store: Store) -> None:
    def half(connection: Connection) -> None:
        add_column(connection)
        connection.exec_driver_sql("update settings set nothing = 1")

    with pytest.raises(DatabaseUnavailable):
        migrate(store.database, [*steps_at("T-1"), half])
    migrate(store.database)
    store.settings.put("still", "good")


def open_and_put(folder: Path, number: int, start: Barrier) -> None:
    keys = SoftwareKeys.create(folder / f"keys-{number}", "T-1")
    for round_number in range(NEW_FILES):
        start.wait(timeout=20)
        store = Store.open(folder / f"{round_number}.db", SystemClock(), keys)
        store.settings.put(f"from-{number}", "x")
        store.close()


def test_processes_that_open_a_new_file_at_once_make_one(tmp_path: Path, keys: SoftwareKeys) -> None:
    ways = multiprocessing.get_context("spawn")
    start = ways.Barrier(4)
    processes = [ways.Process(target=open_and_put, args=(tmp_path, number, start)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    for round_number in range(NEW_FILES):
        store = Store.open(tmp_path / f"{round_number}.db", SystemClock(), keys)
        assert [store.settings.get(f"from-{number}") for number in range(4)] == ["x"] * 4
        store.close()


def test_another_programs_database_is_left_alone(tmp_path: Path, keys: SoftwareKeys) -> None:
    path = tmp_path / "station.db"
    other = sqlite3.connect(path)
    other.execute("create table bookmarks (url text)")
    other.commit()
    other.close()
    with pytest.raises(DatabaseUnavailable, match="another program"):
        Store.open(path, SystemClock(), keys)
    other = sqlite3.connect(path)
    assert other.execute("select name from sqlite_master").fetchall() == [("bookmarks",)]
    other.close()


def test_many_threads_write_at_once_and_nothing_is_lost(store: Store, plan: Plan, new_capture: NewCaptures) -> None:
    made: list[str] = []

    def enroll() -> None:
        for _ in range(5):
            dossier_id = opened(store, plan)
            for position in (1, 2):
                new = new_capture(position, image=os.urandom(2000))
                store.dossiers.add_capture(dossier_id, new, replace=False, request_id=f"{dossier_id}-{position}")
            made.append(dossier_id)

    threads = [threading.Thread(target=enroll) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 40
    assert all(len(store.dossiers.get(dossier_id).captures) == 2 for dossier_id in made)
    assert store.audit.verify() == 120
