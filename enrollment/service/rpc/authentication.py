"""Who calls: the operator session behind the bearer token, and what its role may do.

Every call but health and reflection carries `authorization: Bearer <token>`, from another PC as from this one; another
PC must be admitted besides. The session is kept for the duration of
the call, so that servicers ask `operator_id()` and never see a token.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import Final

from enrollment.service.config import Clock
from enrollment.service.rpc.errors import NotAuthenticated, RoleRequired
from enrollment.service.rpc.interception import Metadata
from enrollment.service.store.operator_sessions import OperatorSession, Role

SCHEME: Final = "bearer "
REMEMBERED_S: Final = 1.0
MOST_REMEMBERED: Final = 64  # sessions; a station has a few
ROLES: Final = {  # methods that not every role may call
    "/enrollment.v1.DeviceService/TakeOverLease": frozenset({Role.SUPERVISOR}),
    "/enrollment.v1.DossierService/PurgeDossier": frozenset({Role.SUPERVISOR}),
    "/enrollment.v1.CardService/UndoHandOver": frozenset({Role.SUPERVISOR}),
    "/enrollment.v1.CardService/HandOverCard": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "/enrollment.v1.CardService/ImportCardBatch": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "/enrollment.v1.CardService/RetireCard": frozenset({Role.OPERATOR, Role.SUPERVISOR}),
    "/enrollment.v1.DiagnosticsService/TraceDevice": frozenset({Role.TECHNICIAN, Role.SUPERVISOR}),
}

_session: ContextVar[OperatorSession] = ContextVar("operator session")


def operator_id() -> str:
    """The operator whose call this is."""
    return _session.get().operator_id


def is_supervisor() -> bool:
    """Whether it is a supervisor's call."""
    return _session.get().role is Role.SUPERVISOR


class SessionGate:
    """Admits calls whose token is a live session's.

    authenticate: blocks, and raises for unknown or expired tokens.
    admit_other_pc: raises ClientNotAdmitted for a certificate that was taken back.

    A session that was found good is good for a second: to ask the database for each call would double what a cheap one
    costs. One that was revoked therefore ends within that second; one that expires, at once.
    """

    def __init__(
        self,
        authenticate: Callable[[str], OperatorSession],
        pool: Executor,
        clock: Clock,
        admit_other_pc: Callable[[bytes], object],
    ) -> None:
        self._authenticate = authenticate
        self._pool = pool
        self._clock = clock
        self._admit_other_pc = admit_other_pc
        self._good: dict[bytes, tuple[OperatorSession, float]] = {}  # digest of a token -> until when, monotonic

    def admit_pc(self, presented: bytes | None) -> None:
        """Raises ClientNotAdmitted."""
        if presented is not None:
            self._admit_other_pc(presented)

    async def admit(self, method: str, metadata: Metadata) -> None:
        """Remember the caller's session for this call. Raises NotAuthenticated, SessionInvalid, RoleRequired."""
        value = next((value for key, value in metadata if key == "authorization"), "")
        if not isinstance(value, str) or not value.lower().startswith(SCHEME):
            raise NotAuthenticated("send metadata authorization: Bearer <token>")
        token = value[len(SCHEME) :].strip()
        session = await self._session(token)
        allowed = ROLES.get(method)
        if allowed is not None and session.role not in allowed:
            raise RoleRequired(
                "this call is for another role",
                role=session.role.value,
                needed=", ".join(sorted(role.value for role in allowed)),
            )
        _session.set(session)

    async def _session(self, token: str) -> OperatorSession:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        session, good_until_s = self._good.get(digest, (None, 0.0))
        if session is not None and self._clock.monotonic() < good_until_s and self._clock.now() < session.expires_at:
            return session
        self._good.pop(digest, None)
        session = await asyncio.get_running_loop().run_in_executor(self._pool, self._authenticate, token)
        if len(self._good) >= MOST_REMEMBERED:
            self._good.pop(next(iter(self._good)))
        self._good[digest] = session, self._clock.monotonic() + REMEMBERED_S
        return session
