"""Who did what, when: rows that only grow, each with a digest over the one before."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from sqlalchemy import Connection, insert, select

from enrollment.service.config import Clock
from enrollment.service.store.database import Database
from enrollment.service.store.errors import StoredDataDamaged
from enrollment.service.store.instants import to_ms
from enrollment.service.store.tables import AUDIT

FIRST_DIGEST: Final = bytes(32)
SYSTEM: Final = "system"  # who acts where no operator does

_LAST: Final = select(AUDIT.c.digest).order_by(AUDIT.c.number.desc()).limit(1)
_INSERT: Final = insert(AUDIT)


class AuditLog:
    """Appends and verifies. Facts are ids and numbers, never personal fields."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def append(self, action: str, operator_id: str, **facts: str | int) -> None:
        """Write one row, durable when this returns."""
        with self._database.write() as connection:
            self.append_in(connection, action, operator_id, **facts)

    def append_in(self, connection: Connection, action: str, operator_id: str, **facts: str | int) -> None:
        """Write one row within the caller's transaction: the act and its record stand or fall together."""
        previous = connection.execute(_LAST).scalar_one_or_none() or FIRST_DIGEST
        at, text = to_ms(self._clock.now()), json.dumps(facts, sort_keys=True)
        digest = _digest(previous, at, operator_id, action, text)
        row = {"at": at, "operator_id": operator_id, "action": action, "facts": text, "digest": digest}
        connection.execute(_INSERT, row)

    def verify(self) -> int:
        """Check the whole chain and return its length. Raises StoredDataDamaged naming the first row that is wrong."""
        previous, count = FIRST_DIGEST, 0
        with self._database.read() as connection:
            for row in connection.execute(select(AUDIT).order_by(AUDIT.c.number)):
                previous = _digest(previous, row.at, row.operator_id, row.action, row.facts)
                if previous != row.digest:
                    raise StoredDataDamaged("the audit log was changed", number=row.number)
                count += 1
        return count


def _digest(previous: bytes, at: int, operator_id: str, action: str, facts: str) -> bytes:
    return hashlib.sha256(previous + json.dumps([at, operator_id, action, facts]).encode()).digest()
