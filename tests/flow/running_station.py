"""A registry, a station and its daemon, as processes or in this one, and a client; fixtures are in station_fixtures.

Nothing is replaced: real sockets, real SQLite, real gRPC, mutual TLS, and device stubs on the other side of the wire.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import grpc.aio
import pytest
from click.testing import CliRunner
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage
from google.rpc.status_pb2 import Status

from enrollment.registry import server as registry_commands
from enrollment.registry.data_folder import DataFolder
from enrollment.service import daemon as station_commands
from enrollment.service.assembly import Station
from enrollment.service.config import Clock, SystemClock, load_config
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.operator_sessions import Role
from enrollment.service.store.store import Store
from enrollment.v1 import (
    capture_pb2,
    capture_pb2_grpc,
    card_pb2_grpc,
    device_pb2,
    device_pb2_grpc,
    diagnostics_pb2_grpc,
    dossier_pb2,
    dossier_pb2_grpc,
    outbox_pb2_grpc,
)
from tests.ports import ReservedPort

if TYPE_CHECKING:
    from tests.contract.device_stubs import ScannerStub

DEMOGRAPHICS = {
    "full_name": "Nguyễn Thị Ánh",
    "date_of_birth": "07/03/1991",
    "sex": "F",
    "personal_number": "001191012345",
}
LONG_S = 600  # a lease that no clock ends during a test, however slow the machine is
RELEASED_S = 10  # within which a lease is over whose stream has been ended
FOUND_S = 20.0  # within which a station has seen its devices
_station_numbers = itertools.count(1)


def invoke(command: Any, *arguments: object) -> str:
    """Run a command line in this process; what it printed."""
    done = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


class ChildProcess:
    """A server of ours as a process: it prints one line of JSON when it is ready. environment: None for this one's."""

    def __init__(self, module: str, *arguments: object, environment: dict[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", module, *map(str, arguments)]
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        self.ready = json.loads(line)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut: no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> str:
        """As an administrator: SIGTERM, and what it logged; the exit status must be 0."""
        return self._end(signal.SIGTERM)

    def ended(self) -> str:
        """As stop, of one that was sent its signal already: a second one would kill it while it exits."""
        return self._end(None)

    def _end(self, number: signal.Signals | None) -> str:
        if self._process is None:
            return ""
        process, self._process = self._process, None
        if number is not None:
            process.send_signal(number)
        try:
            logged = process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            logged = process.communicate()[1]
        assert number is signal.SIGKILL or process.returncode == 0, logged
        return logged


class RegistryProcess(ChildProcess):
    """enroll-registryd in a folder of its own; comes back on the same port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = ReservedPort()
        self.address = self.port.address
        invoke(registry_commands.main, "init", "--data", root)
        super().__init__("enrollment.registry.server", "serve", "--data", root, "--port", self.port.number)

    def enroll(self, made: dict[str, str], station_id: str) -> None:
        """Certify a station, and give it what it pins."""
        invoke(
            registry_commands.main,
            *("enroll-station", "--data", self.root, "--station", station_id, "--csr", made["client_csr"]),
            *("--verifying-key", made["verifying_key"], "--out", made["client_certificate"]),
        )
        shutil.copy(DataFolder(self.root).trust_file, made["registry_trust"])
        shutil.copy(DataFolder(self.root).authority_certificate, made["registry_ca"])

    def packages_of(self, station_id: str) -> int:
        """How many packages of a station are in the national ledger."""
        stations = json.loads(invoke(registry_commands.main, "ledger", "--data", self.root, "--json"))["stations"]
        return next((int(row["packages"]) for row in stations if row["station_id"] == station_id), 0)


@dataclass
class StationFolder:
    """A station that is set up and not running."""

    station_id: str
    folder: Path
    made: dict[str, str]

    @property
    def config(self) -> Path:
        return Path(self.made["config"])

    @property
    def socket(self) -> Path:
        return self.folder / "enrolld.sock"

    def look_every(self, poll_s: float) -> None:
        """How often it looks by itself whether devices have come or gone, from its next start."""
        self.config.write_text(self.config.read_text("utf-8").replace("poll_s = 0.2", f"poll_s = {poll_s}"), "utf-8")

    def issue_token(self, operator_id: str = "op-1", role: Role = Role.OPERATOR) -> str:
        config = load_config(self.config)
        store = Store.open(config.database, SystemClock(), SoftwareKeys.load(config.keys_folder, config.passphrase()))
        try:
            return store.sessions.issue(operator_id, role, timedelta(hours=1))
        finally:
            store.close()

    def daemon(self, environment: dict[str, str] | None = None) -> ChildProcess:
        return ChildProcess("enrollment.service.daemon", "run", "--config", self.config, environment=environment)


class MakeStation(Protocol):
    """Sets a station up: with these device addresses, at this registry (None: it never sends)."""

    def __call__(
        self, devices: list[str], registry: RegistryProcess | None = None, more_config: str = ""
    ) -> StationFolder: ...


def set_up(folder: Path, devices: list[str], registry: RegistryProcess | None, more_config: str = "") -> StationFolder:
    """Set a station up in an empty folder: with these device addresses, at this registry (None: it never sends)."""
    station_id = f"TEST-{next(_station_numbers)}"
    arguments: list[object] = ["init", "--folder", folder, "--station", station_id, "--json"]
    for address in devices:
        arguments += ["--device", address]
    if registry is not None:
        arguments += ["--registry-address", registry.address]
    made = json.loads(invoke(station_commands.main, *arguments))
    if registry is not None:
        registry.enroll(made, station_id)
    config = Path(made["config"])
    text = config.read_text("utf-8").replace("[devices]\n", "[devices]\npoll_s = 0.2\n")
    config.write_text(text + more_config, "utf-8")
    return StationFolder(station_id, folder, made)


# --------------------------------------------------------------------------------------------------------- the client


class _Bearer:
    """Puts an operator's token on a call."""

    def __init__(self, token: str) -> None:
        self._metadata = ("authorization", f"Bearer {token}")

    def authorized(self, details: Any) -> Any:
        return details._replace(metadata=(*(details.metadata or ()), self._metadata))


class _BearerOnCalls(_Bearer, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self.authorized(client_call_details), request)


class _BearerOnStreams(_Bearer, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self.authorized(client_call_details), request)


class Client:
    """An enrollment app: every service, and the calls that tests make again and again."""

    def __init__(self, channel: grpc.aio.Channel, operator_id: str) -> None:
        self.operator_id = operator_id
        self.channel = channel
        self.devices = device_pb2_grpc.DeviceServiceStub(channel)
        self.capture = capture_pb2_grpc.CaptureServiceStub(channel)
        self.dossiers = dossier_pb2_grpc.DossierServiceStub(channel)
        self.outbox = outbox_pb2_grpc.OutboxServiceStub(channel)
        self.diagnostics = diagnostics_pb2_grpc.DiagnosticsServiceStub(channel)
        self.cards = card_pb2_grpc.CardServiceStub(channel)

    async def device(self, kind: device_pb2.DeviceKind.ValueType) -> device_pb2.Device:
        """The only one of a kind; one that the station has not seen yet is waited for."""
        async with asyncio.timeout(FOUND_S):
            while not (listed := await self.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind))).devices:
                await asyncio.sleep(0.1)
        assert len(listed.devices) == 1, listed
        return listed.devices[0]

    async def scanner(self) -> device_pb2.Device:
        return await self.device(device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)

    async def camera(self) -> device_pb2.Device:
        return await self.device(device_pb2.DEVICE_KIND_CAMERA)

    async def open_dossier(self, plan_id: str = "card-issue", **other: str) -> dossier_pb2.Dossier:
        request = dossier_pb2.CreateDossierRequest(
            plan_id=plan_id, demographics=DEMOGRAPHICS | other, request_id=str(uuid.uuid4())
        )
        return (await self.dossiers.CreateDossier(request)).dossier

    async def dossier(self, dossier_id: str) -> dossier_pb2.Dossier:
        return (await self.dossiers.GetDossier(dossier_pb2.GetDossierRequest(dossier_id=dossier_id))).dossier

    @asynccontextmanager
    async def lease(self, device_id: str, time_to_live_s: int = LONG_S) -> AsyncIterator[capture_pb2.LeaseReference]:
        """A lease without heartbeats. The one before it, whose stream has just been ended, is waited for."""
        call: Any = self.devices.HoldLease(
            device_pb2.HoldLeaseRequest(
                device_id=device_id,
                client_name="test",
                time_to_live=Duration(seconds=time_to_live_s),
                wait=Duration(seconds=RELEASED_S),
            )
        )
        try:
            while (answer := await call.read()).WhichOneof("event") == "queued":
                pass
            granted = answer.granted
            yield capture_pb2.LeaseReference(lease_id=granted.lease_id, fencing_token=granted.fencing_token)
        finally:
            call.cancel()

    def capture_finger(self, dossier_id: str, lease: capture_pb2.LeaseReference, position: int, **other: Any) -> Any:
        """The call of one capture; nothing is read of it yet."""
        number: Any = position
        request = capture_pb2.CaptureFingerprintRequest(
            dossier_id=dossier_id, lease=lease, position=number, **({"request_id": str(uuid.uuid4())} | other)
        )
        return self.capture.CaptureFingerprint(request)

    def capture_portrait(self, dossier_id: str, lease: capture_pb2.LeaseReference, **other: Any) -> Any:
        """The call of one portrait capture; nothing is read of it yet."""
        request = capture_pb2.CapturePortraitRequest(
            dossier_id=dossier_id, lease=lease, **({"request_id": str(uuid.uuid4())} | other)
        )
        return self.capture.CapturePortrait(request)


@asynccontextmanager
async def connected(socket_path: Path, token: str, operator_id: str = "op-1") -> AsyncIterator[Client]:
    """A client of the daemon behind this socket."""
    bearers: list[Any] = [_BearerOnCalls(token), _BearerOnStreams(token)]
    async with grpc.aio.insecure_channel(f"unix:{socket_path}", interceptors=bearers) as channel:
        yield Client(channel, operator_id)


async def refused(call: Any) -> tuple[str, str, dict[str, str]]:
    """How a call fails: code, reason, facts. Requires a sentence in both languages."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await to_the_end(call)
    status = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    info, vi, en = ErrorInfo(), LocalizedMessage(), LocalizedMessage()
    for packed, message in zip(status.details, (info, vi, en), strict=True):
        assert packed.Unpack(message)
    assert (vi.locale, en.locale) == ("vi", "en")
    assert vi.message
    assert en.message
    return caught.value.code().name, info.reason, dict(info.metadata)


async def to_the_end(call: Any) -> None:
    """Wait for an answer, or read a stream until it ends; raises how it failed."""
    if hasattr(call, "read"):
        while await call.read() is not grpc.aio.EOF:
            pass
    else:
        await call


# ------------------------------------------------------------------------------------------------- a running station


class Hands:
    """The person at the devices. Fingers are drawn by the scanner's stub, by seed."""

    def __init__(self, scanner: ScannerStub) -> None:
        self.scanner = scanner

    async def lay(self, finger: int, impression: int = 0) -> None:
        await asyncio.to_thread(self.scanner.control, "PUT", f"/platen?finger={finger}&impression={impression}")

    async def lift(self) -> None:
        await asyncio.to_thread(self.scanner.lift)

    async def follow(self, call: Any, finger: int) -> list[tuple[str, Any]]:
        """Do what the events of a capture ask for; all events by name."""
        events: list[tuple[str, Any]] = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            name = answer.WhichOneof("event")
            events.append((name, getattr(answer, name)))
            if name == "waiting":
                await self.lay(finger, answer.waiting.attempt - 1)
            elif name in ("lift_finger", "accepted", "exhausted"):
                await self.lift()
        return events


@dataclass
class InProcess:
    """A station that runs in this process, with a client."""

    folder: StationFolder
    station: Station
    client: Client
    stack: AsyncExitStack

    async def another_client(self, operator_id: str, role: Role = Role.OPERATOR) -> Client:
        token = await asyncio.to_thread(self.folder.issue_token, operator_id, role)
        return await self.stack.enter_async_context(connected(self.folder.socket, token, operator_id))


@asynccontextmanager
async def running_here(folder: StationFolder, clock: Clock | None = None) -> AsyncIterator[InProcess]:
    """Run a station in this process."""
    token = folder.issue_token()
    station = Station(load_config(folder.config), clock=clock)
    await station.start()
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(connected(folder.socket, token))
            yield InProcess(folder, station, client, stack)
    finally:
        await station.stop()


async def eventually(condition: Callable[[], Any], call: Any) -> None:
    """Read a stream until a condition holds."""
    while not condition():
        assert await call.read() is not grpc.aio.EOF
