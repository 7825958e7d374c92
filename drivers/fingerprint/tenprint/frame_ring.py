"""Frames received into a ring of buffers, the newest kept: a late reader loses old ones and never sees a torn one.

Reads are always on their way while the ring runs; each that completes queues the next on the backend's thread. So the
wire never waits for the reader, and the reader gets what arrived last. A buffer is filled by one read, then it is the
newest, then it is lent: it comes back when nobody refers to its bytes any more. Who keeps frames makes the ring replace
their buffers; nothing is ever copied.
"""

from __future__ import annotations

import errno
import threading
import time
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DeviceError
from drivers.spi import CancelToken
from drivers.usb.request import Completion
from drivers.usb.transport import PendingTransfer, UsbTransport, device_error

READS_ON_THEIR_WAY = 2  # one is filled while the device finds the next waiting
BUFFERS = 6  # those, the newest, the reader's, and the two that a preview and a judge may hold
_CANCEL_SLICE_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One completed read. transfer: (length,) uint8, read-only. at_s: time.monotonic() at its end."""

    transfer: NDArray[np.uint8]
    at_s: float


@dataclass(slots=True, eq=False)
class _Buffer:
    memory: memoryview
    busy: bool = False  # being filled, or the newest
    lent: weakref.ref[NDArray[np.uint8]] | None = None

    @property
    def free(self) -> bool:
        return not self.busy and (self.lent is None or self.lent() is None)


class FrameRing:
    """Buffers of one size for one bulk endpoint; runs from `start` to `stop`, any number of times."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._buffers = [self._fresh() for _ in range(BUFFERS)]
        self._changed = threading.Condition()
        self._source: tuple[UsbTransport, int] | None = None
        self._run = 0
        self._pending: list[PendingTransfer] = []
        self._newest: tuple[_Buffer, int, float] | None = None
        self._error = 0

    def start(self, transport: UsbTransport, endpoint: int) -> None:
        """Queue the first reads. Raises DeviceError."""
        with self._changed:
            self._source = transport, endpoint
            self._run += 1
            self._error = 0
            self._drop_newest()
        for _ in range(READS_ON_THEIR_WAY):
            self._read(transport, endpoint, self._run)

    def stop(self) -> None:
        """Take the reads back, without waiting for that."""
        with self._changed:
            self._run += 1
            self._drop_newest()
            pending, self._pending = self._pending, []
        for read in pending:
            read.cancel()

    def newest(self, timeout_s: float, cancel: CancelToken) -> Arrival | None:
        """What arrived last and was not taken yet, or the next to come; None when nothing came in time.

        Raises CaptureCancelled, or what ended a read.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._newest is None:
                cancel.raise_if_cancelled()
                if self._error:
                    break
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return None
                self._changed.wait(min(remaining, _CANCEL_SLICE_S))
            if self._newest is not None:
                return self._lend(*self._newest)
        if self._error == errno.EPIPE and self._source is not None:
            transport, endpoint = self._source
            transport.unhalt(endpoint)
        raise device_error(self._error, "frame read")

    def _lend(self, buffer: _Buffer, size: int, at_s: float) -> Arrival:
        self._newest = None
        transfer = np.frombuffer(buffer.memory, np.uint8)
        transfer.flags.writeable = False
        buffer.lent = weakref.ref(transfer)  # every view of it, and so every frame, refers to it
        buffer.busy = False
        return Arrival(transfer[:size], at_s)

    def _read(self, transport: UsbTransport, endpoint: int, run: int) -> None:
        with self._changed:
            if run != self._run:
                return
            buffer = self._take()

        def on_done(completion: Completion) -> None:
            with self._changed:
                if completion.error or run != self._run:
                    buffer.busy = False
                    if run == self._run:
                        self._error = completion.error
                        self._changed.notify_all()
                    return
                self._drop_newest()
                self._newest = (buffer, completion.transferred, time.monotonic())
                self._pending = [read for read in self._pending if read.completion is None]
                self._changed.notify_all()
            try:
                self._read(transport, endpoint, run)
            except DeviceError as error:
                self._fail(run, int(error.facts.get("errno", errno.EIO)))

        try:
            read = transport.queue_read_into(endpoint, buffer.memory, on_done)
        except DeviceError:
            buffer.busy = False
            raise
        with self._changed:
            if run == self._run:
                self._pending.append(read)
                return
        read.cancel()  # stopped meanwhile

    def _fail(self, run: int, error: int) -> None:
        with self._changed:
            if run == self._run:
                self._error = error
                self._changed.notify_all()

    def _take(self) -> _Buffer:
        buffer = next((one for one in self._buffers if one.free), None)
        if buffer is None:  # somebody keeps frames: theirs leave the ring
            buffer = self._fresh()
            kept = [place for place, one in enumerate(self._buffers) if not one.busy]
            self._buffers[kept[0] : kept[0] + 1] = [buffer]
        buffer.busy = True
        return buffer

    def _drop_newest(self) -> None:
        if self._newest is not None:
            self._newest[0].busy = False
            self._newest = None

    def _fresh(self) -> _Buffer:
        return _Buffer(memoryview(bytearray(self._length)))
