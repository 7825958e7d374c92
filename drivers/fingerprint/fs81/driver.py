"""The states of a Futronic FS81: see frame_scanner; here is what its wire asks for.

Its IN pipe is a queue that outlives programs, and even a reset of the bus: after a capture that was broken off, up to
299 packets of that picture come before the next answer. While they wait, the device may not even take a command.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DeviceError, DeviceStalled, ProtocolViolation
from drivers.fingerprint.frame_scanner import FrameScanner, Model, Patience
from drivers.fingerprint.fs81 import wire
from drivers.fingerprint.fs81.wire import Command
from drivers.spi import CancelToken, ScannerCapabilities
from drivers.usb.request import Completion
from drivers.usb.transport import PendingTransfer, UsbTransport

_COMMAND_S = 1.0
# A stale packet is there at once. An answer that is the last of its pipe is followed by silence.
_QUIET_S = 0.05
_MOST_PACKETS = 4096  # before the answer: more than ten pictures
_LEAVE_S = 0.5

_logger = logging.getLogger(__name__)


class Fs81(FrameScanner):
    """Futronic FS81; see FrameScanner. Built from a public protocol, not proven on hardware."""

    USB_ID = wire.USB_ID
    MODEL = Model("Futronic", "FS81", 320, 480)

    def __init__(self, address: str, *, resolution_ppi: float = 500.0, picture_timeout_s: float = 2.0) -> None:
        super().__init__(address, resolution_ppi=resolution_ppi, picture_timeout_s=picture_timeout_s)
        self._size = wire.Size(self.MODEL.width, self.MODEL.height)
        self._emptying: _Emptying | None = None

    @property
    def capabilities(self) -> ScannerCapabilities:
        """The usual size before open, the device's own after it."""
        usual = super().capabilities
        return ScannerCapabilities(self._size.width, self._size.height, usual.resolution_ppi, usual.impressions)

    def _bring_up(self, patience: Patience) -> None:
        self._stop_emptying()
        self._size = self._ask_size(patience)
        for command in (Command.OPEN_1, Command.OPEN_2):
            self._write(bytes([command]), patience)
            answer = self._read(wire.PACKET_BYTES, _COMMAND_S, patience)
            if len(answer) != wire.PACKET_BYTES:
                raise ProtocolViolation("a short answer", command=command.name, length=len(answer))

    def _ask_size(self, patience: Patience) -> wire.Size:
        """Drain the pipe and find the answer at its end.

        Dark pixels can read as a size. The answer is the last packet: only what silence follows counts.
        """
        # Not waited for: with stale packets in the pipe it may be taken only after them.
        self._require_open().queue_write(wire.COMMAND_ENDPOINT, bytes([Command.INFORMATION]))
        size: wire.Size | None = None
        refused: ProtocolViolation | None = None
        for stale in range(_MOST_PACKETS):
            try:
                packet = self._read(wire.PACKET_BYTES, _COMMAND_S if size is None else _QUIET_S, patience)
            except DeviceStalled as error:
                if error.facts.get("errno") != errno.ETIMEDOUT:
                    raise
                if size is not None:
                    if stale > 1:
                        _logger.info("%s: %d stale packets thrown away", self._address, stale - 1)
                    return size
                raise refused or error from None
            try:
                size = wire.decode_size(packet)
            except ProtocolViolation as error:
                size, refused = None, error
        raise ProtocolViolation("no answer among all that the device sends", packets=_MOST_PACKETS)

    def _light(self, patience: Patience) -> None:
        """Nothing: the lamp's command comes before each picture, as it does from the vendor's library."""

    def _take(self, patience: Patience) -> NDArray[np.uint8]:
        self._write(wire.encode_lamp(on=True), patience)
        self._write(bytes([Command.PICTURE]), patience)
        transport = self._require_open()
        pending = transport.queue_read(wire.ANSWER_ENDPOINT, self._size.read_bytes)
        return wire.decode_picture(patience.result(pending, self._picture_timeout_s).data, self._size)

    def _queue_dark(self) -> Sequence[PendingTransfer]:
        """Behind a picture that was broken off the command may wait until somebody reads it away."""
        if not self._in_step and self._emptying is None:
            self._emptying = _Emptying(self._require_open())
        return (self._queue_indicator("lamp", on=False),)

    def _queue_indicator(self, name: str, *, on: bool) -> PendingTransfer:
        return self._require_open().queue_write(wire.COMMAND_ENDPOINT, wire.encode_lamp(on=on))

    def _leave(self) -> None:
        """Leave an empty pipe where a picture was broken off: another program may not expect the rest of it."""
        if self._in_step:
            super()._leave()
            return
        self._stop_emptying()
        dark = self._queue_indicator("lamp", on=False)
        patience = Patience(_LEAVE_S, CancelToken())
        with contextlib.suppress(ProtocolViolation):
            self._read_until_quiet(wire.ANSWER_ENDPOINT, wire.PACKET_BYTES, _QUIET_S, patience)
        dark.result(_QUIET_S)

    def _stop_emptying(self) -> None:
        emptying, self._emptying = self._emptying, None
        if emptying is not None:
            emptying.stop()

    def _write(self, command: bytes, patience: Patience) -> None:
        written = patience.result(
            self._require_open().queue_write(wire.COMMAND_ENDPOINT, command), _COMMAND_S
        ).transferred
        if written != len(command):
            raise ProtocolViolation("the device took only a part of a command", written=written, length=len(command))

    def _read(self, length: int, limit_s: float, patience: Patience) -> bytes:
        pending = self._require_open().queue_read(wire.ANSWER_ENDPOINT, length)
        return bytes(patience.result(pending, limit_s).data)


class _Emptying:
    """Throws away what comes out of the pipe, packet by packet on the backend's thread, until it is stopped."""

    def __init__(self, transport: UsbTransport) -> None:
        self._transport = transport
        self._packet = memoryview(bytearray(wire.PACKET_BYTES))
        self._lock = threading.RLock()
        self._stopped = False
        self._read: PendingTransfer | None = None
        self._read_on()

    def stop(self) -> None:
        """Take the read back that waits; what it took is gone."""
        with self._lock:
            self._stopped = True
        if self._read is not None:
            self._read.cancel()
            with contextlib.suppress(DeviceError):
                self._read.result(_QUIET_S)

    def _read_on(self) -> None:
        with self._lock, contextlib.suppress(DeviceError):  # a device that is gone has nothing to be emptied
            if not self._stopped:
                self._read = self._transport.queue_read_into(wire.ANSWER_ENDPOINT, self._packet, self._on_done)

    def _on_done(self, completion: Completion) -> None:
        if completion.error == 0:
            self._read_on()
