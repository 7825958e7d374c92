"""How long a session that was found good is believed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from enrollment.service.rpc.authentication import MOST_REMEMBERED, REMEMBERED_S, SessionGate, operator_id
from enrollment.service.store.errors import SessionInvalid
from enrollment.service.store.operator_sessions import OperatorSession, Role

METHOD = "/enrollment.v1.DeviceService/ListDevices"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Standing:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)


class Sessions:
    """A table of sessions that counts who asks; the database's own tests are elsewhere."""

    def __init__(self) -> None:
        self.asked = 0
        self.valid = {"token": START + timedelta(hours=1)}

    def authenticate(self, token: str) -> OperatorSession:
        self.asked += 1
        if token not in self.valid:
            raise SessionInvalid("unknown")
        return OperatorSession("op-1", Role.OPERATOR, self.valid[token])


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def gate(sessions: Sessions, clock: Standing) -> Iterator[SessionGate]:
    with ThreadPoolExecutor(1) as pool:
        yield SessionGate(sessions.authenticate, pool, clock, lambda _presented: None)


async def admit(gate: SessionGate, token: str = "token") -> None:  # noqa: S107 - a name in a test
    await gate.admit(METHOD, (("authorization", f"Bearer {token}"),))


async def test_the_database_is_asked_once_a_second(gate: SessionGate, sessions: Sessions, clock: Standing) -> None:
    for _ in range(3):
        await admit(gate)
    assert operator_id() == "op-1"
    assert sessions.asked == 1
    clock.passed_s = REMEMBERED_S
    await admit(gate)
    assert sessions.asked == 2


async def test_a_revoked_session_ends_when_the_second_does(
    gate: SessionGate, sessions: Sessions, clock: Standing
) -> None:
    await admit(gate)
    del sessions.valid["token"]
    clock.passed_s = 0.99 * REMEMBERED_S
    await admit(gate)
    clock.passed_s = REMEMBERED_S
    for _ in range(2):
        with pytest.raises(SessionInvalid):
            await admit(gate)


async def test_an_expired_session_is_asked_for_again_at_once(
    gate: SessionGate, sessions: Sessions, clock: Standing
) -> None:
    sessions.valid["token"] = START + timedelta(seconds=0.5)
    await admit(gate)
    clock.passed_s = 0.5
    del sessions.valid["token"]
    with pytest.raises(SessionInvalid):
        await admit(gate)


async def test_an_unknown_token_is_asked_for_each_time(gate: SessionGate, sessions: Sessions) -> None:
    for _ in range(2):
        with pytest.raises(SessionInvalid):
            await admit(gate, "guess")
    assert sessions.asked == 2


async def test_many_sessions_are_not_all_remembered(gate: SessionGate, sessions: Sessions) -> None:
    for number in range(MOST_REMEMBERED + 1):
        sessions.valid[f"token-{number}"] = START + timedelta(hours=1)
        await admit(gate, f"token-{number}")
    asked = sessions.asked
    await admit(gate, f"token-{MOST_REMEMBERED}")
    assert sessions.asked == asked
    await admit(gate, "token-0")
    assert sessions.asked == asked + 1
