"""Self-tests over real wires: a scanner with an empty platen, with a finger, with planted defects; a camera."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from drivers import catalogue
from drivers.fingerprint.uru4000.driver import Uru4000
from drivers.spi import DeviceIdentity, ScannerCapabilities
from enrollment.cli.main import main as enrollctl
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.self_test import Event, Measured, SensorMap, Step, self_test
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, diagnostics_pb2
from tests.flow.running_station import InProcess, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub, TenPrintStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


class WireOnly:
    """A third party's driver that takes no picture of an empty platen: a U.are.U's, without what it offers more."""

    def __init__(self, address: str) -> None:
        self._driver = Uru4000(address)
        self.open, self.close = self._driver.open, self._driver.close
        self.capture, self.wait_finger_off = self._driver.capture, self._driver.wait_finger_off

    @property
    def identity(self) -> DeviceIdentity:
        return self._driver.identity

    @property
    def capabilities(self) -> ScannerCapabilities:
        return self._driver.capabilities


@dataclass(frozen=True)
class Bench:
    """A station of one scanner, and the stub of it."""

    here: InProcess
    stub: ScannerStub


@pytest.fixture
async def bench(make_station: MakeStation, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    stub: ScannerStub = request.getfixturevalue(getattr(request, "param", "scanner_stub"))
    async with running_here(make_station([stub.url])) as running:
        yield Bench(running, stub)


async def events_of(here: InProcess, device_id: str) -> list[Event]:
    """A self-test in this process, which waits for nobody to clear the platen."""
    studio = here.station._studio
    async with here.client.lease(device_id) as reference:
        lease = studio.leases.require(reference.lease_id, reference.fencing_token, operator_id="op-1")
        device = studio.inventory.get(device_id)
        return [event async for event in self_test(studio, lease, device, empty_wait_s=0.0, indicator_s=0.02)]


def findings(events: list[Event]) -> dict[str, Severity]:
    return {event.check: event.severity for event in events if isinstance(event, Finding)}


def measures(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measured)}


def maps(events: list[Event]) -> dict[str, SensorMap]:
    return {event.name: event for event in events if isinstance(event, SensorMap)}


# What each scanner's page tells: pixels of a picture, lamps and beepers, whether it streams.
SCANNERS = {
    "scanner_stub": ((290, 384), ["led"], False),
    "fs81_stub": ((480, 320), ["lamp"], False),
    "zk4500_stub": ((480, 640), ["led-green", "led-red", "beeper", "lamp"], False),
    "fdu2000_stub": ((301, 398), ["lamp"], False),
    "nb1010_stub": ((180, 256), [], False),
    "tenprint_stub": ((1500, 1600), ["led-green", "led-amber", "led-red", "beeper"], True),
}
EACH = pytest.mark.parametrize("bench", SCANNERS, indirect=True)


@EACH
async def test_scanner_with_an_empty_platen_is_measured_whole(bench: Bench, request: pytest.FixtureRequest) -> None:
    shape, indicators, streams = SCANNERS[request.node.callspec.params["bench"]]
    events = await events_of(bench.here, (await bench.here.client.scanner()).device_id)
    judged = findings(events)
    if bench.stub.model == "nb1010":  # as the recorded one, it is sprinkled with dead pixels
        assert judged.pop("dead-pixels") is Severity.WARNING
    assert judged.keys() >= {"open", "round-trips", "noise", "dead-lines", "evenness"}
    for timed in ("round-trips", "frame-rate", "missing-frames"):  # of a machine that may be busy with other tests
        judged.pop(timed, None)
    assert set(judged.values()) == {Severity.OK}, judged
    found = measures(events)
    assert found["frames_per_second"] > 0
    assert 0.5 < found["noise_grey"] < 3
    assert ("frames_missing" in found) == streams
    assert maps(events)["dead"].values.shape == shape
    assert [event.name for event in events if isinstance(event, Step)] == [
        "open", "empty-platen", "frames", *(f"indicator:{name}" for name in indicators),
    ]  # fmt: skip


async def test_wire_of_a_scanner_is_timed(bench: Bench) -> None:
    found = measures(await events_of(bench.here, (await bench.here.client.scanner()).device_id))
    assert found["round_trips"] >= 10
    assert 0 < found["round_trip_median_ms"] <= found["round_trip_p95_ms"]
    assert 0 < found["frames_per_second"] < 1000 / 128  # the sensor takes 128 ms, and a busy machine longer


@EACH
async def test_defects_planted_in_the_sensor_are_found_through_the_wire(bench: Bench) -> None:
    planted = (await asyncio.to_thread(bench.stub.control, "GET", "/state"))["defects"]
    for kind in ("dead_pixels", "dead_line"):
        await asyncio.to_thread(bench.stub.fail, kind, times=10_000)
    events = await events_of(bench.here, (await bench.here.client.scanner()).device_id)
    dead = maps(events)["dead"].values
    assert dead[:, planted["dead_line"]].all()
    assert all(dead[y, x] for x, y in planted["dead_pixels"])
    sprinkled = 0.005 * dead.size if bench.stub.model == "nb1010" else 0
    assert len(planted["dead_pixels"]) - 1 <= measures(events)["dead_pixels"] <= len(planted["dead_pixels"]) + sprinkled
    assert measures(events)["dead_lines"] == 1
    assert findings(events)["dead-lines"] is Severity.WARNING


async def test_each_lamp_and_beeper_is_switched_on_and_off_again(bench: Bench) -> None:
    await events_of(bench.here, (await bench.here.client.scanner()).device_id)
    await asyncio.to_thread(bench.stub.await_state, "off")  # the last command is not waited for
    state = await asyncio.to_thread(bench.stub.control, "GET", "/state")
    assert state["switched_on"]["led"] > 0
    assert state["outputs"] == []


async def test_frames_that_a_stream_loses_are_counted(tenprint_stub: TenPrintStub, make_station: MakeStation) -> None:
    async with running_here(make_station([tenprint_stub.url])) as here:
        scanner = await here.client.scanner()
        await asyncio.to_thread(tenprint_stub.fail, "slow_wire", times=40)  # 24 ms a frame of 10
        found = measures(await events_of(here, scanner.device_id))
    assert found["frames_missing"] >= 20


async def test_finger_on_the_platen_leaves_neither_map_nor_figure(bench: Bench, print_like: NDArray[np.uint8]) -> None:
    await asyncio.to_thread(bench.stub.lay, print_like)
    events = await events_of(bench.here, (await bench.here.client.scanner()).device_id)
    assert findings(events)["empty"] is Severity.WARNING
    assert maps(events) == {}
    assert measures(events).keys() == {"open_ms", "round_trip_median_ms", "round_trip_p95_ms", "round_trips"}


async def test_driver_without_pictures_of_an_empty_platen_is_tested_on_its_wire_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every shipped driver takes them: the catalogue is given one that does not.
    entry = replace(catalogue.entry("uru4000"), target=f"{__name__}:WireOnly")
    monkeypatch.setitem(catalogue.entries(), "uru4000", entry)
    scanner = await bench.here.client.scanner()
    events = await events_of(bench.here, scanner.device_id)
    judged = findings(events)
    assert judged.keys() == {"open", "round-trips", "imaging"}
    assert judged["imaging"] is Severity.WARNING


async def test_camera_that_sees_a_person_leaves_its_pace_and_neither_map_nor_figure_of_what_it_sees(
    here: InProcess, camera_stub: CameraStub
) -> None:
    await asyncio.to_thread(camera_stub.control, "PUT", "/scene?portrait=4")
    try:
        events = await events_of(here, (await here.client.camera()).device_id)
    finally:
        await asyncio.to_thread(camera_stub.control, "DELETE", "/scene")
    assert findings(events)["empty"] is Severity.WARNING
    assert findings(events).keys() == {"open", "empty", "frame-rate", "missing-frames"}
    assert maps(events) == {}
    assert measures(events).keys() == {"open_ms", "frames_per_second", "frames_missing"}


async def test_device_that_fails_is_a_finding_with_its_remedy(here: InProcess, scanner_stub: ScannerStub) -> None:
    device_id = (await here.client.scanner()).device_id
    await asyncio.to_thread(scanner_stub.fail, "no_power_interrupt", times=100)
    events = await events_of(here, device_id)
    [finding] = [event for event in events if isinstance(event, Finding)]
    assert (finding.check, finding.severity) == ("device", Severity.ERROR)
    assert "[DEVICE_NOT_READY]" in finding.text_en
    assert finding.remedy_vi


async def test_self_test_needs_a_lease(here: InProcess) -> None:
    request = diagnostics_pb2.RunDeviceSelfTestRequest(lease=capture_pb2.LeaseReference(lease_id="none"))
    told = await refused(here.client.diagnostics.RunDeviceSelfTest(request))
    assert told[:2] == ("FAILED_PRECONDITION", "LEASE_EXPIRED")


async def test_enrollctl_leaves_a_report_and_a_page_of_a_camera(
    here: InProcess, camera_stub: CameraStub, tmp_path: Path
) -> None:
    await asyncio.to_thread(camera_stub.control, "DELETE", "/scene")  # a bare wall
    camera = await here.client.camera()
    token = await asyncio.to_thread(here.folder.issue_token, "tech-1", Role.TECHNICIAN)
    named = {"ENROLL_SOCKET": str(here.folder.socket), "ENROLL_TOKEN": token}
    arguments = ["--json", "--lang", "vi", "device", "selftest", camera.device_id, "--out", str(tmp_path)]
    done = await asyncio.to_thread(CliRunner().invoke, enrollctl, arguments, env=named, catch_exceptions=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == ["ok", "warning", "error"].index(told["status"])
    assert "tờ giấy trắng" in done.stderr
    assert told["measures"]["noise_grey"] > 0
    assert 0 < told["measures"]["frames_per_second"] < 40  # the model sends 30, and a busy machine misses some
    report = json.loads(Path(told["report"]).read_text("utf-8"))
    assert report == {name: value for name, value in told.items() if name not in ("page", "report")}
    assert report["maps"].keys() == {"noise", "dead", "levels"}
    assert "tech-1" not in Path(told["report"]).read_text("utf-8")
    with Image.open(told["page"]) as page:
        assert page.width == 1560
        pixels = np.asarray(page)
    assert np.unique(cv2.resize(pixels[150:500], (64, 16)).reshape(-1, 3), axis=0).shape[0] > 20, "maps are drawn"
