"""A reflex camera at the station, over the real libgphoto2: live view guides, the still is judged and stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import cv2
import grpc.aio
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from drivers.frame import Frame
from enrollment.cli.main import main as enrollctl_main
from enrollment.core.face import PortraitQuality, assess_portrait
from enrollment.service.capture import face_session
from enrollment.service.config import SystemClock
from enrollment.service.store.operator_sessions import Role
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2
from firmware_stubs.portrait import schematic_portrait
from tests.flow.running_station import InProcess, MakeStation, refused, running_here, to_the_end

if TYPE_CHECKING:
    from tests.contract.device_stubs import DslrStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

STILL = (1152, 1728, 3)
LIVE = (512, 768, 3)


@pytest.fixture
async def reflex(make_station: MakeStation, dslr_stub: DslrStub) -> AsyncIterator[InProcess]:
    """A station in this process with a reflex camera."""
    async with running_here(make_station([dslr_stub.url])) as running:
        yield running


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sitting with a bad live view would take 24 s."""
    monkeypatch.setattr(face_session, "LIVE_PATIENCE_S", 0.3)


class Sitting:
    """One portrait capture, event by event."""

    def __init__(self, here: InProcess) -> None:
        self.here = here
        self.events: list[capture_pb2.CapturePortraitResponse] = []
        self.dossier = dossier_pb2.Dossier()

    async def run(self, at: Callable[[str], Any] = lambda name: None) -> None:
        """Capture into a new dossier; at is called with each event's name. Raises how the call failed."""
        self.dossier = await self.here.client.open_dossier()
        failure: grpc.aio.AioRpcError | None = None
        async with self.here.client.lease((await self.here.client.camera()).device_id) as lease:
            try:
                async for answer in self.here.client.capture_portrait(self.dossier.dossier_id, lease):
                    self.events.append(answer)
                    await asyncio.to_thread(at, self.last)
            except grpc.aio.AioRpcError as error:
                failure = error  # the lease is given back first
        if failure is not None:
            raise failure

    @property
    def last(self) -> str:
        return str(self.events[-1].WhichOneof("event"))

    def all(self, name: str) -> list[Any]:
        return [getattr(event, name) for event in self.events if event.WhichOneof("event") == name]

    def order(self) -> list[str]:
        """Names of the events, those of live view once each time that it is looked at."""
        names = [str(event.WhichOneof("event")) for event in self.events]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != "live" or before != "live"]

    async def captures(self) -> list[dossier_pb2.Capture]:
        return list((await self.here.client.dossier(self.dossier.dossier_id)).captures)

    async def stored(self) -> Any:
        request = dossier_pb2.ReadPartRequest(dossier_id=self.dossier.dossier_id, part_name="portrait.jpg")
        content = b"".join([answer.chunk.content async for answer in self.here.client.dossiers.ReadPart(request)])
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


async def test_good_live_view_releases_the_shutter_and_the_still_is_stored(
    reflex: InProcess, dslr_stub: DslrStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []  # of what is judged; a reader of events may miss frames of live view

    def assess(pixels: NDArray[np.uint8]) -> PortraitQuality:
        shapes.append(pixels.shape)
        return assess_portrait(pixels)

    monkeypatch.setattr(face_session, "assess_portrait", assess)
    before = dslr_stub.state()
    sitting = Sitting(reflex)
    await sitting.run()
    assert sitting.order() == ["waiting", "live", "judged", "accepted"]
    assert shapes[-face_session.STEADY_FRAMES - 1 :] == [LIVE] * 3 + [STILL]
    assert sitting.all("live")[-1].acceptable
    [judged] = sitting.all("judged")
    assert {measure.name: measure.value for measure in judged.quality.measures}["width_px"] == STILL[1]
    image = await sitting.stored()
    assert image.shape == STILL
    assert cv2.absdiff(image, schematic_portrait(1, (1728, 1152))).mean() < 3  # of 255: JPEG's loss, twice
    after = dslr_stub.state()
    assert (after["taken"], after["on_card"]) == (before["taken"] + 1, before["on_card"])


async def test_body_without_live_view_takes_its_still_at_once_and_the_preview_shows_it(
    make_station: MakeStation, dslr_without_live_view: DslrStub
) -> None:
    async with running_here(make_station([dslr_without_live_view.url])) as here:
        dossier = await here.client.open_dossier()
        async with here.client.lease((await here.client.camera()).device_id) as lease:
            preview = here.client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
            answers = [answer async for answer in here.client.capture_portrait(dossier.dossier_id, lease)]
            picture: Any = await preview.read()
            preview.cancel()
        assert [answer.WhichOneof("event") for answer in answers] == ["waiting", "judged", "accepted"]
        shown = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (320, 480, 3)
        assert (await here.client.camera()).problem == ""


@pytest.mark.usefixtures("little_patience")
async def test_live_view_that_stays_dark_says_so_and_the_still_speaks_for_itself(
    reflex: InProcess, dslr_stub: DslrStub
) -> None:
    taken = dslr_stub.state()["taken"]
    dslr_stub.fail("dark")
    sitting = Sitting(reflex)
    await sitting.run()
    assert sitting.order() == [*["waiting", "live", "judged"] * face_session.MAX_STILLS, "exhausted"]
    verdicts = sitting.all("live") + sitting.all("judged")
    assert {verdict.hint for verdict in verdicts} == {types_pb2.CAPTURE_HINT_TOO_DARK}
    assert not any(verdict.acceptable for verdict in verdicts)
    assert dslr_stub.state()["taken"] == taken + face_session.MAX_STILLS
    [capture] = await sitting.captures()
    assert (capture.accepted, (await sitting.stored()).shape) == (False, STILL)


async def test_still_that_is_out_of_focus_is_not_accepted_for_its_good_live_view(
    reflex: InProcess, dslr_stub: DslrStub
) -> None:
    dslr_stub.fail("unfocused")
    sitting = Sitting(reflex)
    await sitting.run()
    assert sitting.last == "exhausted"
    assert sitting.all("live")[-1].acceptable
    assert {judged.hint for judged in sitting.all("judged")} == {types_pb2.CAPTURE_HINT_BLURRED}
    [capture] = await sitting.captures()
    assert not capture.accepted


async def test_still_that_is_refused_is_tried_again_and_told(reflex: InProcess, dslr_stub: DslrStub) -> None:
    dslr_stub.fail("busy")
    sitting = Sitting(reflex)
    await sitting.run(at=lambda name: dslr_stub.heal() if name == "refused" else None)
    refusals = len(sitting.all("refused"))  # the shutter may be tried once more before the camera is healed
    assert sitting.order() == [*["waiting", "live", "refused"] * refusals, "waiting", "live", "judged", "accepted"]
    told = [(told.attempt, told.reason) for told in sitting.all("refused")]
    assert told == [(attempt + 1, "PICTURE_REFUSED") for attempt in range(refusals)]
    assert refusals >= 1
    [kept] = sitting.all("accepted")
    assert (kept.attempts, kept.kept_attempt) == (refusals + 1, refusals + 1)


# Without live view a fault of the wire strikes at the still, and at nothing before it.
@pytest.mark.parametrize(
    ("body", "kind", "reason", "events"),
    [
        ("dslr_stub", "refuse", "PICTURE_REFUSED", ["waiting", "live", "refused"] * face_session.MAX_STILLS),
        ("dslr_stub", "full", "CARD_FULL", ["waiting", "live"]),
        ("dslr_without_live_view", "cut", "DEVICE_GONE", ["waiting"]),
        ("dslr_without_live_view", "truncate", "DEVICE_PROTOCOL_VIOLATION", ["waiting"]),
    ],
)
async def test_still_that_fails_is_a_typed_error_nothing_is_stored_in_its_place_and_the_next_capture_works(
    make_station: MakeStation, request: pytest.FixtureRequest, body: str, kind: str, reason: str, events: list[str]
) -> None:
    stub: DslrStub = request.getfixturevalue(body)
    async with running_here(make_station([stub.url])) as here:
        generation = (await here.client.camera()).generation
        sitting = Sitting(here)
        stub.fail(kind)
        assert (await refused(sitting.run()))[:2] == ("UNAVAILABLE", reason)
        assert sitting.order() == events
        assert await sitting.captures() == []
        stub.heal()
        camera = await attached(here)
        assert camera.generation == generation + (reason == "DEVICE_GONE")
        sitting = Sitting(here)
        await sitting.run()
        assert sitting.last == "accepted"


async def test_live_view_that_shows_nothing_after_a_pause_is_stalled(reflex: InProcess, dslr_stub: DslrStub) -> None:
    client = reflex.client
    dossier = await client.open_dossier()
    async with client.lease((await client.camera()).device_id) as lease:
        settings = device_pb2.ListCameraSettingsRequest(lease=lease)
        await client.devices.ListCameraSettings(settings)
        dslr_stub.fail("truncate")
        await client.devices.ListCameraSettings(settings)  # what was seen before it is forgotten
        told = await refused(client.capture_portrait(dossier.dossier_id, lease))
    assert told[:2] == ("UNAVAILABLE", "DEVICE_STALLED")


async def attached(here: InProcess) -> device_pb2.Device:
    """The camera, when it is attached."""
    call: Any = here.client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    async for answer in call:
        if answer.device.state != device_pb2.DEVICE_STATE_DETACHED:
            break
    call.cancel()
    return await here.client.camera()


async def test_capture_that_is_cancelled_at_the_shutter_leaves_no_picture_and_the_next_one_works(
    reflex: InProcess, dslr_stub: DslrStub
) -> None:
    before = dslr_stub.state()
    dslr_stub.fail("late")
    dossier = await reflex.client.open_dossier()
    async with reflex.client.lease((await reflex.client.camera()).device_id) as lease:
        call = reflex.client.capture_portrait(dossier.dossier_id, lease)
        reading = asyncio.create_task(to_the_end(call))
        while (await asyncio.to_thread(dslr_stub.state))["taken"] == before["taken"]:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
        assert list((await reflex.client.dossier(dossier.dossier_id)).captures) == []
        dslr_stub.heal()
        answers = [answer async for answer in reflex.client.capture_portrait(dossier.dossier_id, lease)]
    assert answers[-1].WhichOneof("event") == "accepted"
    assert dslr_stub.state()["taken"] == before["taken"] + 2
    assert dslr_stub.state()["on_card"] == before["on_card"]


def test_picture_of_a_large_sensor_is_stored_at_a_size_that_fits_into_a_package() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4000, 6000, 3), np.uint8)
    jpeg, _ = face_session._jpeg(SystemClock(), Frame(pixels, 1, 0.0), face_session.LONGEST_SIDE_PX)
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (2667, 4000, 3)


class TestSettings:
    async def test_settings_are_read_and_set_in_the_camera_while_its_preview_runs(
        self, reflex: InProcess, dslr_stub: DslrStub
    ) -> None:
        client = reflex.client
        async with client.lease((await client.camera()).device_id) as lease:
            preview: Any = client.capture.WatchPreview(capture_pb2.WatchPreviewRequest(lease=lease))
            usual: Any = await preview.read()
            listed = await client.devices.ListCameraSettings(device_pb2.ListCameraSettingsRequest(lease=lease))
            offered = {state.setting: state for state in listed.settings}
            assert set(offered) == {
                device_pb2.CAMERA_SETTING_EXPOSURE_TIME,
                device_pb2.CAMERA_SETTING_APERTURE,
                device_pb2.CAMERA_SETTING_ISO,
                device_pb2.CAMERA_SETTING_EXPOSURE_COMPENSATION,
            }
            request = device_pb2.ChangeCameraSettingRequest(
                lease=lease, setting=device_pb2.CAMERA_SETTING_EXPOSURE_COMPENSATION, value="-1"
            )
            assert request.value in offered[request.setting].choices
            changed = await client.devices.ChangeCameraSetting(request)
            try:
                assert {state.setting: state.value for state in changed.settings}[request.setting] == "-1"
                assert dslr_stub.state()["settings"]["exposure_bias"] == -1000
                async for picture in preview:
                    if brightness(picture) < 0.7 * brightness(usual):
                        break
            finally:
                request.value = "0"
                await client.devices.ChangeCameraSetting(request)
            preview.cancel()

    @pytest.mark.parametrize(
        ("setting", "value", "reason"),
        [
            (device_pb2.CAMERA_SETTING_ISO, "401", "SETTING_NOT_OFFERED"),
            (device_pb2.CAMERA_SETTING_ZOOM, "2", "SETTING_NOT_OFFERED"),
            (device_pb2.CAMERA_SETTING_ISO, "", "MALFORMED_REQUEST"),
            (device_pb2.CAMERA_SETTING_UNSPECIFIED, "1", "MALFORMED_REQUEST"),
        ],
    )
    async def test_setting_that_is_not_offered_is_refused_and_the_camera_works_on(
        self, reflex: InProcess, setting: device_pb2.CameraSetting.ValueType, value: str, reason: str
    ) -> None:
        client = reflex.client
        async with client.lease((await client.camera()).device_id) as lease:
            request = device_pb2.ChangeCameraSettingRequest(lease=lease, setting=setting, value=value)
            told = await refused(client.devices.ChangeCameraSetting(request))
            assert told[:2] == ("INVALID_ARGUMENT", reason)
            camera = await client.camera()
        assert (camera.state, camera.problem) == (device_pb2.DEVICE_STATE_READY, "")

    async def test_settings_need_the_cameras_own_lease(self, reflex: InProcess) -> None:
        request = device_pb2.ListCameraSettingsRequest()
        told = await refused(reflex.client.devices.ListCameraSettings(request))
        assert told[:2] == ("FAILED_PRECONDITION", "LEASE_REQUIRED")
        other = await reflex.another_client("op-2")
        async with reflex.client.lease((await reflex.client.camera()).device_id) as lease:
            request = device_pb2.ListCameraSettingsRequest(lease=lease)
            told = await refused(other.devices.ListCameraSettings(request))
        assert told[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")

    async def test_camera_that_is_not_set_by_a_program_lists_nothing_and_a_scanner_is_the_wrong_kind(
        self, here: InProcess
    ) -> None:
        client = here.client
        async with client.lease((await client.camera()).device_id) as lease:
            listed = await client.devices.ListCameraSettings(device_pb2.ListCameraSettingsRequest(lease=lease))
            assert list(listed.settings) == []
            request = device_pb2.ChangeCameraSettingRequest(
                lease=lease, setting=device_pb2.CAMERA_SETTING_ISO, value="400"
            )
            told = await refused(client.devices.ChangeCameraSetting(request))
            assert told[:2] == ("INVALID_ARGUMENT", "SETTING_NOT_OFFERED")
        async with client.lease((await client.scanner()).device_id) as lease:
            request_of_scanner = device_pb2.ListCameraSettingsRequest(lease=lease)
            told = await refused(client.devices.ListCameraSettings(request_of_scanner))
            assert told[0] == "INVALID_ARGUMENT"

    async def test_command_line_sets_and_shows_them(self, reflex: InProcess, dslr_stub: DslrStub) -> None:
        camera = (await reflex.client.camera()).device_id
        token = await asyncio.to_thread(reflex.folder.issue_token, "op-tech", Role.TECHNICIAN)
        environment = {"ENROLL_SOCKET": str(reflex.folder.socket), "ENROLL_TOKEN": token, "COLUMNS": "200"}

        async def enrollctl(*arguments: str) -> tuple[int, str]:
            result = await asyncio.to_thread(CliRunner().invoke, enrollctl_main, arguments, env=environment)
            return result.exit_code, result.stdout

        status, said = await enrollctl("--json", "device", "settings", camera, "iso=1600", "aperture=f/4")
        assert status == 0
        values = {state["setting"]: state["value"] for state in json.loads(said)["settings"]}
        assert values["CAMERA_SETTING_ISO"] == "1600"
        assert values["CAMERA_SETTING_APERTURE"] == "f/4"
        known = dslr_stub.state()["settings"]
        assert (known["iso"], known["f_number"]) == (1600, 400)
        status, said = await enrollctl("--lang", "vi", "device", "settings", camera)
        assert status == 0
        assert "exposure-compensation" in said
        assert "bù sáng" in said
        status, said = await enrollctl("--json", "device", "settings", camera, "iso=1601")
        assert (status, json.loads(said)["error"]["reason"]) == (1, "SETTING_NOT_OFFERED")
        assert (await enrollctl("device", "settings", camera, "colour=red"))[0] == 2


def brightness(picture: Any) -> float:
    """Mean grey level of a preview picture, 0..255."""
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return float(image.mean())
