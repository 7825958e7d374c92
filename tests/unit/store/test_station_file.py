"""The file itself: sessions, audit, versions, damage, a full or read-only disk, two processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import event

from enrollment.core.dossier.plan import Plan
from enrollment.service.config import Clock, SystemClock
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.database import Database
from enrollment.service.store.errors import (
    DatabaseTooNew,
    DatabaseUnavailable,
    SessionInvalid,
    StoredDataDamaged,
)
from enrollment.service.store.migrations import VERSION
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.operator_sessions import Role
from enrollment.service.store.store import Store


class MovableClock(Clock, Protocol):
    """The fixture `clock`."""

    def move(self, seconds: float) -> None: ...


def test_commits_are_durable_at_a_power_cut(store: Store) -> None:
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2, "FULL"
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 1


def test_session_token_is_known_until_it_expires_and_is_not_in_the_file(
    store: Store,
    clock: MovableClock,
    tmp_path: Path,
) -> None:
    token = store.sessions.issue("op-7", Role.SUPERVISOR, timedelta(hours=1))
    session = store.sessions.authenticate(token)
    assert (session.operator_id, session.role) == ("op-7", Role.SUPERVISOR)
    for wrong in ("", token[:-1], token + "x", "\ud800", "x" * 10_000):
        with pytest.raises(SessionInvalid):
            store.sessions.authenticate(wrong)
    clock.move(3601)
    with pytest.raises(SessionInvalid):
        store.sessions.authenticate(token)
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.glob("station.db*"))


def test_a_session_does_not_come_back_to_life_when_the_clock_falls_back_to_1970(
    store: Store, clock: MovableClock
) -> None:
    token = store.sessions.issue("op-7", Role.OPERATOR, timedelta(hours=12))
    clock.move(24 * 3600)
    clock.move(-56 * 365 * 24 * 3600)  # the CMOS battery died over night
    with pytest.raises(SessionInvalid):
        store.sessions.authenticate(token)
    today = store.sessions.issue("op-7", Role.OPERATOR, timedelta(hours=12))
    assert store.sessions.authenticate(today).operator_id == "op-7"


def test_revoked_sessions_end_at_once(store: Store) -> None:
    token = store.sessions.issue("op-7", Role.OPERATOR, timedelta(hours=1))
    store.sessions.revoke("op-7")
    with pytest.raises(SessionInvalid):
        store.sessions.authenticate(token)


def test_audit_chain_shows_a_changed_row(store: Store) -> None:
    for number in range(5):
        store.audit.append("lease-taken-over", "boss", number=number)
    assert store.audit.verify() == 5
    with store.database.write() as connection:
        connection.exec_driver_sql("update audit set operator_id = 'other' where number = 3")
    with pytest.raises(StoredDataDamaged) as found:
        store.audit.verify()
    assert found.value.facts["number"] == 3


def test_settings_are_kept(store: Store) -> None:
    assert store.settings.get("clock_offset_ms") is None
    store.settings.put("clock_offset_ms", "-12")
    store.settings.put("clock_offset_ms", "15")
    assert store.settings.get("clock_offset_ms") == "15"


def test_file_of_a_newer_version_is_left_alone(store: Store, tmp_path: Path, keys: SoftwareKeys) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "station.db") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(DatabaseTooNew) as refused:
        Store.open(tmp_path / "station.db", SystemClock(), keys)
    assert refused.value.facts["known"] == VERSION


@pytest.mark.parametrize("content", [b"this is no database at all, whatever its name says" * 100, os.urandom(8192)])
def test_file_that_is_no_database_is_named_with_a_remedy(tmp_path: Path, keys: SoftwareKeys, content: bytes) -> None:
    path = tmp_path / "station.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnavailable) as refused:
        Store.open(path, SystemClock(), keys)
    assert refused.value.facts["file"] == str(path)
    assert refused.value.facts["remedy"]
    assert path.read_bytes() == content, "a damaged file must not be touched"


def test_folder_that_does_not_exist_is_named(tmp_path: Path, keys: SoftwareKeys) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        Store.open(tmp_path / "missing" / "station.db", SystemClock(), keys)
    assert "folder" in str(refused.value.facts["remedy"])


def test_full_disk_is_told_as_such_and_what_was_acknowledged_stays(
    store: Store, plan: Plan, complete_dossier: Callable[[], str], new_capture: Callable[..., NewCapture]
) -> None:
    kept = complete_dossier()
    with store.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    # SQLite's own limit on the file gives the SQLITE_FULL of a disk without room.
    engine = store.database._engine
    engine.dispose()
    event.listen(engine, "connect", lambda raw, _record: raw.execute(f"PRAGMA max_page_count = {pages + 8}"))
    opened = store.dossiers.create(plan, {}, request_id="r", operator_id="o").dossier_id
    with pytest.raises(DatabaseUnavailable) as refused:
        store.dossiers.add_capture(opened, new_capture(1, image=bytes(500_000)), replace=False, request_id="c")
    assert "free space" in str(refused.value.facts["remedy"])
    assert store.dossiers.get(opened).captures == ()
    assert len(store.dossiers.get(kept).captures) == 3


def test_database_locked_by_another_process_is_told_as_such(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(store.database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    # The real wait is ten seconds: shortened here so that the test need not sit through it.
    monkeypatch.setattr("enrollment.service.store.database.BUSY_TIMEOUT_S", 0.1)
    impatient = Database(store.database.path)
    with pytest.raises(DatabaseUnavailable) as refused, impatient.write():
        pass
    assert "another process" in str(refused.value.facts["remedy"])
    other.close()
    impatient.close()
    assert store.dossiers.create(plan, {}, request_id="after", operator_id="o").dossier_id


def test_keys_of_another_station_do_not_open_the_dossiers(
    store: Store, complete_dossier: Callable[[], str], tmp_path: Path
) -> None:
    dossier_id = complete_dossier()
    store.close()
    other = SoftwareKeys.create(tmp_path / "other-keys", "T-2")
    again = Store.open(store.database.path, SystemClock(), other)
    with pytest.raises(StoredDataDamaged, match="keys folder"):
        again.dossiers.get(dossier_id)
    again.close()
