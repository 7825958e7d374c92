"""A bulk IN pipe: packets that arrive over time and wait, and reads that wait for them (USB 2.0, 5.8.3).

A read ends when it is full or with a packet that is not; a packet that does not fit into what is left of the read is an
overflow. A read that is taken back loses what had come into it, as it does on a real bus.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from firmware_stubs.usbip.device import Transfer
from firmware_stubs.usbip.protocol import UrbStatus


class BulkIn:
    """One pipe. on_read: called after each read that ended."""

    def __init__(self, packet_bytes: int, on_read: Callable[[], None]) -> None:
        self._packet_bytes = packet_bytes
        self._on_read = on_read
        self._packets: deque[tuple[float, bytes]] = deque()
        self._reads: deque[Transfer] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        return not self._packets

    def send(self, message: bytes, duration_s: float = 0.0) -> None:
        """Let a message arrive packet by packet, after those that are on their way; it takes duration_s."""
        now_s = asyncio.get_running_loop().time()
        begin_s = max(now_s, self._packets[-1][0]) if self._packets else now_s
        size = self._packet_bytes
        count = max(1, -(-len(message) // size))
        self._packets.extend(
            (begin_s + duration_s * (number + 1) / count, message[number * size : (number + 1) * size])
            for number in range(count)
        )
        self._pump()

    def queue(self, transfer: Transfer) -> None:
        self._reads.append(transfer)
        self._pump()

    def cancel(self, transfer: Transfer) -> None:
        """Take a read back, if it waits here."""
        if transfer not in self._reads:
            return
        if transfer is self._reads[0]:
            now_s = asyncio.get_running_loop().time()
            taken = 0
            while self._packets and self._packets[0][0] <= now_s and taken < transfer.length:
                taken += len(self._packets.popleft()[1])
        self._reads.remove(transfer)
        self._pump()

    def keep_packets(self, count: int) -> None:
        """Lose what would still have come, but for the first `count` packets, which are in a buffer already."""
        while len(self._packets) > count:
            self._packets.pop()

    def drop_packets(self) -> None:
        """Lose what waits."""
        self._packets.clear()

    def end_reads(self) -> None:
        """End every read that waits, as a reset does."""
        reads, self._reads = list(self._reads), deque()
        for transfer in reads:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def _pump(self) -> None:
        """Finish the reads whose packets are here; come back when the next one's will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._reads and (ending := self._first_read_ends()) is not None:
            due_s, count, overflow = ending
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._pump)
                return
            message = b"".join(self._packets.popleft()[1] for _ in range(count))
            transfer = self._reads.popleft()
            if overflow:
                transfer.complete(status=UrbStatus.OVERFLOW)
            else:
                transfer.complete(message)
            self._on_read()

    def _first_read_ends(self) -> tuple[float, int, bool] | None:
        """When the first read can end, with how many packets, and whether by overflow; None where it cannot yet."""
        room = self._reads[0].length
        for count, (due_s, packet) in enumerate(self._packets, start=1):
            if len(packet) > room:
                return due_s, count, True
            room -= len(packet)
            if room == 0 or len(packet) < self._packet_bytes:
                return due_s, count, False
        return None
