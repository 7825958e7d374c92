"""The states of an NB-1010-U.

    closed -> open -> (asking for a finger -> prepare -> capture -> 90 messages of rows)* -> (asking until it is gone)

The device reports nothing by itself: the presence of a finger is asked for every 50 ms. An exchange that broke off, for
whatever reason, leaves bytes in the pipe; the next one first reads until the pipe is empty. An image that came damaged
is taken again within the same capture, while the finger is still there.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureTimedOut, DeviceError, DeviceNotReady, DeviceStalled, ProtocolViolation
from drivers.fingerprint.nb1010 import wire
from drivers.fingerprint.nb1010.wire import Code, Message
from drivers.frame import Frame
from drivers.spi import CancelToken, DeviceIdentity, Impression, ScanEvent, ScannerCapabilities
from drivers.usb.bus import AttachedDevice, UsbStrings, open_interface
from drivers.usb.transport import UsbTransport

TRANSFER_TIMEOUT_S = 0.5

_FINGER_PRESENCE = 0x30  # above it a finger lies there; the recording has 247
_POLL_S = 0.05
_LAST_POLL_S = 0.1  # what a question, or its answer, may take that is on its way when the caller's time is up
_IMAGE_TIMEOUT_S = 5.0
_QUIET_S = 0.05  # a pipe that gives nothing for so long is empty
_DRAIN_TIMEOUT_S = 1.0
_TRIES = 3  # of a question, and of an image

# Skin by the spread of grey within blocks, from the 10th to the 90th percentile: single dead pixels, which the
# recording has many of, do not move it. On skin it is 150 to 230 there, on the bare sensor 3 to 8.
_BLOCK = 16
_SKIN_SPREAD = 16.0
_SKIN_SHARE = 0.03  # of all blocks; a fingertip covers far more

_logger = logging.getLogger(__name__)


class Nb1010:
    """NEXT Biometrics NB-1010-U; implements FingerprintScanner and PlatenImager.

    address: usb:..., usbip://...
    resolution_ppi: what the frames claim; 385 is the vendor's figure.
    transfer_timeout_s: limit for one message.
    """

    def __init__(
        self,
        address: str,
        *,
        resolution_ppi: float = wire.RESOLUTION_PPI,
        transfer_timeout_s: float = TRANSFER_TIMEOUT_S,
    ) -> None:
        self._address = address
        self._resolution_ppi = resolution_ppi
        self._transfer_timeout_s = transfer_timeout_s
        self._transport: UsbTransport | None = None
        self._attached: AttachedDevice | None = None
        self._in_step = False
        self._sequence = 0
        self._last_pixels: NDArray[np.uint8] | None = None

    @property
    def identity(self) -> DeviceIdentity:
        """Blank before the first open. The device has no serial number, and no way is known to ask for its firmware."""
        if self._attached is None:
            return DeviceIdentity("", "", "", "")
        strings: UsbStrings = self._attached.strings
        model = wire.MODELS[self._attached.vendor_id, self._attached.product_id]
        return DeviceIdentity(strings.manufacturer or wire.VENDOR, strings.product or model, strings.serial, "")

    @property
    def capabilities(self) -> ScannerCapabilities:
        return ScannerCapabilities(
            wire.IMAGE_WIDTH, wire.IMAGE_HEIGHT, self._resolution_ppi, frozenset({Impression.FLAT})
        )

    def open(self) -> None:
        if self._transport is not None:
            return
        self._transport, self._attached = open_interface(self._address, wire.MODELS, wire.INTERFACE_CLASS)
        self._in_step = False
        self._sequence = 0
        self._last_pixels = None
        try:
            self._ask_presence(self._transfer_timeout_s, CancelToken())  # a device that does not answer is not open
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        deadline = time.monotonic() + timeout_s
        failures = 0
        while True:
            on_event(ScanEvent.WAITING)
            self._await_finger(deadline, cancel)
            on_event(ScanEvent.FINGER_ON)
            fault: DeviceError
            try:
                pixels = self._read_image(cancel)
            except ProtocolViolation as error:
                fault = error
            else:
                captured_s = time.monotonic()
                # Each picture has noise of its own: two equal ones are one that was sent twice.
                repeated = self._last_pixels is not None and np.array_equal(pixels, self._last_pixels)
                self._last_pixels = pixels
                if not repeated and _shows_skin(pixels):
                    on_event(ScanEvent.IMAGE)
                    return self._number(pixels, captured_s)
                if not repeated and self._ask_presence(self._transfer_timeout_s, cancel) <= _FINGER_PRESENCE:
                    _logger.info("%s: the finger was lifted before the image was taken", self._address)
                    continue
                fault = _explain(repeated, pixels)
            failures += 1
            if failures == _TRIES:
                raise fault
            _logger.warning("%s: %s; taking the image again", self._address, fault)

    def image_platen(self, *, frames: int, cancel: CancelToken) -> Sequence[Frame]:
        taken: list[Frame] = []
        failures = 0
        while len(taken) < frames:
            try:
                pixels = self._read_image(cancel)
            except ProtocolViolation as error:
                failures += 1
                if failures == _TRIES:
                    raise
                _logger.warning("%s: %s; taking the image again", self._address, error)
            else:
                failures = 0
                taken.append(self._number(pixels, time.monotonic()))
        return taken

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        deadline = time.monotonic() + timeout_s
        while (presence := self._ask_presence_until(deadline, cancel)) > _FINGER_PRESENCE:
            if time.monotonic() >= deadline:
                raise CaptureTimedOut("something still lies on the sensor", presence=presence)
            self._require_open().pause(_POLL_S, cancel)

    def _number(self, pixels: NDArray[np.uint8], captured_s: float) -> Frame:
        self._sequence += 1
        return Frame(pixels, self._sequence, captured_s, self._resolution_ppi)

    def _await_finger(self, deadline: float, cancel: CancelToken) -> None:
        strongest = 0
        while True:
            presence = self._ask_presence_until(deadline, cancel)
            if presence > _FINGER_PRESENCE:
                return
            strongest = max(strongest, presence)
            if time.monotonic() >= deadline:
                raise CaptureTimedOut(
                    "no finger within the time limit", strongest_presence=strongest, needed=_FINGER_PRESENCE + 1
                )
            self._require_open().pause(min(_POLL_S, max(0.0, deadline - time.monotonic())), cancel)

    def _ask_presence_until(self, deadline: float, cancel: CancelToken) -> int:
        """Ask once; past the caller's time by no more than twice _LAST_POLL_S, whatever the device does."""
        limit_s = max(deadline - time.monotonic(), _LAST_POLL_S)
        if limit_s >= self._transfer_timeout_s:
            return self._ask_presence(self._transfer_timeout_s, cancel)
        try:
            return self._ask_presence(limit_s, cancel)
        except DeviceStalled as error:
            if error.facts.get("errno") != errno.ETIMEDOUT:
                raise
            raise CaptureTimedOut("the time was up before the scanner answered") from error

    def _ask_presence(self, limit_s: float, cancel: CancelToken) -> int:
        """Ask once; again where the answer is none, for a question costs nothing."""
        attempt = 1
        while True:
            self._get_in_step(cancel)
            try:
                presence = wire.decode_presence(self._exchange(wire.ASK_PRESENCE, Code.PRESENCE, limit_s, cancel))
            except ProtocolViolation as error:
                if attempt == _TRIES:
                    raise
                attempt += 1
                _logger.warning("%s: %s; asking again", self._address, error)
            else:
                self._in_step = True
                return presence

    def _read_image(self, cancel: CancelToken) -> NDArray[np.uint8]:
        """Take one image, (180, 256) uint8."""
        self._get_in_step(cancel)
        until = time.monotonic() + _IMAGE_TIMEOUT_S
        for command in (wire.PREPARE, wire.CAPTURE):
            self._exchange(command, Code.ACCEPTED, self._transfer_timeout_s, cancel)
        pixels = np.empty((wire.IMAGE_HEIGHT, wire.IMAGE_WIDTH), np.uint8)
        for row in range(0, wire.IMAGE_HEIGHT, wire.ROWS_PER_MESSAGE):
            if time.monotonic() > until:
                raise DeviceStalled("the image does not come to its end", row=row, limit_s=_IMAGE_TIMEOUT_S)
            transfer = self._read(wire.ROWS_BYTES, self._transfer_timeout_s, cancel)
            pixels[row : row + wire.ROWS_PER_MESSAGE] = wire.decode_rows(transfer, row)
        self._in_step = True
        return pixels

    def _exchange(self, command: Message, expected: Code, limit_s: float, cancel: CancelToken) -> Message:
        """Send a command and read what answers it. limit_s: for each, as one that is taken late is answered, too."""
        payload = wire.encode(command)
        written = self._require_open().queue_write(wire.OUT_ENDPOINT, payload).result(limit_s, cancel).transferred
        if written != len(payload):
            raise ProtocolViolation("the device took only a part of a command", written=written, length=len(payload))
        transfer = self._read(wire.ANSWER_BYTES, limit_s, cancel)
        return wire.decode_answer(transfer, command, expected)

    def _read(self, length: int, limit_s: float, cancel: CancelToken) -> memoryview:
        return self._require_open().queue_read(wire.IN_ENDPOINT, length).result(limit_s, cancel).data

    def _get_in_step(self, cancel: CancelToken) -> None:
        """Empty the pipe, unless the exchange before ended well. The flag is down until the next one does."""
        was_in_step, self._in_step = self._in_step, False
        if was_in_step:
            return
        transport = self._require_open()
        until = time.monotonic() + _DRAIN_TIMEOUT_S
        dropped = 0
        while time.monotonic() < until:
            try:
                transport.queue_read(wire.IN_ENDPOINT, wire.ANY_MESSAGE_BYTES).result(_QUIET_S, cancel)
            except DeviceStalled:
                if dropped:
                    _logger.info("%s: %d old messages dropped", self._address, dropped)
                return
            except ProtocolViolation:  # more than any message: of what was left, no matter how it is cut
                pass
            dropped += 1
        raise DeviceStalled("the scanner does not stop sending what nobody asked for", messages=dropped)

    def _require_open(self) -> UsbTransport:
        if self._transport is None:
            raise DeviceNotReady("the scanner is not open")
        return self._transport


def _explain(repeated: bool, pixels: NDArray[np.uint8]) -> DeviceStalled | DeviceNotReady:
    """Why pictures that came whole are of no use, though the sensor feels a finger."""
    if repeated:
        return DeviceStalled("the sensor sends one picture again and again", tries=_TRIES)
    return DeviceNotReady(
        "the sensor feels a finger and shows none: clean it; if that does not help, it is broken",
        tries=_TRIES,
        mean_grey=round(float(pixels.mean())),
    )


def _shows_skin(pixels: NDArray[np.uint8]) -> bool:
    """Tell a print from a bare sensor by its local contrast. pixels: (H, W) uint8."""
    height, width = (side - side % _BLOCK for side in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    low, high = np.percentile(blocks, (10, 90), axis=(1, 3))
    return bool((high - low >= _SKIN_SPREAD).mean() >= _SKIN_SHARE)
