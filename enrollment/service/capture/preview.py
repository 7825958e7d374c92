"""Preview: the newest frame of a leased device as a small JPEG. The newest frame, never a queue.

A reader takes the newest frame when it is ready for one, so a slow reader skips frames and holds one picture at most. A
picture is encoded once for each size and shared by all readers. A camera's own JPEG is passed on as it came where it
fits; of a larger one no more is decoded than is shown. What was seen under a lease is forgotten with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

import cv2

from drivers.errors import CaptureTimedOut, DeviceStalled, ProtocolViolation
from drivers.frame import REDUCTIONS, Frame, Jpeg
from drivers.spi import Camera, CancelToken, DeviceKind
from enrollment.service.capture.events import Live
from enrollment.service.config import Clock
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver

JPEG_QUALITY: Final = 80
MOST_PASSED_ON_BYTES: Final = (
    512 * 1024
)  # 30 a second are an eighth of what 1000BASE-T carries; 1080p has 100 to 400 KB
EARLY_SHARE: Final = 0.25  # of the time between two pictures: so much sooner one may follow, for cameras are not exact
FLAWED_LIMIT_S: Final = 1.5  # pictures that do not decode are left out for so long
FRAME_TIMEOUT_S: Final = 3.0  # a camera that gives no frame for so long is stalled


@dataclass(frozen=True, slots=True)
class Picture:
    """One preview picture.

    sequence: the device's own count of frames.
    age_s: from the end of the frame's transfer until it was handed out.
    live: what a running capture made of this frame, where the scanner shows its platen live.
    """

    jpeg: bytes = field(repr=False)
    sequence: int
    age_s: float
    live: Live | None = None


@dataclass(slots=True, eq=False)
class _Screen:
    """What a lease's readers look at: the newest frame, and that frame encoded for each size that was asked for."""

    frame: Frame | None = None
    live: Live | None = None
    number: int = 0
    problem: Exception | None = None
    readers: set[asyncio.Event] = field(default_factory=set)
    encoded: dict[int, asyncio.Future[bytes]] = field(default_factory=dict)
    pump: asyncio.Task[None] | None = None
    pump_cancel: CancelToken = field(default_factory=CancelToken)

    def wake(self) -> None:
        for reader in self.readers:
            reader.set()


def newest_frame(camera: Camera, newer_than: int, cancel: CancelToken) -> Frame:
    """A camera's next frame, on its own thread. Raises as Camera.latest, DeviceStalled where none comes in time."""
    try:
        return camera.latest(newer_than=newer_than, timeout_s=FRAME_TIMEOUT_S, cancel=cancel)
    except CaptureTimedOut as error:  # its words are of fingers
        raise DeviceStalled("the camera gives no frame", timeout_s=FRAME_TIMEOUT_S) from error


class Previews:
    """The screens of all live leases."""

    def __init__(self, pool: Executor, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._screens: dict[str, _Screen] = {}

    def publish(self, lease: Lease, frame: Frame, live: Live | None = None) -> None:
        """Show a frame that a capture got, with what it made of it. On the event loop."""
        self._show(self._screen(lease), frame, live)

    async def pictures(
        self, device: StationDevice, lease: Lease, *, max_side_px: int, max_frames_per_second: float
    ) -> AsyncGenerator[Picture, None]:
        """Yield the newest picture whenever the reader is ready and a newer frame is there, until closed.

        A camera is asked for frames while somebody reads; the screen of a scanner, or of a camera without live view,
        shows the frames of its captures.
        Raises LeaseExpired or LeaseNotYours when the lease ends, DriverError when the camera fails, ProtocolViolation
        when its pictures go on not to decode.
        """
        screen = self._screen(lease)
        news = asyncio.Event()
        screen.readers.add(news)
        shown = 0
        flawed_since_s: float | None = None
        period_s, due_s = 1 / max_frames_per_second, 0.0
        try:
            if device.kind is DeviceKind.CAMERA:
                self._start_pump(screen, device, lease)
            while True:
                lease.require_live()
                if screen.problem is not None:
                    raise screen.problem
                if screen.frame is None or screen.number == shown:
                    news.clear()
                    await news.wait()
                    continue
                now_s = self._clock.monotonic()
                if now_s < due_s - EARLY_SHARE * period_s:
                    await _newer_or_late(news, period_s)  # a newer one on time rather than this one late
                    continue
                due_s = period_s + (due_s if now_s < due_s + period_s else now_s)
                shown, frame, live = screen.number, screen.frame, screen.live
                try:
                    jpeg = await self._encoded(screen, frame, max_side_px)
                except ProtocolViolation:
                    flawed_since_s = now_s if flawed_since_s is None else flawed_since_s
                    if now_s - flawed_since_s > FLAWED_LIMIT_S:
                        raise
                    continue
                flawed_since_s = None
                yield Picture(
                    jpeg, frame.sequence, max(0.0, self._clock.monotonic() - frame.captured_monotonic_s), live
                )
        finally:
            screen.readers.discard(news)
            if not screen.readers:
                screen.pump_cancel.cancel()

    def _screen(self, lease: Lease) -> _Screen:
        screen = self._screens.get(lease.lease_id)
        if screen is None:
            screen = self._screens[lease.lease_id] = _Screen()
            lease.at_end(lambda: self._forget(lease.lease_id))
        return screen

    def _forget(self, lease_id: str) -> None:
        screen = self._screens.pop(lease_id, None)
        if screen is not None:
            screen.frame = None
            screen.encoded.clear()
            screen.pump_cancel.cancel()
            screen.wake()

    def _show(self, screen: _Screen, frame: Frame, live: Live | None = None) -> None:
        screen.frame, screen.live = frame, live
        screen.number += 1
        screen.encoded.clear()
        screen.wake()

    def _start_pump(self, screen: _Screen, device: StationDevice, lease: Lease) -> None:
        if screen.pump is None or screen.pump.done() or screen.pump_cancel.cancelled:
            screen.problem = None
            screen.pump_cancel = CancelToken()
            screen.pump = asyncio.create_task(self._pump(screen, device, lease, screen.pump_cancel))

    async def _pump(self, screen: _Screen, device: StationDevice, lease: Lease, cancel: CancelToken) -> None:
        """Bring a camera's frames to the screen while it has readers; a capture on the same device goes between."""
        seen: tuple[Driver, int] | None = None

        def next_frame(driver: Driver) -> tuple[Driver, Frame] | None:
            camera = cast(Camera, driver)
            if not camera.capabilities.has_live_view:
                return None
            newest = seen[1] if seen is not None and seen[0] is driver else 0  # a new driver counts from 1 again
            return driver, newest_frame(camera, newest, cancel)

        try:
            while screen.readers and not cancel.cancelled:
                found = await device.worker.run(next_frame, cancel=cancel, check=lease.require_live)
                if found is None:
                    return
                driver, frame = found
                seen = driver, frame.sequence
                self._show(screen, frame)
        except Exception as error:  # noqa: BLE001  whatever it is, those who look must not wait for ever
            if not cancel.cancelled:
                screen.problem = error
                screen.wake()

    async def _encoded(self, screen: _Screen, frame: Frame, max_side_px: int) -> bytes:
        if (own := _own_jpeg(frame, max_side_px)) is not None:
            return own
        picture = screen.encoded.get(max_side_px)
        if picture is None:
            picture = asyncio.get_running_loop().run_in_executor(self._pool, _encode, frame, max_side_px)
            screen.encoded[max_side_px] = picture
        return await asyncio.shield(picture)


async def _newer_or_late(news: asyncio.Event, patience_s: float) -> None:
    news.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await news.wait()


def _own_jpeg(frame: Frame, max_side_px: int) -> bytes | None:
    """The camera's own JPEG, where it can be passed on to anybody."""
    own = frame.picture
    if not isinstance(own, Jpeg) or not own.complete or len(own.content) > MOST_PASSED_ON_BYTES:
        return None
    return own.content if max(frame.size) <= max_side_px else None


def _encode(frame: Frame, max_side_px: int) -> bytes:
    longest = max(frame.size)
    size = tuple(max(1, round(side * min(1.0, max_side_px / longest))) for side in frame.size)
    pixels: cv2.typing.MatLike
    if isinstance(frame.picture, Jpeg):
        pixels = frame.picture.reduced(max(one for one in REDUCTIONS if one == 1 or one * max_side_px <= longest))
    else:
        pixels = frame.picture
    # Means over whole blocks take a tenth of the time of those over parts; less than half is left for the rest.
    if (block := max(pixels.shape[:2]) // max_side_px) > 1:
        pixels = cv2.resize(pixels, (pixels.shape[1] // block, pixels.shape[0] // block), interpolation=cv2.INTER_AREA)
    if pixels.shape[1::-1] != size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
