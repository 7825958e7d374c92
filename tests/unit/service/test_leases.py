"""Leases: one holder, in order of asking, ended by time, release, takeover, a closed stream or a lost device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from enrollment.service.devices.errors import DeviceDetached, LeaseExpired, LeaseHeld, LeaseNotYours, LeaseRequired
from enrollment.service.devices.leases import (
    ENDED_LEASES_REMEMBERED,
    Ended,
    Granted,
    Lease,
    LeaseEnd,
    LeaseEvent,
    Leases,
    Queued,
)

SCANNER = "scanner-1"


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class Station:
    """Leases over one scanner that can be unplugged."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.generation = 1
        self.attached = True
        self.changes: list[str] = []
        self.leases = Leases(self.clock, self._generation_of, self.changes.append)

    def _generation_of(self, device_id: str) -> int:
        if not self.attached:
            raise DeviceDetached("not attached", device_id=device_id)
        return self.generation

    def hold(
        self, operator: str = "an", *, wait_s: float = 0, time_to_live_s: float = 30
    ) -> AsyncGenerator[LeaseEvent, None]:
        return self.leases.hold(
            SCANNER, operator_id=operator, client_name="counter 1", time_to_live_s=time_to_live_s, wait_s=wait_s
        )

    @asynccontextmanager
    async def held(self, operator: str = "an") -> AsyncIterator[Lease]:
        stream = self.hold(operator)
        event = await anext(stream)
        assert isinstance(event, Granted)
        yield event.lease
        await stream.aclose()


@pytest.fixture
async def station() -> Station:
    return Station()


async def granted(stream: AsyncGenerator[LeaseEvent, None]) -> Lease:
    event = await asyncio.wait_for(anext(stream), 5)
    assert isinstance(event, Granted)
    return event.lease


async def test_a_granted_lease_is_required_by_name_token_and_operator(station: Station) -> None:
    async with station.held("an") as lease:
        assert station.leases.require(lease.lease_id, lease.fencing_token, operator_id="an") is lease
        assert station.leases.holder(SCANNER) is lease
        with pytest.raises(LeaseRequired):
            station.leases.require("", lease.fencing_token, operator_id="an")
        with pytest.raises(LeaseExpired):
            station.leases.require("another-id", lease.fencing_token, operator_id="an")
        with pytest.raises(LeaseNotYours):
            station.leases.require(lease.lease_id, lease.fencing_token, operator_id="binh")
        with pytest.raises(LeaseNotYours):
            station.leases.require(lease.lease_id, lease.fencing_token - 1, operator_id="an")


async def test_a_second_client_that_does_not_wait_hears_who_holds_it(station: Station) -> None:
    async with station.held("an"):
        with pytest.raises(LeaseHeld) as refused:
            await anext(station.hold("binh"))
    assert refused.value.facts["operator_id"] == "an"
    assert refused.value.facts["client_name"] == "counter 1"


async def test_closing_the_stream_releases_the_lease(station: Station) -> None:
    async with station.held() as lease:
        pass
    assert lease.end is LeaseEnd.RELEASED
    assert station.leases.holder(SCANNER) is None
    with pytest.raises(LeaseExpired) as refused:
        lease.require_live()
    assert refused.value.facts["ended"] == "LEASE_RELEASED"


async def test_tokens_rise_with_every_lease(station: Station) -> None:
    tokens = []
    for _ in range(3):
        async with station.held() as lease:
            tokens.append(lease.fencing_token)
    assert tokens == [1, 2, 3]


async def test_those_who_wait_are_served_in_their_order_and_see_their_place(station: Station) -> None:
    first = station.hold("first")
    await granted(first)
    second, third = station.hold("second", wait_s=60), station.hold("third", wait_s=60)
    assert await anext(second) == Queued(1)
    assert await anext(third) == Queued(2)
    await first.aclose()
    assert (await granted(second)).operator_id == "second"
    assert await anext(third) == Queued(1)
    await second.aclose()
    assert (await granted(third)).operator_id == "third"
    await third.aclose()


async def test_one_who_leaves_the_queue_does_not_hold_up_the_next(station: Station) -> None:
    first = station.hold("first")
    await granted(first)
    second, third = station.hold("second", wait_s=60), station.hold("third", wait_s=60)
    await anext(second)
    assert await anext(third) == Queued(2)
    await second.aclose()
    assert await anext(third) == Queued(1)
    await first.aclose()
    assert (await granted(third)).operator_id == "third"
    await third.aclose()


async def test_a_wait_that_is_over_is_refused(station: Station) -> None:
    async with station.held("an"):
        waiting = station.hold("binh", wait_s=0.02)
        assert await anext(waiting) == Queued(1)
        next_event = asyncio.ensure_future(anext(waiting))
        await asyncio.sleep(0)
        station.clock.seconds += 1
        with pytest.raises(LeaseHeld):
            await asyncio.wait_for(next_event, 5)


async def test_an_expired_lease_is_refused_at_once_and_the_device_goes_to_the_next(station: Station) -> None:
    first = station.hold("an", time_to_live_s=30)
    lease = await granted(first)
    waiting = station.hold("binh", wait_s=60)
    await anext(waiting)
    station.clock.seconds += 30
    assert station.leases.holder(SCANNER) is None
    with pytest.raises(LeaseExpired):
        lease.require_live()
    with pytest.raises(LeaseExpired):
        station.leases.renew(lease.lease_id, operator_id="an", time_to_live_s=None)
    assert await anext(first) == Ended(LeaseEnd.EXPIRED)
    assert (await granted(waiting)).operator_id == "binh"
    await waiting.aclose()


async def test_a_lease_without_heartbeat_ends_by_itself_on_the_real_clock() -> None:
    from enrollment.service.config import SystemClock

    leases = Leases(SystemClock(), lambda _: 1, lambda _: None)
    stream = leases.hold(SCANNER, operator_id="an", client_name="", time_to_live_s=0.01, wait_s=0)
    lease = await granted(stream)
    ended = asyncio.Event()
    lease.at_end(ended.set)
    await asyncio.wait_for(ended.wait(), 5)  # nobody reads the stream meanwhile
    assert await anext(stream) == Ended(LeaseEnd.EXPIRED)


async def test_a_heartbeat_moves_the_end_and_shows_in_the_stream(station: Station) -> None:
    stream = station.hold(time_to_live_s=30)
    lease = await granted(stream)
    station.clock.seconds += 20
    station.leases.renew(lease.lease_id, operator_id="an", time_to_live_s=None)
    assert lease.remaining_s == 30
    assert await granted(stream) is lease
    station.leases.renew(lease.lease_id, operator_id="an", time_to_live_s=5)
    assert lease.remaining_s == 5
    with pytest.raises(LeaseNotYours):
        station.leases.renew(lease.lease_id, operator_id="binh", time_to_live_s=None)
    await stream.aclose()


async def test_a_takeover_ends_the_lease_and_the_old_holder_may_do_nothing(station: Station) -> None:
    stream = station.hold("an")
    lease = await granted(stream)
    assert station.leases.take_over(SCANNER) == "an"
    assert await anext(stream) == Ended(LeaseEnd.TAKEN_OVER)
    with pytest.raises(LeaseNotYours) as refused:
        station.leases.require(lease.lease_id, lease.fencing_token, operator_id="an")
    assert refused.value.facts["ended"] == "LEASE_TAKEN_OVER"
    async with station.held("binh") as next_lease:
        assert next_lease.fencing_token > lease.fencing_token
    assert station.leases.take_over(SCANNER) == ""
    assert station.leases.take_over("never-seen") == ""


async def test_release_is_idempotent_and_not_for_strangers(station: Station) -> None:
    stream = station.hold("an")
    lease = await granted(stream)
    with pytest.raises(LeaseNotYours):
        station.leases.release(lease.lease_id, operator_id="binh")
    station.leases.release(lease.lease_id, operator_id="an")
    station.leases.release(lease.lease_id, operator_id="an")
    station.leases.release("never-granted", operator_id="an")
    assert await anext(stream) == Ended(LeaseEnd.RELEASED)


async def test_an_unplugged_device_ends_its_lease_and_sends_those_who_wait_away(station: Station) -> None:
    stream, waiting = station.hold("an"), station.hold("binh", wait_s=60)
    lease = await granted(stream)
    await anext(waiting)
    station.attached = False
    station.leases.device_gone(SCANNER)
    assert await anext(stream) == Ended(LeaseEnd.DEVICE_GONE)
    with pytest.raises(DeviceDetached):
        await anext(waiting)
    station.attached, station.generation = True, 2
    with pytest.raises(LeaseExpired) as refused:
        station.leases.require(lease.lease_id, lease.fencing_token, operator_id="an")
    assert refused.value.facts["ended"] == "DEVICE_GONE"
    async with station.held("an") as fresh:
        assert fresh.generation == 2


async def test_whoever_asked_is_told_once_that_the_lease_ended(station: Station) -> None:
    told: list[str] = []
    async with station.held() as lease:
        lease.at_end(lambda: told.append("kept"))
        forget = lease.at_end(lambda: told.append("forgotten"))
        forget()
        forget()
    assert told == ["kept"]
    lease.at_end(lambda: told.append("late"))
    assert told == ["kept", "late"]


async def test_the_memory_of_ended_leases_is_bounded_and_keeps_the_live_one(station: Station) -> None:
    for _ in range(ENDED_LEASES_REMEMBERED + 20):
        async with station.held():
            pass
    async with station.held() as lease:
        assert len(station.leases._known) <= ENDED_LEASES_REMEMBERED + 1
        assert station.leases.require(lease.lease_id, lease.fencing_token, operator_id="an") is lease


async def test_every_change_of_holder_is_told(station: Station) -> None:
    async with station.held():
        assert station.changes == [SCANNER]
    assert station.changes == [SCANNER, SCANNER]
