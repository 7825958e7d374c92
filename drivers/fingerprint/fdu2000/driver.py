"""The states of a SecuGen FDU2000: see frame_scanner; here is what its wire asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.fingerprint.fdu2000 import wire
from drivers.fingerprint.fdu2000.wire import Command
from drivers.fingerprint.frame_scanner import FrameScanner, Model, Patience
from drivers.usb.transport import PendingTransfer

_COMMAND_S = 1.0  # the public driver gives 0.2 s, on a local port
_QUIET_S = 0.05  # after which a pipe counts as empty; what waits in it comes at once
_LEAVE_S = 0.3


class Fdu2000(FrameScanner):
    """SecuGen FDU2000; see FrameScanner. Built from a public protocol, not proven on hardware."""

    USB_ID = wire.USB_ID
    MODEL = Model("SecuGen", "FDU2000", wire.WIDTH, wire.HEIGHT)

    def _bring_up(self, patience: Patience) -> None:
        # First, or a picture that a killed program began would not end. Its answer goes with the other leftovers.
        self._write(Command.END, patience)
        for endpoint in (wire.PICTURE_ENDPOINT, wire.ANSWER_ENDPOINT):
            self._read_until_quiet(endpoint, wire.PACKET_BYTES, _QUIET_S, patience)
        self._command(Command.END, patience)
        self._command(Command.LAMP_OFF, patience)

    def _light(self, patience: Patience) -> None:
        self._command(Command.LAMP_ON, patience)

    def _take(self, patience: Patience) -> NDArray[np.uint8]:
        self._command(Command.READY, patience)
        # Queued before the picture is asked for, so that the device never waits for the host.
        pending = self._require_open().queue_read(wire.PICTURE_ENDPOINT, wire.READ_BYTES)
        try:
            self._command(Command.READ, patience)
            stream = patience.result(pending, self._picture_timeout_s).data
        finally:
            pending.cancel()
        self._command(Command.END, patience)
        return wire.decode_picture(stream)

    def _queue_dark(self) -> Sequence[PendingTransfer]:
        return (self._queue_indicator("lamp", on=False),)

    def _queue_indicator(self, name: str, *, on: bool) -> PendingTransfer:
        return self._queue(Command.LAMP_ON if on else Command.LAMP_OFF)

    def _leave(self) -> None:
        """End a picture that was broken off, too."""
        if not self._in_step:
            answer = self._require_open().queue_read(wire.ANSWER_ENDPOINT, wire.PACKET_BYTES)
            self._queue(Command.END).result(_LEAVE_S)
            answer.result(_LEAVE_S)
        super()._leave()

    def _command(self, command: Command, patience: Patience) -> None:
        """Send a command and read its acknowledgement, where it has one."""
        self._write(command, patience)
        if command.acknowledgement:
            pending = self._require_open().queue_read(wire.ANSWER_ENDPOINT, wire.PACKET_BYTES)
            wire.check_acknowledgement(command, bytes(patience.result(pending, _COMMAND_S).data))

    def _write(self, command: Command, patience: Patience) -> None:
        written = patience.result(self._queue(command), _COMMAND_S).transferred
        if written != len(command.code):
            raise ProtocolViolation("the device took only a part of a command", command=command.name, written=written)

    def _queue(self, command: Command) -> PendingTransfer:
        return self._require_open().queue_write(wire.COMMAND_ENDPOINT, command.code)
