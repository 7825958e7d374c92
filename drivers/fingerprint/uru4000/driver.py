"""The states of a U.are.U scanner.

    closed -> open -> powered -> (waiting for a finger -> image -> key exchange)* -> (waiting for finger off) -> off

Anything that goes wrong leaves the device unpowered in our books, and the next capture starts with power-up. An image
that came short or empty is taken again so within the same capture, while the finger is still there.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from drivers.errors import (
    CaptureTimedOut,
    DeviceError,
    DeviceNotReady,
    DriverError,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.fingerprint.uru4000 import descramble, wire
from drivers.fingerprint.uru4000.wire import HardwareStatus, InterruptType, Mode, Register
from drivers.frame import Frame
from drivers.spi import CancelToken, DeviceIdentity, Impression, ScanEvent, ScannerCapabilities
from drivers.usb.bus import AttachedDevice, UsbStrings, open_interface
from drivers.usb.transport import CONTROL_TIMEOUT_S, PendingTransfer, UsbTransport

SEED_BITS = 31

_POWER_UP_TRIES = 3
_POWER_POLLS = 100
_POWER_POLL_S = 0.01
_POWER_INTERRUPT_S = 0.3
_OFF_TIMEOUT_S = 0.5
_IMAGE_TRIES = 3

# A lifted finger leaves a blank picture with sensor noise. A block counts as skin from this standard deviation of grey
# on; two thirds of the blocks of the MSv2 recording, which is a pale one, do.
_BLOCK = 16
_SKIN_DEVIATION = 8.0
_SKIN_SHARE = 0.03  # of all blocks; a fingertip covers far more

_logger = logging.getLogger(__name__)


class Uru4000:
    """DigitalPersona U.are.U 4000, 4000B, 4500, Microsoft Fingerprint Reader; implements FingerprintScanner.

    address: usb:..., usbip://...
    host_seed: 31 bits for every key exchange; a fresh random one each time where None.
    resolution_ppi: what the frames claim; the vendor says 512, other sources 500.
    transfer_timeout_s: limit for one register access or one image.
    Raises UnsupportedDevice for a seed that does not fit.
    """

    def __init__(
        self,
        address: str,
        *,
        host_seed: int | None = None,
        resolution_ppi: float = 500.0,
        transfer_timeout_s: float = CONTROL_TIMEOUT_S,
    ) -> None:
        if host_seed is not None and host_seed >> SEED_BITS:
            raise UnsupportedDevice("a host seed has 31 bits", bits=host_seed.bit_length())
        self._address = address
        self._host_seed = host_seed
        self._resolution_ppi = resolution_ppi
        self._transfer_timeout_s = transfer_timeout_s
        self._transport: UsbTransport | None = None
        self._attached: AttachedDevice | None = None
        self._model = wire.Model("", "")
        self._firmware = ""
        self._powered = False
        self._finger_on = False
        self._sequence = 0

    @property
    def identity(self) -> DeviceIdentity:
        """Blank before the first open: a runtime check of the Protocol reads it, so it may not raise."""
        strings = UsbStrings() if self._attached is None else self._attached.strings
        return DeviceIdentity(
            strings.manufacturer or self._model.vendor,
            strings.product or self._model.name,
            strings.serial,
            self._firmware,
        )

    @property
    def capabilities(self) -> ScannerCapabilities:
        return ScannerCapabilities(
            wire.IMAGE_WIDTH, wire.IMAGE_HEIGHT, self._resolution_ppi, frozenset({Impression.FLAT})
        )

    def open(self) -> None:
        if self._transport is not None:
            return
        self._transport, self._attached = open_interface(self._address, wire.MODELS, wire.INTERFACE_CLASS)
        self._model = wire.MODELS[self._attached.vendor_id, self._attached.product_id]
        self._sequence = 0
        self._finger_on = False
        try:
            self._power_up(CancelToken())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        transport, self._transport = self._transport, None
        self._powered = False
        if transport is None:
            return
        try:
            self._queue_off(transport).result(_OFF_TIMEOUT_S)
        except DriverError as error:
            _logger.debug("%s: not switched off: %s", self._address, error)
        transport.close()

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        deadline = time.monotonic() + timeout_s
        transport = self._require_open()
        try:
            return self._capture_until_sound(deadline, cancel, on_event)
        except BaseException:
            self._powered = False
            # The lamp must not invite a finger that nobody waits for; a caller who cancelled must not wait for that.
            with contextlib.suppress(DriverError):
                self._queue_off(transport)
            raise

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        deadline = time.monotonic() + timeout_s
        self._require_open()
        if not self._finger_on:
            return
        try:
            if not self._powered:
                self._power_up(cancel)
            self._write(Register.MODE, bytes([Mode.AWAIT_FINGER_OFF]), cancel)
            self._await_interrupt(InterruptType.FINGER_OFF, deadline, cancel)
        except DeviceError:
            self._powered = False
            raise
        self._finger_on = False

    def _capture_until_sound(
        self, deadline: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]
    ) -> Frame:
        attempt = 1
        while True:
            if not self._powered:
                self._power_up(cancel)
            try:
                return self._capture_finger(deadline, cancel, on_event)
            except ProtocolViolation as error:
                self._powered = False
                if attempt == _IMAGE_TRIES:
                    raise
                attempt += 1
                _logger.warning("%s: %s; powering up again", self._address, error)

    def _capture_finger(self, deadline: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        while True:
            self._require_open().drop_interrupts()
            self._write(Register.MODE, bytes([Mode.AWAIT_FINGER_ON]), cancel)
            on_event(ScanEvent.WAITING)
            self._await_interrupt(InterruptType.FINGER_ON, deadline, cancel)
            self._finger_on = True
            on_event(ScanEvent.FINGER_ON)
            frame = self._read_image(cancel)
            if _shows_skin(frame.pixels):
                on_event(ScanEvent.IMAGE)
                return frame
            self._finger_on = False
            _logger.info("%s: the finger was lifted before the image was taken", self._address)
            if time.monotonic() >= deadline:
                raise CaptureTimedOut("no finger stayed for a picture within the time limit")

    def _read_image(self, cancel: CancelToken) -> Frame:
        # The read must be queued before the capture starts, or the device has nowhere to send the image.
        pending = self._require_open().queue_read(wire.IMAGE_ENDPOINT, wire.IMAGE_READ_BYTES)
        try:
            self._write(Register.MODE, bytes([Mode.CAPTURE]), cancel)
            transfer = pending.result(self._transfer_timeout_s, cancel)
        finally:
            pending.cancel()
        captured_s = time.monotonic()
        image = wire.decode_image(transfer.data)
        lines = image.lines
        if descramble.is_scrambled(lines):
            lines = descramble.clear_lines(image, self._fetch_keys(image, cancel))
            if descramble.is_scrambled(lines):
                raise ProtocolViolation("an image that the key exchanged for it does not clear")
        self._sequence += 1
        pixels = descramble.assemble(image, lines, turned=self._model.turned)
        return Frame(pixels, self._sequence, captured_s, self._resolution_ppi)

    def _fetch_keys(self, image: wire.ImageBlock, cancel: CancelToken) -> tuple[int, ...]:
        renewals = sum(1 for block in image.blocks if block.flags & wire.BlockFlag.NEW_KEY)
        keys = []
        for number in range(image.key_number, image.key_number + renewals + 1):
            seed = secrets.randbits(SEED_BITS) if self._host_seed is None else self._host_seed
            self._write(Register.SCRAMBLE_SEED, wire.encode_seed(number, seed), cancel)
            answer = self._read(Register.SCRAMBLE_ANSWER, wire.SCRAMBLE_ANSWER_BYTES, cancel)
            keys.append(wire.decode_key(answer, seed))
        return tuple(keys)

    def _power_up(self, cancel: CancelToken) -> None:
        """Bring the scanner from any state to waiting for a mode. Raises DeviceNotReady."""
        transport = self._require_open()
        # From before the first register access on, or an early power interrupt is lost.
        transport.listen(wire.INTERRUPT_ENDPOINT, wire.INTERRUPT_BYTES, wire.INTERRUPT_INTERVAL)
        for attempt in range(1, _POWER_UP_TRIES + 1):
            status = self._unwedge(cancel)
            if not status & HardwareStatus.LOW_POWER:
                self._write_status(status | HardwareStatus.LOW_POWER, cancel)
            transport.drop_interrupts()
            self._leave_low_power(status & wire.HWSTAT_KEPT, cancel)
            try:
                self._await_interrupt(InterruptType.POWER_ON, time.monotonic() + _POWER_INTERRUPT_S, cancel)
            except CaptureTimedOut:
                _logger.warning("%s: no power interrupt, attempt %d", self._address, attempt)
                continue
            self._firmware = wire.decode_firmware(self._read(Register.INFO, wire.INFO_BYTES, cancel))
            self._powered = True
            return
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
            self._require_open().pause(_POWER_POLL_S, cancel)
        raise DeviceNotReady("the scanner stays wedged", status=status)

    def _leave_low_power(self, kept: int, cancel: CancelToken) -> None:
        for _ in range(_POWER_POLLS):
            self._write_status(kept, cancel)
            if not self._read_status(cancel) & HardwareStatus.LOW_POWER:
                return
            self._require_open().pause(_POWER_POLL_S, cancel)
            if self._model.needs_challenge:
                self._answer_challenge(cancel)
        raise DeviceNotReady("the scanner stays in low power")

    def _answer_challenge(self, cancel: CancelToken) -> None:
        challenge = self._read(Register.CHALLENGE, wire.CHALLENGE_BYTES, cancel)
        if len(challenge) != wire.CHALLENGE_BYTES:
            raise ProtocolViolation("a short challenge", length=len(challenge))
        self._write(Register.RESPONSE, respond(challenge), cancel)

    def _await_interrupt(self, wanted: InterruptType, deadline: float, cancel: CancelToken) -> None:
        transport = self._require_open()
        while True:
            packet = transport.next_interrupt(deadline - time.monotonic(), cancel)
            if packet is None:
                raise CaptureTimedOut("no such event within the time limit", awaited=wanted.name)
            code = wire.decode_interrupt(packet)
            if code == wanted:
                return
            if code == InterruptType.DEATH:
                _logger.warning("%s: the scanner announces that it stops; the next image may be empty", self._address)
            else:
                _logger.debug("%s: interrupt %#06x passed over", self._address, code)

    def _queue_off(self, transport: UsbTransport) -> PendingTransfer:
        return transport.queue_control_out(wire.REGISTER_REQUEST, Register.MODE, 0, bytes([Mode.OFF]))

    def _read_status(self, cancel: CancelToken) -> int:
        status = self._read(Register.HWSTAT, 1, cancel)
        if not status:
            raise ProtocolViolation("an empty status")
        return status[0]

    def _write_status(self, status: int, cancel: CancelToken) -> None:
        self._write(Register.HWSTAT, bytes([status]), cancel)

    def _read(self, register: Register, count: int, cancel: CancelToken) -> bytes:
        return self._require_open().control_in(
            wire.REGISTER_REQUEST, register, 0, count, timeout_s=self._transfer_timeout_s, cancel=cancel
        )

    def _write(self, register: Register, payload: bytes, cancel: CancelToken) -> None:
        self._require_open().control_out(
            wire.REGISTER_REQUEST, register, 0, payload, timeout_s=self._transfer_timeout_s, cancel=cancel
        )

    def _require_open(self) -> UsbTransport:
        if self._transport is None:
            raise DeviceNotReady("the scanner is not open")
        return self._transport


def respond(challenge: bytes) -> bytes:
    """The answer to an MSv2 reader's challenge: one AES-128 block. challenge: 16 bytes."""
    # ECB of a single block is the bare cipher, which is what the device computes.
    encryptor = Cipher(algorithms.AES(wire.CHALLENGE_KEY), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(challenge) + encryptor.finalize()


def _shows_skin(pixels: NDArray[np.uint8]) -> bool:
    """Tell a print from a blank platen by its local contrast. pixels: (H, W) uint8."""
    height, width = (side - side % _BLOCK for side in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    deviation = blocks.std(axis=(1, 3), dtype=np.float32)
    return bool((deviation >= _SKIN_DEVIATION).mean() >= _SKIN_SHARE)
