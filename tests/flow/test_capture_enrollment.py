"""One person from the first finger to the receipt, and what the API refuses on the way; the station runs in process."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import cv2
import grpc.aio
import numpy as np
import pytest
from numpy.typing import NDArray

from enrollment.core.fingerprint import compare
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.core.sealing.public_keys import decode_registry_trust
from enrollment.core.sealing.receipt import verify_receipt
from enrollment.v1 import capture_pb2, device_pb2, dossier_pb2, outbox_pb2, types_pb2
from firmware_stubs.fingers import finger_image
from tests.flow.running_station import Client, Hands, InProcess, MakeStation, RegistryProcess, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import CameraStub, ScannerStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

UNKNOWN = "01890000-0000-7000-8000-000000000000"


async def read_part(client: Client, dossier_id: str, name: str) -> bytes:
    """A part put together from its pieces, each in its place."""
    content, total = b"", -1
    async for answer in client.dossiers.ReadPart(dossier_pb2.ReadPartRequest(dossier_id=dossier_id, part_name=name)):
        assert answer.chunk.offset == len(content)
        assert 0 < len(answer.chunk.content) <= 256 * 1024
        content += answer.chunk.content
        total = answer.chunk.total_bytes
    assert len(content) == total
    return content


async def test_ten_fingers_a_portrait_and_the_registrys_receipt(
    make_station: MakeStation,
    scanner_stub: ScannerStub,
    camera_stub: CameraStub,
    registry_process: RegistryProcess,
    hands: Hands,
) -> None:
    folder = make_station([scanner_stub.url, camera_stub.url], registry_process)
    async with running_here(folder) as here:
        client = here.client
        dossier = await client.open_dossier()
        assert len(dossier.missing) == 11
        scanner, camera = await client.scanner(), await client.camera()
        async with client.lease(scanner.device_id) as lease:
            for planned in dossier.plan.fingerprints:
                events = await hands.follow(
                    client.capture_finger(dossier.dossier_id, lease, planned.position), finger=planned.position
                )
                assert events[-1][0] in ("accepted", "exhausted")
        async with client.lease(camera.device_id) as lease:
            portrait = [answer async for answer in client.capture_portrait(dossier.dossier_id, lease)]
        # On a starved machine the frames may come too late for the plan; the best one is kept all the same.
        assert portrait[-1].WhichOneof("event") in ("accepted", "exhausted")

        completed = await client.dossiers.CompleteDossier(
            dossier_pb2.CompleteDossierRequest(dossier_id=dossier.dossier_id)
        )
        assert completed.dossier.state >= dossier_pb2.DOSSIER_STATE_COMPLETE
        assert not completed.dossier.missing
        package = await acknowledged(client, dossier.dossier_id)

        receipt = await client.outbox.GetReceipt(outbox_pb2.GetReceiptRequest(package_id=package.package_id))
        content = b""
        async for answer in client.outbox.ReadPackage(outbox_pb2.ReadPackageRequest(package_id=package.package_id)):
            assert answer.chunk.offset == len(content)
            content += answer.chunk.content
        digest = hashlib.sha256(content)
        assert digest.hexdigest() == package.sha256 == receipt.package_sha256
        key = decode_registry_trust(receipt.registry_trust).receipt_key
        held = verify_receipt(receipt.receipt, {key.key_id: key}, digest.digest())
        assert (held.station_id, held.sequence) == (folder.station_id, 1)

        ledger = await client.outbox.GetLedger(outbox_pb2.GetLedgerRequest())
        assert [ledger.opened, ledger.collected, ledger.sealed, ledger.sent, ledger.acknowledged] == [1] * 5
        assert not ledger.unacknowledged_sequences
        kept = await client.dossier(dossier.dossier_id)
        assert kept.state == dossier_pb2.DOSSIER_STATE_ACKNOWLEDGED
        assert kept.package_sha256 == package.sha256
        assert {capture.operator_id for capture in kept.captures} == {"op-1"}
    assert registry_process.packages_of(folder.station_id) == 1


async def acknowledged(client: Client, dossier_id: str) -> outbox_pb2.Package:
    """Watch a dossier's package until the registry's receipt is stored; the stream ends by itself then."""
    states = []
    package = outbox_pb2.Package()
    async for answer in client.outbox.WatchPackage(outbox_pb2.WatchPackageRequest(dossier_id=dossier_id), timeout=30):
        package = answer.package
        states.append(package.state)
    assert states[-1] == outbox_pb2.PACKAGE_STATE_ACKNOWLEDGED
    assert package.sent_bytes == package.size_bytes
    return package


async def test_the_stored_records_are_iso_records_of_the_frame_that_was_judged(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        events = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 7), finger=77)
    name, outcome = events[-1]
    assert name in ("accepted", "exhausted")
    assert list(outcome.part_names) == ["fingerprint-07.fir", "fingerprint-07.fmr"]
    image_record = iso19794_4_2005.FingerImageRecord.decode(
        await read_part(client, dossier.dossier_id, "fingerprint-07.fir")
    )
    minutiae_record = iso19794_2_2005.FingerMinutiaeRecord.decode(
        await read_part(client, dossier.dossier_id, "fingerprint-07.fmr")
    )
    image = iso19794_4_2005.image_from_record(image_record)
    assert image.pixels.shape == (290, 384)
    assert image_record.views[0].position == minutiae_record.views[0].position == 7
    assert minutiae_record.views[0].quality == outcome.quality.score
    template = iso19794_2_2005.template_from_record(minutiae_record)
    judged = next(event for kind, event in events if kind == "judged" and event.attempt == outcome.kept_attempt)
    assert len(template) == judged.minutiae
    assert compare(template, template) > 2
    kept = await client.dossier(dossier.dossier_id)
    assert [part.sha256 for part in kept.captures[0].parts] == [
        hashlib.sha256(record.encode()).hexdigest() for record in (image_record, minutiae_record)
    ]


async def test_every_stage_of_the_kept_try_is_timed(here: InProcess, hands: Hands) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        events = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 1), finger=1)
    times = events[-1][1].times
    assert times.device_ms > 0
    assert times.judge_ms > 0
    assert times.compare_ms >= 0
    assert times.record_ms > 0
    assert times.store_ms > 0
    judged = next(event for kind, event in events if kind == "judged")
    assert judged.times.device_ms > 0
    assert judged.times.store_ms == 0


def smear() -> bytes:
    """A picture that shows skin and no ridges: blotches without direction."""
    noise = np.random.default_rng(3).normal(0, 1, (290, 384)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 9)
    pixels = np.clip(128 + 900 * blotches, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


async def test_a_poor_try_asks_for_another_and_the_better_one_is_kept(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 2)
        names: list[str] = []
        last: Any = None
        while (answer := await call.read()) is not grpc.aio.EOF:
            last = getattr(answer, answer.WhichOneof("event"))
            if last == capture_pb2.LiftFinger(attempt=0):  # to look at the empty platen took a busy machine long
                continue
            names.append(answer.WhichOneof("event"))
            if names[-1] == "waiting" and last.attempt == 1:
                scanner_stub.control("PUT", "/platen", smear())
            elif names[-1] == "waiting":
                await hands.lay(finger=2)
            elif names[-1] == "judged" and last.attempt == 1:
                assert not last.acceptable
                assert last.hint != types_pb2.CAPTURE_HINT_UNSPECIFIED
                assert last.quality.hints
            elif names[-1] == "lift_finger":
                await hands.lift()
    first_try = ["waiting", "finger_on", "judged", "lift_finger"]
    assert names == [*first_try, "waiting", "finger_on", "judged", "accepted"]
    assert (last.kept_attempt, last.attempts) == (2, 2)


async def test_when_the_plans_tries_are_used_the_best_one_is_kept_and_marked(
    here: InProcess, hands: Hands, scanner_stub: ScannerStub
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    tries = dossier.plan.fingerprints[0].max_attempts
    scores: list[int] = []
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        async for answer in call:
            match answer.WhichOneof("event"):
                case "waiting":
                    scanner_stub.control("PUT", "/platen", smear())
                case "judged":
                    scores.append(answer.judged.quality.score)
                case "lift_finger":
                    await hands.lift()
    assert answer.WhichOneof("event") == "exhausted"
    assert len(scores) == answer.exhausted.attempts == tries
    assert answer.exhausted.quality.score == max(scores)
    kept = await client.dossier(dossier.dossier_id)
    assert [capture.accepted for capture in kept.captures] == [False]


def veiled(picture: NDArray[np.uint8], share: float) -> bytes:
    """A print of which so much is lost in noise, as a PNG."""
    noise = np.random.default_rng(5).normal(128, 60, picture.shape)
    mixed = np.clip((1 - share) * picture + share * noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", mixed)[1].tobytes()


async def test_the_best_of_several_tries_is_kept_wherever_it_comes_and_it_is_its_image_that_is_stored(
    make_station: MakeStation, scanner_stub: ScannerStub
) -> None:
    folder = make_station([scanner_stub.url], None, '\n[plans]\nfolder = "plans"\n')
    (folder.folder / "plans").mkdir()
    (folder.folder / "plans" / "strict.toml").write_text(
        'plan_id = "strict"\nversion = 1\ntitle_vi = "Khó"\ntitle_en = "Strict"\n'
        '[[fingerprints]]\nposition = 1\nimpression = "flat"\naccept_score = 100\nmax_attempts = 3\n',
        "utf-8",
    )
    finger = finger_image(1, 0)
    tries = [veiled(finger, share) for share in (0.75, 0.1, 0.6)]
    scores: list[int] = []
    pictures: list[NDArray[np.uint8]] = []
    async with running_here(folder) as here:
        client = here.client
        request = dossier_pb2.CreateDossierRequest(plan_id="strict", request_id=str(uuid.uuid4()))
        dossier = (await client.dossiers.CreateDossier(request)).dossier
        async with client.lease((await client.scanner()).device_id) as lease:
            async for answer in client.capture_finger(dossier.dossier_id, lease, 1):
                match answer.WhichOneof("event"):
                    case "waiting":
                        await asyncio.to_thread(scanner_stub.control, "PUT", "/platen", tries[len(scores)])
                        pictures.append(await asyncio.to_thread(scanner_stub.picture))
                    case "judged":
                        scores.append(answer.judged.quality.score)
                    case "lift_finger":
                        await asyncio.to_thread(scanner_stub.lift)
        record = await read_part(client, dossier.dossier_id, "fingerprint-01.fir")
    assert scores[1] > max(scores[0], scores[2])
    assert (answer.exhausted.kept_attempt, answer.exhausted.attempts) == (2, 3)
    assert answer.exhausted.quality.score == scores[1]
    stored = iso19794_4_2005.image_from_record(iso19794_4_2005.FingerImageRecord.decode(record)).pixels
    differences = [float(np.abs(stored.astype(np.float32) - picture).mean()) for picture in pictures]
    assert differences.index(min(differences)) == 1


async def test_a_finger_that_is_already_there_under_another_position_is_never_stored(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        await hands.follow(client.capture_finger(dossier.dossier_id, lease, 1), finger=40)
        seen: list[Any] = []

        async def show_the_thumb_again(call: Any) -> None:
            while (answer := await call.read()) is not grpc.aio.EOF:
                seen.append(answer)
                match answer.WhichOneof("event"):
                    case "waiting":
                        await hands.lay(finger=40, impression=answer.waiting.attempt)
                    case "lift_finger":
                        await hands.lift()

        call = client.capture_finger(dossier.dossier_id, lease, 2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await show_the_thumb_again(call)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    judged = [answer.judged for answer in seen if answer.WhichOneof("event") == "judged"]
    assert {judgement.same_as for judgement in judged} == {types_pb2.FINGER_POSITION_RIGHT_THUMB}
    assert {judgement.hint for judgement in judged} == {types_pb2.CAPTURE_HINT_SAME_FINGER}
    kept = await client.dossier(dossier.dossier_id)
    assert [capture.position for capture in kept.captures] == [1]


async def test_the_same_position_twice_is_refused_before_the_person_is_asked_and_replaced_on_demand(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        first = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 3), finger=3)
        again = await refused(client.capture_finger(dossier.dossier_id, lease, 3))
        assert again[:2] == ("ALREADY_EXISTS", "POSITION_ALREADY_CAPTURED")
        assert again[2]["position"] == "3"
        second = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 3, replace=True), finger=33)
        moved = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 4), finger=3)
    assert not any(event.same_as for name, event in moved if name == "judged"), "what was replaced is compared no more"
    kept = await client.dossier(dossier.dossier_id)
    assert [capture.capture_id for capture in kept.captures] == [second[-1][1].capture_id, moved[-1][1].capture_id]
    assert second[-1][1].capture_id != first[-1][1].capture_id


async def test_the_same_request_again_tells_the_stored_outcome_and_asks_nobody(here: InProcess, hands: Hands) -> None:
    client = here.client
    dossier = await client.open_dossier()
    request_id = str(uuid.uuid4())
    async with client.lease((await client.scanner()).device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 4, request_id=request_id)
        first = await hands.follow(call, finger=4)
        again = await hands.follow(client.capture_finger(dossier.dossier_id, lease, 4, request_id=request_id), finger=4)
        assert [name for name, _ in again] == [first[-1][0]]
        assert again[0][1].capture_id == first[-1][1].capture_id
        assert again[0][1].part_names == first[-1][1].part_names
        other = await refused(client.capture_finger(dossier.dossier_id, lease, 5, request_id=request_id))
        assert other[:2] == ("ALREADY_EXISTS", "REQUEST_ID_CONFLICT")


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        ({"dossier_id": UNKNOWN}, "NOT_FOUND", "DOSSIER_UNKNOWN"),
        ({"dossier_id": "the red one"}, "INVALID_ARGUMENT", "MALFORMED_REQUEST"),
        ({"position": 13}, "INVALID_ARGUMENT", "POSITION_NOT_IN_PLAN"),
        ({"position": 0}, "INVALID_ARGUMENT", "MALFORMED_REQUEST"),
        ({"position": 12}, "INVALID_ARGUMENT", "MALFORMED_REQUEST"),
        ({"impression": types_pb2.IMPRESSION_ROLLED}, "INVALID_ARGUMENT", "POSITION_NOT_IN_PLAN"),
        ({"request_id": "again"}, "INVALID_ARGUMENT", "MALFORMED_REQUEST"),
    ],
)
async def test_an_order_that_cannot_be_carried_out_is_refused(
    here: InProcess, wrong: dict[str, Any], code: str, reason: str
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.scanner()).device_id) as lease:
        order: dict[str, Any] = {"dossier_id": dossier.dossier_id, "position": 1} | wrong
        dossier_id, position = order.pop("dossier_id"), order.pop("position")
        assert (await refused(client.capture_finger(dossier_id, lease, position, **order)))[:2] == (code, reason)


async def test_a_dossier_that_was_given_up_takes_no_capture(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier()
    await client.dossiers.AbandonDossier(
        dossier_pb2.AbandonDossierRequest(dossier_id=dossier.dossier_id, reason="left the queue")
    )
    async with client.lease((await client.scanner()).device_id) as lease:
        told = await refused(client.capture_finger(dossier.dossier_id, lease, 1))
    assert told[:2] == ("FAILED_PRECONDITION", "DOSSIER_NOT_OPEN")
    async with client.lease((await client.camera()).device_id) as lease:
        told = await refused(client.capture_portrait(dossier.dossier_id, lease))
    assert told[:2] == ("FAILED_PRECONDITION", "DOSSIER_NOT_OPEN")


async def test_a_lease_of_the_wrong_device_is_refused(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier()
    async with client.lease((await client.camera()).device_id) as lease:
        told = await refused(client.capture_finger(dossier.dossier_id, lease, 1))
    assert told[:2] == ("INVALID_ARGUMENT", "DEVICE_WRONG_KIND")
    async with client.lease((await client.scanner()).device_id) as lease:
        told = await refused(client.capture_portrait(dossier.dossier_id, lease))
    assert told[:2] == ("INVALID_ARGUMENT", "DEVICE_WRONG_KIND")


async def test_an_incomplete_dossier_is_not_completed_and_says_what_is_missing(here: InProcess) -> None:
    client = here.client
    dossier = await client.open_dossier()
    request = dossier_pb2.CompleteDossierRequest(dossier_id=dossier.dossier_id)
    code, reason, facts = await refused(client.dossiers.CompleteDossier(request))
    assert (code, reason, facts["count"]) == ("FAILED_PRECONDITION", "DOSSIER_INCOMPLETE", "11")


async def test_the_device_shows_who_uses_it_and_the_finger_before_is_asked_to_leave(
    here: InProcess, hands: Hands
) -> None:
    client = here.client
    dossier = await client.open_dossier()
    scanner = await client.scanner()
    async with client.lease(scanner.device_id) as lease:
        call = client.capture_finger(dossier.dossier_id, lease, 1)
        names = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            names.append(answer.WhichOneof("event"))
            if names[-1] == "waiting":
                busy = await client.scanner()
                assert busy.state == device_pb2.DEVICE_STATE_BUSY
                assert busy.lease_holder.operator_id == "op-1"
                await hands.lay(finger=1, impression=answer.waiting.attempt - 1)
            elif names[-1] == "lift_finger":
                await hands.lift()
        following = client.capture_finger(dossier.dossier_id, lease, 2)  # the first finger still lies there
        answer = await following.read()
        assert answer.lift_finger == capture_pb2.LiftFinger(attempt=0)
        await hands.lift()
        events = await hands.follow(following, finger=2)
    assert events[-1][0] in ("accepted", "exhausted")
    assert not any(event.same_as for name, event in events if name == "judged")
