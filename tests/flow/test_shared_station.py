"""Three PCs share one scanner and one camera over mutual TLS. The daemon and the PCs are processes, the TCP is real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from enrollment.cli.connection import Station, connect, open_channel
from enrollment.cli.failure import Refusal, describe
from enrollment.cli.lease import held_lease
from enrollment.cli.sharing import CERTIFICATE_FILE, KEY_FILE, SharedStation, make_request
from enrollment.service import daemon as station_commands
from enrollment.service.keys.sharing import SharingFolder
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import device_pb2, device_pb2_grpc
from tests.flow.running_station import LONG_S, ChildProcess, MakeStation, StationFolder, invoke, set_up
from tests.ports import ReservedPort
from tests.processes import pause

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

SOON_S = 20.0  # a limit against hanging
UNUSED_PORT = 50444  # of stations that do not run


class Share:
    """A running station that is shared, and the papers of the PCs that it has admitted."""

    def __init__(self, folder: StationFolder, papers: Path, port: int = UNUSED_PORT) -> None:
        self.folder = folder
        self.root = papers
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.command("init", "--name", "127.0.0.1", "--name", "localhost", "--address", f"0.0.0.0:{self.port}")
        self.daemon: ChildProcess = folder.daemon()

    def command(self, name: str, *arguments: object) -> None:
        invoke(station_commands.main, "share", name, "--config", self.folder.config, *arguments)

    @property
    def certificates(self) -> SharingFolder:
        return SharingFolder(self.folder.folder / "share")

    def admit(self, name: str) -> Path:
        """Give a PC its papers."""
        papers = self.root / name
        request = make_request(papers, name)
        self.command("issue", "--client", name, "--request", request, "--out", papers / CERTIFICATE_FILE)
        return papers

    def written_down(self, action: str) -> list[tuple[str, dict[str, Any]]]:
        """Who did this and the facts, from the audit log."""
        with closing(sqlite3.connect(f"file:{self.folder.folder}/station.db?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT operator_id, facts FROM audit WHERE action = ?", (action,)).fetchall()
        return [(who, json.loads(facts)) for who, facts in rows]

    def wait_until_nobody_holds(self) -> None:
        """No device is leased any more."""
        with connect(self.folder.socket, self.token("op-1")) as station:
            changes = station.devices.WatchDevices(device_pb2.WatchDevicesRequest(), timeout=SOON_S)
            held = {one.device_id for one in station.devices.ListDevices(device_pb2.ListDevicesRequest()).devices}
            while held:
                seen = next(changes).device
                (held.add if seen.HasField("lease_holder") else held.discard)(seen.device_id)
            changes.cancel()

    def papers(self, name: str) -> Path:
        return self.root / name if (self.root / name).exists() else self.admit(name)

    def station(self, name: str) -> SharedStation:
        return SharedStation.load(self.address, self.papers(name))

    def token(self, operator_id: str, role: Role = Role.OPERATOR) -> str:
        return self.folder.issue_token(operator_id, role)


class OtherPc:
    """A client process on another PC that queues for a device."""

    def __init__(self, share: Share, name: str, device_id: str, time_to_live_s: int = LONG_S) -> None:
        token = share.papers(name) / "token"
        token.write_text(share.token(f"op-{name}"))
        script = Path(__file__).with_name("other_pc.py")
        self.process = subprocess.Popen(
            [sys.executable, script, share.address, share.papers(name), token, device_id, str(time_to_live_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self._lines: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def hears(self) -> dict[str, Any]:
        """The next thing that happens to its lease."""
        return self._lines.get(timeout=30)

    def does(self, what: str) -> dict[str, Any]:
        """Have it use its lease; what came of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        while (heard := self.hears())["event"] != what:
            pass
        return heard

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    """One station for all: whoever stops it starts it again, and each PC gives its leases back when its test ends."""
    from tests.contract.device_stubs import CameraStub, ScannerStub  # a plugin of pytest's: not before it is loaded

    folder = Path(tempfile.mkdtemp(prefix="st"))  # short: a Unix socket's path has at most 107 bytes
    devices = ScannerStub("4500"), CameraStub()
    reserved = ReservedPort()
    station = set_up(folder, [device.url for device in devices], None)
    made = Share(station, tmp_path_factory.mktemp("papers"), reserved.number)
    made.daemon.start()
    yield made
    made.daemon.kill()
    reserved.release()
    for device in devices:
        device.stop()
    shutil.rmtree(folder)


@pytest.fixture
def pc(share: Share) -> Iterator[Callable[..., OtherPc]]:
    started: list[OtherPc] = []

    def start(*arguments: Any) -> OtherPc:
        started.append(OtherPc(share, *arguments))
        return started[-1]

    yield start
    for other in started:
        other.end()
    share.wait_until_nobody_holds()


def device(station: Station, kind: device_pb2.DeviceKind.ValueType) -> str:
    listed = station.devices.ListDevices(device_pb2.ListDevicesRequest(kind=kind)).devices
    return listed[0].device_id


def scanner(share: Share) -> str:
    with connect(share.station("counter-1"), share.token("op-1")) as station:
        return device(station, device_pb2.DEVICE_KIND_FINGERPRINT_SCANNER)


def test_three_pcs_queue_for_one_scanner_and_each_gets_it_when_the_one_before_has_gone(
    share: Share, pc: Callable[..., OtherPc]
) -> None:
    name = scanner(share)
    first = pc("counter-1", name)
    tokens = [int(first.hears()["fencing_token"])]
    second = pc("counter-2", name)
    assert second.hears() == {"event": "queued", "position": 1}
    third = pc("counter-3", name)
    assert third.hears() == {"event": "queued", "position": 2}
    first.signal(signal.SIGKILL)  # as a PC that loses its power while the switch lives: the kernel closes the stream
    tokens.append(int(second.hears()["fencing_token"]))
    assert third.hears() == {"event": "queued", "position": 1}
    second.signal(signal.SIGTERM)
    tokens.append(int(third.hears()["fencing_token"]))
    assert tokens == sorted(set(tokens))


def test_enrollctl_queues_for_a_device_and_is_told_its_place(share: Share, pc: Callable[..., OtherPc]) -> None:
    name = scanner(share)
    first = pc("counter-1", name)
    assert first.hears()["event"] == "granted"
    places: list[int] = []

    def queued(position: int) -> None:
        places.append(position)
        first.signal(signal.SIGTERM)

    with connect(share.station("counter-2"), share.token("op-2")) as station:
        with held_lease(station, name, client_name="counter-2", wait_s=30, queued=queued) as lease:
            assert lease.fencing_token > 0
        given_back = station.devices.GetDevice(device_pb2.GetDeviceRequest(device_id=name)).device
        assert not given_back.HasField("lease_holder")  # already, so that the next command finds it free
        assert places == [1]


def test_a_pc_that_falls_silent_loses_its_lease_within_seconds_and_its_late_use_is_refused(
    share: Share, pc: Callable[..., OtherPc]
) -> None:
    name = scanner(share)
    silent = pc("counter-1", name)
    assert silent.hears()["event"] == "granted"
    waiting = pc("counter-2", name)
    assert waiting.hears()["event"] == "queued"
    pause(silent.process.pid)  # its TCP connection stays open, but nobody answers there: as with a cut cable
    assert waiting.hears()["event"] == "granted"
    silent.signal(signal.SIGCONT)
    assert silent.hears()["event"] == "failed"  # it has noticed that its connection is dead, and makes another
    assert silent.does("use") == {"event": "use", "reason": "LEASE_EXPIRED"}


def test_a_preview_and_a_supervisors_takeover_work_from_another_pc_and_the_takeover_is_written_down(
    share: Share, pc: Callable[..., OtherPc]
) -> None:
    with connect(share.station("counter-1"), share.token("sup-1", Role.SUPERVISOR)) as supervisor:
        camera = device(supervisor, device_pb2.DEVICE_KIND_CAMERA)
        holder = pc("counter-2", camera)
        assert holder.hears()["event"] == "granted"
        picture = holder.does("preview")
        assert (picture["jpeg"], picture["bytes"] > 1000) == ("ffd8", True)
        held = supervisor.devices.GetDevice(device_pb2.GetDeviceRequest(device_id=camera)).device.lease_holder
        assert (held.operator_id, held.client_name) == ("op-counter-2", "counter-2")
        take = device_pb2.TakeOverLeaseRequest(device_id=camera, reason="quên trả thiết bị")
        assert supervisor.devices.TakeOverLease(take).previous_operator_id == "op-counter-2"
        assert holder.hears() == {"event": "ended", "reason": "LEASE_TAKEN_OVER"}
        assert holder.does("use") == {"event": "use", "reason": "LEASE_NOT_YOURS"}
    [(who, told)] = share.written_down("lease-taken-over")
    assert (who, told["device_id"], told["from_operator"], told["why"]) == (
        *("sup-1", camera, "op-counter-2"),
        "quên trả thiết bị",
    )


def test_a_pc_that_is_shut_out_hears_no_more_on_any_stream_and_its_calls_are_refused(share: Share) -> None:
    mine, other = share.token("op-1"), share.token("op-2")
    with connect(share.station("counter-8"), mine) as shut_out, connect(share.folder.socket, other) as local:
        changes = shut_out.devices.WatchDevices(device_pb2.WatchDevicesRequest())
        name = next(changes).device.device_id
        share.command("revoke", "--client", "counter-8")
        held = local.devices.HoldLease(device_pb2.HoldLeaseRequest(device_id=name, client_name="local"))
        assert next(held).HasField("granted")  # a change that those who watch are told of
        for refused in (
            lambda: list(changes),
            lambda: shut_out.devices.ListDevices(device_pb2.ListDevicesRequest()),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                refused()
            failure = describe(caught.value)
            assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "CLIENT_NOT_ADMITTED")
            assert failure.facts["why"] == "removed"
            assert set(failure.texts) == {"en", "vi"}
        held.cancel()
    share.command("issue", "--client", "counter-8", "--request", *again(share.papers("counter-8")))
    with connect(share.station("counter-8"), mine) as readmitted:
        assert readmitted.devices.ListDevices(device_pb2.ListDevicesRequest()).devices
    assert [facts["client"] for _, facts in share.written_down("pc-admitted")].count("counter-8") == 2
    assert [facts["client"] for _, facts in share.written_down("pc-shut-out")].count("counter-8") == 1


def again(papers: Path) -> tuple[object, ...]:
    """The arguments with which a PC's request is certified anew."""
    return papers / "request.pem", "--out", papers / CERTIFICATE_FILE


class TestRefusals:
    """Nobody gets in without a certificate of this station's, and who does not is told why in both languages."""

    def reason(self, station: SharedStation) -> str:
        with pytest.raises(grpc.RpcError) as caught, connect(station, "x" * 43) as other:
            other.devices.ListDevices(device_pb2.ListDevicesRequest())
        assert not describe(caught.value).answered
        failure = station.why_unreachable()
        assert failure.texts["en"] != failure.texts["vi"]
        return failure.reason

    def test_every_kind_of_wrong_certificate(self, share: Share, make_station: MakeStation, tmp_path: Path) -> None:
        elsewhere = Share(make_station([]), tmp_path / "elsewhere")  # another station's share, which need not run
        theirs = elsewhere.station("counter-1")
        assert self.reason(SharedStation.load(share.address, theirs.folder)) == "SERVER_CERTIFICATE_UNKNOWN"

        ours, long_ago = share.papers("counter-7"), datetime.now(UTC) - timedelta(days=400)
        expired = share.certificates.issue("old", (ours / "request.pem").read_bytes(), long_ago, timedelta(300), None)
        (ours / CERTIFICATE_FILE).write_bytes(expired)
        assert self.reason(share.station("counter-7")) == "CLIENT_CERTIFICATE_EXPIRED"
        share.command("revoke", "--client", "old")

        # A certificate of another authority, shown to this station all the same.
        authority = share.certificates.server_pems(None)[2]
        mixed = theirs.folder / CERTIFICATE_FILE
        own = mixed.read_text().partition("-----END CERTIFICATE-----\n")
        mixed.write_text(own[0] + own[1] + authority.decode())
        assert self.reason(SharedStation.load(share.address, theirs.folder)) == "CLIENT_CERTIFICATE_REFUSED"

    def test_a_wrong_name_a_wrong_port_and_what_is_no_station(self, share: Share) -> None:
        papers = share.papers("counter-1")
        with socket.create_server(("127.0.0.1", 0)) as plain, socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            threading.Thread(target=_answer_in_plain, args=(plain,), daemon=True).start()
            speaks_plain = f"127.0.0.1:{plain.getsockname()[1]}"
            silent = f"127.0.0.1:{free.getsockname()[1]}"
            reasons = [
                self.reason(SharedStation.load(address, papers))
                for address in (f"127.0.0.2:{share.port}", silent, speaks_plain)
            ]
        assert reasons == ["SERVER_NAME_MISMATCH", "STATION_UNREACHABLE", "STATION_NOT_SHARED"]

    def test_without_a_certificate_nothing_is_answered_not_even_health(self, share: Share) -> None:
        authority = share.certificates.server_pems(None)[2]
        for channel in (
            grpc.insecure_channel(share.address),
            grpc.secure_channel(share.address, grpc.ssl_channel_credentials(authority)),
        ):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            with channel, pytest.raises(grpc.RpcError) as caught:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=SOON_S)
            assert describe(caught.value).code == "UNAVAILABLE"
        with open_channel(share.station("counter-1")) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=SOON_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_a_certificate_alone_is_no_operator(self, share: Share) -> None:
        with connect(share.station("counter-1"), "x" * 43) as nobody, pytest.raises(grpc.RpcError) as caught:
            nobody.devices.ListDevices(device_pb2.ListDevicesRequest())
        assert describe(caught.value).code == "UNAUTHENTICATED"

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda papers: (papers / CERTIFICATE_FILE).unlink(), "CERTIFICATE_MISSING"),
            (lambda papers: (papers / CERTIFICATE_FILE).write_text("nonsense"), "CERTIFICATE_UNUSABLE"),
            (lambda papers: (papers / KEY_FILE).chmod(0o644), "KEY_EXPOSED"),
            (lambda papers: make_request(_without_key(papers), "counter-1"), "CERTIFICATE_UNUSABLE"),
        ],
        ids=["missing", "damaged", "exposed", "of another key"],
    )
    def test_papers_that_cannot_be_used_are_refused_before_any_call(
        self, make_station: MakeStation, tmp_path: Path, spoil: Callable[[Path], object], reason: str
    ) -> None:
        papers = Share(make_station([]), tmp_path / "papers").papers("counter-1")
        spoil(papers)
        with pytest.raises(Refusal) as refused:
            SharedStation.load(f"127.0.0.1:{UNUSED_PORT}", papers)
        assert refused.value.failure.reason == reason


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda share, folder: None, "SOCKET_UNAVAILABLE"),
        (lambda share, folder: (folder / "share" / "server-key.pem").chmod(0o644), "KEYS_UNUSABLE"),
    ],
    ids=["port in use", "key that others may read"],
)
def test_a_daemon_that_cannot_share_as_it_is_told_does_not_start(
    share: Share, make_station: MakeStation, spoil: Callable[[Share, Path], object], reason: str
) -> None:
    folder = make_station([])
    address = f"127.0.0.1:{share.port}"  # where another daemon listens
    init = ("share", "init", "--config", folder.config, "--name", "localhost", "--address", address)
    invoke(station_commands.main, *init)
    spoil(share, folder.folder)
    command = [sys.executable, "-m", "enrollment.service.daemon", "run", "--json", "--config", str(folder.config)]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert json.loads(failed.stderr.splitlines()[-1])["error"] == reason
    assert not folder.socket.exists()


def _without_key(papers: Path) -> Path:
    (papers / KEY_FILE).unlink()
    return papers


def _answer_in_plain(listening: socket.socket) -> None:
    while True:  # a channel calls again and again
        try:
            connection, _address = listening.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def ctl(share: Share, *arguments: str, language: str = "en", **environment: str) -> subprocess.CompletedProcess[str]:
    """enrollctl on another PC."""
    token = share.root / "token"
    share.root.mkdir(exist_ok=True)
    token.write_text(share.token("tech-1", Role.TECHNICIAN))
    settings = {"ENROLL_ADDRESS": share.address, "ENROLL_TOKEN_FILE": str(token), "COLUMNS": "200"} | environment
    return subprocess.run(
        [sys.executable, "-m", "enrollment.cli.main", "--lang", language, *arguments],
        env={name: value for name, value in os.environ.items() if name != "ENROLL_SOCKET"} | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_enrollctl_on_another_pc_from_its_request_to_the_doctor(share: Share) -> None:
    papers = share.root / "counter-5"
    made = json.loads(ctl(share, "--json", "share", "request", "--folder", str(papers), "--name", "counter-5").stdout)
    assert (papers / KEY_FILE).stat().st_mode & 0o777 == 0o600
    unasked = ctl(share, "devices", ENROLL_PAPERS=str(papers), language="vi")
    assert (unasked.returncode, "[CERTIFICATE_MISSING]" in unasked.stdout) == (3, True)
    share.command("issue", "--client", "counter-5", "--request", made["request"], "--out", made["certificate"])

    listed = json.loads(ctl(share, "--json", "devices", ENROLL_PAPERS=str(papers)).stdout)
    assert [found["driver"] for found in listed["devices"]] == ["camera", "uru4000"]
    doctor = json.loads(ctl(share, "--json", "doctor", ENROLL_PAPERS=str(papers)).stdout)
    seen = {finding["check"]: finding["severity"] for finding in doctor["findings"]}
    assert doctor["asked"] == "daemon"
    assert {name: seen[name] for name in ("client-certificate", "service", "session", "share")} == dict.fromkeys(
        ("client-certificate", "service", "session", "share"), "ok"
    )

    share.daemon.kill()
    try:
        away = ctl(share, "devices", ENROLL_PAPERS=str(papers), language="vi")
        doctor = json.loads(ctl(share, "--json", "doctor", ENROLL_PAPERS=str(papers)).stdout)
    finally:
        share.daemon.start()
    assert (away.returncode, "[STATION_UNREACHABLE]" in away.stdout) == (3, True)
    assert (doctor["status"], doctor["asked"]) == ("error", "nobody")
    assert "nobody answers" in next(f for f in doctor["findings"] if f["check"] == "service")["remedy_en"]


def test_the_guides_channel_reaches_a_shared_station(share: Share) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "client-guide.md").read_text()
    [block] = re.findall(r"^```python\n(import grpc\n\n\ndef shared_channel.*?)^```", guide, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(block, found)  # noqa: S102 - the guide's own text is what is tested
    session = (("authorization", f"Bearer {share.token('op-1')}"),)
    with found["shared_channel"](share.address, share.papers("counter-1")) as channel:
        stub = device_pb2_grpc.DeviceServiceStub(channel)
        assert len(stub.ListDevices(device_pb2.ListDevicesRequest(), metadata=session).devices) == 2
