"""Slaps through the daemon: a live platen, fingers cut out, judged one by one, and each kept at its best."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from enrollment.core.fingerprint import compare
from enrollment.core.records.iso19794_2_2005 import FingerMinutiaeRecord, template_from_record
from enrollment.core.records.iso19794_4_2005 import FingerImageRecord, image_from_record
from enrollment.v1 import capture_pb2, dossier_pb2, types_pb2
from tests.flow.running_station import Client, InProcess, MakeStation, refused, running_here

if TYPE_CHECKING:
    from tests.contract.device_stubs import TenPrintStub

pytest_plugins = ("tests.contract.device_stubs", "tests.flow.station_fixtures")

PERSON = 7
RIGHT_FOUR, LEFT_FOUR, TWO_THUMBS = 13, 14, 15
FINGERS = {RIGHT_FOUR: [2, 3, 4, 5], LEFT_FOUR: [7, 8, 9, 10], TWO_THUMBS: [1, 6]}
PLAN = "card-issue-slaps"


@pytest.fixture
async def at_tenprint(make_station: MakeStation, tenprint_stub: TenPrintStub) -> AsyncIterator[InProcess]:
    """A station in this process with a ten-print scanner."""
    async with running_here(make_station([tenprint_stub.url])) as running:
        yield running


class Person:
    """Lays hands on the scanner as the events ask; `lay` may be another position than was asked for."""

    def __init__(self, stub: TenPrintStub, seed: int = PERSON) -> None:
        self.stub = stub
        self.seed = seed

    async def follow(self, call: Any, lay: int, **how: int) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            name = answer.WhichOneof("event")
            events.append((name, getattr(answer, name)))
            if name == "waiting":
                await asyncio.to_thread(self.stub.lay_slap, self.seed, lay, **how)
            elif name in ("lift_finger", "accepted", "exhausted"):
                await asyncio.to_thread(self.stub.lift)
        return events


@pytest.fixture
def person(tenprint_stub: TenPrintStub) -> Person:
    return Person(tenprint_stub)


def named(events: list[tuple[str, Any]], name: str) -> list[Any]:
    return [event for kind, event in events if kind == name]


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
