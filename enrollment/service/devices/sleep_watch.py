"""Notices that the machine was suspended: the clock that runs on in sleep is ahead of the one that stands still.

After a suspension no open device can be trusted: scanners come back unpowered or under another number, cameras stall,
connections are dead without having been closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

CHECK_EVERY_S: Final = 0.5
SHORTEST_S: Final = 0.25  # a suspension takes longer; reading two clocks on a busy machine differs by less
READ_TOGETHER_S: Final = 0.01


def asleep_s() -> float:
    """Seconds that this machine has been suspended since it started; 0.0 where the system does not tell.

    Source: clock_gettime(2): CLOCK_BOOTTIME is CLOCK_MONOTONIC and the time that the system was suspended.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    while True:
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        after = time.clock_gettime(time.CLOCK_MONOTONIC)
        if after - before < READ_TOGETHER_S:  # else this thread stood still in between
            return boot - after


async def watch_for_sleep(at_woken: Callable[[float], None], read: Callable[[], float] = asleep_s) -> None:
    """Call back with the seconds of each suspension, soon after it, until cancelled."""
    known_s = read()
    while True:
        await asyncio.sleep(CHECK_EVERY_S)
        now_s = read()
        if now_s - known_s > SHORTEST_S:
            at_woken(now_s - known_s)
        known_s = now_s
