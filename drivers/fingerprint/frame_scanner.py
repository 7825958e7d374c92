"""The states that scanners share which only send pictures: no interrupt, no finger detection, a lamp to switch.

    closed -> open -> lit (picture, picture, ... until a finger shows) -> dark -> lit (... until it is gone) -> dark

A driver adds its wire: how to bring the device up, to light it, to take one picture, to darken it. Whatever breaks off
a picture leaves the two ends of the wire out of step, and the next picture starts by bringing the device up again. A
malformed picture is taken again so within the same capture, while the finger is still there.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from drivers.errors import (
    CaptureTimedOut,
    DeviceNotReady,
    DeviceStalled,
    DriverError,
    ProtocolViolation,
    UnsupportedDevice,
)
from drivers.fingerprint.finger_watch import FingerWatch
from drivers.frame import Frame
from drivers.spi import CancelToken, DeviceIdentity, Impression, ScanEvent, ScannerCapabilities
from drivers.usb.bus import AttachedDevice, UsbStrings, open_interface
from drivers.usb.request import Completion
from drivers.usb.transport import PendingTransfer, UsbTransport

_INTERFACE = 0
_OPEN_S = 10.0  # all of bringing up; each transfer has a limit of its own
_OFF_S = 0.5
_INDICATOR_S = 1.0  # for a lamp or a beeper to be switched
_PLATEN_PICTURE_S = 10.0  # for one picture of the platen, bringing up and trying again included
_PICTURE_TRIES = 3
_MOST_STALE_BYTES = 4 * 1024 * 1024  # in a pipe: more than five of the largest pictures
_IDLE_S = 0.03  # between two pictures of an empty platen: spares the bus, and nobody sees the difference

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """What a device is called where it does not say so itself, and its picture in pixels."""

    vendor: str
    name: str
    width: int
    height: int


class Patience:
    """How long one call may wait: until its caller's deadline or cancelling, whichever is first."""

    def __init__(self, timeout_s: float, cancel: CancelToken) -> None:
        self._deadline = time.monotonic() + timeout_s
        self.cancel = cancel

    @property
    def left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def result(self, pending: PendingTransfer, limit_s: float) -> Completion:
        """As PendingTransfer.result; where the caller's time ends first, CaptureTimedOut."""
        left_s = self.left_s
        try:
            return pending.result(min(limit_s, left_s), self.cancel)
        except DeviceStalled as error:
            if left_s < limit_s and error.facts.get("errno") == errno.ETIMEDOUT:
                raise CaptureTimedOut("no finger within the time limit") from error
            raise


class FrameScanner(ABC):
    """Implements FingerprintScanner, PlatenImager and Indicating on five hooks.

    address: usb:..., usbip://...
    resolution_ppi: what the frames claim.
    picture_timeout_s: limit for one picture.
    """

    USB_ID: ClassVar[tuple[int, int]]
    MODEL: ClassVar[Model]
    INDICATORS: ClassVar[tuple[str, ...]] = ("lamp",)

    def __init__(self, address: str, *, resolution_ppi: float = 500.0, picture_timeout_s: float = 2.0) -> None:
        self._address = address
        self._resolution_ppi = resolution_ppi
        self._picture_timeout_s = picture_timeout_s
        self._transport: UsbTransport | None = None
        self._attached: AttachedDevice | None = None
        self._in_step = False
        self._lamp_on = False
        self._picture_s = 0.0
        self._may_lie = True  # a finger: until the platen was seen empty after opening, or after a picture of one
        self._sequence = 0

    # what a driver adds

    @abstractmethod
    def _bring_up(self, patience: Patience) -> None:
        """Bring the device from any state, stale bytes in its pipes included, to where it takes commands."""

    @abstractmethod
    def _light(self, patience: Patience) -> None:
        """Switch the lamp on, and prepare for a row of pictures after a pause."""

    @abstractmethod
    def _take(self, patience: Patience) -> NDArray[np.uint8]:
        """One picture as it is now: (H, W) uint8, upright, ridges dark. Raises ProtocolViolation and so on."""

    @abstractmethod
    def _queue_dark(self) -> Sequence[PendingTransfer]:
        """Ask for the lamp to go off, without waiting for it."""

    @abstractmethod
    def _queue_indicator(self, name: str, *, on: bool) -> PendingTransfer:
        """Ask for one of INDICATORS to go on or off, without waiting for it."""

    def _leave(self) -> None:
        """Leave the device as the next program wants to find it."""
        for pending in self._queue_dark():
            pending.result(_OFF_S)

    # FingerprintScanner

    @property
    def identity(self) -> DeviceIdentity:
        """Valid before the first open too: a runtime check of the Protocol reads it, so it may not raise."""
        strings = UsbStrings() if self._attached is None else self._attached.strings
        return DeviceIdentity(
            strings.manufacturer or self.MODEL.vendor, strings.product or self.MODEL.name, strings.serial, ""
        )

    @property
    def capabilities(self) -> ScannerCapabilities:
        return ScannerCapabilities(
            self.MODEL.width, self.MODEL.height, self._resolution_ppi, frozenset({Impression.FLAT})
        )

    def open(self) -> None:
        if self._transport is not None:
            return
        self._transport, self._attached = open_interface(self._address, {self.USB_ID}, _INTERFACE)
        self._sequence = 0
        self._may_lie = True
        self._in_step = False
        try:
            self._bring_up(Patience(_OPEN_S, CancelToken()))
            self._in_step = True
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        transport = self._transport
        if transport is None:
            return
        try:
            self._leave()
        except DriverError as error:
            _logger.debug("%s: not switched off: %s", self._address, error)
        self._transport = None
        self._in_step = False
        transport.close()

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        with self._lit(Patience(timeout_s, cancel)) as watch:
            picture = watch.await_finger(on_event)
        self._may_lie = True
        frame = self._number(picture.pixels, picture.taken_s)
        on_event(ScanEvent.IMAGE)
        return frame

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        self._require_open()
        if not self._may_lie:
            return
        with self._lit(Patience(timeout_s, cancel)) as watch:
            watch.await_empty()
        self._may_lie = False

    # PlatenImager, Indicating

    def image_platen(self, *, frames: int, cancel: CancelToken) -> Sequence[Frame]:
        patience = Patience(frames * _PLATEN_PICTURE_S, cancel)
        taken: list[Frame] = []
        try:
            with self._lit(patience):
                while len(taken) < frames:
                    taken.append(self._number(self._picture(patience), time.monotonic()))
        except CaptureTimedOut as error:
            raise DeviceStalled("the pictures of the platen do not come to their end", taken=len(taken)) from error
        return taken

    @property
    def indicators(self) -> Sequence[str]:
        return self.INDICATORS

    def indicate(self, name: str, *, seconds: float, cancel: CancelToken) -> None:
        transport = self._require_open()
        if name not in self.INDICATORS:
            raise UnsupportedDevice("no such indicator", name=name)
        patience = Patience(seconds + _OPEN_S, cancel)
        try:
            self._get_in_step(patience)
            patience.result(self._queue_indicator(name, on=True), _INDICATOR_S)
            self._in_step = True
            transport.pause(seconds, cancel)
        finally:
            with contextlib.suppress(DriverError):
                self._queue_indicator(name, on=False)

    # how they are carried out

    @contextlib.contextmanager
    def _lit(self, patience: Patience) -> Iterator[FingerWatch]:
        """What is looked at within is lit; after it the lamp is asked to go off, however that ends."""
        transport = self._require_open()
        patience.cancel.raise_if_cancelled()
        self._picture_s = 0.0
        self._lamp_on = False
        try:
            yield FingerWatch(
                lambda: self._picture(patience),
                lambda: transport.pause(min(_IDLE_S, patience.left_s), patience.cancel),
            )
        finally:
            # The lamp must not invite a finger that nobody waits for; a caller who cancelled must not wait for that.
            with contextlib.suppress(DriverError):
                self._queue_dark()

    def _picture(self, patience: Patience) -> NDArray[np.uint8]:
        if patience.left_s < self._picture_s:  # no time for another: broken off, it would stay in the pipe
            self._require_open().pause(patience.left_s, patience.cancel)
            raise CaptureTimedOut("no finger within the time limit")
        attempt = 1
        while True:
            try:
                return self._step_by_step(patience)
            except ProtocolViolation as error:
                if attempt == _PICTURE_TRIES:
                    raise
                attempt += 1
                _logger.warning("%s: %s; taking it again", self._address, error)

    def _step_by_step(self, patience: Patience) -> NDArray[np.uint8]:
        """One picture, from whatever state the device is in. Whatever breaks this off leaves it out of step."""
        self._get_in_step(patience)
        if not self._lamp_on:
            self._light(patience)
            self._lamp_on = True
        started_s = time.monotonic()
        pixels = self._take(patience)
        self._picture_s = time.monotonic() - started_s
        self._in_step = True
        return pixels

    def _get_in_step(self, patience: Patience) -> None:
        """Bring the device up, unless what was done before ended well. The flag is down until the next one does."""
        in_step, self._in_step = self._in_step, False
        if not in_step:
            self._bring_up(patience)
            self._lamp_on = False

    def _number(self, pixels: NDArray[np.uint8], taken_s: float) -> Frame:
        self._sequence += 1
        return Frame(pixels, self._sequence, taken_s, self._resolution_ppi)

    def _read_until_quiet(self, endpoint: int, length: int, quiet_s: float, patience: Patience) -> int:
        """Throw away what an earlier capture left in a pipe; how many bytes it was.

        Raises ProtocolViolation where that has no end.
        """
        transport = self._require_open()
        thrown = 0
        while thrown < _MOST_STALE_BYTES:
            try:
                thrown += patience.result(transport.queue_read(endpoint, length), quiet_s).transferred
            except DeviceStalled as error:
                if error.facts.get("errno") != errno.ETIMEDOUT:
                    raise
                return thrown
        raise ProtocolViolation("the device sends without end, though nothing was asked", bytes=thrown)

    def _require_open(self) -> UsbTransport:
        if self._transport is None:
            raise DeviceNotReady("the scanner is not open")
        return self._transport
