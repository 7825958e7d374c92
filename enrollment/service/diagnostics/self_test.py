"""The self-test of one leased device, told step by step.

    open, several times -> wire round trips -> is nothing there? -> frames -> noise, dead pixels, evenness -> indicators
    an encoder: open -> a card in? -> round trips, lengths, throughput

No person may be in what is kept. So the platen must be empty (or an even light surface before the lens): somebody is
asked for it, the frames are checked for it, first before anything is measured and then group by group, and without it
no map and no figure of the imaging leaves this module. Frames themselves never do.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import CaptureCancelled, CaptureTimedOut, DeviceError
from drivers.frame import Frame
from drivers.spi import (
    Camera,
    CancelToken,
    CardEncoder,
    DeviceKind,
    Impression,
    Indicating,
    LiveFrame,
    PlatenImager,
    StreamingScanner,
)
from enrollment.core.diagnostics.imaging import CANON_PPI, ImagingTest, examine_nothing, is_nothing
from enrollment.core.diagnostics.parameters import LEAST_FRAMES, STUCK_FRAMES
from enrollment.core.errors import InvalidImage
from enrollment.service.capture.studio import Studio, raise_why_ended
from enrollment.service.devices.inventory import StationDevice
from enrollment.service.devices.leases import Lease
from enrollment.service.devices.worker import Driver
from enrollment.service.diagnostics import verdicts
from enrollment.service.diagnostics.card_trial import examine_card
from enrollment.service.diagnostics.findings import Finding
from enrollment.service.diagnostics.wire_log import Transfer, tapped

T = TypeVar("T")

OPENINGS: Final = 3
IMAGING_FRAMES: Final = STUCK_FRAMES
STREAM_FRAMES: Final = 60  # two seconds of most cameras: a rate of 3 dropped in 100 shows
EMPTY_WAIT_S: Final = 20.0
FRAME_TIMEOUT_S: Final = 3.0
STREAM_TIMEOUT_S: Final = 30.0  # for STREAM_FRAMES: less than 2 a second is no stream
INDICATOR_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """A step begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure is known; its name ends in its unit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class SensorMap:
    """values: (h, w) float32, grey levels, or bool for defective pixels."""

    name: str
    values: NDArray[Any]
    cell_px: int


Event = Step | Measured | Finding | SensorMap


async def self_test(
    studio: Studio,
    lease: Lease,
    device: StationDevice,
    *,
    empty_wait_s: float = EMPTY_WAIT_S,
    indicator_s: float = INDICATOR_S,
) -> AsyncGenerator[Event, None]:
    """Test a device under a lease.

    empty_wait_s: for somebody to clear the platen, or to put a card in. indicator_s: that each lamp or beeper is on.
    A device that fails is a finding, and ends the test. Raises DeviceInUse, LeaseExpired, LeaseNotYours,
    CaptureCancelled when the lease ends meanwhile.
    """
    cancel = CancelToken()
    async with studio.inventory.in_use(device):
        forget = lease.at_end(cancel.cancel)
        if device.platen_watch is not None:
            device.platen_watch.cancel.cancel()  # it asks for an empty platen itself, and takes nobody's print
        try:
            async for event in _SelfTest(studio, lease, device, cancel, empty_wait_s, indicator_s).run():
                yield event
        except (DeviceError, CaptureTimedOut) as error:
            yield verdicts.failed(error.reason, device.kind)
        except CaptureCancelled:
            raise_why_ended(lease, device)
            raise
        finally:
            forget()


class _Taken:
    """Frames of one row. newest: what fits into the test. times_s, numbers: of all. passed_over: as devices count."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.numbers: list[int] = []
        self.passed_over = 0
        self._newest: deque[Frame] = deque(maxlen=IMAGING_FRAMES)

    @property
    def newest(self) -> list[Frame]:
        return list(self._newest)

    def add(self, frame: Frame, *, passed_over: int = 0) -> None:
        self._newest.append(frame)
        self.times_s.append(frame.captured_monotonic_s)
        self.numbers.append(frame.sequence)
        self.passed_over += passed_over


class _SelfTest:
    def __init__(
        self,
        studio: Studio,
        lease: Lease,
        device: StationDevice,
        cancel: CancelToken,
        empty_wait_s: float,
        indicator_s: float,
    ) -> None:
        self._studio = studio
        self._lease = lease
        self._device = device
        self._cancel = cancel
        self._empty_wait_s = empty_wait_s
        self._indicator_s = indicator_s
        self._is_camera = device.kind is DeviceKind.CAMERA
        self._streams = False
        self._seen = 0  # sequence of the newest camera frame

    async def run(self) -> AsyncGenerator[Event, None]:
        async for event in self._openings():
            yield event
        if self._device.kind is DeviceKind.CARD_ENCODER:
            async for event in self._card():
                yield event
            return
        self._streams = await self._on_device(lambda driver: isinstance(driver, Camera | StreamingScanner))
        if self._streams or await self._on_device(lambda driver: isinstance(driver, PlatenImager)):
            async for event in self._imaging():
                yield event
        else:
            yield verdicts.cannot_image()
        async for event in self._indicators():
            yield event

    async def _openings(self) -> AsyncGenerator[Event, None]:
        """Open the device anew some times; on a wire of ours, each transfer is timed."""
        yield Step("open")
        openings_ms = []
        with tapped(self._device.device_id) as tap:
            for _ in range(OPENINGS):
                await self._device.worker.close()
                began_s = self._studio.clock.monotonic()
                await self._on_device(lambda driver: None)
                openings_ms.append(1000 * (self._studio.clock.monotonic() - began_s))
            trips_ms = _round_trips_ms(tap.transfers())
        median_ms = statistics.median(openings_ms)
        yield Measured("open_ms", median_ms)
        yield verdicts.opened(OPENINGS, median_ms)
        if trips_ms:
            median, high = (float(value) for value in np.percentile(trips_ms, (50, 95)))
            yield Measured("round_trip_median_ms", median)
            yield Measured("round_trip_p95_ms", high)
            yield Measured("round_trips", len(trips_ms))
            yield verdicts.round_trips(median, high)

    async def _card(self) -> AsyncGenerator[Event, None]:
        yield Step("card")
        try:
            found = await self._on_device(
                lambda driver: examine_card(
                    cast(CardEncoder, driver), timeout_s=self._empty_wait_s, cancel=self._cancel
                )
            )
        except CaptureTimedOut:
            yield verdicts.no_card()
            return
        median, high = (float(value) for value in np.percentile(found.round_trips_ms, (50, 95)))
        yield Measured("card_round_trip_median_ms", median)
        yield Measured("card_round_trip_p95_ms", high)
        yield Measured("card_round_trips_per_s", 1000.0 / median)
        yield Measured("card_block_octets", found.block)
        yield Measured("card_throughput_kb_per_s", found.bytes_per_s / 1000)
        yield verdicts.card_answers(median, found.bytes_per_s)
        yield verdicts.lengths(found.block, extended=found.takes_extended_lengths)

    async def _imaging(self) -> AsyncGenerator[Event, None]:
        yield Step("even-surface" if self._is_camera else "empty-platen")
        deadline_s = self._studio.clock.monotonic() + self._empty_wait_s
        empty = True
        while not await self._shows_nothing((await self._frames(LEAST_FRAMES)).newest):
            if self._studio.clock.monotonic() >= deadline_s:
                empty = False
                break
        tested = None
        if empty or self._streams:  # a stream's pace is known whatever it shows
            yield Step("frames")
            taken = await self._frames(STREAM_FRAMES if self._streams else IMAGING_FRAMES)
            for event in self._pace(taken):
                yield event
            if empty:
                tested = await self._studio.numeric(_examine, taken.newest, scene=self._is_camera)
        if tested is None:
            yield verdicts.not_empty(is_camera=self._is_camera)
            return
        for event in _imaging_events(tested):
            yield event

    async def _shows_nothing(self, frames: list[Frame]) -> bool:
        return await self._studio.numeric(_shows_nothing, frames, scene=self._is_camera)

    async def _frames(self, count: int) -> _Taken:
        """Take frames one after the other; a lease that ends meanwhile ends it."""
        taken = _Taken()
        if self._is_camera:
            for _ in range(count):  # each a job of its own
                taken.add(await self._on_device(self._next_camera_frame))
        elif self._streams:
            await self._on_device(lambda driver: self._stream(cast(StreamingScanner, driver), count, taken))
        else:
            take = lambda driver: cast(PlatenImager, driver).image_platen(frames=count, cancel=self._cancel)  # noqa: E731
            for frame in await self._on_device(take):
                taken.add(frame)
        return taken

    def _next_camera_frame(self, driver: Driver) -> Frame:
        camera = cast(Camera, driver)
        frame = camera.latest(newer_than=self._seen, timeout_s=FRAME_TIMEOUT_S, cancel=self._cancel)
        self._seen = frame.sequence
        return frame

    def _stream(self, scanner: StreamingScanner, count: int, taken: _Taken) -> None:
        def keep(live: LiveFrame) -> bool:
            taken.add(live.frame, passed_over=live.passed_over if taken.times_s else 0)
            return len(taken.times_s) == count

        scanner.stream(impression=Impression.FLAT, timeout_s=STREAM_TIMEOUT_S, cancel=self._cancel, on_frame=keep)

    def _pace(self, taken: _Taken) -> list[Event]:
        """Rate, and what is missing: as the device counts; for a camera, which does not, by the gaps in time."""
        steps = np.diff(taken.times_s) / np.diff(taken.numbers)
        usual_s = float(np.median(steps))
        rate = 1.0 / usual_s if usual_s > 0 else 0.0
        gaps = int(np.maximum(np.rint(steps / usual_s) - 1, 0).sum()) if usual_s > 0 else 0
        missing = gaps if self._is_camera else taken.passed_over
        events: list[Event] = [Measured("frames_per_second", rate)]
        if self._streams:
            events += [
                Measured("frames_missing", missing),
                verdicts.rate(rate),
                verdicts.missing(missing, len(taken.times_s)),
            ]
        return events

    async def _indicators(self) -> AsyncGenerator[Event, None]:
        names = await self._on_device(lambda driver: list(driver.indicators) if isinstance(driver, Indicating) else [])
        for name in names:
            yield Step(f"indicator:{name}")

            def indicate(driver: Driver, name: str = name) -> None:
                cast(Indicating, driver).indicate(name, seconds=self._indicator_s, cancel=self._cancel)

            await self._on_device(indicate)
            yield verdicts.indicated(name)

    async def _on_device(self, job: Callable[[Driver], T]) -> T:
        return await self._device.worker.run(job, cancel=self._cancel, check=self._lease.require_live)


def _round_trips_ms(transfers: list[Transfer]) -> list[float]:
    """Of requests to registers, or of commands on a wire that has none: until the device has taken them."""
    requests = [transfer for transfer in transfers if transfer.kind == "control"]
    commands = [transfer for transfer in transfers if (transfer.kind, transfer.direction) == ("bulk", "out")]
    return [1000 * transfer.elapsed_s for transfer in requests or commands]


def _shows_nothing(frames: list[Frame], *, scene: bool) -> bool:
    """Whether nothing was there, in any few of the frames."""
    grey, ppi = _grey(frames), _ppi(frames)
    begins = range(0, len(grey) - LEAST_FRAMES + 1, LEAST_FRAMES)
    return all(is_nothing(grey[begin : begin + LEAST_FRAMES], ppi, scene=scene) for begin in begins)


def _examine(frames: list[Frame], *, scene: bool) -> ImagingTest | None:
    """The figures; None where anything was there, in any few of the frames or in all of them together."""
    if not _shows_nothing(frames, scene=scene):
        return None
    tested = examine_nothing(_grey(frames), _ppi(frames))
    return tested if tested.is_empty(scene=scene) else None


def _ppi(frames: list[Frame]) -> float:
    return frames[0].resolution_ppi or CANON_PPI


def _grey(frames: list[Frame]) -> NDArray[np.uint8]:
    """(N, H, W) uint8. Raises InvalidImage where a camera changed its size between two frames."""
    pictures = [frame.pixels for frame in frames]
    if len({picture.shape for picture in pictures}) > 1:
        raise InvalidImage("the frames are not of one size")
    return np.stack([np.asarray(p if p.ndim == 2 else cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), np.uint8) for p in pictures])


def _imaging_events(tested: ImagingTest) -> list[Event]:
    return [
        Measured("level_grey", tested.level_grey),
        Measured("level_spread_percent", 100 * tested.level_spread),
        Measured("noise_grey", tested.noise_grey),
        Measured("dead_pixels", tested.dead_pixels),
        Measured("dead_lines", len(tested.dead_rows) + len(tested.dead_columns)),
        verdicts.noise(tested),
        verdicts.dead_pixels(tested),
        verdicts.dead_lines(tested),
        verdicts.evenness(tested),
        SensorMap("noise", tested.noise, tested.cell_px),
        SensorMap("dead", tested.dead, 1),
        SensorMap("levels", tested.levels, tested.cell_px),
    ]
