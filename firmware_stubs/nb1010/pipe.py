"""The bulk IN pipe: packets of messages that arrive over time and wait, and reads that wait for them (USB 2.0, 5.8.3).

A read ends when it is full, or with a packet that is not. A packet that does not fit into what is left of the read is
an overflow, and is lost. The packets of a read that is taken back stay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware_stubs.usbip.device import Transfer
from firmware_stubs.usbip.protocol import UrbStatus

PACKET_BYTES: Final = 64


class Pipe:
    """One pipe. on_read: called after each read that ended."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        self._on_read = on_read
        self._packets: deque[tuple[float, bytes]] = deque()
        self._reads: deque[Transfer] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._free_s = 0.0

    @property
    def empty(self) -> bool:
        return not self._packets

    def send(self, message: bytes, duration_s: float) -> None:
        """Let a message arrive, once those before it have; it takes duration_s."""
        self._free_s = max(self._free_s, asyncio.get_running_loop().time()) + duration_s
        starts = range(0, len(message), PACKET_BYTES)
        self._packets.extend((self._free_s, message[start : start + PACKET_BYTES]) for start in starts)
        self.pump()

    def leave(self, packets: bytes) -> None:
        """Let bytes lie there, with nobody who reads them."""
        starts = range(0, len(packets), PACKET_BYTES)
        self._packets.extend((0.0, packets[start : start + PACKET_BYTES]) for start in starts)

    def clear(self) -> None:
        """Lose what waits."""
        self._packets.clear()
        self._free_s = 0.0

    def queue(self, transfer: Transfer) -> None:
        self._reads.append(transfer)
        self.pump()

    def cancel(self, transfer: Transfer) -> None:
        """Take a read back, if it waits here."""
        if transfer in self._reads:
            self._reads.remove(transfer)
            self.pump()

    def end_reads(self) -> None:
        """End every read that waits, as a bus reset does."""
        reads, self._reads = list(self._reads), deque()
        for transfer in reads:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def pump(self) -> None:
        """Finish the reads whose packets are here; come back when the next one will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._reads and (ending := self._first_read_ends()) is not None:
            due_s, count, overflow = ending
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self.pump)
                return
            content = b"".join(self._packets.popleft()[1] for _ in range(count))
            transfer = self._reads.popleft()
            if overflow:
                transfer.complete(status=UrbStatus.OVERFLOW)
            else:
                transfer.complete(content)
            self._on_read()

    def _first_read_ends(self) -> tuple[float, int, bool] | None:
        """When the first read can end, with how many packets, and whether by overflow; None where it cannot yet."""
        room = self._reads[0].length
        for count, (due_s, packet) in enumerate(self._packets, start=1):
            if len(packet) > room:
                return due_s, count, True
            room -= len(packet)
            if room == 0 or len(packet) < PACKET_BYTES:
                return due_s, count, False
        return None
