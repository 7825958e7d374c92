"""A client's connection to enrolld, on this PC or another: one channel, a stub a service, the token on every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from enrollment.cli.sharing import SharedStation
from enrollment.v1 import (
    capture_pb2_grpc,
    card_pb2_grpc,
    device_pb2_grpc,
    diagnostics_pb2_grpc,
    dossier_pb2_grpc,
    outbox_pb2_grpc,
)

DEADLINE_S = 15.0  # of every call that is not a stream of a person's doing
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# A station whose cable was cut is noticed within 20 s, though a stream waits for it in silence.
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)


class _CallDetails(NamedTuple):
    """What an interceptor may change of a call (grpc.ClientCallDetails has no constructor)."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _OperatorSession(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
):
    """Adds the operator's token to each call, and the deadline to unary ones."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _with_session(self, details: Any, timeout_s: float | None) -> Any:
        return _CallDetails(
            details.method,
            details.timeout or timeout_s,
            [*(details.metadata or ()), self._header],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_session(client_call_details, DEADLINE_S), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_session(client_call_details, None), request)


@dataclass(frozen=True, slots=True)
class Station:
    """The services of one enrolld."""

    devices: device_pb2_grpc.DeviceServiceStub
    capture: capture_pb2_grpc.CaptureServiceStub
    dossiers: dossier_pb2_grpc.DossierServiceStub
    outbox: outbox_pb2_grpc.OutboxServiceStub
    cards: card_pb2_grpc.CardServiceStub
    diagnostics: diagnostics_pb2_grpc.DiagnosticsServiceStub


def open_channel(place: Path | SharedStation) -> grpc.Channel:
    """A channel to the daemon's Unix socket, or to a station on another PC; nothing is sent yet."""
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    if isinstance(place, Path):
        return grpc.insecure_channel(f"unix:{place}", options=options)
    return grpc.secure_channel(place.address, place.credentials(), options=[*options, *KEEPALIVE])


@contextmanager
def connect(place: Path | SharedStation, token: str) -> Iterator[Station]:
    """Open a channel for as long as the block runs."""
    with open_channel(place) as bare:
        channel = grpc.intercept_channel(bare, _OperatorSession(token))
        yield Station(
            device_pb2_grpc.DeviceServiceStub(channel),
            capture_pb2_grpc.CaptureServiceStub(channel),
            dossier_pb2_grpc.DossierServiceStub(channel),
            outbox_pb2_grpc.OutboxServiceStub(channel),
            card_pb2_grpc.CardServiceStub(channel),
            diagnostics_pb2_grpc.DiagnosticsServiceStub(channel),
        )
