"""The registers of an open device, the only channel for commands, and how to power it up through them."""

from __future__ import annotations

import logging
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import CaptureTimedOut, DeviceNotReady, ProtocolViolation
from drivers.fingerprint.uru4000 import wire
from drivers.fingerprint.uru4000.wire import HardwareStatus, InterruptType, Mode, Register
from drivers.spi import CancelToken
from drivers.usb.transport import PendingTransfer, UsbTransport

_POWER_UP_TRIES = 3
_POWER_POLLS = 100
_POWER_POLL_S = 0.01
_POWER_INTERRUPT_S = 0.3

_logger = logging.getLogger(__name__)


class Registers:
    """timeout_s: limit for one access."""

    def __init__(self, transport: UsbTransport, timeout_s: float) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    def read(self, register: Register, count: int, cancel: CancelToken) -> bytes:
        """May return fewer bytes than count."""
        return self._transport.control_in(
            wire.REGISTER_REQUEST, register, 0, count, timeout_s=self._timeout_s, cancel=cancel
        )

    def write(self, register: Register, payload: bytes, cancel: CancelToken) -> None:
        self._transport.control_out(
            wire.REGISTER_REQUEST, register, 0, payload, timeout_s=self._timeout_s, cancel=cancel
        )

    def enter(self, mode: Mode, cancel: CancelToken) -> None:
        self.write(Register.MODE, bytes([mode]), cancel)

    def queue_off(self) -> PendingTransfer:
        """Ask for sensor and lamp to go off, without waiting for it."""
        return self._transport.queue_control_out(wire.REGISTER_REQUEST, Register.MODE, 0, bytes([Mode.OFF]))

    def await_interrupt(self, wanted: InterruptType, deadline: float, cancel: CancelToken) -> None:
        """Pass over all others. Raises CaptureTimedOut at the deadline, a time.monotonic()."""
        while True:
            packet = self._transport.next_interrupt(deadline - time.monotonic(), cancel)
            if packet is None:
                raise CaptureTimedOut("no such event within the time limit", awaited=wanted.name)
            code = wire.decode_interrupt(packet)
            if code == wanted:
                return
            if code == InterruptType.DEATH:
                _logger.warning("the scanner announces that it stops; the next image may be empty")
            else:
                _logger.debug("interrupt %#06x passed over", code)

    def has_told(self, wanted: InterruptType, cancel: CancelToken) -> bool:
        """Whether it did by now, however late we look: its answer to a question comes after what it told before."""
        self._read_status(cancel)
        try:
            self.await_interrupt(wanted, time.monotonic(), cancel)
        except CaptureTimedOut:
            return False
        return True

    def power_up(self, cancel: CancelToken, *, needs_challenge: bool) -> str:
        """Bring the scanner from any state to waiting for a mode; its firmware's version. Raises DeviceNotReady."""
        # From before the first register access on, or an early power interrupt is lost.
        self._transport.listen(wire.INTERRUPT_ENDPOINT, wire.INTERRUPT_BYTES, wire.INTERRUPT_INTERVAL)
        for attempt in range(1, _POWER_UP_TRIES + 1):
            status = self._unwedge(cancel)
            if not status & HardwareStatus.LOW_POWER:
                self._write_status(status | HardwareStatus.LOW_POWER, cancel)
            self._transport.drop_interrupts()
            self._leave_low_power(status & wire.HWSTAT_KEPT, cancel, needs_challenge=needs_challenge)
            try:
                self.await_interrupt(InterruptType.POWER_ON, time.monotonic() + _POWER_INTERRUPT_S, cancel)
            except CaptureTimedOut:
                _logger.warning("no power interrupt, attempt %d", attempt)
                continue
            return wire.decode_firmware(self.read(Register.INFO, wire.INFO_BYTES, cancel))
        raise DeviceNotReady("the scanner does not report that its power is up", attempts=_POWER_UP_TRIES)

    def _unwedge(self, cancel: CancelToken) -> int:
        """Read the status; free a device that an unclean exit left behind."""
        status = self._read_status(cancel)
        if status & HardwareStatus.WEDGED != HardwareStatus.WEDGED:
            return status
        self._write_status(status & wire.HWSTAT_KEPT, cancel)
        for _ in range(_POWER_POLLS):
            status = self._read_status(cancel)
            if status & HardwareStatus.READY:
                return status
            self._transport.pause(_POWER_POLL_S, cancel)
        raise DeviceNotReady("the scanner stays wedged", status=status)

    def _leave_low_power(self, kept: int, cancel: CancelToken, *, needs_challenge: bool) -> None:
        for _ in range(_POWER_POLLS):
            self._write_status(kept, cancel)
            if not self._read_status(cancel) & HardwareStatus.LOW_POWER:
                return
            self._transport.pause(_POWER_POLL_S, cancel)
            if needs_challenge:
                self._answer_challenge(cancel)
        raise DeviceNotReady("the scanner stays in low power")

    def _answer_challenge(self, cancel: CancelToken) -> None:
        challenge = self.read(Register.CHALLENGE, wire.CHALLENGE_BYTES, cancel)
        if len(challenge) != wire.CHALLENGE_BYTES:
            raise ProtocolViolation("a short challenge", length=len(challenge))
        self.write(Register.RESPONSE, respond(challenge), cancel)

    def _read_status(self, cancel: CancelToken) -> int:
        status = self.read(Register.HWSTAT, 1, cancel)
        if not status:
            raise ProtocolViolation("an empty status")
        return status[0]

    def _write_status(self, status: int, cancel: CancelToken) -> None:
        self.write(Register.HWSTAT, bytes([status]), cancel)


def respond(challenge: bytes) -> bytes:
    """The answer to an MSv2 reader's challenge: one AES-128 block. challenge: 16 bytes."""
    # ECB of a single block is the bare cipher, which is what the device computes.
    encryptor = Cipher(algorithms.AES(wire.CHALLENGE_KEY), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(challenge) + encryptor.finalize()
