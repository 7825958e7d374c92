"""Brings a database file to this version's tables. An empty file gets them at once, an older one step by step.

The version is SQLite's `user_version`, 1 for the first release. Each step is one transaction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, inspect

from enrollment.service.store.database import Database
from enrollment.service.store.errors import DatabaseTooNew, DatabaseUnavailable
from enrollment.service.store.migration_cards import add_card_ledger, add_card_orders
from enrollment.service.store.tables import METADATA

Step = Callable[[Connection], None]

FIRST_VERSION: Final = 1


def steps_at(place: str) -> tuple[Step, ...]:
    """The steps for the file of this point, from the first version on.

    A step names its columns itself and, once released, never changes: tables.py tells only what the newest version
    looks like.
    """
    return functools.partial(add_card_ledger, place=place), add_card_orders


VERSION: Final = FIRST_VERSION + len(steps_at(""))


def migrate(database: Database, steps: Sequence[Step] = steps_at("station")) -> None:
    """Carry out what is missing. Raises DatabaseTooNew, DatabaseUnavailable (also for another program's database)."""
    newest = FIRST_VERSION + len(steps)
    with database.read() as connection:
        found = _version(connection)
    while found < newest:
        with database.write() as connection:
            found = _version(connection)  # another process may have been quicker
            if found == 0:
                _require_empty(connection, database)
                METADATA.create_all(connection)
                found = newest
            elif found < newest:
                steps[found - FIRST_VERSION](connection)
                found += 1
            connection.exec_driver_sql(f"PRAGMA user_version = {found}")
    if found > newest:
        raise DatabaseTooNew(
            f"{database.path} has version {found}, this software knows up to {newest}: install the newer software",
            file=str(database.path),
            found=found,
            known=newest,
        )


def _version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _require_empty(connection: Connection, database: Database) -> None:
    if inspect(connection).get_table_names():
        raise DatabaseUnavailable(
            f"{database.path} is another program's database: check [state] folder in station.toml",
            file=str(database.path),
            problem="another program's database",
            remedy="check [state] folder in station.toml",
        )
