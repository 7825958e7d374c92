"""The firmware: vendor requests on endpoint 0, interrupts on 0x81, images on 0x82.

    request  0xC0 / 0x40, bRequest 0x04, wValue = first register, wIndex = 0, wLength = registers of one byte
    0x0007 HWSTAT rw 1     0x0033 key number and seed w 5     0x0034 key XOR seed r 4     0x004E MODE w 1
    0x00F0 INFO r 16       0x2000 response w 16               0x2010 challenge r 16

Anything else is refused with STALL, so that a driver that touches it is noticed. Modes are taken only while the sensor
has power.

An image is sent only into a bulk read that is queued when MODE=20 is written; later reads in that mode ask for the
next image each. MODE=20 without a queued read starts an image that nobody takes, and nothing ever comes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from enum import IntEnum
from typing import Final

import numpy as np

from firmware_stubs.scanner.device import ScannerDevice, Surroundings
from firmware_stubs.scanner.glass import Glass
from firmware_stubs.uru4000.faults import Fault
from firmware_stubs.uru4000.image_block import HEADER_BYTES, encode_image, keys_needed, sensor_picture
from firmware_stubs.uru4000.models import BULK_IN, EVERY_KIND, INTERRUPT_IN, WIDTH, Model
from firmware_stubs.uru4000.power import Power
from firmware_stubs.usbip.device import Setup, Stalled, Transfer
from firmware_stubs.usbip.protocol import UrbStatus

_REGISTER_REQUEST: Final = 0x04
_HWSTAT: Final = 0x0007
_SEED: Final = 0x0033
_SCRAMBLED_KEY: Final = 0x0034
_MODE: Final = 0x004E
_INFO: Final = 0x00F0
_RESPONSE: Final = 0x2000
_CHALLENGE: Final = 0x2010

# The device sends 64 bytes of its memory from the type on, so each interrupt drags the table behind it along.
_INTERRUPT_TABLE: Final = bytes.fromhex("01010200080010002000800056aa")
_INTERRUPT_BYTES: Final = 64
_PACKET_BYTES: Final = 64
_WAITING_INTERRUPTS: Final = 8
_STALE_BYTES: Final = 40 * _PACKET_BYTES + 10  # of an image that a killed program had begun to read

_log = logging.getLogger(__name__)


class Mode(IntEnum):
    """Register 0x4E."""

    INIT = 0x00
    WAIT_FINGER_ON = 0x10
    WAIT_FINGER_OFF = 0x12
    CAPTURE = 0x20
    CAPTURE_AUX = 0x30
    OFF = 0x70
    READY = 0x80


_LED_MODES: Final = frozenset({Mode.WAIT_FINGER_ON, Mode.CAPTURE, Mode.CAPTURE_AUX})


class Interrupt(IntEnum):
    """First two bytes of an interrupt, big endian."""

    FINGER_ON = 0x0101
    FINGER_OFF = 0x0200
    DEATH = 0x0800
    POWER_UP = 0x56AA


class Uru4000(ScannerDevice):
    """One scanner. A picture takes its time from MODE=20 to the end of the transfer."""

    def __init__(self, model: Model, serial: str, glass: Glass, surroundings: Surroundings) -> None:
        super().__init__(model.descriptors(serial), surroundings)
        self._model = model
        self._glass = glass
        self._power = Power(model, announce=lambda: self._raise(Interrupt.POWER_UP), on_up=self._on_power_up)
        self._noise = np.random.default_rng()
        self._memory = _INTERRUPT_TABLE + self._noise.bytes(_INTERRUPT_BYTES)
        self._mode = Mode.OFF
        self._seed = 0
        self._seed_key_number = 0
        self._keys: dict[int, int] = {}
        self._stale = b""
        self._interrupts: deque[bytes] = deque(maxlen=_WAITING_INTERRUPTS)
        self._interrupt_reads: deque[Transfer] = deque()
        self._bulk_reads: deque[Transfer] = deque()
        self._streaming = False
        self._image: _Image | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._power.power_on(wedged=False)

    @property
    def mode(self) -> str:
        """The present mode in small letters, "low_power" without power."""
        return self._mode.name.lower() if self._power.up else "low_power"

    def finger_laid(self) -> None:
        if self._power.up and self._mode is Mode.WAIT_FINGER_ON:
            self._report_finger_on()
        self._on_change()

    def finger_lifted(self) -> None:
        if self._power.up and self._mode is Mode.WAIT_FINGER_OFF:
            self._raise(Interrupt.FINGER_OFF)
        self._on_change()

    # UsbDevice

    def power_on(self) -> None:
        self._enter(Mode.OFF)
        self._power.power_on(wedged=False)
        self._keys = {}
        self._stale = b""
        self._interrupts.clear()
        reads = [*self._interrupt_reads, *self._bulk_reads]
        self._interrupt_reads.clear()
        self._bulk_reads.clear()
        for transfer in reads:
            transfer.complete(status=UrbStatus.SHUTDOWN)

    def importer_changed(self, *, imported: bool) -> None:
        if imported:
            self._power.power_on(wedged=self._faults.take(Fault.WEDGED))
            if self._faults.take(Fault.STALE_BYTES):
                self._stale = self._noise.bytes(_STALE_BYTES)
        self._on_change()

    def queue_transfer(self, transfer: Transfer) -> None:
        if transfer.endpoint == INTERRUPT_IN:
            self._interrupt_reads.append(transfer)
            self._deliver_interrupts()
        elif transfer.endpoint == BULK_IN and self._stale:
            transfer.complete(self._stale)
            self._stale = b""
        elif transfer.endpoint == BULK_IN:
            self._bulk_reads.append(transfer)
            if self._streaming and self._image is None:
                self._start_image()
            elif self._image is not None:
                self._schedule_bulk()

    def cancel_transfer(self, transfer: Transfer) -> None:
        for reads in (self._interrupt_reads, self._bulk_reads):
            if transfer in reads:
                reads.remove(transfer)
        if self._image is not None and not self._bulk_reads:
            self._stop_images()

    def vendor_request(self, setup: Setup, outgoing: bytes) -> bytes:
        if not setup.vendor or setup.request != _REGISTER_REQUEST or setup.index or setup.recipient:
            raise Stalled
        if setup.incoming:
            return self._read_registers(setup.value, setup.length)
        if len(outgoing) != setup.length:
            raise Stalled
        self._write_registers(setup.value, outgoing)
        self._on_change()
        return b""

    # registers

    def _read_registers(self, first: int, count: int) -> bytes:
        match first:
            case n if n == _HWSTAT and count == 1:
                return bytes([self._power.status])
            case n if n == _SCRAMBLED_KEY and count == 4:
                key = self._keys.get(self._seed_key_number, 0)
                if self._faults.take(Fault.WRONG_KEY):
                    key ^= secrets.randbits(32) | 1
                return (key ^ self._seed).to_bytes(4, "little")
            case n if n == _INFO and count == 16:
                return self._model.info
            case n if n == _CHALLENGE and count == 16 and self._model.challenges:
                return self._power.challenge()
            case _:
                raise Stalled

    def _write_registers(self, first: int, values: bytes) -> None:
        match first:
            case n if n == _HWSTAT and len(values) == 1:
                self._power.write(values[0])
                if not self._power.up:
                    self._enter(Mode.OFF)
            case n if n == _SEED and len(values) == 5:
                self._seed_key_number = values[0]
                self._seed = int.from_bytes(values[1:], "little")
            case n if n == _MODE and len(values) == 1:
                self._set_mode(values[0])
            case n if n == _RESPONSE and len(values) == 16 and self._model.challenges:
                self._power.respond(values)
            case _:
                raise Stalled

    def _set_mode(self, value: int) -> None:
        try:
            mode = Mode(value)
        except ValueError:
            raise Stalled from None
        if not self._power.up or (mode is Mode.CAPTURE and self._image is not None):
            return  # an image that is on its way is not started again
        self._enter(mode)
        match mode:
            case Mode.WAIT_FINGER_ON if self._glass.occupied or self._glass.haunted:
                self._report_finger_on()
            case Mode.WAIT_FINGER_OFF if not self._glass.occupied:
                self._raise(Interrupt.FINGER_OFF)
            case Mode.CAPTURE if self._bulk_reads:
                self._streaming = True
                self._start_image()
            case Mode.CAPTURE:
                _log.warning("MODE=20 with no bulk read queued: the image goes nowhere")
            case _:
                pass

    def _enter(self, mode: Mode) -> None:
        self._stop_images()
        self._mode = mode
        self._switch("led", on=mode in _LED_MODES)

    def _on_power_up(self) -> bool:
        self._on_change()
        return not self._faults.take(Fault.NO_POWER_INTERRUPT)

    # interrupts

    def _report_finger_on(self) -> None:
        if self._faults.take(Fault.STRAY_INTERRUPT):
            self._raise(Interrupt.FINGER_OFF)
        self._raise(Interrupt.FINGER_ON)
        if self._faults.take(Fault.DUPLICATE_INTERRUPT):
            self._raise(Interrupt.FINGER_ON)

    def _raise(self, interrupt: Interrupt) -> None:
        start = self._memory.index(interrupt.to_bytes(2, "big"))
        self._interrupts.append(self._memory[start : start + _INTERRUPT_BYTES])
        self._deliver_interrupts()

    def _deliver_interrupts(self) -> None:
        while self._interrupts and self._interrupt_reads:
            transfer = self._interrupt_reads.popleft()
            message = self._interrupts.popleft()
            if transfer.length < len(message):
                transfer.complete(status=UrbStatus.OVERFLOW)
            else:
                transfer.complete(message)

    # images

    def _start_image(self) -> None:
        if self._faults.take(Fault.STALL):
            return
        started_s = asyncio.get_running_loop().time()
        wire, self._keys = self._next_image()
        duration_s = self._picture_s * (10 if self._faults.take(Fault.SLOW_WIRE) else 1)
        breaks = self._faults.take(Fault.UNPLUG_IN_IMAGE)
        self._image = _Image(wire, started_s, duration_s, breaks=breaks)
        self._schedule_bulk()

    def _next_image(self) -> tuple[bytes, dict[int, int]]:
        """The bytes of the transfer, and the keys by number."""
        if self._faults.take(Fault.ZERO_IMAGE):
            self._raise(Interrupt.DEATH)
            return b"", {}
        blocks = EVERY_KIND if self._faults.take(Fault.EVERY_BLOCK_KIND) else self._model.blocks
        picture = self._glass.expose(lit=True)
        if self._faults.take(Fault.PALE_IMAGE):
            picture = (235 + (picture.astype(np.int16) - 235) // 12).astype(np.uint8)
        number = self._model.key_number
        keys = [1 + secrets.randbelow(2**32 - 1) for _ in range(keys_needed(blocks))]
        wire = encode_image(
            sensor_picture(picture, turned=self._model.turned),
            blocks,
            number,
            None if self._faults.take(Fault.CLEAR_IMAGE) else keys,
            self._noise,
        )
        if self._faults.take(Fault.BAD_HEADER):
            wire = wire[:4] + b"\xff\xff" + wire[6:]
        if self._faults.take(Fault.SHORT_IMAGE):
            wire = wire[: HEADER_BYTES + (len(wire) - HEADER_BYTES) // 2 // WIDTH * WIDTH]
        return wire, {number + place: key for place, key in enumerate(keys)}

    def _schedule_bulk(self) -> None:
        """Finish the first queued read when the last byte that it takes has come over the wire."""
        if self._timer is None and self._image is not None and self._bulk_reads:
            image = self._image
            due = image.half_s if image.breaks else image.due_s(self._bulk_reads[0].length)
            self._timer = asyncio.get_running_loop().call_at(due, self._advance)

    def _advance(self) -> None:
        self._timer = None
        image = self._image
        if image is None or not self._bulk_reads:
            return
        if image.breaks:
            self._stop_images()
            self._unplug()
            return
        transfer = self._bulk_reads.popleft()
        chunk = image.take(transfer.length)
        if not image.more:
            self._image = None
            self.pictures_sent += bool(image.wire)
        if len(chunk) == transfer.length and len(chunk) % _PACKET_BYTES and image.more:
            transfer.complete(status=UrbStatus.OVERFLOW)  # the last packet is longer than the space left
        else:
            transfer.complete(chunk)
        if self._image is None and self._streaming and self._bulk_reads:
            self._start_image()
        self._schedule_bulk()
        self._on_change()

    def _stop_images(self) -> None:
        self._streaming = False
        self._image = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Image:
    """An image on its way. breaks: the cable comes out halfway."""

    def __init__(self, wire: bytes, started_s: float, duration_s: float, *, breaks: bool) -> None:
        self.wire = wire
        self.breaks = breaks
        self._sent = 0
        self._started_s = started_s
        self._duration_s = duration_s

    @property
    def half_s(self) -> float:
        """The loop's time at half of the transfer."""
        return self._started_s + self._duration_s / 2

    @property
    def more(self) -> bool:
        return self._sent < len(self.wire)

    def due_s(self, length: int) -> float:
        """The loop's time when `length` more bytes, or the rest, have come."""
        if not self.wire:
            return self._started_s + self._duration_s
        return self._started_s + self._duration_s * min(1.0, (self._sent + length) / len(self.wire))

    def take(self, length: int) -> bytes:
        """The next bytes, at most `length`."""
        chunk = self.wire[self._sent : self._sent + length]
        self._sent += len(chunk)
        return chunk
