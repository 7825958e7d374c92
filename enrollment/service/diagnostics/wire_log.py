"""A device's wire log for those who ask for it, while they ask; off and free of cost otherwise.

A driver composes each line (direction, kind, register or command, length, time: no content) and logs it under the name
of the thread that opened the device, which is the device's worker. A reader has room for so many lines; one that is
slow loses the oldest, and is told how many.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

# As drivers/traffic.py has them: the service sees drivers through their public face only.
TRAFFIC_LOGGER: Final = "drivers.traffic"
TRAFFIC_LEVEL: Final = 5
CAPACITY: Final = 2000  # lines; about 200 KiB for a reader that has stopped, and a whole capture of any scanner

_listening = threading.Lock()
_taps: set[WireTap] = set()


@dataclass(frozen=True, slots=True)
class WireLine:
    """One transfer, or a note about lines that were lost. at_s: since the tap was opened."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a self-test wants to know of a finished transfer. direction: in, out. kind: control, bulk, interrupt."""

    direction: str
    kind: str
    elapsed_s: float


class WireTap(logging.Handler):
    """The unread lines of one device. `emit` runs on the transport's threads, everything else on the event loop."""

    def __init__(self, device_id: str, capacity: int = CAPACITY) -> None:
        super().__init__(TRAFFIC_LEVEL)
        self._thread_name = f"device {device_id}"
        self._began_s = time.monotonic()
        self._unread: deque[WireLine] = deque(maxlen=capacity)
        self._lost = 0
        self._transfers: deque[Transfer] = deque(maxlen=capacity)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; the handler's own lock is held."""
        if str(getattr(record, "opened_by", "")).rpartition("_")[0] != self._thread_name:  # a pool numbers its threads
            return
        self._lost += len(self._unread) == self._unread.maxlen
        was_empty = not self._unread
        self._unread.append(WireLine(time.monotonic() - self._began_s, record.getMessage()))
        elapsed_s = getattr(record, "elapsed_s", None)
        if elapsed_s is not None:
            direction, kind = (str(getattr(record, name, "")) for name in ("direction", "kind"))
            self._transfers.append(Transfer(direction, kind, elapsed_s))
        if was_empty:
            with suppress(RuntimeError):  # the loop has ended: nobody reads, and the transport must not suffer
                self._loop.call_soon_threadsafe(self._news.set)

    async def lines(self) -> AsyncGenerator[WireLine, None]:
        """Yield lines in order, until closed."""
        while True:
            line = self._next()
            if line is None:
                await self._news.wait()
            else:
                yield line

    def transfers(self) -> list[Transfer]:
        """The newest finished transfers."""
        self.acquire()
        try:
            return list(self._transfers)
        finally:
            self.release()

    def _next(self) -> WireLine | None:
        self.acquire()
        try:
            if self._lost:
                lost, self._lost = self._lost, 0
                return WireLine(self._unread[0].at_s, f"-- {lost} lines lost: they came faster than they were read")
            if self._unread:
                return self._unread.popleft()
            self._news.clear()
            return None
        finally:
            self.release()


@contextmanager
def tapped(device_id: str, capacity: int = CAPACITY) -> Iterator[WireTap]:
    """Listen to a device's wire for as long as the block runs. On the event loop."""
    tap = WireTap(device_id, capacity)
    logger = logging.getLogger(TRAFFIC_LOGGER)
    with _listening:
        _taps.add(tap)
        logger.addHandler(tap)
        logger.setLevel(TRAFFIC_LEVEL)
    try:
        yield tap
    finally:
        with _listening:
            logger.removeHandler(tap)
            _taps.discard(tap)
            if not _taps:
                logger.setLevel(logging.NOTSET)
