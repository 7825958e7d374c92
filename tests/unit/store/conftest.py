"""A real store in a folder, with real keys, a plan and a clock that a test can set."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enrollment.core.dossier.model import QualityRecord
from enrollment.core.dossier.plan import Plan, PlannedField, PlannedFingerprint, PlannedPortrait
from enrollment.service.keys.software_keys import SoftwareKeys
from enrollment.service.store.new_capture import NewCapture
from enrollment.service.store.outbox_rows import NewPackage
from enrollment.service.store.store import Store


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def move(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


NAME = "Nguyễn Thị Kiểm Thử"
PLAN = Plan(
    plan_id="two-fingers",
    version=3,
    title_vi="Thử",
    title_en="Trial",
    fingerprints=(PlannedFingerprint(1), PlannedFingerprint(2)),
    portrait=PlannedPortrait(),
    fields=(PlannedField("full_name", "Họ tên", "Full name", required=True),),
)

CARD_PLAN = replace(PLAN, card_profile="vn-cccd")
NewDossier = Callable[..., str]


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SoftwareKeys:
    return SoftwareKeys.create(tmp_path_factory.mktemp("keys"), "T-1")


@pytest.fixture
def store(tmp_path: Path, clock: SetClock, keys: SoftwareKeys) -> Iterator[Store]:
    opened = Store.open(tmp_path / "station.db", clock, keys)
    yield opened
    opened.close()


@pytest.fixture
def plan() -> Plan:
    return PLAN


@pytest.fixture
def new_capture(clock: SetClock) -> Callable[..., NewCapture]:
    def make(position: int | None, *, image: bytes = b"IMAGE-BYTES" * 100, score: int = 70) -> NewCapture:
        stem = "portrait" if position is None else f"fingerprint-{position:02}"
        parts = {f"{stem}.jpg": ("image/jpeg", image)}
        if position is not None:
            parts[f"{stem}.fmr"] = ("application/x-iso19794-2-2005", b"FMR" + bytes([position]))
        return NewCapture(
            position=position,
            impression="flat",
            quality=QualityRecord(score, "a", "1", {"area_mm2": 210.5}, ("TOO_DRY",)),
            accepted=True,
            attempts=1,
            kept_attempt=1,
            operator_id="op-1",
            device_id="scanner-1",
            captured_at=clock.now(),
            parts=parts,
        )

    return make


@pytest.fixture
def complete_dossier(store: Store, new_capture: Callable[..., NewCapture]) -> Callable[[], str]:
    """Make a complete dossier and return its id."""

    def make() -> str:
        made = store.dossiers.create(PLAN, {"full_name": NAME}, request_id=str(uuid.uuid4()), operator_id="op-1")
        for position in (1, 2, None):
            store.dossiers.add_capture(
                made.dossier_id,
                new_capture(position),
                replace=False,
                request_id=f"{made.dossier_id}-{position}",
            )
        store.dossiers.complete(made.dossier_id, operator_id="op-1")
        return made.dossier_id

    return make


@pytest.fixture
def collected(store: Store, new_capture: Callable[..., NewCapture]) -> NewDossier:
    """Make a complete dossier whose plan issues a card, and return its id."""

    def make(plan: Plan = CARD_PLAN) -> str:
        made = store.dossiers.create(plan, {"full_name": NAME}, request_id=str(uuid.uuid4()), operator_id="op-1")
        for position in (1, 2, None):
            request = f"{made.dossier_id}-{position}"
            store.dossiers.add_capture(made.dossier_id, new_capture(position), replace=False, request_id=request)
        store.dossiers.complete(made.dossier_id, operator_id="op-1")
        return made.dossier_id

    return make


@pytest.fixture
def sent(store: Store, clock: SetClock, collected: NewDossier) -> NewDossier:
    """The same, with the registry's receipt."""

    def make() -> str:
        dossier_id = collected()
        package_id = str(uuid.uuid4())
        content = package_id.encode()
        link = store.outbox.next_link()
        store.outbox.add(NewPackage(package_id, dossier_id, link, content.ljust(32)[:32], content))
        store.outbox.acknowledge(package_id, b"receipt", clock.now())
        return dossier_id

    return make
