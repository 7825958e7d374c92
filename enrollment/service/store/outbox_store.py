"""Sealed packages on disk: the queue, the chain of sequence numbers, the receipts, the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from enrollment.core.dossier.lifecycle import require_transition
from enrollment.core.dossier.model import DossierState
from enrollment.core.sealing.field_rules import MAX_SEQUENCE
from enrollment.core.sealing.held_dossier import HeldDossier
from enrollment.service.config import Clock
from enrollment.service.store import chain
from enrollment.service.store.audit_log import SYSTEM, AuditLog
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.database import Database
from enrollment.service.store.errors import (
    ChainMoved,
    DossierUnknown,
    PackageUnknown,
    PartPurged,
    ReceiptNotYet,
)
from enrollment.service.store.instants import from_ms, to_ms
from enrollment.service.store.tables import DOSSIERS, PACKAGE_CONTENTS, PACKAGES

MAX_PAGE: Final = 500
MAX_PROBLEM_TEXT: Final = 500  # characters
MAX_NAMED_GAPS: Final = 100
PREDECESSOR_REFUSED: Final = "PREDECESSOR_REFUSED"
HELD_TWICE: Final = "DOSSIER_HELD_TWICE"
HELD_TWICE_TEXT: Final = "the registry also holds this dossier with another content: tell it which of the two counts"


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


class OutboxStore:
    """The station's packages."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock, cards: CardLedger) -> None:
        self._database, self._audit, self._clock, self._cards = database, audit, clock, cards

    def next_link(self) -> ChainLink:
        """Where the next package will stand."""
        with self._database.read() as connection:
            return chain.next_link(connection)

    def add(self, new: NewPackage) -> OutboxPackage:
        """Queue a sealed package, in one transaction with its dossier's state and its place in the chain.

        Raises ChainMoved (seal again), DossierUnknown, TransitionRefused (the dossier is not complete).
        """
        with self._database.write() as connection:
            if chain.next_link(connection) != new.link:
                raise ChainMoved("another package was queued meanwhile", sequence=new.link.sequence)
            _advance_dossier(connection, new.dossier_id, DossierState.SEALED)
            connection.execute(
                insert(PACKAGES).values(
                    package_id=new.package_id,
                    dossier_id=new.dossier_id,
                    sequence=new.link.sequence,
                    sha256=new.sha256,
                    size_bytes=len(new.content),
                    state=PackageState.QUEUED.value,
                    sealed_at=to_ms(self._clock.now()),
                )
            )
            connection.execute(insert(PACKAGE_CONTENTS).values(package_id=new.package_id, content=new.content))
            self._audit.append_in(
                connection, "sealed", SYSTEM, dossier_id=new.dossier_id, sequence=new.link.sequence,
                package_sha256=new.sha256.hex(),
            )  # fmt: skip
            return _load(connection, new.package_id)

    def get(self, package_id: str) -> OutboxPackage:
        """Raises PackageUnknown."""
        with self._database.read() as connection:
            return _load(connection, package_id)

    def for_dossier(self, dossier_id: str) -> OutboxPackage | None:
        """The dossier's package; None while it is not sealed. Raises DossierUnknown."""
        with self._database.read() as connection:
            row = connection.execute(_packages().where(PACKAGES.c.dossier_id == dossier_id)).one_or_none()
            if row is None:
                _dossier_state(connection, dossier_id)
            return None if row is None else _package(row)

    def list(self, state: PackageState | None, page_size: int, page_token: str) -> PackagePage:
        """A page by sequence number, newest first. page_token: "" for the first, else from the page before."""
        size = min(page_size, MAX_PAGE)
        query = _packages().order_by(PACKAGES.c.sequence.desc()).limit(size + 1)
        if state is not None:
            query = query.where(PACKAGES.c.state == state.value)
        if page_token:
            before = int(page_token[:19]) if page_token.isascii() and page_token.isdecimal() else 0
            query = query.where(PACKAGES.c.sequence < min(before, MAX_SEQUENCE))
        with self._database.read() as connection:
            found = connection.execute(query).all()
            page = found[:size]
            return PackagePage(tuple(map(_package, page)), str(page[-1].sequence) if len(found) > size else "")

    def next_to_send(self) -> OutboxPackage | None:
        """The oldest package without a receipt: packages go strictly in sequence. None when all have one."""
        waiting = _packages().where(PACKAGES.c.state != PackageState.ACKNOWLEDGED.value)
        with self._database.read() as connection:
            row = connection.execute(waiting.order_by(PACKAGES.c.sequence).limit(1)).one_or_none()
            return None if row is None else _package(row)

    def read(self, package_id: str) -> bytes:
        """The sealed bytes. Raises PackageUnknown, PartPurged."""
        with self._database.read() as connection:
            _load(connection, package_id)
            content = select(PACKAGE_CONTENTS.c.content).where(PACKAGE_CONTENTS.c.package_id == package_id)
            found: bytes | None = connection.execute(content).scalar_one_or_none()
        if found is None:
            raise PartPurged("the dossier was purged: its package is gone for ever", package_id=package_id)
        return found

    def receipt(self, package_id: str) -> bytes:
        """The registry's receipt. Raises PackageUnknown, ReceiptNotYet."""
        with self._database.read() as connection:
            _load(connection, package_id)
            kept = select(PACKAGES.c.receipt).where(PACKAGES.c.package_id == package_id)
            receipt: bytes | None = connection.execute(kept).scalar_one()
        if receipt is None:
            raise ReceiptNotYet("the registry has not acknowledged this package yet", package_id=package_id)
        return receipt

    def begin_attempt(self, package_id: str) -> OutboxPackage:
        """Bytes are going out now."""
        return self._change(
            package_id, state=PackageState.SENDING.value, attempts=PACKAGES.c.attempts + 1, next_attempt_at=None
        )

    def progress(self, package_id: str, sent_bytes: int) -> OutboxPackage:
        """The registry has this many bytes on its disk."""
        return self._change(package_id, sent_bytes=sent_bytes)

    def postpone(self, package_id: str, problem: str, text: str, next_attempt_at: datetime) -> OutboxPackage:
        """This attempt failed; try again at the given time."""
        return self._change(
            package_id,
            state=PackageState.QUEUED.value,
            problem=problem,
            problem_text=text[:MAX_PROBLEM_TEXT],
            next_attempt_at=to_ms(next_attempt_at),
        )

    def refuse(self, package_id: str, problem: str, text: str) -> OutboxPackage:
        """The registry refused it for good: it stays, a person must act, and those behind it wait and say why."""
        with self._database.write() as connection:
            values = {"problem": problem, "problem_text": text[:MAX_PROBLEM_TEXT], "next_attempt_at": None}
            here = PACKAGES.c.package_id == package_id
            connection.execute(update(PACKAGES).where(here).values(state=PackageState.REFUSED.value, **values))
            package = _load(connection, package_id)
            self._audit.append_in(connection, "refused", SYSTEM, package_id=package_id, problem=problem)
            return package

    def retry(self, package_id: str, *, operator_id: str) -> OutboxPackage:
        """Make a waiting or refused package due now; an acknowledged one stays as it is. Raises PackageUnknown."""
        with self._database.write() as connection:
            if _load(connection, package_id).state is not PackageState.ACKNOWLEDGED:
                values = {
                    "state": PackageState.QUEUED.value,
                    "next_attempt_at": None,
                    "problem": "",
                    "problem_text": "",
                }
                connection.execute(update(PACKAGES).where(PACKAGES.c.package_id == package_id).values(values))
                self._audit.append_in(connection, "package-retried", operator_id, package_id=package_id)
            return _load(connection, package_id)

    def acknowledge(
        self, package_id: str, receipt: bytes, received_at: datetime, *, held_twice: bool = False
    ) -> OutboxPackage:
        """Store a verified receipt, the dossier's state and its card's in one transaction. Idempotent.

        held_twice: the registry holds the dossier with another content as well; the package goes on saying so.
        """
        with self._database.write() as connection:
            package = _load(connection, package_id)
            if package.state is PackageState.ACKNOWLEDGED:
                return package
            _advance_dossier(connection, package.dossier_id, DossierState.ACKNOWLEDGED)
            connection.execute(
                update(PACKAGES)
                .where(PACKAGES.c.package_id == package_id)
                .values(
                    state=PackageState.ACKNOWLEDGED.value, receipt=receipt, received_at=to_ms(received_at),
                    sent_bytes=PACKAGES.c.size_bytes, next_attempt_at=None,
                    problem=HELD_TWICE if held_twice else "", problem_text=HELD_TWICE_TEXT if held_twice else "",
                )
            )  # fmt: skip
            self._delivered(connection, package.dossier_id, package_id, package.sequence, held_twice=held_twice)
            return _load(connection, package_id)

    def settle(self, package_id: str, held: HeldDossier) -> OutboxPackage:
        """Put the package under which the registry holds the dossier, and its receipt, in the place of this one.

        Its bytes are not here and never will be. Those behind this one in the chain are sealed anew. One transaction.
        """
        receipt = held.receipt
        with self._database.write() as connection:
            dossier_id = _load(connection, package_id).dossier_id
            behind = _unseal_from(connection, _load(connection, package_id).sequence) - 1
            connection.execute(
                insert(PACKAGES).values(
                    package_id=str(receipt.package_id),
                    dossier_id=dossier_id,
                    sequence=receipt.sequence,
                    sha256=receipt.package_sha256,
                    size_bytes=held.size_bytes,
                    sent_bytes=held.size_bytes,
                    state=PackageState.ACKNOWLEDGED.value,
                    sealed_at=held.manifest.created_at_ms,
                    receipt=held.signed_receipt,
                    received_at=receipt.received_at_ms,
                )
            )
            state = DossierState.ACKNOWLEDGED.value
            connection.execute(update(DOSSIERS).where(DOSSIERS.c.dossier_id == dossier_id).values(state=state))
            self._delivered(
                connection, dossier_id, str(receipt.package_id), receipt.sequence, found=True, unsealed=behind
            )
            return _load(connection, str(receipt.package_id))

    def _delivered(
        self, connection: Connection, dossier_id: str, package_id: str, sequence: int, **facts: int | str
    ) -> None:
        """What goes with a dossier's receipt."""
        chain.forget_unknown(connection)  # in step again, or it is noted again
        self._cards.sent_in(connection, dossier_id)
        told = {name: fact for name, fact in facts.items() if fact}
        self._audit.append_in(connection, "acknowledged", SYSTEM, package_id=package_id, sequence=sequence, **told)

    def sequence_of(self, sha256: bytes) -> int:
        """The number of the package with this digest; 0 where it is neither ours nor what we rejoined after."""
        with self._database.read() as connection:
            return chain.sequence_of(connection, sha256)

    def between(self, after: int, before: int) -> tuple[OutboxPackage, ...]:
        """The packages with numbers above `after` and below `before`, in their order."""
        numbered = _packages().where(PACKAGES.c.sequence > after, PACKAGES.c.sequence < before)
        with self._database.read() as connection:
            return tuple(map(_package, connection.execute(numbered.order_by(PACKAGES.c.sequence))))

    def is_kept(self, package_id: str) -> bool:
        """Whether the sealed bytes are still here."""
        here = PACKAGE_CONTENTS.c.package_id == package_id
        with self._database.read() as connection:
            return connection.execute(select(PACKAGE_CONTENTS.c.package_id).where(here)).first() is not None

    def note_set_back(self, sequence: int, sha256: bytes) -> None:
        """Remember the registry's last package of this station, which is not known here."""
        with self._database.write() as connection:
            chain.note_unknown(connection, sequence, sha256)

    def rejoin(self, *, operator_id: str) -> int:
        """After this database was set back: have everything without a receipt sealed anew behind the registry's last.

        A dossier that the registry had before is told then, and takes the receipt that it has (settle).
        How many dossiers that are. Raises ChainSound where the registry told nothing of the kind.
        """
        with self._database.write() as connection:
            after = chain.go_on_after_unknown(connection)
            freed = _unseal_from(connection, 1)
            self._audit.append_in(connection, "rejoined", operator_id, after=after, dossiers=freed)
            return freed

    def unseal_from(self, sequence: int, *, why: str) -> int:
        """Have this package, which the registry does not have, and those behind it sealed anew.

        How many dossiers that are. Those with a receipt stay as they are.
        """
        with self._database.write() as connection:
            freed = _unseal_from(connection, sequence)
            self._audit.append_in(connection, "unsealed", SYSTEM, sequence=sequence, dossiers=freed, problem=why)
            return freed

    def recover(self) -> None:
        """After a start: nothing is being sent, whatever the row says."""
        with self._database.write() as connection:
            stale = PACKAGES.c.state == PackageState.SENDING.value
            connection.execute(update(PACKAGES).where(stale).values(state=PackageState.QUEUED.value))

    def ledger(self) -> Ledger:
        """Count everything in one consistent view."""
        with self._database.read() as connection:
            dossiers = _counts(connection, DOSSIERS.c.state)
            packages = _counts(connection, PACKAGES.c.state)
            whole = PACKAGES.c.sent_bytes >= PACKAGES.c.size_bytes
            sent = connection.execute(select(func.count()).select_from(PACKAGES).where(whole)).scalar_one()
            last = connection.execute(select(func.max(PACKAGES.c.sequence))).scalar_one() or 0
            waiting = select(PACKAGES.c.sequence).where(PACKAGES.c.state != PackageState.ACKNOWLEDGED.value)
            gaps = connection.execute(waiting.order_by(PACKAGES.c.sequence).limit(MAX_NAMED_GAPS)).scalars().all()
            opened = sum(dossiers.values())
            abandoned = dossiers.get(DossierState.ABANDONED.value, 0)
            return Ledger(
                opened=opened,
                collected=opened - abandoned - dossiers.get(DossierState.OPEN.value, 0),
                sealed=sum(packages.values()),
                sent=sent,
                acknowledged=packages.get(PackageState.ACKNOWLEDGED.value, 0),
                refused=packages.get(PackageState.REFUSED.value, 0),
                abandoned=abandoned,
                last_sequence=last,
                unacknowledged_sequences=tuple(gaps),
            )

    def _change(self, package_id: str, **values: Any) -> OutboxPackage:
        with self._database.write() as connection:
            connection.execute(update(PACKAGES).where(PACKAGES.c.package_id == package_id).values(values))
            return _load(connection, package_id)


def _dossier_state(connection: Connection, dossier_id: str) -> DossierState:
    found = select(DOSSIERS.c.state).where(DOSSIERS.c.dossier_id == dossier_id)
    state = connection.execute(found).scalar_one_or_none()
    if state is None:
        raise DossierUnknown("this station has no such dossier", dossier_id=dossier_id[:64])
    return DossierState(state)


def _advance_dossier(connection: Connection, dossier_id: str, wanted: DossierState) -> None:
    require_transition(dossier_id, _dossier_state(connection, dossier_id), wanted)
    connection.execute(update(DOSSIERS).where(DOSSIERS.c.dossier_id == dossier_id).values(state=wanted.value))


def _unseal_from(connection: Connection, sequence: int) -> int:
    """Take back the packages from this number on that have no receipt; their dossiers wait for sealing again."""
    waiting = (PACKAGES.c.sequence >= sequence, PACKAGES.c.state != PackageState.ACKNOWLEDGED.value)
    unsealed = update(DOSSIERS).where(DOSSIERS.c.dossier_id.in_(select(PACKAGES.c.dossier_id).where(*waiting)))
    freed = connection.execute(unsealed.values(state=DossierState.COMPLETE.value)).rowcount
    packages = select(PACKAGES.c.package_id).where(*waiting)
    connection.execute(delete(PACKAGE_CONTENTS).where(PACKAGE_CONTENTS.c.package_id.in_(packages)))
    connection.execute(delete(PACKAGES).where(*waiting))
    return freed


def _packages() -> Select[Any]:
    """All packages, each with the number of the first refused one: what stands behind it must wait."""
    refused = PACKAGES.alias("refused")
    first = select(func.min(refused.c.sequence)).where(refused.c.state == PackageState.REFUSED.value)
    return select(PACKAGES, first.scalar_subquery().label("first_refused"))


def _load(connection: Connection, package_id: str) -> OutboxPackage:
    row = connection.execute(_packages().where(PACKAGES.c.package_id == package_id)).one_or_none()
    if row is None:
        raise PackageUnknown("the outbox has no such package", package_id=package_id[:64])
    return _package(row)


def _counts(connection: Connection, column: Any) -> dict[str, int]:
    grouped = connection.execute(select(column.label("state"), func.count().label("number")).group_by(column))
    return {row.state: row.number for row in grouped}


def _package(row: Row[Any]) -> OutboxPackage:
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
