"""Self-tests over real wires: a scanner with an empty platen, with a finger, with planted defects; a camera."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
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
from drivers.frame import Frame
from drivers.spi import CancelToken
from enrollment.cli.main import main as enrollctl
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.self_test import Event, Measured, SensorMap, Step, self_test
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, diagnostics_pb2
from tests.flow.running_station import InProcess, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")


class ImagingUru4000(Uru4000):
    """The driver with what a self-test may ask of one: PlatenImager and Indicating."""

    indicators = ("led-green",)

    def image_platen(self, *, cancel: CancelToken) -> Frame:
        if not self._powered:
            self._power_up(cancel)
        return self._read_image(cancel)

    def indicate(self, name: str, *, seconds: float, cancel: CancelToken) -> None:
        self._require_open().pause(seconds / 100, cancel)


@pytest.fixture
async def imaging(
    make_station: MakeStation, scanner_stub: ScannerStub, camera_stub: CameraStub, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[InProcess]:
    """A station whose scanner's driver takes pictures of an empty platen, which no shipped driver does yet."""
    entry = replace(catalogue.entry("uru4000"), target=f"{__name__}:ImagingUru4000")
    monkeypatch.setitem(catalogue.entries(), "uru4000", entry)
    async with running_here(make_station([scanner_stub.url, camera_stub.url])) as running:
        yield running


async def events_of(here: InProcess, device_id: str) -> list[Event]:
    """A self-test in this process, which waits for nobody to clear the platen."""
    studio = here.station._studio
    async with here.client.lease(device_id) as reference:
        lease = studio.leases.require(reference.lease_id, reference.fencing_token, operator_id="op-1")
        device = studio.inventory.get(device_id)
        return [event async for event in self_test(studio, lease, device, empty_wait_s=0.0)]


def findings(events: list[Event]) -> dict[str, Severity]:
    return {event.check: event.severity for event in events if isinstance(event, Finding)}


def measures(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measured)}


def maps(events: list[Event]) -> dict[str, SensorMap]:
    return {event.name: event for event in events if isinstance(event, SensorMap)}


async def test_scanner_with_an_empty_platen_is_measured_whole(imaging: InProcess) -> None:
    events = await events_of(imaging, (await imaging.client.scanner()).device_id)
    judged = findings(events)
    # The model's empty glass has no noise over time, as no real sensor has.
    assert judged.pop("noise") is Severity.WARNING
    assert set(judged.values()) == {Severity.OK}, judged
    assert judged.keys() >= {"open", "round-trips", "dead-pixels", "dead-lines", "evenness", "indicator"}
    found = measures(events)
    assert found["round_trips"] >= 10
    assert 0 < found["round_trip_median_ms"] <= found["round_trip_p95_ms"]
    assert 1 < found["frames_per_second"] < 1000 / 128  # the sensor takes 128 ms
    assert found["level_grey"] == pytest.approx(236, abs=2)
    assert {name: made.values.shape for name, made in maps(events).items()} == {
        "noise": (18, 24), "dead": (290, 384), "levels": (18, 24),
    }  # fmt: skip
    assert [event.name for event in events if isinstance(event, Step)] == [
        "open", "empty-platen", "frames", "indicator:led-green",
    ]  # fmt: skip


async def test_defects_planted_before_the_sensor_are_found_through_the_wire(
    imaging: InProcess, scanner_stub: ScannerStub
) -> None:
    glass = np.full((290, 384), 230, np.uint8)
    glass[60::80, 40::80] = 20  # 3 x 5 pixels
    glass[:, 200] = 120
    await asyncio.to_thread(scanner_stub.lay, glass)
    events = await events_of(imaging, (await imaging.client.scanner()).device_id)
    assert measures(events)["dead_pixels"] == pytest.approx(15, abs=4)  # the model may move it, and cut some
    assert measures(events)["dead_lines"] == 1
    assert findings(events)["dead-lines"] is Severity.WARNING


async def test_finger_on_the_platen_leaves_neither_map_nor_figure(
    imaging: InProcess, scanner_stub: ScannerStub, print_like: NDArray[np.uint8]
) -> None:
    await asyncio.to_thread(scanner_stub.lay, print_like)
    events = await events_of(imaging, (await imaging.client.scanner()).device_id)
    assert findings(events)["empty"] is Severity.WARNING
    assert maps(events) == {}
    assert measures(events).keys() == {"open_ms", "round_trip_median_ms", "round_trip_p95_ms", "round_trips"}


async def test_driver_without_pictures_of_an_empty_platen_is_tested_on_its_wire_alone(here: InProcess) -> None:
    events = await events_of(here, (await here.client.scanner()).device_id)
    assert findings(events) == {"open": Severity.OK, "round-trips": Severity.OK, "imaging": Severity.WARNING}


async def test_camera_that_sees_a_person_leaves_neither_map_nor_figure(
    here: InProcess, camera_stub: CameraStub
) -> None:
    await asyncio.to_thread(camera_stub.control, "PUT", "/scene?portrait=4")
    try:
        events = await events_of(here, (await here.client.camera()).device_id)
    finally:
        await asyncio.to_thread(camera_stub.control, "DELETE", "/scene")
    assert findings(events)["empty"] is Severity.WARNING
    assert maps(events) == {}
    assert "noise_grey" not in measures(events)


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
    assert 15 < told["measures"]["frames_per_second"] < 40
    report = json.loads(Path(told["report"]).read_text("utf-8"))
    assert report == {name: value for name, value in told.items() if name not in ("page", "report")}
    assert report["maps"].keys() == {"noise", "dead", "levels"}
    assert "tech-1" not in Path(told["report"]).read_text("utf-8")
    with Image.open(told["page"]) as page:
        assert page.width == 1560
        pixels = np.asarray(page)
    assert np.unique(cv2.resize(pixels[150:500], (64, 16)).reshape(-1, 3), axis=0).shape[0] > 20, "maps are drawn"
