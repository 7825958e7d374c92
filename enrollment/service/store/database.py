"""One SQLite file: how it is opened, how a transaction runs, what its failures are called.

Writers of this process queue on a lock, because SQLite's own wait is a poll that can starve one of them for a second;
against other processes they take SQLite's write lock at BEGIN, so that nobody fails half way. WAL with
synchronous=FULL: a commit that returned survives a power cut (synchronous=NORMAL would lose the last ones).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from enrollment.core.errors import InvalidPlan
from enrollment.service.store.errors import DatabaseUnavailable, StoredDataDamaged
from enrollment.sqlite_log import keep_log

BUSY_TIMEOUT_S: Final = 10.0
PAGE_OCTETS: Final = 16384  # a print is a blob of a hundred kilobytes, a slap of two megabytes
CACHE_KIB: Final = 8192  # a slap's whole transaction: what did not fit would be written to the log piece by piece
PRAGMAS: Final = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten with zeros
    "PRAGMA trusted_schema=OFF",
    f"PRAGMA cache_size={-CACHE_KIB}",
)

# SQLite's own words -> what a person should do. The first that is contained wins.
REMEDIES: Final = (
    ("disk is full", "free space on this disk; nothing that was acknowledged is lost"),
    ("readonly", "make the file and its folder writable for the daemon's user"),
    ("unable to open", "check that the folder exists and that the daemon's user may write to it"),
    ("locked", "another process holds the database; end it"),
    ("malformed", "the file is damaged: stop the daemon, keep a copy, run sqlite3's .recover on the copy"),
    ("not a database", "this is not a station database: check [state] folder in station.toml"),
    ("disk i/o", "the disk fails or was removed: check the system log, keep a copy of the file"),
)
FALLBACK_REMEDY: Final = "stop the daemon and keep a copy of the file before anything else"


class Database:
    """An open file. Thread-safe; every method of a store runs in one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        try:
            _create_private(path)
        except OSError as error:
            raise self._unavailable(f"unable to open: {error.strerror}") from error
        self._engine = _engine(path)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock; on disk when the block ends.

        Raises DatabaseUnavailable, StoredDataDamaged; nothing has changed then.
        """
        with self._typed_errors(), self._writing, self._engine.begin() as connection, typed_damage():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; never blocked by a writer. Raises DatabaseUnavailable, StoredDataDamaged."""
        with (
            self._typed_errors(),
            self._engine.connect().execution_options(read_only=True) as connection,
            typed_damage(),
        ):
            yield connection

    def forget_deleted(self) -> None:
        """Bring the log into the file and cut it, so that no old version of a page is left anywhere.

        Raises DatabaseUnavailable, also when a reader of an old version does not end in time: call it again then.
        """
        with self._typed_errors(), self._writing, self._engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise self._unavailable("database is locked by a reader")

    def close(self) -> None:
        """Close every connection; the last one brings the log into the file."""
        self._engine.dispose()

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._unavailable(str(error.orig)) from None  # the statement could carry personal fields
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise self._unavailable(str(error)) from None
        except UnicodeDecodeError:  # text, or SQLite's own message about it, that was damaged
            raise self._unavailable("database disk image is malformed") from None

    def _unavailable(self, said: str) -> DatabaseUnavailable:
        remedy = next((remedy for words, remedy in REMEDIES if words in said.lower()), FALLBACK_REMEDY)
        return DatabaseUnavailable(f"{self.path}: {said}; {remedy}", file=str(self.path), problem=said, remedy=remedy)


@contextmanager
def typed_damage(**facts: str) -> Iterator[None]:
    """Name what a value does that SQLite gives back, but that was never written: a damaged or forged file.

    Raises StoredDataDamaged with the place in the code, never with the value, which may be personal.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, InvalidPlan) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise StoredDataDamaged(
            "a stored value is not what was written",
            kind=type(error).__name__,
            place=f"{Path(place.filename).stem}.{place.name}:{place.lineno}",
            **facts,
        ) from None


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner may read, its name on disk too; SQLite gives its log the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA page_size={PAGE_OCTETS}")  # counts in a new file, before its first page
        keep_log(connection, BUSY_TIMEOUT_S)
        for pragma in PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
