"""A station with a card reader: the real pcscd, cards of the model in it, and dossiers whose card is due.

Dossiers are put into the store as captures leave them, with the registry's receipt: enrolling is tested elsewhere.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import grpc.aio
import numpy as np

from enrollment.core.dossier.model import QualityRecord
from enrollment.core.fingerprint import FingerprintImage, examine
from enrollment.core.records import iso19794_2_2005, iso19794_4_2005
from enrollment.service import daemon as station_commands
from enrollment.service.config import SystemClock, load_config, load_plans
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store
from enrollment.v1 import card_pb2, device_pb2
from firmware_stubs.fingers import make_impression, make_master
from tests.flow.running_station import Client, InProcess, StationFolder, invoke, running_here

SOON_S = 20.0  # a limit against hanging
PERSONS = (
    {"full_name": "Nguyễn Thị Ánh", "date_of_birth": "07/03/1991", "sex": "F", "personal_number": "001191012345"},
    {"full_name": "Trần Văn Đượm", "date_of_birth": "29/02/2004", "sex": "M", "personal_number": "079204054321"},
)


def with_cards(folder: StationFolder) -> StationFolder:
    """Give it an authority, a signer and card keys of its own."""
    invoke(station_commands.main, "cards", "init", "--config", folder.config)
    return folder


def open_store(folder: StationFolder) -> Store:
    config = load_config(folder.config)
    keys = SoftwareKeys.load(config.keys_folder, config.passphrase())
    return Store.open(config.database, SystemClock(), keys, place=config.station_id)


def enroll(folder: StationFolder, person: int = 0, *, sent: bool = True) -> str:
    """A complete dossier; its id. sent: the registry has it."""
    store = open_store(folder)
    try:
        plan = load_plans(load_config(folder.config))["card-issue"]
        request = str(uuid.uuid4())
        opened = store.dossiers.create(plan, PERSONS[person], request_id=request, operator_id="op-1")
        for position in (*range(1, 11), None):
            new = _capture(position)
            store.dossiers.add_capture(opened.dossier_id, new, replace=False, request_id=str(uuid.uuid4()))
        store.dossiers.complete(opened.dossier_id, operator_id="op-1")
        if sent:
            package = str(uuid.uuid4())
            link = store.outbox.next_link()
            store.outbox.add(NewPackage(package, opened.dossier_id, link, package.encode()[:32], b"sealed"))
            store.outbox.acknowledge(package, b"receipt", SystemClock().now())
        return opened.dossier_id
    finally:
        store.close()


@cache
def _print() -> tuple[FingerprintImage, Any]:
    image = FingerprintImage(make_impression(make_master(77), 0).pixels)
    return image, examine(image).template


@cache
def _portrait() -> bytes:
    coarse = np.random.default_rng(5).integers(60, 200, (24, 18, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(coarse, (720, 960), interpolation=cv2.INTER_CUBIC))[1].tobytes()


def _capture(position: int | None) -> NewCapture:
    parts = {"portrait.jpg": ("image/jpeg", _portrait())}
    if position is not None:
        image, template = _print()
        picture = iso19794_4_2005.record_from_image(image, position=position, impression=0, quality=70)
        minutiae = iso19794_2_2005.record_from_template(template, position=position, impression=0, quality=70)
        parts = {
            f"fingerprint-{position:02d}.fir": ("application/x-iso19794-4-2005", picture.encode()),
            f"fingerprint-{position:02d}.fmr": ("application/x-iso19794-2-2005", minutiae.encode()),
        }
    return NewCapture(
        position=position,
        impression="" if position is None else "flat",
        quality=QualityRecord(70, "ours", "1"),
        accepted=True,
        attempts=1,
        kept_attempt=1,
        operator_id="op-1",
        device_id="scanner",
        captured_at=SystemClock().now(),
        parts=parts,
    )


@dataclass
class Written:
    """What a personalisation told."""

    steps: list[str]
    checks: dict[str, Any]
    card: Any = None


class Desk:
    """A client at one reader."""

    def __init__(self, client: Client, device_id: str, lease: Any) -> None:
        self.client, self.device_id, self.lease = client, device_id, lease

    async def until(self, *states: device_pb2.DeviceState.ValueType) -> None:
        """Return when the reader is in one of these states."""
        async with asyncio.timeout(SOON_S):
            while {reader.device_id: reader.state for reader in await encoders(self.client)}[
                self.device_id
            ] not in states:
                await asyncio.sleep(0.02)

    async def personalise(self, dossier_id: str, request_id: str = "", profile: str = "") -> Written:
        """Raises grpc.aio.AioRpcError."""
        call = self.start(dossier_id, request_id, profile)
        written = Written([], {})
        while (event := await call.read()) is not grpc.aio.EOF:
            take(written, event)
        return written

    def start(self, dossier_id: str, request_id: str = "", profile: str = "") -> Any:
        request = card_pb2.PersonaliseCardRequest(
            dossier_id=dossier_id, lease=self.lease, profile=profile, request_id=request_id or str(uuid.uuid4())
        )
        return self.client.cards.PersonaliseCard(request)

    async def verify(self, dossier_id: str = "", access_key: str = "") -> tuple[dict[str, Any], dict[str, bytes]]:
        """Checks by name, files by name."""
        checks, files = {}, {}
        call = self.start_verification(dossier_id, access_key)
        while (event := await call.read()) is not grpc.aio.EOF:
            match event.WhichOneof("event"):
                case "check":
                    checks[event.check.name] = event.check
                case "file":
                    files[event.file.name] = event.file.content
        return checks, files

    def start_verification(self, dossier_id: str = "", access_key: str = "") -> Any:
        request = card_pb2.VerifyCardRequest(lease=self.lease, dossier_id=dossier_id, access_key=access_key)
        return self.client.cards.VerifyCard(request)


def take(written: Written, event: Any) -> None:
    match event.WhichOneof("event"):
        case "progress":
            written.steps.append(event.progress.step)
        case "check":
            written.checks[event.check.name] = event.check
        case "card":
            written.card = event.card


@asynccontextmanager
async def at_reader(client: Client, number: int = 0) -> AsyncIterator[Desk]:
    """Lease the reader of this number."""
    device_id = (await attached(client, 1 + number))[number]
    async with client.lease(device_id) as lease:
        yield Desk(client, device_id, lease)


async def attached(client: Client, count: int) -> list[str]:
    """The readers, once there are so many: a look that found fewer may have come before pcscd."""
    async with asyncio.timeout(SOON_S):
        while True:
            gone = device_pb2.DEVICE_STATE_DETACHED
            readers = [device.device_id for device in await encoders(client) if device.state != gone]
            if len(readers) >= count:
                return readers
            await asyncio.sleep(0.02)


async def encoders(client: Client) -> Sequence[device_pb2.Device]:
    """All readers, also those that left."""
    request = device_pb2.ListDevicesRequest(kind=device_pb2.DEVICE_KIND_CARD_ENCODER)
    return list((await client.devices.ListDevices(request)).devices)


@asynccontextmanager
async def issuing(folder: StationFolder) -> AsyncIterator[tuple[InProcess, Desk]]:
    """The station in this process, with a client at its first reader."""
    async with running_here(folder) as running, at_reader(running.client) as desk:
        yield running, desk
