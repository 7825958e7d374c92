"""What goes wrong inside a capture: device, person, client, lease. After each, the next capture works."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from enrollment.service.capture import face_session
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2
from tests.flow.capture_steps import a_capture_works, captured_positions, locked_database, read_until
from tests.flow.running_station import Hands, InProcess, refused, to_the_end

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


async def test_an_unplugged_scanner_ends_the_capture_and_the_lease_and_works_when_it_is_back(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    changes = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())

    async def scanner_becomes(state: device_pb2.DeviceState.ValueType) -> device_pb2.Device:
        while True:
            answer: Any = await changes.read()
            if answer.device.device_id == scanner.device_id and answer.device.state == state:
                return answer.device  # type: ignore[no-any-return]

    held = client.devices.HoldLease(device_pb2.HoldLeaseRequest(device_id=scanner.device_id, client_name="test"))
    first: Any = await held.read()
    lease = capture_pb2.LeaseReference(lease_id=first.granted.lease_id, fencing_token=first.granted.fencing_token)
    call = client.capture_finger(dossier.dossier_id, lease, 1)
    await read_until(call, "waiting")
    await scanner_becomes(device_pb2.DEVICE_STATE_BUSY)
    await asyncio.to_thread(scanner_stub.unplug)
    assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_GONE")
    ended: Any = await held.read()
    assert ended.ended.reason == "DEVICE_GONE"
    gone = await scanner_becomes(device_pb2.DEVICE_STATE_DETACHED)
    assert gone.generation == scanner.generation
    again = client.devices.HoldLease(device_pb2.HoldLeaseRequest(device_id=scanner.device_id, client_name="test"))
    assert (await refused(again))[:2] == ("UNAVAILABLE", "DEVICE_DETACHED")

    await asyncio.to_thread(scanner_stub.plug)
    back = await scanner_becomes(device_pb2.DEVICE_STATE_READY)
    assert back.generation == scanner.generation + 1
    code, reason, facts = await refused(client.capture_finger(dossier.dossier_id, lease, 1))
    assert (code, reason, facts["ended"]) == ("FAILED_PRECONDITION", "LEASE_EXPIRED", "DEVICE_GONE")
    assert await captured_positions(client, dossier.dossier_id) == []
    async with client.lease(scanner.device_id) as fresh:
        await a_capture_works(client, hands, dossier.dossier_id, fresh)


async def test_a_suspended_machine_ends_captures_and_opens_its_devices_anew(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        here.station.inventory._woken(3600.0)  # no test can send the machine to sleep; the clocks' test stands apart
        assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_GONE")
        assert (await refused(client.capture_finger(dossier.dossier_id, lease, 1)))[1] == "LEASE_EXPIRED"
    released = await asyncio.to_thread(scanner_stub.control, "GET", "/state?until=released&timeout_s=10")
    assert released  # the old handle was given back
    await here.station.inventory.scan()
    back = await client.scanner()
    assert (back.state, back.generation) == (device_pb2.DEVICE_STATE_READY, scanner.generation + 1)
    async with client.lease(scanner.device_id) as fresh:
        await a_capture_works(client, hands, dossier.dossier_id, fresh)


async def test_a_scanner_that_vanishes_halfway_through_an_image_stores_nothing_and_comes_back(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    scanner_stub.fail("unplug_in_image")
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        await hands.lay(finger=1)
        assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_GONE")
    await hands.lift()
    assert await captured_positions(client, dossier.dossier_id) == []
    await asyncio.to_thread(scanner_stub.plug)
    changes = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    while True:
        answer: Any = await changes.read()
        if answer.device.device_id == scanner.device_id and answer.device.generation > scanner.generation:
            break
    async with client.lease(scanner.device_id) as lease:
        await a_capture_works(client, hands, dossier.dossier_id, lease)


@pytest.mark.parametrize(
    ("fault", "times", "reason"),
    [("stall", 1, "DEVICE_STALLED"), ("short_image", 6, "DEVICE_PROTOCOL_VIOLATION")],
)
async def test_a_failing_scanner_is_told_of_and_the_next_capture_under_the_same_lease_works(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub, fault: str, times: int, reason: str
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    scanner_stub.fail(fault, times=times)
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        await hands.lay(finger=1)
        assert (await refused(call))[:2] == ("UNAVAILABLE", reason)
        faulty = await client.scanner()
        assert (faulty.state, faulty.problem) == (device_pb2.DEVICE_STATE_FAULTY, reason)
        await hands.lift()
        await a_capture_works(client, hands, dossier.dossier_id, lease)
        well = await client.scanner()
        assert (well.state, well.problem) == (device_pb2.DEVICE_STATE_READY, "")
        assert well.firmware


async def test_when_nobody_comes_the_capture_says_so_and_the_device_is_well(here: InProcess, hands: Hands) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1, finger_timeout=Duration(nanos=200_000_000))
        assert (await refused(call))[:2] == ("DEADLINE_EXCEEDED", "CAPTURE_TIMED_OUT")
        assert (await client.scanner()).problem == ""
        await a_capture_works(client, hands, dossier.dossier_id, lease)


@pytest.mark.parametrize("moment", ["waiting", "finger_on", "judged", "accepted"])
async def test_a_client_that_goes_away_at_any_moment_leaves_the_device_to_the_next_capture(
    here: InProcess, hands: Hands, moment: str
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        if moment != "waiting":
            await hands.lay(finger=1)
            await read_until(call, moment)
        call.cancel()
        await hands.lift()
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_a_client_that_goes_away_while_the_finger_should_be_lifted_leaves_the_device_usable(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        await hands.follow(client.capture_finger(dossier.dossier_id, lease, 2), finger=2)
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        await hands.lay(finger=2)  # the wrong one: another try is asked for
        await read_until(call, "lift_finger")
        call.cancel()
        await hands.lift()
        await a_capture_works(client, hands, dossier.dossier_id, lease)


async def test_two_captures_at_once_on_one_device_are_not_mixed(here: InProcess, hands: Hands) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        first = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(first, "waiting")
        second = client.capture_finger(dossier.dossier_id, lease, 2)
        assert (await refused(second))[:2] == ("FAILED_PRECONDITION", "DEVICE_IN_USE")
        await hands.lay(finger=1)
        assert (await read_until(first, "accepted")).kept_attempt == 1
    assert await captured_positions(client, dossier.dossier_id) == [1]


async def lose_lease(here: InProcess, device_id: str, lease: capture_pb2.LeaseReference, how: str) -> None:
    if how == "released":
        await here.client.devices.ReleaseLease(device_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id))
    else:
        supervisor = await here.another_client("sup-1", Role.SUPERVISOR)
        taken = await supervisor.devices.TakeOverLease(
            device_pb2.TakeOverLeaseRequest(device_id=device_id, reason="the operator went home")
        )
        assert taken.previous_operator_id == "op-1"


@pytest.mark.parametrize(("how", "reason"), [("released", "LEASE_EXPIRED"), ("taken over", "LEASE_NOT_YOURS")])
async def test_a_capture_ends_with_its_lease_and_the_next_holder_can_use_the_device(
    here: InProcess, hands: Hands, how: str, reason: str
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        await lose_lease(here, scanner.device_id, lease, how)
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", reason)
    other = await here.another_client("op-2")
    async with other.lease(scanner.device_id) as fresh:
        await a_capture_works(other, hands, dossier.dossier_id, fresh)


async def test_a_holder_whose_lease_ends_between_the_image_and_the_write_stores_nothing(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        # Others write before the capture does: its own comes late for certain.
        async with locked_database(here):
            writes = [asyncio.ensure_future(client.open_dossier()) for _ in range(8)]
            await asyncio.sleep(0)
            await hands.lay(finger=1)
            assert (await read_until(call, "judged")).acceptable
            assert here.station.leases.take_over(scanner.device_id) == "op-1"
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")
        await asyncio.gather(*writes)
    assert await captured_positions(client, dossier.dossier_id) == []


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("stall", {"DEVICE_STALLED", "DEVICE_GONE"}),
        ("disconnect", {"DEVICE_GONE", "DEVICE_NOT_FOUND", "DEVICE_STALLED"}),
        ("garbage", {"DEVICE_STALLED", "DEVICE_PROTOCOL_VIOLATION", "DEVICE_GONE", "DEVICE_NOT_READY"}),
    ],
)
async def test_a_failing_camera_is_told_of_and_the_next_portrait_works(
    here: InProcess, camera_stub: CameraStub, fault: str, reasons: set[str]
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    camera = await client.camera()
    async with client.lease(camera.device_id) as lease:
        camera_stub.fail(fault)
        code, reason, _ = await refused(client.capture_portrait(dossier.dossier_id, lease))
        assert (code, reason in reasons) == ("UNAVAILABLE", True), reason
    camera_stub.heal()
    for _ in range(3):  # a camera that its driver gave up comes back as a new generation
        await here.station.inventory.scan()  # at least once: a look from before it was healed may be on its way
        if (await client.camera()).state != device_pb2.DEVICE_STATE_DETACHED:
            break
    async with client.lease(camera.device_id) as lease:
        answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
    assert answers[-1].WhichOneof("event") == "accepted"


async def test_a_camera_that_freezes_under_its_preview_stores_nobody_and_the_next_portrait_works(
    here: InProcess, camera_stub: CameraStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.camera()).device_id) as lease:
        preview = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
        await preview.read()
        camera_stub.fail("freeze")
        await asyncio.to_thread(camera_stub.await_frames, 15)  # what was on its way before is shown by then
        code, reason, _ = await refused(client.capture_portrait(dossier.dossier_id, lease))
        assert (code, reason) == ("UNAVAILABLE", "DEVICE_STALLED")
        assert (await refused(preview))[1] == "DEVICE_STALLED"
        assert list((await client.dossier(dossier.dossier_id)).captures) == []
        camera_stub.heal()
        answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
    assert answers[-1].WhichOneof("event") == "accepted"


async def test_a_camera_that_leaves_the_network_is_back_under_its_name_as_a_new_generation(
    here: InProcess, camera_stub: CameraStub
) -> None:
    client = here.client
    camera = await client.camera()
    changes: Any = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    async with client.lease(camera.device_id) as lease:
        preview = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
        await preview.read()
        camera_stub.fail("disconnect", seconds=0.5)
        async for change in changes:
            if change.device.device_id == camera.device_id and change.device.generation > camera.generation:
                break
        assert (await refused(preview))[1] in ("DEVICE_GONE", "LEASE_EXPIRED")
        told = await refused(client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease)))
        assert told[:2] == ("FAILED_PRECONDITION", "LEASE_EXPIRED")
    changes.cancel()
    camera_stub.heal()
    async with client.lease(camera.device_id) as lease:
        again: Any = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
        assert (await again.read()).jpeg
        again.cancel()


async def test_a_dark_scene_uses_up_the_tries_one_after_the_other_and_says_why(
    here: InProcess, camera_stub: CameraStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_session, "TRY_PACE_S", 0.05)  # a quarter of the real one, for it is waited for
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.camera()).device_id) as lease:
        opened = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
        await opened.read()  # the camera runs: the light goes out after it has warmed up
        camera_stub.fail("black")
        began_s = time.monotonic()
        answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
        opened.cancel()
    judged = [answer.judged for answer in answers if answer.WhichOneof("event") == "judged"]
    assert len(judged) == dossier.plan.portrait.max_attempts
    assert time.monotonic() - began_s > 0.05 * (len(judged) - 1)  # no pace but a pause: never less than this
    assert judged[-1].hint == types_pb2.CAPTURE_HINT_TOO_DARK
    assert answers[-1].WhichOneof("event") == "exhausted"


async def test_a_stopping_daemon_ends_captures_and_finishes_what_it_writes(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await read_until(call, "waiting")
        stopping = asyncio.ensure_future(here.station.stop())
        with pytest.raises(grpc.aio.AioRpcError):
            await to_the_end(call)
        await stopping
    released = await asyncio.to_thread(scanner_stub.control, "GET", "/state?until=released&timeout_s=10")
    assert released


async def test_what_was_acknowledged_is_there_after_the_daemon_has_stopped(here: InProcess, hands: Hands) -> None:
    client = here.client
    dossier = await client.open_dossier()
    request = dossier_pb2.AbandonDossierRequest(dossier_id=dossier.dossier_id, reason="test")
    await client.dossiers.AbandonDossier(request)
    listed = await client.dossiers.ListDossiers(
        dossier_pb2.ListDossiersRequest(state=dossier_pb2.DOSSIER_STATE_ABANDONED)
    )
    assert [found.dossier_id for found in listed.dossiers] == [dossier.dossier_id]
