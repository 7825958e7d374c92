"""Sessions of operators: a 256-bit token each, of which only the digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from sqlalchemy import delete, insert, select

from enrollment.core.sealing.field_rules import require_text
from enrollment.service.config import Clock
from enrollment.service.store.audit_log import AuditLog
from enrollment.service.store.database import Database
from enrollment.service.store.errors import SessionInvalid
from enrollment.service.store.instants import from_ms, to_ms
from enrollment.service.store.tables import SESSIONS

LONGEST: Final = timedelta(days=31)
TOKEN_BYTES: Final = 32
MAX_TOKEN_CHARACTERS: Final = 128


class Role(Enum):
    """What a session may do: supervisors may all that operators may."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    TECHNICIAN = "technician"


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """Who calls."""

    operator_id: str
    role: Role
    expires_at: datetime


class OperatorSessions:
    """Issues and checks tokens."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock) -> None:
        self._database, self._audit, self._clock = database, audit, clock

    def issue(self, operator_id: str, role: Role, lifetime: timedelta) -> str:
        """A new token; it is told this once. lifetime: at most LONGEST.

        Raises MalformedPackage for an operator id that no package could carry.
        """
        require_text("operator_id", operator_id)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock.now()
        with self._database.write() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= to_ms(now)))
            connection.execute(
                insert(SESSIONS).values(
                    token_sha256=_digest(token),
                    operator_id=operator_id,
                    role=role.value,
                    expires_at=to_ms(now + lifetime),
                )
            )
            self._audit.append_in(connection, "session-issued", operator_id, role=role.value)
        return token

    def authenticate(self, token: str) -> OperatorSession:
        """Whose session it is. Raises SessionInvalid; the same error for unknown and for expired."""
        if len(token) <= MAX_TOKEN_CHARACTERS:
            with self._database.read() as connection:
                found = select(SESSIONS).where(SESSIONS.c.token_sha256 == _digest(token))
                row = connection.execute(found).one_or_none()
                now = self._clock.now()
                # One that would last longer than any may: the clock was set back, and may have passed its end before.
                if row is not None and to_ms(now) < row.expires_at <= to_ms(now + LONGEST):
                    return OperatorSession(row.operator_id, Role(row.role), from_ms(row.expires_at))
        raise SessionInvalid("this session is unknown or has expired: have a new one issued")

    def revoke(self, operator_id: str) -> int:
        """End every session of an operator; how many there were."""
        with self._database.write() as connection:
            ended = connection.execute(delete(SESSIONS).where(SESSIONS.c.operator_id == operator_id)).rowcount
            self._audit.append_in(connection, "sessions-revoked", operator_id)
            return ended


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
