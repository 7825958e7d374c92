"""Preview: the newest frame, for as many as look, at no cost for those who do not read."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import cv2
import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.errors import ProtocolViolation
from drivers.frame import Frame, Jpeg
from enrollment.service.assembly import NUMERIC_THREADS
from enrollment.service.capture import preview
from enrollment.service.capture.preview import FLAWED_LIMIT_S, MOST_PASSED_ON_BYTES, Picture, Previews
from enrollment.service.config import Clock, SystemClock
from enrollment.service.devices.leases import Granted
from enrollment.v1 import capture_pb2
from tests.flow.running_station import Client, Hands, InProcess, refused

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

MODELS_STILLS = 7
SOON_S = 20.0  # a limit against hanging


def watch(client: Client, lease: capture_pb2.LeaseReference, **other: Any) -> Any:
    return client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease, **other))


def decoded(jpeg: bytes) -> tuple[int, ...]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return tuple(image.shape)


async def test_a_cameras_pictures_come_at_the_size_that_was_asked_for_and_go_on(here: InProcess) -> None:
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        call = watch(here.client, lease, max_side_px=320, max_frames_per_second=30)
        pictures = [await call.read() for _ in range(10)]
        call.cancel()
    assert {decoded(picture.jpeg) for picture in pictures} == {(180, 320, 3)}
    sequences = [picture.sequence for picture in pictures]
    assert sequences == sorted(set(sequences))
    assert all(0 <= picture.age.ToNanoseconds() < 10e9 for picture in pictures)


def stills_of(camera_stub: CameraStub) -> set[bytes]:
    """All that the model sends in turn."""
    stills: set[bytes] = set()
    while len(stills) < MODELS_STILLS:
        with urllib.request.urlopen(camera_stub.url.replace("/stream", "/still"), timeout=10) as still:  # noqa: S310
            stills.add(still.read())
    return stills


async def test_a_cameras_own_picture_is_passed_on_where_it_fits(here: InProcess, camera_stub: CameraStub) -> None:
    stills = await asyncio.to_thread(stills_of, camera_stub)
    async with here.client.lease((await here.client.camera()).device_id) as lease, asyncio.timeout(SOON_S):
        call = watch(here.client, lease, max_side_px=1920, max_frames_per_second=30)
        while (picture := await call.read()).jpeg not in stills:  # it may still be waking up
            assert decoded(picture.jpeg) == (1080, 1920, 3)
        call.cancel()


@pytest.mark.parametrize("side", [100, 200, 240, 300, 480])
async def test_a_cameras_picture_is_as_large_as_asked_for_and_shows_all_of_it(here: InProcess, side: int) -> None:
    scene = np.zeros((270, 480, 3), np.uint8)
    scene[:, 240:] = 200
    own = cv2.imencode(".jpg", scene)[1].tobytes()
    async with screen_of(here, SystemClock(), side=side) as (show, reader):
        show(1, Jpeg(own, 480, 270, complete=True))
        jpeg = (await anext(reader)).jpeg
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (round(270 * side / 480), side, 3)
    assert shown[:, : side // 2 - 8].mean() < 5
    assert shown[:, side // 2 + 8 :].mean() == pytest.approx(200, abs=5)
    assert (jpeg == own) == (side == 480)


async def test_a_picture_that_not_everybody_could_read_or_carry_is_encoded_anew(here: InProcess) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8)
    large = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    assert len(large) > MOST_PASSED_ON_BYTES
    small = cv2.imencode(".jpg", noise[:60, :80])[1].tobytes()
    async with screen_of(here, SystemClock(), rate=30, side=1920) as (show, reader):
        for number, own in enumerate((Jpeg(large, 800, 600, complete=True), Jpeg(small, 80, 60, complete=False)), 1):
            show(number, own)
            jpeg = (await anext(reader)).jpeg
            assert decoded(jpeg) == (own.height, own.width, 3)
            assert jpeg != own.content
            assert len(jpeg) < MOST_PASSED_ON_BYTES


async def test_readers_of_one_size_share_one_picture(here: InProcess) -> None:
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        calls = [watch(here.client, lease, max_frames_per_second=30) for _ in range(2)]
        seen: list[dict[int, bytes]] = [{}, {}]
        while not seen[0].keys() & seen[1].keys():
            for call, pictures in zip(calls, seen, strict=True):
                answer = await call.read()
                pictures[answer.sequence] = answer.jpeg
        for sequence in seen[0].keys() & seen[1].keys():
            assert seen[0][sequence] == seen[1][sequence]
        for call in calls:
            call.cancel()


async def test_readers_that_stop_reading_hold_up_nobody_and_skip_frames_when_they_go_on(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.camera()).device_id) as lease:
        stalled = [watch(client, lease, max_side_px=1920, max_frames_per_second=30) for _ in range(4)]
        firsts = [(await call.read()).sequence for call in stalled]
        live = watch(client, lease, max_side_px=64, max_frames_per_second=30)
        newest = firsts[0]
        while newest < firsts[0] + 90:  # more than what gRPC's own windows can hold of large pictures
            newest = (await live.read()).sequence
        answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
        assert answers[-1].WhichOneof("event") == "accepted"
        late = [(await stalled[0].read()).sequence]
        while late[-1] < newest:
            late.append((await stalled[0].read()).sequence)
        assert len(late) < newest - firsts[0]
        for call in (*stalled, live):
            call.cancel()


async def test_a_scanners_screen_shows_the_last_capture_and_only_to_the_same_lease(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = watch(client, lease)
        await hands.follow(client.capture_finger(dossier.dossier_id, lease, 1), finger=1)
        shown = (await call.read()).jpeg
        assert decoded(shown) == (290, 384)
        call.cancel()
    async with client.lease(scanner.device_id) as fresh:
        call = watch(client, fresh)
        await hands.follow(client.capture_finger(dossier.dossier_id, fresh, 2), finger=2)
        first = (await call.read()).jpeg
        assert decoded(first) == (290, 384)
        assert first != shown  # whose finger lay there before is nobody's business any more
        call.cancel()


async def test_the_preview_ends_with_its_lease(here: InProcess) -> None:
    camera = await here.client.camera()
    async with here.client.lease(camera.device_id) as lease:
        call = watch(here.client, lease)
        await call.read()
        here.station.leases.take_over(camera.device_id)
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")


async def test_a_camera_that_fails_ends_the_preview_with_its_reason(here: InProcess, camera_stub: CameraStub) -> None:
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        call = watch(here.client, lease)
        await call.read()
        camera_stub.fail("stall")
        code, reason, _ = await refused(call)
    assert code in ("UNAVAILABLE", "FAILED_PRECONDITION")
    assert reason in ("DEVICE_STALLED", "DEVICE_GONE", "LEASE_EXPIRED")


@pytest.mark.parametrize("wrong", [{"max_side_px": 63}, {"max_side_px": 1921}, {"max_frames_per_second": 31}], ids=str)
async def test_a_size_or_rate_out_of_range_is_refused(here: InProcess, wrong: dict[str, int]) -> None:
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        assert (await refused(watch(here.client, lease, **wrong)))[:2] == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


class CountingPool(ThreadPoolExecutor):
    """Counts what it is given to encode."""

    encoded = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.encoded += 1
        return super().submit(fn, *args, **kwargs)


@asynccontextmanager
async def screen_of(
    here: InProcess, clock: Clock, rate: float = 1.0, side: int = 64
) -> AsyncIterator[tuple[Callable[..., None], AsyncGenerator[Picture, None]]]:
    """What shows a frame under a lease of the scanner, by number, and a reader of such pictures."""
    device = here.station.inventory.get((await here.client.scanner()).device_id)
    stream = here.station.leases.hold(
        device.device_id, operator_id="op-1", client_name="test", time_to_live_s=30, wait_s=0
    )
    granted = await anext(stream)
    assert isinstance(granted, Granted)
    with ThreadPoolExecutor(1) as pool:
        previews = Previews(pool, clock)

        def show(number: int, pixels: NDArray[np.uint8] | Jpeg | None = None) -> None:
            frame = np.zeros((290, 384), np.uint8) if pixels is None else pixels
            previews.publish(granted.lease, Frame(frame, number, clock.monotonic(), 500.0))

        reader = previews.pictures(device, granted.lease, max_side_px=side, max_frames_per_second=rate)
        yield show, reader
        await reader.aclose()
    await stream.aclose()


async def test_a_frame_is_encoded_once_a_size_however_many_look(here: InProcess, hands: Hands) -> None:
    station, client = here.station, here.client
    scanner = await client.scanner()
    device = station.inventory.get(scanner.device_id)
    stream = station.leases.hold(scanner.device_id, operator_id="op-1", client_name="test", time_to_live_s=30, wait_s=0)
    granted = await anext(stream)
    assert isinstance(granted, Granted)
    with CountingPool(2) as pool:
        previews = Previews(pool, SystemClock())
        small = [previews.pictures(device, granted.lease, max_side_px=64, max_frames_per_second=30) for _ in range(16)]
        large = previews.pictures(device, granted.lease, max_side_px=128, max_frames_per_second=30)
        previews.publish(granted.lease, Frame(np.zeros((290, 384), np.uint8), 1, SystemClock().monotonic(), 500.0))
        pictures = [await anext(reader) for reader in small]
        assert {picture.jpeg for picture in pictures} == {pictures[0].jpeg}
        assert (await anext(large)).jpeg != pictures[0].jpeg
        assert pool.encoded == 2
        for reader in (*small, large):
            await reader.aclose()
    await stream.aclose()


async def test_a_client_that_leaves_does_not_end_the_previews_of_others(here: InProcess) -> None:
    camera = await here.client.camera()
    async with here.client.lease(camera.device_id) as lease:
        other = await here.another_client("op-1")
        call = watch(other, lease)
        await call.read()
        await other.channel.close()
        assert (await watch(here.client, lease).read()).jpeg


async def test_pictures_go_on_while_prints_are_judged(here: InProcess) -> None:
    go_on = threading.Event()
    pool = here.station._numeric_pool  # no other way keeps its threads busy for as long as this needs
    judging = [pool.submit(go_on.wait) for _ in range(NUMERIC_THREADS)]
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        call = watch(here.client, lease)
        try:
            async with asyncio.timeout(SOON_S):
                sequences = [(await call.read()).sequence for _ in range(5)]
        finally:
            go_on.set()
            await asyncio.to_thread(wait, judging)
        call.cancel()
    assert sequences == sorted(set(sequences))


class FrozenClock(SystemClock):
    """A clock that stands until it is moved."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


async def test_a_frame_that_comes_too_soon_gives_way_to_the_next_one(here: InProcess) -> None:
    clock = FrozenClock()
    async with screen_of(here, clock) as (show, reader):
        show(1)
        assert (await anext(reader)).sequence == 1
        show(2)
        next_one = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        clock.now_s += 1.0
        show(3)
        assert (await next_one).sequence == 3


async def test_a_frame_that_comes_too_soon_is_shown_when_no_other_follows(here: InProcess) -> None:
    async with screen_of(here, SystemClock(), rate=20) as (show, reader):
        show(1)
        assert (await anext(reader)).sequence == 1
        show(2)
        assert (await anext(reader)).sequence == 2


async def test_a_picture_that_does_not_decode_is_left_out_until_others_follow_it_for_long(here: InProcess) -> None:
    whole = cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes()
    broken = Jpeg(whole.replace(b"\xff\xdb", b"\xff\xe5"), 160, 90, complete=False)  # without its quantisation tables
    clock = FrozenClock()
    async with screen_of(here, clock) as (show, reader):
        show(1, broken)
        next_one = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0.1)
        clock.now_s += FLAWED_LIMIT_S
        show(2)
        assert (await next_one).sequence == 2
        for number, later_s in ((3, 1.0), (4, FLAWED_LIMIT_S + 1.0)):
            clock.now_s += later_s
            show(number, broken)
            next_one = asyncio.ensure_future(anext(reader)) if number == 3 else next_one
            await asyncio.sleep(0.1)
        with pytest.raises(ProtocolViolation):
            await next_one


async def test_a_camera_whose_driver_raises_what_it_may_not_ends_the_preview(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("a library's own")

    monkeypatch.setattr(preview, "newest_frame", fail)  # no driver of ours does so
    async with here.client.lease((await here.client.camera()).device_id) as lease, asyncio.timeout(SOON_S):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watch(here.client, lease).read()
    assert ended.value.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("side", "shape"), [(960, (540, 960)), (640, (360, 640)), (1000, (562, 1000)), (700, (394, 700))]
)
async def test_a_picture_looks_like_the_mean_of_the_pixels_that_it_stands_for(
    here: InProcess, side: int, shape: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[:1080, :1920].astype(np.float32)
    scene = (127 + 60 * np.sin(rows / 60) + 60 * np.cos(columns / 90)).astype(np.uint8)
    async with screen_of(here, SystemClock(), side=side) as (show, reader):
        show(1, scene)
        picture = cv2.imdecode(np.frombuffer((await anext(reader)).jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == shape
    mean = cv2.resize(scene, shape[::-1], interpolation=cv2.INTER_AREA)
    assert float(np.abs(picture.astype(np.float32) - mean).mean()) < 1.5
