"""What a driver offers: one Protocol a kind of device.

Every method blocks and is called by one thread, the device's worker; only `CancelToken.cancel` is called from others.
A method raises DriverError subclasses and nothing else. After any error `close` and a fresh `open` must work, or say
DeviceGone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from enum import Enum
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureCancelled
from drivers.frame import Frame


class DeviceKind(Enum):
    """What a device is for."""

    FINGERPRINT_SCANNER = "fingerprint_scanner"
    CAMERA = "camera"
    CARD_ENCODER = "card_encoder"


class Impression(Enum):
    """How a finger touches the platen (ISO/IEC 19794-4 impression types)."""

    FLAT = "flat"
    ROLLED = "rolled"
    SLAP = "slap"


class ScanEvent(Enum):
    """What happens on the platen during one capture, in this order."""

    WAITING = "waiting"
    FINGER_ON = "finger_on"
    IMAGE = "image"
    FINGER_OFF = "finger_off"


LONGEST_TEXT: Final = 126
"""Characters that USB lets a device say at once (USB 2.0, section 9.6.7: a descriptor of 255 octets)."""


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """What a device says of itself as one short line: a terminal must not obey it, nor a log be broken by it."""
    line = " ".join(text[:longest].split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who a device says it is, made `printable`. `serial` is "" where it has none."""

    vendor: str
    model: str
    serial: str
    firmware: str

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, printable(getattr(self, field.name)))


@dataclass(frozen=True, slots=True)
class ScannerCapabilities:
    """width, height: pixels of a full image at resolution_ppi."""

    width: int
    height: int
    resolution_ppi: float
    impressions: frozenset[Impression]


@dataclass(frozen=True, slots=True)
class CameraCapabilities:
    """Of the live view: width, height in pixels; frames_per_second as the camera announces it, 0 where it does not."""

    width: int
    height: int
    frames_per_second: float

    @property
    def has_live_view(self) -> bool:
        """Whether `latest` gives frames, of a camera that is open."""
        return self.width > 0


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """One frame of a live platen.

    presence: (rows, columns) bool over the whole image in cells of equal size, True where skin touches.
    passed_over: frames between the one before and this that were not shown, because nobody was ready for them.
    dirty: the platen bears what no finger left now. roll_complete: a rolled finger has been rolled to its end.
    """

    frame: Frame
    presence: NDArray[np.bool_]
    passed_over: int = 0
    dirty: bool = False
    roll_complete: bool = False


class Light(Enum):
    """Of one finger's lamp at a scanner."""

    DARK = "dark"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Sound(Enum):
    """What a scanner's beeper can say."""

    READY = "ready"
    GOOD = "good"
    BAD = "bad"


class CameraSetting(Enum):
    """What of a camera may be set, where the body offers it."""

    EXPOSURE_TIME = "exposure_time"
    APERTURE = "aperture"
    ISO = "iso"
    EXPOSURE_COMPENSATION = "exposure_compensation"
    ZOOM = "zoom"


@dataclass(frozen=True, slots=True)
class SettingState:
    """One setting as it stands, in the body's own words. choices: what it may be set to, () where it is read only."""

    value: str
    choices: tuple[str, ...]


class CancelToken:
    """Asks a blocking call to stop. Thread-safe; callbacks run once, on the cancelling thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def cancel(self) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Run callback when cancelled; at once if it already is."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def raise_if_cancelled(self) -> None:
        if self._event.is_set():
            raise CaptureCancelled("the capture was cancelled")


@runtime_checkable
class FingerprintScanner(Protocol):
    """A scanner of one platen."""

    def open(self) -> None:
        """Claim the device and power it up. Idempotent."""

    def close(self) -> None:
        """Stop readers, switch the device off, release it. Never raises; idempotent."""

    @property
    def identity(self) -> DeviceIdentity:
        """Valid after open."""

    @property
    def capabilities(self) -> ScannerCapabilities:
        """Valid before open."""

    def capture(self, *, timeout_s: float, cancel: CancelToken, on_event: Callable[[ScanEvent], None]) -> Frame:
        """Wait for a finger, take one image and return it as soon as it is there (the finger still on).

        on_event gets WAITING, FINGER_ON and IMAGE, on the calling thread.
        Raises CaptureTimedOut when no finger came within timeout_s, CaptureCancelled, DeviceError.
        """

    def wait_finger_off(self, *, timeout_s: float, cancel: CancelToken) -> None:
        """Return when the platen is empty, as soon as that is known; a finger may lie there since before it was opened.

        Raises as capture does.
        """


@runtime_checkable
class StreamingScanner(FingerprintScanner, Protocol):
    """A scanner that shows its platen live."""

    def stream(
        self,
        *,
        impression: Impression,
        timeout_s: float,
        cancel: CancelToken,
        on_frame: Callable[[LiveFrame], bool],
    ) -> Frame:
        """Show frames until on_frame returns True, and return the frame that it was shown then.

        on_frame runs on the calling thread and always gets the newest frame: while it takes its time, frames are lost.
        It may use the scanner's Signals. What it keeps of a frame stays as it is.
        Raises CaptureTimedOut when on_frame was not content within timeout_s, CaptureCancelled, DeviceError.
        """


@runtime_checkable
class Signals(Protocol):
    """Lamps and a beeper at a scanner."""

    def light(self, fingers: Mapping[int, Light]) -> None:
        """Show each finger's lamp, by ISO/IEC 19794 position 1 to 10; the others go dark. Raises DeviceError."""

    def sound(self, sound: Sound) -> None:
        """Beep, without waiting for its end. Raises DeviceError."""


@runtime_checkable
class PlatenImager(Protocol):
    """A scanner that can take pictures without a finger, for a self-test."""

    def image_platen(self, *, frames: int, cancel: CancelToken) -> Sequence[Frame]:
        """So many pictures in a row, of whatever lies on the platen. Raises CaptureCancelled, DeviceError."""


@runtime_checkable
class Indicating(Protocol):
    """A device with lamps or a beeper that can be tried one by one, for a self-test."""

    @property
    def indicators(self) -> Sequence[str]:
        """Their stable names, such as led-green, led-red, lamp, beeper."""

    def indicate(self, name: str, *, seconds: float, cancel: CancelToken) -> None:
        """Switch one on for so long, and off.

        Raises UnsupportedDevice for another name, CaptureCancelled, DeviceError.
        """


@runtime_checkable
class Camera(Protocol):
    """A camera that streams; only the newest frame is ever kept."""

    def open(self) -> None:
        """Connect, start the newest-frame thread, wait for a first frame. Idempotent."""

    def close(self) -> None:
        """Stop the thread and release the camera. Never raises; idempotent."""

    @property
    def identity(self) -> DeviceIdentity:
        """Valid after open."""

    @property
    def capabilities(self) -> CameraCapabilities:
        """Valid after open."""

    def latest(self, *, newer_than: int = 0, timeout_s: float, cancel: CancelToken) -> Frame:
        """The newest frame whose sequence exceeds newer_than; waits for it.

        A frame is never older than the camera's age limit (2 s): a frozen camera raises DeviceStalled, a lost one
        DeviceGone.
        """


@runtime_checkable
class StillCamera(Camera, Protocol):
    """A camera that also takes pictures of its full resolution, and whose exposure and zoom can be set.

    One that gives no live view opens with capabilities of 0 x 0, and `latest` raises UnsupportedDevice.
    """

    def take_still(self, *, timeout_s: float, cancel: CancelToken) -> Frame:
        """Release the shutter and return the picture; the camera keeps no copy.

        Raises CaptureCancelled, PictureRefused where the camera takes none and works on, CardFull, DeviceNotReady for
        what must be set at the camera first, DeviceStalled where no picture came within timeout_s, other DeviceError.
        """

    def settings(self) -> Mapping[CameraSetting, SettingState]:
        """What this body offers, as it stands now."""

    def change_setting(self, setting: CameraSetting, value: str) -> None:
        """Set one to one of its choices. Raises UnsupportedDevice for anything else, DeviceError."""


@runtime_checkable
class HeldCard(Protocol):
    """One chip card in a reader, for us alone: no other program reaches it before it is let go."""

    @property
    def answer_to_reset(self) -> bytes:
        """The card's ATR."""

    @property
    def block(self) -> int:
        """Data octets that a command, and an answer, may have to be carried in one exchange with this reader."""

    def transmit(self, apdu: bytes) -> bytes:
        """Exchange a command APDU, in its short or extended form, for the whole answer with its status word at the end.

        The driver carries it in the pieces that reader and card take: extended lengths, chained commands, GET RESPONSE,
        a corrected Le. A status word that says more than these is an answer like any other. Nothing is ever repeated
        whose outcome is not known.
        Raises TransmitLost, CardGone, CardReset, DeviceStalled (the card never answered), DeviceGone (the reader left),
        CardServiceGone, ProtocolViolation. After any of these the card must be held anew.
        """

    def transmit_each(self, apdus: Iterable[bytes]) -> Iterator[bytes]:
        """Exchange commands one after another, up to the first whose status word is not 9000; their answers in order.

        The card is not kept waiting: commands are taken and made ready while it works, and each goes to it as soon as
        the one before is answered by 9000, before that answer is handed out. Raises as `transmit` does, and nothing
        goes to the card after that. Whoever ends it early has the card carry out the command that is on its way.
        """


@runtime_checkable
class CardEncoder(Protocol):
    """A reader for chip cards that are written or read."""

    def open(self) -> None:
        """Find the reader; there need be no card. Idempotent."""

    def close(self) -> None:
        """Let go of the reader and end what serves it. Never raises; idempotent."""

    @property
    def identity(self) -> DeviceIdentity:
        """Valid after open."""

    def hold(self, *, timeout_s: float, cancel: CancelToken) -> AbstractContextManager[HeldCard]:
        """Wait for a card, power it up, and hold it until the context ends; then its power is taken away.

        Raises CaptureTimedOut when no card came within timeout_s, CaptureCancelled, DeviceBusy (another program holds
        it, which is named where that can be told), CardMute, DeviceError.
        """


Device: TypeAlias = FingerprintScanner | Camera | CardEncoder
