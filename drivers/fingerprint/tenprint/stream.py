"""One stream of frames: started, sound frames only, ended.

A flawed transfer (torn, short, damaged, misaligned) makes the stream begin anew under another number: the device then
sends a short mark first, which ends any read that stale bytes have begun, and what follows is aligned again.
"""

from __future__ import annotations

import logging
import time

from drivers.errors import CaptureTimedOut, DeviceError, DeviceNotReady, DeviceStalled, ProtocolViolation
from drivers.fingerprint.tenprint import parameters, wire
from drivers.fingerprint.tenprint.frame_ring import FrameRing
from drivers.fingerprint.tenprint.session import Session, status_error
from drivers.fingerprint.tenprint.wire import Code, FrameMessage
from drivers.spi import CancelToken
from drivers.usb.transport import UsbTransport

_LAST_STREAM = 0xFFFF

_logger = logging.getLogger(__name__)


class FrameStream:
    """The frame channel of an open device. frame_timeout_s: for one whole frame to follow another."""

    def __init__(self, transport: UsbTransport, session: Session, frame_timeout_s: float) -> None:
        self._transport = transport
        self._session = session
        self._frame_timeout_s = frame_timeout_s
        self._ring = FrameRing(wire.FRAME_BYTES)
        self._number = 0
        self._begun_in = 0
        self._impression = 0
        self._flaws = 0
        self._aligned = False
        self._shown = 0
        self._picture_crc: int | None = None

    def begin(self, impression: int, cancel: CancelToken) -> None:
        """Start the sensor. Raises DeviceError, CaptureCancelled."""
        self._impression = impression
        self._flaws = 0
        self._picture_crc = None
        self._ring.start(self._transport, wire.FRAME_ENDPOINT)
        self._start(cancel)

    def end(self, *, in_order: bool) -> None:
        """Stop the sensor, without waiting for it. in_order: False where the device's state is not known."""
        self._ring.stop()
        if not in_order:
            self._session.lose_step()
            return
        try:
            self._session.tell(Code.STOP)
        except DeviceError as error:
            self._session.lose_step()
            _logger.debug("the sensor is not stopped: %s", error)

    def next(self, deadline_s: float, cancel: CancelToken) -> tuple[FrameMessage, float, int]:
        """The newest sound frame, time.monotonic() at its arrival, and how many of this stream were passed over for it.

        deadline_s: time.monotonic() of the caller's limit. Raises CaptureTimedOut past it, DeviceStalled where no frame
        comes or one picture is repeated, ProtocolViolation where none is sound, DeviceNotReady where all are black,
        CaptureCancelled.
        """
        heard_s = time.monotonic()
        stale: ProtocolViolation | None = None
        while True:
            now_s = time.monotonic()
            if now_s >= deadline_s:
                raise CaptureTimedOut("not within the time limit")
            if self._begun_in != self._session.number:  # a command between two frames had to begin a new session
                self._start(cancel)
            limit_s = min(heard_s + self._frame_timeout_s, deadline_s)
            arrival = self._ring.newest(max(0.0, limit_s - now_s), cancel)
            if arrival is None:
                if limit_s < deadline_s:
                    raise stale or DeviceStalled("the scanner sends no frames", seconds=self._frame_timeout_s)
                continue
            try:
                message = wire.decode_frame(arrival.transfer)
            except ProtocolViolation as error:
                if wire.ends_with_mark(arrival.transfer):
                    self._aligned = True
                    continue
                if not self._aligned and len(arrival.transfer) < wire.FRAME_BYTES:
                    stale = error  # the rest of a stream before this one
                    continue
                self._note_flaw(error)
                if self._aligned:
                    self._start(cancel)
                heard_s = time.monotonic()
                continue
            if (message.session, message.stream) != (self._session.number, self._number):
                continue  # of a stream before this one
            self._aligned = True
            if message.status:
                raise status_error(message.status, "frame")
            flaw = self._flaw_of(message)
            self._picture_crc = message.pixels_crc
            if flaw is None:
                self._flaws = 0
                passed_over = message.sequence - self._shown - 1
                self._shown = message.sequence
                return message, arrival.at_s, passed_over
            self._note_flaw(flaw)
            heard_s = time.monotonic()

    def _start(self, cancel: CancelToken) -> None:
        self._number = self._number % _LAST_STREAM + 1
        self._aligned = False
        self._shown = 0
        self._session.ask(Code.START, wire.encode_start(self._number, self._impression), cancel=cancel)
        self._begun_in = self._session.number

    def _note_flaw(self, error: DeviceError) -> None:
        self._flaws += 1
        if self._flaws >= parameters.BAD_FRAMES:
            raise error
        _logger.warning("a frame is passed over: %s", error)

    def _flaw_of(self, message: FrameMessage) -> DeviceError | None:
        if self._picture_crc == message.pixels_crc:
            return DeviceStalled("the scanner sends one picture again and again", sequence=message.sequence)
        step = parameters.BLACK_STEP_PX
        dark = message.pixels[::step, ::step] < parameters.BLACK_BELOW
        if dark.mean() > parameters.BLACK_SHARE:
            return DeviceNotReady("the scanner sends black pictures: its lamp is out", sequence=message.sequence)
        return None
