"""Real portraits before the camera: the frame goes over the wire as MJPEG, and the session judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from enrollment.v1 import capture_pb2, dossier_pb2, types_pb2
from firmware_stubs.portrait import schematic_portrait
from tests.flow.running_station import InProcess, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PORTRAITS = Path(__file__).parents[3] / "shared" / "data" / "portraits"
needs_portraits = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(not PORTRAITS.is_dir(), reason="no portraits beside the repository"),
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody in these pictures moves, so that nobody need wait for it; the camera's waking up is waited for to its end.

    The driver gives that up after 3 s, in which a busy machine may not get through the frames that the model sends.
    """
    monkeypatch.setattr("enrollment.service.capture.face_session.TRY_PACE_S", 0.0)
    monkeypatch.setattr("drivers.camera.opencv._WARM_UP_LIMIT_S", 30.0)


@pytest.fixture
def show(camera_stub: CameraStub) -> Iterator[Callable[[str], None]]:
    """Puts a portrait before the lens; the drawn one is back afterwards."""
    yield lambda name: camera_stub.control("PUT", "/scene", (PORTRAITS / name).read_bytes())
    camera_stub.control("PUT", "/scene?portrait=1")


async def portrait_of(here: InProcess) -> tuple[list[str], dossier_pb2.Dossier, list[types_pb2.Quality]]:
    """Capture a portrait of what stands there: names of the events, the dossier after it, the qualities judged."""
    dossier = await here.client.open_dossier()
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        answers = [answer async for answer in here.client.capture_portrait(dossier.dossier_id, lease)]
    judged = [answer.judged.quality for answer in answers if answer.WhichOneof("event") == "judged"]
    return [answer.WhichOneof("event") for answer in answers], await here.client.dossier(dossier.dossier_id), judged


class TestRealPortraits:
    pytestmark = needs_portraits

    @pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg", "defects/001_ok.jpg", "defects/006_ok.jpg"])
    async def test_a_good_portrait_is_accepted_at_the_first_frame(
        self, here: InProcess, show: Callable[[str], None], name: str
    ) -> None:
        show(name)
        events, dossier, judged = await portrait_of(here)
        assert events == ["waiting", "judged", "accepted"]
        assert judged[0].algorithm == "portrait-window"
        assert [capture.accepted for capture in dossier.captures] == [True]

    @pytest.mark.parametrize("person", ["001", "006"])
    @pytest.mark.parametrize(
        ("defect", "hint"),
        [
            ("dark", types_pb2.CAPTURE_HINT_TOO_DARK),
            ("over", types_pb2.CAPTURE_HINT_TOO_BRIGHT),
            ("blur3", types_pb2.CAPTURE_HINT_BLURRED),
            ("motion15", types_pb2.CAPTURE_HINT_BLURRED),
        ],
    )
    async def test_a_spoilt_portrait_is_never_accepted_and_the_best_frame_is_kept_and_marked(
        self,
        here: InProcess,
        show: Callable[[str], None],
        person: str,
        defect: str,
        hint: types_pb2.CaptureHint.ValueType,
    ) -> None:
        show(f"defects/{person}_{defect}.jpg")
        events, dossier, judged = await portrait_of(here)
        assert events[-1] == "exhausted"
        assert len(judged) == dossier.plan.portrait.max_attempts
        assert all(quality.hints[0] == hint for quality in judged)
        assert dossier.captures[0].quality.score == max(quality.score for quality in judged)
        assert not dossier.captures[0].accepted


@pytest.mark.parametrize(
    ("gain", "offset", "blur", "hint"),
    [
        (0.12, 0, 0, types_pb2.CAPTURE_HINT_TOO_DARK),
        (2.6, 90, 0, types_pb2.CAPTURE_HINT_TOO_BRIGHT),
        (1.0, 0, 12, types_pb2.CAPTURE_HINT_BLURRED),
    ],
)
async def test_what_is_wrong_with_the_light_or_the_lens_is_told_of_each_frame(
    here: InProcess,
    camera_stub: CameraStub,
    show: Callable[[str], None],
    gain: float,
    offset: float,
    blur: float,
    hint: types_pb2.CaptureHint.ValueType,
) -> None:
    scene = cv2.convertScaleAbs(schematic_portrait(1), alpha=gain, beta=offset)
    if blur:
        scene = cv2.GaussianBlur(scene, (0, 0), blur)
    camera_stub.control("PUT", "/scene", cv2.imencode(".png", scene)[1].tobytes())
    events, dossier, judged = await portrait_of(here)
    assert events[-1] == "exhausted"
    assert len(judged) == dossier.plan.portrait.max_attempts
    assert {quality.hints[0] for quality in judged} == {hint}


async def test_the_stored_portrait_is_the_whole_frame(here: InProcess) -> None:
    _, dossier, _ = await portrait_of(here)
    request = dossier_pb2.ReadPartRequest(dossier_id=dossier.dossier_id, part_name="portrait.jpg")
    content = b"".join([answer.chunk.content async for answer in here.client.dossiers.ReadPart(request)])
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (1080, 1920, 3)


async def test_a_camera_whose_frames_are_too_small_for_the_plan_is_refused_at_once(
    make_station: MakeStation, camera_stub: CameraStub
) -> None:
    folder = make_station([camera_stub.url], None, '\n[plans]\nfolder = "plans"\n')
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "large.toml").write_text(
        'plan_id = "large"\nversion = 1\ntitle_vi = "Lớn"\ntitle_en = "Large"\n'
        "[portrait]\nmin_width_px = 3000\nmin_height_px = 2000\n",
        "utf-8",
    )
    async with running_here(folder) as here:
        opened = await here.client.dossiers.CreateDossier(dossier_pb2.CreateDossierRequest(plan_id="large"))
        async with here.client.lease((await here.client.camera()).device_id) as lease:
            told = await refused(here.client.capture_portrait(opened.dossier.dossier_id, lease))
        assert told[:2] == ("FAILED_PRECONDITION", "PORTRAIT_TOO_SMALL")
        assert told[2]["width"] == "1920"


async def test_a_portrait_that_is_there_is_replaced_only_on_demand(here: InProcess) -> None:
    client = here.client
    _, dossier, _ = await portrait_of(here)
    async with client.lease((await client.camera()).device_id) as lease:
        told = await refused(client.capture_portrait(dossier.dossier_id, lease))
        assert told[:2] == ("ALREADY_EXISTS", "POSITION_ALREADY_CAPTURED")
        answers = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease, replace=True)]
    kept = await client.dossier(dossier.dossier_id)
    assert [capture.capture_id for capture in kept.captures] == [answers[-1].accepted.capture_id]
    assert kept.captures[0].capture_id != dossier.captures[0].capture_id


async def test_no_frame_of_a_camera_that_is_still_waking_up_is_shown_or_judged(here: InProcess) -> None:
    async with here.client.lease((await here.client.camera()).device_id) as lease:
        call = here.client.capture.WatchPreview(
            capture_pb2.WatchPreviewRequest(lease=lease, max_side_px=64, max_frames_per_second=30)
        )
        levels = []
        for _ in range(12):
            picture: Any = await call.read()
            image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            levels.append(float(image.mean()))
        call.cancel()
    assert min(levels) > 0.95 * max(levels)  # the model's first ten frames come at 15 to 92 % of the light
