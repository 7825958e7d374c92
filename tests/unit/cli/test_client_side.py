"""What clients make of answers: pieces of a stream, failures with and without details, words."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import NoReturn

import click
import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from enrollment.cli import words
from enrollment.cli.connection import connect
from enrollment.cli.evidence import assemble
from enrollment.cli.failure import EXIT_UNREACHABLE, describe
from enrollment.cli.output import Output
from enrollment.cli.session import Session
from enrollment.v1 import device_pb2, dossier_pb2, outbox_pb2, types_pb2


def pieces(content: bytes, size: int) -> list[types_pb2.Chunk]:
    return [
        types_pb2.Chunk(offset=start, content=content[start : start + size], total_bytes=len(content))
        for start in range(0, len(content), size)
    ]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_pieces_in_order_make_the_whole(content: bytes, size: int) -> None:
    assert assemble(pieces(content, size)) == content


@given(st.binary(min_size=3, max_size=60), st.data())
def test_a_missing_piece_is_noticed(content: bytes, data: st.DataObject) -> None:
    chunks = pieces(content, 1)
    del chunks[data.draw(st.integers(0, len(chunks) - 1))]
    with pytest.raises(EOFError):
        assemble(chunks)


class RefusingDevices:
    """Refuses as enrolld does, and shows what the client sent."""

    def __init__(self) -> None:
        self.metadata: dict[str, str | bytes] = {}

    def list_devices(self, _request: bytes, context: grpc.ServicerContext) -> NoReturn:
        self.metadata = dict(context.invocation_metadata())
        status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="held")
        for detail in (
            error_details_pb2.ErrorInfo(reason="LEASE_HELD", domain="enrollment.v1", metadata={"holder": "op-2"}),
            error_details_pb2.LocalizedMessage(locale="vi", message="thiết bị đang được dùng"),
            error_details_pb2.LocalizedMessage(locale="en", message="the device is in use"),
        ):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[tuple[Path, RefusingDevices]]:
    socket, servicer = tmp_path / "s", RefusingDevices()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(servicer.list_devices)
    services = [grpc.method_handlers_generic_handler("enrollment.v1.DeviceService", {"ListDevices": handler})]
    server.add_generic_rpc_handlers(services)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    yield socket, servicer
    server.stop(None).wait()


def test_refusal_with_details_gives_reason_facts_and_both_languages(refusing: tuple[Path, RefusingDevices]) -> None:
    socket, servicer = refusing
    with connect(socket, "t0ken") as station, pytest.raises(grpc.RpcError) as caught:
        station.devices.ListDevices(device_pb2.ListDevicesRequest())
    failure = describe(caught.value)
    assert (failure.code, failure.reason, failure.facts) == ("FAILED_PRECONDITION", "LEASE_HELD", {"holder": "op-2"})
    assert failure.text("vi") == "thiết bị đang được dùng"
    assert failure.text("en") == "the device is in use"
    assert servicer.metadata["authorization"] == "Bearer t0ken"


def test_no_daemon_says_so_in_both_languages_and_exits_with_its_own_status(tmp_path: Path) -> None:
    with connect(tmp_path / "nobody", "t") as station, pytest.raises(grpc.RpcError) as caught:
        station.devices.ListDevices(device_pb2.ListDevicesRequest())
    failure = describe(caught.value)
    assert failure.reason == "DAEMON_UNREACHABLE"
    assert failure.exit_status == EXIT_UNREACHABLE
    assert failure.text("vi") != failure.text("en")


def test_every_finger_and_hint_of_the_api_has_words() -> None:
    for name, number in types_pb2.FingerPosition.items():
        assert number == 0 or words.finger(number, "vi") != words.finger(number, "en"), name
    for name, code in types_pb2.CaptureHint.items():
        assert code == 0 or words.hint(code, "vi") != words.hint(code, "en"), name
        assert not words.hint(code, "en").startswith("hint "), name


def test_every_proof_of_a_driver_has_words() -> None:
    for name, code in device_pb2.DriverProof.items():
        assert code == 0 or words.proof(code, "vi") != words.proof(code, "en"), name
        assert not words.proof(code, "en").startswith("proof "), name


def test_every_state_and_kind_of_the_api_has_words() -> None:
    enums = (device_pb2.DeviceState, device_pb2.DeviceKind, dossier_pb2.DossierState, outbox_pb2.PackageState)
    for enum in enums:
        for name, number in enum.items():
            assert number == 0 or words.state(name, "vi") != words.state(name, "en"), name


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"abc\x1b[31m", "khoá".encode(), b"\xff\xfe"])
def test_a_damaged_session_token_is_told_before_anybody_is_called(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    session = Session(Output.make(as_json=True, language="en"), tmp_path / "socket", None, None, path, None)
    with pytest.raises(click.UsageError, match="holds no session token"), session.station():
        pytest.fail("it was connected")
