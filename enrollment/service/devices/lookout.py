"""Looks at every configured address again and again, each in its own rhythm: one that is slow to fail delays no other.

An address is looked at every poll_s seconds, at once when the local bus tells of a change, and when a device failed.
Looks run on threads of their own; everything else on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from drivers.discovery import Discovery, Look

FIRST_LOOK_WAIT_S: Final = 3.0
BUS_SETTLES_S: Final = 0.02  # a hub with three devices tells of four changes

LookAt = Callable[[str], Look]
WatchBus = Callable[[Sequence[str], Callable[[], None]], Callable[[], None] | None]


class Lookout:
    """Keeps the newest look at each address.

    look: blocks; put_together: names the devices of looks at all addresses, in their order.
    watch_bus: has a function called, on any thread, when a local device comes or goes; returns what ends that.
    at_seen: called with what all newest looks show together, after each look; and, by a device's address, with the
        number of the look that saw it. A look whose number is not above `number` at some moment began before it.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        poll_s: float,
        *,
        look: LookAt,
        put_together: Callable[[Sequence[Look]], Discovery],
        watch_bus: WatchBus,
        at_seen: Callable[[Discovery, Mapping[str, int]], None],
    ) -> None:
        self._addresses = tuple(dict.fromkeys(addresses))
        self._poll_s = poll_s
        self._look = look
        self._put_together = put_together
        self._watch_bus = watch_bus
        self._at_seen = at_seen
        self._looks: dict[str, _Numbered] = {}
        self.number = 0
        self._again = {address: asyncio.Event() for address in self._addresses}
        self._all_seen = asyncio.Event()
        self._pool = ThreadPoolExecutor(max(1, len(self._addresses)), thread_name_prefix="lookout")
        if not self._addresses:
            self._all_seen.set()

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()

        def changed() -> None:  # on libusb's thread, which may still run when the loop is closed
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.call_later, BUS_SETTLES_S, self.look_again)

        end = self._watch_bus(self._addresses, changed)
        try:
            async with asyncio.TaskGroup() as group:
                for address in self._addresses:
                    group.create_task(self._keep_looking(address))
        finally:
            if end is not None:
                await asyncio.to_thread(end)

    def look_again(self) -> None:
        """Look at every address now."""
        for event in self._again.values():
            event.set()

    async def look_once(self) -> None:
        """Look at every address once, and return when all have been seen."""
        await asyncio.gather(*map(self._look_at, self._addresses))

    async def first_look(self) -> None:
        """Wait until every address was looked at, but not for ever: one may take long to fail."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_WAIT_S):
                await self._all_seen.wait()

    def close(self) -> None:
        """End the threads; a look that runs is not waited for."""
        self._pool.shutdown(wait=False)

    async def _keep_looking(self, address: str) -> None:
        again = self._again[address]
        while True:
            again.clear()
            await self._look_at(address)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await again.wait()

    async def _look_at(self, address: str) -> None:
        seen = await self._looked(address)
        arrived = _ids(seen) - _ids(self._looks.get(address))
        for other in self._addresses:  # what was moved here must not be taken for a twin of itself there
            if other != address and arrived & _ids(self._looks.get(other)):
                self._keep(other, await self._looked(other))
        self._keep(address, seen)
        looks = [self._looks[known] for known in self._addresses if known in self._looks]
        numbers = {device.address: kept.number for kept in reversed(looks) for device, _ in kept.look.devices}
        self._at_seen(self._put_together([kept.look for kept in looks]), numbers)
        if len(self._looks) == len(self._addresses):
            self._all_seen.set()

    async def _looked(self, address: str) -> _Numbered:
        self.number += 1
        number = self.number
        return _Numbered(number, await asyncio.get_running_loop().run_in_executor(self._pool, self._look, address))

    def _keep(self, address: str, seen: _Numbered) -> None:
        known = self._looks.get(address)
        if known is None or known.number < seen.number:
            self._looks[address] = seen


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A look, and the number that it was given when it began."""

    number: int
    look: Look


def _ids(seen: _Numbered | None) -> set[str]:
    return set() if seen is None else {device.device_id for device, _ in seen.look.devices}
