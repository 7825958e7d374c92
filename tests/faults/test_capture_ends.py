"""How a capture ends before its time, in each state that it can wait in: the device is free, the next capture works."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.duration_pb2 import Duration

from enrollment.service.assembly import NUMERIC_THREADS
from enrollment.v1 import capture_pb2, device_pb2
from tests.flow.capture_steps import SOON_S, a_capture_works, locked_database, read_until
from tests.flow.running_station import Client, Hands, InProcess, refused

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

TRANSFER_TIMEOUT_S = 5.0  # of the driver's: a transfer that was not cancelled would hold the scanner so long
PATIENT = Duration(seconds=600)


async def await_free(client: Client, device_id: str) -> None:
    """Return when no capture runs on a device."""
    call = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    async with asyncio.timeout(SOON_S):
        while True:
            answer: Any = await call.read()
            if answer.device.device_id == device_id and answer.device.state == device_pb2.DEVICE_STATE_READY:
                return


@contextlib.contextmanager
def busy_numeric_threads(here: InProcess) -> Iterator[None]:
    """Nothing is judged while this lasts: every numeric thread waits. No other way holds a capture in this state."""
    go_on = threading.Event()
    pool = here.station._numeric_pool
    holding = [pool.submit(go_on.wait) for _ in range(NUMERIC_THREADS)]
    try:
        yield
    finally:
        go_on.set()
        wait(holding)


def is_writing() -> bool:
    """Whether a thread of this process is inside the store's write of a capture."""
    return any(
        frame.f_code.co_name == "add_capture"
        for top in sys._current_frames().values()
        for frame, _ in traceback.walk_stack(top)
    )


async def test_a_capture_cancelled_while_its_image_is_on_the_wire_frees_the_scanner(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    scanner_stub.fail("stall")  # the image's transfer never ends by itself
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=PATIENT)
        await read_until(call, "waiting")
        await hands.lay(finger=1)
        await read_until(call, "finger_on")
        call.cancel()
        await hands.lift()
        scanner_stub.heal()
        following = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=PATIENT)
        await read_until(following, "waiting", within_s=TRANSFER_TIMEOUT_S - 1)
        following.cancel()
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_a_capture_cancelled_while_its_image_is_judged_frees_the_scanner_and_stores_nothing(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=PATIENT)
        await read_until(call, "waiting")
        sent = (await asyncio.to_thread(scanner_stub.control, "GET", "/state"))["images_sent"]
        with busy_numeric_threads(here):
            await hands.lay(finger=1)
            await read_until(call, "finger_on")
            await asyncio.to_thread(scanner_stub.control, "GET", f"/state?until=images:{sent + 1}&timeout_s=10")
            call.cancel()
            await await_free(client, scanner.device_id)
        await hands.lift()
        assert not (await client.dossier(dossier.dossier_id)).captures
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_a_capture_cancelled_while_it_is_written_frees_the_scanner_and_the_write_is_finished(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=PATIENT)
        await read_until(call, "waiting")
        async with locked_database(here):
            await hands.lay(finger=1)
            assert (await read_until(call, "judged")).acceptable
            async with asyncio.timeout(SOON_S):
                while not is_writing():
                    await asyncio.sleep(0.005)
            call.cancel()
            await await_free(client, scanner.device_id)
            await hands.lift()
            following = client.capture_finger(dossier.dossier_id, lease, 2, finger_timeout=PATIENT)
            await read_until(following, "waiting")
        following.cancel()
        async with asyncio.timeout(SOON_S):
            while not (kept := (await client.dossier(dossier.dossier_id)).captures):
                await asyncio.sleep(0.005)
        assert [capture.position for capture in kept] == [1]
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_a_portrait_cancelled_while_its_camera_sends_nothing_frees_the_camera(
    here: InProcess, camera_stub: CameraStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    camera = await client.camera()
    async with client.lease(camera.device_id) as lease:
        opened = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
        await opened.read()  # the camera runs
        opened.cancel()
        camera_stub.fail("stall")
        call = client.capture_portrait(dossier.dossier_id, lease)
        await read_until(call, "waiting")
        call.cancel()
        await await_free(client, camera.device_id)
        camera_stub.heal()
        async with asyncio.timeout(2 * SOON_S):
            answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
    assert answers[-1].WhichOneof("event") in ("accepted", "exhausted")


async def test_a_finger_that_is_not_lifted_ends_the_capture_when_its_time_is_over(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        await hands.follow(client.capture_finger(dossier.dossier_id, lease, 2), finger=2)
        call = client.capture_finger(
            dossier.dossier_id, lease, 1, finger_timeout=Duration(seconds=1, nanos=500_000_000)
        )
        await read_until(call, "waiting")
        await hands.lay(finger=2)  # the wrong one: it must be lifted for the next try
        await read_until(call, "lift_finger")
        async with asyncio.timeout(SOON_S):
            assert (await refused(call))[:2] == ("DEADLINE_EXCEEDED", "CAPTURE_TIMED_OUT")
        assert (await client.scanner()).problem == ""
        await hands.lift()
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_the_time_for_a_finger_does_not_begin_anew_with_each_touch(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    nothing = np.full((290, 384), 255, np.uint8)
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=Duration(seconds=3))
        await read_until(call, "waiting")
        # Something lies there, and every picture shows that it has just left: the scanner waits again each time.
        await asyncio.to_thread(scanner_stub.lay, nothing)
        for _ in range(2):
            await read_until(call, "finger_on")
        async with asyncio.timeout(SOON_S):
            assert (await refused(call))[:2] == ("DEADLINE_EXCEEDED", "CAPTURE_TIMED_OUT")
        await hands.lift()
        await a_capture_works(client, hands, dossier.dossier_id, lease)
