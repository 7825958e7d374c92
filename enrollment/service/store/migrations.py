"""Brings a database file to this version's tables, step by step; each step is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from enrollment.service.store.database import Database
from enrollment.service.store.errors import DatabaseTooNew
from enrollment.service.store.tables import METADATA


def _first_tables(connection: Connection) -> None:
    METADATA.create_all(connection)


# STEPS[n] brings a file of version n to version n + 1. A step, once released, never changes.
STEPS: Final[tuple[Callable[[Connection], None], ...]] = (_first_tables,)
VERSION: Final = len(STEPS)


def migrate(database: Database) -> int:
    """Carry out what is missing and return the version before. Raises DatabaseTooNew, DatabaseUnavailable."""
    with database.read() as connection:
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if found > VERSION:
        raise DatabaseTooNew(
            f"{database.path} has version {found}, this software knows up to {VERSION}: install the newer software",
            file=str(database.path),
            found=found,
            known=VERSION,
        )
    for number in range(found, VERSION):
        with database.write() as connection:
            STEPS[number](connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {number + 1}")
    return found
