"""enrolld as a process: start, health, reflection, the socket, a second daemon, the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from enrollment.service import daemon as station_commands
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import device_pb2, diagnostics_pb2, dossier_pb2
from tests.flow.running_station import ChildProcess, MakeStation, StationFolder, connected, refused

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

SERVICES = {
    f"enrollment.v1.{name}Service" for name in ("Device", "Capture", "Dossier", "Card", "Outbox", "Diagnostics")
}
NOWHERE = "usbip://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def folder(make_station: MakeStation) -> StationFolder:
    return make_station([NOWHERE])


@pytest.fixture
async def daemon(folder: StationFolder) -> AsyncIterator[ChildProcess]:
    process = folder.daemon()
    await asyncio.to_thread(process.start)
    yield process
    process.kill()


def run_daemon(folder: StationFolder) -> subprocess.CompletedProcess[str]:
    """Start a daemon that is expected to give up."""
    command = [sys.executable, "-m", "enrollment.service.daemon", "run", "--json", "--config", str(folder.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def health(channel: grpc.aio.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    status: int = answer.status
    return status


async def test_it_says_ready_when_health_says_serving_for_every_service(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    assert daemon.ready["socket"] == str(folder.socket)
    async with grpc.aio.insecure_channel(f"unix:{folder.socket}") as channel:  # no token: health is free
        for service in ("", *SERVICES):
            assert await health(channel, service) == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_describes_every_service_and_its_messages_to_anybody(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    async def asked(**question: Any) -> Any:
        make_stub: Any = reflection_pb2_grpc.ServerReflectionStub
        stub = make_stub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]))
        answers = [answer async for answer in call]
        return answers[0]

    async with grpc.aio.insecure_channel(f"unix:{folder.socket}") as channel:
        listed = await asked(list_services="")
        names = {service.name for service in listed.list_services_response.service}
        assert names >= SERVICES | {"grpc.health.v1.Health"}
        for name in SERVICES:
            described = await asked(file_containing_symbol=name)
            assert described.file_descriptor_response.file_descriptor_proto


async def test_the_socket_is_for_its_owner_and_group_only(folder: StationFolder, daemon: ChildProcess) -> None:
    mode = folder.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


async def test_calls_need_a_session_and_some_need_a_supervisor(folder: StationFolder, daemon: ChildProcess) -> None:
    request = device_pb2.ListDevicesRequest()
    async with connected(folder.socket, "not-a-token") as stranger:
        assert (await refused(stranger.devices.ListDevices(request)))[:2] == ("UNAUTHENTICATED", "SESSION_INVALID")
        watch = stranger.devices.WatchDevices(device_pb2.WatchDevicesRequest())
        assert (await refused(watch))[:2] == ("UNAUTHENTICATED", "SESSION_INVALID")
    async with connected(folder.socket, folder.issue_token()) as operator:
        await operator.devices.ListDevices(request)
        take = device_pb2.TakeOverLeaseRequest(device_id="scanner", reason="lunch")
        assert (await refused(operator.devices.TakeOverLease(take)))[:2] == ("PERMISSION_DENIED", "ROLE_REQUIRED")
        purge = dossier_pb2.PurgeDossierRequest(dossier_id="01890000-0000-7000-8000-000000000000")
        assert (await refused(operator.dossiers.PurgeDossier(purge)))[:2] == ("PERMISSION_DENIED", "ROLE_REQUIRED")
    async with connected(folder.socket, folder.issue_token("sup-1", Role.SUPERVISOR)) as supervisor:
        assert (await refused(supervisor.devices.TakeOverLease(take)))[:2] == ("NOT_FOUND", "DEVICE_UNKNOWN")
        assert (await refused(supervisor.dossiers.PurgeDossier(purge)))[:2] == ("NOT_FOUND", "DOSSIER_UNKNOWN")


async def test_an_address_that_nobody_answers_is_told_and_stops_nothing(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    async with connected(folder.socket, folder.issue_token()) as client:
        listed = await client.devices.ListDevices(device_pb2.ListDevicesRequest())
        assert not listed.devices
        assert len(listed.unreachable) == 1
        assert listed.unreachable[0].startswith(NOWHERE)


async def test_status_tells_what_a_technician_asks_first(folder: StationFolder, daemon: ChildProcess) -> None:
    async with connected(folder.socket, folder.issue_token()) as client:
        status = await client.diagnostics.GetStatus(diagnostics_pb2.GetStatusRequest())
    assert status.station_id == folder.station_id
    assert status.version
    assert status.resident_bytes > 10_000_000
    assert status.disk_free_bytes > 0
    assert 0 < status.start_ms < 60_000
    assert status.uptime.ToNanoseconds() >= status.start_ms * 1e6 * 0.9
    assert not status.registry_reachable
    assert not status.HasField("clock_offset")


async def test_sigterm_ends_it_with_status_0_and_takes_the_socket_away(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    async with grpc.aio.insecure_channel(f"unix:{folder.socket}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        os.kill(daemon.pid, signal.SIGTERM)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        logged = await asyncio.to_thread(daemon.ended)
    assert not folder.socket.exists()
    assert "Traceback" not in logged


async def test_a_second_daemon_for_the_same_folder_gives_up_with_a_reason_and_harms_nothing(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    second = await asyncio.to_thread(run_daemon, folder)
    assert second.returncode == 1
    assert json.loads(second.stderr.splitlines()[-1])["error"] == "ALREADY_RUNNING"
    async with grpc.aio.insecure_channel(f"unix:{folder.socket}") as channel:
        assert await health(channel) == health_pb2.HealthCheckResponse.SERVING


async def test_after_a_kill_the_socket_file_that_is_left_is_replaced(
    folder: StationFolder, daemon: ChildProcess
) -> None:
    daemon.kill()
    assert folder.socket.exists()
    await asyncio.to_thread(daemon.start)
    async with grpc.aio.insecure_channel(f"unix:{folder.socket}") as channel:
        assert await health(channel) == health_pb2.HealthCheckResponse.SERVING


def test_a_socket_on_which_another_program_listens_is_left_alone(folder: StationFolder) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder.socket))
        other.listen()
        failed = run_daemon(folder)
        assert json.loads(failed.stderr.splitlines()[-1])["error"] == "ALREADY_RUNNING"
        assert folder.socket.exists()


def test_a_file_where_the_socket_should_be_is_left_alone(folder: StationFolder) -> None:
    folder.socket.write_text("mine")
    failed = run_daemon(folder)
    assert failed.returncode == 1
    assert json.loads(failed.stderr.splitlines()[-1])["error"] == "SOCKET_UNAVAILABLE"
    assert folder.socket.read_text() == "mine"


def damage(folder: StationFolder, what: str) -> None:
    match what:
        case "no configuration":
            folder.config.unlink()
        case "configuration is no TOML":
            folder.config.write_text("[station\n")
        case "unknown key":
            folder.config.write_text(folder.config.read_text() + "\n[cardreader]\n")
        case "no keys":
            (folder.folder / "keys" / "wrapping.key").unlink()
        case "database is no database":
            (folder.folder / "station.db").write_bytes(b"not a database" * 100)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("no configuration", "CONFIG_INVALID"),
        ("configuration is no TOML", "CONFIG_INVALID"),
        ("unknown key", "CONFIG_INVALID"),
        ("no keys", "KEYS_UNUSABLE"),
        ("database is no database", "DATABASE_UNAVAILABLE"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_one_line(folder: StationFolder, what: str, reason: str) -> None:
    damage(folder, what)
    failed = run_daemon(folder)
    assert failed.returncode == 1
    assert failed.stdout == ""
    told = json.loads(failed.stderr.splitlines()[-1])
    assert told["error"] == reason
    assert told["message"]
    assert "Traceback" not in failed.stderr


class TestCommands:
    def test_init_never_overwrites_a_station(self, folder: StationFolder) -> None:
        before = folder.config.read_bytes(), (folder.folder / "keys" / "wrapping.key").read_bytes()
        again = CliRunner().invoke(
            station_commands.main, ["init", "--folder", str(folder.folder), "--station", "OTHER"]
        )
        assert again.exit_code == 1
        assert "CONFIG_INVALID" in again.output
        assert before == (folder.config.read_bytes(), (folder.folder / "keys" / "wrapping.key").read_bytes())

    def test_init_refuses_a_station_id_that_no_package_could_carry_and_leaves_nothing(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(station_commands.main, ["init", "--folder", str(tmp_path), "--station", "a b"])
        assert done.exit_code == 1
        assert "CONFIG_INVALID" in done.output
        assert list(tmp_path.iterdir()) == []

    def test_secrets_are_for_their_owner_only(self, folder: StationFolder) -> None:
        for name in ("signing-es256.pem", "signing-ml-dsa-65.pem", "wrapping.key", "client-key.pem"):
            assert stat.S_IMODE((folder.folder / "keys" / name).stat().st_mode) == 0o600

    def test_a_session_for_an_unknown_role_is_a_usage_error(self, folder: StationFolder) -> None:
        arguments = ["issue-session", "--config", str(folder.config), "--operator", "op-1", "--role", "king"]
        assert CliRunner().invoke(station_commands.main, arguments).exit_code == 2

    def test_sessions_of_an_operator_are_ended_from_the_command_line(self, folder: StationFolder) -> None:
        folder.issue_token("op-9")
        arguments = ["revoke-sessions", "--config", str(folder.config), "--operator", "op-9", "--json"]
        for ended in (1, 0):
            told = json.loads(CliRunner().invoke(station_commands.main, arguments).output)
            assert told == {"operator": "op-9", "sessions_ended": ended}

    def test_a_session_is_printed_as_a_bare_token_or_as_json(self, folder: StationFolder) -> None:
        arguments = ["issue-session", "--config", str(folder.config), "--operator", "op-1"]
        token = CliRunner().invoke(station_commands.main, arguments).output.strip()
        told = json.loads(CliRunner().invoke(station_commands.main, [*arguments, "--json"]).output)
        assert len(token) == len(told["token"]) == 43
        assert told == {"token": told["token"], "operator": "op-1", "role": "operator"}
