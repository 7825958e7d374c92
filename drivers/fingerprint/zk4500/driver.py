"""The states of a ZKTeco ZK4500: see frame_scanner; here is what its wire asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.fingerprint.frame_scanner import FrameScanner, Model, Patience
from drivers.fingerprint.zk4500 import wire
from drivers.fingerprint.zk4500.wire import Output, Request
from drivers.usb.transport import PendingTransfer

_REQUEST_S = 1.0
# After which the pipe counts as empty. What waits in it comes at once; but nothing would show later that some was left:
# every picture would begin with the end of the one before.
_QUIET_S = 0.1
_LIT = (Output.ILLUMINATION, Output.GREEN_LED)
_INDICATORS = {
    "led-green": Output.GREEN_LED,
    "led-red": Output.RED_LED,
    "beeper": Output.BUZZER,
    "lamp": Output.ILLUMINATION,
}


class Zk4500(FrameScanner):
    """ZKTeco ZK4500; see FrameScanner. Built from a public protocol, not proven on hardware.

    The green LED invites the finger; the red one and the buzzer work only when they are tried.
    """

    USB_ID = wire.USB_ID
    MODEL = Model("ZKTeco", "ZK4500", wire.WIDTH, wire.HEIGHT)
    INDICATORS = tuple(_INDICATORS)

    def _bring_up(self, patience: Patience) -> None:
        self._read_until_quiet(wire.PICTURE_ENDPOINT, wire.PACKET_BYTES, _QUIET_S, patience)

    def _light(self, patience: Patience) -> None:
        for output in _LIT:
            patience.result(self._queue_switch(output, on=True), _REQUEST_S)
        self._take(patience)  # the old one: of the finger before, or of the dark

    def _take(self, patience: Patience) -> NDArray[np.uint8]:
        transport = self._require_open()
        patience.result(transport.queue_control_out(Request.PICTURE, 0, 0, b""), _REQUEST_S)
        pending = transport.queue_read(wire.PICTURE_ENDPOINT, wire.PICTURE_BYTES)
        return wire.decode_picture(patience.result(pending, self._picture_timeout_s).data)

    def _queue_dark(self) -> Sequence[PendingTransfer]:
        return tuple(self._queue_switch(output, on=False) for output in _LIT)

    def _queue_indicator(self, name: str, *, on: bool) -> PendingTransfer:
        return self._queue_switch(_INDICATORS[name], on=on)

    def _queue_switch(self, output: Output, *, on: bool) -> PendingTransfer:
        return self._require_open().queue_control_out(Request.SWITCH, int(on), output, b"")
