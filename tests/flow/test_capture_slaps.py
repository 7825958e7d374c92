"""Slaps through the daemon: a live platen, fingers cut out, judged one by one, and each kept at its best."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import grpc.aio
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from numpy.typing import NDArray

from enrollment.core.fingerprint import compare
from enrollment.core.records.iso19794_2_2005 import FingerMinutiaeRecord, template_from_record
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord, image_from_record
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, types_pb2
from firmware_stubs.fingers.hand import SlapKind, draw_hands
from firmware_stubs.fingers.master import make_master, person_finger_seed
from firmware_stubs.fingers.slap import make_slap
from tests.flow.running_station import Client, InProcess, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PERSON = 7
RIGHT_FOUR, LEFT_FOUR, TWO_THUMBS = 13, 14, 15
FINGERS = {RIGHT_FOUR: [2, 3, 4, 5], LEFT_FOUR: [7, 8, 9, 10], TWO_THUMBS: [1, 6]}
PLAN = "card-issue-slaps"
GREEN, RED = 1, 3  # of the protocol's LIGHTS
STRICT = """
plan_id = "strict-thumbs"
version = 1
title_vi = "Thử"
title_en = "Trial"
fingerprints = [
    { position = 14, impression = "slap" },
    { position = 15, impression = "slap", accept_score = 89, max_attempts = 2 },
    { position = 1, impression = "rolled", max_attempts = 1 },
    { position = 6, impression = "rolled", max_attempts = 1 },
]
"""


@pytest.fixture
async def at_tenprint(make_station: MakeStation, slap_scanner: TenPrintStub) -> AsyncIterator[InProcess]:
    """A station in this process with a ten-print scanner."""
    async with running_here(make_station([slap_scanner.url])) as running:
        yield running


@pytest.fixture
async def at_strict(make_station: MakeStation, slap_scanner: TenPrintStub, tmp_path: Path) -> AsyncIterator[InProcess]:
    """The same with a plan that is not content with one try of the thumbs."""
    (tmp_path / "strict.toml").write_text(STRICT, "utf-8")
    folder = make_station([slap_scanner.url], more_config=f'\n[plans]\nfolder = "{tmp_path}"\n')
    async with running_here(folder) as running:
        yield running


class Person:
    """Lays hands on the scanner as the events ask."""

    def __init__(self, stub: TenPrintStub) -> None:
        self.stub = stub

    async def follow(self, call: Any, position: int, impressions: tuple[int, ...] = (0,)) -> list[tuple[str, Any]]:
        """impressions: one a try, the last for all that follow."""
        events: list[tuple[str, Any]] = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            name = answer.WhichOneof("event")
            events.append((name, getattr(answer, name)))
            if name == "waiting":
                impression = impressions[min(answer.waiting.attempt, len(impressions)) - 1]
                await asyncio.to_thread(self.stub.lay_slap, PERSON, position, impression)
            elif name in ("lift_finger", "accepted", "exhausted"):
                await asyncio.to_thread(self.stub.lift)
        return events


@pytest.fixture
def person(slap_scanner: TenPrintStub) -> Person:
    return Person(slap_scanner)


def named(events: list[tuple[str, Any]], name: str) -> list[Any]:
    return [event for kind, event in events if kind == name]


async def until(call: Any, condition: Callable[[str, Any], bool]) -> Any:
    """Read events until one is as wanted; that one."""
    while (answer := await call.read()) is not grpc.aio.EOF:
        name = answer.WhichOneof("event")
        if condition(name, getattr(answer, name)):
            return getattr(answer, name)
    raise AssertionError("the capture ended before")


async def lit(stub: TenPrintStub, wanted: dict[int, int]) -> None:
    """Wait until these lamps are lit, by position, and no other is."""
    shown: dict[int, int] | None = None
    async with asyncio.timeout(10):
        while shown != wanted:
            state = await asyncio.to_thread(stub.control, "GET", "/state")
            shown = {position: colour for position, colour in enumerate(state["lights"], start=1) if colour}


async def open_strict(client: Client) -> dossier_pb2.Dossier:
    request = dossier_pb2.CreateDossierRequest(plan_id="strict-thumbs", request_id=str(uuid.uuid4()))
    return (await client.dossiers.CreateDossier(request)).dossier


async def missing_prints(client: Client, dossier_id: str) -> list[int]:
    return [int(item.name) for item in (await client.dossier(dossier_id)).missing if item.kind == "fingerprint"]


async def back(changes: Any) -> device_pb2.Device:
    answer: Any = await changes.read()
    return answer.device  # type: ignore[no-any-return]


def thumbs_with_the_skin_of(hand_side: int) -> NDArray[np.uint8]:
    """What no person has: two thumbs with the skin of the left index and middle finger."""
    skin = {6: make_master(person_finger_seed(PERSON, 7)), 1: make_master(person_finger_seed(PERSON, 8))}
    pixels = make_slap(skin, draw_hands(PERSON), SlapKind.TWO_THUMBS, hand_side, size=(1600, 1500)).pixels
    return np.asarray(pixels, np.uint8)


async def show(call: Any, stub: TenPrintStub, picture: NDArray[np.uint8], judged: list[Any]) -> None:
    """Lay one picture whenever a capture waits, and collect its verdicts until it ends."""
    while (answer := await call.read()) is not grpc.aio.EOF:
        match answer.WhichOneof("event"):
            case "waiting":
                await asyncio.to_thread(stub.lay, picture)
            case "lift_finger":
                await asyncio.to_thread(stub.lift)
            case "judged":
                judged.append(answer.judged)


async def parts_of(client: Client, dossier_id: str, name: str) -> bytes:
    request = dossier_pb2.ReadPartRequest(dossier_id=dossier_id, part_name=name)
    return b"".join([answer.chunk.content async for answer in client.dossiers.ReadPart(request)])


async def test_three_slaps_come_into_the_dossier_finger_by_finger(at_tenprint: InProcess, person: Person) -> None:
    client = at_tenprint.client
    dossier = await client.open_dossier(PLAN)
    async with client.lease((await client.scanner()).device_id) as lease:
        for position, fingers in FINGERS.items():
            events = await person.follow(client.capture_finger(dossier.dossier_id, lease, position), position)
            kind, outcome = events[-1]
            assert kind == "accepted", outcome
            assert [finger.position for finger in outcome.fingers] == fingers
            assert all(finger.accepted for finger in outcome.fingers)
            assert len(outcome.part_names) == 1 + 2 * len(fingers)
            order = [name for name, _ in events]
            assert order[0] in ("waiting", "lift_finger")
            assert order.index("finger_on") < order.index("judged")
            good = [live for live in named(events, "live") if live.steady_frames]
            assert good[-1].steady_frames == good[-1].steady_frames_needed == 5
            assert sorted(finger.position for finger in good[-1].fingers) == fingers
            assert all(finger.good for finger in good[-1].fingers)
    kept = await client.dossier(dossier.dossier_id)
    assert [item.kind for item in kept.missing] == ["portrait"]
    right = next(capture for capture in kept.captures if capture.position == RIGHT_FOUR)
    assert right.quality.score == min(finger.quality.score for finger in right.fingers)
    whole = await parts_of(client, dossier.dossier_id, "fingerprint-13.fir")
    assert image_from_record(FingerImageRecord.decode(whole)).pixels.shape == (1500, 1600)
    for finger in right.fingers:
        image_name, minutiae_name = finger.part_names
        image = FingerImageRecord.decode(await parts_of(client, dossier.dossier_id, image_name))
        minutiae = FingerMinutiaeRecord.decode(await parts_of(client, dossier.dossier_id, minutiae_name))
        assert image.views[0].position == minutiae.views[0].position == finger.position
        assert compare(template_from_record(minutiae), template_from_record(minutiae)) > 5.0
        assert len(template_from_record(minutiae)) > 15


async def test_a_retry_improves_the_weak_finger_and_keeps_the_good_one_of_the_try_before(
    at_strict: InProcess, person: Person
) -> None:
    client = at_strict.client
    dossier = await open_strict(client)
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS)
        events = await person.follow(call, TWO_THUMBS, impressions=(17, 8))
    first, second = named(events, "judged")
    better_left, better_right = ({finger.position: finger for finger in one.fingers} for one in (first, second))
    assert (better_left[6].acceptable, better_left[1].acceptable, first.acceptable) == (True, False, False)
    assert (better_right[6].acceptable, better_right[1].acceptable, second.acceptable) == (False, True, True)
    assert (better_right[6].best_attempt, better_right[1].best_attempt) == (1, 2)
    kind, outcome = events[-1]
    assert kind == "accepted"
    assert {finger.position: finger.kept_attempt for finger in outcome.fingers} == {6: 1, 1: 2}
    kept = {finger.position: finger.quality.score for finger in outcome.fingers}
    assert kept == {6: better_left[6].quality.score, 1: better_right[1].quality.score}


async def test_the_wrong_hand_is_named_and_lit_red_until_the_right_one_lies_there(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier(PLAN)
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR)
        await until(call, lambda name, _: name == "waiting")
        await asyncio.to_thread(stub.lay_slap, PERSON, LEFT_FOUR)
        live = await until(call, lambda name, event: name == "live" and event.hand == LEFT_FOUR)
        assert live.hints[0] == types_pb2.CAPTURE_HINT_OTHER_HAND
        assert live.findings[0].kind == capture_pb2.SLAP_FINDING_KIND_WRONG_HAND
        assert live.steady_frames == 0
        await lit(stub, dict.fromkeys(FINGERS[RIGHT_FOUR], RED))
        await asyncio.to_thread(stub.lay_slap, PERSON, RIGHT_FOUR)
        outcome = await until(call, lambda name, _: name in ("accepted", "exhausted"))
        assert [finger.position for finger in outcome.fingers] == FINGERS[RIGHT_FOUR]
        await lit(stub, dict.fromkeys(FINGERS[RIGHT_FOUR], GREEN))
        await asyncio.to_thread(stub.lift)
        await lit(stub, {})


async def test_a_missing_finger_is_named_and_the_slap_is_taken_once_it_is_excused(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier(PLAN)
    which: dict[str, Any] = {"dossier_id": dossier.dossier_id, "position": types_pb2.FINGER_POSITION_RIGHT_LITTLE}
    await asyncio.to_thread(stub.lay_slap, PERSON, RIGHT_FOUR, missing=5)  # drawn before the time runs
    await asyncio.to_thread(stub.lift)
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR, finger_timeout=Duration(seconds=3))
        await until(call, lambda name, _: name == "waiting")
        await asyncio.to_thread(stub.lay_slap, PERSON, RIGHT_FOUR, missing=5)
        live = await until(call, lambda name, event: name == "live" and len(event.fingers) == 3)
        assert list(live.missing) == [5]
        assert types_pb2.CAPTURE_HINT_MORE_FINGERS in live.hints
        assert (await refused(call))[:2] == ("DEADLINE_EXCEEDED", "CAPTURE_TIMED_OUT")
        assert (await client.dossier(dossier.dossier_id)).captures == []
        await lit(stub, {})
        bandaged = types_pb2.FINGER_ABSENCE_BANDAGED
        await client.dossiers.RecordFingerAbsence(
            dossier_pb2.RecordFingerAbsenceRequest(absence=bandaged, description="băng gạc", **which)
        )
        call = client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR)
        outcome = await until(call, lambda name, _: name == "accepted")
        assert [finger.position for finger in outcome.fingers] == [2, 3, 4]
        await asyncio.to_thread(stub.lift)
        assert RIGHT_FOUR not in await missing_prints(client, dossier.dossier_id)
        await client.dossiers.WithdrawFingerAbsence(dossier_pb2.WithdrawFingerAbsenceRequest(**which))
        assert RIGHT_FOUR in await missing_prints(client, dossier.dossier_id)
        events = await person.follow(
            client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR, replace=True), RIGHT_FOUR
        )
        assert [finger.position for finger in events[-1][1].fingers] == FINGERS[RIGHT_FOUR]
        assert RIGHT_FOUR not in await missing_prints(client, dossier.dossier_id)
        excuse = client.dossiers.RecordFingerAbsence(dossier_pb2.RecordFingerAbsenceRequest(absence=bandaged, **which))
        assert (await refused(excuse))[:2] == ("ALREADY_EXISTS", "POSITION_ALREADY_CAPTURED")


async def test_a_group_whose_fingers_are_all_absent_is_not_asked_for(at_tenprint: InProcess) -> None:
    client = at_tenprint.client
    dossier = await client.open_dossier(PLAN)
    for thumb in FINGERS[TWO_THUMBS]:
        position: Any = thumb
        await client.dossiers.RecordFingerAbsence(
            dossier_pb2.RecordFingerAbsenceRequest(
                dossier_id=dossier.dossier_id, position=position, absence=types_pb2.FINGER_ABSENCE_AMPUTATED
            )
        )
    assert TWO_THUMBS not in await missing_prints(client, dossier.dossier_id)
    async with client.lease((await client.scanner()).device_id) as lease:
        told = await refused(client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS))
    assert told[:2] == ("FAILED_PRECONDITION", "FINGERS_ABSENT")


async def test_fingers_of_the_hand_before_are_named_and_never_stored(at_strict: InProcess, person: Person) -> None:
    client, stub = at_strict.client, person.stub
    dossier = await open_strict(client)
    disguised = thumbs_with_the_skin_of(1)
    async with client.lease((await client.scanner()).device_id) as lease:
        events = await person.follow(client.capture_finger(dossier.dossier_id, lease, LEFT_FOUR), LEFT_FOUR)
        assert events[-1][0] == "accepted"
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS)
        seen: list[Any] = []
        assert (await refused(show(call, stub, disguised, seen)))[:2] == ("FAILED_PRECONDITION", "SAME_FINGER")
    assert len(seen) == 2
    for judged in seen:
        assert {finger.position: finger.same_as for finger in judged.fingers} == {6: 7, 1: 8}
        assert judged.hint == types_pb2.CAPTURE_HINT_SAME_FINGER
    assert [capture.position for capture in (await client.dossier(dossier.dossier_id)).captures] == [LEFT_FOUR]


async def test_the_same_request_again_tells_the_stored_fingers_and_a_second_capture_needs_replace(
    at_tenprint: InProcess, person: Person
) -> None:
    client = at_tenprint.client
    dossier = await client.open_dossier(PLAN)
    request_id = str(uuid.uuid4())
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS, request_id=request_id)
        first = await person.follow(call, TWO_THUMBS)
        again = await person.follow(
            client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS, request_id=request_id), TWO_THUMBS
        )
        assert [name for name, _ in again] == ["accepted"]
        assert again[0][1].fingers == first[-1][1].fingers
        told = await refused(client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS))
        assert told[:2] == ("ALREADY_EXISTS", "POSITION_ALREADY_CAPTURED")


async def test_the_preview_shows_the_platen_with_the_verdict_on_the_same_frame(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier(PLAN)
    async with client.lease((await client.scanner()).device_id) as lease:
        request = capture_pb2.WatchPreviewRequest(lease=lease, max_side_px=320, max_frames_per_second=30)
        preview = client.capture.WatchPreview(request)
        call = client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR)
        await until(call, lambda name, _: name == "waiting")
        bare: Any = await preview.read()
        assert list(bare.live.hints) == [types_pb2.CAPTURE_HINT_PLACE_FINGERS]
        await asyncio.to_thread(stub.lay_slap, PERSON, LEFT_FOUR)  # stays on the live platen: it is the wrong hand
        shown: Any = await preview.read()
        while not shown.live.fingers:
            shown = await preview.read()
        assert shown.live.sequence == shown.sequence
        picture = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert picture.shape == (300, 320)
        scale = 320 / shown.live.width_px
        for finger in shown.live.fingers:
            at = picture[int(finger.centre_y_px * scale), int(finger.centre_x_px * scale) - 8 :][:16]
            assert at.mean() < 0.9 * picture[0, :16].mean(), "ink in the middle of each box"
        preview.cancel()
        call.cancel()


@pytest.mark.parametrize("moment", ["waiting", "live", "judged", "lift_finger"])
async def test_a_client_that_cancels_at_any_moment_leaves_the_platen_to_the_next_capture(
    at_strict: InProcess, person: Person, moment: str
) -> None:
    client, stub = at_strict.client, person.stub
    dossier = await open_strict(client)
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS)
        await until(call, lambda name, _: name == "waiting")
        if moment != "waiting":
            await asyncio.to_thread(stub.lay_slap, PERSON, TWO_THUMBS, 17)  # not good enough
            await until(call, lambda name, event: name == moment and (name != "live" or bool(event.fingers)))
        call.cancel()
        await asyncio.to_thread(stub.lift)
        events = await person.follow(
            client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS), TWO_THUMBS, impressions=(0, 2)
        )
        assert events[-1][0] == "accepted"
        assert len((await client.dossier(dossier.dossier_id)).captures) == 1


async def test_a_scanner_unplugged_while_it_streams_ends_the_capture_and_works_when_it_is_back(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier(PLAN)
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS)
        await until(call, lambda name, _: name == "live")
        await asyncio.to_thread(stub.unplug)
        assert (await refused(call))[:2] == ("UNAVAILABLE", "DEVICE_GONE")
    assert (await client.dossier(dossier.dossier_id)).captures == []
    await asyncio.to_thread(stub.plug)
    changes = client.devices.WatchDevices(device_pb2.WatchDevicesRequest())
    while (await back(changes)).generation == scanner.generation:
        pass
    async with client.lease(scanner.device_id) as lease:
        events = await person.follow(client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS), TWO_THUMBS)
        assert events[-1][0] == "accepted"


async def test_a_scanner_of_single_fingers_is_refused_for_a_slap(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier(PLAN)
    async with client.lease((await client.scanner()).device_id) as lease:
        told = await refused(client.capture_finger(dossier.dossier_id, lease, RIGHT_FOUR))
    assert told[:2] == ("INVALID_ARGUMENT", "DEVICE_WRONG_KIND")


async def rolled(stub: TenPrintStub, call: Any, person: int, finger: int, roll_ms: int = 400) -> list[tuple[str, Any]]:
    """Roll a person's finger when it is asked for; all events."""
    events: list[tuple[str, Any]] = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        name = answer.WhichOneof("event")
        events.append((name, getattr(answer, name)))
        if name == "waiting":
            await asyncio.to_thread(stub.roll, person, finger, roll_ms)
        elif name in ("lift_finger", "accepted", "exhausted"):
            await asyncio.to_thread(stub.lift)
    return events


async def test_a_rolled_finger_is_taken_at_its_end_and_checked_against_its_slap(
    at_strict: InProcess, person: Person
) -> None:
    client, stub = at_strict.client, person.stub
    await asyncio.to_thread(stub.roll, PERSON, 1, 1)
    await asyncio.to_thread(stub.lift)
    dossier = await open_strict(client)
    async with client.lease((await client.scanner()).device_id) as lease:
        await person.follow(client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS), TWO_THUMBS, (0, 2))
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        events = await rolled(stub, call, PERSON, 1, roll_ms=1500)  # it is to be seen while it grows
        assert events[-1][0] == "accepted"
        growing = [live for live in named(events, "live") if live.fingers]
        assert growing[0].fingers[0].width_px < growing[-1].fingers[0].width_px
        assert types_pb2.CAPTURE_HINT_ROLL_FINGER in growing[0].hints
        assert not growing[-1].hints
        record = FingerImageRecord.decode(await parts_of(client, dossier.dossier_id, "fingerprint-01.fir"))
        assert (record.views[0].impression, record.views[0].position) == (1, 1)
        assert record.views[0].width > 500 * 25 / 25.4
        again = client.capture_finger(dossier.dossier_id, lease, 6)
        assert (await refused(rolled(stub, again, PERSON, 1)))[:2] == ("FAILED_PRECONDITION", "SAME_FINGER")
    kept = await client.dossier(dossier.dossier_id)
    assert [capture.position for capture in kept.captures] == [1, TWO_THUMBS]


async def test_another_persons_rolled_fingers_are_told_from_the_slap_of_the_first(
    at_strict: InProcess, person: Person
) -> None:
    client, stub = at_strict.client, person.stub
    strangers = {1: 3, 6: 4}  # a dossier that holds thumbs alone does not know these fingers
    for finger in strangers.values():  # drawn before the scanner streams, and laid again when it is asked for
        await asyncio.to_thread(stub.roll, PERSON, finger, 1)
    await asyncio.to_thread(stub.lift)
    dossier = await open_strict(client)
    async with client.lease((await client.scanner()).device_id) as lease:
        await person.follow(client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS), TWO_THUMBS, (0, 2))
        events = await rolled(stub, client.capture_finger(dossier.dossier_id, lease, 1), PERSON, strangers[1])
        assert events[-1][0] == "exhausted", "one finger that does not match may be a poor print"
        (judged,) = named(events, "judged")
        assert judged.hint == types_pb2.CAPTURE_HINT_OTHER_FINGER
        call = client.capture_finger(dossier.dossier_id, lease, 6)
        assert (await refused(rolled(stub, call, PERSON, strangers[6])))[:2] == ("FAILED_PRECONDITION", "OTHER_PERSON")


async def test_a_single_flat_finger_on_the_live_platen_is_taken_when_it_lies_still_and_cut_out(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier("card-issue")
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        await until(call, lambda name, _: name == "waiting")
        await asyncio.to_thread(stub.lay_slap, PERSON, TWO_THUMBS, missing=6)
        live = await until(call, lambda name, event: name == "live" and bool(event.steady_frames))
        assert [finger.position for finger in live.fingers] == [1]
        await lit(stub, {1: GREEN})
        outcome = await until(call, lambda name, _: name == "accepted")
        await asyncio.to_thread(stub.lift)
    assert list(outcome.part_names) == ["fingerprint-01.fir", "fingerprint-01.fmr"]
    record = FingerImageRecord.decode(await parts_of(client, dossier.dossier_id, "fingerprint-01.fir"))
    assert record.views[0].width < 600


async def test_a_lease_that_is_taken_over_while_the_platen_is_live_ends_the_capture_and_stores_nothing(
    at_tenprint: InProcess, person: Person
) -> None:
    client, stub = at_tenprint.client, person.stub
    dossier = await client.open_dossier(PLAN)
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, TWO_THUMBS)
        await until(call, lambda name, _: name == "live")
        at_tenprint.station.leases.take_over(scanner.device_id)
        await asyncio.to_thread(stub.lay_slap, PERSON, TWO_THUMBS)
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "LEASE_NOT_YOURS")
    assert (await client.dossier(dossier.dossier_id)).captures == []
    await lit(stub, {})
