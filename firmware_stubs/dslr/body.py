"""The body's inside: what it sees, its card, its settings, what is wrong with it, and an answer to each operation."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_stubs.dslr import datasets
from firmware_stubs.dslr.codes import LIVE_VIEW_OPERATIONS, STORAGE_ID, Operation, Property, Response
from firmware_stubs.dslr.faults import Fault, FaultKind
from firmware_stubs.portrait import schematic_portrait

STILL_SIZE: Final = (1728, 1152)
LIVE_VIEW_SIZE: Final = (768, 512)
LIVE_VIEW_FRAMES: Final = 4
LIVE_VIEW_HEADER_BYTES: Final = 384  # what such bodies put before the JPEG
JPEG_QUALITY: Final = 90
NOISE_DEVIATION: Final = 1.5  # grey levels
DARK_GAIN: Final = 0.04
HUGE_SIDE_PX: Final = 30_000
SIZE_MARKER: Final = b"\xff\xc0"
BLUR_DEVIATION: Final = 8.0  # pixels of the still
LATE_S: Final = 1.0
CARD_BYTES: Final = 32 << 30
FREE_PICTURE_BYTES: Final = 4 << 20
ISO_CHOICES: Final = (100, 200, 400, 800, 1600, 3200)
F_NUMBER_CHOICES: Final = (280, 400, 560, 800, 1100)  # hundredths
EXPOSURE_TIME_CHOICES: Final = (10, 20, 40, 80, 166, 333)  # tenths of a millisecond
EXPOSURE_BIAS_CHOICES: Final = (-1000, -333, 0, 333, 1000)  # thousandths of a stop


REFUSALS: Final = {
    FaultKind.REFUSE: Response.GENERAL_ERROR,
    FaultKind.FULL: Response.STORE_FULL,
    FaultKind.BUSY: Response.DEVICE_BUSY,
}


class Cut(Exception):
    """The connection ends now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an operation ended: its data phase where it has one, and what took place on the card.

    data: the octets, None where there is no data phase. cut: the channels end half way through them.
    added: handle of a new object, which events tell of after delay_s.
    """

    response: Response = Response.OK
    data: bytes | None = None
    cut: bool = False
    added: int | None = None
    delay_s: float = 0.0


class Body:
    """One body for all connections; every method may be called from any thread.

    seed: of the portrait before the lens. live_view: whether it can give one. stop: ends what waits.
    """

    def __init__(self, seed: int, serial: str, live_view: bool, stop: threading.Event) -> None:
        self.serial = serial
        self.has_live_view = live_view
        self._stop = stop
        self._lock = threading.Lock()
        self._healed = threading.Event()
        self._still_view = _View(schematic_portrait(seed, STILL_SIZE), frames=0)
        self._live_view = _View(schematic_portrait(seed, LIVE_VIEW_SIZE), LIVE_VIEW_FRAMES) if live_view else None
        self._card: dict[int, bytes] = {}
        self._taken = 0
        self._transfers = 0
        self._in_live_view = False
        self._fault: Fault | None = None
        self._settings = {
            setting.code: setting
            for setting in (
                datasets.Setting(Property.BATTERY, "B", 80),
                datasets.Setting(Property.F_NUMBER, "H", 560, F_NUMBER_CHOICES),
                datasets.Setting(Property.FOCAL_LENGTH, "I", 8500),
                datasets.Setting(Property.EXPOSURE_TIME, "I", 80, EXPOSURE_TIME_CHOICES),
                datasets.Setting(Property.ISO, "H", 400, ISO_CHOICES),
                datasets.Setting(Property.EXPOSURE_BIAS, "h", 0, EXPOSURE_BIAS_CHOICES),
            )
        }
        self.sessions = 0

    @property
    def operations(self) -> frozenset[Operation]:
        """What this body can do."""
        return frozenset(Operation) if self.has_live_view else frozenset(Operation) - LIVE_VIEW_OPERATIONS

    def fail(self, fault: Fault | None) -> None:
        """Begin a fault, in place of any other; None ends it."""
        with self._lock:
            self._fault = fault
            self._healed.set()  # whoever waited in another fault goes on
            self._healed = threading.Event()

    def state(self) -> dict[str, object]:
        """Describe the body in JSON's types."""
        with self._lock:
            return {
                "sessions": self.sessions,
                "transfers": self._transfers,
                "on_card": len(self._card),
                "taken": self._taken,
                "live_view": self._in_live_view,
                "fault": None if self._fault is None else self._fault.kind.value,
                "settings": {code.name.lower(): setting.value for code, setting in self._settings.items()},
            }

    def admit(self) -> None:
        """Let a connection in. Raises Cut where the body is off the network."""
        if self._strikes() is FaultKind.DISCONNECT:
            raise Cut

    def perform(self, operation: int, parameters: tuple[int, ...], received: bytes) -> Answer:
        """Do what a host asks for. Raises Cut."""
        fault = self._strikes()
        if fault is FaultKind.STALL:
            self._wait_until_healed()
        elif fault is FaultKind.DISCONNECT:
            raise Cut
        if operation not in self.operations:
            return Answer(Response.OPERATION_NOT_SUPPORTED)
        first = parameters[0] if parameters else 0
        with self._lock:
            return self._perform(Operation(operation), first, received)

    def pause(self, seconds: float) -> None:
        """Take this long, or until the end."""
        self._stop.wait(seconds)

    def leave(self) -> None:
        """End a session: the mirror comes down."""
        with self._lock:
            self._in_live_view = False

    def _perform(self, operation: Operation, first: int, received: bytes) -> Answer:
        match operation:
            case Operation.GET_DEVICE_INFO:
                known = datasets.device_info(self.operations, self._settings, self.serial, self.has_live_view)
                return Answer(data=known)
            case Operation.GET_STORAGE_IDS:
                return Answer(data=datasets.numbers32([STORAGE_ID]))
            case Operation.GET_STORAGE_INFO:
                free = 0 if self._has(FaultKind.FULL) else CARD_BYTES // 2
                return Answer(data=datasets.storage_info(CARD_BYTES, free, free // FREE_PICTURE_BYTES))
            case Operation.GET_NUM_OBJECTS:
                return Answer()
            case Operation.GET_OBJECT_HANDLES:
                return Answer(data=datasets.numbers32(sorted(self._card)))
            case Operation.GET_OBJECT_INFO | Operation.GET_OBJECT | Operation.DELETE_OBJECT:
                return self._with_object(operation, first)
            case Operation.INITIATE_CAPTURE:
                return self._capture()
            case Operation.GET_PROPERTY_DESCRIPTION | Operation.GET_PROPERTY | Operation.SET_PROPERTY:
                return self._with_property(operation, first, received)
            case Operation.NIKON_START_LIVE_VIEW | Operation.NIKON_END_LIVE_VIEW:
                self._in_live_view = operation is Operation.NIKON_START_LIVE_VIEW
                return Answer()
            case Operation.NIKON_GET_LIVE_VIEW_IMAGE:
                if not self._in_live_view or self._live_view is None:
                    return Answer(Response.NIKON_NOT_IN_LIVE_VIEW)
                return self._transfer(self._shown(self._live_view), bytes(LIVE_VIEW_HEADER_BYTES))
            case _:
                return Answer()

    def _with_object(self, operation: Operation, handle: int) -> Answer:
        content = self._card.get(handle)
        if content is None:
            return Answer(Response.INVALID_OBJECT)
        if operation is Operation.GET_OBJECT:
            return self._transfer(content)
        if operation is Operation.DELETE_OBJECT:
            del self._card[handle]
            return Answer()
        suffix = "NEF" if self._has(FaultKind.RAW) else "JPG"
        return Answer(data=datasets.object_info(f"STUB{handle:04d}.{suffix}", len(content), *STILL_SIZE))

    def _with_property(self, operation: Operation, code: int, received: bytes) -> Answer:
        setting = self._settings.get(Property(code)) if code in list(Property) else None
        if setting is None:
            return Answer(Response.PROPERTY_NOT_SUPPORTED)
        if operation is Operation.GET_PROPERTY:
            return Answer(data=setting.encode())
        if operation is Operation.GET_PROPERTY_DESCRIPTION:
            return Answer(data=setting.describe())
        if len(received) != struct.calcsize(setting.form):
            return Answer(Response.INVALID_PROPERTY_VALUE)
        (value,) = struct.unpack("<" + setting.form, received)
        if value not in setting.choices:
            return Answer(Response.INVALID_PROPERTY_VALUE)
        setting.value = value
        return Answer()

    def _capture(self) -> Answer:
        if self._fault is not None and self._fault.kind in REFUSALS:
            return Answer(REFUSALS[self._fault.kind])
        self._taken += 1
        self._card[self._taken] = self._shown(self._still_view)
        added = None if self._has(FaultKind.SILENT) else self._taken
        return Answer(added=added, delay_s=LATE_S if self._has(FaultKind.LATE) else 0.0)

    def _shown(self, view: _View) -> bytes:
        """What the sensor sees of it now, by the exposure compensation and the faults of its light and its lens."""
        gain = 2.0 ** (self._settings[Property.EXPOSURE_BIAS].value / 1000)
        if self._has(FaultKind.DARK):
            gain *= DARK_GAIN
        unfocused = self._has(FaultKind.UNFOCUSED) and view is self._still_view
        return view.frame(self._transfers, gain, BLUR_DEVIATION if unfocused else 0.0)

    def _has(self, kind: FaultKind) -> bool:
        return self._fault is not None and self._fault.kind is kind

    def _transfer(self, content: bytes, head: bytes = b"") -> Answer:
        """Count one image on its way; half of it where the fault says so."""
        self._transfers += 1
        fault = self._fault
        if fault is None:
            return Answer(data=head + content)
        if fault.after:
            self._fault = Fault(fault.kind, fault.after - 1)
        elif fault.kind is FaultKind.TRUNCATE:
            return Answer(data=head + content[: len(content) // 2])
        elif fault.kind is FaultKind.HUGE:
            return Answer(data=head + _announcing(content, HUGE_SIDE_PX))
        elif fault.kind is FaultKind.CUT:
            return Answer(data=head + content, cut=True)
        return Answer(data=head + content)

    def _strikes(self) -> FaultKind | None:
        with self._lock:
            return self._fault.kind if self._fault and not self._fault.after else None

    def _wait_until_healed(self) -> None:
        with self._lock:
            healed = self._healed
        while not healed.wait(0.05):
            if self._stop.is_set():
                raise Cut


def _announcing(jpeg: bytes, side_px: int) -> bytes:
    """The same JPEG with another size in its header (ITU-T T.81, SOF0: length 2, precision 1, height 2, width 2)."""
    at = jpeg.index(SIZE_MARKER) + 5
    return jpeg[:at] + 2 * side_px.to_bytes(2, "big") + jpeg[at + 4 :]


class _View:
    """What one way of looking shows, encoded once for each light and focus.

    scene: (H, W, 3) uint8 BGR. frames: that go round, each with noise of its own; 0 for one without noise.
    """

    def __init__(self, scene: NDArray[np.uint8], frames: int) -> None:
        random = np.random.default_rng(0x6E6F6973)
        self._scene = scene
        self._grain = [NOISE_DEVIATION * random.standard_normal(scene.shape, np.float32) for _ in range(frames)]
        self._encoded: dict[tuple[int, float, float], bytes] = {}
        self.frame(0, 1.0, 0.0)

    def frame(self, count: int, gain: float, blur: float) -> bytes:
        """The count-th picture, as a JPEG. gain: of the light. blur: standard deviation in pixels, 0 for none."""
        number = count % max(1, len(self._grain))
        if (number, gain, blur) not in self._encoded:
            scene = cv2.GaussianBlur(self._scene, (0, 0), blur) if blur else self._scene
            seen = cv2.convertScaleAbs(scene, alpha=gain)
            if self._grain:
                seen = np.clip(seen + self._grain[number], 0, 255).astype(np.uint8)
            encoded, content = cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
            assert encoded  # noqa: S101 - an (H, W, 3) uint8 array always encodes
            self._encoded[number, gain, blur] = content.tobytes()
        return self._encoded[number, gain, blur]
