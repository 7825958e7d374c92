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
        """Let a message arrive, packet by packet; it is over after duration_s."""
        now_s = asyncio.get_running_loop().time()
        size = self._packet_bytes
        count = max(1, -(-len(message) // size))
        self._packets.extend(
            (now_s + duration_s * (number + 1) / count, message[number * size : (number + 1) * size])
            for number in range(count)
        )
        self._pump()

    def queue(self, transfer: Transfer) -> None:
        self._reads.append(transfer)
        self._pump()

    def cancel(self, transfer: Transfer) -> None:
        """Take a read back."""
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
        """Finish the first read if its last packet is here, or wait until it will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._reads:
            transfer = self._reads[0]
            count, room, overflow = 0, transfer.length, False
            whole = False
            for _, packet in self._packets:
                count += 1
                overflow = len(packet) > room
                room -= len(packet)
                whole = overflow or room == 0 or len(packet) < self._packet_bytes
                if whole:
                    break
            if not whole:
                return
            due_s = max(due for (due, _), _ in zip(self._packets, range(count), strict=False))
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._pump)
                return
            message = b"".join(self._packets.popleft()[1] for _ in range(count))
            self._reads.popleft()
            if overflow:
                transfer.complete(status=UrbStatus.OVERFLOW)
            else:
                transfer.complete(message)
            self._on_read()
