"""The states of a U.are.U scanner.

    closed -> open -> powered -> (waiting for a finger -> image -> key exchange)* -> (waiting for finger off) -> off

Anything that goes wrong leaves the device unpowered in our books, and the next capture starts with power-up. An image
that came short, empty or twice is taken again so within the same capture, while the finger is still there.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.errors import (
    CaptureTimedOut,
    DeviceError,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.fingerprint.uru4000 import descramble, wire
from drivers.fingerprint.uru4000.registers import Registers
from drivers.fingerprint.uru4000.wire import ImageBlock, InterruptType, Mode, Register
from drivers.frame import Frame
from drivers.spi import CancelToken, DeviceIdentity, Impression, ScanEvent, ScannerCapabilities
from drivers.usb.bus import AttachedDevice, UsbStrings, open_interface
from drivers.usb.transport import CONTROL_TIMEOUT_S, UsbTransport

_SEED_BITS = 31  # of our own, as is described; the register has 32, and another host may have used them all
_REGISTER_SEED_BITS = 32

_OFF_TIMEOUT_S = 0.5
_FEELING_S = 0.3  # within which a finger that lies there already is told of
_IMAGE_TRIES = 3
_NEXT_IMAGE_S = 1.0  # for the image after one that came short; a full one takes 0.13 s
_LED = "led"

# A lifted finger leaves a blank picture with sensor noise. A block counts as skin from this standard deviation of grey
# on; two thirds of the blocks of the MSv2 recording, which is a pale one, do.
_BLOCK = 16
_SKIN_DEVIATION = 8.0
_SKIN_SHARE = 0.03  # of all blocks; a fingertip covers far more
_DARK = 16.0  # mean grey below which not even the empty glass is seen
_DARK_IMAGES = 3  # in a row, until the lamp counts as dead

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class Uru4000:
    """DigitalPersona U.are.U 4000, 4000B, 4500, Microsoft Fingerprint Reader.

    Implements FingerprintScanner, PlatenImager, Indicating.
    address: usb:..., usbip://...
    host_seed: up to 32 bits for every key exchange, or one number for each in turn, from the first again after the
    last; a fresh random one each time where None. A recording can be played with its own.
    resolution_ppi: what the frames claim; the vendor says 512, other sources 500.
    transfer_timeout_s: limit for one register access or one image.
    Raises UnsupportedDevice for a seed that does not fit.
    """

    def __init__(
        self,
        address: str,
        *,
        host_seed: int | Sequence[int] | None = None,
        resolution_ppi: float = 500.0,
        transfer_timeout_s: float = CONTROL_TIMEOUT_S,
    ) -> None:
        self._host_seeds = (host_seed,) if isinstance(host_seed, int) else tuple(host_seed or ())
        for seed in self._host_seeds:
            if seed >> _REGISTER_SEED_BITS:
                raise UnsupportedDevice("a host seed has 32 bits at most", bits=seed.bit_length())
        self._address = address
        self._resolution_ppi = resolution_ppi
        self._transfer_timeout_s = transfer_timeout_s
        self._transport: UsbTransport | None = None
        self._registers: Registers | None = None
        self._attached: AttachedDevice | None = None
        self._model = wire.Model("", "")
        self._firmware = ""
        self._powered = False
        self._finger_on: bool | None = None  # None: not known since it was opened
        self._sequence = 0
        self._exchanges = 0
        self._last_crc: int | None = None

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

    @property
    def indicators(self) -> Sequence[str]:
        return (_LED,)

    def open(self) -> None:
        if self._transport is not None:
            return
        transport, self._attached = open_interface(self._address, wire.MODELS, wire.INTERFACE_CLASS)
        self._transport = transport
        self._registers = Registers(transport, self._transfer_timeout_s)
        self._model = wire.MODELS[self._attached.vendor_id, self._attached.product_id]
        self._sequence = 0
        self._exchanges = 0
        self._finger_on = None
        self._last_crc = None
        try:
            self._power_up(CancelToken())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        transport, self._transport = self._transport, None
        registers, self._registers = self._registers, None
        self._powered = False
        if transport is None or registers is None:
            return
        try:
            registers.queue_off().result(_OFF_TIMEOUT_S)
        except DriverError as error:
            _logger.debug("%s: not switched off: %s", self._address, error)
        transport.close()

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        deadline = time.monotonic() + timeout_s
        with self._off_after_errors():
            return self._until_sound(lambda: self._capture_finger(deadline, cancel, on_event), cancel)

    def image_platen(self, *, frames: int, cancel: CancelToken) -> Sequence[Frame]:
        taken: list[Frame] = []

        def take() -> None:
            start = True
            while len(taken) < frames:
                taken.append(self._number(*self._read_image(cancel, start=start)))
                start = False

        with self._off_after_errors():
            self._until_sound(take, cancel)
            self._switch_off()
        return taken

    def indicate(self, name: str, *, seconds: float, cancel: CancelToken) -> None:
        if name not in self.indicators:
            raise UnsupportedDevice("no such indicator", name=name)
        registers = self._require_open()
        with self._off_after_errors():
            if not self._powered:
                self._power_up(cancel)
            registers.enter(Mode.AWAIT_FINGER_ON, cancel)  # which lights it
            self._require_transport().pause(seconds, cancel)
            self._switch_off()

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        deadline = time.monotonic() + timeout_s
        registers = self._require_open()
        if self._finger_on is False:
            return
        try:
            if not self._powered:
                self._power_up(cancel)
            if self._finger_on is None:
                self._finger_on = self._feels_finger(deadline, cancel)
            if self._finger_on:
                registers.enter(Mode.AWAIT_FINGER_OFF, cancel)
                registers.await_interrupt(InterruptType.FINGER_OFF, deadline, cancel)
        except DeviceError:
            self._powered = False
            raise
        self._finger_on = False

    def _feels_finger(self, deadline: float, cancel: CancelToken) -> bool:
        """Whether one lies there already. Only its coming is told, so it is asked for, and soon told if it is there."""
        registers = self._require_open()
        self._require_transport().drop_interrupts()
        registers.enter(Mode.AWAIT_FINGER_ON, cancel)
        try:
            registers.await_interrupt(InterruptType.FINGER_ON, min(deadline, time.monotonic() + _FEELING_S), cancel)
        except CaptureTimedOut:
            return registers.has_told(InterruptType.FINGER_ON, cancel)
        return True

    @contextlib.contextmanager
    def _off_after_errors(self) -> Iterator[None]:
        """The lamp must not invite a finger that nobody waits for; a caller who cancelled must not wait for that."""
        self._require_open()
        try:
            yield
        except BaseException:
            with contextlib.suppress(DriverError):
                self._switch_off()
            raise

    def _switch_off(self) -> None:
        self._powered = False
        self._require_open().queue_off()

    def _until_sound(self, take: Callable[[], T], cancel: CancelToken) -> T:
        """Take, from power-up on where what came was not sound."""
        attempt = 1
        while True:
            if not self._powered:
                self._power_up(cancel)
            fault: DeviceError
            try:
                return take()
            except ProtocolViolation as error:
                fault = error
            except _Repeated:
                fault = DeviceStalled("the sensor sends one picture again and again", tries=attempt)
            self._powered = False
            if attempt == _IMAGE_TRIES:
                raise fault
            attempt += 1
            _logger.warning("%s: %s; powering up again", self._address, fault)

    def _capture_finger(self, deadline: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        registers = self._require_open()
        dark = 0
        while True:
            self._require_transport().drop_interrupts()
            registers.enter(Mode.AWAIT_FINGER_ON, cancel)
            on_event(ScanEvent.WAITING)
            registers.await_interrupt(InterruptType.FINGER_ON, deadline, cancel)
            self._finger_on = True
            on_event(ScanEvent.FINGER_ON)
            pixels, captured_s = self._read_image(cancel, start=True)
            if _shows_skin(pixels):
                frame = self._number(pixels, captured_s)
                on_event(ScanEvent.IMAGE)
                return frame
            self._finger_on = False
            dark = dark + 1 if float(pixels.mean()) < _DARK else 0
            if dark == _DARK_IMAGES:
                raise DeviceNotReady("the picture stays black: the lamp or the sensor does not work", pictures=dark)
            if time.monotonic() >= deadline:  # what is felt again and again must not outlast the caller's time
                raise CaptureTimedOut("something is felt that is no finger: clean the platen, or hold the finger still")
            _logger.info("%s: the finger was lifted before the image was taken", self._address)

    def _number(self, pixels: NDArray[np.uint8], captured_s: float) -> Frame:
        self._sequence += 1
        return Frame(pixels, self._sequence, captured_s, self._resolution_ppi)

    def _read_image(self, cancel: CancelToken, *, start: bool) -> tuple[NDArray[np.uint8], float]:
        """The next picture, and the end of its transfer. start: switch to capturing, or the sensor does so already."""
        transfer, captured_s = self._read_transfer(self._transfer_timeout_s, cancel, start=start)
        try:
            image = wire.decode_image(transfer)
        except ProtocolViolation as error:
            if not len(transfer):  # a device that has died sends nothing more
                raise
            _logger.warning("%s: %s; reading the next one", self._address, error)
            try:
                transfer, captured_s = self._read_transfer(_NEXT_IMAGE_S, cancel, start=False)
            except DeviceStalled:
                raise error from None
            image = wire.decode_image(transfer)
        pixels = self._upright(image, cancel)
        # Each picture has noise of its own: two equal ones are one that was sent twice. Of a person's, no more is kept.
        before, self._last_crc = self._last_crc, zlib.crc32(pixels.data)
        if self._last_crc == before:
            raise _Repeated
        return pixels, captured_s

    def _read_transfer(self, limit_s: float, cancel: CancelToken, *, start: bool) -> tuple[memoryview, float]:
        # The read must be queued before the capture starts, or the device has nowhere to send the image.
        pending = self._require_transport().queue_read(wire.IMAGE_ENDPOINT, wire.IMAGE_READ_BYTES)
        try:
            if start:
                self._require_open().enter(Mode.CAPTURE, cancel)
            return pending.result(min(limit_s, self._transfer_timeout_s), cancel).data, time.monotonic()
        finally:
            pending.cancel()

    def _upright(self, image: ImageBlock, cancel: CancelToken) -> NDArray[np.uint8]:
        lines = image.lines
        suspects = descramble.suspects(image)
        keys = self._fetch_keys(image, cancel) if descramble.may_be_scrambled(image) else ()
        if descramble.is_scrambled(lines[suspects]):
            lines = descramble.clear_lines(image, keys)
            if descramble.is_scrambled(lines[suspects]):
                raise ProtocolViolation("an image that the key exchanged for it does not clear")
        return descramble.assemble(image, lines, turned=self._model.turned)

    def _fetch_keys(self, image: ImageBlock, cancel: CancelToken) -> tuple[int, ...]:
        registers = self._require_open()
        renewals = sum(1 for block in image.blocks if block.flags & wire.BlockFlag.NEW_KEY)
        keys = []
        for number in range(image.key_number, image.key_number + renewals + 1):
            seed = self._next_seed()
            registers.write(Register.SCRAMBLE_SEED, wire.encode_seed(number, seed), cancel)
            answer = registers.read(Register.SCRAMBLE_ANSWER, wire.SCRAMBLE_ANSWER_BYTES, cancel)
            keys.append(wire.decode_key(answer, seed))
        return tuple(keys)

    def _next_seed(self) -> int:
        if not self._host_seeds:
            return secrets.randbits(_SEED_BITS)
        seed = self._host_seeds[self._exchanges % len(self._host_seeds)]
        self._exchanges += 1
        return seed

    def _power_up(self, cancel: CancelToken) -> None:
        self._firmware = self._require_open().power_up(cancel, needs_challenge=self._model.needs_challenge)
        self._powered = True

    def _require_open(self) -> Registers:
        if self._registers is None:
            raise DeviceNotReady("the scanner is not open")
        return self._registers

    def _require_transport(self) -> UsbTransport:
        if self._transport is None:
            raise DeviceNotReady("the scanner is not open")
        return self._transport


class _Repeated(Exception):
    """A picture that is the one before, bit for bit."""


def _shows_skin(pixels: NDArray[np.uint8]) -> bool:
    """Tell a print from a blank platen by its local contrast. pixels: (H, W) uint8."""
    height, width = (side - side % _BLOCK for side in pixels.shape)
    grey = pixels[:height, :width].astype(np.float32)  # exact: 256 squares of 8 bits stay below 2^24
    count = _BLOCK * _BLOCK
    scaled = count * _block_sums(np.square(grey)) - np.square(_block_sums(grey))  # variance times count squared
    return bool((scaled >= (_SKIN_DEVIATION * count) ** 2).mean() >= _SKIN_SHARE)


def _block_sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Over whole blocks: (H, W) to (H / _BLOCK, W / _BLOCK). Rows first, which lie in memory as they are added."""
    height, width = values.shape
    rows = values.reshape(height // _BLOCK, _BLOCK, width).sum(axis=1)
    sums: NDArray[np.float64] = rows.reshape(height // _BLOCK, width // _BLOCK, _BLOCK).sum(axis=2, dtype=np.float64)
    return sums
