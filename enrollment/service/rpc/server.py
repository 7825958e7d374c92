"""The gRPC server: a Unix socket for the station's own group, and, where the station is shared, TCP with mutual TLS.

Health and reflection beside the services; everything else behind one gate, wherever the call comes from.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from enrollment.service.rpc.errors import AlreadyRunning, SocketUnavailable
from enrollment.service.rpc.interception import MAX_REQUEST_BYTES, AtEnd, CallInterceptor, Gate

MAX_SOCKET_PATH_BYTES: Final = 107  # sun_path of Linux, without its closing zero
MAX_CALLS: Final = 1024  # at once, streams included; a station has a few clients with a few streams each
OPTIONS: Final = (
    # Larger requests end inside gRPC; up to here they get our own typed refusal.
    ("grpc.max_receive_message_length", 16 * MAX_REQUEST_BYTES),
    # A client that vanished without a word (its cable was cut, its PC suspended) gives its leases back within 8 s. Not
    # grpc.keepalive_timeout_ms: gRPC 1.85 still waits its minute for the ping's answer then.
    ("grpc.keepalive_time_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    # Clients may look for us as often.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.so_reuseport", 0),  # a second daemon on the same port must fail, not share it
)

Register = Callable[[grpc.aio.Server], None]


@dataclass(frozen=True, slots=True, repr=False)
class Shared:
    """Where other PCs call, and the PEM of the server's key, of its certificate and of the PCs' authority."""

    address: str
    key: bytes
    certificate: bytes
    authority: bytes


class RpcServer:
    """Serves until stopped.

    services: full name of each service -> what adds it to the server.
    shared: for other PCs; None for a station that only its own PC uses.
    at_end: hears of every call that has ended, None where nobody counts.
    """

    def __init__(
        self,
        socket_path: Path,
        socket_mode: int,
        gate: Gate,
        services: Mapping[str, Register],
        at_end: AtEnd | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._path = socket_path
        self._mode = socket_mode
        self._shared = shared
        self._names = (*services, "")
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(gate, at_end)], options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for register in services.values():
            register(self._server)
        reflection.enable_server_reflection(
            (*services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME),
            self._server,
        )

    async def start(self) -> None:
        """Listen, and say NOT_SERVING until `ready`. Raises AlreadyRunning, SocketUnavailable."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        _clear_stale(self._path)
        before = os.umask(0o777 & ~self._mode)  # so that the socket never exists with more rights than it should have
        try:
            self._server.add_insecure_port(f"unix:{self._path}")
            self._path.chmod(self._mode)
        except (RuntimeError, OSError) as error:
            raise SocketUnavailable(f"cannot listen on {self._path}", path=str(self._path)) from error
        finally:
            os.umask(before)
        if self._shared is not None:
            self._listen_for_others(self._shared)
        await self._server.start()

    def _listen_for_others(self, shared: Shared) -> None:
        credentials = grpc.ssl_server_credentials(
            [(shared.key, shared.certificate)], shared.authority, require_client_auth=True
        )
        try:
            self._server.add_secure_port(shared.address, credentials)
        except RuntimeError as error:
            self._path.unlink(missing_ok=True)
            raise SocketUnavailable(f"cannot listen on {shared.address}", address=shared.address) from error

    async def ready(self) -> None:
        """Health says SERVING from now on."""
        await self._say(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Health says NOT_SERVING, new calls are refused, calls get grace_s seconds to end; the socket goes."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        self._path.unlink(missing_ok=True)

    async def _say(self, status: int) -> None:
        for name in self._names:
            await self._health.set(name, status)


def _clear_stale(path: Path) -> None:
    """Remove the socket file that a killed daemon left; anything else in its place is somebody's and stays."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise SocketUnavailable(
            f"a socket's path has at most {MAX_SOCKET_PATH_BYTES} bytes", path=str(path), bytes=len(os.fsencode(path))
        )
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketUnavailable(f"cannot look at {path}", path=str(path)) from error
    if not stat.S_ISSOCK(kind):
        raise SocketUnavailable(f"{path} is in the way, and is no socket", path=str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SocketUnavailable(f"cannot reach {path}", path=str(path)) from error
        else:
            raise AlreadyRunning(f"a daemon listens on {path}", path=str(path))
