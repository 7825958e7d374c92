"""How a SQLite file of ours comes to its write-ahead log: the one thing that the databases of both ends share."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

SWITCH_AGAIN_S: Final = 0.005


def keep_log(connection: sqlite3.Connection, within_s: float) -> None:
    """Switch to WAL, once in a file's life.

    Where another process does so too, or begins to write, SQLite fails this at once, without any wait of its own: it is
    waited for here. Raises sqlite3.Error, also where that takes longer than within_s.
    """
    end = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(SWITCH_AGAIN_S)
        else:
            return
