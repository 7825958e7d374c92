"""The states of a ten-print scanner.

    closed -> open -> (streaming -> frame)* -> closed

Commands and frames have channels of their own, so lamps and beeper work while frames stream. Whatever goes wrong, the
next use begins a new session (session.py) and a new stream (stream.py), and everything older is recognised as stale.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureTimedOut, DeviceError, DeviceNotReady, DriverError, UnsupportedDevice
from drivers.fingerprint.tenprint import parameters, wire
from drivers.fingerprint.tenprint.session import Session
from drivers.fingerprint.tenprint.stream import FrameStream
from drivers.fingerprint.tenprint.wire import Code, Colour, FrameFlag
from drivers.frame import Frame
from drivers.spi import (
    CancelToken,
    DeviceIdentity,
    Impression,
    Light,
    LiveFrame,
    ScanEvent,
    ScannerCapabilities,
    Sound,
)
from drivers.usb.bus import AttachedDevice, UsbStrings, open_interface
from drivers.usb.transport import UsbTransport

_IMPRESSIONS = {Impression.FLAT: 0, Impression.SLAP: 1, Impression.ROLLED: 2}
_COLOURS = {
    Light.DARK: Colour.DARK,
    Light.GREEN: Colour.GREEN,
    Light.AMBER: Colour.AMBER,
    Light.RED: Colour.RED,
}
_BEEPS = {  # pitch in Hz, length in ms, times, pause in ms
    Sound.READY: (1000, 80, 1, 0),
    Sound.GOOD: (2000, 120, 1, 0),
    Sound.BAD: (400, 200, 2, 100),
}
_INDICATED: dict[str, Light | None] = {
    "led-green": Light.GREEN,
    "led-amber": Light.AMBER,
    "led-red": Light.RED,
    "beeper": None,
}
_TRIED_HZ = 1000

_logger = logging.getLogger(__name__)


class TenPrint:
    """A scanner of the slap scanner protocol, version 1; implements StreamingScanner, Signals and Indicating.

    address: usb:..., usbip://...
    command_timeout_s: limit for the answer to one command. frame_timeout_s: for one frame to follow another.
    A vendor's driver is a subclass with `usb_ids` of his own.
    """

    usb_ids = wire.USB_IDS

    def __init__(self, address: str, *, command_timeout_s: float = 1.0, frame_timeout_s: float = 1.5) -> None:
        self._address = address
        self._command_timeout_s = command_timeout_s
        self._frame_timeout_s = frame_timeout_s
        self._device: _OpenDevice | None = None
        self._attached: AttachedDevice | None = None
        self._texts = wire.Texts("", "", "", "")
        self._handed_over = 0
        self._cancel = CancelToken()  # of the call that is under way: lamps and beeper are used within it

    @property
    def identity(self) -> DeviceIdentity:
        """Blank before the first open: a runtime check of the Protocol reads it, so it may not raise."""
        strings = UsbStrings() if self._attached is None else self._attached.strings
        told = self._texts
        return DeviceIdentity(
            told.vendor or strings.manufacturer,
            told.model or strings.product,
            told.serial or strings.serial,
            told.firmware,
        )

    @property
    def capabilities(self) -> ScannerCapabilities:
        return ScannerCapabilities(
            wire.IMAGE_WIDTH, wire.IMAGE_HEIGHT, float(wire.RESOLUTION_PPI), frozenset(_IMPRESSIONS)
        )

    def open(self) -> None:
        if self._device is not None:
            return
        transport, self._attached = open_interface(self._address, self.usb_ids, wire.INTERFACE_CLASS)
        session = Session(transport, self._command_timeout_s)
        self._device = _OpenDevice(transport, session, FrameStream(transport, session, self._frame_timeout_s))
        self._handed_over = 0
        try:
            self._texts = wire.decode_texts(self._ask(Code.IDENTIFY))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        try:
            device.session.tell(Code.BYE, timeout_s=parameters.CLOSE_S)
        except DriverError as error:
            _logger.debug("%s: not switched off: %s", self._address, error)
        device.transport.close()

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        deadline = time.monotonic() + timeout_s
        watch = _FingerWatch(on_event)
        with self._streaming(Impression.FLAT, cancel) as frames:
            on_event(ScanEvent.WAITING)
            while True:
                message, at_s, _ = frames.next(deadline, cancel)
                if watch.is_settled(message.presence):
                    frame = self._hand_over(message, at_s)
                    on_event(ScanEvent.IMAGE)
                    return frame

    def stream(
        self,
        *,
        impression: Impression,
        timeout_s: float,
        cancel: CancelToken,
        on_frame: Callable[[LiveFrame], bool],
    ) -> Frame:
        deadline = time.monotonic() + timeout_s
        with self._streaming(impression, cancel) as frames:
            while True:
                message, at_s, passed_over = frames.next(deadline, cancel)
                live = LiveFrame(
                    self._hand_over(message, at_s),
                    message.presence,
                    passed_over,
                    dirty=bool(message.flags & FrameFlag.DIRTY),
                    roll_complete=bool(message.flags & FrameFlag.ROLL_COMPLETE),
                )
                if on_frame(live):
                    return live.frame

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        deadline = time.monotonic() + timeout_s
        with self._cancelled_by(cancel):
            while self.status().skin_cells >= parameters.FINGER_CELLS:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise CaptureTimedOut("a finger is still on the platen")
                self._require_open().transport.pause(min(parameters.PLATEN_POLL_S, remaining), cancel)

    def light(self, fingers: Mapping[int, Light]) -> None:
        for position in fingers:
            if not 1 <= position <= wire.FINGERS:
                raise UnsupportedDevice("no finger of this position", position=position)
        self._ask(Code.LIGHTS, wire.encode_lights({at: _COLOURS[light] for at, light in fingers.items()}))

    def sound(self, sound: Sound) -> None:
        self._ask(Code.BEEP, wire.encode_beep(*_BEEPS[sound]))

    @property
    def indicators(self) -> Sequence[str]:
        """The lamps of all ten fingers in each colour, and the beeper."""
        return tuple(_INDICATED)

    def indicate(self, name: str, *, seconds: float, cancel: CancelToken) -> None:
        if name not in _INDICATED:
            raise UnsupportedDevice("no such indicator", name=name)
        transport = self._require_open().transport
        light = _INDICATED[name]
        with self._cancelled_by(cancel):
            if light is None:
                self._ask(Code.BEEP, wire.encode_beep(_TRIED_HZ, round(1000 * seconds), 1, 0))
                transport.pause(seconds, cancel)
                return
            self.light(dict.fromkeys(range(1, wire.FINGERS + 1), light))
            try:
                transport.pause(seconds, cancel)
            finally:
                with contextlib.suppress(DriverError), self._cancelled_by(CancelToken()):
                    self.light({})

    def status(self) -> wire.DeviceStatus:
        """What the device says of itself now. Raises DeviceError."""
        return wire.decode_status(self._ask(Code.STATUS))

    def calibration(self) -> wire.Calibration:
        """How the device was calibrated. Raises DeviceError."""
        return wire.decode_calibration(self._ask(Code.CALIBRATION))

    @contextlib.contextmanager
    def _streaming(self, impression: Impression, cancel: CancelToken) -> Iterator[FrameStream]:
        device = self._require_open()
        in_order = True
        with self._cancelled_by(cancel):
            try:
                device.frames.begin(_IMPRESSIONS[impression], cancel)
                yield device.frames
            except DeviceError:
                in_order = False
                raise
            finally:
                device.frames.end(in_order=in_order)

    @contextlib.contextmanager
    def _cancelled_by(self, cancel: CancelToken) -> Iterator[None]:
        before, self._cancel = self._cancel, cancel
        try:
            yield
        finally:
            self._cancel = before

    def _hand_over(self, message: wire.FrameMessage, at_s: float) -> Frame:
        self._handed_over += 1
        return Frame(message.pixels, self._handed_over, at_s, float(wire.RESOLUTION_PPI))

    def _ask(self, code: Code, payload: bytes = b"") -> bytes:
        return self._require_open().session.ask(code, payload, cancel=self._cancel)

    def _require_open(self) -> _OpenDevice:
        if self._device is None:
            raise DeviceNotReady("the scanner is not open")
        return self._device


@dataclass(frozen=True, slots=True)
class _OpenDevice:
    transport: UsbTransport
    session: Session
    frames: FrameStream


class _FingerWatch:
    """Tells when a finger has come and lies still."""

    def __init__(self, on_event: Callable[[ScanEvent], None]) -> None:
        self._on_event = on_event
        self._before: NDArray[np.bool_] | None = None
        self._still = 0

    def is_settled(self, presence: NDArray[np.bool_]) -> bool:
        """Look at the next frame's map, (rows, columns) bool."""
        cells = int(np.count_nonzero(presence))
        before, self._before = self._before, presence
        if cells < parameters.FINGER_CELLS:
            if before is not None:  # lifted before it lay still
                self._on_event(ScanEvent.WAITING)
            self._before = None
            self._still = 0
            return False
        if before is None:
            self._on_event(ScanEvent.FINGER_ON)
            return False
        changed = int(np.count_nonzero(before ^ presence))
        self._still = self._still + 1 if changed <= parameters.STILL_SHARE * cells else 0
        return self._still >= parameters.STILL_FRAMES
