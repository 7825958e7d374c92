"""Rows of the queue -> values, and what several steps do to them; functions work inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from enrollment.core.dossier.lifecycle import require_transition
from enrollment.core.dossier.model import DossierState
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.errors import DossierUnknown, PackageUnknown
from enrollment.service.store.instants import from_ms
from enrollment.service.store.tables import DOSSIERS, PACKAGE_CONTENTS, PACKAGES

PREDECESSOR_REFUSED: Final = "PREDECESSOR_REFUSED"


class PackageState(Enum):
    """How far a package is."""

    QUEUED = "queued"
    SENDING = "sending"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class NewPackage:
    """A package that was just sealed for `link`."""

    package_id: str
    dossier_id: str
    link: ChainLink
    sha256: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class OutboxPackage:
    """One row of the queue, without the content."""

    package_id: str
    dossier_id: str
    sequence: int
    sha256: bytes
    size_bytes: int
    state: PackageState
    sent_bytes: int
    attempts: int
    next_attempt_at: datetime | None
    problem: str
    problem_text: str
    sealed_at: datetime
    received_at: datetime | None


@dataclass(frozen=True, slots=True)
class PackagePage:
    """Newest first. next_page_token: "" on the last page."""

    packages: tuple[OutboxPackage, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every dossier of the station is: opened >= collected >= sealed >= sent >= acknowledged."""

    opened: int
    collected: int
    sealed: int
    sent: int
    acknowledged: int
    refused: int
    abandoned: int
    last_sequence: int
    unacknowledged_sequences: tuple[int, ...]


def dossier_state(connection: Connection, dossier_id: str) -> DossierState:
    """Raises DossierUnknown."""
    found = select(DOSSIERS.c.state).where(DOSSIERS.c.dossier_id == dossier_id)
    state = connection.execute(found).scalar_one_or_none()
    if state is None:
        raise DossierUnknown("this station has no such dossier", dossier_id=dossier_id[:64])
    return DossierState(state)


def advance_dossier(connection: Connection, dossier_id: str, wanted: DossierState) -> None:
    """Raises DossierUnknown, TransitionRefused."""
    require_transition(dossier_id, dossier_state(connection, dossier_id), wanted)
    connection.execute(update(DOSSIERS).where(DOSSIERS.c.dossier_id == dossier_id).values(state=wanted.value))


def unseal_from(connection: Connection, sequence: int) -> int:
    """Take back the packages from this number on that have no receipt; their dossiers wait for sealing again."""
    waiting = (PACKAGES.c.sequence >= sequence, PACKAGES.c.state != PackageState.ACKNOWLEDGED.value)
    unsealed = update(DOSSIERS).where(DOSSIERS.c.dossier_id.in_(select(PACKAGES.c.dossier_id).where(*waiting)))
    freed = connection.execute(unsealed.values(state=DossierState.COMPLETE.value)).rowcount
    packages = select(PACKAGES.c.package_id).where(*waiting)
    connection.execute(delete(PACKAGE_CONTENTS).where(PACKAGE_CONTENTS.c.package_id.in_(packages)))
    connection.execute(delete(PACKAGES).where(*waiting))
    return freed


def all_packages() -> Select[Any]:
    """All packages, each with the number of the first refused one: what stands behind it must wait."""
    refused = PACKAGES.alias("refused")
    first = select(func.min(refused.c.sequence)).where(refused.c.state == PackageState.REFUSED.value)
    return select(PACKAGES, first.scalar_subquery().label("first_refused"))


def load_package(connection: Connection, package_id: str) -> OutboxPackage:
    """Raises PackageUnknown."""
    row = connection.execute(all_packages().where(PACKAGES.c.package_id == package_id)).one_or_none()
    if row is None:
        raise PackageUnknown("the outbox has no such package", package_id=package_id[:64])
    return package_of(row)


def counts(connection: Connection, column: Any) -> dict[str, int]:
    """How many rows each value of a column has."""
    grouped = connection.execute(select(column.label("state"), func.count().label("number")).group_by(column))
    return {row.state: row.number for row in grouped}


def package_of(row: Row[Any]) -> OutboxPackage:
    """A row of all_packages."""
    held_up = row.first_refused is not None and row.first_refused < row.sequence
    return OutboxPackage(
        package_id=row.package_id,
        dossier_id=row.dossier_id,
        sequence=row.sequence,
        sha256=bytes(row.sha256),
        size_bytes=row.size_bytes,
        state=PackageState(row.state),
        sent_bytes=row.sent_bytes,
        attempts=row.attempts,
        next_attempt_at=None if row.next_attempt_at is None else from_ms(row.next_attempt_at),
        problem=PREDECESSOR_REFUSED if held_up and row.state == PackageState.QUEUED.value else row.problem,
        problem_text=row.problem_text,
        sealed_at=from_ms(row.sealed_at),
        received_at=None if row.received_at is None else from_ms(row.received_at),
    )
