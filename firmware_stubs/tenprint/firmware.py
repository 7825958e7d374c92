"""The firmware: commands on bulk OUT 0x01, answers on bulk IN 0x81, frames on bulk IN 0x82.

The sensor exposes a frame every 1/rate seconds while a stream runs, and keeps the newest only: a read that finds one
unsent gets it at once, and while it is on the wire it is not touched. What no read came for is lost and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_stubs.scanner.faults import Faults, OpticalFault
from firmware_stubs.tenprint import layout
from firmware_stubs.tenprint.description import (
    ANSWERS,
    FIRMWARE,
    ORDERS,
    PACKET_BYTES,
    PRODUCT,
    VENDOR,
    describe,
)
from firmware_stubs.tenprint.faults import Fault, spoilt
from firmware_stubs.tenprint.layout import Command, FrameFacts, Order, Outcome
from firmware_stubs.tenprint.sensor import Sensor
from firmware_stubs.usbip.device import Setup, Stalled, Transfer, UsbDevice
from firmware_stubs.usbip.protocol import UrbStatus

RATE: Final = 15.0  # frames a second
WIRE_BYTES_S: Final = 40e6  # what bulk transfers of USB 2.0 at high speed reach

_LONGEST_ANSWER: Final = 504
_KEPT_ANSWERS: Final = 8
_UNREAD_LIMIT_S: Final = 5.0  # a stream that nobody reads for so long ends by itself
_STALE_PACKETS: Final = 40
_BROKEN_OFF: Final = 3 * PACKET_BYTES + 40
_DARK: Final = (0,) * 10
_CALIBRATED_AT: Final = 1_767_225_600  # 2026-01-01

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """on_change: called after anything that `state` shows. unplug: cuts the cable. rate: frames a second.

    wire_bytes_s: of the bus; 0 for one that takes no time.
    """

    on_change: Callable[[], None]
    unplug: Callable[[], None]
    rate: float
    wire_bytes_s: float


class TenPrintFirmware(UsbDevice):
    """One scanner. All methods run on the event loop's thread."""

    def __init__(self, serial: str, sensor: Sensor, faults: Faults, around: Surroundings) -> None:
        super().__init__(describe(serial))
        self.lights: tuple[int, ...] = _DARK
        self.beeps = 0
        self.images_sent = 0
        self.commands = 0
        self._serial = serial
        self._sensor = sensor
        self._faults = faults
        self._around = around
        self._lost = 0
        self._session = 0
        self._answer_reads: deque[Transfer] = deque()
        self._answers: deque[bytes] = deque(maxlen=_KEPT_ANSWERS)
        self._frame_reads: deque[Transfer] = deque()
        self._stream: _Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_picture: NDArray[np.uint8] | None = None

    @property
    def mode(self) -> str:
        """ "off" without a session, else "idle" or "streaming"."""
        if not self._session:
            return "off"
        return "idle" if self._stream is None else "streaming"

    @property
    def sending(self) -> bool:
        """Whether a frame is on the wire."""
        return self._stream is not None and self._stream.sending is not None

    # UsbDevice

    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        raise Stalled

    def power_on(self) -> None:
        self._stop()
        self._session = 0
        self.lights = _DARK
        self._answers.clear()
        reads = [*self._answer_reads, *self._frame_reads]
        self._answer_reads.clear()
        self._frame_reads.clear()
        for transfer in reads:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def importer_changed(self, *, imported: bool) -> None:
        self._around.on_change()

    def queue_transfer(self, transfer: Transfer) -> None:
        match transfer.endpoint:
            case n if n == ORDERS:
                self._take_order(transfer)
            case n if n == ANSWERS:
                self._answer_reads.append(transfer)
                self._deliver_answers()
            case _:
                self._frame_reads.append(transfer)
                self._advance()

    def cancel_transfer(self, transfer: Transfer) -> None:
        for reads in (self._answer_reads, self._frame_reads):
            if transfer in reads:
                reads.remove(transfer)
        if self._stream is not None and self._stream.sending is transfer:
            self._stream.sending = None
            self._cancel_timer()
            self._advance()

    # commands

    def _take_order(self, transfer: Transfer) -> None:
        if self._faults.take(Fault.UNPLUG_IN_COMMAND):
            self._around.unplug()
            return
        if self._faults.take(Fault.REFUSED):
            transfer.complete(status=UrbStatus.STALL)
            return
        transfer.complete()
        self.commands += 1
        try:
            order = layout.read_order(transfer.outgoing)
        except layout.Damaged:
            self._say(layout.answer(Order(0, self._session, 0, b""), Outcome.CHECKSUM))
        else:
            outcome, payload = self._obey(order)
            if not self._faults.take(Fault.MUTE):
                self._say(layout.answer(order, outcome, payload))
        self._around.on_change()

    def _say(self, answer: bytes) -> None:
        if self._faults.take(Fault.STALE_ANSWER):
            self._answers.append(layout.answer(Order(Command.STATUS, 0xDEAD, 7, b""), 0, bytes(24)))
        if self._faults.take(Fault.BAD_ANSWER):
            answer = answer[:-1] + bytes([answer[-1] ^ 0x20])
        self._answers.append(answer[:_LONGEST_ANSWER])
        self._deliver_answers()

    def _deliver_answers(self) -> None:
        while self._answers and self._answer_reads:
            transfer, answer = self._answer_reads.popleft(), self._answers.popleft()
            if transfer.length < len(answer):
                transfer.complete(status=UrbStatus.OVERFLOW)
            else:
                transfer.complete(answer)

    def _obey(self, order: Order) -> tuple[int, bytes]:
        if order.code == Command.HELLO:
            return self._hello(order)
        if not self._session or order.session != self._session:
            return Outcome.SESSION, b""
        match order.code:
            case Command.IDENTIFY:
                return Outcome.DONE, layout.identity(VENDOR, PRODUCT, self._serial, FIRMWARE)
            case Command.CALIBRATION:
                return Outcome.DONE, layout.calibration(_CALIBRATED_AT, 500.3, 499.8, 22, 3, 244, due=False)
            case Command.STATUS:
                return Outcome.DONE, self._status()
            case Command.START:
                return self._start(order.payload), b""
            case Command.STOP:
                self._stop()
                return Outcome.DONE, b""
            case Command.LIGHTS:
                return self._set_lights(order.payload), b""
            case Command.BEEP:
                return self._beep(order.payload), b""
            case Command.BYE:
                self._stop()
                self.lights = _DARK
                self._session = 0
                return Outcome.DONE, b""
            case _:
                return Outcome.NO_SUCH_COMMAND, b""

    def _hello(self, order: Order) -> tuple[int, bytes]:
        self._stop()
        self._answers.clear()
        self._session = 0
        if len(order.payload) < 2 or not order.session:
            return Outcome.PAYLOAD, b""
        if self._faults.take(Fault.NOT_READY):
            return Outcome.WARMING_UP, b""
        self._session = order.session
        return Outcome.DONE, layout.greeting(self._around.rate)

    def _status(self) -> bytes:
        dirty, ghost = self._stains()
        stream = self._stream
        return layout.status(
            state=0 if stream is None else 1,
            dirty=dirty or ghost,
            skin_cells=int(self._sensor.presence(dirty=dirty, ghost=ghost).sum()),
            stream=0 if stream is None else stream.number,
            sent=self.images_sent,
            lost=self._lost,
            uptime_ms=int(_now_s() * 1000) & 0xFFFFFFFF,
            tenths_c=314,
        )

    def _set_lights(self, payload: bytes) -> int:
        if len(payload) < 10 or any(colour & 0x7F > 3 for colour in payload[:10]):
            return Outcome.PAYLOAD
        self.lights = tuple(payload[:10])
        return Outcome.DONE

    def _beep(self, payload: bytes) -> int:
        if len(payload) < 6:
            return Outcome.PAYLOAD
        self.beeps += 1
        return Outcome.DONE

    # frames

    def _start(self, payload: bytes) -> int:
        if len(payload) < 4 or payload[2] > 2:
            return Outcome.PAYLOAD
        self._stop()
        number = int.from_bytes(payload[:2], "little")
        self._stream = _Stream(number, payload[2], _now_s(), layout.mark(self._session, number))
        if self._faults.take(Fault.STALE_BYTES):
            stale = np.random.default_rng(number).integers(0, 256, _STALE_PACKETS * PACKET_BYTES, dtype=np.uint8)
            self._stream.mark = stale.tobytes() + self._stream.mark
        self._advance()
        return Outcome.DONE

    def _stop(self) -> None:
        stream, self._stream = self._stream, None
        self._cancel_timer()
        if stream is not None and stream.sending is not None:
            stream.sending.complete(bytes(_BROKEN_OFF))  # a frame that is broken off ends with a short packet

    def _advance(self) -> None:
        """Give the next queued read the mark, the newest frame, or a place to wait for it."""
        stream = self._stream
        if stream is None or stream.sending is not None:
            return
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        if not self._frame_reads:
            self._timer = loop.call_later(_UNREAD_LIMIT_S, self._give_up)
            return
        if stream.mark:
            mark, stream.mark = stream.mark, b""
            self._frame_reads.popleft().complete(mark)
            self._advance()
            return
        newest = stream.newest(_now_s(), self._around.rate)
        if newest <= stream.sent or stream.stalled:
            if not stream.stalled:
                due_s = stream.began_s + (stream.sent + 1) / self._around.rate
                self._timer = loop.call_at(due_s + 1e-4, self._wake)
            return
        self._begin_frame(stream, newest)

    def _begin_frame(self, stream: _Stream, newest: int) -> None:
        transfer = self._frame_reads.popleft()
        stream.lost += newest - stream.sent - 1
        self._lost += newest - stream.sent - 1
        stream.sent = newest
        if self._faults.take(Fault.STALL):
            stream.stalled = True
            self._frame_reads.appendleft(transfer)
            return
        if self._faults.take(Fault.HALT):
            transfer.complete(status=UrbStatus.STALL)
            self._stop()
            return
        frame = self._frame(stream)
        seconds = len(frame) / self._around.wire_bytes_s if self._around.wire_bytes_s else 0.0
        if self._faults.take(Fault.SLOW_WIRE):
            seconds *= 10
        unplug = self._faults.take(Fault.UNPLUG)
        stream.sending = transfer
        self._timer = asyncio.get_running_loop().call_later(
            seconds / 2 if unplug else seconds, self._end_frame, stream, transfer, frame, unplug
        )
        self._around.on_change()

    def _end_frame(self, stream: _Stream, transfer: Transfer, frame: bytes, unplug: bool) -> None:
        self._timer = None
        stream.sending = None
        if unplug:
            self._stop()
            self._around.unplug()
            return
        if transfer.length < len(frame):
            transfer.complete(status=UrbStatus.OVERFLOW)
        else:
            self.images_sent += 1
            transfer.complete(frame)
        self._around.on_change()
        self._advance()

    def _frame(self, stream: _Stream) -> bytes:
        now_s = _now_s()
        dirty, ghost = self._stains(strike=True)
        pixels, presence, complete = self._sensor.expose(
            now_s, stream.began_s, composed=stream.impression == 2, dirty=dirty, ghost=ghost
        )
        if self._faults.take(OpticalFault.BLACK_FRAME):
            pixels, presence = self._sensor.black(), np.zeros_like(presence)
        pixels = self._sensor.defects.strike(pixels, self._faults)
        if self._faults.take(OpticalFault.FROZEN_FRAME) and self._last_picture is not None:
            pixels = self._last_picture
        self._last_picture = pixels
        facts = FrameFacts(
            session=self._session,
            sequence=stream.sent,
            outcome=Outcome.LAMP if self._faults.take(Fault.LAMP_FAILED) else Outcome.DONE,
            stream=stream.number,
            impression=stream.impression,
            dirty=dirty or ghost,
            roll_complete=complete,
            time_us=int(now_s * 1e6),
            lost=stream.lost,
        )
        return spoilt(layout.frame(facts, presence, pixels), facts, pixels, self._faults)

    def _stains(self, *, strike: bool = False) -> tuple[bool, bool]:
        """Whether dirt and grease are on the glass; strike: use one up, as a frame does."""
        ask = self._faults.take if strike else self._faults.is_armed
        return ask(OpticalFault.DIRTY_PLATEN), ask(OpticalFault.GHOST_PRINT)

    def _wake(self) -> None:
        self._timer = None
        self._advance()

    def _give_up(self) -> None:
        _log.info("nobody reads the stream: it ends")
        self._timer = None
        self._stop()
        self._around.on_change()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True, eq=False)
class _Stream:
    """mark: what is still to be sent before the first frame. sent: number of the last frame that was, from 1."""

    number: int
    impression: int
    began_s: float
    mark: bytes
    sent: int = 0
    lost: int = 0
    stalled: bool = False
    sending: Transfer | None = None

    def newest(self, now_s: float, rate: float) -> int:
        return int((now_s - self.began_s) * rate)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
