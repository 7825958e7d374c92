"""Leases: who may use a device now.

A lease has a holder, an end that heartbeats move, and a fencing token that rises with every lease of the device. It
lives inside the client's `hold` stream and ends with it; a supervisor, a release, its own time or the device's leaving
may end it before. Those who wait are served in the order in which they came.

Everything that changes a lease runs on the event loop. `Lease.require_live` only reads, and is called from worker
threads right before a device is used and right before a capture is stored.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from enrollment.service.config import Clock
from enrollment.service.devices.errors import LeaseExpired, LeaseHeld, LeaseNotYours, LeaseRequired

ENDED_LEASES_REMEMBERED: Final = 256  # so that a late call hears why, not only that


class LeaseEnd(Enum):
    """Why a lease is over, as the API says it."""

    RELEASED = "LEASE_RELEASED"
    EXPIRED = "LEASE_EXPIRED"
    TAKEN_OVER = "LEASE_TAKEN_OVER"
    DEVICE_GONE = "DEVICE_GONE"


@dataclass(slots=True, eq=False)
class Lease:
    """A right to use one device.

    time_to_live_s: seconds that a heartbeat adds when it names none.
    expires_s: on the monotonic clock.
    """

    lease_id: str
    device_id: str
    generation: int
    fencing_token: int
    operator_id: str
    client_name: str
    time_to_live_s: float
    expires_s: float
    clock: Clock
    end: LeaseEnd | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None
    _at_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def remaining_s(self) -> float:
        return max(0.0, self.expires_s - self.clock.monotonic())

    def require_live(self) -> None:
        """Raise LeaseNotYours when it was taken over, LeaseExpired when it ended otherwise. From any thread."""
        end = self.end or (LeaseEnd.EXPIRED if self.remaining_s == 0 else None)
        if end is None:
            return
        facts = {"device_id": self.device_id, "ended": end.value}
        if end is LeaseEnd.TAKEN_OVER:
            raise LeaseNotYours("a supervisor took the device over: ask for a new lease", **facts)
        raise LeaseExpired("the lease has ended: ask for a new one", **facts)

    def at_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once when the lease ends, on the event loop; returns what takes the callback away again."""
        if self.end is not None:
            callback()
            return lambda: None
        self._at_end.append(callback)
        return lambda: self._at_end.remove(callback) if callback in self._at_end else None


@dataclass(frozen=True, slots=True)
class Queued:
    """Others are before you; position 1 is next."""

    position: int


@dataclass(frozen=True, slots=True)
class Granted:
    """It is yours, or was renewed."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over; nothing follows."""

    end: LeaseEnd


LeaseEvent = Queued | Granted | Ended


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Slot:
    """One device's holder, those who wait for it in order, and the count of its leases."""

    lease: Lease | None = None
    waiters: list[_Waiter] = field(default_factory=list)
    tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class Leases:
    """All leases of the station.

    generation_of: the present generation of a device; raises DeviceUnknown or DeviceDetached.
    at_change: called with the device's id whenever its holder changes.
    """

    def __init__(self, clock: Clock, generation_of: Callable[[str], int], at_change: Callable[[str], None]) -> None:
        self._clock = clock
        self._generation_of = generation_of
        self._at_change = at_change
        self._slots: dict[str, _Slot] = {}
        self._known: OrderedDict[str, Lease] = OrderedDict()

    async def hold(
        self, device_id: str, *, operator_id: str, client_name: str, time_to_live_s: float, wait_s: float
    ) -> AsyncGenerator[LeaseEvent, None]:
        """Take a lease and keep it until it ends or this generator is closed, which releases it.

        Yields Queued at each change of place, Granted at first and after each renewal, Ended last.
        Raises DeviceUnknown, DeviceDetached, and LeaseHeld when wait_s (seconds; 0 not to queue) is over.
        """
        self._generation_of(device_id)
        slot = self._slots.setdefault(device_id, _Slot())
        async with aclosing(self._wait_for_turn(slot, device_id, wait_s)) as places:
            async for place in places:
                yield place
        lease = self._grant(slot, device_id, operator_id, client_name, time_to_live_s)
        try:
            while lease.end is None:
                lease._changed.clear()
                yield Granted(lease)
                await lease._changed.wait()
            yield Ended(lease.end)
        finally:
            self._end(lease, LeaseEnd.RELEASED)

    async def _wait_for_turn(self, slot: _Slot, device_id: str, wait_s: float) -> AsyncGenerator[Queued, None]:
        self._end_if_expired(slot.lease)
        if slot.lease is None and not slot.waiters:
            return
        waiter = _Waiter()
        slot.waiters.append(waiter)
        give_up_s = self._clock.monotonic() + wait_s
        place = 0
        try:
            while slot.lease is not None or slot.waiters[0] is not waiter:
                left_s = give_up_s - self._clock.monotonic()
                if left_s <= 0:
                    raise self._held(slot, device_id)
                if (place_now := slot.waiters.index(waiter) + 1) != place:
                    place = place_now
                    yield Queued(place)
                    continue  # much may have happened while the reader had it
                waiter.turn.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await waiter.turn.wait()
                self._generation_of(device_id)
        finally:
            slot.waiters.remove(waiter)
            self._wake(slot)

    def renew(self, lease_id: str, *, operator_id: str, time_to_live_s: float | None) -> Lease:
        """The heartbeat: the lease now ends time_to_live_s from now (None: as at first).

        Raises LeaseRequired, LeaseExpired, LeaseNotYours.
        """
        lease = self._own(lease_id, operator_id)
        lease.time_to_live_s = time_to_live_s or lease.time_to_live_s
        lease.expires_s = self._clock.monotonic() + lease.time_to_live_s
        self._arm(lease)
        lease._changed.set()
        self._at_change(lease.device_id)
        return lease

    def release(self, lease_id: str, *, operator_id: str) -> None:
        """Give a lease back; one that is over or not known is no error. Raises LeaseNotYours."""
        lease = self._known.get(lease_id)
        if lease is None or lease.end is not None:
            return
        self._own(lease_id, operator_id)
        self._end(lease, LeaseEnd.RELEASED)

    def take_over(self, device_id: str) -> str:
        """End whoever's lease; returns the operator's id, "" when nobody held it."""
        slot = self._slots.get(device_id)
        if slot is None or slot.lease is None:
            return ""
        previous = slot.lease.operator_id
        self._end(slot.lease, LeaseEnd.TAKEN_OVER)
        return previous

    def device_gone(self, device_id: str) -> None:
        """End the device's lease, and send those who wait away."""
        slot = self._slots.get(device_id)
        if slot is None:
            return
        if slot.lease is not None:
            self._end(slot.lease, LeaseEnd.DEVICE_GONE)
        self._wake(slot)

    def end_all(self) -> None:
        """Release every lease: the daemon stops."""
        for slot in self._slots.values():
            if slot.lease is not None:
                self._end(slot.lease, LeaseEnd.RELEASED)

    def require(self, lease_id: str, fencing_token: int, *, operator_id: str) -> Lease:
        """The live lease of this name, token and operator. Raises LeaseRequired, LeaseExpired, LeaseNotYours."""
        lease = self._own(lease_id, operator_id)
        if fencing_token != lease.fencing_token:
            raise LeaseNotYours(
                "the fencing token is not this lease's", device_id=lease.device_id, fencing_token=fencing_token
            )
        return lease

    def holder(self, device_id: str) -> Lease | None:
        """The live lease of a device."""
        slot = self._slots.get(device_id)
        return slot.lease if slot is not None and slot.lease is not None and slot.lease.remaining_s > 0 else None

    def _own(self, lease_id: str, operator_id: str) -> Lease:
        if not lease_id:
            raise LeaseRequired("name the lease that HoldLease granted")
        lease = self._known.get(lease_id)
        if lease is None:
            raise LeaseExpired("this lease is not known: the daemon was started anew, or it ended long ago", ended="")
        if lease.operator_id != operator_id:
            raise LeaseNotYours("the lease is another operator's", device_id=lease.device_id)
        self._end_if_expired(lease)
        lease.require_live()
        return lease

    def _grant(self, slot: _Slot, device_id: str, operator_id: str, client_name: str, time_to_live_s: float) -> Lease:
        lease = Lease(
            lease_id=secrets.token_urlsafe(18),
            device_id=device_id,
            generation=self._generation_of(device_id),
            fencing_token=next(slot.tokens),
            operator_id=operator_id,
            client_name=client_name,
            time_to_live_s=time_to_live_s,
            expires_s=self._clock.monotonic() + time_to_live_s,
            clock=self._clock,
        )
        slot.lease = lease
        self._known[lease.lease_id] = lease
        self._forget_old()
        self._arm(lease)
        self._at_change(device_id)
        return lease

    def _forget_old(self) -> None:
        for lease_id in [lease_id for lease_id, lease in self._known.items() if lease.end is not None]:
            if len(self._known) <= ENDED_LEASES_REMEMBERED:
                return
            del self._known[lease_id]

    def _end(self, lease: Lease, end: LeaseEnd) -> None:
        if lease.end is not None:
            return
        lease.end = end
        if lease._timer is not None:
            lease._timer.cancel()
        slot = self._slots[lease.device_id]
        slot.lease = None
        lease._changed.set()
        callbacks, lease._at_end = lease._at_end, []
        for callback in callbacks:
            callback()
        self._wake(slot)
        self._at_change(lease.device_id)

    def _end_if_expired(self, lease: Lease | None) -> None:
        if lease is not None and lease.remaining_s == 0:
            self._end(lease, LeaseEnd.EXPIRED)

    def _arm(self, lease: Lease) -> None:
        if lease._timer is not None:
            lease._timer.cancel()
        lease._timer = asyncio.get_running_loop().call_later(lease.remaining_s, self._at_timer, lease)

    def _at_timer(self, lease: Lease) -> None:
        self._end_if_expired(lease)
        if lease.end is None:
            self._arm(lease)

    def _held(self, slot: _Slot, device_id: str) -> LeaseHeld:
        lease = slot.lease
        if lease is None:
            return LeaseHeld("others wait for the device", device_id=device_id)
        return LeaseHeld(
            "another client holds the device",
            device_id=device_id,
            operator_id=lease.operator_id,
            client_name=lease.client_name,
            expires_in_s=round(lease.remaining_s, 1),
        )

    @staticmethod
    def _wake(slot: _Slot) -> None:
        for waiter in slot.waiters:
            waiter.turn.set()
