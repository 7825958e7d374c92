"""Sealed packages on disk: the queue, the chain of sequence numbers, the receipts, the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from enrollment.core.dossier.model import DossierState
from enrollment.core.sealing.field_rules import MAX_SEQUENCE
from enrollment.core.sealing.held_dossier import HeldDossier
from enrollment.service.config import Clock
from enrollment.service.store import chain
from enrollment.service.store import outbox_rows as rows
from enrollment.service.store.audit_log import SYSTEM, AuditLog
from enrollment.service.store.card_ledger import CardLedger
from enrollment.service.store.chain import ChainLink
from enrollment.service.store.database import Database
from enrollment.service.store.errors import (
    ChainMoved,
    PartPurged,
    ReceiptNotYet,
)
from enrollment.service.store.instants import to_ms
from enrollment.service.store.outbox_rows import Ledger, NewPackage, OutboxPackage, PackagePage, PackageState
from enrollment.service.store.tables import DOSSIERS, PACKAGE_CONTENTS, PACKAGES

MAX_PAGE: Final = 500
MAX_PROBLEM_TEXT: Final = 500  # characters
MAX_NAMED_GAPS: Final = 100
HELD_TWICE: Final = "DOSSIER_HELD_TWICE"
HELD_TWICE_TEXT: Final = "the registry also holds this dossier with another content: tell it which of the two counts"


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
            rows.advance_dossier(connection, new.dossier_id, DossierState.SEALED)
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
            return rows.load_package(connection, new.package_id)

    def get(self, package_id: str) -> OutboxPackage:
        """Raises PackageUnknown."""
        with self._database.read() as connection:
            return rows.load_package(connection, package_id)

    def for_dossier(self, dossier_id: str) -> OutboxPackage | None:
        """The dossier's package; None while it is not sealed. Raises DossierUnknown."""
        with self._database.read() as connection:
            row = connection.execute(rows.all_packages().where(PACKAGES.c.dossier_id == dossier_id)).one_or_none()
            if row is None:
                rows.dossier_state(connection, dossier_id)
            return None if row is None else rows.package_of(row)

    def list(self, state: PackageState | None, page_size: int, page_token: str) -> PackagePage:
        """A page by sequence number, newest first. page_token: "" for the first, else from the page before."""
        size = min(page_size, MAX_PAGE)
        query = rows.all_packages().order_by(PACKAGES.c.sequence.desc()).limit(size + 1)
        if state is not None:
            query = query.where(PACKAGES.c.state == state.value)
        if page_token:
            before = int(page_token[:19]) if page_token.isascii() and page_token.isdecimal() else 0
            query = query.where(PACKAGES.c.sequence < min(before, MAX_SEQUENCE))
        with self._database.read() as connection:
            found = connection.execute(query).all()
            page = found[:size]
            return PackagePage(tuple(map(rows.package_of, page)), str(page[-1].sequence) if len(found) > size else "")

    def next_to_send(self) -> OutboxPackage | None:
        """The oldest package without a receipt: packages go strictly in sequence. None when all have one."""
        waiting = rows.all_packages().where(PACKAGES.c.state != PackageState.ACKNOWLEDGED.value)
        with self._database.read() as connection:
            row = connection.execute(waiting.order_by(PACKAGES.c.sequence).limit(1)).one_or_none()
            return None if row is None else rows.package_of(row)

    def read(self, package_id: str) -> bytes:
        """The sealed bytes. Raises PackageUnknown, PartPurged."""
        with self._database.read() as connection:
            rows.load_package(connection, package_id)
            content = select(PACKAGE_CONTENTS.c.content).where(PACKAGE_CONTENTS.c.package_id == package_id)
            found: bytes | None = connection.execute(content).scalar_one_or_none()
        if found is None:
            raise PartPurged("the dossier was purged: its package is gone for ever", package_id=package_id)
        return found

    def receipt(self, package_id: str) -> bytes:
        """The registry's receipt. Raises PackageUnknown, ReceiptNotYet."""
        with self._database.read() as connection:
            rows.load_package(connection, package_id)
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
            package = rows.load_package(connection, package_id)
            self._audit.append_in(connection, "refused", SYSTEM, package_id=package_id, problem=problem)
            return package

    def retry(self, package_id: str, *, operator_id: str) -> OutboxPackage:
        """Make a waiting or refused package due now; an acknowledged one stays as it is. Raises PackageUnknown."""
        with self._database.write() as connection:
            if rows.load_package(connection, package_id).state is not PackageState.ACKNOWLEDGED:
                values = {
                    "state": PackageState.QUEUED.value,
                    "next_attempt_at": None,
                    "problem": "",
                    "problem_text": "",
                }
                connection.execute(update(PACKAGES).where(PACKAGES.c.package_id == package_id).values(values))
                self._audit.append_in(connection, "package-retried", operator_id, package_id=package_id)
            return rows.load_package(connection, package_id)

    def acknowledge(
        self, package_id: str, receipt: bytes, received_at: datetime, *, held_twice: bool = False
    ) -> OutboxPackage:
        """Store a verified receipt, the dossier's state and its card's in one transaction. Idempotent.

        held_twice: the registry holds the dossier with another content as well; the package goes on saying so.
        """
        with self._database.write() as connection:
            package = rows.load_package(connection, package_id)
            if package.state is PackageState.ACKNOWLEDGED:
                return package
            rows.advance_dossier(connection, package.dossier_id, DossierState.ACKNOWLEDGED)
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
            return rows.load_package(connection, package_id)

    def settle(self, package_id: str, held: HeldDossier) -> OutboxPackage:
        """Put the package under which the registry holds the dossier, and its receipt, in the place of this one.

        Its bytes are not here and never will be. Those behind this one in the chain are sealed anew. One transaction.
        """
        receipt = held.receipt
        with self._database.write() as connection:
            package = rows.load_package(connection, package_id)
            behind = rows.unseal_from(connection, package.sequence) - 1
            connection.execute(
                insert(PACKAGES).values(
                    package_id=str(receipt.package_id),
                    dossier_id=package.dossier_id,
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
            connection.execute(update(DOSSIERS).where(DOSSIERS.c.dossier_id == package.dossier_id).values(state=state))
            self._delivered(
                connection, package.dossier_id, str(receipt.package_id), receipt.sequence, found=True, unsealed=behind
            )
            return rows.load_package(connection, str(receipt.package_id))

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
        numbered = rows.all_packages().where(PACKAGES.c.sequence > after, PACKAGES.c.sequence < before)
        with self._database.read() as connection:
            return tuple(map(rows.package_of, connection.execute(numbered.order_by(PACKAGES.c.sequence))))

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
            freed = rows.unseal_from(connection, 1)
            self._audit.append_in(connection, "rejoined", operator_id, after=after, dossiers=freed)
            return freed

    def unseal_from(self, sequence: int, *, why: str) -> int:
        """Have this package, which the registry does not have, and those behind it sealed anew.

        How many dossiers that are. Those with a receipt stay as they are.
        """
        with self._database.write() as connection:
            freed = rows.unseal_from(connection, sequence)
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
            dossiers = rows.counts(connection, DOSSIERS.c.state)
            packages = rows.counts(connection, PACKAGES.c.state)
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
            return rows.load_package(connection, package_id)
