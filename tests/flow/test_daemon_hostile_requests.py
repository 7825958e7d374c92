"""Every field of every request, filled with what no honest client sends: a typed refusal, and the daemon goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, device_pb2, diagnostics_pb2, dossier_pb2, outbox_pb2
from tests.flow.running_station import Client, InProcess, connected, refused, to_the_end

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

SOMEBODY = "01890000-0000-7000-8000-000000000000"
MODULES: dict[str, Any] = {
    "devices": device_pb2,
    "capture": capture_pb2,
    "dossiers": dossier_pb2,
    "outbox": outbox_pb2,
    "diagnostics": diagnostics_pb2,
}
# A value of each field with which the other fields of its request are reached.
HONEST: dict[str, Any] = {
    "dossier_id": SOMEBODY,
    "package_id": SOMEBODY,
    "request_id": SOMEBODY,
    "plan_id": "card-issue",
    "part_name": "portrait.jpg",
    "client_name": "test",
    "reason": "test",
    "position": 1,
    "absence": 1,
}
NO_WRONG_VALUE = {"replace", "fencing_token"}  # every value means something


def methods() -> list[tuple[str, str, Descriptor]]:
    """Service, method and request of everything that is built."""
    found = []
    for service, module in MODULES.items():
        (described,) = module.DESCRIPTOR.services_by_name.values()
        found += [(service, method.name, method.input_type) for method in described.methods]
    return found


def wrong_values(field: FieldDescriptor) -> list[Any]:
    """What does not belong into a field of this kind."""
    if field.is_repeated:  # the only repeated field is the map of personal fields
        return [{"x" * 100_000: ""}, {"full_name": "x" * 100_000}, {f"field_{number}": "" for number in range(100)}]
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Duration":
        return [Duration(seconds=-5), Duration(seconds=2**40), Duration(seconds=1, nanos=-1)]
    if field.message_type is not None:
        return [capture_pb2.LeaseReference(lease_id="x" * 100_000), capture_pb2.LeaseReference(lease_id="a\0b")]
    if field.enum_type is not None:
        return [9999, -1]
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return ["x" * 100_000, "a\0b", "a\x1b[2J"]
    return [2**32 - 1]


def honest_fields(request: Descriptor, scanner_id: str) -> dict[str, Any]:
    known = HONEST | {"device_id": scanner_id}
    return {field.name: known[field.name] for field in request.fields if field.name in known}


@pytest.fixture
async def supervisor(here: InProcess) -> Client:
    return await here.another_client("sup-1", Role.SUPERVISOR)


METHODS = [pytest.param(*entry, id=entry[1]) for entry in methods()]


@pytest.mark.parametrize(("service", "method", "request_type"), METHODS)
async def test_a_field_that_no_honest_client_sends_is_an_invalid_argument(
    here: InProcess, supervisor: Client, service: str, method: str, request_type: Descriptor
) -> None:
    scanner = await here.client.scanner()
    for field in request_type.fields:
        for wrong in [] if field.name in NO_WRONG_VALUE else wrong_values(field):
            fields = honest_fields(request_type, scanner.device_id) | {field.name: wrong}
            request = getattr(MODULES[service], request_type.name)(**fields)
            code, reason, facts = await refused(getattr(getattr(supervisor, service), method)(request))
            assert (code, reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), (field.name, facts)
    assert (await here.client.scanner()).device_id == scanner.device_id


NONSENSE = (b"\xff\xff\xff", b"\x0a" + b"\xff" * 9, b"\x0b", b"\x0a\xc0\x84\x3d" + b"x" * 1_000_000)


async def test_bytes_that_are_no_message_and_messages_that_are_too_large_are_invalid_arguments(
    here: InProcess,
) -> None:
    token = await asyncio.to_thread(here.folder.issue_token, "sup-1", Role.SUPERVISOR)
    async with grpc.aio.insecure_channel(f"unix:{here.folder.socket}") as channel:
        for service, method, _ in methods():
            (described,) = MODULES[service].DESCRIPTOR.services_by_name.values()
            for request in NONSENSE:
                call: Any = channel.unary_unary(f"/{described.full_name}/{method}")
                told = await refused(call(request, metadata=(("authorization", f"Bearer {token}"),)))
                assert told[:2] == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), (method, request[:8])


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic b3A6MQ==", "Bearer " + "x" * 4000, "bearer not-a-token"],
    ids=["empty", "no token", "blank token", "another scheme", "long", "unknown"],
)
async def test_an_authorization_that_is_none_is_refused(here: InProcess, value: str) -> None:
    async with grpc.aio.insecure_channel(f"unix:{here.folder.socket}") as channel:
        method: Any = channel.unary_unary("/enrollment.v1.DeviceService/ListDevices")
        code, reason, _ = await refused(method(b"", metadata=(("authorization", value),)))
    assert code == "UNAUTHENTICATED"
    assert reason in ("NOT_AUTHENTICATED", "SESSION_INVALID")


async def test_a_stranger_learns_nothing_of_whether_a_dossier_exists(here: InProcess) -> None:
    dossier = await here.client.open_dossier()
    async with connected(here.folder.socket, "x" * 43) as stranger:
        for dossier_id in (dossier.dossier_id, SOMEBODY):
            request = dossier_pb2.GetDossierRequest(dossier_id=dossier_id)
            assert (await refused(stranger.dossiers.GetDossier(request)))[:2] == ("UNAUTHENTICATED", "SESSION_INVALID")


async def test_many_calls_at_once_are_all_answered(here: InProcess) -> None:
    status = [here.client.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest()) for _ in range(200)]
    wrong = [here.client.dossiers.GetDossier(dossier_pb2.GetDossierRequest(dossier_id="no")) for _ in range(200)]
    assert len(await asyncio.gather(*status)) == 200
    answers = await asyncio.gather(*map(to_the_end, wrong), return_exceptions=True)
    assert {type(answer) for answer in answers} == {grpc.aio.AioRpcError}
