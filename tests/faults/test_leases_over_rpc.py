"""Leases as clients meet them: missing, another's, expired, queued for, taken over, left behind by a dead client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from enrollment.service.config import SystemClock
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, device_pb2
from tests.flow.running_station import Client, InProcess, MakeStation, connected, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


class JumpingClock(SystemClock):
    """The machine's clocks, moved on by hand."""

    def __init__(self) -> None:
        self.jumped_s = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.jumped_s)

    def monotonic(self) -> float:
        return super().monotonic() + self.jumped_s


def hold(client: Client, device_id: str, **other: Any) -> Any:
    request = device_pb2.HoldLeaseRequest(device_id=device_id, **({"client_name": "counter 3"} | other))
    return client.devices.HoldLease(request)


def reference(granted: device_pb2.Lease) -> capture_pb2.LeaseReference:
    return capture_pb2.LeaseReference(lease_id=granted.lease_id, fencing_token=granted.fencing_token)


async def every_use(client: Client, dossier_id: str, lease: capture_pb2.LeaseReference) -> set[tuple[str, str]]:
    """How the calls that use a device answer to a lease that does not hold."""
    preview = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
    return {
        (await refused(client.capture_finger(dossier_id, lease, 1)))[:2],
        (await refused(client.capture_portrait(dossier_id, lease)))[:2],
        (await refused(preview))[:2],
    }


async def test_without_a_lease_nothing_is_captured_or_shown(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    told = await every_use(here.client, dossier.dossier_id, capture_pb2.LeaseReference())
    assert told == {("FAILED_PRECONDITION", "LEASE_REQUIRED")}
    invented = capture_pb2.LeaseReference(lease_id="AAAAAAAAAAAAAAAAAAAAAAAA", fencing_token=1)
    told = await every_use(here.client, dossier.dossier_id, invented)
    assert told == {("FAILED_PRECONDITION", "LEASE_EXPIRED")}


async def test_another_operators_lease_or_an_old_token_is_refused(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    other = await here.another_client("op-2")
    async with here.client.lease((await here.client.scanner()).device_id, time_to_live_s=30) as lease:
        assert await every_use(other, dossier.dossier_id, lease) == {("FAILED_PRECONDITION", "LEASE_NOT_YOURS")}
        stale = capture_pb2.LeaseReference(lease_id=lease.lease_id, fencing_token=lease.fencing_token - 1)
        told = await every_use(here.client, dossier.dossier_id, stale)
        assert told == {("FAILED_PRECONDITION", "LEASE_NOT_YOURS")}
        renew = device_pb2.RenewLeaseRequest(lease_id=lease.lease_id)
        assert (await refused(other.devices.RenewLease(renew)))[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")
        release = device_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id)
        assert (await refused(other.devices.ReleaseLease(release)))[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")
        renewed = await here.client.devices.RenewLease(renew)
        assert renewed.lease.time_to_live.seconds >= 29


async def test_a_lease_without_heartbeat_is_over_when_its_time_is_and_the_next_one_in_the_queue_gets_the_device(
    make_station: MakeStation, scanner_stub: ScannerStub
) -> None:
    clock = JumpingClock()
    async with running_here(make_station([scanner_stub.url]), clock) as here:
        dossier = await here.client.open_dossier()
        scanner = await here.client.scanner()
        held = hold(here.client, scanner.device_id, time_to_live=Duration(seconds=30))
        lease = reference((await held.read()).granted)
        other = await here.another_client("op-2")
        waiting = hold(other, scanner.device_id, wait=Duration(seconds=600))
        assert (await waiting.read()).queued.position == 1
        clock.jumped_s += 31
        told = await refused(here.client.capture_finger(dossier.dossier_id, lease, 1))
        assert told[:2] == ("FAILED_PRECONDITION", "LEASE_EXPIRED")
        assert (await held.read()).ended.reason == "LEASE_EXPIRED"
        assert await held.read() is grpc.aio.EOF
        assert (await waiting.read()).granted.fencing_token > lease.fencing_token


async def test_who_does_not_wait_hears_who_holds_the_device(here: InProcess) -> None:
    scanner = await here.client.scanner()
    other = await here.another_client("op-2")
    async with here.client.lease(scanner.device_id):
        code, reason, facts = await refused(hold(other, scanner.device_id))
        assert (code, reason, facts["operator_id"]) == ("FAILED_PRECONDITION", "LEASE_HELD", "op-1")
        shown = await other.scanner()
        assert shown.lease_holder.operator_id == "op-1"
        assert shown.lease_holder.client_name == "test"
        short = hold(other, scanner.device_id, wait=Duration(nanos=100_000_000))
        assert (await short.read()).queued.position == 1
        assert (await refused(short))[:2] == ("FAILED_PRECONDITION", "LEASE_HELD")


async def test_a_client_that_dies_gives_its_lease_back_at_once(here: InProcess) -> None:
    scanner = await here.client.scanner()
    token = await asyncio.to_thread(here.folder.issue_token, "op-3")
    async with connected(here.folder.socket, token, "op-3") as doomed:
        await hold(doomed, scanner.device_id).read()
        waiting = hold(here.client, scanner.device_id, wait=Duration(seconds=60))
        assert (await waiting.read()).queued.position == 1
    assert (await waiting.read()).granted.lease_id  # the other channel was just closed, nothing was released by name


async def test_a_takeover_needs_a_supervisor_and_is_written_down(here: InProcess) -> None:
    scanner = await here.client.scanner()
    held = hold(here.client, scanner.device_id)
    await held.read()
    take = device_pb2.TakeOverLeaseRequest(device_id=scanner.device_id, reason="quên trả thiết bị")
    assert (await refused(here.client.devices.TakeOverLease(take)))[:2] == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    supervisor = await here.another_client("sup-1", Role.SUPERVISOR)
    nameless = device_pb2.TakeOverLeaseRequest(device_id=scanner.device_id)
    assert (await refused(supervisor.devices.TakeOverLease(nameless)))[:2] == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert (await supervisor.devices.TakeOverLease(take)).previous_operator_id == "op-1"
    assert (await held.read()).ended.reason == "LEASE_TAKEN_OVER"
    assert (await supervisor.devices.TakeOverLease(take)).previous_operator_id == ""
    assert here.station.store.audit.verify() >= 2
    async with supervisor.lease(scanner.device_id) as lease:
        assert lease.fencing_token > 0


async def test_a_renewed_lease_shows_its_new_end_in_the_stream(here: InProcess) -> None:
    scanner = await here.client.scanner()
    held = hold(here.client, scanner.device_id, time_to_live=Duration(seconds=10))
    granted = (await held.read()).granted
    assert granted.generation == scanner.generation
    assert granted.time_to_live.ToNanoseconds() <= 10e9
    request = device_pb2.RenewLeaseRequest(lease_id=granted.lease_id, time_to_live=Duration(seconds=60))
    renewed = (await here.client.devices.RenewLease(request)).lease
    assert renewed.time_to_live.seconds >= 59
    again = (await held.read()).granted
    assert (again.lease_id, again.fencing_token) == (granted.lease_id, granted.fencing_token)
    assert again.expires_at.ToDatetime() > granted.expires_at.ToDatetime()


async def test_the_device_is_closed_when_its_lease_ends(
    here: InProcess, scanner_stub: ScannerStub, camera_stub: CameraStub
) -> None:
    dossier = await here.client.open_dossier()
    async with here.client.lease((await here.client.scanner()).device_id) as lease:
        call = here.client.capture_finger(dossier.dossier_id, lease, 1)
        await call.read()
        imported = await asyncio.to_thread(scanner_stub.control, "GET", "/state?until=imported&timeout_s=10")
        assert imported
        call.cancel()
    released = await asyncio.to_thread(scanner_stub.control, "GET", "/state?until=released&timeout_s=10")
    assert released


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_id": ""},
        {"device_id": "x" * 1000},
        {"device_id": "a\nb"},
        {"client_name": ""},
        {"client_name": "x" * 65},
        {"time_to_live": Duration(seconds=-1)},
        {"time_to_live": Duration(seconds=1)},
        {"time_to_live": Duration(seconds=3600)},
        {"wait": Duration(nanos=-1)},
        {"wait": Duration(seconds=2**60)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_lease_that_is_asked_for_in_a_wrong_way_is_refused(here: InProcess, wrong: dict[str, Any]) -> None:
    scanner = await here.client.scanner()
    request: dict[str, Any] = {"device_id": scanner.device_id} | wrong
    code, reason, facts = await refused(hold(here.client, **request))
    assert (code, reason, facts["field"]) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST", next(iter(wrong)))


async def test_an_unknown_device_is_told_as_such(here: InProcess) -> None:
    assert (await refused(hold(here.client, "uru4000-none")))[:2] == ("NOT_FOUND", "DEVICE_UNKNOWN")
    get = device_pb2.GetDeviceRequest(device_id="uru4000-none")
    assert (await refused(here.client.devices.GetDevice(get)))[:2] == ("NOT_FOUND", "DEVICE_UNKNOWN")
