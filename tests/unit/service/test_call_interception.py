"""The interceptor over a real Unix socket: what comes in malformed, what goes wrong inside, and who reads slowly."""

# ruff: noqa: N802  the methods' names are the API's

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage
from google.rpc.status_pb2 import Status

from drivers.errors import DeviceStalled
from enrollment.core.errors import PositionAlreadyCaptured
from enrollment.service.rpc.errors import NotAuthenticated
from enrollment.service.rpc.interception import MAX_REQUEST_BYTES, Metadata
from enrollment.service.rpc.server import RpcServer
from enrollment.v1 import card_pb2, device_pb2, device_pb2_grpc, types_pb2

SERVICE = "enrollment.v1.DeviceService"
GET = f"/{SERVICE}/GetDevice"
WATCH = f"/{SERVICE}/WatchDevices"


class OpenGate:
    """Lets everybody in who does not say "stranger"."""

    def admit_pc(self, presented: bytes | None) -> None:
        assert presented is None, "no certificate is asked for on the Unix socket"

    async def admit(self, method: str, metadata: Metadata) -> None:
        if dict(metadata).get("authorization") == "stranger":
            raise NotAuthenticated("no session")


class Servicer(device_pb2_grpc.DeviceServiceServicer):
    """Does what the test tells it to do."""

    def __init__(self) -> None:
        self.answer: Callable[[], object] = lambda: None
        self.written = 0
        self.closed = asyncio.Event()

    async def GetDevice(self, request: device_pb2.GetDeviceRequest, context: Any) -> device_pb2.GetDeviceResponse:
        self.answer()
        return device_pb2.GetDeviceResponse(device=device_pb2.Device(device_id=request.device_id))

    async def WatchDevices(
        self, request: device_pb2.WatchDevicesRequest, context: Any
    ) -> AsyncGenerator[device_pb2.WatchDevicesResponse, None]:
        try:
            while True:
                self.answer()
                yield device_pb2.WatchDevicesResponse(device=device_pb2.Device(address="x" * 60_000))
                self.written += 1
        finally:
            self.closed.set()


@pytest.fixture
def servicer() -> Servicer:
    kind: Any = Servicer  # abstract for type checkers: what it leaves out answers NOT_IMPLEMENTED
    made: Servicer = kind()
    return made


@pytest.fixture
async def channel(servicer: Servicer, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    socket = tmp_path / "enrolld.sock"
    add = device_pb2_grpc.add_DeviceServiceServicer_to_server
    server = RpcServer(socket, 0o660, OpenGate(), {SERVICE: lambda server: add(servicer, server)})
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{socket}") as opened:
        yield opened
    await server.stop(0)


async def read_into(seen: list[bytes], call: Any) -> None:
    async for message in call:
        seen.append(message)  # noqa: PERF401  what came before an error counts


async def refused(call: Any, seen: list[bytes] | None = None) -> tuple[grpc.StatusCode, ErrorInfo, dict[str, str]]:
    """What a failed call tells: code, reason with facts, sentences by language. seen: takes a stream's messages."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call if seen is None else read_into(seen, call))
    trailers = dict(caught.value.trailing_metadata())
    status = Status.FromString(bytes(trailers["grpc-status-details-bin"]))
    assert status.code == caught.value.code().value[0]
    information, sentences = ErrorInfo(), {}
    for detail in status.details:
        if not detail.Unpack(information):
            sentence = LocalizedMessage()
            assert detail.Unpack(sentence)
            sentences[sentence.locale] = sentence.message
    assert information.domain == "enrollment.v1"
    assert list(sentences) == ["vi", "en"]
    assert all(sentences.values())
    return caught.value.code(), information, sentences


def raw(channel: grpc.aio.Channel, method: str = GET) -> Any:
    return channel.unary_unary(method)


def raw_stream(channel: grpc.aio.Channel) -> Any:
    method: Any = channel.unary_stream(WATCH)
    return method(b"")


async def test_a_well_formed_call_is_answered(channel: grpc.aio.Channel) -> None:
    answer = await device_pb2_grpc.DeviceServiceStub(channel).GetDevice(device_pb2.GetDeviceRequest(device_id="đ"))
    assert answer.device.device_id == "đ"


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\xff", b"\x0a\x05ab"],
    ids=["invalid UTF-8", "length beyond the end", "cut tag", "cut string"],
)
async def test_bytes_that_are_not_the_message_are_an_invalid_argument(
    channel: grpc.aio.Channel, request_bytes: bytes
) -> None:
    code, information, _ = await refused(raw(channel)(request_bytes))
    assert (code, information.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_an_oversize_request_is_an_invalid_argument_with_its_size(channel: grpc.aio.Channel) -> None:
    request = device_pb2.GetDeviceRequest(device_id="x" * 1_000_000).SerializeToString()
    assert len(request) > MAX_REQUEST_BYTES
    code, information, _ = await refused(raw(channel)(request))
    assert (code, information.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert information.metadata["size_bytes"] == str(len(request))


async def test_a_stranger_is_refused_before_the_request_is_read(channel: grpc.aio.Channel) -> None:
    code, information, _ = await refused(raw(channel)(b"\xff", metadata=(("authorization", "stranger"),)))
    assert (code, information.reason) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_AUTHENTICATED")


@pytest.mark.parametrize(
    "method", [f"/{SERVICE}/RenewLease", f"/{SERVICE}/Nonsense", "/enrollment.v1.CardService/GetCard"]
)
async def test_a_method_that_is_not_there_is_unimplemented_with_a_reason(
    channel: grpc.aio.Channel, method: str
) -> None:
    code, information, _ = await refused(raw(channel, method)(b""))
    assert (code, information.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")


async def test_an_error_of_ours_carries_reason_facts_and_sentences(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    def fail() -> None:
        raise PositionAlreadyCaptured("right thumb is there already", position=1)

    servicer.answer = fail
    code, information, sentences = await refused(raw(channel)(b""))
    assert (code, information.reason) == (grpc.StatusCode.ALREADY_EXISTS, "POSITION_ALREADY_CAPTURED")
    assert dict(information.metadata) == {"position": "1"}
    assert "thu nhận" in sentences["vi"]


async def test_facts_that_are_too_long_or_not_text_are_cut_to_what_trailers_can_hold(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    def fail() -> None:
        facts: dict[str, str | int | float] = {f"fact_{number}": "x" * 5000 for number in range(50)}
        raise DeviceStalled("\ud800 stalled " * 500, **facts)

    servicer.answer = fail
    code, information, _ = await refused(raw(channel)(b""))
    assert (code, information.reason) == (grpc.StatusCode.UNAVAILABLE, "DEVICE_STALLED")
    assert all(len(value) <= 200 for value in information.metadata.values())


async def test_an_unexpected_error_tells_and_logs_an_incident_and_none_of_its_words(
    channel: grpc.aio.Channel, servicer: Servicer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("Nguyễn Văn A, 001203004567")

    servicer.answer = fail
    with caplog.at_level(logging.DEBUG):
        code, information, sentences = await refused(raw(channel)(b""))
    assert (code, information.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert information.metadata["incident"] in caplog.text
    assert "ValueError" in caplog.text
    assert "Nguyễn" not in caplog.text + str(sentences) + str(information)


async def test_an_error_in_the_middle_of_a_stream_comes_after_the_messages_before_it(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    def fail_at_third() -> None:
        if servicer.written == 2:
            raise DeviceStalled("no answer", device_id="d")

    servicer.answer = fail_at_third
    seen: list[bytes] = []
    code, information, _ = await refused(raw_stream(channel), seen)
    assert len(seen) == 2
    assert (code, information.reason) == (grpc.StatusCode.UNAVAILABLE, "DEVICE_STALLED")
    assert servicer.closed.is_set()


async def test_a_stream_that_the_client_ends_is_closed_on_this_side_too(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    call = raw_stream(channel)
    await call.read()
    call.cancel()
    await asyncio.wait_for(servicer.closed.wait(), 5)


async def test_a_client_that_stops_reading_stops_its_own_stream_and_no_other_call(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    call = raw_stream(channel)
    await call.read()
    stub = device_pb2_grpc.DeviceServiceStub(channel)
    before = -1
    while servicer.written != before:  # until a round of other calls finds the stream standing still
        before = servicer.written
        for _ in range(50):
            await stub.GetDevice(device_pb2.GetDeviceRequest(device_id="d"))
    assert servicer.written * 60_000 < 16_000_000
    call.cancel()


async def test_card_messages_are_there_for_reflection() -> None:
    assert card_pb2.DESCRIPTOR.services_by_name["CardService"].full_name == "enrollment.v1.CardService"
    assert types_pb2.FINGER_POSITION_RIGHT_THUMB == 1
